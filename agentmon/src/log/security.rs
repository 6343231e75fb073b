//! Rule matches on an event: OCSF's profile `security_control`, severity, and the rest in `unmapped`.
//!
//! Not for: findings over several events (`super::records`).

use super::entry::MatchView;
use super::line::{Line, NAME_MAX};

/// Most matches that are listed beyond the strongest one.
const LISTED_MAX: usize = 8;
/// Most techniques that are listed.
const ATTACKS_MAX: usize = 8;

/// `severity_id` of an event: that of its strongest match, else informational.
pub(super) fn severity(matches: &[MatchView<'_>]) -> u8 {
    strongest(matches).map_or(1, |found| found.level.clamp(1, 5))
}

/// The match that speaks for the event: the first of those with the highest level.
pub(super) fn strongest<'m, 'a>(matches: &'m [MatchView<'a>]) -> Option<&'m MatchView<'a>> {
    matches.iter().reduce(|best, found| if found.level > best.level { found } else { best })
}

/// `action_id`, `disposition_id`, `is_alert`, `policy`, `attacks`.
pub(super) fn on_event(line: &mut Line<'_, '_>, matches: &[MatchView<'_>]) {
    let Some(found) = strongest(matches) else { return };
    verdict(line, found);
    line.json.object("policy");
    line.json.string("uid", found.id, NAME_MAX);
    line.json.string("name", found.title, 2 * NAME_MAX);
    line.json.close();
    attacks(line, found.tags);
}

/// `action_id`, `disposition_id` and `is_alert` for what is done about a match.
pub(super) fn verdict(line: &mut Line<'_, '_>, found: &MatchView<'_>) {
    // action_id 3: observed, the operation itself took place; 2: denied.
    let (action, disposition) = match found.action {
        "log" => (3, 17),
        _ if found.observed => (3, 19),
        "confirm" => (3, 14),
        "deny" => (2, 2),
        "freeze" => (3, 4),
        "kill" => (3, 7),
        _ => (3, 19),
    };
    line.json.number("action_id", action);
    line.json.number("disposition_id", disposition);
    line.json.boolean("is_alert", found.action != "log");
}

/// `attacks`: the MITRE ATT&CK techniques among Sigma tags (`attack.t1552.001`).
pub(super) fn attacks(line: &mut Line<'_, '_>, tags: &[String]) {
    let mut techniques = tags.iter().filter_map(|tag| technique(tag)).take(ATTACKS_MAX).peekable();
    if techniques.peek().is_none() {
        return;
    }
    line.json.list("attacks");
    for technique in techniques {
        line.json.open();
        line.json.raw("\"technique\":{\"uid\":\"T");
        line.json.raw(technique);
        line.json.raw("\"}}");
    }
    line.json.close_list();
}

/// `1552.001` of `attack.t1552.001`.
fn technique(tag: &str) -> Option<&str> {
    let number = tag.strip_prefix("attack.t").or_else(|| tag.strip_prefix("attack.T"))?;
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let valid = (4..=7).contains(&digits) && number.len() <= 8 && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    valid.then_some(number)
}

/// Class, action and count of the strongest match, and the other matches.
pub(super) fn unmapped(line: &mut Line<'_, '_>, matches: &[MatchView<'_>]) {
    let Some(first) = strongest(matches) else { return };
    line.json.string("action", first.action, NAME_MAX);
    if first.observed {
        line.json.boolean("observed", true);
    }
    if let Some(class) = first.class {
        line.json.string("class", class, NAME_MAX);
    }
    if let Some(count) = first.count {
        line.json.number("count", count);
    }
    if matches.len() < 2 {
        return;
    }
    line.json.number("match_count", matches.len());
    line.json.list("other_matches");
    for found in matches.iter().filter(|found| !std::ptr::eq(*found, first)).take(LISTED_MAX) {
        line.json.open();
        line.json.string("uid", found.id, NAME_MAX);
        line.json.string("name", found.title, NAME_MAX);
        line.json.number("severity_id", found.level.clamp(1, 5));
        line.json.string("action", found.action, NAME_MAX);
        if let Some(class) = found.class {
            line.json.string("class", class, NAME_MAX);
        }
        line.json.close();
    }
    line.json.close_list();
}
