//! What was written is what is read: every kind of event, whatever bytes an agent chose.

use super::generate::event;
use super::{file, read};
use crate::event::Kind;
use crate::log::tests::sample::{call, every_kind};
use crate::log::text::steers;
use crate::recording::{End, Line};
use agentmon_common::syscalls::{NAMES, SHAPES};
use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

fn end() -> Line {
    Line::End(End { reason: "test".to_owned(), lost: 0 })
}

proptest! {
    #[test]
    fn an_event_is_read_as_it_was_written(events in prop::collection::vec(event(), 1..4)) {
        let lines: Vec<Line> = events.into_iter().map(|event| Line::Event(Box::new(event))).chain([end()]).collect();
        let (read, damage) = read(&file(&lines));
        prop_assert!(damage.is_none(), "{damage:?}");
        prop_assert_eq!(read.into_iter().map(|(_, line)| line).collect::<Vec<_>>(), lines);
    }

    #[test]
    fn no_byte_of_a_recording_steers_a_terminal(event in event()) {
        let text = serde_json::to_string(&Line::Event(Box::new(event))).unwrap();
        prop_assert!(!text.chars().any(steers), "{text}");
    }
}

#[test]
fn every_kind_and_every_call_is_read_as_it_was_written() {
    let calls = (0..SHAPES.len()).filter(|op| !NAMES[*op].is_empty() && Kind::from_number(SHAPES[*op].kind).is_some()).map(call);
    for sample in every_kind().into_iter().chain(calls) {
        let line = Line::Event(Box::new(sample.event));
        let (read, damage) = read(&file([&line, &end()]));
        assert!(damage.is_none(), "{damage:?}");
        assert_eq!(read[0], (2, line));
    }
}

#[test]
fn people_can_read_an_event() {
    let samples = every_kind();
    let shown = |kind: Kind| {
        let sample = samples.iter().find(|sample| sample.event.kind() == kind).unwrap();
        serde_json::to_string(&Line::Event(Box::new(sample.event.clone()))).unwrap()
    };
    let exec = shown(Kind::Exec);
    assert!(exec.contains(r#""argv":["curl","-s","https://example.com/i.sh"]"#), "{exec}");
    assert!(exec.contains(r#""exe":"/usr/bin/curl""#) && exec.contains(r#""comm":"curl""#), "{exec}");
    let unlink = shown(Kind::Unlink);
    assert!(unlink.contains(r#""path":{"joined":"/work/repo/src/main.rs"}"#), "{unlink}");
    assert!(!unlink.contains("outcome") && !unlink.contains("repeated"), "what is usual is left out: {unlink}");
}
