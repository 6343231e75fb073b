//! From an operation to its line: numbering, the common parts, and the cap of [`LINE_MAX`] bytes.
//!
//! Used by the engine thread, one [`Format`] per run of the monitor. Not for: what a class contains (`super::*_class`),
//! and not for writing anything anywhere.

use super::entry::MatchView;
use super::line::{Head, LINE_MAX, Limits, Line, NAME_MAX};
use super::{call_class, dns_class, file_class, kernel_class, network_class, process_class, resolved_class, security, text, uring_class};
use crate::event::{Detail, WallClock};
use crate::process::{Agent, Operation};
use std::fmt::Write;

/// The OCSF version the lines follow.
const OCSF_VERSION: &str = "1.9.0";

/// The machine and the run that lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Host name.
    pub hostname: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// A number that differs between two runs within one boot: milliseconds from boot to the start of the monitor.
    pub run: u64,
}

impl Host {
    /// This machine, now.
    ///
    /// # Errors
    /// When `/proc/sys/kernel/random/boot_id` cannot be read.
    pub fn read() -> std::io::Result<Self> {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let ms = |s: i64, ns: i64| u64::try_from(s * 1000 + ns / 1_000_000).unwrap_or(0);
        Ok(Self { hostname, boot_id, run: ms(now.tv_sec, now.tv_nsec) })
    }
}

/// Which record a line is, in `metadata.uid`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Id {
    /// A numbered record: the sequence has no holes but those a gap record names.
    Sequence(u64),
    /// A record of the writer itself: segment starts and gaps stand outside the sequence.
    Writer(u64),
}

/// OCSF profiles beyond `host` that a line uses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Profiles {
    pub agent: bool,
    pub users: bool,
    pub security: bool,
}

/// The parts that all lines of a run share, as text.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// `"metadata":{…"uid":"<boot>-<run>-`
    lead: String,
    /// `<boot>-<run>-`
    uid_prefix: String,
    /// `"product":…},"device":{…}`
    tail: String,
}

impl Envelope {
    pub fn new(host: &Host) -> Self {
        let boot: String = host.boot_id.chars().filter(char::is_ascii_hexdigit).take(12).collect();
        let uid_prefix = format!("{boot}-{:x}-", host.run);
        let lead = format!("\"metadata\":{{\"version\":\"{OCSF_VERSION}\",\"uid\":\"{uid_prefix}");
        let mut name = Vec::new();
        text::escape(&mut name, host.hostname.as_bytes(), 2 * NAME_MAX);
        let mut tail = String::from("\"product\":{\"name\":\"agentmon\"}},\"device\":{\"hostname\":\"");
        let _ = write!(tail, "{}\",\"type_id\":1}}", String::from_utf8_lossy(&name));
        Self { lead, uid_prefix, tail }
    }

    /// `metadata` and `device`.
    pub fn write(&self, line: &mut Line<'_, '_>, id: Id, event_code: &'static str, profiles: Profiles) {
        let json = &mut line.json;
        json.separate();
        json.raw(&self.lead);
        match id {
            Id::Sequence(sequence) => {
                json.hex(sequence);
                json.raw("\"");
                json.number("sequence", sequence);
            }
            Id::Writer(number) => {
                json.raw("w");
                json.hex(number);
                json.raw("\"");
            }
        }
        json.word("event_code", event_code);
        json.raw(",\"profiles\":[\"host\"");
        for (used, name) in [
            (profiles.agent, ",\"ai_operation\""),
            (profiles.security, ",\"security_control\""),
            (profiles.users, ",\"linux/linux_users\""),
        ] {
            if used {
                json.raw(name);
            }
        }
        json.raw("],");
        json.raw(&self.tail);
    }

    /// `metadata.uid` of a numbered record, as a value.
    pub fn uid(&self, line: &mut Line<'_, '_>, sequence: u64) {
        line.json.raw("\"");
        line.json.raw(&self.uid_prefix);
        line.json.hex(sequence);
        line.json.raw("\"");
    }
}

/// `ai_agent`.
pub(super) fn agent(line: &mut Line<'_, '_>, agent: &Agent) {
    let json = &mut line.json;
    json.object("ai_agent");
    json.string("uid", &agent.name, NAME_MAX);
    json.string("instance_uid", &agent.session, NAME_MAX);
    json.raw(",\"type_id\":1}");
}

/// Turns operations and the monitor's own records into lines.
///
/// Keep one for the whole run: it numbers the lines, and `metadata.uid` is unique only because the number is.
#[derive(Debug)]
pub struct Format {
    pub(super) envelope: Envelope,
    pub(super) clock: WallClock,
    next: u64,
    shortened: u64,
    /// Arguments with blanks between them; kept for its allocation.
    spaced: Vec<u8>,
}

impl Format {
    /// Lines of this host; numbering begins at 1.
    #[must_use]
    pub fn new(host: &Host, clock: WallClock) -> Self {
        Self { envelope: Envelope::new(host), clock, next: 1, shortened: 0, spaced: Vec::new() }
    }

    /// `metadata.sequence` of the next line. A chunk holds the lines from the value before to the value after.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Lines so far in which something was cut, here or in the kernel.
    #[must_use]
    pub const fn shortened(&self) -> u64 {
        self.shortened
    }

    pub(super) fn take_sequence(&mut self) -> u64 {
        let sequence = self.next;
        self.next += 1;
        sequence
    }

    /// Appends the line of an operation, newline included. `matches` are the rules that matched it.
    pub fn operation(&mut self, op: &Operation<'_>, matches: &[MatchView<'_>], out: &mut Vec<u8>) {
        let sequence = self.take_sequence();
        self.space_arguments(op);
        let start = out.len();
        let mut limits = Limits { cmd_line: LINE_MAX, other: LINE_MAX };
        let mut done = self.attempt(op, matches, sequence, limits, out);
        // Shorter and shorter: what the command line must give, then all long strings; the last always fits.
        for attempt in 0..3 {
            let len = out.len() - start;
            if len <= LINE_MAX {
                break;
            }
            limits = match attempt {
                0 => Limits { cmd_line: command_room(len, &done, limits.cmd_line), ..limits },
                1 => Limits { cmd_line: 512, other: 1024 },
                _ => Limits { cmd_line: 256, other: 256 },
            };
            out.truncate(start);
            done = self.attempt(op, matches, sequence, limits, out);
        }
        debug_assert!(out.len() - start <= LINE_MAX, "the last attempt always fits");
        self.shortened += u64::from(done.cut);
    }

    fn attempt(&self, op: &Operation<'_>, matches: &[MatchView<'_>], sequence: u64, limits: Limits, out: &mut Vec<u8>) -> Attempt {
        let mut line = Line::new(out, limits);
        let event = op.event;
        let class = match &event.detail {
            Detail::Open(_) | Detail::Unlink(_) => file_class::class(event),
            Detail::Socket(socket) => network_class::class(event, socket),
            Detail::Netlink(_) => network_class::change(),
            Detail::Flow(_) => network_class::closed(),
            Detail::Dns(dns) => dns_class::class(dns),
            Detail::Call(call) => call_class::class(call),
            Detail::Uring(uring) => uring_class::class(uring),
            Detail::Resolved(it) => resolved_class::class(it),
            Detail::CgroupState(state) => kernel_class::cgroup_class(state),
            Detail::UnknownCall(_) | Detail::Capability(_) => kernel_class::call_class(),
            _ => process_class::class(event),
        };
        line.head(&Head {
            epoch_ns: self.clock.epoch_ns(event.timestamp_ns),
            class: class.uid,
            activity: class.activity,
            activity_name: class.activity_name,
            severity: security::severity(matches),
            status: class.status.unwrap_or(if event.outcome.succeeded() { 1 } else { 2 }),
            status_code: event.outcome.error_name(),
        });
        if event.repeated > 1 {
            line.json.number("count", event.repeated);
        }
        security::on_event(&mut line, matches);
        let profiles = Profiles { agent: true, users: class.users, security: !matches.is_empty() };
        self.envelope.write(&mut line, Id::Sequence(sequence), event.operation, profiles);
        agent(&mut line, op.agent);
        match &event.detail {
            Detail::Open(_) | Detail::Unlink(_) => file_class::body(&mut line, op),
            Detail::Socket(socket) => network_class::body(&mut line, op, socket),
            Detail::Flow(flow) => network_class::flow(&mut line, op, flow),
            Detail::Dns(dns) => dns_class::body(&mut line, op, dns),
            Detail::Netlink(_) | Detail::UnknownCall(_) => call_class::kernel(&mut line, op),
            Detail::CgroupState(state) => kernel_class::cgroup(&mut line, op, state),
            Detail::Capability(capability) => kernel_class::capability(&mut line, op, *capability),
            Detail::Call(call) => call_class::body(&mut line, op, call),
            Detail::Uring(uring) => uring_class::body(&mut line, op, uring),
            Detail::Resolved(it) => resolved_class::body(&mut line, op, it),
            _ => process_class::body(&mut line, op, &self.spaced),
        }
        line.json.object("unmapped");
        line.json.number("ns", self.clock.epoch_ns(event.timestamp_ns));
        match &event.detail {
            Detail::Open(_) | Detail::Unlink(_) => file_class::unmapped(&mut line, op),
            Detail::Socket(socket) => network_class::unmapped(&mut line, socket),
            Detail::Netlink(netlink) => network_class::changed(&mut line, netlink),
            Detail::Call(call) => call_class::unmapped(&mut line, call),
            Detail::Uring(uring) => uring_class::unmapped(&mut line, uring),
            Detail::Resolved(it) => resolved_class::unmapped(&mut line, it),
            Detail::Flow(_) => {}
            Detail::Dns(dns) => dns_class::unmapped(&mut line, dns),
            Detail::CgroupState(state) => kernel_class::cgroup_facts(&mut line, state),
            Detail::UnknownCall(call) => kernel_class::call_facts(&mut line, *call),
            Detail::Capability(capability) => kernel_class::capability_facts(&mut line, *capability),
            _ => process_class::unmapped(&mut line, op),
        }
        process_class::thread(&mut line, op);
        if event.lost_before > 0 {
            line.json.number("lost_before", event.lost_before);
        }
        security::unmapped(&mut line, matches);
        line.flags(event);
        let cut = line.notes();
        line.json.raw("}}\n");
        Attempt { cut, cmd_line_cost: line.cmd_line_cost }
    }

    fn space_arguments(&mut self, op: &Operation<'_>) {
        self.spaced.clear();
        if let Detail::Exec(exec) | Detail::ProcessSeen(exec) = &op.event.detail {
            let argv = &exec.argv.bytes;
            self.spaced.extend_from_slice(argv.strip_suffix(b"\0").unwrap_or(argv));
            self.spaced.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
        }
    }
}

/// What one attempt at a line showed.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    cut: bool,
    cmd_line_cost: usize,
}

/// How long the escaped command line may be so that a line of `len` bytes comes down to [`LINE_MAX`].
fn command_room(len: usize, done: &Attempt, limit: usize) -> usize {
    let rest = len - done.cmd_line_cost + 64;
    let room = LINE_MAX.saturating_sub(rest);
    // Text and base64 shrink together, nearly in proportion; 1/16 covers the rest.
    let share = limit.min(done.cmd_line_cost) * room / done.cmd_line_cost.max(1);
    (share - share / 16).max(512)
}

/// Class and activity of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub uid: u32,
    pub activity: u32,
    pub activity_name: Option<&'static str>,
    /// Overrides what the outcome says.
    pub status: Option<u8>,
    /// Whether the profile `linux/linux_users` is used.
    pub users: bool,
}
