//! Handles that are made once: a counter per value of a label, found by index instead of by text.
//!
//! Not for: what the families are called (`families`).

use super::{Maker, families};
use crate::event::Kind;
use crate::response::{BreakerReport, Command, Outcome};
use agentmon_common::record::kind;
use agentmon_common::stats::{cause, probe};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};
use std::time::Duration;

/// Brings a counter to a total that is counted elsewhere. A total that went back, because its source was restarted,
/// leaves the counter where it is.
pub fn set_total(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

/// A counter per kind of event.
#[derive(Debug)]
pub struct PerKind([IntCounter; kind::COUNT]);

impl PerKind {
    pub(super) fn new(family: &IntCounterVec) -> Self {
        Self::with(|kind| family.with_label_values(&[kind]))
    }

    /// Index 0 is no kind: its counter is a detached one.
    fn with(mut counter: impl FnMut(&str) -> IntCounter) -> Self {
        Self(std::array::from_fn(|number| {
            let kind = u16::try_from(number).ok().and_then(Kind::from_number);
            kind.map_or_else(detached, |kind| counter(kind.name()))
        }))
    }

    /// The counter of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &IntCounter {
        &self.0[kind as usize]
    }
}

/// A counter that no scrape shows, for indices that stand for nothing.
fn detached() -> IntCounter {
    #[expect(clippy::expect_used, reason = "the name is a constant and valid")]
    IntCounter::new("none", "none").expect("a constant name")
}

/// Where events and lines can be lost without a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A record of no known kind could not be decoded.
    Decode,
    /// The kernel skipped runs of a probe: as many events, or fewer.
    ProbeSkipped,
    /// The log's queue was full, or the log could not be written.
    LogWrite,
    /// The record's agent was not watched any more.
    Unclaimed,
    /// The reader of the live lines was too far behind.
    Screen,
    /// The recording's queue was full.
    Recording,
}

impl Stage {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Decode, "decode"),
        (Self::ProbeSkipped, "probe_skipped"),
        (Self::LogWrite, "log_write"),
        (Self::Unclaimed, "unclaimed"),
        (Self::Screen, "screen"),
        (Self::Recording, "recording"),
    ];
}

/// Counters of lost events.
#[derive(Debug)]
pub struct Drops {
    ring: PerKind,
    decode: PerKind,
    stages: [IntCounter; Stage::ALL.len()],
}

impl Drops {
    pub(super) fn new(family: &IntCounterVec) -> Self {
        Self {
            ring: PerKind::with(|kind| family.with_label_values(&["kernel_ringbuf", kind])),
            decode: PerKind::with(|kind| family.with_label_values(&["decode", kind])),
            stages: Stage::ALL.map(|(_, stage)| family.with_label_values(&[stage, "any"])),
        }
    }

    /// The counter of events of a kind that a probe could not hand on.
    #[must_use]
    pub fn ring(&self, kind: Kind) -> &IntCounter {
        self.ring.of(kind)
    }

    /// The counter of records of a kind that could not be decoded.
    #[must_use]
    pub fn decode(&self, kind: Kind) -> &IntCounter {
        self.decode.of(kind)
    }

    /// The counter of a stage in user space.
    #[must_use]
    pub fn at(&self, stage: Stage) -> &IntCounter {
        &self.stages[stage as usize]
    }
}

/// Fill and size of a hand-off between threads.
#[derive(Debug)]
pub struct Queue {
    /// Items waiting.
    pub depth: IntGauge,
    /// Items it can hold.
    pub capacity: IntGauge,
}

/// Counters of errors inside the BPF programs.
#[derive(Debug)]
pub struct ProbeErrors([[IntCounter; cause::COUNT]; probe::COUNT]);

impl ProbeErrors {
    pub(super) fn new(family: &IntCounterVec) -> Self {
        Self(probe::NAMES.map(|program| cause::NAMES.map(|cause| family.with_label_values(&[program, cause]))))
    }

    /// Takes over what the kernel counted, summed over the CPUs: [`agentmon_common::stats::CpuStats::errors`].
    pub fn set_totals(&self, totals: &[[u64; cause::COUNT]; probe::COUNT]) {
        for (counter, total) in self.0.iter().flatten().zip(totals.iter().flatten()) {
            set_total(counter, *total);
        }
    }
}

/// Counters of skipped runs of the BPF programs.
#[derive(Debug)]
pub struct ProbeMisses([IntCounter; probe::COUNT]);

impl ProbeMisses {
    pub(super) fn new(family: &IntCounterVec) -> Self {
        Self(probe::NAMES.map(|program| family.with_label_values(&[program])))
    }

    /// Takes over what the kernel counted, by `agentmon_common::stats::probe`.
    pub fn set_totals(&self, totals: &[u64; probe::COUNT]) {
        self.0.iter().zip(totals).for_each(|(counter, total)| set_total(counter, *total));
    }
}

/// Who gave an order to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A rule matched.
    Rule,
    /// A person.
    Operator,
    /// The agent's session ended.
    SessionEnd,
}

const TRIGGERS: [&str; 3] = ["rule", "operator", "session_end"];
const RESULTS: [&str; 4] = ["verified", "unverified", "error", "observed"];
const OBSERVED: usize = 3;

/// Counters and histograms of the breaker.
#[derive(Debug)]
pub struct Breakers {
    actions: [[[IntCounter; TRIGGERS.len()]; RESULTS.len()]; Command::ALL.len()],
    written: [Histogram; Command::ALL.len()],
    verified: [Histogram; Command::ALL.len()],
    escaped: [IntCounter; Command::ALL.len()],
}

impl Breakers {
    pub(super) fn new(maker: &Maker) -> Result<Self, prometheus::Error> {
        let actions = maker.counters(&families::BREAKER_ACTIONS)?;
        let latency = maker.histograms(&families::BREAKER_LATENCY)?;
        let escaped = maker.counters(&families::ESCAPED)?;
        let action = |command: Command, result, trigger| actions.with_label_values(&[command.name(), result, trigger]);
        Ok(Self {
            actions: Command::ALL.map(|command| RESULTS.map(|result| TRIGGERS.map(|trigger| action(command, result, trigger)))),
            written: Command::ALL.map(|command| latency.with_label_values(&[command.name(), "written"])),
            verified: Command::ALL.map(|command| latency.with_label_values(&[command.name(), "verified"])),
            escaped: Command::ALL.map(|command| escaped.with_label_values(&[command.name()])),
        })
    }

    /// Counts an order that has ended.
    pub fn report(&self, report: &BreakerReport, trigger: Trigger) {
        let command = report.command as usize;
        let result = match report.outcome {
            Outcome::Done { verified: true } => 0,
            Outcome::Done { verified: false } => 1,
            Outcome::Failed(_) => 2,
        };
        self.actions[command][result][trigger as usize].inc();
        self.written[command].observe(report.write_latency.as_secs_f64());
        if report.is_verified() {
            self.verified[command].observe(Duration::as_secs_f64(&report.done_latency));
        }
        self.escaped[command].inc_by(report.escaped.into());
    }

    /// Counts an order that was not carried out, in observe mode.
    pub fn observed(&self, command: Command, trigger: Trigger) {
        self.actions[command as usize][OBSERVED][trigger as usize].inc();
    }
}
