//! `agentmon daemon` at work: which cgroups it watches, under which names, and how it stops.

use agentmon_tests::e2e::group::{Group, Waiting};
use agentmon_tests::e2e::node::{Node, Setup};
use agentmon_tests::maps::Full;
use serde_json::json;
use std::path::Path;

/// A script that makes a file, and the members of the record that says so.
fn touch(group: &Group, file: &Path) -> u32 {
    group.run(": > \"$1\"", &[file.to_str().expect("a name")])
}

#[test]
fn cgroups_from_before_and_after_the_start_and_nested_ones_are_watched_and_nothing_else() {
    let place = tempfile::tempdir().expect("a directory");
    let file = |name: &str| place.path().join(name);
    let (pool, stranger) = (Group::new("pool"), Group::new("stranger"));
    let before = pool.child("old-worker");
    let setup = Setup {
        agents: vec![("e2e-old".into(), format!("{}/old*", pool.name())), ("e2e-new".into(), format!("{}/**/new*.scope", pool.name()))],
        ..Setup::of("unused", &pool)
    };
    let node = Node::watching(&setup, &before);
    let nested = before.child("nested");
    touch(&before, &file("before"));
    touch(&nested, &file("nested"));
    let unwatched = [touch(&stranger, &file("stranger")), touch(&pool, &file("parent"))];
    let middle = pool.child("middle");
    let after = middle.child("new-1.scope");
    node.watches(&after);
    touch(&after, &file("after"));
    let _ = node.log_until_now(&before);
    let log = node.log_until_now(&after);
    for (name, agent) in [("before", "e2e-old"), ("nested", "e2e-old"), ("after", "e2e-new")] {
        let made = log.one(&[("/type_uid", json!(100_101)), ("/file/path", json!(file(name)))]);
        assert_eq!(made["ai_agent"]["uid"], agent, "{made}");
    }
    for pid in unwatched {
        assert!(log.all(&[("/actor/process/pid", json!(pid))]).is_empty(), "an unwatched process is in the log");
        assert!(log.all(&[("/process/pid", json!(pid))]).is_empty(), "an unwatched process is in the log");
    }
    assert!(file("stranger").exists() && file("parent").exists(), "they did something");
    let stopped = node.stop();
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
}

#[test]
fn a_process_that_ran_before_the_start_is_watched_too() {
    let place = tempfile::tempdir().expect("a directory");
    let group = Group::new("running");
    let waiting = Waiting::start(&group, "echo > \"$1\"; :", &[place.path().join("late").to_str().expect("a name")]);
    let node = Node::watching(&Setup::of("e2e-running", &group), &group);
    assert!(waiting.go().success());
    let log = node.log_until_now(&group);
    let made = log.one(&[("/type_uid", json!(100_101)), ("/file/path", json!(place.path().join("late")))]);
    assert_eq!(made["actor"]["process"]["path"], "/usr/bin/dash", "its program is known: {made}");
    let stopped = node.stop();
    assert_eq!(stopped.code, 0);
    let said = &stopped.stderr;
    assert!(said.contains("agentmon: watches 1 agent now, and further ones as they come (1 pattern)\n"), "{said}");
    assert!(said.contains("/events.jsonl, metrics http://") || said.contains("/events.jsonl, no metrics"), "{said}");
}

#[test]
fn sigterm_writes_everything_that_was_done_before_and_says_so_last() {
    const FILES: u64 = 3_000;
    let group = Group::new("drain");
    let node = Node::watching(&Setup::of("e2e-drain", &group), &group);
    let script = "i=0; while [ $i -lt 3000 ]; do : < /proc/version; i=$((i+1)); done";
    group.run(script, &[]);
    // At once, with records in the ring, in the queue and in the writer.
    let stopped = node.stop();
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
    let opened = stopped.log.all(&[("/file/path", json!("/proc/version"))]).len() as u64;
    assert_eq!(opened + stopped.log.lost("open"), FILES);
    assert_eq!(stopped.log.lost("open"), 0, "16 MiB of ring hold them");
    stopped.log.assert_gapless();
    assert_eq!(stopped.log.stop_reason(), "SIGTERM");
}

#[test]
fn an_agent_of_a_stopped_daemon_lives_on() {
    let group = Group::new("survivor");
    let waiting = Waiting::start(&group, "exit 5", &[]);
    let node = Node::watching(&Setup::of("e2e-survivor", &group), &group);
    assert_eq!(node.stop().code, 0);
    assert_eq!(waiting.go().code(), Some(5));
}

#[test]
fn an_agent_that_has_no_room_and_a_canary_that_cannot_fly_are_told_once_and_tried_again() {
    let pool = Group::new("full");
    let first = pool.child("first");
    let setup = Setup {
        agents: vec![("e2e-full".into(), format!("{}/*", pool.name()))],
        kernel: Some("canary_seconds = 10".to_owned()),
        ..Setup::of("unused", &pool)
    };
    let node = Node::watching(&setup, &first);
    // The canary that flies at once gives its place back at its end.
    let _ = node.metrics_when("the canary has flown", |samples| samples.whole("agentmon_canary_last_flight_timestamp_seconds") > 0);
    let full = Full::of(node.pid());
    let second = pool.child("second");
    let _ = node.metrics_when("two tries of the agent, and one of the canary", |samples| {
        samples.whole("agentmon_watch_failures_total") >= 2 && samples.whole("agentmon_canary_failures_total") >= 1
    });
    drop(full);
    node.watches(&second);
    let log = node.log_until_now(&second);
    let unwatched = |name: &str| log.one(&[("/metadata/event_code", json!("monitor.unwatched")), ("/unmapped/name", json!(name))]).clone();
    let agent = unwatched("e2e-full");
    assert_eq!(agent["unmapped"]["cgroup"], json!(second.name()));
    for record in [agent, unwatched("agentmon-canary")] {
        assert!(record["message"].as_str().is_some_and(|message| message.contains("AM_CGROUPS")), "{record}");
        assert_eq!((record["severity_id"].as_u64(), record["status_id"].as_u64()), (Some(4), Some(2)), "{record}");
    }
    assert_eq!(node.stop().code, 0);
}
