//! `agentmon run` that is ended from outside: the agent dies with it, and the log is closed.

use agentmon_tests::cgroup::{fresh, v2_mount};
use agentmon_tests::e2e::binary::order;
use agentmon_tests::e2e::events::Events;
use agentmon_tests::e2e::group::{Group, runs};
use agentmon_tests::e2e::poll::{stays, until};
use agentmon_tests::e2e::session::Session;
use rustix::process::Signal;
use serde_json::json;
use std::path::{Path, PathBuf};
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
fn killing_the_guard_raises_the_alert_of_a_signal_to_the_monitor() {
    let script = "for pid in $(cat /proc/$PPID/task/*/children); do
        read name < /proc/$pid/comm
        [ \"$name\" = agentmon-guard ] && echo $pid > \"$1/guard\" && kill -KILL $pid
    done";
    let place = tempfile::tempdir().expect("a directory");
    let ended = Session::script(&["--observe"], script, &[place.path().to_str().expect("a name")]).end();
    let guard: u64 = std::fs::read_to_string(place.path().join("guard")).expect("it was found").trim().parse().expect("a pid");
    let events = ended.events();
    let alert = events.one(&[("/metadata/event_code", json!("kill")), ("/is_alert", json!(true))]);
    assert_eq!(alert["policy"]["uid"], "29dac646-a31c-445a-8c01-694bd4f0bcee", "{alert}");
    assert_eq!((&alert["process"]["pid"], &alert["unmapped"]["target_is_monitor"]), (&json!(guard), &json!(true)), "{alert}");
}

#[test]
fn what_a_killed_agentmon_leaves_is_listed_and_pruned_and_nothing_else_is() {
    let name = fresh("prune");
    let row = |session: &str| {
        let listed = order(&["agents"]).stdout;
        listed.lines().find(|line| line.starts_with(&name) && line.contains(session)).map(str::to_owned)
    };
    let cgroup = |row: &str| PathBuf::from(row.split_whitespace().last().expect("a path"));
    let (dead, _place, pid) = stubborn(&["--name", &name]);
    let dead_row = row("").expect("it is listed");
    // Nested and empty, as a container engine leaves them.
    std::fs::create_dir(cgroup(&dead_row).join("nested")).expect("a cgroup");
    dead.signal(Signal::KILL);
    assert_eq!(dead.end().code(), 1009);
    until("the agent is dead", || !runs(pid));
    let session = dead_row.split_whitespace().nth(1).expect("a session").to_owned();
    until("it is listed as left over", || row(&session).is_some_and(|row| row.contains(" left over ")));

    // Of a living session, empty because its process is elsewhere; and of a dead one, with a process in it.
    let elsewhere = Group::new("prune");
    let (living, _other, living_pid) = stubborn(&["--name", &name, "--no-builtin-rules"]);
    let living_row = order(&["agents"]).stdout.lines().find(|line| line.starts_with(&name) && !line.contains(&session)).map(str::to_owned);
    let living_cgroup = cgroup(&living_row.expect("it is listed"));
    elsewhere.add(living_pid);
    let populated = Group::at(v2_mount().join(format!("agentmon.slice/{name}-0123abcd")));
    let mut sleeper = populated.shell("exec sleep 300", &[]).spawn().expect("a shell");
    until("it is in the cgroup", || populated.pids().contains(&sleeper.id()));

    let pruned = order(&["agents", "--prune"]);
    assert_eq!(pruned.code, 0, "{pruned:?}");
    assert!(pruned.stdout.contains(&format!("removed {name}/{session}  ")), "{pruned:?}");
    assert_eq!(pruned.stdout.matches(&name).count(), 2, "once by name, once in the path: {pruned:?}");
    assert!(!cgroup(&dead_row).exists(), "it is removed");
    assert!(living_cgroup.exists(), "that of a living session is not");
    assert!(runs(sleeper.id()) && populated.path().exists(), "nor one with a process in it");
    assert!(row(&session).is_none(), "it is not listed any more");
    sleeper.kill().and_then(|()| sleeper.wait()).expect("a child");
    living.signal(Signal::TERM);
    assert_eq!(living.end().code(), 143);
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
