//! Cutting: the few lines of a recording that make a rule match, for a test beside the rule.
//!
//! What the match does not need is taken away piece by piece; then the programs and forks of those who remain are put back,
//! with those of their ancestors, so that who did it can still be read. Not for: writing files.

use super::{End, Finish, Header, Line, Replay};
use crate::event::{Detail, Event, ProcessKey};
use crate::rules::RuleSet;
use std::collections::HashSet;

/// Why nothing could be cut out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// The rule matches nothing in it.
    #[error("rule {0} matches nothing in this recording")]
    NoMatch(String),
}

/// The lines that make the rule of this id match for the first time, with their header. `lines` are those after the header.
///
/// # Errors
/// When it never matches.
pub fn cut(header: &Header, lines: &[Line], rules: &RuleSet, id: &str) -> Result<(Header, Vec<Line>), CutError> {
    let found = first_match(header, lines, rules, id).ok_or_else(|| CutError::NoMatch(id.to_owned()))?;
    let before = &lines[..=found];
    let fires = |kept: &[usize]| {
        let mut replay = Replay::new(header, rules.clone());
        let mut fired = false;
        for at in kept {
            replay.take(0, before[*at].clone(), |verdict| fired |= verdict.matches.iter().any(|found| found.rule.id == id));
        }
        replay.take(0, Line::Finish(Finish {}), |verdict| fired |= verdict.matches.iter().any(|found| found.rule.id == id));
        fired
    };
    let likely = likely(header, before, rules);
    let needed = minimal(if fires(&likely) { likely } else { (0..before.len()).collect() }, &fires);
    let with_ancestors = with_ancestors(before, &needed);
    let kept = if fires(&with_ancestors) { with_ancestors } else { needed };
    let mut lines: Vec<Line> = kept.into_iter().map(|at| before[at].clone()).collect();
    lines.push(Line::Finish(Finish {}));
    lines.push(Line::End(End { reason: "cut".to_owned(), lost: 0 }));
    let header = Header { host: String::new(), about: vec![id.to_owned()], ..header.clone() };
    Ok((header, lines))
}

/// Where the rule matches first.
fn first_match(header: &Header, lines: &[Line], rules: &RuleSet, id: &str) -> Option<usize> {
    let mut replay = Replay::new(header, rules.clone());
    lines.iter().position(|line| {
        let mut fired = false;
        replay.take(0, line.clone(), |verdict| fired |= verdict.matches.iter().any(|found| found.rule.id == id));
        fired
    })
}

/// What a match is likely to need: agents, who is who, and what any rule saw something in.
fn likely(header: &Header, lines: &[Line], rules: &RuleSet) -> Vec<usize> {
    let mut replay = Replay::new(header, rules.clone());
    let is_likely = |line: &Line| {
        let mut touched = match line {
            Line::Event(event) => matches!(event.detail, Detail::Exec(_) | Detail::Fork(_) | Detail::ProcessSeen(_)),
            Line::Agent(_) | Line::Gone(_) | Line::Rules(_) => true,
            _ => false,
        };
        replay.take(0, line.clone(), |verdict| touched |= verdict.touched);
        touched
    };
    let likely: Vec<bool> = lines.iter().map(is_likely).collect();
    (0..lines.len()).filter(|at| likely[*at]).collect()
}

/// Takes away halves, quarters, … single lines, as long as it still fires.
fn minimal(mut kept: Vec<usize>, fires: &impl Fn(&[usize]) -> bool) -> Vec<usize> {
    let mut piece = kept.len().div_ceil(2);
    while piece > 0 {
        // From the front: what lies long before the match is what it needs least.
        let mut at = 0;
        while at < kept.len() {
            let end = (at + piece).min(kept.len());
            let without: Vec<usize> = kept[..at].iter().chain(&kept[end..]).copied().collect();
            if fires(&without) {
                kept = without;
            } else {
                at = end;
            }
        }
        piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
    }
    kept
}

/// Those lines, and the forks and programs of whoever did something in them and of their ancestors.
fn with_ancestors(lines: &[Line], needed: &[usize]) -> Vec<usize> {
    let event = |at: usize| if let Line::Event(event) = &lines[at] { Some(&**event) } else { None };
    let mut people: HashSet<ProcessKey> = needed.iter().filter_map(|at| Some(event(*at)?.process)).collect();
    let mut kept: HashSet<usize> = needed.iter().copied().collect();
    // Backwards: a child's fork names its creator.
    for at in (0..lines.len()).rev() {
        let Some(event) = event(at) else { continue };
        if makes_known(event, &people) {
            people.insert(event.process);
            kept.insert(at);
        }
    }
    let mut kept: Vec<usize> = kept.into_iter().collect();
    kept.sort_unstable();
    kept
}

/// Whether an event says who one of these processes is.
fn makes_known(event: &Event, people: &HashSet<ProcessKey>) -> bool {
    match &event.detail {
        Detail::Exec(_) => event.outcome.succeeded() && people.contains(&event.process),
        Detail::ProcessSeen(_) => people.contains(&event.process),
        Detail::Fork(fork) => people.contains(&fork.child),
        _ => false,
    }
}
