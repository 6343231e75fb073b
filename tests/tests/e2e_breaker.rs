//! The circuit breaker from a rule file or an order to dead processes, and how long it took.

use agentmon_tests::cgroup::fresh;
use agentmon_tests::e2e::binary::order;
use agentmon_tests::e2e::events::Events;
use agentmon_tests::e2e::group::{Group, runs};
use agentmon_tests::e2e::node::{Node, Setup};
use agentmon_tests::e2e::poll::{stays, until};
use agentmon_tests::e2e::rule::{CANARY, broken, on_open};
use agentmon_tests::e2e::session::Session;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Opens the canary, and removes it if nobody stops it.
const REACH_FOR_CANARY: &str = "read line < \"$1/canary\"; sleep 2; rm \"$1/canary\"; echo survived >&2";

fn text(path: &Path) -> &str {
    path.to_str().expect("a name")
}

fn with_canary() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    std::fs::write(place.path().join("canary"), "alive\n").expect("a file");
    place
}

fn latency_ms(kill: &Value) -> f64 {
    kill["unmapped"]["latency_ms"].as_f64().expect("a latency")
}

#[test]
fn a_rule_of_the_user_kills_the_agent_before_its_next_step() {
    let place = with_canary();
    let rule = on_open(place.path(), "canary", "kill");
    let ended = Session::script(&["--rules", text(&rule)], REACH_FOR_CANARY, &[text(place.path())]).end();
    assert_eq!(ended.code(), 137, "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(place.path().join("canary")).expect("the canary"), "alive\n");
    assert!(!ended.stderr.contains("survived") && ended.stderr.contains("kill by rule:"), "{}", ended.stderr);
    let events = ended.events();
    let open = events.one(&[("/file/path", json!(place.path().join("canary"))), ("/is_alert", json!(true))]);
    assert_eq!((&open["policy"]["uid"], &open["severity_id"], &open["unmapped"]["action"]), (&json!(CANARY), &json!(5), &json!("kill")));
    let kill = events.one(&[("/metadata/event_code", json!("breaker.kill"))]);
    let signals = events.all(&[("/unmapped/signal", json!("SIGKILL")), ("/unmapped/from_outside", json!(true))]);
    assert!(!signals.is_empty() && signals.iter().all(|signal| signal["unmapped"]["from_monitor"] == true), "{signals:?}");
    assert_eq!(kill["actor"]["app_uid"], format!("rule:{CANARY}"));
    assert_eq!((&kill["unmapped"]["verified"], &kill["status_id"]), (&json!(true), &json!(1)));
    assert_eq!(kill["process"]["pid"], open["actor"]["process"]["pid"]);
    println!("measured: rule to kill: written {} ms after the operation", latency_ms(kill));
    assert!(latency_ms(kill) < 5_000.0, "{kill}");
}

#[test]
fn a_broken_rule_file_is_told_with_its_place_and_the_good_ones_work() {
    let place = with_canary();
    let (good, bad) = (on_open(place.path(), "canary", "kill"), broken(place.path()));
    let options = ["--rules", text(&good), "--rules", text(&bad)];
    let ended = Session::script(&options, REACH_FOR_CANARY, &[text(place.path())]).end();
    assert_eq!(ended.code(), 137, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("{}:8:24: error: unknown modifier `endwith`", bad.display())), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean `endswith`?"), "{}", ended.stderr);
    assert!(ended.stderr.contains("warning: rules with mistakes are not used"), "{}", ended.stderr);
}

#[test]
fn observing_kills_nothing_and_says_what_it_would_have_done() {
    let place = with_canary();
    let rule = on_open(place.path(), "canary", "kill");
    let script = "read line < \"$1/canary\"; rm \"$1/canary\"; echo survived >&2; exit 4";
    let ended = Session::script(&["--observe", "--rules", text(&rule)], script, &[text(place.path())]).end();
    assert_eq!(ended.code(), 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("survived") && !place.path().join("canary").exists(), "{}", ended.stderr);
    let events = ended.events();
    let open = events.one(&[("/file/path", json!(place.path().join("canary"))), ("/is_alert", json!(true))]);
    assert_eq!((&open["unmapped"]["action"], &open["unmapped"]["observed"]), (&json!("kill"), &json!(true)));
    assert_eq!((&open["action_id"], &open["disposition_id"]), (&json!(3), &json!(19)), "observed, an alert");
    assert_eq!(events.all(&[("/class_uid", json!(7003))]), [&Value::Null; 0]);
    assert!(ended.stderr.contains("observed  1, not carried out"), "{}", ended.stderr);
    assert!(ended.stderr.contains("kill: The canary canary is opened"), "{}", ended.stderr);
}

#[test]
fn a_running_agent_is_frozen_thawed_and_killed_by_hand() {
    let place = tempfile::tempdir().expect("a directory");
    let name = fresh("byhand");
    let script = "i=0; while :; do i=$((i+1)); echo $i > \"$1/new\"; mv \"$1/new\" \"$1/counter\"; sleep 0.01; done";
    let session = Session::script(&["--name", &name], script, &[text(place.path())]);
    let count = || std::fs::read_to_string(place.path().join("counter")).ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    until("it counts", || count() > 2);
    let listed = order(&["agents"]);
    let row = listed.stdout.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("not listed: {}", listed.stdout));
    assert!(row.contains(" running "), "{row}");

    let frozen = order(&["freeze", &name]);
    assert_eq!(
        (frozen.code, frozen.stdout.contains("freeze") && frozen.stdout.contains("cgroup verified frozen")),
        (0, true),
        "{frozen:?}"
    );
    assert!(frozen.stderr.contains("note: processes that left the agent's cgroup are not included"), "{frozen:?}");
    let at = count();
    stays("a frozen agent counts no further", Duration::from_millis(300), || count() == at);
    assert!(order(&["agents"]).stdout.lines().any(|line| line.starts_with(&name) && line.contains(" frozen ")));

    let thawed = order(&["thaw", &name]);
    assert_eq!((thawed.code, thawed.stderr.as_str()), (0, ""), "{thawed:?}");
    until("it counts on", || count() > at + 2);

    let killed = order(&["kill", &name]);
    assert_eq!((killed.code, killed.stdout.contains("cgroup verified empty")), (0, true), "{killed:?}");
    assert!(killed.stderr.contains("note: processes that left the agent's cgroup are not included"), "{killed:?}");
    println!("measured: by hand: {}{}{}", frozen.stdout, thawed.stdout, killed.stdout);
    let ended = session.end();
    assert_eq!(ended.code(), 137, "{}", ended.stderr);
    let events = ended.events();
    assert_eq!(events.stop_reason(), "COMMAND ended");
    let kill = events.one(&[("/metadata/event_code", json!("breaker.kill"))]);
    assert_eq!((&kill["actor"]["app_uid"], &kill["message"]), (&json!("operator:0"), &json!("by hand")), "{kill}");
    assert_eq!(kill["unmapped"]["verified"], true, "{kill}");
    let signals = events.all(&[("/unmapped/signal", json!("SIGKILL")), ("/unmapped/from_outside", json!(true))]);
    assert!(!signals.is_empty() && signals.iter().all(|signal| signal["unmapped"]["from_monitor"] == false), "{signals:?}");
    assert!(ended.stderr.contains("kill by operator:0"), "{}", ended.stderr);
}

#[test]
fn a_freeze_and_a_thaw_that_the_monitor_did_not_order_are_shown_and_logged() {
    let (place, name) = (tempfile::tempdir().expect("a directory"), fresh("state"));
    let directory = text(place.path());
    let script = "echo > \"$1/up\"; exec sleep 300";
    let session = Session::script(&["--name", &name, "-o", "compact", "--log-dir", directory], script, &[directory]);
    let _ = session.line_in(&place.path().join("up"));
    let log = || Events::parse(&whole_lines(&std::fs::read(place.path().join("events.jsonl")).unwrap_or_default()));
    let is_logged = |state: &str| log().find(&[("/metadata/event_code", json!("agent.state")), ("/unmapped/state", json!(state))]).is_ok();

    // By the program, then as any administrator could.
    assert_eq!(order(&["freeze", &name]).code, 0);
    until("the freeze is logged", || is_logged("frozen"));
    let cgroup = agentmon_tests::cgroup::v2_mount()
        .join(log().one(&[("/unmapped/state", json!("frozen"))])["unmapped"]["cgroup"].as_str().expect("a path").trim_start_matches('/'));
    std::fs::write(cgroup.join("cgroup.freeze"), "0").expect("the cgroup");
    until("the thaw is logged", || is_logged("running"));
    session.signal(rustix::process::Signal::TERM);
    let ended = session.end();
    assert_eq!(ended.code(), 143, "{}", ended.stderr);

    let log = log();
    let states = log.all(&[("/metadata/event_code", json!("agent.state"))]);
    let told: Vec<_> =
        states.iter().map(|line| (&line["unmapped"]["state_before"], &line["unmapped"]["state"], &line["severity_id"])).collect();
    assert_eq!(told, [(&json!("running"), &json!("frozen"), &json!(1)), (&json!("frozen"), &json!("running"), &json!(3))]);
    assert!(states.iter().all(|line| line["ai_agent"]["uid"] == name.as_str()), "{states:?}");
    let shown = String::from_utf8_lossy(&ended.stdout);
    assert_eq!((shown.matches(" FROZEN ").count(), shown.matches(" THAWED ").count()), (1, 1), "{shown}");
}

/// Without a last line that is still being written.
fn whole_lines(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)].to_vec()
}

#[test]
fn a_freeze_of_a_rule_is_not_told_as_somebody_elses() {
    let place = with_canary();
    let rule = on_open(place.path(), "canary", "freeze");
    let name = fresh("own");
    let script = "read line < \"$1/canary\"; sleep 2; rm \"$1/canary\"; exit 5";
    let session = Session::script(&["--name", &name, "--rules", text(&rule)], script, &[text(place.path())]);
    until("the rule froze it", || order(&["agents"]).stdout.lines().any(|line| line.starts_with(&name) && line.contains(" frozen ")));
    // Longer than from one look at the states to the next.
    stays("it is frozen", Duration::from_millis(2_500), || place.path().join("canary").exists());
    assert_eq!(order(&["thaw", &name]).code, 0);
    let ended = session.end();
    assert_eq!(ended.code(), 5, "{}", ended.stderr);
    let events = ended.events();
    assert_eq!(events.all(&[("/metadata/event_code", json!("breaker.freeze"))]).len(), 1);
    assert_eq!(events.all(&[("/unmapped/state", json!("frozen"))]), [&Value::Null; 0], "by the monitor's own order");
    // What the monitor and `agentmon thaw`, which are no agent's, did to the cgroup.
    let done = events.all(&[("/unmapped/by_agent", json!(false))]);
    let done: Vec<_> = done.iter().map(|event| event["metadata"]["event_code"].as_str().expect("a call")).collect();
    assert_eq!(done, ["cgroup_freeze", "cgroup_unfreeze"]);
    assert!(ended.stderr.contains("lost  0"), "{}", ended.stderr);
}

#[test]
fn an_order_against_an_unknown_agent_is_3_and_says_who_there_is() {
    let name = fresh("known");
    let place = tempfile::tempdir().expect("a directory");
    let session = Session::script(&["--name", &name], "echo > \"$1/up\"; exec sleep 300", &[text(place.path())]);
    let _ = session.line_in(&place.path().join("up"));
    for verb in ["kill", "freeze", "thaw"] {
        let said = order(&[verb, "no-such-agent"]);
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.stderr.starts_with("error: no agent `no-such-agent`\n  hint: agents now: "), "{}", said.stderr);
        assert!(said.stderr.contains(&name), "{}", said.stderr);
    }
    session.signal(rustix::process::Signal::TERM);
    assert_eq!(session.end().code(), 143, "the one that was not meant still ran");
}

#[test]
fn a_descendant_that_moved_itself_to_another_cgroup_dies_too() {
    let place = with_canary();
    let elsewhere = Group::new("elsewhere");
    let rule = on_open(place.path(), "canary", "kill");
    let script = "(echo 0 > \"$2/cgroup.procs\"; exec sleep 300) & until grep -q . \"$2/cgroup.procs\"; do :; done; \
                  cat \"$2/cgroup.procs\" >&2; read line < \"$1/canary\"; sleep 300";
    // Without the rules that kill on the move itself.
    let options = ["--no-builtin-rules", "--rules", text(&rule)];
    let ended = Session::script(&options, script, &[text(place.path()), text(elsewhere.path())]).end();
    assert_eq!(ended.code(), 137, "{}", ended.stderr);
    let pid: u32 = ended.stderr.lines().next().and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("no pid: {}", ended.stderr));
    assert!(!runs(pid), "the escaped process {pid} lives");
    let events = ended.events();
    let left = events.one(&[("/metadata/event_code", json!("cgroup_leave"))]);
    assert_eq!(left["process"]["pid"], json!(pid));
    let kill = events.one(&[("/metadata/event_code", json!("breaker.kill"))]);
    assert_eq!((&kill["unmapped"]["verified"], &kill["actor"]["app_uid"]), (&json!(true), &json!(format!("rule:{CANARY}"))));
    let exits = events.all(&[("/metadata/event_code", json!("exit")), ("/process/pid", json!(pid)), ("/unmapped/signal", json!(9))]);
    assert_eq!(exits.len(), 1, "its death by SIGKILL is in the log");
}

/// Moves the monitor and its guard into the agent's cgroup, and waits until they are out again.
const TAKE_MONITOR: &str = "own=$(sed -n s/^0:://p /proc/self/cgroup)
    for pid in $PPID $(cat /proc/$PPID/task/*/children); do
        [ $pid = $$ ] && continue
        echo $pid > \"$2$own/cgroup.procs\" || exit 9
    done
    until ! grep -qx $PPID \"$2$own/cgroup.procs\"; do :; done
    echo \"$PPID\" > \"$1/taken\"";

#[test]
fn an_agent_cannot_have_the_monitor_frozen_or_killed_with_itself() {
    let mount = agentmon_tests::cgroup::v2_mount();
    for (action, code) in [("freeze", 143), ("kill", 137)] {
        let place = with_canary();
        let rule = on_open(place.path(), "canary", action);
        let script = format!("{TAKE_MONITOR}; {REACH_FOR_CANARY}");
        // None of our own rules: they would freeze the agent for writing to a cgroup's file.
        let options = ["--no-builtin-rules", "--rules", text(&rule)];
        let session = Session::script(&options, &script, &[text(place.path()), text(&mount)]);
        if action == "freeze" {
            until("the freeze is told", || session.stderr().contains("freeze of "));
            session.signal(rustix::process::Signal::TERM);
        }
        let ended = session.end();
        assert!(place.path().join("taken").exists(), "the monitor was not moved: {}", ended.stderr);
        assert_eq!(ended.code(), code, "{}", ended.stderr);
        assert!(ended.stderr.contains("moved this monitor") && ended.stderr.contains("lost  0"), "{}", ended.stderr);
        let events = ended.events();
        let breaker = events
            .one(&[("/metadata/event_code", json!(format!("breaker.{action}"))), ("/actor/app_uid", json!(format!("rule:{CANARY}")))]);
        assert_eq!(breaker["unmapped"]["verified"], true, "{breaker}");
    }
}

#[test]
fn a_kill_by_hand_of_nothing_lends_its_name_to_nobody() {
    let group = Group::new("nothing");
    let node = Node::watching(&Setup::of(&fresh("nothing"), &group), &group);
    let said = order(&["kill", text(group.path())]).stdout;
    assert!(said.contains("nothing to kill"), "{said}");
    let mut sleepers = [(), ()].map(|()| group.shell("exec sleep 300", &[]).spawn().expect("a shell"));
    until("they are in the cgroup", || group.pids().len() == 2);
    sleepers[0].kill().expect("it runs");
    sleepers[0].wait().expect("a child");
    let log = node.log_until_now(&group);
    assert!(runs(sleepers[1].id()), "the other one was killed too");
    assert!(log.all(&[("/metadata/event_code", json!("breaker.kill"))]).is_empty());
    sleepers[1].kill().expect("it runs");
    sleepers[1].wait().expect("a child");
}
