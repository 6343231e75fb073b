//! Brings what the engine knows into the metrics: counts at once a second, matches and actions as they happen.
//!
//! Not for: names and labels (`crate::metrics`).

use super::tally::Tally;
use crate::agents::Register;
use crate::canary::{Findings, Sight};
use crate::event::Kind;
use crate::log::Counters;
use crate::metrics::serve::Health;
use crate::metrics::{Metrics, Stage, Trigger, set_total};
use crate::response::{BreakerReport, Command};
use crate::rules::{Rule, RuleSet, StateSize};
use crate::sensor::frames::Frames;
use crate::sensor::ring::BACKLOG_RECORDS;
use crate::stages::Stages;
use agentmon_common::rings;
use prometheus::{IntCounter, IntGauge};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// The engine's handles.
pub struct Recorder {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    /// By rule id.
    matches: HashMap<String, IntCounter>,
}

impl Recorder {
    /// Handles for these rules.
    pub fn new(metrics: Arc<Metrics>, health: Arc<Health>, rules: &RuleSet) -> Self {
        metrics.engine_queue.capacity.set(i64::try_from(BACKLOG_RECORDS.iter().sum::<usize>()).unwrap_or(i64::MAX));
        let mut recorder = Self { metrics, health, matches: HashMap::new() };
        recorder.rules(rules);
        recorder
    }

    /// Other rules are in force.
    pub fn rules(&mut self, rules: &RuleSet) {
        let names = || rules.rules().iter().map(|rule| (rule.id.as_str(), rule.level.name()));
        let counters = self.metrics.set_rules(&rules.digest(), names());
        self.matches = names().map(|(id, _)| id.to_owned()).zip(counters).collect();
        self.metrics.rules_skipped.set(i64::try_from(rules.skipped()).unwrap_or(i64::MAX));
        self.reloaded(true);
    }

    /// Configuration and rules were read again.
    pub fn reloaded(&self, successful: bool) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.metrics.set_reload(successful, i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    }

    /// An agent is not watched that should be.
    pub fn unwatched(&self) {
        self.metrics.watch_failures.inc();
    }

    /// The canary could not fly.
    pub fn grounded(&self) {
        self.metrics.canary_failures.inc();
    }

    /// A rule matched.
    pub fn matched(&self, rule: &Rule) {
        if let Some(counter) = self.matches.get(&rule.id) {
            counter.inc();
        }
    }

    /// An action was worked out and not carried out.
    pub fn observed(&self, command: Command) {
        self.metrics.breaker.observed(command, Trigger::Rule);
    }

    /// An order has ended.
    pub fn acted(&self, report: &BreakerReport, trigger: Trigger) {
        self.metrics.breaker.report(report, trigger);
    }

    /// An event was handled this long after it happened.
    pub fn latency(&self, latency: Duration) {
        self.metrics.event_latency.observe(latency.as_secs_f64());
    }

    /// Probes attached, and how many should be.
    pub fn probes(&self, (attached, expected): (usize, usize)) {
        self.metrics.programs_attached.set(i64::try_from(attached).unwrap_or(i64::MAX));
        self.metrics.programs_expected.set(i64::try_from(expected).unwrap_or(i64::MAX));
    }

    /// The engine runs; what its stages hold.
    pub fn tick(&self, frames: &Frames, register: &Register, stages: &Stages) {
        self.health.beat();
        self.metrics.engine_queue.depth.set(i64::try_from(frames.len()).unwrap_or(i64::MAX));
        set_each(&self.metrics.ring_bytes, frames.ring_bytes());
        set_each(&self.metrics.ring_capacity_bytes, frames.ring_capacity_bytes());
        self.metrics.set_agents(register.counts());
        self.metrics.processes.set(i64::try_from(stages.table().len()).unwrap_or(i64::MAX));
        set_total(&self.metrics.processes_evicted, stages.table().evicted());
        self.metrics.hostnames.set(i64::try_from(stages.hosts().len()).unwrap_or(i64::MAX));
        set_total(&self.metrics.hostnames_evicted, stages.hosts().evicted());
        set_total(&self.metrics.history_forgotten, stages.history().forgotten());
    }

    /// What correlations remember.
    pub fn correlations(&self, size: StateSize) {
        self.metrics.rules_state.set(i64::try_from(size.bytes).unwrap_or(i64::MAX));
        set_total(&self.metrics.rules_forgotten, size.forgotten);
    }

    /// What the canary found, by kind. A kind that cannot be done on this host has no value.
    pub fn hooks(&self, findings: &Findings) {
        for kind in Kind::ALL {
            match findings.of(kind) {
                Some(Sight::Seen) => self.metrics.hook_ok.with_label_values(&[kind.name()]).set(1),
                Some(Sight::Blind) => self.metrics.hook_ok.with_label_values(&[kind.name()]).set(0),
                Some(Sight::Impossible) | None => {}
            }
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.metrics.canary_time.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    }

    /// Records received and lost; `now_ns` is the boot time.
    pub fn tally(&self, tally: &Tally, now_ns: u64) {
        for kind in Kind::ALL {
            set_total(self.metrics.events.of(kind), tally.received.0[kind as usize]);
            set_total(self.metrics.dropped.ring(kind), tally.kernel.dropped[kind as usize]);
            set_total(self.metrics.dropped.decode(kind), tally.undecodable.0[kind as usize]);
        }
        set_total(&self.metrics.canary_events, tally.canary);
        set_total(self.metrics.dropped.at(Stage::Decode), tally.undecodable.0[0]);
        set_total(self.metrics.dropped.at(Stage::ProbeSkipped), tally.skipped_total());
        self.metrics.probe_skipped.set_totals(&tally.skipped);
        set_total(self.metrics.dropped.at(Stage::Unclaimed), tally.unclaimed);
        set_total(self.metrics.dropped.at(Stage::Screen), tally.screen_dropped);
        set_total(self.metrics.dropped.at(Stage::Recording), tally.unrecorded);
        self.metrics.probe_errors.set_totals(&tally.kernel.errors);
        self.metrics.probe_slots_stuck.set(i64::try_from(tally.kernel.slots_stuck(now_ns)).unwrap_or(i64::MAX));
    }

    /// What the log has done.
    pub fn log(&self, log: &Counters) {
        let total = |counter: &IntCounter, value: &std::sync::atomic::AtomicU64| set_total(counter, value.load(Ordering::Relaxed));
        total(&self.metrics.log_lines, &log.lines);
        total(&self.metrics.log_bytes, &log.bytes);
        total(&self.metrics.log_truncated_lines, &log.truncated_lines);
        total(&self.metrics.log_dropped_lines, &log.dropped_lines);
        total(&self.metrics.log_errors, &log.write_errors);
        total(self.metrics.dropped.at(Stage::LogWrite), &log.dropped_lines);
    }
}

fn set_each(gauges: &[IntGauge; rings::COUNT], values: [usize; rings::COUNT]) {
    gauges.iter().zip(values).for_each(|(gauge, value)| gauge.set(i64::try_from(value).unwrap_or(i64::MAX)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentmon_common::stats::{cause, probe};

    /// Every number of a tally another one, so that none is taken for its neighbour.
    fn tally() -> (Tally, Vec<(String, u64)>) {
        let (mut tally, mut shown) = (Tally::default(), Vec::new());
        for (number, kind) in (1_u64..).zip(Kind::ALL) {
            tally.received.0[kind as usize] = 1_000 + number;
            tally.kernel.dropped[kind as usize] = 2_000 + number;
            tally.undecodable.0[kind as usize] = 3_000 + number;
            let name = kind.name();
            shown.push((format!("agentmon_events_dropped_total{{kind=\"{name}\",stage=\"kernel_ringbuf\"}}"), 2_000 + number));
            shown.push((format!("agentmon_events_dropped_total{{kind=\"{name}\",stage=\"decode\"}}"), 3_000 + number));
        }
        tally.undecodable.0[0] = 4_001;
        tally.unclaimed = 4_002;
        tally.screen_dropped = 4_003;
        tally.canary = 4_004;
        for (number, name) in probe::NAMES.iter().enumerate() {
            tally.skipped[number] = 5_000 + number as u64;
            shown.push((format!("agentmon_probe_recursion_misses_total{{probe=\"{name}\"}}"), tally.skipped[number]));
        }
        tally.kernel.errors[probe::EXEC][cause::MAP_FULL] = 4_005;
        for (stage, count) in [("decode", 4_001), ("unclaimed", 4_002), ("screen", 4_003), ("probe_skipped", tally.skipped_total())] {
            shown.push((format!("agentmon_events_dropped_total{{kind=\"any\",stage=\"{stage}\"}}"), count));
        }
        shown.push(("agentmon_canary_events_total".to_owned(), 4_004));
        (tally, shown)
    }

    #[test]
    fn every_count_of_a_tally_is_shown_as_what_it_is() {
        let metrics = Arc::new(Metrics::new("0.1.0").unwrap());
        let recorder = Recorder { metrics: Arc::clone(&metrics), health: Arc::default(), matches: HashMap::new() };
        let (tally, shown) = tally();
        recorder.tally(&tally, 0);
        let text = metrics.text().unwrap();
        for (series, count) in shown {
            let line = format!("{series} {count}");
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
        let received: u64 = tally.received.0.iter().sum();
        let events = text.lines().filter(|line| line.starts_with("agentmon_events_total{"));
        assert_eq!(events.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>(), received);
        assert!(text.lines().any(|line| line.starts_with("agentmon_probe_errors_total{") && line.ends_with(" 4005")), "{text}");
    }
}
