//! What a run did: programs, files, connections, changes of identity, alerts, actions, losses; shown at its end.
//!
//! Memory is bounded: of each list only the first names are kept and the rest is counted. Not for: evidence. That is the
//! log, which has every operation.

use super::escape::escape_within;
use super::style::{Paint, Tone, level_name, of_level};
use super::tally::Tally;
use super::{counted, target};
use crate::event::{Call, Detail, Event, Exec, Kind, Resolved, Socket, Uring, flags};
use crate::log::{BreakerView, Loss, MatchView};
use crate::process::Operation;
use agentmon_common::uring::opcode;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Names kept per list.
const NAMES_MAX: usize = 1000;
/// Names shown per list.
const SHOWN_MAX: usize = 8;
/// Characters per name.
const NAME_WIDTH: usize = 100;

/// What was lost during a run, by place and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// One entry per place and kind; those with a count of 0 are not shown.
    pub counts: Vec<Loss>,
}

/// Accumulates over a run.
#[derive(Debug)]
pub struct Summary {
    first_ns: Option<u64>,
    last_ns: u64,
    kinds: BTreeMap<Kind, u64>,
    programs: Tally,
    written: Tally,
    created: u64,
    deleted: Tally,
    contacted: Tally,
    listened: Tally,
    identities: Tally,
    signals: Tally,
    calls: Tally,
    left: u64,
    alerts: Tally,
    levels: BTreeMap<Box<[u8]>, u8>,
    breaker: Tally,
    observed: Tally,
}

impl Default for Summary {
    fn default() -> Self {
        Self::new()
    }
}

impl Summary {
    /// Of a run that has not done anything yet.
    #[must_use]
    pub fn new() -> Self {
        let tally = || Tally::new(NAMES_MAX);
        Self {
            first_ns: None,
            last_ns: 0,
            kinds: BTreeMap::new(),
            programs: tally(),
            written: tally(),
            created: 0,
            deleted: tally(),
            contacted: tally(),
            listened: tally(),
            identities: tally(),
            signals: tally(),
            calls: tally(),
            left: 0,
            alerts: tally(),
            levels: BTreeMap::new(),
            breaker: tally(),
            observed: tally(),
        }
    }

    /// Adds an operation and the rules that matched it.
    pub fn operation(&mut self, op: &Operation<'_>, matches: &[MatchView<'_>]) {
        let event = op.event;
        self.first_ns.get_or_insert(event.timestamp_ns);
        self.last_ns = self.last_ns.max(event.timestamp_ns);
        *self.kinds.entry(event.kind()).or_default() += event.repeated;
        self.add(event);
        for found in matches {
            self.alerts.add(found.title.as_bytes(), false);
            if found.observed {
                self.observed.add(format!("{}: {}", found.action, found.title).as_bytes(), false);
            }
            if self.levels.len() < NAMES_MAX {
                self.levels.insert(found.title.as_bytes().into(), found.level);
            }
        }
    }

    fn add(&mut self, event: &Event) {
        let failed = !event.outcome.succeeded();
        match &event.detail {
            Detail::Exec(exec) => self.programs.add(program(exec), failed),
            Detail::Open(open) if (open.for_writing() || open.created) && !failed => {
                self.created += u64::from(open.created);
                self.written.add(&open.path.bytes, false);
            }
            Detail::Unlink(unlink) if !failed => self.deleted.add(directory(&unlink.path.bytes), false),
            Detail::Socket(socket) => self.socket(event, socket, failed),
            Detail::Netlink(netlink) => {
                let mut text = String::new();
                target::change(&mut text, netlink);
                self.calls.add_times(text.as_bytes(), failed, event.repeated);
            }
            Detail::Identity(after) => {
                let text = format!("{} to uid {} euid {} gid {}", event.operation, after.uids[0], after.uids[1], after.gids[0]);
                self.identities.add(text.as_bytes(), failed);
            }
            Detail::CgroupLeave(_) => self.left += 1,
            Detail::CgroupState(state) if state.by_member => self.calls.add_times(event.operation.as_bytes(), failed, event.repeated),
            Detail::UnknownCall(call) => self.calls.add_times(format!("system call {:#x}", call.number).as_bytes(), failed, event.repeated),
            Detail::Argv(_) => self.calls.add_times(b"prctl PR_SET_MM", failed, event.repeated),
            // What it comes to is told apart.
            Detail::Uring(_) if event.has(flags::APART) => {}
            Detail::Uring(uring) => self.request(event, uring),
            Detail::Resolved(it) => self.resolved(event, it),
            // What this monitor kills is told under `breaker`, or as left behind.
            Detail::Signal(signal) if signal.other_agent.is_none() && !signal.from_monitor => {
                let mut text = String::new();
                target::signal(&mut text, signal, NAME_WIDTH);
                self.signals.add(text.as_bytes(), failed);
            }
            Detail::Call(call) => self.call(event, call, failed),
            _ => {}
        }
    }

    fn socket(&mut self, event: &Event, socket: &Socket, failed: bool) {
        let mut text = String::new();
        target::socket(&mut text, socket, NAME_WIDTH);
        match socket.kind {
            Kind::Connect | Kind::Send => {
                // A connection under way is not a failed one.
                let failed = failed && event.outcome.error_name() != Some("EINPROGRESS");
                self.contacted.add_times(text.as_bytes(), failed, event.repeated);
            }
            Kind::Listen => self.listened.add_times(text.as_bytes(), failed, event.repeated),
            // Some of every program's calls of the C library.
            Kind::Socket if socket.family != agentmon_common::netlink::AF_NETLINK => {
                self.calls.add_times(format!("socket {text}").as_bytes(), failed, event.repeated);
            }
            _ => {}
        }
    }

    /// Files that a call changed, by their path; everything else by the call's name.
    fn call(&mut self, event: &Event, call: &Call, failed: bool) {
        match (call.kind, &call.second) {
            (Kind::Mkdir | Kind::Map, _) => {}
            (Kind::Rename | Kind::Link, Some(to)) if !failed => self.written.add(&to.path.bytes, false),
            (Kind::Truncate | Kind::Symlink | Kind::Mknod, _) if !failed => self.written.add(&call.target.path.bytes, false),
            _ => self.calls.add_times(event.operation.as_bytes(), failed, event.repeated),
        }
    }

    /// What the kernel resolved, as if a system call had done it.
    fn resolved(&mut self, event: &Event, it: &Resolved) {
        match (it.kind, &it.second) {
            (Kind::Mkdir, _) => {}
            (Kind::Unlink, _) => self.deleted.add(directory(&it.path.bytes), false),
            (Kind::Rename | Kind::Link, Some(to)) => self.written.add(&to.bytes, false),
            (Kind::Truncate | Kind::Symlink | Kind::Mknod, _) => self.written.add(&it.path.bytes, false),
            _ => self.calls.add(event.operation.as_bytes(), false),
        }
    }

    /// Requests to a ring: deletions and new names as if system calls had asked for them.
    fn request(&mut self, event: &Event, uring: &Uring) {
        match (uring.opcode, &uring.second) {
            (opcode::UNLINKAT, _) => self.deleted.add(directory(&uring.target.path.bytes), false),
            (opcode::RENAMEAT | opcode::LINKAT, Some(to)) => self.written.add(&to.path.bytes, false),
            (opcode::OPENAT | opcode::OPENAT2, _) if !uring.for_writing() => {}
            (opcode::OPENAT | opcode::OPENAT2 | opcode::FTRUNCATE | opcode::SYMLINKAT, _) => {
                self.written.add(&uring.target.path.bytes, false);
            }
            _ => self.calls.add(event.operation.as_bytes(), false),
        }
    }

    /// Adds a breaker action.
    pub fn breaker(&mut self, breaker: &BreakerView<'_>) {
        self.last_ns = self.last_ns.max(breaker.timestamp_ns);
        let failed = breaker.error.is_some() || breaker.verified == Some(false);
        self.breaker.add(format!("{} by {}", breaker.action.name(), breaker.by).as_bytes(), failed);
    }

    /// The whole as text, several lines, safe for a terminal.
    #[must_use]
    pub fn render(&self, lost: &Losses, colour: bool) -> String {
        let paint = Paint::new(colour);
        let mut out = String::new();
        let seconds = self.last_ns.saturating_sub(self.first_ns.unwrap_or(self.last_ns)) as f64 / 1e9;
        let total: u64 = self.kinds.values().sum();
        paint.put(&mut out, Tone::Verb, "summary");
        let _ = write!(out, "  {} in {seconds:.1} s", counted(total, "event", "events"));
        for (at, (kind, count)) in self.kinds.iter().enumerate() {
            let _ = write!(out, "{}{count} {}", if at == 0 { ": " } else { ", " }, kind.name());
        }
        out.push('\n');
        section(&mut out, paint, "ran", &self.programs, "");
        section(&mut out, paint, "wrote", &self.written, &format!(", {} created", self.created));
        section(&mut out, paint, "deleted", &self.deleted, ", by directory");
        section(&mut out, paint, "contacted", &self.contacted, "");
        section(&mut out, paint, "listened", &self.listened, "");
        section(&mut out, paint, "identity", &self.identities, "");
        section(&mut out, paint, "signalled", &self.signals, " to or from processes that are no agent's");
        section(&mut out, paint, "called", &self.calls, " other system calls that change files, processes or the system");
        if self.left > 0 {
            paint.put(&mut out, Tone::Alarm, "left");
            let _ = writeln!(out, "  {} a process was moved out of its cgroup (still watched)", counted(self.left, "time", "times"));
        }
        self.alerts(&mut out, paint);
        section(&mut out, paint, "breaker", &self.breaker, "");
        section(&mut out, paint, "observed", &self.observed, ", not carried out");
        losses(&mut out, paint, lost);
        out
    }

    fn alerts(&self, out: &mut String, paint: Paint) {
        if self.alerts.total() == 0 {
            return;
        }
        paint.put(out, Tone::Alarm, "alerts");
        let _ = writeln!(out, "  {}", self.alerts.total());
        for (title, count) in self.alerts.ranked().into_iter().take(SHOWN_MAX) {
            let level = self.levels.get(title).copied().unwrap_or(1);
            let _ = write!(out, "  {:6} x ", count.total);
            paint.put(out, of_level(level), level_name(level));
            out.push(' ');
            escape_within(out, title, NAME_WIDTH);
            out.push('\n');
        }
        more(out, &self.alerts);
    }
}

/// The program that ran or was refused; for a script its path says more than the interpreter's.
fn program(exec: &Exec) -> &[u8] {
    exec.script.as_ref().map_or(&exec.exe.bytes, |script| &script.bytes)
}

/// The directory a path stands in.
fn directory(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) => b"/",
        Some(slash) => &path[..slash],
        None => b"(unknown)",
    }
}

fn section(out: &mut String, paint: Paint, title: &str, tally: &Tally, note: &str) {
    if tally.total() == 0 {
        return;
    }
    paint.put(out, Tone::Verb, title);
    let _ = writeln!(out, "  {}{note}", tally.total());
    for (name, count) in tally.ranked().into_iter().take(SHOWN_MAX) {
        let _ = write!(out, "  {:6} x ", count.total);
        escape_within(out, name, NAME_WIDTH);
        if count.failed > 0 {
            out.push_str("  ");
            paint.put(out, Tone::Failure, &format!("{} failed", count.failed));
        }
        out.push('\n');
    }
    more(out, tally);
}

fn more(out: &mut String, tally: &Tally) {
    let hidden = tally.names().saturating_sub(SHOWN_MAX);
    // Beyond the bound occurrences are counted, not names.
    let at_least = if tally.beyond > 0 { "at least " } else { "" };
    if hidden > 0 || tally.beyond > 0 {
        let _ = writeln!(out, "         and {at_least}{} more", hidden.max(1));
    }
}

fn losses(out: &mut String, paint: Paint, lost: &Losses) {
    let total: u64 = lost.counts.iter().map(|loss| loss.count).sum();
    if total == 0 {
        out.push_str("lost  0\n");
        return;
    }
    paint.put(out, Tone::Alarm, "lost");
    let _ = writeln!(out, "  {total}");
    for loss in lost.counts.iter().filter(|loss| loss.count > 0) {
        let _ = writeln!(out, "  {:6} x {} at {}", loss.count, loss.kind.map_or("events", |kind| kind.name()), loss.stage);
    }
}

#[cfg(test)]
mod tests {
    use super::{Losses, NAMES_MAX, Summary};
    use crate::event::{Address, Detail, Kind, Outcome, SignalName, Unlink};
    use crate::log::Loss;
    use crate::log::tests::sample::{breaker, connect, every_kind, open, path, rule, sample, signal};

    #[test]
    fn a_run_is_told_in_a_page() {
        let mut summary = Summary::new();
        for one in every_kind() {
            summary.operation(&one.operation(), &[]);
        }
        let mut later = sample("openat", open(b"/work/\x1b]0;x\x07", 0o101));
        later.event.timestamp_ns += 2_500_000_000;
        summary.operation(&later.operation(), &[rule(&[], 4, "alert")]);
        let mut refused = sample("connect", connect(Address::Inet("93.184.215.14:443".parse().unwrap())));
        refused.event.outcome = Outcome(-111);
        summary.operation(&refused.operation(), &[]);
        summary.breaker(&breaker(&later.agent));
        let lost = Losses { counts: vec![Loss { stage: "kernel_ringbuf", kind: Some(Kind::Open), count: 3 }] };
        let want = r"summary  47 events in 2.5 s: 1 exec, 1 fork, 1 exit, 2 open, 2 connect, 1 unlink, 1 identity, 1 cgroup_leave, 1 cgroup_join, 1 process_seen, 1 rename, 1 link, 1 symlink, 1 mkdir, 1 mknod, 1 truncate, 1 chmod, 1 chown, 1 xattr, 1 file_flags, 1 mount, 1 map, 1 process_access, 1 namespace, 1 module, 1 bpf, 1 system, 1 io_uring, 1 signal, 1 cgroup_state, 1 thread_name, 1 unknown_syscall, 1 bind, 1 listen, 1 accept, 1 socket, 1 send, 1 netlink, 1 argv, 1 flow, 1 dns, 1 capability, 1 resolved, 1 process_setting, 1 file_times
ran  1
       1 x /usr/bin/curl
wrote  7, 0 created
       3 x /work/repo/src/main.rs
       2 x /work/repo/src/lib.rs
       1 x /work/gone
       1 x /work/\x1b]0;x\x07
deleted  1, by directory
       1 x /work/repo/src
contacted  3
       2 x 93.184.215.14:443  1 failed
       1 x 93.184.215.14:53
listened  1
       1 x 0.0.0.0:8080
identity  1
       1 x setuid to uid 1001 euid 1001 gid 1001
signalled  1 to or from processes that are no agent's
       1 x SIGTERM to postgres[812] outside
called  18 other system calls that change files, processes or the system
       1 x chmod
       1 x chown
       1 x setxattr
       1 x ioctl
       1 x mount
       1 x ptrace
       1 x unshare
       1 x init_module
         and 10 more
left  1 time a process was moved out of its cgroup (still watched)
alerts  1
       1 x high Credential file read by an agent
breaker  1
       1 x freeze by rule:cred-exfil
lost  3
       3 x open at kernel_ringbuf
";
        assert_eq!(summary.render(&lost, false), want);
        assert!(summary.render(&lost, true).contains("\x1b["));
        assert!(Summary::new().render(&Losses::default(), false).ends_with("lost  0\n"));
    }

    #[test]
    fn signals_of_the_breaker_are_not_told_as_somebody_elses() {
        let mut summary = Summary::new();
        for from_monitor in [true, false, true] {
            let mut detail = signal(SignalName(9), None);
            if let Detail::Signal(signal) = &mut detail {
                (signal.received, signal.from_monitor) = (true, from_monitor);
            }
            summary.operation(&sample("signal", detail).operation(), &[]);
        }
        let text = summary.render(&Losses::default(), false);
        assert!(text.contains(": 3 signal\n") && text.contains("signalled  1 to or from") && !text.contains("this monitor"), "{text}");
    }

    #[test]
    fn what_the_kernel_counted_is_told_as_often_as_it_was_done() {
        let mut summary = Summary::new();
        let mut refused = sample("connect", connect(Address::Inet("93.184.215.14:443".parse().unwrap())));
        (refused.event.outcome, refused.event.repeated) = (Outcome(-111), 512);
        summary.operation(&refused.operation(), &[]);
        refused.event.repeated = 1;
        summary.operation(&refused.operation(), &[]);
        let text = summary.render(&Losses::default(), false);
        assert!(text.contains("summary  513 events") && text.contains("513 x 93.184.215.14:443  513 failed"), "{text}");
    }

    #[test]
    fn memory_is_bounded_and_what_is_beyond_is_counted() {
        let mut summary = Summary::new();
        let removals = 3 * NAMES_MAX;
        for n in 0..removals {
            let unlink = Unlink { path: path(format!("/work/{n}/{}", "x".repeat(5000)).as_bytes()), ..Unlink::default() };
            summary.operation(&sample("unlink", Detail::Unlink(unlink)).operation(), &[]);
        }
        assert_eq!((summary.deleted.names(), summary.deleted.total()), (NAMES_MAX, removals as u64));
        let text = summary.render(&Losses::default(), false);
        assert!(text.contains("deleted  3000, by directory") && text.contains("and at least 992 more"), "{text}");
        assert!(text.len() < 2000);
    }
}
