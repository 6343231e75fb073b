//! Failures that repeat are counted in the kernel, exactly, and nothing hides among them.

use agentmon::event::{Detail, Event, Kind};
use agentmon::sensor::Counted;
use agentmon_common::record::kind;
use agentmon_common::repeat::COUNTED_MAX;
use agentmon_tests::watch::{AGENT, DEADLINE, Watch};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");
const SMALL_RING: u32 = 256 * 1024;
/// More than the records of one failure in all generations of a run that takes a minute.
const FEW: usize = 1000;

fn asked(event: &Event) -> &[u8] {
    match &event.detail {
        Detail::Unlink(unlink) => &unlink.asked.bytes,
        _ => b"",
    }
}

/// Operations that the events of a kind stand for, if their name begins so.
fn operations(watch: &Watch, kind: Kind, name: &str) -> u64 {
    let of_kind = watch.events().iter().filter(|event| event.kind() == kind && asked(event).starts_with(name.as_bytes()));
    of_kind.map(|event| event.repeated).sum()
}

fn check_no_errors(watch: &Watch) {
    let errors: Vec<_> = watch.sensor.stats().expect("the counters").errors().collect();
    assert!(errors.is_empty(), "{errors:?}");
    watch.check_order();
    watch.check_released();
}

#[test]
fn a_hundred_thousand_failures_are_reported_in_few_records_and_one_among_them_is_not_hidden() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["repeat", "100000"]);
    watch.fetch();
    let unlinks: Vec<&Event> =
        watch.events().iter().filter(|event| event.kind() == Kind::Unlink && event.process.tgid == run.pid).collect();
    let done = unlinks.iter().map(|event| event.repeated).sum::<u64>();
    let missing = watch.missing(100_001, usize::try_from(done).unwrap());
    let stats = watch.sensor.stats().expect("the counters");
    assert_eq!((done, stats.dropped_total()), (stats.produced[kind::UNLINK as usize], 0), "{missing} runs were skipped");
    assert!(unlinks.len() < FEW, "{} records", unlinks.len());
    let hidden: Vec<_> = unlinks.iter().filter(|event| asked(event).starts_with(b"/agentmon-hidden-")).collect();
    assert_eq!(hidden.iter().map(|event| event.repeated).collect::<Vec<_>>(), [1], "{hidden:?}");
    // Each says all that the first one did.
    let first = unlinks[0];
    for event in unlinks.iter().filter(|event| asked(event) == asked(first)) {
        assert_eq!((&event.detail, event.outcome, event.operation, event.uid), (&first.detail, first.outcome, first.operation, first.uid));
        assert!(event.timestamp_ns >= first.timestamp_ns);
    }
    println!("{done} failures in {} records", unlinks.len());
    check_no_errors(&watch);
}

#[test]
fn more_names_than_can_be_counted_are_sent_and_nothing_is_lost() {
    let mut watch = Watch::start(STIMULUS);
    let names = 3 * u64::from(COUNTED_MAX) / 2;
    let run = watch.run(&["repeat-many", &names.to_string(), "6"]);
    watch.fetch();
    let done = operations(&watch, Kind::Unlink, "/agentmon-many-");
    let missing = watch.missing(usize::try_from(6 * names).unwrap(), usize::try_from(done).unwrap());
    if missing == 0 {
        let mut by_name: HashMap<&[u8], u64> = HashMap::new();
        watch.events().iter().for_each(|event| *by_name.entry(asked(event)).or_default() += event.repeated);
        for name in 0..names {
            let name = format!("/agentmon-many-{}-{name}", run.pid);
            assert_eq!(by_name.get(name.as_bytes()), Some(&6), "{name}");
        }
    }
    let records = watch.events().iter().filter(|event| event.kind() == Kind::Unlink).count();
    println!("{done} failures of {names} names in {records} records");
    assert!((records as u64) < done, "none was counted");
    assert_eq!(watch.sensor.stats().expect("the counters").dropped_total(), 0);
    check_no_errors(&watch);
}

/// The two threads of the stimulus do the same; which of them is not part of what is counted.
#[test]
fn opens_connects_and_sends_are_counted_too() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.run(&["repeat-others", "5000"]);
    watch.fetch();
    for kind in [Kind::Open, Kind::Connect, Kind::Send] {
        let named = |event: &&Event| match &event.detail {
            Detail::Open(open) => open.asked.bytes[..] == *b"/agentmon-repeat-missing",
            _ => true,
        };
        let events: Vec<&Event> =
            watch.events().iter().filter(|event| event.kind() == kind && event.process.tgid == run.pid).filter(named).collect();
        let done = events.iter().map(|event| event.repeated).sum::<u64>();
        let _ = watch.missing(10_000, usize::try_from(done).unwrap());
        assert!(events.len() < FEW, "{} records of {kind:?}", events.len());
        assert!(events.iter().all(|event| !event.outcome.succeeded()));
        println!("{done} of {kind:?} in {} records", events.len());
    }
    assert_eq!(watch.sensor.stats().expect("the counters").dropped_total(), 0);
    check_no_errors(&watch);
}

#[test]
fn what_is_counted_is_not_lost_while_the_ring_is_full() {
    let mut watch = Watch::idle(STIMULUS, SMALL_RING);
    watch.watch(AGENT);
    // Fills the ring: nobody drains it.
    let filled = watch.begin(&["flood", "2", "3000"]).finish();
    assert_eq!(filled.of("done").count(), 1);
    let full = watch.sensor.stats().expect("the counters");
    assert!(full.dropped[kind::UNLINK as usize] > 0, "the ring was too large for this test");
    let run = watch.begin(&["repeat", "10000"]).finish();
    watch.drain();
    watch.wait("what is in the ring", |_| true);
    watch.sync();
    watch.fetch();
    let stats = watch.sensor.stats().expect("the counters");
    for number in 0..kind::COUNT {
        let received: u64 = watch.events().iter().filter(|event| event.kind() as usize == number).map(|event| event.repeated).sum();
        assert_eq!(received + stats.dropped[number], stats.produced[number], "operations of kind {number}");
    }
    let name = format!("/agentmon-repeat-{}", run.pid);
    let told = operations(&watch, Kind::Unlink, &name);
    // The first two of each generation are records like any other, and had no room.
    let lost = stats.dropped[kind::UNLINK as usize] - full.dropped[kind::UNLINK as usize];
    println!("{told} told, {lost} lost");
    assert!(told > 9_900 && lost < 100, "{told} told, {lost} lost");
    check_no_errors(&watch);
}

#[test]
fn counts_are_fetched_when_their_generation_is_over_and_once() {
    let mut watch = Watch::start(STIMULUS);
    let run = watch.begin(&["repeat", "1000"]).finish();
    watch.sync();
    let now = |watch: &Watch| watch.events().last().expect("events").timestamp_ns;
    let begin = now(&watch);
    assert_eq!(watch.sensor.counted(Counted::Over(begin)).expect("the counts").len(), 0, "its generation is not over");
    let told = watch.sensor.counted(Counted::Of(AGENT)).expect("the counts");
    assert!(!told.is_empty(), "what is left of an agent that ends");
    assert_eq!(watch.sensor.counted(Counted::Of(AGENT)).expect("the counts").len(), 0, "told twice");
    let later = begin + (4 << 32);
    assert_eq!(watch.sensor.counted(Counted::Over(later)).expect("the counts").len(), 0, "told again when it was taken away");
    assert_eq!(watch.sensor.counted(Counted::All).expect("the counts").len(), 0, "still there");
    // The next generations count anew.
    let deadline = Instant::now() + DEADLINE;
    let before = watch.sensor.stats().expect("the counters").produced[kind::UNLINK as usize];
    let again = watch.run(&["repeat", "1000"]);
    assert_ne!(run.pid, again.pid);
    watch.fetch();
    while operations(&watch, Kind::Unlink, &format!("/agentmon-repeat-{}", again.pid)) < 1000 {
        assert!(Instant::now() < deadline, "counts are missing");
        std::thread::park_timeout(Duration::from_millis(5));
        watch.fetch();
    }
    assert_eq!(watch.sensor.stats().expect("the counters").produced[kind::UNLINK as usize] - before, 1001);
}
