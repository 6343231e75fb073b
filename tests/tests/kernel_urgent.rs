//! The critical kinds are not lost in a flood of the others, and what a process did stays in order across the two rings.

use agentmon::event::{Detail, Event, Kind};
use agentmon_common::record::kind;
use agentmon_common::rings::URGENT_KINDS;
use agentmon_tests::run::Running;
use agentmon_tests::watch::{AGENT, DEADLINE, Watch};
use std::time::{Duration, Instant};

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");
const SMALL_RING: u32 = 256 * 1024;
const LARGE_RING: u32 = 16 * 1024 * 1024;
const FLOODERS: u64 = 4;
const OPENS: u64 = 25_000;
const ROUNDS: u64 = 200;
/// Of each flooder: together more than the urgent ring holds.
const EXECS: u64 = 4_000;

/// A process of no agent that ignores what it is sent.
fn bystander() -> Running {
    let mut target = Running::start(STIMULUS, None, &["ignore"]);
    target.until("ready");
    target
}

fn count(events: &[Event], number: u16) -> u64 {
    events.iter().filter(|event| event.kind() as u16 == number).count() as u64
}

/// Does the critical operations while four processes flood the main ring, which loses some before the first of them.
fn criticals_in_a_flood(watch: &mut Watch) {
    let target = bystander();
    let flood = watch.begin(&["flood-opens", &FLOODERS.to_string(), &OPENS.to_string()]);
    let deadline = Instant::now() + DEADLINE;
    while watch.sensor.stats().expect("the counters").dropped[kind::OPEN as usize] == 0 {
        assert!(Instant::now() < deadline, "the flood was too small for this test");
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let run = watch.begin(&["criticals", &target.pid().to_string(), &ROUNDS.to_string()]).finish();
    assert_eq!(run.of("done").count(), 1);
    assert_eq!(flood.finish().of("done").count(), 1);
    let _ = target.finish();
}

/// Takes all that was not dropped, so that there is room for what comes next.
fn take_all(watch: &mut Watch) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        watch.collect();
        let stats = watch.sensor.stats().expect("the counters");
        if watch.events().len() as u64 + stats.dropped_total() >= stats.produced_total() {
            return;
        }
        assert!(Instant::now() < deadline, "records that were not dropped did not come");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// None of the critical kinds was lost, and of all others each record was received or counted.
fn check_accounts(watch: &Watch) {
    let stats = watch.sensor.stats().expect("the counters");
    let errors: Vec<_> = stats.errors().collect();
    assert!(errors.is_empty(), "{errors:?}");
    for number in 0..kind::COUNT as u16 {
        let (produced, dropped) = (stats.produced[usize::from(number)], stats.dropped[usize::from(number)]);
        assert_eq!(count(watch.events(), number) + dropped, produced, "records of kind {number}: received + dropped = produced");
        assert!(dropped == 0 || !URGENT_KINDS.contains(&number), "{dropped} records of the critical kind {number} were lost");
    }
    assert!(stats.dropped[kind::OPEN as usize] > 0, "the ring was too large for this test");
    for number in
        [kind::SIGNAL, kind::IDENTITY, kind::NAMESPACE, kind::PROCESS_ACCESS, kind::BPF, kind::MODULE, kind::EXEC, kind::FORK, kind::EXIT]
    {
        assert!(count(watch.events(), number) >= ROUNDS, "kind {number}: only {}", count(watch.events(), number));
    }
    println!("produced {}, dropped {}, all of them of other kinds", stats.produced_total(), stats.dropped_total());
}

#[test]
fn a_flood_of_opens_loses_none_of_the_critical_kinds_while_nobody_drains() {
    let mut watch = Watch::idle(STIMULUS, SMALL_RING);
    watch.watch(AGENT);
    criticals_in_a_flood(&mut watch);
    watch.drain();
    take_all(&mut watch);
    watch.sync();
    check_accounts(&watch);
    watch.check_order();
}

#[test]
fn a_flood_of_opens_loses_none_of_the_critical_kinds_while_the_engine_is_behind() {
    let mut watch = Watch::idle(STIMULUS, SMALL_RING);
    watch.watch(AGENT);
    watch.drain();
    // Nobody takes from the queues: they fill, then the main ring.
    criticals_in_a_flood(&mut watch);
    take_all(&mut watch);
    watch.sync();
    check_accounts(&watch);
    watch.check_order();
}

/// Failures take three quarters of an agent's share of the urgent ring at most: what it then does has the rest.
#[test]
fn a_program_that_starts_after_a_flood_of_failing_ones_is_reported_while_nobody_drains() {
    let mut watch = Watch::idle(STIMULUS, SMALL_RING);
    watch.watch(AGENT);
    let run = watch.begin(&["flood-failing-execs", &FLOODERS.to_string(), &EXECS.to_string()]).finish();
    let lost = watch.sensor.stats().expect("the counters").dropped;
    assert!(lost[kind::EXEC as usize] > 0, "the flood was too small for this test");
    assert_eq!((lost[kind::FORK as usize], lost[kind::EXIT as usize]), (0, 0));
    watch.drain();
    take_all(&mut watch);
    watch.sync();
    let child = run.of("executed").next().expect("the program")["pid"].as_u64().expect("a pid") as u32;
    let of_child = |wanted: Kind| {
        let of_kind = watch.events().iter().filter(move |event| event.kind() == wanted && event.process.tgid == child);
        of_kind.filter(|event| event.outcome.succeeded()).count()
    };
    assert_eq!([of_child(Kind::Exec), of_child(Kind::Exit)], [1, 1], "the program and its end");
    let failed = watch.events().iter().filter(|event| event.kind() == Kind::Exec && !event.outcome.succeeded()).count() as u64;
    assert_eq!(failed + lost[kind::EXEC as usize], FLOODERS * EXECS, "each that failed is told or counted");
    println!("{failed} that failed were told, {} were counted as lost", lost[kind::EXEC as usize]);
}

/// Each child opens something between its creation, its new program and its end: records of both rings in turn.
#[test]
fn records_of_both_rings_come_in_the_order_of_what_was_done() {
    let mut watch = Watch::idle(STIMULUS, LARGE_RING);
    watch.watch(AGENT);
    watch.drain();
    let target = bystander();
    let run = watch.run(&["criticals", &target.pid().to_string(), &ROUNDS.to_string()]);
    let _ = target.finish();
    watch.check_clean();
    let (mut children, mut last) = (0, None);
    for event in watch.events().iter().filter(|event| event.ppid == run.pid) {
        match (&event.detail, last) {
            (Detail::Open(open), None) if open.asked.bytes[..] == *b"/agentmon-child" => last = Some(Kind::Open),
            (Detail::Exec(_), Some(Kind::Open)) => last = Some(Kind::Exec),
            (Detail::Exit(_), Some(Kind::Exec)) => (children, last) = (children + 1, None),
            (Detail::Open(_), Some(Kind::Exec)) => {}
            (detail, last) => assert!(!matches!(detail, Detail::Exec(_) | Detail::Exit(_)), "{detail:?} after {last:?}"),
        }
    }
    assert_eq!(children, ROUNDS);
}
