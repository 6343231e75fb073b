//! What another thread puts somewhere else during a call does not mislead what is told of the call: directories, sockets.

use agentmon::event::{Detail, Event, PathTrust, flags};
use agentmon_tests::compare::match_all;
use agentmon_tests::run::Run;
use agentmon_tests::watch::Watch;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

/// Runs a mode in a fresh directory.
fn run(mode: &str, argument: &str) -> (Watch, Run) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&[mode, dir.path().to_str().expect("a path in UTF-8"), argument]);
    (watch, run)
}

#[test]
fn a_working_directory_that_changes_while_its_call_waits_is_flagged() {
    let (watch, run) = run("swap-directory", "");
    watch.check(&run, 2);
}

#[test]
fn a_working_directory_that_changes_and_changes_back_is_flagged_too() {
    let (watch, run) = run("swap-directory-and-back", "");
    watch.check(&run, 2);
    let changed = watch.events().iter().find(|event| event.operation == "truncate").expect("the call");
    let Detail::Call(call) = &changed.detail else { panic!("{changed:?}") };
    assert_eq!(call.target.path.bytes, run.truths[0]["_meant"].as_str().expect("a path").as_bytes());
}

/// Removals in one of two directories, while another thread changes once in which: what is told without a flag is right.
fn raced(mode: &str) {
    const ROUNDS: usize = 1500;
    let (watch, run) = run(mode, &ROUNDS.to_string());
    let events: Vec<&Event> =
        watch.events().iter().filter(|event| event.process.tgid == run.pid && matches!(event.detail, Detail::Unlink(_))).collect();
    let mut left = watch.missing(ROUNDS, events.len());
    let (mut changed, mut misled) = (0, 0);
    let mut truths = run.truths.iter().map(|truth| truth["_meant"].as_str().expect("a path").as_bytes());
    for event in events {
        let Detail::Unlink(unlink) = &event.detail else { panic!("{event:?}") };
        assert_eq!((unlink.path.trust, &unlink.asked_at_enter), (PathTrust::Joined, &None), "the string does not change");
        let mut meant = truths.next().expect("a removal for each event");
        let is_flagged = event.has(flags::CHANGED);
        while !is_flagged && meant != unlink.path.bytes {
            assert!(left > 0, "told wrong without a flag: {unlink:?}");
            meant = truths.next().expect("a removal for each event");
            left -= 1;
        }
        changed += usize::from(is_flagged);
        misled += usize::from(is_flagged && meant != unlink.path.bytes);
    }
    println!("{changed} of {ROUNDS} were flagged, {misled} of these would have been told wrong");
    assert!(changed > 0 && changed < ROUNDS, "{changed} changes fell into a call");
    watch.check_clean();
}

#[test]
fn a_removal_whose_working_directory_changes_is_never_misreported_silently() {
    raced("paths-flip-directory");
}

#[test]
fn a_removal_below_a_descriptor_that_becomes_another_directory_is_never_misreported_silently() {
    raced("paths-flip-descriptor");
}

/// The peer told is that of the socket that the call began with, and a send is told though a netlink socket stands there by now.
#[test]
fn a_socket_that_is_replaced_while_its_call_waits_is_told_all_the_same() {
    let (watch, run) = run("swap-sockets", "");
    assert_eq!(run.truths.len(), 5);
    match_all(&run.truths, &watch.flat()).unwrap_or_else(|report| panic!("{report}"));
    watch.check_clean();
}
