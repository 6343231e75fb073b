//! Operations for tests: one line each, with what a rule could ask for and nothing else.

use crate::event::dns::{Answer, Message, Question};
use crate::event::{
    Address, AgentId, Argv, Capability, Cgroup, CgroupAction, CgroupId, CgroupState, Change, Delivery, Detail, Dns, Event, Exec, FileId,
    Flow, Identity, Kind, NetworkChange, Open, Outcome, Path, PathTrust, ProcessKey, Resolved, Signal, SignalName, Socket, Target, Text,
    ThreadName, UnknownCall, Unlink, Uring, flags,
};
use crate::process::{Agent, Operation, Process};
use crate::rules::{Engine, Match, Source, load};
use bytes::Bytes;
use std::sync::Arc;

/// An operation together with what it borrows.
#[derive(Clone)]
pub struct Case {
    pub event: Event,
    pub agent: Agent,
    pub process: Process,
    pub parent: Option<Process>,
    pub hostname: Option<&'static [u8]>,
}

pub fn path(bytes: &[u8]) -> Path {
    Path { bytes: Bytes::copy_from_slice(bytes), trust: PathTrust::Resolved }
}

pub fn text(bytes: &[u8]) -> Text {
    Text { bytes: Bytes::copy_from_slice(bytes), original: u32::try_from(bytes.len()).unwrap() }
}

pub fn program(image: &str, command_line: &str) -> Exec {
    let argv: Vec<u8> = command_line.split(' ').flat_map(|arg| arg.bytes().chain([0])).collect();
    Exec {
        exe: path(image.as_bytes()),
        file: FileId { ino: 7, nlink: 1, mode: 0o100_755, ..FileId::default() },
        filename: text(image.as_bytes()),
        cwd: path(b"/work/repo"),
        argv: text(&argv),
        argc: u32::try_from(command_line.split(' ').count()).unwrap(),
        script: None,
    }
}

fn process(tgid: u32, image: Exec) -> Process {
    Process {
        key: ProcessKey { tgid, start_ns: u64::from(tgid) },
        parent: None,
        ppid: 1,
        agent: AgentId(1),
        image: Some(Arc::new(image)),
        uid: 1000,
        euid: 1000,
        euid_before: 1000,
        outside: false,
        execs: 1,
        exited_ns: None,
    }
}

pub fn case(operation: &'static str, detail: Detail) -> Case {
    let process = process(4242, program("/usr/bin/bash", "bash"));
    let event = Event {
        timestamp_ns: 1_000_000_000,
        process: process.key,
        tid: 4242,
        ppid: 4241,
        agent: AgentId(1),
        cgroup: CgroupId(99),
        uid: 1000,
        euid: 1000,
        comm: *b"worker\0\0\0\0\0\0\0\0\0\0",
        outcome: Outcome(0),
        flags: 0,
        operation,
        slot: 0,
        repeated: 1,
        seq: 1,
        lost_before: 0,
        resolved_ns: 0,
        detail,
    };
    let agent = Agent { id: AgentId(1), name: "tester".into(), session: "7f3a9c1e".into(), allowed: Default::default() };
    Case { event, agent, process, parent: None, hostname: None }
}

/// A program was executed by its own path.
pub fn exec(image: &str, command_line: &str) -> Case {
    let exec = program(image, command_line);
    let mut case = case("execve", Detail::Exec(exec.clone()));
    case.process.image = Some(Arc::new(exec));
    case
}

/// A program was executed by another name than its file's: a link, or a script's interpreter.
pub fn exec_as(image: &str, filename: &str, command_line: &str) -> Case {
    let mut exec = program(image, command_line);
    exec.filename = text(filename.as_bytes());
    let mut case = case("execve", Detail::Exec(exec.clone()));
    case.process.image = Some(Arc::new(exec));
    case
}

fn open_with(target: &str, open_flags: u64, created: bool, mode: u32) -> Case {
    let file = FileId { ino: 9, nlink: 1, mode, ..FileId::default() };
    let open = Open { path: path(target.as_bytes()), asked: text(target.as_bytes()), file, open_flags, create_mode: 0o644, created };
    case("openat", Detail::Open(open))
}

/// A file was opened to read.
pub fn read(target: &str) -> Case {
    open_with(target, 0, false, 0o100_644)
}

/// An existing file was opened to write.
pub fn write(target: &str) -> Case {
    open_with(target, 0o1, false, 0o100_644)
}

/// A file was created.
pub fn create(target: &str) -> Case {
    open_with(target, 0o101, true, 0o100_644)
}

/// A block device was opened to write.
pub fn write_device(target: &str) -> Case {
    open_with(target, 0o2, false, 0o060_660)
}

/// A file was removed.
pub fn unlink(target: &str) -> Case {
    case("unlinkat", Detail::Unlink(Unlink { path: path(target.as_bytes()), asked: text(target.as_bytes()), ..Unlink::default() }))
}

/// A file was to be removed, asked of a ring.
pub fn unlink_by_uring(path_bytes: &str) -> Case {
    let target = Target { path: path(path_bytes.as_bytes()), asked: text(path_bytes.as_bytes()), at_enter: None };
    let mut case = case("io_uring_unlinkat", Detail::Uring(uring(36, target)));
    case.event.flags = flags::SUBMITTED;
    case
}

/// A connection was to be made, asked of a ring.
pub fn uring_connect(peer: &str) -> Case {
    let request = Uring { peer: Some(inet(peer)), ..uring(16, Target::default()) };
    let mut case = case("io_uring_connect", Detail::Uring(request));
    case.event.flags = flags::SUBMITTED;
    case
}

/// What the kernel resolved where no call says what came of it.
pub fn resolved_unlink(target: &str) -> Case {
    let file = FileId { ino: 9, nlink: 1, mode: 0o100_644, ..FileId::default() };
    let it = Resolved {
        kind: Kind::Unlink,
        hook: 0,
        args: [0; 2],
        file,
        path: path(target.as_bytes()),
        second: None,
        replaced: FileId::default(),
        text: None,
        by_worker: true,
    };
    let mut case = case("security_path_unlink", Detail::Resolved(it));
    case.event.flags = flags::SUBMITTED;
    case
}

/// A request to a ring, with no arguments.
pub fn uring(opcode: u8, target: Target) -> Uring {
    let file = FileId::default();
    Uring { opcode, args: [0; 3], fd: -100, file, target, second: None, text: None, peer: None, from_kernel: true }
}

/// A connection over TCP.
pub fn connect(peer: &str) -> Case {
    case("connect", Detail::Socket(Socket { peer: inet(peer), family: 2, sock_type: 1, protocol: 6, ..Socket::new(Kind::Connect) }))
}

fn inet(address: &str) -> Address {
    Address::Inet(address.parse().unwrap())
}

/// A datagram was sent without a connection.
pub fn send(peer: &str) -> Case {
    case("sendto", Detail::Socket(Socket { peer: inet(peer), family: 2, sock_type: 2, protocol: 17, ..Socket::new(Kind::Send) }))
}

/// A UNIX datagram was sent to a path.
pub fn send_unix(socket: &str) -> Case {
    let peer = Address::UnixPath(text(socket.as_bytes()));
    case("sendmsg", Detail::Socket(Socket { peer, family: 1, sock_type: 2, ..Socket::new(Kind::Send) }))
}

/// A TCP socket was bound, listened, or accepted something from 10.0.0.9:4000 there.
pub fn tcp(kind: Kind, local: &str) -> Case {
    let local = inet(local);
    let peer = if kind == Kind::Accept { inet("10.0.0.9:4000") } else { Address::Unknown };
    case(kind.name(), Detail::Socket(Socket { peer, local, family: 2, sock_type: 1, protocol: 6, ..Socket::new(kind) }))
}

/// A socket was made.
pub fn made(family: u16, sock_type: u16, protocol: u32) -> Case {
    case("socket", Detail::Socket(Socket { family, sock_type, protocol, ..Socket::new(Kind::Socket) }))
}

/// A netlink message changed something.
pub fn netlink(protocol: u32, message: u16) -> Case {
    let change = Change::Message { protocol, message, flags: 5 };
    case("sendmsg", Detail::Netlink(NetworkChange { change, fd: 3 }))
}

/// A firewall's socket option was set.
pub fn firewall_option(option: u32) -> Case {
    case("setsockopt", Detail::Netlink(NetworkChange { change: Change::Option { level: 0, option }, fd: 3 }))
}

/// A connection to a UNIX socket.
pub fn connect_unix(socket: &str) -> Case {
    case("connect", Detail::Socket(Socket { peer: Address::UnixPath(text(socket.as_bytes())), family: 1, ..Socket::new(Kind::Connect) }))
}

/// A change to these ids.
pub fn identity(uid: u32, euid: u32) -> Case {
    let identity = Identity {
        args: [0; 3],
        uids: [uid, euid, euid, euid],
        gids: [uid; 4],
        cap_effective: if euid == 0 { 0x1ff_ffff_ffff } else { 0 },
        cap_permitted: 0,
    };
    case("setuid", Detail::Identity(identity)).user(uid, euid)
}

/// The process left its agent's cgroups.
pub fn leave() -> Case {
    let cgroup = Cgroup { to: CgroupId(1), path: text(b"/user.slice"), mover_tgid: 4242, born: false };
    case("cgroup_leave", Detail::CgroupLeave(cgroup))
}

/// The process, or a stranger, froze a cgroup of the agent's.
pub fn froze(by_member: bool) -> Case {
    let state = CgroupState { cgroup: CgroupId(1), path: text(b"/agent/sub"), action: CgroupAction::Frozen, by_member };
    case("cgroup_freeze", Detail::CgroupState(state))
}

/// A thread named itself `sshd`.
pub fn renamed() -> Case {
    let name = |name: &[u8; 4]| std::array::from_fn(|at| name.get(at).copied().unwrap_or(0));
    case("prctl", Detail::ThreadName(ThreadName::new(4242, name(b"bash"), name(b"sshd"))))
}

/// The arguments that others see were moved.
pub fn moved(argv: &'static [u8]) -> Case {
    case("prctl", Detail::Argv(Argv { option: 9, argv: text(argv) }))
}

/// A call of an unknown number, which failed.
pub fn unknown_call(number: u32) -> Case {
    case("unknown_syscall", Detail::UnknownCall(UnknownCall { number })).outcome(-38)
}

/// A connection to this peer is closed.
pub fn flow(peer: &str, bytes_out: u64) -> Case {
    let flow = Flow { peer: peer.parse().unwrap(), local: "10.0.0.9:50000".parse().unwrap(), inbound: false, bytes_in: 7, bytes_out };
    case("flow", Detail::Flow(flow))
}

/// A DNS question for this name, or an answer with these data.
pub fn dns(name: &'static str, rtype: u16, rcode: u8, answers: &[&'static str]) -> Case {
    let is_answer = rcode != 0 || !answers.is_empty();
    let answer = |data: &&'static str| Answer { rtype, class: 1, ttl_s: 60, data: Bytes::from_static(data.as_bytes()), address: None };
    let message = Message {
        id: 7,
        is_answer,
        opcode: 0,
        rcode,
        question: Some(Question { name: Bytes::from_static(name.as_bytes()), rtype, class: 1 }),
        answers: answers.iter().map(answer).collect(),
        answer_count: u16::try_from(answers.len()).unwrap(),
        is_broken: false,
    };
    let (own, resolver) = ("10.0.0.9:50000".parse().unwrap(), "10.0.0.53:53".parse().unwrap());
    let (from, to) = if is_answer { (resolver, own) } else { (own, resolver) };
    case("dns_egress", Detail::Dns(Dns { from, to, outbound: !is_answer, protocol: 17, bytes: 40, message: Some(message) }))
}

/// A capability that was used.
pub fn capability(number: u32, in_initial_namespace: bool) -> Case {
    case("capability_use", Detail::Capability(Capability { number, call: Some("sethostname"), in_initial_namespace }))
}

/// A signal to this process.
pub fn signal(number: u32, target: u32, in_agent: bool) -> Case {
    let signal = Signal {
        signal: SignalName(number),
        code: 0,
        other: ProcessKey { tgid: target, start_ns: 1 },
        other_comm: *b"target\0\0\0\0\0\0\0\0\0\0",
        other_agent: in_agent.then_some(AgentId(1)),
        received: false,
        thread: None,
        delivery: Delivery::Delivered,
        to_monitor: false,
        from_monitor: false,
    };
    case("kill", Detail::Signal(signal))
}

impl Case {
    /// Of a signal: to the monitor.
    pub fn at_monitor(mut self) -> Self {
        if let Detail::Signal(signal) = &mut self.event.detail {
            signal.to_monitor = true;
        }
        self
    }

    /// With this many bytes of arguments missing.
    pub fn cut(mut self, missing: u32) -> Self {
        if let Detail::Exec(exec) = &mut self.event.detail {
            exec.argv.original += missing;
        }
        self
    }

    /// With a path of this trust, as it stands in the record.
    pub fn trusted(mut self, trust: PathTrust) -> Self {
        match &mut self.event.detail {
            Detail::Open(open) => open.path.trust = trust,
            Detail::Unlink(unlink) => unlink.path.trust = trust,
            Detail::Call(call) => call.target.path.trust = trust,
            _ => {}
        }
        self
    }

    /// To a peer that was looked up by this name.
    pub fn looked_up(mut self, name: &'static str) -> Self {
        self.hostname = Some(name.as_bytes());
        self
    }

    /// With this outcome.
    pub fn outcome(mut self, outcome: i64) -> Self {
        self.event.outcome = Outcome(outcome);
        self
    }

    /// So many times the same.
    pub fn times(mut self, repeated: u64) -> Self {
        self.event.repeated = repeated;
        self
    }

    /// At this time, milliseconds.
    pub fn at_ms(mut self, ms: u64) -> Self {
        self.event.timestamp_ns = ms * 1_000_000;
        self
    }

    /// Done by this program.
    pub fn by(mut self, image: &str) -> Self {
        self.process.image = Some(Arc::new(program(image, image)));
        self
    }

    /// With these user ids.
    pub fn user(mut self, uid: u32, euid: u32) -> Self {
        (self.event.uid, self.event.euid) = (uid, euid);
        (self.process.uid, self.process.euid) = (uid, euid);
        self.process.euid_before = euid;
        self
    }

    /// Created by this program of this user.
    pub fn child_of(mut self, image: &str, euid: u32) -> Self {
        let mut parent = process(4241, program(image, image));
        (parent.uid, parent.euid) = (euid, euid);
        self.parent = Some(parent);
        self
    }

    /// As this process.
    pub fn process(mut self, tgid: u32) -> Self {
        self.event.process = ProcessKey { tgid, start_ns: u64::from(tgid) };
        self
    }

    /// As this agent.
    pub fn agent(mut self, number: u32) -> Self {
        self.event.agent = AgentId(number);
        self.agent =
            Agent { id: AgentId(number), name: "tester".into(), session: format!("session-{number}").into(), allowed: Default::default() };
        self
    }

    /// The effective user id before this event.
    pub fn was(mut self, euid: u32) -> Self {
        self.process.euid_before = euid;
        self
    }

    pub fn operation(&self) -> Operation<'_> {
        Operation {
            event: &self.event,
            agent: &self.agent,
            process: &self.process,
            parent: self.parent.as_ref(),
            hostname: self.hostname,
            history: None,
            processes: None,
        }
    }
}

/// An engine with one rule text, which must load without a word.
pub fn engine(text: &str) -> Engine {
    let loaded = load(&[Source { name: "test.yml", text }]);
    assert_eq!(loaded.diagnostics, [], "{}", text);
    Engine::new(loaded.rules)
}

/// What an engine says about one operation.
pub fn evaluate(engine: &mut Engine, case: &Case) -> Vec<Match> {
    let mut matches = Vec::new();
    engine.evaluate(&case.operation(), &mut matches);
    matches
}

/// Titles of what matches.
pub fn titles(engine: &mut Engine, case: &Case) -> Vec<String> {
    evaluate(engine, case).iter().map(|found| found.rule.title.clone()).collect()
}

/// A rule with this category (of `auditd`: for this service) and detection, both as YAML.
pub fn rule(category: &str, detection: &str) -> String {
    let detection: String = detection.lines().map(|line| format!("    {line}\n")).collect();
    let key = if category == "auditd" { "service" } else { "category" };
    format!(
        "title: r\nid: 11111111-1111-4111-8111-111111111111\nlogsource: {{product: linux, {key}: {category}}}\ndetection:\n{detection}level: high\n"
    )
}

/// Whether a rule with this detection matches the operation.
pub fn matches(category: &str, detection: &str, case: &Case) -> bool {
    !evaluate(&mut engine(&rule(category, detection)), case).is_empty()
}
