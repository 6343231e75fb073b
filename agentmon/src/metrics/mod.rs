//! Metrics: what agentmon counts, as Prometheus text.
//!
//! Handles are made once; counting an event is one relaxed atomic add on `metrics.events.of(kind)`. What is counted
//! elsewhere (in the kernel, in the process table) is fetched when somebody scrapes ([`Metrics::on_scrape`]). Not for:
//! rates, alerts, or anything about a single process.

pub mod families;
mod handles;
pub mod serve;

pub use handles::{Breakers, Drops, PerKind, ProbeErrors, ProbeMisses, Queue, Stage, Trigger, set_total};

use agentmon_common::rings;
use families::{Family, FamilyKind};
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Most rules with a series of their own; the others share `other`.
pub const RULES_MAX: usize = 256;
/// Longest rule id that becomes a label; a UUID has 36 bytes.
const RULE_ID_MAX: usize = 64;

type Scrape = Box<dyn Fn(&Metrics) + Send + Sync>;

/// Every metric of one agentmon. Not global: a test has its own.
pub struct Metrics {
    registry: Registry,
    scrapes: Mutex<Vec<Scrape>>,
    rules: Mutex<BTreeSet<(String, &'static str)>>,
    rule_matches: IntCounterVec,
    rules_info: IntGaugeVec,
    overflow: IntCounter,
    /// `events_total`
    pub events: PerKind,
    /// `events_dropped_total`
    pub dropped: Drops,
    /// `kernel_ringbuf_bytes`, by `agentmon_common::rings`
    pub ring_bytes: [IntGauge; rings::COUNT],
    /// `kernel_ringbuf_capacity_bytes`, likewise
    pub ring_capacity_bytes: [IntGauge; rings::COUNT],
    /// `queue_depth` and `queue_capacity` of the hand-off from drain to engine.
    pub engine_queue: Queue,
    /// `probe_errors_total`
    pub probe_errors: ProbeErrors,
    /// `probe_recursion_misses_total`
    pub probe_skipped: ProbeMisses,
    /// `probe_slots_stuck`
    pub probe_slots_stuck: IntGauge,
    /// `breaker_*`
    pub breaker: Breakers,
    /// `agents`, in the order of [`crate::agents::State::ALL`].
    pub agents: [IntGauge; crate::agents::State::ALL.len()],
    /// `watch_failures_total`
    pub watch_failures: IntCounter,
    /// `event_latency_seconds`
    pub event_latency: prometheus::Histogram,
    /// `log_lines_total`
    pub log_lines: IntCounter,
    /// `log_bytes_total`
    pub log_bytes: IntCounter,
    /// `log_truncated_lines_total`
    pub log_truncated_lines: IntCounter,
    /// `log_dropped_lines_total`
    pub log_dropped_lines: IntCounter,
    /// `log_errors_total`
    pub log_errors: IntCounter,
    /// `bpf_programs_attached`
    pub programs_attached: IntGauge,
    /// `bpf_programs_expected`
    pub programs_expected: IntGauge,
    /// `hook_ok`, by kind
    pub hook_ok: IntGaugeVec,
    /// `canary_last_flight_timestamp_seconds`
    pub canary_time: IntGauge,
    /// `canary_failures_total`
    pub canary_failures: IntCounter,
    /// `canary_events_total`
    pub canary_events: IntCounter,
    /// `rules_loaded`
    pub rules_loaded: IntGauge,
    /// `rules_skipped`
    pub rules_skipped: IntGauge,
    /// `process_table_entries`
    pub processes: IntGauge,
    /// `process_table_evictions_total`
    pub processes_evicted: IntCounter,
    /// `rules_state_bytes`
    pub rules_state: IntGauge,
    /// `rules_groups_forgotten_total`
    pub rules_forgotten: IntCounter,
    /// Addresses whose name is known.
    pub hostnames: IntGauge,
    /// Names dropped for want of room.
    pub hostnames_evicted: IntCounter,
    /// Things agents did that rules can no longer ask for.
    pub history_forgotten: IntCounter,
    reload_successful: IntGauge,
    reload_time: IntGauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// All families, at zero.
    ///
    /// # Errors
    /// [`prometheus::Error`] when two families clash: a mistake in the table.
    pub fn new(version: &str) -> Result<Self, prometheus::Error> {
        let maker = Maker { registry: Registry::new() };
        // Absent outside Linux and without /proc; the rest works without it.
        maker.registry.register(Box::new(ProcessCollector::for_self()))?;
        maker.gauges(&families::BUILD_INFO)?.with_label_values(&[version]).set(1);
        let (depth, capacity) = (maker.gauges(&families::QUEUE_DEPTH)?, maker.gauges(&families::QUEUE_CAPACITY)?);
        let queue = |name| Queue { depth: depth.with_label_values(&[name]), capacity: capacity.with_label_values(&[name]) };
        Ok(Self {
            scrapes: Mutex::default(),
            rules: Mutex::default(),
            rule_matches: maker.counters(&families::RULE_MATCHES)?,
            rules_info: maker.gauges(&families::RULES_INFO)?,
            overflow: maker.counter(&families::OVERFLOW)?,
            events: PerKind::new(&maker.counters(&families::EVENTS)?),
            dropped: Drops::new(&maker.counters(&families::EVENTS_DROPPED)?),
            ring_bytes: maker.per_ring(&families::RING_BYTES)?,
            ring_capacity_bytes: maker.per_ring(&families::RING_CAPACITY)?,
            probe_errors: ProbeErrors::new(&maker.counters(&families::PROBE_ERRORS)?),
            probe_skipped: ProbeMisses::new(&maker.counters(&families::PROBE_MISSES)?),
            probe_slots_stuck: maker.gauge(&families::PROBE_SLOTS_STUCK)?,
            breaker: Breakers::new(&maker)?,
            agents: {
                let agents = maker.gauges(&families::AGENTS)?;
                crate::agents::State::ALL.map(|state| agents.with_label_values(&[state.name()]))
            },
            watch_failures: maker.counter(&families::UNWATCHED)?,
            event_latency: maker.histograms(&families::EVENT_LATENCY)?.with_label_values::<&str>(&[]),
            log_lines: maker.counter(&families::LOG_LINES)?,
            log_bytes: maker.counter(&families::LOG_BYTES)?,
            log_truncated_lines: maker.counter(&families::LOG_TRUNCATED)?,
            log_dropped_lines: maker.counter(&families::LOG_DROPPED)?,
            log_errors: maker.counter(&families::LOG_ERRORS)?,
            programs_attached: maker.gauge(&families::PROGRAMS_ATTACHED)?,
            programs_expected: maker.gauge(&families::PROGRAMS_EXPECTED)?,
            hook_ok: maker.gauges(&families::HOOK_OK)?,
            canary_time: maker.gauge(&families::CANARY_TIME)?,
            canary_failures: maker.counter(&families::CANARY_FAILURES)?,
            canary_events: maker.counter(&families::CANARY_EVENTS)?,
            rules_loaded: maker.gauge(&families::RULES_LOADED)?,
            rules_skipped: maker.gauge(&families::RULES_SKIPPED)?,
            processes: maker.gauge(&families::PROCESSES)?,
            processes_evicted: maker.counter(&families::PROCESSES_EVICTED)?,
            rules_state: maker.gauge(&families::RULES_STATE)?,
            rules_forgotten: maker.counter(&families::RULES_FORGOTTEN)?,
            hostnames: maker.gauge(&families::HOSTNAMES)?,
            history_forgotten: maker.counter(&families::HISTORY_FORGOTTEN)?,
            hostnames_evicted: maker.counter(&families::HOSTNAMES_EVICTED)?,
            reload_successful: maker.gauge(&families::RELOAD_SUCCESSFUL)?,
            reload_time: maker.gauge(&families::RELOAD_TIME)?,
            engine_queue: queue("engine"),
            registry: maker.registry,
        })
    }

    /// Has a function called before each scrape, to fetch what is counted elsewhere. It must not wait for anything.
    pub fn on_scrape(&self, fetch: impl Fn(&Self) + Send + Sync + 'static) {
        self.scrapes.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(fetch));
    }

    /// Notes which rules are in force: gives each a series at zero, keeps the counts of those that stay, removes those
    /// that went. Returns a counter per rule, in the order given. Beyond [`RULES_MAX`] rules share the rule `other`.
    pub fn set_rules<'a>(&self, digest: &str, rules: impl IntoIterator<Item = (&'a str, &'static str)>) -> Vec<IntCounter> {
        let mut known = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = BTreeSet::new();
        let mut overflow = 0;
        let counters: Vec<_> = rules
            .into_iter()
            .map(|(id, severity)| {
                let key = (id.to_owned(), severity);
                let fits = id.len() <= RULE_ID_MAX && (now.len() < RULES_MAX || now.contains(&key));
                overflow += u64::from(!fits);
                let key = if fits { key } else { ("other".to_owned(), severity) };
                let counter = self.rule_matches.with_label_values(&[key.0.as_str(), severity]);
                now.insert(key);
                counter
            })
            .collect();
        for (id, severity) in known.difference(&now) {
            // Not there any more: nothing to remove.
            let _ = self.rule_matches.remove_label_values(&[id.as_str(), severity]);
        }
        *known = now;
        self.overflow.inc_by(overflow);
        self.rules_info.reset();
        self.rules_info.with_label_values(&[digest]).set(1);
        self.rules_loaded.set(i64::try_from(counters.len()).unwrap_or(i64::MAX));
        counters
    }

    /// Notes how a load of configuration and rules ended; `epoch_seconds` is the time of a success.
    pub fn set_reload(&self, successful: bool, epoch_seconds: i64) {
        self.reload_successful.set(i64::from(successful));
        if successful {
            self.reload_time.set(epoch_seconds);
        }
    }

    /// Notes the numbers of agents, as [`crate::agents::Register::counts`] gives them.
    pub fn set_agents(&self, counts: [usize; crate::agents::State::ALL.len()]) {
        for (gauge, count) in self.agents.iter().zip(counts) {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The text of a scrape, Prometheus format 0.0.4.
    ///
    /// # Errors
    /// [`prometheus::Error`] when a family is inconsistent: a mistake in this module.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        // Held to the end: two scrapes at once would both add what `set_total` found missing.
        let scrapes = self.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
        scrapes.iter().for_each(|fetch| fetch(self));
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Makes and registers what the table says.
struct Maker {
    registry: Registry,
}

impl Maker {
    fn keep<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn options(family: &Family, kind: FamilyKind) -> Result<Opts, prometheus::Error> {
        if family.kind != kind {
            return Err(prometheus::Error::Msg(format!("{} is of another kind", family.name)));
        }
        Ok(Opts::new(family.name, family.help))
    }

    fn counters(&self, family: &Family) -> Result<IntCounterVec, prometheus::Error> {
        self.keep(IntCounterVec::new(Self::options(family, FamilyKind::Counter)?, family.labels)?)
    }

    fn gauges(&self, family: &Family) -> Result<IntGaugeVec, prometheus::Error> {
        self.keep(IntGaugeVec::new(Self::options(family, FamilyKind::Gauge)?, family.labels)?)
    }

    fn histograms(&self, family: &Family) -> Result<HistogramVec, prometheus::Error> {
        let FamilyKind::Histogram(bounds) = family.kind else {
            return Err(prometheus::Error::Msg(format!("{} is of another kind", family.name)));
        };
        let options = HistogramOpts::from(Self::options(family, family.kind)?).buckets(bounds.to_vec());
        self.keep(HistogramVec::new(options, family.labels)?)
    }

    fn counter(&self, family: &Family) -> Result<IntCounter, prometheus::Error> {
        Ok(self.counters(family)?.with_label_values::<&str>(&[]))
    }

    fn gauge(&self, family: &Family) -> Result<IntGauge, prometheus::Error> {
        Ok(self.gauges(family)?.with_label_values::<&str>(&[]))
    }

    fn per_ring(&self, family: &Family) -> Result<[IntGauge; rings::COUNT], prometheus::Error> {
        let gauges = self.gauges(family)?;
        Ok(rings::NAMES.map(|ring| gauges.with_label_values(&[ring])))
    }
}

#[cfg(test)]
mod tests;
