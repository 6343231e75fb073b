//! One operation of every kind, as the tests of the log use it.

use crate::event::dns::{Answer, Message, Question};
use crate::event::{
    Address, AgentId, Argv, Call, Capability, Cgroup, CgroupAction, CgroupId, CgroupState, Change, Delivery, Detail, Dns, Event, Exec,
    Exit, FileId, Flow, Identity, Kind, NetworkChange, Open, Outcome, Path, PathTrust, ProcessKey, Resolved, Signal, SignalName, Socket,
    Target, Text, ThreadName, UnknownCall, Unlink, WallClock,
};
use crate::log::{BreakerView, Format, Host, MatchView, ProcessRef};
use crate::process::{Agent, Operation, Process};
use crate::response::Command;
use agentmon_common::syscalls::{NAMES, NO, SHAPES, place};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// An operation with everything it borrows.
pub(crate) struct Sample {
    pub event: Event,
    pub agent: Agent,
    pub process: Process,
    pub parent: Option<Process>,
    pub hostname: Option<&'static [u8]>,
}

impl Sample {
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

pub(crate) fn clock() -> WallClock {
    WallClock { boot_ns: 1_795_166_000_000_000_000 }
}

pub(crate) fn format() -> Format {
    let boot_id = "0f3c9d6e-4b1a-4f0c-9c1d-2e3f40516273".to_owned();
    Format::new(&Host { hostname: "node-17".to_owned(), boot_id, run: 0x5f2c }, clock())
}

pub(crate) fn text(bytes: &[u8]) -> Text {
    Text { bytes: Bytes::copy_from_slice(bytes), original: u32::try_from(bytes.len()).unwrap() }
}

pub(crate) fn path(bytes: &[u8]) -> Path {
    Path { bytes: Bytes::copy_from_slice(bytes), trust: PathTrust::Resolved }
}

pub(crate) fn program(exe: &str, argv: &[u8]) -> Exec {
    Exec {
        exe: path(exe.as_bytes()),
        file: FileId { major: 8, minor: 1, ino: 131_073, mode: 0o100_755, nlink: 1 },
        filename: text(exe.as_bytes()),
        script: None,
        cwd: path(b"/work/repo"),
        argv: text(argv),
        argc: u32::try_from(argv.iter().filter(|b| **b == 0).count()).unwrap(),
    }
}

fn process(tgid: u32, start_ns: u64, execs: u32, exe: &str) -> Process {
    Process {
        key: ProcessKey { tgid, start_ns },
        parent: None,
        ppid: 1,
        agent: AgentId(1),
        image: Some(Arc::new(program(exe, b"x\0"))),
        uid: 1001,
        euid: 1001,
        euid_before: 1001,
        outside: false,
        execs,
        exited_ns: None,
    }
}

/// This detail, done by curl, a child of bash.
pub(crate) fn sample(operation: &'static str, detail: Detail) -> Sample {
    let mut comm = [0; 16];
    comm[..4].copy_from_slice(b"curl");
    Sample {
        event: Event {
            timestamp_ns: 558_577_123_456,
            process: ProcessKey { tgid: 4712, start_ns: 0x5f2c_9f31 },
            tid: 4712,
            ppid: 4711,
            agent: AgentId(1),
            cgroup: CgroupId(41233),
            uid: 1001,
            euid: 1001,
            comm,
            outcome: Outcome(0),
            flags: 0,
            operation,
            slot: 0,
            repeated: 1,
            seq: 1,
            lost_before: 0,
            resolved_ns: 0,
            detail,
        },
        agent: Agent { id: AgentId(1), name: "claude-code".into(), session: "7f3a9c1e".into(), allowed: Default::default() },
        process: process(4712, 0x5f2c_9f31, 1, "/usr/bin/curl"),
        parent: Some(process(4711, 0x5f2c_91a0, 2, "/usr/bin/bash")),
        hostname: None,
    }
}

pub(crate) fn open(path_bytes: &[u8], open_flags: u64) -> Detail {
    Detail::Open(Open {
        path: path(path_bytes),
        asked: text(path_bytes),
        file: FileId { major: 8, minor: 1, ino: 77, mode: 0o100_644, nlink: 1 },
        open_flags,
        create_mode: 0o644,
        created: false,
    })
}

pub(crate) fn inet(address: &str) -> Address {
    Address::Inet(address.parse().unwrap())
}

fn tcp(kind: Kind) -> Socket {
    Socket { local: inet("10.0.3.17:51514"), from_kernel: true, family: 2, sock_type: 1, protocol: 6, fd: 5, ..Socket::new(kind) }
}

pub(crate) fn connect(peer: Address) -> Detail {
    Detail::Socket(Socket { peer, ..tcp(Kind::Connect) })
}

/// What is done with a socket, of a kind other than connect.
pub(crate) fn socket(kind: Kind) -> Sample {
    let wildcard = || inet("0.0.0.0:8080");
    let socket = match kind {
        Kind::Bind => Socket { local: wildcard(), ..tcp(kind) },
        Kind::Listen => Socket { local: wildcard(), count: 128, ..tcp(kind) },
        Kind::Accept => Socket { peer: inet("93.184.215.14:443"), ..tcp(kind) },
        // ETH_P_ALL, in network order.
        Kind::Socket => Socket { family: 17, sock_type: 3, protocol: 768, ..Socket::new(kind) },
        _ => Socket { peer: inet("93.184.215.14:53"), family: 2, sock_type: 2, protocol: 17, fd: 5, count: 1, ..Socket::new(kind) },
    };
    sample(if kind == Kind::Send { "sendto" } else { kind.name() }, Detail::Socket(socket))
}

/// A call of a kind that is told by its arguments: the first of the table.
pub(crate) fn called(kind: Kind) -> Sample {
    call(SHAPES.iter().position(|shape| shape.kind == kind as u16).unwrap_or_else(|| panic!("no call of {kind:?}")))
}

/// A call of an operation that is told by its arguments.
pub(crate) fn call(op: usize) -> Sample {
    let shape = &SHAPES[op];
    let target =
        |bytes: &[u8]| Target { path: Path { trust: PathTrust::Joined, ..path(bytes) }, asked: text(b"src/main.rs"), at_enter: None };
    sample(
        NAMES[op],
        Detail::Call(Call {
            kind: Kind::ALL.iter().copied().find(|kind| *kind as u16 == shape.kind).unwrap(),
            op: u8::try_from(op).unwrap(),
            args: [0o644, 2, 3, 4],
            file: FileId::default(),
            target: if shape.first.what == place::NONE { Target::default() } else { target(b"/work/repo/src/main.rs") },
            second: (shape.second.what != place::NONE).then(|| target(b"/work/repo/src/lib.rs")),
            text: (shape.text != NO).then(|| text(b"text")),
        }),
    )
}

/// A signal to a process of no agent, or of this one.
pub(crate) fn signal(signal: SignalName, other_agent: Option<AgentId>) -> Detail {
    Detail::Signal(Signal {
        signal,
        code: 0,
        other: ProcessKey { tgid: 812, start_ns: 0x1_0001 },
        other_comm: *b"postgres\0\0\0\0\0\0\0\0",
        other_agent,
        received: false,
        thread: None,
        delivery: Delivery::Delivered,
        to_monitor: false,
        from_monitor: false,
    })
}

/// A cgroup that was frozen, by the agent or by somebody else.
pub(crate) fn frozen(by_member: bool) -> Detail {
    Detail::CgroupState(CgroupState { cgroup: CgroupId(7), path: text(b"/agents.slice/sub"), action: CgroupAction::Frozen, by_member })
}

/// The question for an address of example.com, or the answer.
pub(crate) fn asked(answer: Option<&str>) -> Detail {
    let (own, resolver) = ("10.0.3.17:40000".parse().unwrap(), "10.0.0.53:53".parse().unwrap());
    let question = Question { name: Bytes::from_static(b"example.com"), rtype: 1, class: 1 };
    let answers = answer.map(|address| Answer {
        rtype: 1,
        class: 1,
        ttl_s: 300,
        data: Bytes::copy_from_slice(address.as_bytes()),
        address: address.parse().ok(),
    });
    let message = Message {
        id: 0x1234,
        is_answer: answer.is_some(),
        opcode: 0,
        rcode: 0,
        question: Some(question),
        answer_count: u16::from(answers.is_some()),
        answers: answers.into_iter().collect(),
        is_broken: false,
    };
    let (from, to) = if answer.is_some() { (resolver, own) } else { (own, resolver) };
    Detail::Dns(Dns { from, to, outbound: answer.is_none(), protocol: 17, bytes: 29, message: Some(message) })
}

/// One operation of each kind, in the order of [`Kind::ALL`].
pub(crate) fn every_kind() -> Vec<Sample> {
    let moved = || Cgroup { to: CgroupId(7), path: text(b"/elsewhere"), mover_tgid: 4711, born: false };
    Kind::ALL
        .into_iter()
        .map(|kind| match kind {
            Kind::Exec => sample("execve", Detail::Exec(program("/usr/bin/curl", b"curl\0-s\0https://example.com/i.sh\0"))),
            Kind::Fork => sample(
                "fork",
                Detail::Fork(crate::event::Fork {
                    child: ProcessKey { tgid: 4713, start_ns: 0x5f2c_a001 },
                    child_ppid: 4712,
                    child_cgroup: CgroupId(41233),
                }),
            ),
            Kind::Exit => sample("exit", Detail::Exit(Exit { status: 0 })),
            Kind::Open => sample("openat", open(b"/home/agent/.aws/credentials", 0o2_000_000)),
            Kind::Connect => sample("connect", connect(inet("93.184.215.14:443"))),
            Kind::Unlink => sample(
                "unlinkat",
                Detail::Unlink(Unlink {
                    path: Path { trust: PathTrust::Joined, ..path(b"/work/repo/src/main.rs") },
                    asked: text(b"src/main.rs"),
                    asked_at_enter: None,
                    directory: false,
                    file: FileId::default(),
                }),
            ),
            Kind::Identity => sample(
                "setuid",
                Detail::Identity(Identity { args: [0, 0, 0], uids: [1001; 4], gids: [1001; 4], cap_effective: 0, cap_permitted: 0 }),
            ),
            Kind::CgroupLeave => sample("cgroup_leave", Detail::CgroupLeave(moved())),
            Kind::CgroupJoin => sample("cgroup_join", Detail::CgroupJoin(moved())),
            Kind::ProcessSeen => sample("process_seen", Detail::ProcessSeen(program("/usr/bin/curl", b""))),
            Kind::Signal => sample("kill", signal(SignalName::TERM, None)),
            Kind::CgroupState => sample("cgroup_freeze", frozen(true)),
            Kind::ThreadName => {
                let name = ThreadName::new(4712, *b"curl\0\0\0\0\0\0\0\0\0\0\0\0", *b"sshd\0\0\0\0\0\0\0\0\0\0\0\0");
                sample("prctl", Detail::ThreadName(name))
            }
            Kind::UnknownSyscall => sample("unknown_syscall", Detail::UnknownCall(UnknownCall { number: 470 })),
            Kind::Argv => sample("prctl", Detail::Argv(Argv { option: 9, argv: text(b"sshd\0-D\0") })),
            Kind::Flow => {
                let (peer, local) = ("93.184.215.14:443".parse().unwrap(), "10.0.3.17:51514".parse().unwrap());
                sample("flow", Detail::Flow(Flow { peer, local, inbound: false, bytes_in: 1256, bytes_out: 517 }))
            }
            Kind::Capability => sample(
                "capability_use",
                Detail::Capability(Capability { number: 21, call: Some("sethostname"), in_initial_namespace: true }),
            ),
            Kind::Dns => sample("dns_egress", asked(None)),
            Kind::Resolved => sample(
                "security_path_rename",
                Detail::Resolved(Resolved {
                    kind: Kind::Rename,
                    hook: 2,
                    args: [0, 0],
                    file: FileId { major: 8, minor: 1, ino: 77, mode: 0o100_644, nlink: 1 },
                    path: path(b"/work/repo/src/main.rs"),
                    second: Some(path(b"/work/gone")),
                    replaced: FileId::default(),
                    text: None,
                    by_worker: true,
                }),
            ),
            Kind::Bind | Kind::Listen | Kind::Accept | Kind::Socket | Kind::Send => socket(kind),
            Kind::Netlink => {
                let change = Change::Message { protocol: 12, message: 0x0a02, flags: 5 };
                sample("sendmsg", Detail::Netlink(NetworkChange { change, fd: 5 }))
            }
            kind => called(kind),
        })
        .collect()
}

pub(crate) fn rule<'a>(tags: &'a [String], level: u8, action: &'a str) -> MatchView<'a> {
    MatchView {
        id: "cred-file-read",
        title: "Credential file read by an agent",
        level,
        class: Some("credentials"),
        action,
        observed: false,
        tags,
        count: None,
    }
}

pub(crate) fn breaker(agent: &Agent) -> BreakerView<'_> {
    BreakerView {
        timestamp_ns: 558_577_123_456,
        agent,
        action: Command::Freeze,
        by: "rule:cred-exfil",
        reason: "Credential read then connect",
        command: "c-31",
        process: Some(ProcessRef { key: ProcessKey { tgid: 4712, start_ns: 0x5f2c_9f31 }, execs: 1 }),
        cgroup: "/agents.slice/claude-7f3a.scope",
        latency: Duration::from_micros(3105),
        tasks: Some(14),
        verified: Some(true),
        error: None,
    }
}
