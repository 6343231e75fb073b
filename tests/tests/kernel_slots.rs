//! Slots: a program that finds one held takes another, one that finds none drops its record and counts it, and every
//! program gives its slot back.
//!
//! Slots are held here by writing their claims from user space, as a program that was preempted would leave them. That
//! programs really interleave takes a kernel whose tracepoints can be preempted (Linux 7.0), or `preempt=full` for the
//! task iterator.

use agentmon::event::{AgentId, Detail, Event};
use agentmon_common::record::kind;
use agentmon_common::stats::{SLOTS, cause};
use agentmon_tests::cgroup::Group;
use agentmon_tests::maps::Slots;
use agentmon_tests::watch::{AGENT, Watch};
use std::collections::BTreeMap;
use std::os::fd::AsFd;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");
/// Boot time of the claims written here, in nanoseconds: long ago.
const LONG_AGO_NS: u64 = 1;
const RING: u32 = 16 * 1024 * 1024;

fn slots_used(events: &[Event]) -> BTreeMap<usize, usize> {
    let mut used = BTreeMap::new();
    for event in events {
        *used.entry(usize::from(event.slot) % SLOTS).or_default() += 1;
    }
    used
}

#[test]
fn a_record_is_built_in_the_next_slot_when_others_are_held() {
    let mut watch = Watch::idle(STIMULUS, RING);
    let mut slots = Slots::of_this_process();
    assert_eq!(slots.held(), Vec::<u32>::new());
    let held: Vec<u32> = (0..slots.len()).filter(|slot| *slot as usize % SLOTS < SLOTS - 1).collect();
    held.iter().for_each(|slot| slots.write_claim(*slot, LONG_AGO_NS));
    watch.drain();
    watch.watch(AGENT);
    let run = watch.run(&["many-forks", "20"]);
    assert_eq!(run.of("fork").count(), 20);
    let used = slots_used(watch.events());
    assert_eq!(used.keys().copied().collect::<Vec<_>>(), [SLOTS - 1], "all others are held");
    assert!(used[&(SLOTS - 1)] >= 40, "fork and exit of each child: {used:?}");
    // Nobody took what was held, nor gave it back.
    assert_eq!(slots.held(), held);
    let stats = watch.sensor.stats().expect("the counters");
    assert_eq!((stats.dropped_total(), stats.errors().count()), (0, 0));
    assert_eq!(stats.slots_stuck(u64::MAX), held.len());
    watch.check_order();

    held.iter().for_each(|slot| slots.write_claim(*slot, 0));
    let before = watch.events().len();
    watch.run(&["many-forks", "5"]);
    assert!(slots_used(&watch.events()[before..]).contains_key(&0), "the first slot again, once it is free");
    watch.check_clean();
}

#[test]
fn a_record_that_finds_no_slot_is_counted_as_dropped_by_kind() {
    const CALLS: u64 = 1000;
    let mut watch = Watch::idle(STIMULUS, RING);
    watch.watch(AGENT);
    let mut slots = Slots::of_this_process();
    (0..slots.len()).for_each(|slot| slots.write_claim(slot, LONG_AGO_NS));
    let run = watch.begin(&["flood", "2", &CALLS.to_string()]).finish();
    assert_eq!(run.of("done").count(), 1);
    let blind = watch.sensor.stats().expect("the counters");
    assert_eq!(blind.produced[kind::UNLINK as usize], 2 * CALLS);
    assert_eq!(blind.produced[kind::EXIT as usize], 3);
    assert_eq!(blind.dropped, blind.produced, "every one of them, by kind");
    let of_scratch: u64 = blind.errors.iter().map(|causes| causes[cause::SCRATCH]).sum();
    assert_eq!(of_scratch, blind.dropped_total(), "and why");
    assert_eq!(slots.held().len(), slots.len() as usize, "nobody gave back what was not his");

    (0..slots.len()).for_each(|slot| slots.write_claim(slot, 0));
    watch.drain();
    let after = watch.run(&["many-forks", "10"]);
    assert_eq!(after.of("fork").count(), 10);
    let stats = watch.sensor.stats().expect("the counters");
    assert_eq!(stats.dropped, blind.dropped, "nothing more was lost");
    let mut received = [0; kind::COUNT];
    watch.events().iter().for_each(|event| received[event.kind() as usize] += 1);
    for (number, received) in received.into_iter().enumerate() {
        assert_eq!(received + stats.dropped[number], stats.produced[number], "records of kind {number}");
    }
    watch.check_order();
    watch.check_released();
}

/// Programs of more processes than there are CPUs, and the task iterator, which can be preempted on every kernel built for it:
/// each record must be its own process's, from end to end. Where nothing interleaves, all records are of the first slot.
#[test]
fn records_of_programs_that_share_a_cpu_are_not_mixed() {
    const ROUNDS: u32 = 20;
    let mut watch = Watch::idle(STIMULUS, RING);
    // Another agent keeps the pair attached, so that watching begins and ends in no time.
    let other = Group::new("other");
    watch.sensor.watch(AgentId(2), &[other.open().as_fd()]).expect("the other agent");
    watch.drain();
    watch.watch(AGENT);
    let mut idle = watch.begin(&["agent"]);
    idle.until("ready");
    for _ in 0..ROUNDS {
        watch.sensor.unwatch(AGENT).expect("the end of watching");
        let flood = watch.begin(&["flood", "4", "2000"]);
        // One record of the iterator for each process there is, while the flood runs.
        watch.watch(AGENT);
        assert_eq!(flood.finish().of("done").count(), 1);
        watch.collect();
    }
    let _ = idle.finish();
    watch.sync();
    let (mut unlinks, mut seen) = (0, 0);
    for event in watch.events() {
        match &event.detail {
            Detail::Unlink(unlink) => {
                let name = format!("/agentmon-flood-{}-", event.process.tgid);
                assert!(unlink.asked.bytes.starts_with(name.as_bytes()), "process {}: {:?}", event.process.tgid, unlink.asked);
                assert_eq!(unlink.path.bytes, unlink.asked.bytes);
                unlinks += 1;
            }
            Detail::ProcessSeen(exec) => {
                assert_eq!(exec.exe.bytes, STIMULUS.as_bytes());
                seen += 1;
            }
            _ => {}
        }
    }
    println!("{unlinks} unlinks, {seen} processes seen; records by slot of their CPU: {:?}", slots_used(watch.events()));
    assert!(unlinks > 0 && seen >= ROUNDS, "{unlinks} unlinks, {seen} processes seen");
    watch.check_order();
    watch.check_released();
}

/// Where the kernel skips runs (Linux 7.0) the second copies tell of what the first have missed; everywhere they tell nothing twice.
#[test]
fn second_copies_tell_what_the_first_have_not_and_nothing_twice() {
    const PROCESSES: usize = 4;
    const CALLS: usize = 20_000;
    let mut watch = Watch::start(STIMULUS);
    watch.sensor.attach_seconds().expect("the second copies");
    let before = skipped(&watch);
    let run = watch.run(&["flood", &PROCESSES.to_string(), &CALLS.to_string()]);
    assert_eq!(run.of("done").count(), 1);
    let is_of_flood =
        |event: &&Event| matches!(&event.detail, Detail::Unlink(unlink) if unlink.asked.bytes.starts_with(b"/agentmon-flood-"));
    let removals = watch.events().iter().filter(is_of_flood).count();
    let skipped = skipped(&watch) - before;
    println!("{removals} of {} removals, {skipped} runs skipped by both copies or by the second alone", PROCESSES * CALLS);
    assert!(removals + skipped >= PROCESSES * CALLS && removals <= PROCESSES * CALLS, "{removals} removals");
    let of_parent = |kind: u16| watch.events().iter().filter(move |event| event.process.tgid == run.pid && event.kind() as u16 == kind);
    let counts = [kind::EXEC, kind::FORK, kind::EXIT].map(|kind| of_parent(kind).count());
    assert_eq!(counts, [1, PROCESSES, 1], "exec, forks, exit");
    watch.check_order();
    watch.check_released();
}

/// Runs that the kernel skipped.
fn skipped(watch: &Watch) -> usize {
    let skipped: u64 = watch.sensor.recursion_misses().expect("the kernel tells").iter().sum();
    usize::try_from(skipped).expect("a count")
}
