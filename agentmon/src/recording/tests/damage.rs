//! Files that are cut short, damaged or made by an enemy: an error with the line, and nothing worse.

use super::generate::event;
use super::{file, header, read};
use crate::allow::AllowList;
use crate::event::AgentId;
use crate::recording::{AgentLine, End, LINE_BYTES_MAX, Line, Replay};
use crate::rules::{RuleSet, built_in};
use proptest::prelude::{any, prop, prop_assert, proptest};
use std::sync::OnceLock;

fn lines() -> Vec<Line> {
    let agent = Line::Agent(AgentLine { id: AgentId(1), name: "a".to_owned(), session: "1".to_owned(), allowed: AllowList::default() });
    let sample = crate::log::tests::sample::every_kind().remove(0);
    vec![agent, Line::Event(Box::new(sample.event)), Line::End(End { reason: "test".to_owned(), lost: 0 })]
}

fn error(file: &[u8]) -> String {
    read(file).1.map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn a_file_that_is_cut_short_says_where() {
    let whole = file(&lines());
    assert_eq!(error(&whole), "");
    assert_eq!(error(&[]), "line 1: the file is empty");
    assert_eq!(error(&whole[..whole.len() - 1]), "line 4: the file is cut short in the midst of it");
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    let (read, _) = read(&whole[..=last]);
    assert_eq!(read.len(), 2, "what is before is read");
    assert_eq!(error(&whole[..=last]), "line 4: the recording ends here without an `end` line: it is cut short, or still being written");
}

#[test]
fn a_line_that_is_none_says_what_is_wrong_and_where() {
    let with = |line: &str| {
        let mut bytes = file(&lines()[..1]);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        error(&bytes)
    };
    assert!(with("{").starts_with("line 3: EOF while parsing"), "{}", with("{"));
    assert!(with(r#"{"gone":{"id":1,"x":2}}"#).starts_with("line 3: unknown field `x`"), "{}", with(r#"{"gone":{"id":1,"x":2}}"#));
    assert!(with(r#"{"more":{}}"#).contains("unknown variant `more`"));
    let Line::Event(mut event) = lines().remove(1) else { panic!("an event") };
    event.agent = AgentId(0);
    assert_eq!(with(&serde_json::to_string(&Line::Event(event.clone())).unwrap()), "line 3: agent 0 is none");
    let named = serde_json::to_string(&Line::Event(event)).unwrap().replace("\"execve\"", "\"exe\u{1b}[2Jcve\"");
    assert!(!error(named.as_bytes()).contains('\u{1b}'));
    assert!(with(&" ".repeat(LINE_BYTES_MAX + 1)).contains("longer than"), "{}", with(&" ".repeat(LINE_BYTES_MAX + 1)));
    assert!(with(&"[".repeat(100_000)).contains("line 3"), "deep nesting is refused");
    assert_eq!(error(b"{\"recording\":{\"format\":2}}\n"), "line 1: a recording of format 2; this build reads format 1");
    assert!(error(b"{\"class_uid\":1007}\n").starts_with("line 1: this is no recording"));
}

/// All lines through the stages; whatever they say, nothing panics.
fn replay(bytes: &[u8]) -> usize {
    static PACK: OnceLock<RuleSet> = OnceLock::new();
    let mut replay = Replay::new(&header(), PACK.get_or_init(|| built_in().rules).clone());
    let mut verdicts = 0;
    for (number, line) in read(bytes).0 {
        replay.take(number, line, |verdict| {
            assert!(!crate::view::compact::summary(&verdict.op).is_empty());
            verdicts += verdict.matches.len();
        });
    }
    verdicts
}

proptest! {
    #[test]
    fn events_that_no_kernel_made_do_no_harm(events in prop::collection::vec(event(), 1..8), same in any::<bool>()) {
        let mut all = vec![lines().remove(0)];
        all.extend(events.into_iter().map(|mut event| {
            if same {
                event.agent = AgentId(1);
            }
            Line::Event(Box::new(event))
        }));
        all.push(lines().remove(2));
        prop_assert!(replay(&file(&all)) < 1_000);
    }

    #[test]
    fn bytes_that_changed_do_no_harm(events in prop::collection::vec(event(), 1..4), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let all: Vec<Line> = events.into_iter().map(|event| Line::Event(Box::new(event))).collect();
        let mut bytes = file(&all);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        replay(&bytes);
    }
}
