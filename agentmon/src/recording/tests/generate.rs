//! Events of every kind, with whatever a record could say: bytes that are no text, numbers at their ends.

use crate::event::dns::{Answer, Message, Question};
use crate::event::{
    Address, AgentId, Argv, Call, Capability, Cgroup, CgroupAction, CgroupId, CgroupState, Change, Delivery, Detail, Dns, Event, Exec,
    Exit, FileId, Flow, Fork, Identity, Kind, NetworkChange, Open, Outcome, Path, PathTrust, ProcessKey, Resolved, Signal, SignalName,
    Socket, Target, Text, ThreadName, UnknownCall, Unlink, Uring,
};
use agentmon_common::hooks::HOOKS;
use agentmon_common::syscalls::{NAMES, SHAPES};
use agentmon_common::uring;
use bytes::Bytes;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop, prop_oneof};
use proptest::sample::select;
use std::net::{IpAddr, SocketAddr};

/// Bytes: text, text that steers, NULs, anything.
fn bytes() -> BoxedStrategy<Bytes> {
    prop_oneof![
        "[a-z/.]{0,12}".prop_map(Bytes::from),
        any::<String>().prop_map(Bytes::from),
        prop::collection::vec(any::<u8>(), 0..24).prop_map(Bytes::from),
        prop::collection::vec(prop_oneof![Just(0_u8), Just(b'a'), Just(0xff)], 0..6).prop_map(Bytes::from),
        Just(Bytes::from("\u{202e}\u{9b}\x7f\x1b[2J")),
    ]
    .boxed()
}

fn text() -> BoxedStrategy<Text> {
    (bytes(), prop_oneof![Just(0_u32), Just(1), 0..100_000_u32])
        .prop_map(|(bytes, missing)| Text { original: u32::try_from(bytes.len()).unwrap() + missing, bytes })
        .boxed()
}

fn path() -> BoxedStrategy<Path> {
    (bytes(), select(vec![PathTrust::Resolved, PathTrust::Joined, PathTrust::Partial]))
        .prop_map(|(bytes, trust)| Path { bytes, trust })
        .boxed()
}

fn file() -> BoxedStrategy<FileId> {
    prop_oneof![
        Just(FileId::default()),
        any::<(u32, u32, u64, u32, u32)>().prop_map(|(major, minor, ino, mode, nlink)| FileId { major, minor, ino, mode, nlink })
    ]
    .boxed()
}

fn target() -> BoxedStrategy<Target> {
    (path(), text(), option::of(text())).prop_map(|(path, asked, at_enter)| Target { path, asked, at_enter }).boxed()
}

fn end() -> BoxedStrategy<SocketAddr> {
    any::<(IpAddr, u16)>().prop_map(|(ip, port)| SocketAddr::new(ip, port)).boxed()
}

fn address() -> BoxedStrategy<Address> {
    prop_oneof![
        end().prop_map(Address::Inet),
        text().prop_map(Address::UnixPath),
        text().prop_map(Address::UnixAbstract),
        text().prop_map(Address::Other),
        Just(Address::Disconnect),
        Just(Address::Unknown),
    ]
    .boxed()
}

fn key() -> BoxedStrategy<ProcessKey> {
    any::<(u32, u64)>().prop_map(|(tgid, start_ns)| ProcessKey { tgid, start_ns }).boxed()
}

fn exec() -> BoxedStrategy<Exec> {
    (path(), file(), text(), option::of(text()), path(), text(), any::<u32>())
        .prop_map(|(exe, file, filename, script, cwd, argv, argc)| Exec { exe, file, filename, script, cwd, argv, argc })
        .boxed()
}

fn cgroup() -> BoxedStrategy<Cgroup> {
    (any::<u64>(), text(), any::<u32>(), any::<bool>())
        .prop_map(|(to, path, mover_tgid, born)| Cgroup { to: CgroupId(to), path, mover_tgid, born })
        .boxed()
}

fn signal() -> BoxedStrategy<Signal> {
    let delivery = select(vec![Delivery::Delivered, Delivery::Ignored, Delivery::Pending, Delivery::Lost, Delivery::Bare]);
    (any::<(u32, i32, [u8; 16], Option<u32>, Option<u32>)>(), key(), any::<(bool, bool, bool)>(), delivery)
        .prop_map(|((signal, code, other_comm, agent, thread), other, (received, to_monitor, from_monitor), delivery)| Signal {
            signal: SignalName(signal),
            code,
            other,
            other_comm,
            other_agent: agent.map(AgentId),
            received,
            thread,
            delivery,
            to_monitor,
            from_monitor,
        })
        .boxed()
}

fn socket() -> BoxedStrategy<Socket> {
    let kind = select(vec![Kind::Connect, Kind::Bind, Kind::Listen, Kind::Accept, Kind::Socket, Kind::Send]);
    (kind, address(), address(), option::of(address()), option::of(address()), any::<(bool, u16, u16, u32, i32, u32, u32)>())
        .prop_map(|(kind, peer, local, at_exit, asked, (from_kernel, family, sock_type, protocol, fd, count, send_flags))| Socket {
            kind,
            peer,
            local,
            at_exit,
            from_kernel,
            asked,
            family,
            sock_type,
            protocol,
            fd,
            count,
            send_flags,
        })
        .boxed()
}

fn message() -> BoxedStrategy<Message> {
    let question = (bytes(), any::<(u16, u16)>()).prop_map(|(name, (rtype, class))| Question { name, rtype, class });
    let answer = (bytes(), any::<(u16, u16, u32, Option<IpAddr>)>()).prop_map(|(data, (rtype, class, ttl_s, address))| Answer {
        rtype,
        class,
        ttl_s,
        data,
        address,
    });
    (any::<(u16, bool, u8, u8, u16, bool)>(), option::of(question), prop::collection::vec(answer, 0..3))
        .prop_map(|((id, is_answer, opcode, rcode, answer_count, is_broken), question, answers)| Message {
            id,
            is_answer,
            opcode,
            rcode,
            question,
            answers,
            answer_count,
            is_broken,
        })
        .boxed()
}

fn call() -> BoxedStrategy<Detail> {
    let ops: Vec<usize> = (0..SHAPES.len()).filter(|op| !NAMES[*op].is_empty() && kind_of(SHAPES[*op].kind).is_some()).collect();
    (select(ops), any::<[u64; 4]>(), file(), target(), option::of(target()), option::of(text()))
        .prop_map(|(op, args, file, target, second, text)| {
            let kind = kind_of(SHAPES[op].kind).unwrap();
            Detail::Call(Call { kind, op: u8::try_from(op).unwrap(), args, file, target, second, text })
        })
        .boxed()
}

fn kind_of(number: u16) -> Option<Kind> {
    Kind::from_number(number)
}

fn resolved() -> BoxedStrategy<Detail> {
    (0..HOOKS.len(), any::<[u32; 2]>(), file(), path(), option::of(path()), file(), option::of(text()), any::<bool>())
        .prop_map(|(hook, args, file, path, second, replaced, text, by_worker)| {
            let kind = kind_of(HOOKS[hook].kind).unwrap();
            Detail::Resolved(Resolved { kind, hook: u32::try_from(hook).unwrap(), args, file, path, second, replaced, text, by_worker })
        })
        .boxed()
}

fn uring() -> BoxedStrategy<Detail> {
    let opcodes: Vec<u8> = (0..=u8::MAX).filter(|opcode| uring::named(*opcode).is_some()).collect();
    let places = (file(), target(), option::of(target()), option::of(text()), option::of(address()));
    (select(opcodes), any::<([u64; 3], i32, bool)>(), places)
        .prop_map(|(opcode, (args, fd, from_kernel), (file, target, second, text, peer))| {
            Detail::Uring(Uring { opcode, args, fd, file, target, second, text, peer, from_kernel })
        })
        .boxed()
}

fn network() -> BoxedStrategy<Detail> {
    let change = prop_oneof![
        any::<(u32, u16, u16)>().prop_map(|(protocol, message, flags)| Change::Message { protocol, message, flags }),
        any::<(u32, u32)>().prop_map(|(level, option)| Change::Option { level, option }),
    ];
    prop_oneof![
        socket().prop_map(Detail::Socket),
        (change, any::<i32>()).prop_map(|(change, fd)| Detail::Netlink(NetworkChange { change, fd })),
        (end(), end(), any::<(bool, u64, u64)>()).prop_map(|(peer, local, (inbound, bytes_in, bytes_out))| Detail::Flow(Flow {
            peer,
            local,
            inbound,
            bytes_in,
            bytes_out
        })),
        (end(), end(), any::<(bool, u16, u32)>(), option::of(message()))
            .prop_map(|(from, to, (outbound, protocol, bytes), message)| Detail::Dns(Dns { from, to, outbound, protocol, bytes, message })),
    ]
    .boxed()
}

fn process() -> BoxedStrategy<Detail> {
    let identity = any::<([u64; 3], [u32; 4], [u32; 4], u64, u64)>().prop_map(|(args, uids, gids, cap_effective, cap_permitted)| {
        Detail::Identity(Identity { args, uids, gids, cap_effective, cap_permitted })
    });
    let action = select(vec![CgroupAction::Made, CgroupAction::Removed, CgroupAction::Frozen, CgroupAction::Thawed]);
    prop_oneof![
        exec().prop_map(Detail::Exec),
        exec().prop_map(Detail::ProcessSeen),
        (key(), any::<(u32, u64)>()).prop_map(|(child, (child_ppid, cgroup))| Detail::Fork(Fork {
            child,
            child_ppid,
            child_cgroup: CgroupId(cgroup)
        })),
        any::<u32>().prop_map(|status| Detail::Exit(Exit { status })),
        identity,
        cgroup().prop_map(Detail::CgroupLeave),
        cgroup().prop_map(Detail::CgroupJoin),
        signal().prop_map(Detail::Signal),
        (any::<u64>(), text(), action, any::<bool>()).prop_map(|(cgroup, path, action, by_member)| Detail::CgroupState(CgroupState {
            cgroup: CgroupId(cgroup),
            path,
            action,
            by_member
        })),
        any::<(u32, [u8; 16], [u8; 16])>().prop_map(|(thread, before, after)| Detail::ThreadName(ThreadName::new(thread, before, after))),
        any::<u32>().prop_map(|number| Detail::UnknownCall(UnknownCall { number })),
        (any::<u32>(), text()).prop_map(|(option, argv)| Detail::Argv(Argv { option, argv })),
        (any::<(u32, bool)>(), option::of(select(vec!["mount", "kill"])))
            .prop_map(|((number, initial), call)| Detail::Capability(Capability { number, call, in_initial_namespace: initial })),
    ]
    .boxed()
}

fn paths() -> BoxedStrategy<Detail> {
    prop_oneof![
        (path(), text(), file(), any::<(u64, u32, bool)>()).prop_map(|(path, asked, file, (open_flags, create_mode, created))| {
            Detail::Open(Open { path, asked, file, open_flags, create_mode, created })
        }),
        (path(), text(), option::of(text()), any::<bool>(), file()).prop_map(|(path, asked, asked_at_enter, directory, file)| {
            Detail::Unlink(Unlink { path, asked, asked_at_enter, directory, file })
        }),
        call(),
        resolved(),
        uring(),
    ]
    .boxed()
}

/// Any event that the decoder could make.
pub fn event() -> BoxedStrategy<Event> {
    let operations: Vec<&'static str> = NAMES.into_iter().filter(|name| !name.is_empty()).chain(["fork", "tgkill", "dns_egress"]).collect();
    let about = (key(), any::<(u64, u32, u32, u64, u32, u32)>(), 1..=u32::MAX, any::<[u8; 16]>(), select(operations));
    let counts = any::<(i64, u16, u16, u64, u32, u64)>();
    (about, counts, 1..=u64::MAX, prop_oneof![process(), paths(), network()])
        .prop_map(
            |(
                (process, (timestamp_ns, tid, ppid, cgroup, uid, euid), agent, comm, operation),
                (outcome, flags, slot, seq, lost_before, resolved_ns),
                repeated,
                detail,
            )| Event {
                timestamp_ns,
                process,
                tid,
                ppid,
                agent: AgentId(agent),
                cgroup: CgroupId(cgroup),
                uid,
                euid,
                comm,
                outcome: Outcome(outcome),
                repeated,
                flags,
                operation,
                slot,
                seq,
                lost_before,
                resolved_ns,
                detail,
            },
        )
        .boxed()
}
