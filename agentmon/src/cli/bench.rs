//! `agentmon rules bench`: how long the stages take for the events of a recording.
//!
//! Not for: the way from the kernel to the engine (`cargo xtask bench`).

use super::replay;
use crate::event::Event;
use crate::recording::{Header, Line, Replay};
use crate::rules::RuleSet;
use crate::view::say;
use anyhow::{Result, ensure};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Most lines that are held in memory; what comes after them is left out, and said.
const LINES_MAX: usize = 1_000_000;
/// How long is measured at least.
const MEASURED: Duration = Duration::from_secs(2);

/// Reads the recording, runs it over and over, and prints what that took.
pub fn run(file: &Path, set: &RuleSet, as_json: bool) -> Result<u8> {
    let mut reader = replay::open(file)?;
    let header = reader.header().clone();
    let mut lines = Vec::new();
    while let Some((_, line)) = reader.line()? {
        if lines.len() == LINES_MAX {
            say::err(format_args!("note: only the first {LINES_MAX} lines are measured"));
            break;
        }
        lines.push(line);
    }
    let events = lines.iter().filter(|line| matches!(line, Line::Event(_))).count();
    ensure!(events > 0, "{} has no events", replay::shown(file));
    let (rounds, elapsed) = throughput(&header, &lines, set);
    let rate = (events * rounds) as f64 / elapsed.as_secs_f64();
    let mut times = latencies(&header, &lines, set);
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let (p50, p99, most) = (at(50), at(99), at(100));
    if as_json {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let measured = json!({
            "rules": set.len(), "events": events, "rounds": rounds, "events_per_s": rate.round(),
            "p50_us": micros(p50), "p99_us": micros(p99), "max_us": micros(most),
        });
        say::out(measured);
    } else {
        say::out(format_args!("{} rules, {events} events, {rounds} rounds on one core", set.len()));
        say::out(format_args!("{rate:.0} events/s; per event p50 {p50:?}, p99 {p99:?}, longest {most:?}"));
    }
    Ok(0)
}

/// Whole rounds until enough was measured. Copying the lines is left out of the time.
fn throughput(header: &Header, lines: &[Line], set: &RuleSet) -> (usize, Duration) {
    let (mut rounds, mut elapsed) = (0, Duration::ZERO);
    while elapsed < MEASURED {
        let copies: Vec<Line> = lines.to_vec();
        let mut replay = Replay::new(header, set.clone());
        let begin = Instant::now();
        copies.into_iter().for_each(|line| replay.take(0, line, |_| {}));
        elapsed += begin.elapsed();
        rounds += 1;
    }
    (rounds, elapsed)
}

/// The time of each event, in one round. Two looks at the clock are in it, some 50 ns.
fn latencies(header: &Header, lines: &[Line], set: &RuleSet) -> Vec<Duration> {
    let mut replay = Replay::new(header, set.clone());
    let mut times = Vec::with_capacity(lines.len());
    for line in lines {
        let copy = line.clone();
        let is_event = matches!(&copy, Line::Event(event) if Event::check(event).is_ok());
        let begin = Instant::now();
        replay.take(0, copy, |_| {});
        if is_event {
            times.push(begin.elapsed());
        }
    }
    times
}
