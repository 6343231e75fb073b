//! What stands between header and tail of a record, kind by kind.
//!
//! Not for: what every record has, and the numbers of kinds and flags (`super`).

#[expect(unused_imports, reason = "named by the documentation")]
use super::{DNS_MAX, ENTER_BYTES, cgroup_action, flags, kind, path_flags, signal_bits};
use super::{FileId, Span};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`kind::EXEC`]; also [`kind::PROCESS_SEEN`], which carries `exe`, `file` and `cwd` only.
///
/// Walked paths ("components") hold the names from the leaf to the root, each ended by a NUL.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ExecFixed {
    /// The file that runs: for a script, the interpreter.
    pub file: FileId,
    /// Number of arguments.
    pub argc: u32,
    /// [`path_flags`] of `cwd`.
    pub cwd_flags: u32,
    /// Path of `file`, as components.
    pub exe: Span,
    /// Path given to execve (`bprm->filename`); for a script, the script.
    pub filename: Span,
    /// `bprm->interp`: differs from `filename` for scripts and binfmt_misc.
    pub interp: Span,
    /// Working directory, as components.
    pub cwd: Span,
    /// Arguments, each ended by a NUL, as they stand in the new program's memory before its first instruction.
    pub argv: Span,
    /// Padding.
    pub reserved: u32,
}

/// [`kind::FORK`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ForkFixed {
    /// `start_boottime` of the child.
    pub child_start_ns: u64,
    /// The child's cgroup: differs from the header's after CLONE_INTO_CGROUP.
    pub child_cgroup_id: u64,
    /// The child's process id.
    pub child_tgid: u32,
    /// The child's `real_parent`: not the creator after CLONE_PARENT.
    pub child_ppid: u32,
}

/// [`kind::EXIT`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ExitFixed {
    /// As wait(2) reports it: exit code << 8, or the signal, | 0x80 with a core dump.
    pub status: u32,
    /// Padding.
    pub reserved: u32,
}

/// [`kind::OPEN`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct OpenFixed {
    /// The opened file; zero when the open failed or another thread closed it at once.
    pub file: FileId,
    /// `O_*` flags as the program gave them.
    pub open_flags: u64,
    /// Mode for a created file, as given.
    pub create_mode: u32,
    /// `file->f_mode`: 1 << 20 (`FMODE_CREATED`) when this open created the file. 0 when the open failed.
    pub f_mode: u32,
    /// Directory file descriptor of openat; `AT_FDCWD` (-100) otherwise.
    pub dirfd: i32,
    /// [`path_flags`] of `base`.
    pub base_flags: u32,
    /// Path of the opened file as the kernel resolved it, as components.
    pub path: Span,
    /// The path the program gave.
    pub asked: Span,
    /// Only when there is no `path` (the open failed, or another thread closed the file at once) and `asked` is
    /// relative: the directory it is relative to, as components.
    pub base: Span,
    /// Padding.
    pub reserved: u32,
}

/// What a call was given to act on: a path and the directory it is relative to, or a descriptor.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PlaceFixed {
    /// The path the program gave, at exit (at entry when unreadable then).
    pub asked: Span,
    /// With [`flags::CHANGED`]: the first [`ENTER_BYTES`] bytes at entry.
    pub at_enter: Span,
    /// For a relative path the directory it is relative to, as components.
    pub base: Span,
    /// [`path_flags`] of `base`.
    pub base_flags: u32,
    /// The descriptor; `AT_FDCWD` (-100) where there is none.
    pub fd: i32,
}

/// Every kind that is made of arguments by [`crate::syscalls::SHAPES`]: unlink, rename, chmod, mount, bpf and others.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CallFixed {
    /// Plain arguments as given, in the order of the shape.
    pub args: [u64; crate::syscalls::ARGS_MAX],
    /// The open file the call acts on; zero when it was given a path.
    pub file: FileId,
    /// Path of `file`, as components.
    pub path: Span,
    /// What the call acts on.
    pub first: PlaceFixed,
    /// Where to, or what else.
    pub second: PlaceFixed,
    /// A string that is no path: target of a symbolic link, name of an attribute, type of a file system.
    pub text: Span,
    /// `timestamp_ns` of the last record of [`kind::RESOLVED`] that was made inside this call; 0 when there is none.
    pub resolved_ns: u64,
}

/// [`kind::IO_URING`] with [`flags::SUBMITTED`]: a request, as the kernel took it over. Without that flag: [`CallFixed`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct UringFixed {
    /// Plain arguments, named by [`crate::uring::named`].
    pub args: [u64; crate::uring::ARGS_MAX],
    /// The open file it acts on; zero when it was given a path, or a file registered with the ring.
    pub file: FileId,
    /// Path of `file`, as components.
    pub path: Span,
    /// What it acts on; of an open file the descriptor.
    pub first: PlaceFixed,
    /// Where to.
    pub second: PlaceFixed,
    /// What a symbolic link points to, or the name of an attribute.
    pub text: Span,
    /// `struct sockaddr`.
    pub address: Span,
    /// One of [`crate::uring::opcode`].
    pub opcode: u32,
    /// 1 when `address` was read from the program's memory, where it could still change (always, for now).
    pub address_is_users: u32,
    /// Padding.
    pub reserved: u32,
}

/// Every kind that is about a socket: [`kind::CONNECT`] and those from [`kind::BIND`] to [`kind::NETLINK`].
///
/// Addresses are those of the kernel's socket, after the call (of accept: of the new socket); zero where the kernel has
/// none. Of [`kind::SOCKET`] family, type and protocol are the arguments.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SocketFixed {
    /// The peer as the kernel holds it; IPv4 in the first 4 bytes; network order.
    pub peer_addr: [u8; 16],
    /// The local address; IPv4 in the first 4 bytes.
    pub local_addr: [u8; 16],
    /// Peer port, host order.
    pub peer_port: u16,
    /// Local port, host order; the protocol of a raw socket.
    pub local_port: u16,
    /// `AF_*` of the socket; 0 when the descriptor is not a socket.
    pub family: u16,
    /// `SOCK_*` of the socket.
    pub sock_type: u16,
    /// `IPPROTO_*` of the socket, or what its family calls a protocol.
    pub protocol: u32,
    /// The descriptor the call was given.
    pub fd: i32,
    /// `struct sockaddr` the program gave, at entry (at exit when unreadable then).
    pub asked: Span,
    /// With [`flags::CHANGED`]: what stood there at exit. Not of connect, which has the socket to compare with.
    pub at_exit: Span,
    /// One of `agentmon_common::syscalls::op`: of a socketcall the call behind it.
    pub op: u32,
    /// Of listen the backlog; of a send the messages that have a destination, of which only the first was looked at.
    pub count: u32,
    /// Of a netlink message its `nlmsg_type`, of setsockopt the option.
    pub code: u32,
    /// Of a netlink message its `nlmsg_flags`, of setsockopt the level, of a send its `MSG_*` flags.
    pub flags: u32,
}

/// [`kind::IDENTITY`]. The credentials are those after the call.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct IdentityFixed {
    /// Arguments as given: ids for set*id, (count, pointer) for setgroups; for capset the requested effective,
    /// permitted and inheritable sets when they could be read.
    pub args: [u64; 3],
    /// Effective capabilities.
    pub cap_effective: u64,
    /// Permitted capabilities.
    pub cap_permitted: u64,
    /// uid, euid, suid, fsuid.
    pub uids: [u32; 4],
    /// gid, egid, sgid, fsgid.
    pub gids: [u32; 4],
    /// One of `agentmon_common::syscalls::op`.
    pub op: u32,
    /// Padding.
    pub reserved: u32,
}

/// [`kind::CGROUP_LEAVE`] and [`kind::CGROUP_JOIN`]. The header names the process that was moved.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CgroupFixed {
    /// Where the process is now.
    pub to_cgroup_id: u64,
    /// Who moved it; the creator for CLONE_INTO_CGROUP.
    pub mover_tgid: u32,
    /// 1 when the process was born there (CLONE_INTO_CGROUP), 0 when it was moved.
    pub born: u32,
    /// Path of the cgroup, relative to the v2 mount; empty after CLONE_INTO_CGROUP.
    pub path: Span,
    /// Padding.
    pub reserved: u32,
}

/// [`kind::SIGNAL`]. The header names the sender, and `other` is the target; with [`signal_bits::RECEIVED`] the header
/// names the target, and `other` is the sender, a process of no agent.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SignalFixed {
    /// `start_boottime` of the other process.
    pub other_start_ns: u64,
    /// Its process id, in the initial pid namespace.
    pub other_tgid: u32,
    /// Its agent; 0 when it is no agent's.
    pub other_agent: u32,
    /// The thread that was signalled.
    pub target_tid: u32,
    /// Number of the signal.
    pub signal: u32,
    /// `si_code`: who says that it was sent (`SI_USER`, `SI_QUEUE`, `SI_TKILL`, `SI_KERNEL`).
    pub code: i32,
    /// `TRACE_SIGNAL_*` (`include/trace/events/signal.h`): 0 delivered, 1 ignored, 2 already pending, 3 lost for want of
    /// room, 4 delivered without its information.
    pub result: u32,
    /// Bits of [`signal_bits`].
    pub bits: u32,
    /// Padding.
    pub reserved: u32,
    /// Name of the other process's thread, NUL-padded: its own to choose.
    pub other_comm: [u8; 16],
}

/// [`kind::CGROUP_STATE`]. The header names who did it, a process of the agent or not.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CgroupStateFixed {
    /// The cgroup.
    pub cgroup_id: u64,
    /// One of [`cgroup_action`].
    pub action: u32,
    /// 1 when the process of the header is a member of the agent, 0 when it is not.
    pub by_member: u32,
    /// Path of the cgroup, relative to the v2 mount.
    pub path: Span,
    /// Padding.
    pub reserved: u32,
}

/// [`kind::THREAD_NAME`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ThreadNameFixed {
    /// The thread that has the name: of the same process, not always the one that gave it.
    pub target_tid: u32,
    /// Padding.
    pub reserved: u32,
    /// Its name until now, NUL-padded.
    pub before: [u8; 16],
    /// Its name from now on, NUL-padded.
    pub after: [u8; 16],
}

/// [`kind::UNKNOWN_SYSCALL`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct UnknownCallFixed {
    /// The number as given, bit 30 (x32) included.
    pub number: u32,
    /// Padding.
    pub reserved: u32,
}

/// [`kind::ARGV`]. Everything but `option` is as it stands after the call.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ArgvFixed {
    /// Where the arguments begin.
    pub start: u64,
    /// Where they end.
    pub end: u64,
    /// `PR_SET_MM_*` (`include/uapi/linux/prctl.h`).
    pub option: u32,
    /// What stands there.
    pub argv: Span,
}

/// [`kind::FLOW`]. The header names the process that connected or accepted it, as it was then: it may have ended since.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct FlowFixed {
    /// Bytes of payload that were received.
    pub bytes_in: u64,
    /// Bytes of payload that were sent, those that were sent again counted once.
    pub bytes_out: u64,
    /// The peer; IPv4 in the first 4 bytes; network order.
    pub peer_addr: [u8; 16],
    /// The local address.
    pub local_addr: [u8; 16],
    /// Peer port, host order.
    pub peer_port: u16,
    /// Local port, host order.
    pub local_port: u16,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// 1 when it was accepted, 0 when it was connected.
    pub inbound: u16,
}

/// [`kind::DNS`]. The header names the process that sent the message, or of one that came in the last that sent any through
/// that socket; process id 0 when that is not known. Of all processes only the agent is certain: it is the socket's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct DnsFixed {
    /// Where the packet came from; IPv4 in the first 4 bytes; network order.
    pub from_addr: [u8; 16],
    /// Where it was sent to.
    pub to_addr: [u8; 16],
    /// Port it came from, host order.
    pub from_port: u16,
    /// Port it was sent to, host order.
    pub to_port: u16,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// `IPPROTO_UDP` or `IPPROTO_TCP`.
    pub protocol: u16,
    /// 1 when it left the socket, 0 when it came in.
    pub outbound: u32,
    /// The first [`DNS_MAX`] bytes of the message, without the length that stands before it in TCP.
    pub message: Span,
}

/// [`kind::CAPABILITY`]. The return value is 0 when the process has it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CapabilityFixed {
    /// Its number (`include/uapi/linux/capability.h`).
    pub capability: u32,
    /// 1 when it was asked for in the initial user namespace.
    pub initial_namespace: u32,
}

/// [`kind::RESOLVED`]. The header names the task that does the operation; its system call is [`super::NO_SYSCALL`] in a worker
/// of an io_uring.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ResolvedFixed {
    /// What it acts on; zero when it is only being made.
    pub file: FileId,
    /// Of a rename what the new name stands for until then; zero when it is free.
    pub second_file: FileId,
    /// Plain arguments, named by [`crate::hooks::HOOKS`].
    pub args: [u32; crate::hooks::ARGS_MAX],
    /// Path of `file`, as components.
    pub path: Span,
    /// Of a rename or link the new name, as components.
    pub second: Span,
    /// What a symbolic link points to.
    pub text: Span,
    /// Number of the hook ([`crate::hooks::hook`]).
    pub hook: u32,
    /// [`path_flags`] of `second`.
    pub second_flags: u32,
    /// 1 when the task is a worker of an io_uring.
    pub by_worker: u32,
}
