//! Every metric family of agentmon, in one table: name, meaning, kind, labels.
//!
//! Labels are bounded and never the agent's to choose: no pid, path, argv, session or address. Not for: values
//! (`crate::metrics::Metrics` holds the handles); `process_*` comes from the prometheus crate.

/// What kind of numbers a family holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FamilyKind {
    /// Only grows, until a restart.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of durations, with these upper bounds in seconds.
    Histogram(&'static [f64]),
}

/// One metric family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// Name without the prefix `agentmon_`.
    pub name: &'static str,
    /// What it says, for the HELP line.
    pub help: &'static str,
    /// Its kind.
    pub kind: FamilyKind,
    /// Its label names.
    pub labels: &'static [&'static str],
}

/// Declares the families once: as constants, and as the table of all of them.
macro_rules! families {
    ($($id:ident = $kind:expr, $name:literal, [$($label:literal),*], $help:literal;)*) => {
        $(#[doc = $help]
        pub const $id: Family = Family { name: $name, help: $help, kind: $kind, labels: &[$($label),*] };)*
        /// All families.
        pub const FAMILIES: &[Family] = &[$($id),*];
    };
}

use FamilyKind::{Counter, Gauge, Histogram};

const BREAKER_BOUNDS: &[f64] = &[0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0];
const EVENT_BOUNDS: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

families! {
    BUILD_INFO = Gauge, "agentmon_build_info", ["version"], "Version of agentmon; always 1.";
    EVENTS = Counter, "agentmon_events_total", ["kind"], "Events received from the kernel and decoded.";
    EVENTS_DROPPED = Counter, "agentmon_events_dropped_total", ["stage", "kind"],
        "Events lost, by the stage that had no room; kind is any where the stage does not know it.";
    RING_BYTES = Gauge, "agentmon_kernel_ringbuf_bytes", ["ring"], "Bytes that the last look found in one of the kernel's ring buffers.";
    RING_CAPACITY = Gauge, "agentmon_kernel_ringbuf_capacity_bytes", ["ring"], "Size of one of the kernel's ring buffers.";
    QUEUE_DEPTH = Gauge, "agentmon_queue_depth", ["queue"], "Items waiting in a hand-off between threads.";
    QUEUE_CAPACITY = Gauge, "agentmon_queue_capacity", ["queue"], "Items a hand-off between threads can hold.";
    PROBE_ERRORS = Counter, "agentmon_probe_errors_total", ["program", "cause"], "Errors inside the BPF programs.";
    PROBE_MISSES = Counter, "agentmon_probe_recursion_misses_total", ["probe"],
        "Runs of a BPF program that the kernel skipped because it was still running on that CPU.";
    PROBE_SLOTS_STUCK = Gauge, "agentmon_probe_slots_stuck", [], "Slots for records held for more than ten seconds.";
    RULE_MATCHES = Counter, "agentmon_rule_matches_total", ["rule", "severity"], "Matches of a rule, by its id.";
    BREAKER_ACTIONS = Counter, "agentmon_breaker_actions_total", ["action", "result", "trigger"],
        "Orders to the circuit breaker; result observed: not carried out, in observe mode.";
    BREAKER_LATENCY = Histogram(BREAKER_BOUNDS), "agentmon_breaker_latency_seconds", ["action", "until"],
        "Time from the decision until the order was written to the kernel, and until it was verified.";
    ESCAPED = Counter, "agentmon_breaker_escaped_processes_total", ["action"], "Processes outside their agent's cgroup that were killed or brought back.";
    AGENTS = Gauge, "agentmon_agents", ["state"], "Agents in the register.";
    UNWATCHED = Counter, "agentmon_watch_failures_total", [], "Times that an agent should have been watched and could not be.";
    EVENT_LATENCY = Histogram(EVENT_BOUNDS), "agentmon_event_latency_seconds", [], "Time from the operation until the engine had judged it (sampled).";
    LOG_LINES = Counter, "agentmon_log_lines_total", [], "Lines written to the event log.";
    LOG_BYTES = Counter, "agentmon_log_bytes_total", [], "Bytes written to the event log.";
    LOG_TRUNCATED = Counter, "agentmon_log_truncated_lines_total", [], "Lines of the event log that were shortened to their limit.";
    LOG_DROPPED = Counter, "agentmon_log_dropped_lines_total", [], "Lines that could not be written to the event log.";
    LOG_ERRORS = Counter, "agentmon_log_errors_total", [], "Errors while writing or rotating the event log.";
    PROGRAMS_ATTACHED = Gauge, "agentmon_bpf_programs_attached", [], "BPF programs that are attached.";
    PROGRAMS_EXPECTED = Gauge, "agentmon_bpf_programs_expected", [], "BPF programs that should be attached now.";
    HOOK_OK = Gauge, "agentmon_hook_ok", ["kind"], "Whether the probes reported what the canary did of this kind: 1 yes, 0 they are blind.";
    CANARY_TIME = Gauge, "agentmon_canary_last_flight_timestamp_seconds", [], "When the canary last flew; 0 never.";
    CANARY_FAILURES = Counter, "agentmon_canary_failures_total", [], "Times that the canary could not fly.";
    CANARY_EVENTS = Counter, "agentmon_canary_events_total", [], "Events of the canary; they are in no other count and not in the log.";
    RULES_LOADED = Gauge, "agentmon_rules_loaded", [], "Rules in force.";
    RULES_SKIPPED = Gauge, "agentmon_rules_skipped", [], "Rule files of which something was left out because of a mistake.";
    RULES_INFO = Gauge, "agentmon_rules_info", ["digest"], "Digest of the rules in force; always 1.";
    RULES_STATE = Gauge, "agentmon_rules_state_bytes", [], "What correlations remember, reckoned from its length.";
    RULES_FORGOTTEN = Counter, "agentmon_rules_groups_forgotten_total", [], "Groups of correlations forgotten for want of room.";
    RELOAD_SUCCESSFUL = Gauge, "agentmon_config_last_reload_successful", [], "Whether the last load of configuration and rules worked.";
    RELOAD_TIME = Gauge, "agentmon_config_last_reload_success_timestamp_seconds", [], "When configuration and rules were last loaded with success.";
    PROCESSES = Gauge, "agentmon_process_table_entries", [], "Processes in the process table.";
    PROCESSES_EVICTED = Counter, "agentmon_process_table_evictions_total", [], "Living processes dropped from the full process table.";
    HOSTNAMES = Gauge, "agentmon_hostnames_entries", [], "Addresses whose name is known from DNS answers.";
    HISTORY_FORGOTTEN = Counter, "agentmon_history_evictions_total", [], "Things agents did (names made, programs run, peers reached) that were dropped for want of room.";
    HOSTNAMES_EVICTED = Counter, "agentmon_hostnames_evictions_total", [], "Names of addresses dropped for want of room.";
    OVERFLOW = Counter, "agentmon_metrics_overflow_total", [], "Label values folded into other because there were too many.";
}
