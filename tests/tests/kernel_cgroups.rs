//! Cgroups that an agent makes inside its own, as many and as deep as it likes: whose they are, and that other agents have room.

use agentmon::event::{AgentId, Detail, Event, Kind};
use agentmon_tests::cgroup::Group;
use agentmon_tests::maps::room;
use agentmon_tests::run::Running;
use agentmon_tests::watch::{AGENT, Watch};
use std::os::fd::AsFd;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");
const OTHER: AgentId = AgentId(2);
const LATER: AgentId = AgentId(3);
/// Levels that the probes go up (`agentmon-ebpf::scope::LEVELS_MAX`), the cgroup itself among them.
const LEVELS: usize = 64;

fn of_process(watch: &Watch, pid: u32, kind: Kind) -> Vec<&Event> {
    watch.events().iter().filter(|event| event.process.tgid == pid && event.kind() == kind).collect()
}

fn begin_in(group: &Group, args: &[&str]) -> Running {
    let mut running = Running::start(STIMULUS, Some(group), args);
    running.until("ready");
    running
}

#[test]
fn an_agent_that_makes_more_cgroups_than_the_table_holds_takes_nothing_from_the_others() {
    let mut watch = Watch::start(STIMULUS);
    let more = room("AM_CGROUPS") + 100;
    let (other, later, outside) = (Group::new("other"), Group::new("later"), Group::new("outside"));
    watch.sensor.watch(OTHER, &[other.open().as_fd()]).expect("another agent");
    let mut quiet = begin_in(&other, &["agent"]);

    let mut flood = begin_in(&watch.group, &["agent"]);
    flood.order(&format!("fill {} {more}", watch.group.path().display()));
    let made = std::fs::read_dir(watch.group.path()).expect("the cgroup").flatten().filter(|entry| entry.path().is_dir()).count();
    assert_eq!(made, more as usize);

    // An agent that begins now is watched, and who was in it is found.
    let inner = later.child("inner");
    let mut early = begin_in(&inner, &["agent"]);
    watch.sensor.watch(LATER, &[later.open().as_fd()]).expect("an agent that begins now");
    early.order("sign /agentmon-later");
    // Another agent's process goes into a new cgroup of its own agent.
    let own = other.child("own");
    quiet.order(&format!("move {}", own.path().display()));
    quiet.order("sign /agentmon-own");
    // So does the flooding agent's, and one comes there from outside.
    let last = watch.group.child("last");
    flood.order(&format!("move {}", last.path().display()));
    let inside = begin_in(&last, &["agent"]);
    let inside_pid = inside.pid();
    assert_eq!(watch.members(LATER), [early.pid()]);
    let _ = inside.finish();
    // Leaving is an escape still.
    flood.order(&format!("move {}", outside.path().display()));
    let (flood, quiet, early) = (flood.finish(), quiet.finish(), early.finish());
    watch.sync();

    assert_eq!(of_process(&watch, early.pid, Kind::ProcessSeen).len(), 1);
    assert_eq!(of_process(&watch, inside_pid, Kind::CgroupJoin).len(), 1);
    assert_eq!(of_process(&watch, inside_pid, Kind::Exec).len(), 1, "what runs in a cgroup beyond the table");
    assert!(of_process(&watch, quiet.pid, Kind::CgroupLeave).is_empty(), "a move inside its own agent's cgroup");
    let leaves = of_process(&watch, flood.pid, Kind::CgroupLeave);
    assert_eq!(leaves.len(), 1, "of the moves only the one outside");
    let Detail::CgroupLeave(leave) = &leaves[0].detail else { unreachable!("by its kind") };
    assert_eq!(leave.to, outside.id());
    let signs = watch.events().iter().filter(|event| event.kind() == Kind::Unlink).map(|event| event.agent);
    assert_eq!(signs.collect::<Vec<_>>(), [LATER, OTHER]);
    let made = watch.events().iter().filter(|event| event.kind() == Kind::CgroupState && event.agent == AGENT).count();
    assert!(made >= more as usize, "{made} of {more} cgroups were told");
    watch.check_clean();
}

#[test]
fn a_cgroup_deeper_than_the_probes_look_is_taken_for_outside_and_counted() {
    let mut watch = Watch::start(STIMULUS);
    let mut path = watch.group.path().to_owned();
    let mut at = Vec::new();
    for _ in 0..=LEVELS {
        path.push("d");
        std::fs::create_dir(&path).expect("a cgroup");
        at.push(path.clone());
    }
    let mut agent = begin_in(&watch.group, &["agent"]);
    // The deepest that is still found: itself, and as many above it as make LEVELS with the agent's own.
    agent.order(&format!("move {}", at[LEVELS - 2].display()));
    watch.sync();
    assert!(of_process(&watch, agent.pid(), Kind::CgroupLeave).is_empty());
    agent.order(&format!("move {}", at[LEVELS - 1].display()));
    agent.order("sign /agentmon-deep");
    let agent = agent.finish();
    watch.sync();
    assert_eq!(of_process(&watch, agent.pid, Kind::CgroupLeave).len(), 1, "so deep down it counts as an escape");
    assert_eq!(of_process(&watch, agent.pid, Kind::Unlink).len(), 1, "and is watched all the same");
    let errors: Vec<_> = watch.sensor.stats().expect("the counters").errors().collect();
    let deep = errors.iter().filter(|(_, cause, _)| *cause == "too_deep");
    assert!(deep.clone().any(|(probe, _, _)| *probe == "cgroup_attach_task"), "{errors:?}");
    assert_eq!(deep.count(), errors.len(), "{errors:?}");
}

#[test]
fn an_agent_inside_anothers_cgroup_is_the_nearest_ones() {
    let mut watch = Watch::start(STIMULUS);
    let inner = watch.group.child("inner");
    watch.sensor.watch(OTHER, &[inner.open().as_fd()]).expect("the inner agent");
    let innermost = inner.child("innermost");
    let run = Running::start(STIMULUS, Some(&innermost), &["many-forks", "2"]).finish();
    watch.sync();
    let agents: Vec<AgentId> = watch.events().iter().filter(|event| event.process.tgid == run.pid).map(|event| event.agent).collect();
    assert!(!agents.is_empty() && agents.iter().all(|agent| *agent == OTHER), "{agents:?}");
    watch.check_clean();
}

#[test]
fn messages_of_a_cgroup_inside_the_agents_are_seen() {
    let mut watch = Watch::start(STIMULUS);
    let inner = watch.group.child("inner");
    let innermost = inner.child("innermost");
    let run = Running::start(STIMULUS, Some(&innermost), &["dns-lookup"]).finish();
    watch.sync();
    assert!(watch.events().iter().any(|event| event.kind() == Kind::Dns && event.cgroup == innermost.id()), "{:?}", run.truths);
    watch.check_clean();
}
