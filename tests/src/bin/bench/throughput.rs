//! How many events a second come through whole, and what one costs the consumer.
//!
//! The producer alone has its CPU; the consumer may use every one. Truth is the producer's own count. Not for: what the
//! probes add to the producer (`overhead`).

use crate::Effort;
use crate::engine::{Counts, Engine, Engines};
use crate::table::Table;
use crate::worker::{Worker, pin};
use agentmon_tests::cgroup::Group;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// Events per second that are asked for, one after the other; the last is as fast as it goes.
const RATES: [Option<u64>; 5] = [Some(100_000), Some(200_000), Some(250_000), Some(300_000), None];
/// The bar.
const WANTED: f64 = 200_000.0;
/// How long a rate must be sustained.
const DURATION: Duration = Duration::from_secs(10);
/// Longest wait for the last events to be counted.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);

/// What happened at one rate.
#[derive(Debug)]
struct Run {
    per_second: f64,
    produced: u64,
    counted: Counts,
    cpu_us_per_event: f64,
}

impl Run {
    const fn is_whole(&self) -> bool {
        self.counted.dropped == 0 && self.counted.opens == self.produced
    }
}

pub fn measure(engines: &Engines, effort: Effort, table: &mut Table) -> Result<()> {
    pin(|_| true)?;
    let mut best = 0.0_f64;
    let mut at_wanted = None;
    for rate in RATES {
        let run = run(engines, rate, DURATION / u32::try_from(effort.shorten)?)?;
        let asked = rate.map_or_else(|| "flat out".to_owned(), |rate| format!("{rate}/s asked"));
        let slow = rate.is_some_and(|rate| run.per_second < rate as f64 * 0.98);
        let slow = if slow { " (the producer was not faster: is its CPU busy with something else?)" } else { "" };
        let outcome =
            if run.is_whole() { "whole".to_owned() } else { format!("{} counted, {} dropped", run.counted.opens, run.counted.dropped) };
        table.note(format!(
            "- {asked}: {:.0} opens/s{slow}, {} opens, {outcome}; {:.2} µs of consumer CPU per event.",
            run.per_second, run.produced, run.cpu_us_per_event
        ));
        if run.is_whole() {
            best = best.max(run.per_second);
            if run.per_second <= WANTED * 1.01 {
                at_wanted = Some(run.cpu_us_per_event);
            }
        }
    }
    let seconds = (DURATION / u32::try_from(effort.shorten)?).as_secs_f64();
    // A producer that is asked for the bar exactly ends a hair below it.
    table.at_least("sustained without loss", "events/s", WANTED * 0.99, best, &format!("for {seconds:.1} s, producer on one CPU"));
    match at_wanted {
        Some(cpu) => table.at_most("consumer CPU per event", "µs", 3.0, cpu, "user and system, at the highest rate up to the bar"),
        None => table.say("consumer CPU per event", "no rate came through whole".to_owned()),
    }
    Ok(())
}

fn run(engines: &Engines, rate: Option<u64>, duration: Duration) -> Result<Run> {
    let cgroup = Group::new("throughput");
    let mut producer = Worker::start("producer", Some(&cgroup))?;
    let engine = engines.start(Some(&cgroup))?;
    let (before, cpu_before) = (settled(&engine, None)?, engine.cpu_seconds()?);
    let (produced, seconds) = producer.paced(rate, duration)?;
    let after = settled(&engine, Some(before.opens + produced))?;
    let cpu = engine.cpu_seconds()? - cpu_before;
    ensure!(produced > 0 && after.opens > before.opens, "nothing came through: {produced} opens, {after:?}");
    drop(producer);
    let counted =
        Counts { opens: after.opens - before.opens, events: after.events - before.events, dropped: after.dropped - before.dropped };
    Ok(Run { per_second: produced as f64 / seconds, produced, counted, cpu_us_per_event: cpu * 1e6 / counted.events.max(1) as f64 })
}

/// The counts once `opens` are there, or once they no longer change.
fn settled(engine: &Engine, opens: Option<u64>) -> Result<Counts> {
    let start = Instant::now();
    let mut last = engine.counts()?;
    let mut unchanged = 0;
    while opens.is_none_or(|opens| last.opens < opens) && unchanged < 20 && start.elapsed() < SETTLE_LIMIT {
        std::thread::sleep(Duration::from_millis(100));
        let now = engine.counts()?;
        unchanged = if now == last { unchanged + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}
