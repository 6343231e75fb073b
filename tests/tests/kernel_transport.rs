//! From the probes to user space: nothing is lost uncounted, nothing waits long.

use agentmon::event::{Detail, Event, Kind};
use agentmon_common::record::kind;
use agentmon_common::rings;
use agentmon_common::stats::probe;
use agentmon_tests::watch::{AGENT, Watch};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");
const SMALL_RING: u32 = 256 * 1024;

/// Records by kind number.
fn received(events: &[Event]) -> [u64; kind::COUNT] {
    let mut counts = [0; kind::COUNT];
    for event in events {
        counts[event.kind() as usize] += 1;
    }
    counts
}

/// Fills a small ring that nobody drains, then looks at what came through.
fn a_flood_is_accounted_for(processes: u64, calls: u64) {
    let mut watch = Watch::idle(STIMULUS, SMALL_RING);
    watch.watch(AGENT);
    let run = watch.begin(&["flood", &processes.to_string(), &calls.to_string()]).finish();
    let of_flood = watch.sensor.stats().expect("the counters");
    let skipped = watch.sensor.recursion_misses().expect("the skipped runs")[probe::SYS_EXIT];
    let silent = processes * calls - of_flood.produced[kind::UNLINK as usize];
    assert!(silent <= skipped, "{silent} calls made no record; {skipped} runs of the probe were skipped");
    // Children of the flood, and the stimulus itself.
    assert_eq!(of_flood.produced[kind::EXIT as usize], processes + 1);
    assert!(of_flood.dropped_total() > 0, "the ring was too large for this test");
    let errors: Vec<_> = of_flood.errors().collect();
    assert!(errors.is_empty(), "{errors:?}");

    watch.drain();
    // Once one record is out there is room for those of the marker.
    watch.wait("what is in the ring", |_| true);
    watch.sync();
    let stats = watch.sensor.stats().expect("the counters");
    assert_eq!(stats.dropped_total(), of_flood.dropped_total(), "nothing more was lost");
    for (number, (received, (produced, dropped))) in
        received(watch.events()).into_iter().zip(stats.produced.into_iter().zip(stats.dropped)).enumerate()
    {
        assert_eq!(received + dropped, produced, "records of kind {number}: received + dropped = produced");
    }
    // Holes in the numbers of each slot and ring are those that were announced, and they are all that was lost.
    watch.check_order();
    let announced: u64 = watch.events().iter().map(|event| u64::from(event.lost_before)).sum();
    let last: HashMap<_, &Event> = watch.events().iter().map(|event| ((event.slot, rings::of(event.kind() as u16)), event)).collect();
    let numbered: u64 = last.values().map(|event| event.seq).sum();
    let unannounced = stats.produced_total() - numbered;
    assert_eq!(announced + unannounced, stats.dropped_total());
    println!("flood of {processes}: produced {}, dropped {}", stats.produced_total(), stats.dropped_total());

    let after = watch.run(&["many-forks", "10"]);
    let forks = watch.events().iter().filter(|event| event.kind() == Kind::Fork && event.process.tgid == after.pid).count();
    assert_eq!((after.of("fork").count(), forks), (10, 10), "events after the flood");
    assert_eq!(run.of("done").count(), 1);
}

#[test]
fn a_flood_of_two_processes_is_received_or_counted_as_dropped() {
    a_flood_is_accounted_for(2, 10_000);
}

#[test]
fn a_flood_of_four_processes_is_received_or_counted_as_dropped() {
    a_flood_is_accounted_for(4, 5_000);
}

#[test]
fn a_flood_is_received_or_counted_while_the_ring_is_drained() {
    let mut watch = Watch::idle(STIMULUS, SMALL_RING);
    watch.watch(AGENT);
    watch.drain();
    let flood = watch.begin(&["flood", "2", "20000"]);
    let pid = flood.pid();
    while std::path::Path::new(&format!("/proc/{pid}")).exists()
        && !std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    {
        watch.collect();
        std::thread::park_timeout(Duration::from_millis(1));
    }
    assert_eq!(flood.finish().of("done").count(), 1);
    watch.sync();
    let stats = watch.sensor.stats().expect("the counters");
    assert_eq!(stats.produced[kind::UNLINK as usize], 40_000);
    for (number, count) in received(watch.events()).into_iter().enumerate() {
        assert_eq!(count + stats.dropped[number], stats.produced[number], "records of kind {number}");
    }
    watch.check_order();
    println!("drained flood: produced {}, dropped {}", stats.produced_total(), stats.dropped_total());
}

#[test]
fn the_first_event_after_a_pause_arrives_at_once() {
    let mut watch = Watch::start(STIMULUS);
    let mut agent = watch.begin(&["agent"]);
    agent.until("ready");
    watch.sync();
    let mut latencies = Vec::new();
    for round in 0..20 {
        // Longer than the drain stays awake; nothing is waited for here.
        let pause = Instant::now();
        while pause.elapsed() < Duration::from_millis(30) {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let name = format!("/agentmon-latency-{round}");
        let begin = Instant::now();
        agent.order(&format!("sign {name}"));
        watch.wait(&name, |event| matches!(&event.detail, Detail::Unlink(unlink) if unlink.asked.bytes == name.as_bytes()));
        latencies.push(begin.elapsed());
    }
    latencies.sort();
    println!("first event after a pause: median {:?}, worst {:?}", latencies[10], latencies[19]);
    // How fast is the benchmark's to say; here every one must arrive at all.
    assert!(latencies[19] < Duration::from_secs(5), "{latencies:?}");
    let _ = agent.finish();
}
