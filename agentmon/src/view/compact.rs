//! One line per operation, for people who watch.
//!
//! Shown by default: programs, files opened for writing or created, removals, connections and other sockets, changes of identity, moves
//! between cgroups, and whatever a rule matched. Left out unless asked for: successful and failed opens for reading
//! (most of what programs do, half of it looking for files that are not there), forks, exits. The log has them all.
//! Not for: machines; the text may change.

use super::escape::{escape_within, escaped};
use super::style::{Paint, Tone, level_name, of_level};
use super::{counted, target};
use crate::agents::State;
use crate::event::constants::prctl_option;
use crate::event::{Detail, Event, Identity, Kind, WallClock, flags};
use crate::log::{BreakerView, Loss, MatchView, StateView};
use crate::process::{Agent, Operation};
use crate::response::Command;
use agentmon_common::netlink::AF_NETLINK;
use agentmon_common::uring::opcode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write;

/// Most characters of a command line or a path.
const TARGET_WIDTH: usize = 120;
/// Most characters of an agent's or a program's name.
const NAME_WIDTH: usize = 24;
/// Characters of a session that are shown.
const SESSION_WIDTH: usize = 4;

/// Writes compact lines.
#[derive(Debug)]
pub struct Compact {
    clock: WallClock,
    paint: Paint,
    all: bool,
    zone: TimeZone,
    /// The second that was shown last, and its text.
    second: u64,
    time: String,
    line: String,
}

impl Compact {
    /// Lines in local time, coloured or not; `all` shows what is left out by default.
    #[must_use]
    pub fn new(clock: WallClock, colour: bool, all: bool) -> Self {
        Self::in_zone(clock, colour, all, TimeZone::system())
    }

    fn in_zone(clock: WallClock, colour: bool, all: bool, zone: TimeZone) -> Self {
        Self { clock, paint: Paint::new(colour), all, zone, second: u64::MAX, time: String::new(), line: String::new() }
    }

    /// Whether an operation is shown.
    #[must_use]
    pub fn shows(&self, op: &Operation<'_>, matches: &[MatchView<'_>]) -> bool {
        self.all || !matches.is_empty() || !is_quiet(op.event)
    }

    /// Appends the line of an operation, newline included; nothing for one that is not shown.
    pub fn operation(&mut self, op: &Operation<'_>, matches: &[MatchView<'_>], out: &mut Vec<u8>) {
        if !self.shows(op, matches) {
            return;
        }
        self.begin(op.event.timestamp_ns);
        self.verb(Tone::Verb, verb(op.event), op.agent);
        what(&mut self.line, op);
        let failure = op.event.outcome.error_name();
        if let Some(name) = failure {
            self.line.push_str("  ");
            self.paint.put(&mut self.line, Tone::Failure, name);
        }
        if op.event.repeated > 1 {
            let _ = write!(self.line, "  {} times", op.event.repeated);
        }
        who(&mut self.line, op);
        for found in matches {
            let mut text = format!("!{} ", level_name(found.level));
            escape_within(&mut text, found.title.as_bytes(), TARGET_WIDTH);
            if let Some(count) = found.count {
                let _ = write!(text, " ({count})");
            }
            self.line.push_str("  ");
            self.paint.put(&mut self.line, of_level(found.level), &text);
        }
        self.end(out);
    }

    /// Appends the line of a breaker action.
    pub fn breaker(&mut self, breaker: &BreakerView<'_>, out: &mut Vec<u8>) {
        self.begin(breaker.timestamp_ns);
        let verb = match breaker.action {
            Command::Freeze => "FREEZE",
            Command::Thaw => "THAW",
            Command::Kill => "KILL",
        };
        self.verb(Tone::Alarm, verb, breaker.agent);
        let line = &mut self.line;
        match breaker.tasks {
            Some(0) => line.push_str("no task was left in its cgroup, "),
            Some(tasks) => {
                let _ = write!(line, "{} ", counted(tasks, "task", "tasks"));
            }
            None => {}
        }
        let _ = write!(line, "in {:.1} ms, by ", breaker.latency.as_secs_f64() * 1000.0);
        escape_within(line, breaker.by.as_bytes(), TARGET_WIDTH);
        if !breaker.reason.is_empty() {
            line.push_str(": ");
            escape_within(line, breaker.reason.as_bytes(), TARGET_WIDTH);
        }
        match (breaker.error, breaker.verified) {
            (Some(error), _) => {
                let text = format!("FAILED: {}", escaped(error.as_bytes()));
                line.push_str("  ");
                self.paint.put(&mut self.line, Tone::Alarm, &text);
            }
            (None, Some(false)) => {
                line.push_str("  ");
                self.paint.put(&mut self.line, Tone::Alarm, "NOT VERIFIED");
            }
            (None, Some(true)) => {
                self.line.push_str("  verified");
                if breaker.action == Command::Freeze {
                    self.way_out(breaker.agent);
                }
            }
            (None, None) => {}
        }
        self.end(out);
    }

    /// Appends the line of an agent that somebody else froze or let go on.
    pub fn state(&mut self, found: &StateView<'_>, out: &mut Vec<u8>) {
        self.begin(found.timestamp_ns);
        let frozen = found.state == State::Frozen;
        self.verb(Tone::Alarm, if frozen { "FROZEN" } else { "THAWED" }, found.agent);
        self.line.push_str("by somebody else, not by this monitor");
        if frozen {
            self.way_out(found.agent);
        }
        self.end(out);
    }

    /// What can be done about a frozen agent.
    fn way_out(&mut self, agent: &Agent) {
        let _ = write!(self.line, "  (agentmon thaw {0}, or agentmon kill {0})", agent.session);
    }

    /// Appends a line that says how many events were lost.
    pub fn gap(&mut self, timestamp_ns: u64, losses: &[Loss], out: &mut Vec<u8>) {
        self.begin(timestamp_ns);
        let mut text = format!("LOST     {}", counted(losses.iter().map(|loss| loss.count).sum(), "event", "events"));
        for (at, loss) in losses.iter().enumerate() {
            text.push_str(if at == 0 { ": " } else { ", " });
            let _ = write!(text, "{} {} at {}", loss.count, loss.kind.map_or("events", |kind| kind.name()), loss.stage);
        }
        self.paint.put(&mut self.line, Tone::Alarm, &text);
        self.end(out);
    }

    /// Starts a line with the time of day.
    fn begin(&mut self, timestamp_ns: u64) {
        let epoch_ns = self.clock.epoch_ns(timestamp_ns);
        let second = epoch_ns / 1_000_000_000;
        if second != self.second {
            self.second = second;
            let time = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok()).unwrap_or_default();
            self.time = time.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string();
        }
        self.line.clear();
        let time = format!("{}.{:03} ", self.time, epoch_ns / 1_000_000 % 1000);
        self.paint.put(&mut self.line, Tone::Faint, &time);
    }

    fn verb(&mut self, tone: Tone, verb: &str, agent: &Agent) {
        self.paint.put(&mut self.line, tone, &format!("{verb:8}"));
        self.line.push(' ');
        escape_within(&mut self.line, agent.name.as_bytes(), NAME_WIDTH);
        self.line.push('/');
        let session: String = agent.session.chars().take(SESSION_WIDTH).collect();
        escape_within(&mut self.line, session.as_bytes(), NAME_WIDTH);
        self.line.push(' ');
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.line.trim_end().as_bytes());
        out.push(b'\n');
    }
}

/// What an operation was and who did it, escaped: a compact line without time, agent and matches.
#[must_use]
pub fn summary(op: &Operation<'_>) -> String {
    let mut line = format!("{} ", verb(op.event));
    what(&mut line, op);
    if let Some(name) = op.event.outcome.error_name() {
        let _ = write!(line, "  {name}");
    }
    if op.event.repeated > 1 {
        let _ = write!(line, "  {} times", op.event.repeated);
    }
    who(&mut line, op);
    line
}

/// `SOCK_STREAM` (`include/linux/net.h`).
const SOCK_STREAM: u16 = 1;

/// What happens so often, or says so little, that it is left out by default.
fn is_quiet(event: &Event) -> bool {
    match &event.detail {
        Detail::Open(open) => !open.created && !open.for_writing(),
        // Programs make directories, share memory and unpack files with their times all day.
        Detail::Call(call) => matches!(call.kind, Kind::Mkdir | Kind::Map | Kind::FileTimes),
        // What is bound says where only when something listens there; the C library asks netlink for every name; UNIX servers
        // accept all day.
        Detail::Socket(socket) => match socket.kind {
            Kind::Bind => socket.sock_type == SOCK_STREAM || socket.family == AF_NETLINK,
            Kind::Socket => socket.family == AF_NETLINK,
            Kind::Accept => socket.peer.inet().is_none(),
            _ => false,
        },
        Detail::Fork(_) | Detail::Exit(_) => true,
        Detail::Uring(uring) => {
            matches!(uring.opcode, opcode::OPENAT | opcode::OPENAT2 | opcode::MKDIRAT) && !uring.creates() && !uring.for_writing()
        }
        Detail::Resolved(it) => matches!(it.kind, Kind::Mkdir),
        // Thread pools name their threads; what others do to an agent's cgroups the monitor tells in its own words.
        Detail::ThreadName(name) => name.thread != event.process.tgid,
        Detail::CgroupState(state) => !state.by_member,
        // Its beginning was shown.
        Detail::Flow(_) => true,
        // Programs of root use some all the time.
        Detail::Capability(_) => true,
        // Its question was shown.
        Detail::Dns(dns) => dns.message.as_ref().is_some_and(|message| message.is_answer),
        // Programs end and stop what they started themselves.
        Detail::Signal(signal) => signal.other_agent.is_some(),
        _ => false,
    }
}

const fn verb(event: &Event) -> &'static str {
    match &event.detail {
        Detail::Exec(_) => "exec",
        Detail::Fork(_) => "fork",
        Detail::Exit(_) => "exit",
        Detail::Open(open) if open.created => "create",
        Detail::Open(open) if open.for_writing() => "write",
        Detail::Open(_) => "open",
        Detail::Socket(socket) => socket.kind.name(),
        Detail::Netlink(_) => "netlink",
        Detail::Unlink(unlink) if unlink.directory => "rmdir",
        Detail::Unlink(_) => "unlink",
        Detail::Identity(_) => "identity",
        Detail::CgroupLeave(_) => "leave",
        Detail::CgroupJoin(_) => "join",
        Detail::ProcessSeen(_) => "running",
        Detail::Signal(_) => "signal",
        Detail::CgroupState(_) => "cgroup",
        Detail::ThreadName(_) => "name",
        Detail::UnknownCall(_) => "unknown",
        Detail::Argv(_) => "argv",
        Detail::Flow(_) => "flow",
        Detail::Dns(_) => "dns",
        Detail::Capability(_) => "capable",
        Detail::Uring(_) => "io_uring",
        Detail::Resolved(it) => call_verb(it.kind),
        Detail::Call(call) => call_verb(call.kind),
    }
}

/// Short enough for its column; the call itself stands in the line where this says less.
const fn call_verb(kind: Kind) -> &'static str {
    match kind {
        Kind::FileFlags => "flags",
        Kind::ProcessAccess => "reach",
        Kind::Namespace => "ns",
        Kind::ProcessSetting => "setting",
        Kind::FileTimes => "times",
        other => other.name(),
    }
}

fn what(line: &mut String, op: &Operation<'_>) {
    match &op.event.detail {
        Detail::Exec(exec) | Detail::ProcessSeen(exec) => target::command_line(line, exec, TARGET_WIDTH),
        Detail::Fork(fork) => {
            let _ = write!(line, "process {}", fork.child.tgid);
        }
        Detail::Exit(exit) => {
            let _ = match (exit.code(), exit.signal()) {
                (Some(code), _) => write!(line, "code {code}"),
                (None, signal) => write!(line, "signal {}", signal.unwrap_or(0)),
            };
        }
        Detail::Open(open) => target::file(line, &open.path.bytes, &open.asked.bytes, TARGET_WIDTH),
        Detail::Unlink(unlink) => target::file(line, &unlink.path.bytes, &unlink.asked.bytes, TARGET_WIDTH),
        Detail::Socket(socket) => {
            target::socket(line, socket, TARGET_WIDTH);
            if let Some(name) = op.hostname {
                line.push_str(" (");
                escape_within(line, name, TARGET_WIDTH);
                line.push(')');
            }
        }
        Detail::Netlink(netlink) => target::change(line, netlink),
        Detail::Identity(after) => identity(line, op.event.operation, after),
        Detail::CgroupLeave(cgroup) | Detail::CgroupJoin(cgroup) => {
            let path: &[u8] = if cgroup.path.is_empty() { b"(another cgroup)" } else { &cgroup.path.bytes };
            escape_within(line, path, TARGET_WIDTH);
            let _ = write!(line, " by {}", cgroup.mover_tgid);
        }
        Detail::Signal(signal) => target::signal(line, signal, NAME_WIDTH),
        Detail::CgroupState(state) => {
            let _ = write!(line, "{} ", state.action.name());
            escape_within(line, &state.path.bytes, TARGET_WIDTH);
        }
        Detail::ThreadName(name) => target::renamed(line, name, NAME_WIDTH),
        Detail::UnknownCall(call) => {
            let _ = write!(line, "system call {:#x}{}", call.number, if op.event.has(flags::COMPAT) { " of i386" } else { "" });
        }
        Detail::Flow(flow) => {
            let _ = write!(line, "{} {} bytes out, {} in", flow.peer, flow.bytes_out, flow.bytes_in);
        }
        Detail::Capability(capability) => {
            let _ = write!(line, "{capability}{}", if capability.in_initial_namespace { "" } else { " in another user namespace" });
            if let Some(call) = capability.call {
                let _ = write!(line, " by {call}");
            }
        }
        Detail::Dns(dns) => target::dns(line, dns, TARGET_WIDTH),
        Detail::Argv(moved) => target::arguments(line, &moved.argv, TARGET_WIDTH),
        Detail::Resolved(it) => target::resolved(line, it, TARGET_WIDTH),
        Detail::Uring(uring) => target::request(line, op.event.operation, uring, TARGET_WIDTH),
        Detail::Call(call) => target::call(line, op.event.operation, call, op.event.has(flags::UNREADABLE), TARGET_WIDTH),
    }
}

fn identity(line: &mut String, operation: &str, after: &Identity) {
    if let Some(option) = prctl_option(operation, after.args) {
        let _ = write!(line, "{option} {:#x}: ", after.args[1]);
    }
    let _ = write!(line, "{operation}: now uid {} euid {} gid {} egid {}", after.uids[0], after.uids[1], after.gids[0], after.gids[1]);
    if operation == "capset" {
        let _ = write!(line, " capabilities {:x}", after.cap_effective);
    }
}

/// `  bash->curl[4712]` for a program, `  curl[4712]` for the rest.
fn who(line: &mut String, op: &Operation<'_>) {
    line.push_str("  ");
    if op.event.process.tgid == 0 {
        return line.push_str("(unknown process)");
    }
    let started = matches!(op.event.detail, Detail::Exec(_)) && op.event.outcome.succeeded();
    if let Some(parent) = op.parent_image().filter(|_| started) {
        program(line, &parent.exe.bytes);
        line.push_str("->");
    }
    match op.image() {
        Some(image) => program(line, &image.exe.bytes),
        None => {
            escape_within(line, op.event.comm(), NAME_WIDTH);
        }
    }
    let _ = write!(line, "[{}]", op.event.process.tgid);
}

fn program(line: &mut String, exe: &[u8]) {
    let name = exe.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    escape_within(line, name, NAME_WIDTH);
}

#[cfg(test)]
mod tests {
    use super::Compact;
    use crate::agents::State;
    use crate::event::{Address, Detail, Kind, Outcome, Target, flags};
    use crate::log::tests::sample::{Sample, asked, breaker, clock, connect, every_kind, open, program, rule, sample, text};
    use crate::log::{BreakerView, Loss, MatchView, StateView};
    use crate::response::Command;
    use jiff::tz::TimeZone;

    fn compact(colour: bool, all: bool) -> Compact {
        Compact::in_zone(clock(), colour, all, TimeZone::UTC)
    }

    fn line(sample: &Sample, matches: &[MatchView<'_>], all: bool) -> String {
        let mut out = Vec::new();
        compact(false, all).operation(&sample.operation(), matches, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_has_its_line() {
        let lines: String = every_kind().iter().map(|sample| line(sample, &[], true)).collect();
        let want = "\
09:22:38.577 exec     claude-code/7f3a curl -s https://example.com/i.sh  bash->curl[4712]
09:22:38.577 fork     claude-code/7f3a process 4713  curl[4712]
09:22:38.577 exit     claude-code/7f3a code 0  curl[4712]
09:22:38.577 open     claude-code/7f3a /home/agent/.aws/credentials  curl[4712]
09:22:38.577 connect  claude-code/7f3a 93.184.215.14:443  curl[4712]
09:22:38.577 unlink   claude-code/7f3a /work/repo/src/main.rs  curl[4712]
09:22:38.577 identity claude-code/7f3a setuid: now uid 1001 euid 1001 gid 1001 egid 1001  curl[4712]
09:22:38.577 leave    claude-code/7f3a /elsewhere by 4711  curl[4712]
09:22:38.577 join     claude-code/7f3a /elsewhere by 4711  curl[4712]
09:22:38.577 running  claude-code/7f3a /usr/bin/curl  curl[4712]
09:22:38.577 rename   claude-code/7f3a /work/repo/src/main.rs -> /work/repo/src/lib.rs  curl[4712]
09:22:38.577 link     claude-code/7f3a /work/repo/src/main.rs -> /work/repo/src/lib.rs  curl[4712]
09:22:38.577 symlink  claude-code/7f3a /work/repo/src/main.rs -> text  curl[4712]
09:22:38.577 mkdir    claude-code/7f3a mkdir /work/repo/src/main.rs mode=0644  curl[4712]
09:22:38.577 mknod    claude-code/7f3a mknod /work/repo/src/main.rs mode=0644 device=0x2  curl[4712]
09:22:38.577 truncate claude-code/7f3a truncate /work/repo/src/main.rs length=420  curl[4712]
09:22:38.577 chmod    claude-code/7f3a chmod /work/repo/src/main.rs mode=0644  curl[4712]
09:22:38.577 chown    claude-code/7f3a chown /work/repo/src/main.rs uid=420 gid=2  curl[4712]
09:22:38.577 xattr    claude-code/7f3a setxattr /work/repo/src/main.rs text size=420 flags=0x2  curl[4712]
09:22:38.577 flags    claude-code/7f3a ioctl /work/repo/src/main.rs request=0x1a4 file_flags=0x2  curl[4712]
09:22:38.577 mount    claude-code/7f3a mount /work/repo/src/main.rs text flags=0x1a4 from /work/repo/src/lib.rs  curl[4712]
09:22:38.577 map      claude-code/7f3a mmap /work/repo/src/main.rs length=420 protection=0x2 flags=0x3  curl[4712]
09:22:38.577 reach    claude-code/7f3a ptrace target_pid=420 request=0x2  curl[4712]
09:22:38.577 ns       claude-code/7f3a unshare flags=CLONE_NEWTIME|0x124  curl[4712]
09:22:38.577 module   claude-code/7f3a init_module text length=420  curl[4712]
09:22:38.577 bpf      claude-code/7f3a bpf command=420  curl[4712]
09:22:38.577 system   claude-code/7f3a kexec_load segments=420 flags=0x2  curl[4712]
09:22:38.577 io_uring claude-code/7f3a io_uring_setup entries=420  curl[4712]
09:22:38.577 signal   claude-code/7f3a SIGTERM to postgres[812] outside  curl[4712]
09:22:38.577 cgroup   claude-code/7f3a frozen /agents.slice/sub  curl[4712]
09:22:38.577 name     claude-code/7f3a curl -> sshd  curl[4712]
09:22:38.577 unknown  claude-code/7f3a system call 0x1d6  curl[4712]
09:22:38.577 bind     claude-code/7f3a 0.0.0.0:8080  curl[4712]
09:22:38.577 listen   claude-code/7f3a 0.0.0.0:8080  curl[4712]
09:22:38.577 accept   claude-code/7f3a 93.184.215.14:443 at 10.0.3.17:51514  curl[4712]
09:22:38.577 socket   claude-code/7f3a packet raw protocol 768  curl[4712]
09:22:38.577 send     claude-code/7f3a 93.184.215.14:53  curl[4712]
09:22:38.577 netlink  claude-code/7f3a netfilter NFT_MSG_DELTABLE  curl[4712]
09:22:38.577 argv     claude-code/7f3a sshd -D  curl[4712]
09:22:38.577 flow     claude-code/7f3a 93.184.215.14:443 517 bytes out, 1256 in  curl[4712]
09:22:38.577 dns      claude-code/7f3a example.com A -> 10.0.0.53:53  curl[4712]
09:22:38.577 capable  claude-code/7f3a CAP_SYS_ADMIN by sethostname  curl[4712]
09:22:38.577 rename   claude-code/7f3a /work/repo/src/main.rs -> /work/gone flags=0x0 (resolved)  curl[4712]
09:22:38.577 setting  claude-code/7f3a personality persona=0x1a4  curl[4712]
09:22:38.577 times    claude-code/7f3a utimensat /work/repo/src/main.rs modified=420 flags=0x2  curl[4712]
";
        assert_eq!(lines, want);
    }

    #[test]
    fn a_failure_that_repeated_says_how_often() {
        let mut sample = sample("openat", open(b"/etc/shadow", 0));
        sample.event.outcome = Outcome(-13);
        sample.event.repeated = 4096;
        let line = line(&sample, &[], true);
        assert!(line.contains(" /etc/shadow  EACCES  4096 times  curl[4712]"), "{line}");
    }

    #[test]
    fn reads_forks_and_exits_are_shown_only_when_asked_for_or_matched() {
        let shown: Vec<Kind> =
            every_kind().iter().filter(|sample| !line(sample, &[], false).is_empty()).map(|sample| sample.event.kind()).collect();
        let quiet: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| !shown.contains(kind)).collect();
        assert_eq!(
            quiet,
            [Kind::Fork, Kind::Exit, Kind::Open, Kind::Mkdir, Kind::Map, Kind::Bind, Kind::Flow, Kind::Capability, Kind::FileTimes]
        );
        let read = sample("openat", open(b"/etc/shadow", 0));
        assert!(line(&read, &[rule(&[], 4, "alert")], false).contains("!high Credential file read by an agent"));
        assert!(line(&sample("openat", open(b"/tmp/x", 0o1101)), &[], false).contains(" write    claude-code/7f3a /tmp/x "));
    }

    #[test]
    fn names_and_answers_of_dns_are_shown_and_who_asked_when_it_is_known() {
        let mut answer = sample("dns_ingress", asked(Some("93.184.215.14")));
        assert_eq!(line(&answer, &[], false), "");
        let read = || line(&answer, &[rule(&[], 4, "alert")], false);
        assert!(read().contains(" example.com A: 93.184.215.14 <- 10.0.0.53:53  curl[4712]  "), "{}", read());
        (answer.event.process.tgid, answer.event.comm, answer.process.image) = (0, [0; 16], None);
        if let Detail::Dns(dns) = &mut answer.event.detail {
            dns.message = None;
        }
        let unknown = line(&answer, &[], false);
        assert!(unknown.contains(" (no DNS message, 29 bytes) <- 10.0.0.53:53  (unknown process)"), "{unknown}");
        let mut named = sample("connect", connect(Address::Inet("93.184.215.14:443".parse().unwrap())));
        named.hostname = Some(b"exa\x1bmple.com");
        assert!(line(&named, &[], false).contains(r" 93.184.215.14:443 (exa\x1bmple.com)  "), "{}", line(&named, &[], false));
    }

    #[test]
    fn failures_and_hostile_text_are_shown_for_what_they_are() {
        let mut refused = sample("connect", connect(Address::UnixPath(text(b"/run/\x1b[31mx"))));
        refused.event.outcome = Outcome(-111);
        assert!(line(&refused, &[], false).contains(r" unix:/run/\x1b[31mx  ECONNREFUSED  "));
        let exec = sample("execve", Detail::Exec(program("/bin/sh", b"sh\0-c\0echo a\n\xff\0\0")));
        assert!(line(&exec, &[], false).contains(r" sh -c 'echo a\x0a\xff' '' "), "{}", line(&exec, &[], false));
        let long = sample("execve", Detail::Exec(program("/bin/sh", &[b'x'; 30_000])));
        assert!(line(&long, &[], false).contains("xx…  bash->") && line(&long, &[], false).chars().count() < 200);
    }

    #[test]
    fn what_could_not_be_read_is_said() {
        let mut chmod = every_kind().into_iter().find(|sample| sample.event.kind() == Kind::Chmod).unwrap();
        let Detail::Call(call) = &mut chmod.event.detail else { panic!("a call") };
        call.target = Target::default();
        chmod.event.flags = flags::UNREADABLE;
        assert!(line(&chmod, &[], true).contains(" chmod (unreadable) mode=0644  "), "{}", line(&chmod, &[], true));
        let mut exec = program("", b"");
        (exec.exe, exec.filename) = (Default::default(), Default::default());
        let refused = sample("execve", Detail::Exec(exec));
        assert!(line(&refused, &[], true).contains(" exec     claude-code/7f3a (unreadable)  "), "{}", line(&refused, &[], true));
    }

    #[test]
    fn breaker_actions_and_losses_stand_out() {
        let (sample, mut out) = (&every_kind()[0], Vec::new());
        let mut compact = compact(false, false);
        compact.breaker(&breaker(&sample.agent), &mut out);
        let (agent, timestamp_ns, cgroup) = (&sample.agent, 558_577_123_456, "/x");
        for (state, before) in [(State::Frozen, State::Running), (State::Running, State::Frozen)] {
            compact.state(&StateView { timestamp_ns, agent, state, before, cgroup }, &mut out);
        }
        compact.breaker(&BreakerView { tasks: Some(1), ..breaker(agent) }, &mut out);
        compact.breaker(&BreakerView { tasks: Some(0), action: Command::Kill, ..breaker(agent) }, &mut out);
        compact.gap(558_577_123_456, &[Loss { stage: "kernel_ringbuf", kind: Some(Kind::Open), count: 7 }], &mut out);
        let want = "\
09:22:38.577 FREEZE   claude-code/7f3a 14 tasks in 3.1 ms, by rule:cred-exfil: Credential read then connect  verified  (agentmon thaw 7f3a9c1e, or agentmon kill 7f3a9c1e)
09:22:38.577 FROZEN   claude-code/7f3a by somebody else, not by this monitor  (agentmon thaw 7f3a9c1e, or agentmon kill 7f3a9c1e)
09:22:38.577 THAWED   claude-code/7f3a by somebody else, not by this monitor
09:22:38.577 FREEZE   claude-code/7f3a 1 task in 3.1 ms, by rule:cred-exfil: Credential read then connect  verified  (agentmon thaw 7f3a9c1e, or agentmon kill 7f3a9c1e)
09:22:38.577 KILL     claude-code/7f3a no task was left in its cgroup, in 3.1 ms, by rule:cred-exfil: Credential read then connect  verified
09:22:38.577 LOST     7 events: 7 open at kernel_ringbuf
";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn colours_come_only_when_told() {
        let (samples, mut plain, mut coloured) = (every_kind(), Vec::new(), Vec::new());
        compact(false, true).operation(&samples[0].operation(), &[rule(&[], 5, "kill")], &mut plain);
        compact(true, true).operation(&samples[0].operation(), &[rule(&[], 5, "kill")], &mut coloured);
        assert!(!plain.contains(&0x1b) && coloured.contains(&0x1b));
    }
}
