//! Values of fields: where in an operation each stands.
//!
//! Bytes are borrowed from the event where they are bytes there. Not for: which fields there are (`super::field`).

use super::audit;
use super::field::Field;
use super::joined::Joined;
use super::time;
use crate::event::constants::{constant, prctl_option};
use crate::event::dns::type_name;
use crate::event::{
    AT_REMOVEDIR, Address, Call, Detail, Dns, Exec, Flow, Kind, NetworkChange, Path, PathTrust, Resolved, Signal, Socket, Uring, flags,
};
use crate::process::Operation;
use agentmon_common::syscalls::X32_BIT;
use agentmon_common::uring::opcode;
use std::fmt::Write as _;
use std::net::IpAddr;

/// `IPPROTO_TCP`.
const TCP: u16 = 6;

/// The program an operation is about: of an exec the one executed, else the one that runs.
pub(super) fn image<'a>(operation: &Operation<'a>) -> Option<&'a Exec> {
    match &operation.event.detail {
        Detail::Exec(exec) => Some(exec),
        _ => operation.process.image.as_deref(),
    }
}

/// A field's value: borrowed, or short and made here.
pub(super) enum Value<'a> {
    Bytes(&'a [u8]),
    Short(Short),
}

impl Value<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Short(short) => &short.bytes[..short.len],
        }
    }
}

/// A number or an address as text, without the heap.
pub(super) struct Short {
    bytes: [u8; 112],
    len: usize,
}

impl std::fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

pub(super) fn short(value: impl std::fmt::Display) -> Option<Value<'static>> {
    let mut short = Short { bytes: [0; 112], len: 0 };
    write!(short, "{value}").ok()?;
    Some(Value::Short(short))
}

pub(super) fn word(word: &'static str) -> Option<Value<'static>> {
    Some(Value::Bytes(word.as_bytes()))
}

fn truth(truth: bool) -> Option<Value<'static>> {
    word(if truth { "true" } else { "false" })
}

/// Bytes that are absent when empty.
pub(super) fn some(bytes: &[u8]) -> Option<Value<'_>> {
    (!bytes.is_empty()).then_some(Value::Bytes(bytes))
}

/// How far a path can be believed; absent when there is none.
fn trust(path: &Path) -> Option<Value<'static>> {
    if path.bytes.is_empty() {
        return None;
    }
    word(match path.trust {
        PathTrust::Resolved => "resolved",
        PathTrust::Joined => "joined",
        PathTrust::Partial => "partial",
    })
}

fn user(uid: u32) -> Option<Value<'static>> {
    if uid == 0 { word("root") } else { short(uid) }
}

/// The value of a field, or `None` when the operation has none.
pub(super) fn value<'a>(field: Field, operation: &Operation<'a>, joined: &'a Joined) -> Option<Value<'a>> {
    let event = operation.event;
    match field {
        Field::Image => some(&image(operation)?.exe.bytes),
        Field::CommandLine => some(&joined.own),
        Field::CurrentDirectory => some(&image(operation)?.cwd.bytes),
        Field::ParentImage => some(&operation.parent?.image.as_deref()?.exe.bytes),
        Field::ParentCommandLine => some(&joined.parent),
        Field::AncestorImages => some(&joined.ancestors),
        Field::ParentUser => user(operation.parent?.euid),
        Field::User => user(event.euid),
        Field::Uid => short(event.uid),
        Field::ProcessId => short(event.process.tgid),
        Field::ParentProcessId => short(event.ppid),
        Field::AgentName => Some(Value::Bytes(operation.agent.name.as_bytes())),
        Field::SessionId => Some(Value::Bytes(operation.agent.session.as_bytes())),
        Field::Syscall => match &event.detail {
            Detail::Capability(capability) => word(capability.call?),
            _ => word(event.operation),
        },
        Field::Outcome if event.has(flags::SUBMITTED) => word("submitted"),
        Field::Outcome => word(event.outcome.error_name().unwrap_or("success")),
        Field::Comm => some(event.comm()),
        Field::EventKind => word(event.kind().name()),
        Field::PathMismatch if event.has(flags::DAEMONS) => truth(event.has(flags::MISMATCH)),
        Field::EventTime => {
            let mut short = Short { bytes: [0; 112], len: 0 };
            time::write(joined.clock.epoch_ns(event.timestamp_ns), &mut short)?;
            Some(Value::Short(short))
        }
        Field::NewCommandLine => some(&joined.moved),
        Field::QueryResults => some(&joined.results),
        Field::DestinationHostname => some(operation.hostname?),
        Field::TargetFilename => Some(Value::Bytes(&event.target()?.bytes)),
        Field::PathTrust => trust(event.target()?),
        Field::SourceFilename if event.source().is_some() => Some(Value::Bytes(&event.source()?.bytes)),
        Field::TargetInWorkdir => truth(operation.target_in_workdir()?),
        Field::TargetCreatedByAgent => truth(operation.target_made_by_agent()?),
        Field::TargetIsSelf => truth(operation.target_is_self()?),
        Field::TargetAllowed => truth(operation.target_allowed()?),
        Field::ImageTrusted => truth(operation.image_trusted()?),
        Field::ImageAllowed => truth(operation.agent.allowed.runs(&image(operation)?.exe.bytes)?),
        Field::ImageFirstSeen => truth(operation.is_first_run()?),
        Field::DestinationAllowed => truth(operation.destination_allowed()?),
        Field::DestinationFirstSeen => truth(operation.is_first_reach()?),
        Field::Audit(field) => audit::value(field, operation, joined),
        _ => particular(field, operation),
    }
}

/// The value of a field that one kind of event has.
fn particular<'a>(field: Field, operation: &Operation<'a>) -> Option<Value<'a>> {
    let event = operation.event;
    match &event.detail {
        Detail::Exec(exec) => match field {
            Field::Filename => some(&exec.filename.bytes),
            Field::Script => some(&exec.script.as_ref()?.bytes),
            Field::Fileless => truth(exec.is_fileless()),
            Field::Argc => short(exec.argc),
            Field::Truncated => truth(exec.argv.is_truncated() || event.has(flags::TRUNCATED)),
            _ => None,
        },
        Detail::Open(open) => match field {
            Field::TargetType => word(file_type(open.file.mode)?),
            Field::ForWriting => truth(open.for_writing()),
            Field::AskedFilename => some(&open.asked.bytes),
            Field::Truncates => truth(open.truncates()),
            _ => None,
        },
        Detail::Unlink(unlink) => match field {
            Field::Directory => truth(unlink.directory),
            _ => None,
        },
        Detail::Socket(socket) => match field {
            Field::BindAllowed => truth(operation.bind_allowed()?),
            field => attached(field, socket),
        },
        Detail::Netlink(netlink) => changed(field, netlink),
        Detail::Identity(identity) => match field {
            Field::NewUid => short(identity.uids[0]),
            Field::NewEuid => short(identity.uids[1]),
            Field::OldEuid => short(operation.process.euid_before),
            Field::NewGid => short(identity.gids[0]),
            Field::NewEgid => short(identity.gids[1]),
            Field::CapEffective => short(format_args!("{:016x}", identity.cap_effective)),
            Field::RequestName => short(prctl_option(event.operation, identity.args)?),
            _ => None,
        },
        Detail::Uring(uring) => requested(field, uring, event.operation),
        Detail::Resolved(it) => resolved(field, it),
        Detail::Signal(signal) => match field {
            Field::TargetInAgent => truth(operation.signals_agent(signal)),
            field => signalled(field, signal),
        },
        Detail::Call(call) => match field {
            Field::TargetInAgent => truth(operation.reaches_agent(call)?),
            field => called(field, call),
        },
        Detail::CgroupState(state) => match field {
            Field::CgroupAction => word(state.action.name()),
            Field::TargetCgroup => some(&state.path.bytes),
            _ => None,
        },
        Detail::ThreadName(name) => match field {
            Field::OldName => some(name.before()),
            Field::NewName => some(name.after()),
            _ => None,
        },
        Detail::Flow(flow) => flowed(field, flow),
        Detail::Dns(dns) => asked(field, dns),
        Detail::Capability(capability) => match field {
            Field::Capability => short(capability),
            Field::InInitialNamespace => truth(capability.in_initial_namespace),
            _ => None,
        },
        Detail::UnknownCall(call) => match field {
            Field::SyscallNumber => short(call.number),
            Field::SyscallAbi if event.has(flags::COMPAT) => word("i386"),
            Field::SyscallAbi => word(if call.number & X32_BIT != 0 { "x32" } else { "x86_64" }),
            _ => None,
        },
        Detail::CgroupLeave(cgroup) => match field {
            Field::ToCgroup => some(&cgroup.path.bytes),
            Field::Born => truth(cgroup.born),
            _ => None,
        },
        _ => None,
    }
}

fn flowed(field: Field, flow: &Flow) -> Option<Value<'static>> {
    let (from, to) = flow.from_to();
    match field {
        Field::DestinationIp => short(to.ip().to_canonical()),
        Field::DestinationPort => short(to.port()),
        Field::SourceIp => short(from.ip().to_canonical()),
        Field::SourcePort => short(from.port()),
        Field::Initiated => truth(!flow.inbound),
        Field::BytesOut => short(flow.bytes_out),
        Field::BytesIn => short(flow.bytes_in),
        _ => None,
    }
}

fn asked(field: Field, dns: &Dns) -> Option<Value<'_>> {
    let message = dns.message.as_ref();
    let question = || message.and_then(|message| message.question.as_ref());
    match field {
        Field::QueryName => some(&question()?.name),
        Field::QueryType => type_name(question()?.rtype).map_or_else(|| short(question()?.rtype), word),
        Field::QueryStatus => message.filter(|message| message.is_answer).and_then(|message| short(status(message.rcode))),
        Field::DnsType => word(message.map_or("malformed", |message| if message.is_answer { "answer" } else { "query" })),
        Field::DestinationIp => short(dns.to.ip().to_canonical()),
        Field::DestinationPort => short(dns.to.port()),
        Field::SourceIp => short(dns.from.ip().to_canonical()),
        Field::SourcePort => short(dns.from.port()),
        Field::Initiated => truth(dns.outbound),
        Field::Protocol => word(if dns.protocol == TCP { "tcp" } else { "udp" }),
        _ => None,
    }
}

/// A response code as Windows numbers it (`DNS_ERROR_RCODE_*`), which is what Sigma's rules compare with.
const fn status(rcode: u8) -> u32 {
    if rcode == 0 { 0 } else { 9000 + rcode as u32 }
}

fn requested<'a>(field: Field, uring: &'a Uring, operation: &'static str) -> Option<Value<'a>> {
    let text = || uring.text.as_ref().and_then(|text| some(&text.bytes));
    match (field, &uring.peer) {
        (Field::Opcode, _) => word(operation.strip_prefix("io_uring_").unwrap_or(operation)),
        (Field::SourceFilename, _) if uring.opcode == opcode::SYMLINKAT => text(),
        (Field::TargetType, _) => word(file_type(uring.file.mode)?),
        (Field::ForWriting, _) => truth(uring.for_writing()),
        (Field::Directory, _) => truth(uring.arg("flags")? & AT_REMOVEDIR != 0),
        (Field::AttributeName, _) => text(),
        (Field::Mode, _) => short(format_args!("{:04o}", uring.arg("mode")? & 0o7777)),
        (Field::Flags, _) => short(format_args!("{:#x}", uring.arg("flags")? & 0xffff_ffff)),
        (Field::Request, _) => short(format_args!("{:#x}", uring.arg("command")?)),
        (Field::DestinationIp, Some(Address::Inet(peer))) => short(peer.ip().to_canonical()),
        (Field::DestinationPort, Some(Address::Inet(peer))) => short(peer.port()),
        (Field::Initiated, Some(Address::Inet(_))) => truth(true),
        (Field::TargetSocket, Some(Address::UnixPath(path))) => some(&path.bytes),
        (Field::TargetSocket, Some(Address::UnixAbstract(name))) => Some(abstract_name(&name.bytes)),
        _ => None,
    }
}

fn resolved(field: Field, it: &Resolved) -> Option<Value<'_>> {
    let id = |name| it.arg(name).filter(|id| *id != u32::MAX).and_then(short);
    match field {
        Field::SourceFilename if it.kind == Kind::Symlink => some(&it.text.as_ref()?.bytes),
        Field::TargetType => word(file_type(it.file.mode)?),
        Field::Directory => truth(it.is_directory()),
        Field::Mode => short(format_args!("{:04o}", it.arg("mode")? & 0o7777)),
        Field::Flags => short(format_args!("{:#x}", it.arg("flags")?)),
        Field::NewOwner => id("uid"),
        Field::NewGroup => id("gid"),
        _ => None,
    }
}

fn signalled(field: Field, signal: &Signal) -> Option<Value<'_>> {
    match field {
        Field::Signal => short(signal.signal),
        Field::SignalCode => signal.code_name().map_or_else(|| short(signal.code), word),
        Field::TargetProcessId => short(signal.other.tgid),
        Field::TargetIsMonitor => truth(signal.to_monitor),
        Field::TargetComm => some(signal.other_comm()),
        _ => None,
    }
}

fn called(field: Field, call: &Call) -> Option<Value<'_>> {
    let text = || call.text.as_ref().and_then(|text| some(&text.bytes));
    // -1 leaves the id as it is.
    let id = |name| call.arg(name).map(|id| id as u32).filter(|id| *id != u32::MAX).and_then(short);
    let hex = |name| call.arg(name).and_then(|bits| short(format_args!("{:#x}", bits & 0xffff_ffff)));
    match field {
        Field::SourceFilename if call.kind == Kind::Symlink => text(),
        Field::TargetType => word(file_type(call.file.mode)?),
        Field::Mode => short(format_args!("{:04o}", call.arg("mode")? & 0o7777)),
        Field::NewOwner => id("uid"),
        Field::NewGroup => id("gid"),
        Field::AttributeName if call.kind == Kind::Xattr => text(),
        Field::FilesystemType if call.kind == Kind::Mount => text(),
        Field::Name => text(),
        Field::FileFlags => hex("file_flags"),
        Field::TargetProcessId => short(call.arg("target_pid")? as i32),
        Field::Flags => hex("flags"),
        Field::Request => hex(call.request()?.0),
        Field::RequestName => {
            let (name, value) = call.request()?;
            short(constant(call.op, name, value)?)
        }
        Field::Modified => call.shown_args().find(|(name, _)| *name == "modified").and_then(|(_, value)| short(value)),
        _ => None,
    }
}

fn attached(field: Field, socket: &Socket) -> Option<Value<'_>> {
    let (from, to) = if socket.is_outbound() { (&socket.local, &socket.peer) } else { (&socket.peer, &socket.local) };
    let ip = |address: &Address| short(address.inet()?.ip().to_canonical());
    let port = |address: &Address| short(address.inet()?.port());
    let named = |name: Option<&'static str>, number: u16| name.map_or_else(|| short(number), word);
    match field {
        Field::DestinationIp => ip(to),
        Field::DestinationPort => port(to),
        Field::SourceIp => ip(from),
        Field::SourcePort => port(from),
        Field::BindIp => ip(&socket.local),
        Field::BindPort => port(&socket.local),
        Field::BindLoopback => truth(socket.local.inet()?.ip().to_canonical().is_loopback()),
        Field::Initiated => truth(socket.is_outbound()),
        Field::SocketFamily => named(socket.family_name(), socket.family),
        Field::SocketType => named(socket.type_name(), socket.sock_type),
        // Of other families a number says nothing of TCP or UDP.
        Field::Protocol if !matches!(socket.family, 2 | 10) => short(socket.protocol),
        Field::Protocol => match (socket.protocol, socket.sock_type) {
            (6, _) | (0, 1) => word("tcp"),
            (17, _) | (0, 2) => word("udp"),
            (number, _) => short(number),
        },
        Field::TargetSocket => match socket.about() {
            Address::UnixPath(path) => some(&path.bytes),
            Address::UnixAbstract(name) => Some(abstract_name(&name.bytes)),
            _ => None,
        },
        _ => None,
    }
}

fn changed(field: Field, netlink: &NetworkChange) -> Option<Value<'_>> {
    match field {
        Field::NetlinkProtocol => word(netlink.change.protocol()?),
        Field::NetlinkType => short(netlink.change),
        _ => None,
    }
}

/// `@` and the name, as `ss` and `/proc/net/unix` show it. `sun_path` has 108 bytes, so it fits.
fn abstract_name(name: &[u8]) -> Value<'static> {
    let mut short = Short { bytes: [0; 112], len: 1 };
    short.bytes[0] = b'@';
    for (to, from) in short.bytes[1..].iter_mut().zip(name) {
        *to = *from;
        short.len += 1;
    }
    Value::Short(short)
}

fn file_type(mode: u32) -> Option<&'static str> {
    Some(match mode & 0o170_000 {
        0o100_000 => "regular",
        0o040_000 => "directory",
        0o060_000 => "block",
        0o020_000 => "char",
        0o010_000 => "fifo",
        0o140_000 => "socket",
        0o120_000 => "symlink",
        _ => return None,
    })
}

/// An address that a rule compares as such.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
