//! `agentmon run` that is ended from outside: the agent dies with it, and the log is closed.

use agentmon_tests::cgroup::{fresh, v2_mount};
use agentmon_tests::e2e::events::Events;
use agentmon_tests::e2e::group::{Group, runs};
use agentmon_tests::e2e::poll::{stays, until};
use agentmon_tests::e2e::session::Session;
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

/// Ignores what can be ignored, and says which process it is once it does.
const STUBBORN: &str = "trap '' INT TERM HUP; echo $$ > \"$1/pid\"; while :; do sleep 0.05; done";

fn stubborn(options: &[&str]) -> (Session, TempDir, u32) {
    let place = tempfile::tempdir().expect("a directory");
    let session = Session::script(options, STUBBORN, &[place.path().to_str().expect("a name")]);
    let pid = session.line_in(&place.path().join("pid")).parse().expect("a pid");
    assert!(runs(pid));
    (session, place, pid)
}

fn log_in(directory: &Path) -> Events {
    Events::parse(&std::fs::read(directory.join("events.jsonl")).expect("the log"))
}

#[test]
fn a_signal_to_agentmon_kills_the_agent_and_closes_the_log() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let logs = tempfile::tempdir().expect("a directory");
        let (session, _place, pid) = stubborn(&["--log-dir", logs.path().to_str().expect("a name")]);
        session.signal(signal);
        let ended = session.end();
        assert_eq!(ended.code(), code, "{}", ended.stderr);
        assert!(!runs(pid), "the agent lives");
        assert!(ended.stderr.contains("summary  "), "{}", ended.stderr);
        assert_eq!(ended.events().stop_reason(), "stopped by a signal");
        let log = log_in(logs.path());
        log.assert_gapless();
        assert_eq!(log.stop_reason(), "stopped by a signal");
    }
}

#[test]
fn an_agent_dies_with_an_agentmon_that_is_killed() {
    let name = fresh("lifeline");
    let (session, _place, pid) = stubborn(&["--name", &name]);
    session.signal(Signal::KILL);
    let ended = session.end();
    assert_eq!(ended.code(), 1009);
    until("the agent is dead", || !runs(pid));
    let slice = v2_mount().join("agentmon.slice");
    let left = std::fs::read_dir(slice).expect("the slice").filter_map(|entry| Some(entry.ok()?.path()));
    let left: Vec<_> = left.filter(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&name))).collect();
    assert_eq!(left.len(), 1, "its empty cgroup is what stays: {left:?}");
    until("the cgroup is empty and can be removed", || std::fs::remove_dir(&left[0]).is_ok());
}

#[test]
fn a_chain_of_forks_that_left_the_cgroup_is_dead_when_the_session_has_ended() {
    let (place, elsewhere) = (tempfile::tempdir().expect("a directory"), Group::new("chain"));
    let text = |path: &Path| path.to_str().expect("a name").to_owned();
    // Without the rules that kill on the move itself.
    let command = [STIMULUS.to_owned(), "chain".to_owned(), text(place.path()), text(elsewhere.path())];
    let ended = Session::start(&["--no-builtin-rules", "-o", "none"], &command).end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(place.path().join("started").exists(), "the chain never ran: {}", ended.stderr);
    assert!(ended.stderr.contains("agentmon: left outside the agent's cgroup and killed: "), "{}", ended.stderr);
    stays("the chain is dead", Duration::from_millis(300), || elsewhere.pids().is_empty());
}
