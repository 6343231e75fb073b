//! The records the probes write into the ring buffers: one header, one fixed part per kind, one tail of bytes.
//!
//! ```text
//! 0            96               96 + size_of::<…Fixed>()                       header.len
//! ├── Header ──┼── …Fixed ──────┼── tail: bytes addressed by the spans of the fixed part ──┤
//! ```
//! Written by `agentmon-ebpf`, read by `agentmon::event::decode` only. Not for: what a record means to a rule or a
//! log (that is `agentmon::event`).

mod fixed;

pub use fixed::{
    ArgvFixed, CallFixed, CapabilityFixed, CgroupFixed, CgroupStateFixed, DnsFixed, ExecFixed, ExitFixed, FlowFixed, ForkFixed,
    IdentityFixed, OpenFixed, PlaceFixed, ResolvedFixed, SignalFixed, SocketFixed, ThreadNameFixed, UnknownCallFixed, UringFixed,
};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Largest record in bytes; the size of one scratch.
pub const RECORD_MAX: usize = 64 * 1024;
/// Longest string read from user memory for a path: the kernel's PATH_MAX, NUL included (`include/uapi/linux/limits.h`).
pub const PATH_MAX: usize = 4096;
/// Most bytes of argv that one exec record carries.
pub const ARGV_MAX: usize = 32 * 1024;
/// Longest name of one path component (`NAME_MAX` + NUL).
pub const COMPONENT_MAX: usize = 256;
/// Most components a path walk follows. A deeper path is reported from its end, flagged [`path_flags::TRUNCATED`].
pub const COMPONENTS_MAX: u32 = 512;
/// Bytes of a user string that are kept from system-call entry to compare with what stands there at exit.
pub const ENTER_BYTES: usize = 256;
/// Most bytes of a DNS message that a record carries; a power of two.
pub const DNS_MAX: usize = 4096;
/// Size of `struct sockaddr_storage`.
pub const SOCKADDR_MAX: usize = 128;

/// What a record is about. Numbers are never reused; see `docs/reference/events.md`.
pub mod kind {
    /// A program was executed (outcome 0), or could not be (negative errno).
    pub const EXEC: u16 = 1;
    /// A process was created. The header names the creator.
    pub const FORK: u16 = 2;
    /// A process ended: its last thread is gone.
    pub const EXIT: u16 = 3;
    /// open, openat, openat2, creat.
    pub const OPEN: u16 = 4;
    /// connect.
    pub const CONNECT: u16 = 5;
    /// unlink, unlinkat, rmdir.
    pub const UNLINK: u16 = 6;
    /// The setuid family, setgroups, capset.
    pub const IDENTITY: u16 = 7;
    /// A watched process left its agent's cgroups. It stays watched.
    pub const CGROUP_LEAVE: u16 = 8;
    /// A process came into an agent's cgroup from outside.
    pub const CGROUP_JOIN: u16 = 9;
    /// A process was already there when its agent's cgroup began to be watched.
    pub const PROCESS_SEEN: u16 = 10;
    /// rename, renameat, renameat2.
    pub const RENAME: u16 = 11;
    /// link, linkat: a further name for a file.
    pub const LINK: u16 = 12;
    /// symlink, symlinkat.
    pub const SYMLINK: u16 = 13;
    /// mkdir, mkdirat.
    pub const MKDIR: u16 = 14;
    /// mknod, mknodat, memfd_create, memfd_secret.
    pub const MKNOD: u16 = 15;
    /// truncate, ftruncate, fallocate, and what replaces or discards content by ioctl.
    pub const TRUNCATE: u16 = 16;
    /// chmod, fchmod, fchmodat, fchmodat2.
    pub const CHMOD: u16 = 17;
    /// chown, fchown, lchown, fchownat.
    pub const CHOWN: u16 = 18;
    /// Extended attributes set or removed.
    pub const XATTR: u16 = 19;
    /// File flags (immutable, append-only) by ioctl or file_setattr.
    pub const FILE_FLAGS: u16 = 20;
    /// mount, move_mount, umount, pivot_root, chroot and the calls of the newer mount interface.
    pub const MOUNT: u16 = 21;
    /// A shared writable mapping of a file.
    pub const MAP: u16 = 22;
    /// ptrace, process_vm_readv, process_vm_writev, pidfd_open, pidfd_getfd, prlimit on another process.
    pub const PROCESS_ACCESS: u16 = 23;
    /// unshare, setns.
    pub const NAMESPACE: u16 = 24;
    /// Kernel modules loaded or removed.
    pub const MODULE: u16 = 25;
    /// bpf, perf_event_open.
    pub const BPF: u16 = 26;
    /// Settings of the whole system: host name, clock, swap, quota, kexec, reboot, keys, ports.
    pub const SYSTEM: u16 = 27;
    /// io_uring set up, and what is asked of a ring.
    pub const IO_URING: u16 = 28;
    /// A signal to another process, by whatever means; from outside of the agents to one of their processes too.
    pub const SIGNAL: u16 = 29;
    /// A cgroup below an agent's was made or removed, or one of an agent's frozen or thawed.
    pub const CGROUP_STATE: u16 = 30;
    /// A thread was given another name.
    pub const THREAD_NAME: u16 = 31;
    /// A system call whose number this build does not know.
    pub const UNKNOWN_SYSCALL: u16 = 32;
    /// bind.
    pub const BIND: u16 = 33;
    /// listen.
    pub const LISTEN: u16 = 34;
    /// accept, accept4.
    pub const ACCEPT: u16 = 35;
    /// socket, socketpair: only sockets that are not ordinary.
    pub const SOCKET: u16 = 36;
    /// sendto, sendmsg, sendmmsg with a destination.
    pub const SEND: u16 = 37;
    /// The network's own settings changed: by a netlink message or a firewall's socket option.
    pub const NETLINK: u16 = 38;
    /// prctl moved what the kernel shows as a process's arguments.
    pub const ARGV: u16 = 39;
    /// A TCP connection that a process connected or accepted is closed.
    pub const FLOW: u16 = 40;
    /// A DNS message went from or to one of an agent's sockets.
    pub const DNS: u16 = 41;
    /// The kernel asked whether a process has a capability.
    pub const CAPABILITY: u16 = 42;
    /// What the kernel resolved, as it was about to act on it: told by one of its path hooks ([`crate::hooks`]).
    pub const RESOLVED: u16 = 43;
    /// A process changed how the kernel treats it: who may look into it, what it may call, which file it is said to run.
    pub const PROCESS_SETTING: u16 = 44;
    /// The times of a file were set.
    pub const FILE_TIMES: u16 = 45;
    /// One more than the largest kind; the size of per-kind tables.
    pub const COUNT: usize = 46;
}

/// Bits of [`Header::flags`].
pub mod flags {
    /// The system call came through a 32-bit entry (`int 0x80`, i386 program): numbers are i386 numbers.
    pub const COMPAT: u16 = 1 << 0;
    /// A user string could not be read at entry and was read at exit.
    pub const READ_AT_EXIT: u16 = 1 << 1;
    /// A user string could be read neither at entry nor at exit: its span is empty.
    pub const UNREADABLE: u16 = 1 << 2;
    /// What the program asked for changed between entry and exit of the system call.
    pub const CHANGED: u16 = 1 << 3;
    /// Some bytes did not fit; the span's `original` says how many there were.
    pub const TRUNCATED: u16 = 1 << 4;
    /// The operation was handed over (io_uring): what came of it is not known, and the return value is 0.
    pub const SUBMITTED: u16 = 1 << 5;
    /// The record stands for several operations that failed in the same way: its last eight bytes say for how many, itself
    /// included ([`crate::repeat`]).
    pub const REPEATED: u16 = 1 << 6;
    /// Of a request to an io_uring: what the kernel resolves of it is told by a record of its own ([`super::kind::RESOLVED`]).
    pub const APART: u16 = 1 << 7;
    /// Of a record of [`super::kind::RESOLVED`]: the record of the system call it happens in follows and names it.
    pub const OF_CALL: u16 = 1 << 8;
    /// Never in a record: the daemon sets it on a call whose every path is what the kernel resolved.
    pub const RESOLVED: u16 = 1 << 9;
    /// Never in a record: what was asked for and what the kernel resolved are two paths.
    pub const MISMATCH: u16 = 1 << 10;
    /// Those that the daemon sets.
    pub const DAEMONS: u16 = RESOLVED | MISMATCH;
}

/// Bits of the `path_flags` fields: what a path walk met.
pub mod path_flags {
    /// More than [`super::COMPONENTS_MAX`] components or no room: the front of the path is missing.
    pub const TRUNCATED: u32 = 1 << 0;
    /// The walk ended at a root that is not mounted anywhere (memfd, pipe, detached mount): not an absolute path.
    pub const UNREACHABLE: u32 = 1 << 1;
    /// A kernel read failed on the way.
    pub const FAULT: u32 = 1 << 2;
}

/// Bits of [`SignalFixed::bits`].
pub mod signal_bits {
    /// To the process as a whole, not to one of its threads.
    pub const GROUP: u32 = 1 << 0;
    /// From a process of no agent to one of an agent's.
    pub const RECEIVED: u32 = 1 << 1;
    /// The target is the monitor, or a child of it that is no agent's: the guard.
    pub const TO_MONITOR: u32 = 1 << 2;
    /// With [`RECEIVED`]: the sender is the monitor.
    pub const FROM_MONITOR: u32 = 1 << 3;
}

/// Values of [`CgroupStateFixed::action`]. Numbers are never reused.
pub mod cgroup_action {
    /// mkdir.
    pub const MADE: u32 = 1;
    /// rmdir.
    pub const REMOVED: u32 = 2;
    /// Its processes are to stand still.
    pub const FROZEN: u32 = 3;
    /// Its processes may go on.
    pub const THAWED: u32 = 4;
}

/// System-call number of a record that no system call produced.
pub const NO_SYSCALL: u16 = u16::MAX;

/// Where bytes stand in a record: `offset` from the record's start. `original > len` means that bytes are missing.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Span {
    /// Bytes from the start of the record.
    pub offset: u32,
    /// Bytes that are there.
    pub len: u32,
    /// Bytes that there were.
    pub original: u32,
}

/// Stands at the start of every record. All of it is the kernel's word; only `comm` is the agent's to choose.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Header {
    /// Length of the whole record in bytes.
    pub len: u32,
    /// One of [`kind`].
    pub kind: u16,
    /// Bits of [`flags`].
    pub flags: u16,
    /// `CLOCK_BOOTTIME` in nanoseconds.
    pub timestamp_ns: u64,
    /// Start of the process: its group leader's `start_boottime`, nanoseconds. With `tgid` the identity of a process.
    pub start_ns: u64,
    /// Identifier of the process's cgroup in the v2 hierarchy (the inode of its directory).
    pub cgroup_id: u64,
    /// Outcome: the system call's return value, negative errno on failure.
    pub ret: i64,
    /// Number of this record among those tried in this slot for the same ring ([`crate::rings`]), from 1; lost ones leave
    /// holes.
    pub seq: u64,
    /// Process id (the kernel's `tgid`), in the initial pid namespace.
    pub tgid: u32,
    /// Thread id (the kernel's `pid`).
    pub tid: u32,
    /// `real_parent->tgid`.
    pub ppid: u32,
    /// The agent, as the daemon numbered it; never 0.
    pub agent: u32,
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Records of this slot that did not fit into the same ring since the last one that did.
    pub lost_before: u32,
    /// Slot the record was built in: CPU * [`crate::stats::SLOTS`] + number on that CPU.
    pub slot: u16,
    /// System-call number of the calling ABI, or [`NO_SYSCALL`].
    pub syscall: u16,
    /// The thread's name, NUL-padded. The agent's to choose.
    pub comm: [u8; 16],
}

/// A file as the kernel knows it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct FileId {
    /// Inode number.
    pub ino: u64,
    /// Device of the file system: major << 20 | minor (`include/linux/kdev_t.h`).
    pub dev: u32,
    /// File type and permission bits (`st_mode`); 0 when there is no file.
    pub mode: u32,
    /// Number of hard links; 0 means that the file has no name.
    pub nlink: u32,
    /// Bits of [`path_flags`] for the walked path.
    pub path_flags: u32,
}

macro_rules! assert_layout {
    ($($ty:ty = $size:expr),* $(,)?) => { $(const _: () = {
        assert!(size_of::<$ty>() == $size);
        assert!(align_of::<$ty>() <= 8);
    };)* };
}
assert_layout! {
    Span = 12, Header = 96, FileId = 24, ExecFixed = 96, ForkFixed = 24, ExitFixed = 8, OpenFixed = 88,
    PlaceFixed = 44, CallFixed = 176, SocketFixed = 88, IdentityFixed = 80, CgroupFixed = 32,
    SignalFixed = 56, UringFixed = 184, CgroupStateFixed = 32, ThreadNameFixed = 40, UnknownCallFixed = 8, ArgvFixed = 32,
    FlowFixed = 56, DnsFixed = 56, CapabilityFixed = 8, ResolvedFixed = 104,
}
