//! Which processes belong to an agent, against the real kernel: nesting, escapes, births, threads, the end of watching.

use agentmon::event::{AgentId, Detail, Event, Kind};
use agentmon::sensor::programs::{PROBES, Presence};
use agentmon_tests::cgroup::{Group, v1_mount};
use agentmon_tests::run::{Run, Running};
use agentmon_tests::skip::skip;
use agentmon_tests::watch::{AGENT, Watch};
use std::os::fd::AsFd;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");
const RING_BYTES: u32 = 4 * 1024 * 1024;

/// Events of failed removals by this name.
fn signs<'a>(watch: &'a Watch, name: &'a str) -> impl Iterator<Item = &'a Event> {
    watch.events().iter().filter(move |event| matches!(&event.detail, Detail::Unlink(unlink) if unlink.asked.bytes == name.as_bytes()))
}

fn of_process(watch: &Watch, pid: u32, kind: Kind) -> Vec<&Event> {
    watch.events().iter().filter(|event| event.process.tgid == pid && event.kind() == kind).collect()
}

#[track_caller]
fn seen_once(watch: &Watch, name: &str) {
    assert_eq!(signs(watch, name).count(), 1, "events of {name}");
}

/// Where a probe can be preempted (Linux 7.0) the kernel may skip the one that tells of a fork; the monitor then watches once more.
#[test]
fn a_process_whose_birth_was_missed_is_found_when_its_agent_is_watched_once_more() {
    let mut watch = Watch::start(STIMULUS);
    let mut early = watch.begin(&["wait"]);
    early.until("unlink");
    watch.sync();
    agentmon_tests::maps::forget_member(early.pid());
    watch.watch(AGENT);
    let early = early.finish();
    watch.sync();
    assert_eq!(of_process(&watch, early.pid, Kind::ProcessSeen).len(), 1);
    seen_once(&watch, "/agentmon-after");
}

/// Every line of a run has an event of its own; moves and the words between test and stimulus are not operations.
fn check(watch: &Watch, run: &Run, least: usize) {
    let truths = run.truths.iter().filter(|truth| !matches!(truth["op"].as_str(), Some("ready" | "born" | "zombie"))).cloned();
    watch.check(&Run { pid: run.pid, truths: truths.collect() }, least);
}

#[test]
fn an_unwatched_process_makes_no_records_while_a_watched_one_does() {
    let mut watch = Watch::start(STIMULUS);
    watch.sync();
    let before = watch.sensor.stats().expect("the counters");
    let outside = Group::new("outside");
    let dir = tempfile::tempdir().expect("a directory");
    let done = Running::start(STIMULUS, Some(&outside), &["unlinks", dir.path().to_str().expect("a path")]).finish();
    assert!(done.truths.len() >= 17, "the unwatched stimulus did its work");
    assert_eq!(watch.sensor.stats().expect("the counters"), before, "records or errors of an unwatched process");
    watch.sync();
    assert!(watch.events().iter().all(|event| event.process.tgid != done.pid));
    let dir = tempfile::tempdir().expect("a directory");
    let run = watch.run(&["unlinks", dir.path().to_str().expect("a path")]);
    watch.check(&run, 17);
}

#[test]
fn a_cgroup_made_later_inside_a_watched_one_belongs_to_the_agent() {
    let mut watch = Watch::start(STIMULUS);
    let inner = watch.group.child("inner");
    let innermost = inner.child("innermost");
    let run = Running::start(STIMULUS, Some(&innermost), &["many-forks", "3"]).finish();
    watch.sync();
    watch.check(&run, 6);
    let joins = of_process(&watch, run.pid, Kind::CgroupJoin);
    assert_eq!(joins.len(), 1);
    assert_eq!(joins[0].cgroup, innermost.id());
}

#[test]
fn a_cgroup_that_was_inside_before_watching_belongs_to_the_agent() {
    let mut watch = Watch::idle(STIMULUS, RING_BYTES);
    let inner = watch.group.child("inner");
    let early = Running::start(STIMULUS, Some(&inner), &["wait"]);
    let mut early = early;
    early.until("unlink");
    watch.drain();
    watch.watch(AGENT);
    let run = Running::start(STIMULUS, Some(&inner), &["many-forks", "3"]).finish();
    let early = early.finish();
    watch.sync();
    watch.check(&run, 6);
    assert_eq!(of_process(&watch, early.pid, Kind::ProcessSeen).len(), 1);
    assert_eq!(signs(&watch, "/agentmon-before").count(), 0);
    seen_once(&watch, "/agentmon-after");
}

#[test]
fn a_process_that_was_there_before_is_reported_and_still_seen_when_it_escapes() {
    let mut watch = Watch::idle(STIMULUS, RING_BYTES);
    let outside = Group::new("outside");
    let mut agent = watch.begin(&["agent"]);
    agent.until("ready");
    watch.drain();
    watch.watch(AGENT);
    agent.order("sign /agentmon-inside");
    agent.order(&format!("move {}", outside.path().display()));
    agent.order("sign /agentmon-outside");
    assert_eq!(watch.members(AGENT), [agent.pid()]);
    let run = agent.finish();
    watch.sync();
    let seen = of_process(&watch, run.pid, Kind::ProcessSeen);
    assert_eq!(seen.len(), 1);
    let Detail::ProcessSeen(exec) = &seen[0].detail else { unreachable!("by its kind") };
    let program = std::fs::canonicalize(STIMULUS).expect("the program");
    assert_eq!(exec.exe.bytes, program.as_os_str().as_encoded_bytes());
    let here = std::env::current_dir().expect("a working directory");
    assert_eq!(exec.cwd.bytes, here.as_os_str().as_encoded_bytes(), "the working directory of a process that was there");
    assert_eq!(of_process(&watch, run.pid, Kind::CgroupLeave).len(), 1);
    seen_once(&watch, "/agentmon-inside");
    seen_once(&watch, "/agentmon-outside");
    check(&watch, &run, 2);
}

#[test]
fn a_process_that_left_the_cgroup_is_still_seen_with_its_child_and_their_threads() {
    let mut watch = Watch::start(STIMULUS);
    let outside = Group::new("outside");
    let name = "/agentmon-escape";
    let mut agent = watch.begin(&["escape", outside.path().to_str().expect("a path"), name]);
    agent.until("ready");
    assert_eq!(watch.members(AGENT), [agent.pid()], "the escaped process is a member");
    let run = agent.finish();
    watch.sync();
    assert!(watch.members(AGENT).is_empty(), "nobody is left");
    check(&watch, &run, 6);
    let outside_id = outside.id();
    for (end, inside) in [("inside", true), ("outside", false), ("thread", false), ("child", false), ("child-thread", false)] {
        let name = format!("{name}-{end}");
        seen_once(&watch, &name);
        assert_eq!(signs(&watch, &name).all(|event| event.cgroup != outside_id), inside, "the cgroup of {name}");
    }
    let leaves = of_process(&watch, run.pid, Kind::CgroupLeave);
    assert_eq!(leaves.len(), 1);
    let Detail::CgroupLeave(leave) = &leaves[0].detail else { unreachable!("by its kind") };
    let relative = outside.path().strip_prefix(agentmon_tests::cgroup::v2_mount()).expect("below the mount");
    assert_eq!((leave.to, leave.born), (outside_id, false));
    assert_eq!(leave.path.bytes, format!("/{}", relative.display()));
}

#[test]
fn a_child_born_outside_by_clone_into_cgroup_leaves_and_is_still_seen() {
    let mut watch = Watch::start(STIMULUS);
    let outside = Group::new("outside");
    let run = watch.run(&["clone-into", outside.path().to_str().expect("a path"), "/agentmon-born-outside"]);
    let child = run.of("born").next().expect("a child")["pid"].as_u64().expect("a pid") as u32;
    let leaves = of_process(&watch, child, Kind::CgroupLeave);
    assert_eq!(leaves.len(), 1, "the birth outside is reported");
    let Detail::CgroupLeave(leave) = &leaves[0].detail else { unreachable!("by its kind") };
    assert_eq!((leave.to, leave.mover_tgid, leave.born), (outside.id(), run.pid, true));
    assert_eq!(of_process(&watch, child, Kind::Exit).len(), 1);
    seen_once(&watch, "/agentmon-born-outside");
    check(&watch, &run, 1);
}

#[test]
fn a_child_born_inside_by_clone_into_cgroup_joins() {
    let mut watch = Watch::start(STIMULUS);
    let inside = watch.group.path().to_str().expect("a path").to_owned();
    let run = Running::start(STIMULUS, None, &["clone-into", &inside, "/agentmon-born-inside"]).finish();
    watch.sync();
    let child = run.of("born").next().expect("a child")["pid"].as_u64().expect("a pid") as u32;
    let joins = of_process(&watch, child, Kind::CgroupJoin);
    assert_eq!(joins.len(), 1, "the birth inside is reported");
    let Detail::CgroupJoin(join) = &joins[0].detail else { unreachable!("by its kind") };
    assert_eq!((join.to, join.mover_tgid, join.born), (watch.group.id(), run.pid, true));
    assert!(watch.events().iter().all(|event| event.process.tgid != run.pid), "its creator stays unwatched");
    seen_once(&watch, "/agentmon-born-inside");
    check(&watch, &run, 1);
}

#[test]
fn threads_made_before_and_after_a_move_into_the_cgroup_are_seen() {
    let mut watch = Watch::start(STIMULUS);
    let mut agent = Running::start(STIMULUS, None, &["threads", "/agentmon-moved"]);
    agent.until("ready");
    watch.group.add(agent.pid());
    let run = agent.finish();
    watch.sync();
    assert_eq!(of_process(&watch, run.pid, Kind::CgroupJoin).len(), 1);
    check(&watch, &run, 3);
}

#[test]
fn threads_made_before_and_after_watching_began_are_seen() {
    let mut watch = Watch::idle(STIMULUS, RING_BYTES);
    let mut agent = watch.begin(&["threads", "/agentmon-threads"]);
    agent.until("ready");
    watch.drain();
    watch.watch(AGENT);
    let run = agent.finish();
    watch.sync();
    check(&watch, &run, 3);
}

#[test]
fn what_costs_every_process_is_attached_only_while_watching() {
    let more = PROBES.iter().filter(|probe| matches!(probe.presence, Presence::WhileWatching | Presence::OnAgent)).count();
    let mut watch = Watch::idle(STIMULUS, RING_BYTES);
    let (idle, wanted) = watch.sensor.attached();
    assert_eq!(idle, wanted);
    watch.watch(AGENT);
    assert_eq!(watch.sensor.attached(), (idle + more, wanted + more));
    let other = Group::new("other");
    watch.sensor.watch(AgentId(2), &[other.open().as_fd()]).expect("a second agent");
    assert_eq!(watch.sensor.attached(), (idle + more, wanted + more));
    watch.sensor.unwatch(AGENT).expect("no more of the first");
    assert_eq!(watch.sensor.attached(), (idle + more, wanted + more), "the second is still watched");
    watch.sensor.unwatch(AgentId(2)).expect("no more of the second");
    assert_eq!(watch.sensor.attached(), (idle, wanted));
    watch.drain();
    watch.watch(AGENT);
    let run = watch.run(&["many-forks", "2"]);
    watch.check(&run, 4);
}

#[test]
fn after_unwatching_nobody_belongs_to_the_agent() {
    let mut watch = Watch::start(STIMULUS);
    let outside = Group::new("outside");
    let mut inside = watch.begin(&["agent"]);
    let mut escaped = watch.begin(&["agent"]);
    inside.until("ready");
    escaped.until("ready");
    escaped.order(&format!("move {}", outside.path().display()));
    assert_eq!(watch.members(AGENT).len(), 2);
    watch.sensor.unwatch(AGENT).expect("unwatch");
    assert_eq!(watch.members(AGENT), [0_u32; 0]);
    let before = watch.sensor.stats().expect("the counters").produced_total();
    inside.order("sign /agentmon-unwatched");
    escaped.order("sign /agentmon-unwatched");
    let inner = watch.group.child("inner");
    let run = Running::start(STIMULUS, Some(&inner), &["many-forks", "3"]).finish();
    assert_eq!(run.truths.len(), 6);
    assert_eq!(watch.sensor.stats().expect("the counters").produced_total(), before, "records after unwatching");
    // Watched again, under another number: who is there belongs to it; who escaped before does not.
    watch.watch(AgentId(2));
    assert_eq!(watch.members(AgentId(2)), [inside.pid()]);
    inside.order("sign /agentmon-again");
    let (inside, escaped) = (inside.finish(), escaped.finish());
    watch.sync();
    seen_once(&watch, "/agentmon-again");
    assert_eq!(of_process(&watch, inside.pid, Kind::ProcessSeen).len(), 1);
    assert!(of_process(&watch, escaped.pid, Kind::Exit).is_empty());
    watch.check_clean();
}

#[test]
fn an_escaped_process_whose_cgroup_was_removed_stays_watched_when_another_agent_ends() {
    let mut watch = Watch::start(STIMULUS);
    let (outside, other) = (Group::new("outside"), Group::new("other"));
    watch.sensor.watch(AgentId(2), &[other.open().as_fd()]).expect("a second agent");
    let inner = Group::new("first");
    watch.sensor.watch(AgentId(3), &[inner.open().as_fd()]).expect("a third agent");
    watch.sensor.unwatch(AGENT).expect("no more of the first");
    let mut agent = Running::start(STIMULUS, Some(&inner), &["agent"]);
    agent.until("ready");
    agent.order(&format!("move {}", outside.path().display()));
    drop(inner);
    watch.sensor.unwatch(AgentId(2)).expect("no more of the second");
    agent.order("sign /agentmon-without-a-cgroup");
    assert_eq!(watch.members(AgentId(3)), [agent.pid()]);
    let run = agent.finish();
    watch.watch(AGENT);
    watch.sync();
    seen_once(&watch, "/agentmon-without-a-cgroup");
    check(&watch, &run, 1);
}

#[test]
fn a_dead_process_that_nobody_has_waited_for_is_not_a_member() {
    let mut watch = Watch::idle(STIMULUS, RING_BYTES);
    let mut agent = watch.begin(&["zombie"]);
    let zombie = agent.until("zombie")["pid"].as_u64().expect("a pid") as u32;
    watch.drain();
    watch.watch(AGENT);
    assert_eq!(watch.members(AGENT), [agent.pid()]);
    let run = agent.finish();
    watch.sync();
    assert!(of_process(&watch, zombie, Kind::ProcessSeen).is_empty());
    assert_eq!(of_process(&watch, run.pid, Kind::Exit).len(), 1);
    watch.check_clean();
}

#[test]
fn a_move_in_a_v1_hierarchy_confuses_nobody() {
    let Some(mount) = v1_mount() else {
        return skip("a_move_in_a_v1_hierarchy_confuses_nobody", "no cgroup v1 hierarchy is mounted");
    };
    let mut watch = Watch::start(STIMULUS);
    let v1 = Group::at(mount.join(format!("agentmon-test-{}", std::process::id())));
    let mut agent = watch.begin(&["agent"]);
    agent.until("ready");
    agent.order(&format!("move {}", v1.path().display()));
    agent.order("sign /agentmon-v1");
    let run = agent.finish();
    watch.sync();
    seen_once(&watch, "/agentmon-v1");
    assert!(of_process(&watch, run.pid, Kind::CgroupLeave).is_empty(), "a move in a v1 hierarchy leaves no agent");
    let mut stranger = Running::start(STIMULUS, None, &["agent"]);
    stranger.until("ready");
    stranger.order(&format!("move {}", v1.path().display()));
    stranger.order("sign /agentmon-stranger");
    let stranger = stranger.finish();
    watch.sync();
    assert!(watch.events().iter().all(|event| event.process.tgid != stranger.pid));
    check(&watch, &run, 1);
}
