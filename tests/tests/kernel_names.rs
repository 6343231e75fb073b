//! Against the real kernel: what a process calls itself, system calls that nobody knows, and what is done to an agent's
//! cgroups as a whole.

use agentmon::event::{CgroupAction, Detail, Event, Kind};
use agentmon_tests::cgroup::Group;
use agentmon_tests::run::{Run, Running};
use agentmon_tests::watch::Watch;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

fn of_kind(watch: &Watch, kind: Kind) -> Vec<&Event> {
    watch.events().iter().filter(|event| event.kind() == kind).collect()
}

/// Every line of truth has its event, and there is no other of these kinds.
fn exactly(watch: &Watch, run: &Run, least: usize, kinds: &[Kind]) {
    watch.check(run, least);
    let told: Vec<_> = kinds.iter().flat_map(|kind| of_kind(watch, *kind)).filter(|event| event.process.tgid == run.pid).collect();
    assert_eq!(told.len(), run.truths.len(), "{told:#?}");
}

#[test]
fn names_that_threads_are_given_are_reported_and_those_of_an_exec_are_not() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["thread-names"]);
    exactly(&watch, &run, 8, &[Kind::ThreadName, Kind::Argv]);
    assert_eq!(of_kind(&watch, Kind::ThreadName).len(), run.truths.len(), "the name that an exec gives is no news");
}

#[test]
fn arguments_that_are_moved_are_reported_as_others_see_them() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["arguments"]);
    exactly(&watch, &run, 4, &[Kind::ThreadName, Kind::Argv]);
}

#[test]
fn workers_of_a_ring_are_named_by_the_kernel_which_is_no_news() {
    let mut watch = Watch::start(STIMULUS);
    let dir = tempfile::tempdir().expect("a directory");
    let run = watch.run(&["uring-sqpoll", dir.path().to_str().expect("a path")]);
    watch.check(&run, 5);
    assert!(of_kind(&watch, Kind::ThreadName).is_empty());
}

#[test]
fn system_calls_of_unknown_numbers_are_reported_and_negative_ones_are_not() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["unknown-calls"]);
    exactly(&watch, &run, 18, &[Kind::UnknownSyscall]);
}

#[test]
fn a_flood_of_unknown_numbers_is_accounted_for() {
    const TIMES: usize = 200_000;
    let mut watch = Watch::start(STIMULUS);
    watch.run(&["unknown-flood", &TIMES.to_string()]);
    watch.fetch();
    let events = of_kind(&watch, Kind::UnknownSyscall);
    let told: u64 = events.iter().map(|event| event.repeated).sum();
    assert!(events.len() < 1000, "{} records for one call again and again", events.len());
    let stats = watch.sensor.stats().expect("the counters");
    let lost: u64 = watch.events().iter().map(|event| u64::from(event.lost_before)).sum();
    assert!(told > 0 && stats.errors().next().is_none());
    assert_eq!(stats.dropped_total(), TIMES as u64 - told, "told and dropped are all there were");
    assert!(lost <= stats.dropped_total(), "{lost} holes");
}

#[test]
fn an_unknown_number_of_an_unwatched_process_makes_no_record() {
    let mut watch = Watch::start(STIMULUS);
    watch.sync();
    let before = watch.sensor.stats().expect("the counters").produced_total();
    for mode in ["unknown-calls", "thread-names", "arguments"] {
        assert!(!Running::start(STIMULUS, None, &[mode]).finish().truths.is_empty());
    }
    assert_eq!(watch.sensor.stats().expect("the counters").produced_total(), before);
    let run = watch.run(&["unknown-calls"]);
    assert!(!of_kind(&watch, Kind::UnknownSyscall).is_empty() && !run.truths.is_empty());
}

#[test]
fn what_a_member_does_to_its_cgroups_is_reported() {
    let mut watch = Watch::start(STIMULUS);
    let (path, name) = (watch.group.path().display().to_string(), watch.group.name());
    let run = watch.run(&["cgroups", &path, &name]);
    exactly(&watch, &run, 8, &[Kind::CgroupState]);
}

#[test]
fn what_others_do_to_an_agents_cgroups_says_who_and_to_other_cgroups_nothing() {
    let mut watch = Watch::start(STIMULUS);
    let other = Group::new("other");
    let freeze = |group: &Group, on: &str| std::fs::write(group.path().join("cgroup.freeze"), on).expect("cgroup.freeze");
    let agent = watch.begin(&["wait"]);
    let sub = watch.group.child("sub");
    let id = sub.id();
    for group in [&watch.group, &other] {
        freeze(group, "1");
        freeze(group, "0");
    }
    drop(other.child("sub"));
    drop(sub);
    let _ = agent.finish();
    watch.sync();
    let own = watch.group.id();
    let told: Vec<_> = of_kind(&watch, Kind::CgroupState)
        .into_iter()
        .map(|event| match &event.detail {
            Detail::CgroupState(state) => {
                assert_eq!((event.process.tgid, state.by_member), (std::process::id(), false));
                (state.action, state.cgroup)
            }
            _ => unreachable!("by its kind"),
        })
        .collect();
    use CgroupAction::{Frozen, Made, Removed, Thawed};
    assert_eq!(told, [(Made, id), (Frozen, own), (Frozen, id), (Thawed, own), (Thawed, id), (Removed, id)]);
    watch.check_clean();
}
