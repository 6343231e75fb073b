//! What a replay gives of lines that are no events: reloads, agents that go, calls that wait.

use super::header;
use crate::allow::AllowList;
use crate::event::{AgentId, Detail, Event};
use crate::log::tests::sample::every_kind;
use crate::recording::{AgentLine, Finish, Gone, Line, Replay, RulesLine, cut};
use crate::rules::{RuleSet, Source, load};

const RULES: &str = "\
title: removed
id: 5c0e0000-0000-4000-8000-000000000001
name: removed
logsource: { product: linux, category: file_delete }
detection: { s: { TargetFilename|contains: '/' }, condition: s }
level: low
---
title: three are removed
id: 5c0e0000-0000-4000-8000-000000000002
correlation: { type: event_count, rules: [removed], group-by: [AgentName], timespan: 10s, condition: { gte: 3 } }
level: high
";
const THREE: &str = "5c0e0000-0000-4000-8000-000000000002";

fn rules() -> RuleSet {
    let loaded = load(&[Source { name: "three.yml", text: RULES }]);
    assert!(!loaded.diagnostics.iter().any(crate::rules::Diagnostic::is_error), "{:?}", loaded.diagnostics);
    loaded.rules
}

fn agent() -> Line {
    Line::Agent(AgentLine { id: AgentId(1), name: "a".to_owned(), session: "1".to_owned(), allowed: AllowList::default() })
}

fn removal(at_ms: u64) -> Line {
    let sample = every_kind().into_iter().find(|sample| matches!(sample.event.detail, Detail::Unlink(_))).unwrap();
    Line::Event(Box::new(Event { timestamp_ns: at_ms * 1_000_000, ..sample.event }))
}

/// How often three removals were found.
fn found(lines: &[Line]) -> usize {
    let mut replay = Replay::new(&header(), rules());
    let mut found = 0;
    for line in lines {
        replay.take(0, line.clone(), |verdict| found += verdict.matches.iter().filter(|found| found.rule.id == THREE).count());
    }
    found
}

#[test]
fn what_was_counted_is_forgotten_where_the_live_run_forgot_it() {
    let two = || [agent(), removal(1), removal(2)];
    assert_eq!(found(&[&two()[..], &[removal(3)]].concat()), 1);
    let reloaded = Line::Rules(RulesLine { digest: String::new() });
    assert_eq!(found(&[&two()[..], &[reloaded.clone(), removal(3), removal(4)]].concat()), 0);
    assert_eq!(found(&[&two()[..], &[reloaded, removal(3), removal(4), removal(5)]].concat()), 1);
    assert_eq!(found(&[&two()[..], &[Line::Gone(Gone { id: AgentId(1) }), agent(), removal(3)]].concat()), 0);
    assert_eq!(found(&[removal(1), removal(2), removal(3)]), 0, "of an agent that nobody knows");
}

#[test]
fn what_waits_for_its_call_is_judged_at_the_end() {
    let sample = every_kind().into_iter().find(|sample| matches!(sample.event.detail, Detail::Resolved(_))).unwrap();
    let mut event = sample.event;
    event.flags |= crate::event::flags::OF_CALL;
    let mut replay = Replay::new(&header(), rules());
    let mut judged = 0;
    for line in [agent(), Line::Event(Box::new(event))] {
        replay.take(0, line, |_| judged += 1);
    }
    assert_eq!(judged, 0);
    replay.take(0, Line::Finish(Finish {}), |_| judged += 1);
    assert_eq!(judged, 1);
}

#[test]
fn a_cut_has_what_the_rule_needs_and_who_did_it() {
    let samples = every_kind();
    let mut lines = vec![agent()];
    lines.extend(samples.iter().map(|sample| Line::Event(Box::new(sample.event.clone()))));
    lines.extend((0..50).map(|number| removal(600_000 + number)));
    let (header, kept) = cut(&header(), &lines, &rules(), THREE).unwrap();
    assert_eq!(found(&kept), 1);
    assert_eq!(header.about, [THREE]);
    let events: Vec<&Event> = kept.iter().filter_map(|line| if let Line::Event(event) = line { Some(&**event) } else { None }).collect();
    assert_eq!(events.iter().filter(|event| matches!(event.detail, Detail::Unlink(_))).count(), 3);
    assert!(events.iter().any(|event| matches!(event.detail, Detail::Exec(_))), "its program");
    assert!(!events.iter().any(|event| matches!(event.detail, Detail::Socket(_))), "and nothing else");
    assert!(cut(&header, &lines[..3], &rules(), THREE).is_err());
}
