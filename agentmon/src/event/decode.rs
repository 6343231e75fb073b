//! The one place where bytes of the kernel become values.
//!
//! A record is an allegation: every length, offset and number is checked, and what does not fit is an error, never a
//! panic. Not for: joining what is true only together with other events (`crate::process`).

use super::path::{from_components, join};
use super::{
    AT_REMOVEDIR, AgentId, Cgroup, CgroupId, Delivery, Detail, Event, Exec, Exit, FileId, Fork, Identity, Kind, Open, Outcome, Path,
    ProcessKey, Signal, SignalName, Target, Text, Unlink, Uring, flags,
};
use agentmon_common::record::{
    CallFixed, CgroupFixed, ExecFixed, ExitFixed, FileId as WireFile, ForkFixed, Header, IdentityFixed, OpenFixed, PlaceFixed, SignalFixed,
    Span, UringFixed, kind, signal_bits,
};
use agentmon_common::syscalls::{self, op};
use agentmon_common::uring;
use bytes::Bytes;
use thiserror::Error;
use zerocopy::FromBytes;

/// Why a record is not one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Shorter than its header or its fixed part.
    #[error("record of {0} bytes is too short for its kind")]
    Short(usize),
    /// The header says another length than there are bytes.
    #[error("record says {said} bytes and has {has}")]
    Length {
        /// What the header says.
        said: u32,
        /// What there is.
        has: usize,
    },
    /// A kind this build does not know.
    #[error("unknown kind {0}")]
    Kind(u16),
    /// Agent number 0, or a value out of its range.
    #[error("{0} out of range")]
    Value(&'static str),
    /// A span that does not lie in the tail.
    #[error("span {offset}+{len} lies outside a record of {has} bytes")]
    Span {
        /// Where it is said to start.
        offset: u32,
        /// How long it is said to be.
        len: u32,
        /// Bytes of the record.
        has: usize,
    },
}

/// `FMODE_CREATED` of `file->f_mode` (`include/linux/fs.h`).
const FMODE_CREATED: u32 = 1 << 20;
/// `__O_TMPFILE` (`include/uapi/asm-generic/fcntl.h`).
const O_TMPFILE: u64 = 0o20_000_000;

/// A record in parts: header, and the whole for its spans.
struct Record<'a> {
    bytes: &'a Bytes,
    header: Header,
}

/// Decodes one record.
///
/// # Errors
/// Says what does not fit; the record is then to be counted and dropped.
pub fn decode(bytes: &Bytes) -> Result<Event, DecodeError> {
    let (header, _) = Header::read_from_prefix(bytes).map_err(|_| DecodeError::Short(bytes.len()))?;
    if header.len as usize != bytes.len() {
        return Err(DecodeError::Length { said: header.len, has: bytes.len() });
    }
    if header.agent == 0 {
        return Err(DecodeError::Value("agent"));
    }
    let kind = Kind::from_number(header.kind).ok_or(DecodeError::Kind(header.kind))?;
    let record = Record { bytes, header };
    let detail = record.detail(kind)?;
    Ok(Event {
        timestamp_ns: header.timestamp_ns,
        process: ProcessKey { tgid: header.tgid, start_ns: header.start_ns },
        tid: header.tid,
        ppid: header.ppid,
        agent: AgentId(header.agent),
        cgroup: CgroupId(header.cgroup_id),
        uid: header.uid,
        euid: header.euid,
        comm: header.comm,
        outcome: outcome(header.ret),
        repeated: record.repeated()?,
        flags: header.flags & !(flags::REPEATED | flags::DAEMONS) | changed_peer(&detail, header.flags),
        operation: operation(&header, kind, &detail),
        slot: header.slot,
        seq: header.seq,
        lost_before: header.lost_before,
        resolved_ns: record.resolved_ns(&detail),
        detail,
    })
}

/// Kind number of a record that may not decode, for counting.
#[must_use]
pub fn kind_number(bytes: &[u8]) -> Option<u16> {
    Header::read_from_prefix(bytes).ok().map(|(header, _)| header.kind)
}

/// Agent of a record that may not decode; 0, which is none, when it has no header.
#[must_use]
pub fn agent_number(bytes: &[u8]) -> u32 {
    Header::read_from_prefix(bytes).map_or(0, |(header, _)| header.agent)
}

/// Boot time of a record that may not decode, nanoseconds, for ordering; 0 when it has no header.
#[must_use]
pub fn timestamp_ns(bytes: &[u8]) -> u64 {
    Header::read_from_prefix(bytes).map_or(0, |(header, _)| header.timestamp_ns)
}

/// `ERESTARTSYS`, `ERESTARTNOINTR`, `ERESTARTNOHAND` and `ERESTART_RESTARTBLOCK` (`include/linux/errno.h`).
const RESTARTS: [i64; 4] = [512, 513, 514, 516];
/// `EINTR`.
const INTERRUPTED: i64 = 4;

/// The probes see a call that a signal interrupted before the kernel turns its private error into `EINTR` for the
/// program, or makes the call once more, which is then reported once more.
fn outcome(ret: i64) -> Outcome {
    let interrupted = RESTARTS.iter().any(|error| ret == -error);
    Outcome(if interrupted { -INTERRUPTED } else { ret })
}

fn operation(header: &Header, kind: Kind, detail: &Detail) -> &'static str {
    if let Detail::Uring(request) = detail {
        return uring::named(request.opcode).map_or(kind.name(), |(name, _)| name);
    }
    if let Detail::Resolved(resolved) = detail {
        return resolved.function();
    }
    if let Detail::CgroupState(state) = detail {
        return state.action.operation();
    }
    if let Detail::Capability(_) = detail {
        // The call in which it is asked has an event of its own, where it is told.
        return "capability_use";
    }
    if let Detail::Dns(dns) = detail {
        return if dns.outbound { "dns_egress" } else { "dns_ingress" };
    }
    if kind == Kind::ThreadName && op_of(header) == op::NONE {
        // /proc/PID/comm; other ways to write than the plainest have no name here.
        return syscalls::sender_name(header.flags & flags::COMPAT != 0, header.syscall).unwrap_or(kind.name());
    }
    if kind == Kind::Signal {
        // Whatever else the sender was about when the kernel sent it says nothing about the signal.
        return syscalls::sender_name(header.flags & flags::COMPAT != 0, header.syscall).unwrap_or(kind.name());
    }
    match op_of(header) {
        op::NONE => kind.name(),
        op => syscalls::NAMES[usize::from(op)],
    }
}

/// The operation by number and ABI of the system call.
fn op_of(header: &Header) -> u8 {
    if usize::from(header.syscall) >= syscalls::PER_ABI {
        return op::NONE;
    }
    syscalls::TABLE[syscalls::index(header.flags & flags::COMPAT != 0, header.syscall)]
}

/// A connect whose socket ended up elsewhere than its address said is marked like any other changed argument.
fn changed_peer(detail: &Detail, flags: u16) -> u16 {
    match detail {
        Detail::Socket(socket) if socket.asked.is_some() => flags | flags::CHANGED,
        _ => 0,
    }
}

impl Record<'_> {
    fn detail(&self, kind: Kind) -> Result<Detail, DecodeError> {
        Ok(match kind {
            Kind::Exec => Detail::Exec(self.exec()?),
            Kind::ProcessSeen => Detail::ProcessSeen(self.exec()?),
            Kind::Fork => Detail::Fork(self.fork()?),
            Kind::Exit => Detail::Exit(Exit { status: self.fixed::<ExitFixed>()?.status }),
            Kind::Open => Detail::Open(self.open()?),
            Kind::Connect | Kind::Bind | Kind::Listen | Kind::Accept | Kind::Socket | Kind::Send => Detail::Socket(self.socket(kind)?),
            Kind::Netlink if op_of(&self.header) == op::IOCTL => Detail::Call(self.call(kind)?),
            Kind::Netlink => Detail::Netlink(self.netlink()?),
            Kind::Unlink => Detail::Unlink(self.unlink()?),
            Kind::Identity => Detail::Identity(self.identity()?),
            Kind::CgroupLeave => Detail::CgroupLeave(self.cgroup()?),
            Kind::CgroupJoin => Detail::CgroupJoin(self.cgroup()?),
            Kind::IoUring if self.header.flags & flags::SUBMITTED != 0 => Detail::Uring(self.uring()?),
            Kind::Signal => Detail::Signal(self.signal()?),
            Kind::CgroupState => Detail::CgroupState(self.cgroup_state()?),
            Kind::ThreadName => Detail::ThreadName(self.thread_name()?),
            Kind::UnknownSyscall => Detail::UnknownCall(self.unknown_call()?),
            Kind::Argv => Detail::Argv(self.argv()?),
            Kind::Flow => Detail::Flow(self.flow()?),
            Kind::Dns => Detail::Dns(self.dns()?),
            Kind::Capability => Detail::Capability(self.capability()?),
            Kind::Resolved => Detail::Resolved(self.resolved()?),
            _ => Detail::Call(self.call(kind)?),
        })
    }

    fn fixed<F: FromBytes>(&self) -> Result<F, DecodeError> {
        let rest = &self.bytes[size_of::<Header>()..];
        F::read_from_prefix(rest).map(|(fixed, _)| fixed).map_err(|_| DecodeError::Short(self.bytes.len()))
    }

    fn text(&self, span: Span) -> Result<Text, DecodeError> {
        if span.len == 0 {
            return Ok(Text { bytes: Bytes::new(), original: span.original });
        }
        let outside = DecodeError::Span { offset: span.offset, len: span.len, has: self.bytes.len() };
        let end = span.offset.checked_add(span.len).ok_or(outside)? as usize;
        let start = span.offset as usize;
        if start < size_of::<Header>() || end > self.bytes.len() || span.original < span.len {
            return Err(outside);
        }
        Ok(Text { bytes: self.bytes.slice(start..end), original: span.original })
    }

    fn path(&self, span: Span, walk: u32) -> Result<Path, DecodeError> {
        if span == Span::default() {
            return Ok(Path::default());
        }
        Ok(from_components(&self.text(span)?.bytes, walk))
    }

    fn failed(&self) -> bool {
        self.header.ret < 0
    }

    fn exec(&self) -> Result<Exec, DecodeError> {
        let fixed: ExecFixed = self.fixed()?;
        let filename = self.text(fixed.filename)?;
        let interp = self.text(fixed.interp)?;
        let cwd = self.path(fixed.cwd, fixed.cwd_flags)?;
        let exe = if self.failed() { join(&cwd, &filename.bytes) } else { self.path(fixed.exe, fixed.file.path_flags)? };
        let script = (!interp.is_empty() && interp != filename).then(|| filename.clone());
        Ok(Exec { exe, file: file(fixed.file), filename, script, cwd, argv: self.text(fixed.argv)?, argc: fixed.argc })
    }

    fn fork(&self) -> Result<Fork, DecodeError> {
        let fixed: ForkFixed = self.fixed()?;
        Ok(Fork {
            child: ProcessKey { tgid: fixed.child_tgid, start_ns: fixed.child_start_ns },
            child_ppid: fixed.child_ppid,
            child_cgroup: CgroupId(fixed.child_cgroup_id),
        })
    }

    fn open(&self) -> Result<Open, DecodeError> {
        let fixed: OpenFixed = self.fixed()?;
        let asked = self.text(fixed.asked)?;
        // A descriptor that was closed before the probe could look at it has no path either.
        let path = if self.failed() || fixed.path == Span::default() {
            join(&self.path(fixed.base, fixed.base_flags)?, &asked.bytes)
        } else {
            self.path(fixed.path, fixed.file.path_flags)?
        };
        Ok(Open {
            path,
            asked,
            file: file(fixed.file),
            open_flags: fixed.open_flags,
            create_mode: fixed.create_mode,
            // The kernel does not say it of a file without a name.
            created: fixed.f_mode & FMODE_CREATED != 0 || !self.failed() && fixed.open_flags & O_TMPFILE != 0,
        })
    }

    fn unlink(&self) -> Result<Unlink, DecodeError> {
        let fixed: CallFixed = self.fixed()?;
        let Target { path, asked, at_enter } = self.target(&fixed.first)?;
        let directory = match op_of(&self.header) {
            op::RMDIR => true,
            op::UNLINKAT => fixed.args[0] & AT_REMOVEDIR != 0,
            _ => false,
        };
        Ok(Unlink { path, asked, asked_at_enter: at_enter, directory, file: FileId::default() })
    }

    /// A path as the program gave it, and where it leads.
    fn target(&self, fixed: &PlaceFixed) -> Result<Target, DecodeError> {
        let asked = self.text(fixed.asked)?;
        let at_enter = self.text(fixed.at_enter)?;
        Ok(Target {
            path: join(&self.path(fixed.base, fixed.base_flags)?, &asked.bytes),
            asked,
            at_enter: (!at_enter.is_empty()).then_some(at_enter),
        })
    }

    fn identity(&self) -> Result<Identity, DecodeError> {
        let fixed: IdentityFixed = self.fixed()?;
        Ok(Identity {
            args: fixed.args,
            uids: fixed.uids,
            gids: fixed.gids,
            cap_effective: fixed.cap_effective,
            cap_permitted: fixed.cap_permitted,
        })
    }

    fn uring(&self) -> Result<Uring, DecodeError> {
        let fixed: UringFixed = self.fixed()?;
        let opcode = u8::try_from(fixed.opcode).ok().filter(|opcode| uring::named(*opcode).is_some());
        let target = if fixed.path == Span::default() {
            self.target(&fixed.first)?
        } else {
            Target { path: self.path(fixed.path, fixed.file.path_flags)?, ..Target::default() }
        };
        let second = self.target(&fixed.second)?;
        let text = self.text(fixed.text)?;
        let address = self.text(fixed.address)?;
        Ok(Uring {
            opcode: opcode.ok_or(DecodeError::Value("io_uring opcode"))?,
            args: fixed.args,
            fd: fixed.first.fd,
            file: file(fixed.file),
            target,
            second: (second != Target::default()).then_some(second),
            text: (!text.is_empty()).then_some(text),
            from_kernel: fixed.address_is_users == 0,
            peer: (!address.is_empty()).then(|| socket::address(address)),
        })
    }

    fn signal(&self) -> Result<Signal, DecodeError> {
        let fixed: SignalFixed = self.fixed()?;
        let has = |bit| fixed.bits & bit != 0;
        Ok(Signal {
            signal: SignalName(fixed.signal),
            code: fixed.code,
            other: ProcessKey { tgid: fixed.other_tgid, start_ns: fixed.other_start_ns },
            other_comm: fixed.other_comm,
            other_agent: (fixed.other_agent != 0).then_some(AgentId(fixed.other_agent)),
            received: has(signal_bits::RECEIVED),
            thread: (!has(signal_bits::GROUP)).then_some(fixed.target_tid),
            delivery: Delivery::from_number(fixed.result).ok_or(DecodeError::Value("result of a signal"))?,
            to_monitor: has(signal_bits::TO_MONITOR),
            from_monitor: has(signal_bits::FROM_MONITOR),
        })
    }

    fn cgroup(&self) -> Result<Cgroup, DecodeError> {
        let fixed: CgroupFixed = self.fixed()?;
        Ok(Cgroup { to: CgroupId(fixed.to_cgroup_id), path: self.text(fixed.path)?, mover_tgid: fixed.mover_tgid, born: fixed.born != 0 })
    }
}

const fn file(wire: WireFile) -> FileId {
    FileId { major: wire.dev >> 20, minor: wire.dev & 0xf_ffff, ino: wire.ino, mode: wire.mode, nlink: wire.nlink }
}

mod call;
mod dns;
mod names;
mod repeated;
mod resolved;
mod socket;

pub use repeated::repetition;

const _: () = assert!(Kind::ALL[Kind::ALL.len() - 1] as usize + 1 == kind::COUNT);

#[cfg(test)]
mod tests;
