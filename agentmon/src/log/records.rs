//! Lines about the monitor itself: losses, breaker actions, findings, its life; and the writer's segment starts and gaps.
//!
//! Not for: operations of an agent (`super::format`).

use super::entry::{BreakerView, FindingView, Lifecycle, Loss, ProcessRef, StateView, WriteGap};
use super::format::{Envelope, Format, Id, Profiles, agent};
use super::line::{Head, LINE_MAX, Limits, Line, NAME_MAX};
use super::process_class::identity;
use super::security;
use super::writer::Segment;
use crate::agents::State;
use crate::process::Agent;
use crate::response::Command;
use std::ops::Range;

/// Longest escaped form of a sentence or a path in these records.
const SENTENCE_MAX: usize = 1024;
/// Most events a finding names.
const RELATED_MAX: usize = 32;
/// Most programs a segment start names.
const PROGRAMS_MAX: usize = 64;
/// No string of these records is long: each has its own bound.
const LIMITS: Limits = Limits { cmd_line: LINE_MAX, other: LINE_MAX };

impl Format {
    /// Appends a gap record: events that were lost since the last one, per place and kind. `timestamp_ns`: boot time.
    pub fn gap(&mut self, timestamp_ns: u64, losses: &[Loss], out: &mut Vec<u8>) {
        let id = Id::Sequence(self.take_sequence());
        let mut line = Line::new(out, LIMITS);
        let head = Head { class: 1008, activity: 99, activity_name: Some("Gap"), severity: 3, ..own(self.clock.epoch_ns(timestamp_ns)) };
        start(&mut line, &head, &self.envelope, id, "gap", Profiles::default());
        event_log(&mut line);
        unmapped(&mut line, &head);
        line.json.number("lost", losses.iter().map(|loss| loss.count).sum::<u64>());
        line.json.list("losses");
        for loss in losses {
            line.json.open();
            line.json.word("stage", loss.stage);
            if let Some(kind) = loss.kind {
                line.json.word("kind", kind.name());
            }
            line.json.number("count", loss.count);
            line.json.close();
        }
        line.json.raw("]}}\n");
    }

    /// Appends the record of a breaker action.
    pub fn breaker(&mut self, breaker: &BreakerView<'_>, out: &mut Vec<u8>) {
        let id = Id::Sequence(self.take_sequence());
        let mut line = Line::new(out, LIMITS);
        let (activity, code, severity, technique) = match breaker.action {
            Command::Freeze => (1, "breaker.freeze", 4, Some("D3-PS")),
            Command::Kill => (2, "breaker.kill", 4, Some("D3-PT")),
            Command::Thaw => (3, "breaker.thaw", 1, None),
        };
        let failed = breaker.error.is_some() || breaker.verified == Some(false);
        let head = Head {
            class: 7003,
            activity,
            severity: if failed { 5 } else { severity },
            status: if failed { 2 } else { 1 },
            ..own(self.clock.epoch_ns(breaker.timestamp_ns))
        };
        start(&mut line, &head, &self.envelope, id, code, Profiles { agent: true, ..Profiles::default() });
        agent(&mut line, breaker.agent);
        line.json.string("command_uid", breaker.command, NAME_MAX);
        if !breaker.reason.is_empty() {
            line.json.string("message", breaker.reason, SENTENCE_MAX);
        }
        if let Some(technique) = technique {
            line.json.list("countermeasures");
            line.json.open();
            line.json.object("d3f_technique");
            line.json.word("uid", technique);
            line.json.raw("}}]");
        }
        line.json.raw(",\"actor\":{\"app_name\":\"agentmon\"");
        line.json.string("app_uid", breaker.by, NAME_MAX);
        line.json.close();
        target(&mut line, breaker);
        unmapped(&mut line, &head);
        outcome(&mut line, breaker);
        line.json.raw("}}\n");
    }

    /// Appends the record of an agent that somebody else froze or let go on. An agent that was to stand still and runs is
    /// the graver of the two.
    pub fn state(&mut self, found: &StateView<'_>, out: &mut Vec<u8>) {
        let id = Id::Sequence(self.take_sequence());
        let mut line = Line::new(out, LIMITS);
        let (activity_name, severity) = if found.state == State::Frozen { ("Freeze", 1) } else { ("Thaw", 3) };
        let epoch_ns = self.clock.epoch_ns(found.timestamp_ns);
        let head = Head { class: 6002, activity: 99, activity_name: Some(activity_name), severity, ..own(epoch_ns) };
        start(&mut line, &head, &self.envelope, id, "agent.state", Profiles { agent: true, ..Profiles::default() });
        agent(&mut line, found.agent);
        line.json.object("app");
        line.json.string("name", &found.agent.name, NAME_MAX);
        line.json.close();
        unmapped(&mut line, &head);
        line.json.word("state", found.state.name());
        line.json.word("state_before", found.before.name());
        line.json.string("cgroup", found.cgroup, SENTENCE_MAX);
        line.json.raw("}}\n");
    }

    /// Appends the record of an agent that filled the process table: so many of its living processes are forgotten, and with them
    /// which programs they run.
    pub fn forgotten(&mut self, timestamp_ns: u64, whose: &Agent, processes: u64, out: &mut Vec<u8>) {
        let id = Id::Sequence(self.take_sequence());
        let mut line = Line::new(out, LIMITS);
        let epoch_ns = self.clock.epoch_ns(timestamp_ns);
        let head = Head { class: 6002, activity: 99, activity_name: Some("Forget"), severity: 3, ..own(epoch_ns) };
        start(&mut line, &head, &self.envelope, id, "agent.forgotten", Profiles { agent: true, ..Profiles::default() });
        agent(&mut line, whose);
        line.json.object("app");
        line.json.string("name", &whose.name, NAME_MAX);
        line.json.close();
        unmapped(&mut line, &head);
        line.json.number("processes", processes);
        line.json.raw("}}\n");
    }

    /// Appends a record of the monitor's own life. `timestamp_ns`: boot time.
    pub fn lifecycle(&mut self, timestamp_ns: u64, life: &Lifecycle<'_>, out: &mut Vec<u8>) {
        let id = Id::Sequence(self.take_sequence());
        let mut line = Line::new(out, LIMITS);
        let (activity, activity_name, code, error) = match life {
            Lifecycle::Start { .. } => (3, None, "monitor.start", None),
            Lifecycle::Stop { .. } => (4, None, "monitor.stop", None),
            Lifecycle::Reload { error, .. } => (99, Some("Reload"), "monitor.reload", *error),
            Lifecycle::Hooks { .. } => (99, Some("Hooks"), "monitor.hooks", None),
            Lifecycle::Unwatched { error, .. } => (99, Some("Unwatched"), "monitor.unwatched", Some(*error)),
        };
        let (severity, status) = match life {
            Lifecycle::Hooks { blind } if !blind.is_empty() => (4, 2),
            Lifecycle::Unwatched { .. } => (4, 2),
            _ if error.is_some() => (3, 2),
            _ => (1, 1),
        };
        let head = Head { class: 6002, activity, activity_name, severity, status, ..own(self.clock.epoch_ns(timestamp_ns)) };
        start(&mut line, &head, &self.envelope, id, code, Profiles::default());
        line.json.raw(concat!(",\"app\":{\"name\":\"agentmon\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}"));
        if let Some(error) = error {
            line.json.string("message", error, SENTENCE_MAX);
        }
        unmapped(&mut line, &head);
        match life {
            Lifecycle::Start { rules_digest, rules } | Lifecycle::Reload { rules_digest, rules, .. } => {
                line.json.string("rules_digest", rules_digest, NAME_MAX);
                line.json.number("rules", *rules);
            }
            Lifecycle::Hooks { blind } => {
                line.json.list("blind");
                for operation in *blind {
                    line.json.separate();
                    line.json.quoted(operation);
                }
                line.json.close_list();
            }
            Lifecycle::Unwatched { name, cgroup, .. } => {
                line.json.string("name", name, NAME_MAX);
                if !cgroup.is_empty() {
                    line.json.string("cgroup", cgroup, SENTENCE_MAX);
                }
            }
            Lifecycle::Stop { reason } => line.json.string("reason", reason, SENTENCE_MAX),
        }
        line.json.raw("}}\n");
    }

    /// Appends a finding over several events. Returns its `finding_info.uid`'s sequence number.
    pub fn finding(&mut self, finding: &FindingView<'_>, out: &mut Vec<u8>) -> u64 {
        let sequence = self.take_sequence();
        let mut line = Line::new(out, LIMITS);
        let rule = &finding.rule;
        let head = Head { class: 2004, activity: 1, severity: rule.level.clamp(1, 5), ..own(self.clock.epoch_ns(finding.timestamp_ns)) };
        line.head(&head);
        security::verdict(&mut line, rule);
        line.json.string("message", finding.message, SENTENCE_MAX);
        let profiles = Profiles { agent: true, security: true, users: false };
        self.envelope.write(&mut line, Id::Sequence(sequence), "finding", profiles);
        agent(&mut line, finding.agent);
        self.finding_info(&mut line, finding, sequence);
        if let Some(process) = finding.process {
            line.json.list("evidences");
            line.json.open();
            about(&mut line, process);
            line.json.raw("}]");
        }
        unmapped(&mut line, &head);
        security::unmapped(&mut line, std::slice::from_ref(rule));
        line.json.raw("}}\n");
        sequence
    }

    fn finding_info(&self, line: &mut Line<'_, '_>, finding: &FindingView<'_>, sequence: u64) {
        line.json.object("finding_info");
        line.json.key("uid");
        self.envelope.uid(line, sequence);
        line.json.string("title", finding.rule.title, 2 * NAME_MAX);
        line.json.object("analytic");
        line.json.raw("\"type_id\":1");
        line.json.string("uid", finding.rule.id, NAME_MAX);
        line.json.close();
        security::attacks(line, finding.rule.tags);
        if !finding.related.is_empty() {
            line.json.list("related_events");
            for sequence in finding.related.iter().take(RELATED_MAX) {
                line.json.open();
                line.json.key("uid");
                self.envelope.uid(line, *sequence);
                line.json.close();
            }
            line.json.close_list();
            line.json.number("related_events_count", finding.related.len());
        }
        line.json.close();
    }
}

/// The first line of a file: who writes it, with which rules and programs. Longer than 1,024 bytes, its unique id first,
/// so that shippers that know a file by its beginning see it at once and never take it for another.
pub(super) fn segment_start(envelope: &Envelope, number: u64, epoch_ns: u64, first: u64, about: &Segment, out: &mut Vec<u8>) {
    let mut line = Line::new(out, LIMITS);
    let head = Head { class: 1008, activity: 6, ..own(epoch_ns) };
    start(&mut line, &head, envelope, Id::Writer(number), "segment", Profiles::default());
    event_log(&mut line);
    unmapped(&mut line, &head);
    line.json.number("segment", number);
    line.json.number("first_sequence", first);
    line.json.word("version", env!("CARGO_PKG_VERSION"));
    line.json.string("kernel", &about.kernel_release, 2 * NAME_MAX);
    line.json.string("rules_digest", &about.rules_digest, NAME_MAX);
    line.json.list("programs");
    for program in about.programs.iter().take(PROGRAMS_MAX) {
        line.json.separate();
        line.json.string_value(program, NAME_MAX);
    }
    line.json.close_list();
    line.json.word("about", ABOUT);
    line.json.raw("}}\n");
}

/// How to read the file, for who finds it; it also makes the first line long enough.
const ABOUT: &str = "Each line is one OCSF 1.9 record of at most 16384 bytes, written by agentmon, a monitor of what AI agents do on this host. \
    Records of agents name their process by process.uid: process id and start time in hexadecimal, and how many programs it had executed; join on it, never on the pid. \
    metadata.sequence counts without holes within a run; a hole is named by a gap record (metadata.event_code gap or log_gap), which says how many records are missing and why. \
    Text that was not UTF-8 stands beside its raw bytes in base64 (unmapped.*_b64); text that was cut is listed with its full length in unmapped.truncated. \
    unmapped.ns is nanoseconds since the epoch, time is milliseconds. type_uid is class_uid times 100 plus activity_id. \
    Files are rotated by renaming to events-UTC-FIRSTSEQUENCE.jsonl; they are never truncated or rewritten.";

/// Lines that are missing from the file.
pub(super) fn write_gap(envelope: &Envelope, number: u64, epoch_ns: u64, gap: &WriteGap, out: &mut Vec<u8>) {
    let mut line = Line::new(out, LIMITS);
    let head = Head { class: 1008, activity: 99, activity_name: Some("Gap"), severity: 3, ..own(epoch_ns) };
    start(&mut line, &head, envelope, Id::Writer(number), "log_gap", Profiles::default());
    event_log(&mut line);
    unmapped(&mut line, &head);
    let Range { start, end } = gap.missing;
    line.json.number("lost", end.saturating_sub(start));
    line.json.number("first_missing", start);
    line.json.number("last_missing", end.saturating_sub(1));
    line.json.word("stage", "log_write");
    line.json.word("reason", gap.error.unwrap_or("queue full"));
    line.json.number("write_errors", gap.write_errors);
    line.json.raw("}}\n");
}

/// The usual head of such a record; class and activity are filled in by who uses it.
const fn own(epoch_ns: u64) -> Head {
    Head { epoch_ns, class: 0, activity: 0, activity_name: None, severity: 1, status: 1, status_code: None }
}

fn start(line: &mut Line<'_, '_>, head: &Head, envelope: &Envelope, id: Id, event_code: &'static str, profiles: Profiles) {
    line.head(head);
    envelope.write(line, id, event_code, profiles);
}

fn event_log(line: &mut Line<'_, '_>) {
    line.json.raw(",\"actor\":{\"app_name\":\"agentmon\"},\"log_name\":\"events\"");
}

fn unmapped(line: &mut Line<'_, '_>, head: &Head) {
    line.json.object("unmapped");
    line.json.number("ns", head.epoch_ns);
}

fn about(line: &mut Line<'_, '_>, process: ProcessRef) {
    line.json.object("process");
    identity(line, process.key, process.execs);
    line.json.close();
}

/// The class demands a process; an action against a whole agent names its cgroup.
fn target(line: &mut Line<'_, '_>, breaker: &BreakerView<'_>) {
    if let Some(process) = breaker.process {
        return about(line, process);
    }
    line.json.object("process");
    line.json.string("uid", breaker.cgroup, SENTENCE_MAX);
    line.json.close();
}

fn outcome(line: &mut Line<'_, '_>, breaker: &BreakerView<'_>) {
    line.json.string("cgroup", breaker.cgroup, SENTENCE_MAX);
    // Milliseconds with three decimals, as text of the number itself: no float on the way.
    let micros = breaker.latency.as_micros();
    line.json.number("latency_ms", micros / 1000);
    let decimals = micros % 1000;
    if decimals > 0 {
        let digits = [b'.', b'0' + (decimals / 100) as u8, b'0' + (decimals / 10 % 10) as u8, b'0' + (decimals % 10) as u8];
        line.json.buffer().extend_from_slice(&digits);
    }
    if let Some(tasks) = breaker.tasks {
        line.json.number("tasks", tasks);
    }
    if let Some(verified) = breaker.verified {
        line.json.boolean("verified", verified);
    }
    if let Some(error) = breaker.error {
        line.json.string("error", error, SENTENCE_MAX);
    }
}
