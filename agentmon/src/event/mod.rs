//! The owned, decoded event: what one record of the kernel says, as values.
//!
//! Paths, names, arguments and addresses are bytes, shared with the record they came in. Not for: who a process is
//! (`crate::process`), what a rule thinks (`crate::rules`), how a line looks (`crate::log`, `crate::view`).

mod call;
mod capability;
mod cgroup_state;
pub mod constants;
pub mod decode;
mod detail;
pub mod dns;
pub mod errno;
mod flow;
mod kinds;
mod names;
mod netlink;
pub mod path;
mod resolved;
mod serial;
mod signal;
mod socket;
mod target;
mod uring;

pub use agentmon_common::record::{flags, path_flags};

/// `AT_REMOVEDIR` (`include/uapi/linux/fcntl.h`): unlinkat is to remove a directory.
pub(crate) const AT_REMOVEDIR: u64 = 0x200;

pub use call::{Argument, Call, Target, UnknownCall};
pub use capability::Capability;
pub use cgroup_state::{CgroupAction, CgroupState};
pub use detail::{Cgroup, Detail, Exec, Exit, FileId, Fork, Identity, Open, Path, PathTrust, Text, Unlink};
pub use dns::Dns;
pub use flow::Flow;
pub use kinds::{Kinds, NotSwitchable};
pub use names::{Argv, ThreadName};
pub use netlink::{Change, NetworkChange};
pub use resolved::{Corrected, Resolved};
pub use signal::{Delivery, Signal, SignalName};
pub use socket::{Address, Socket};
pub use uring::Uring;

use serde::{Deserialize, Serialize};
use serial::{comm, is_default, is_once, once, operation};

/// Identity of a process for the life of the host: a pid is used again, this pair is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessKey {
    /// Process id in the initial pid namespace.
    pub tgid: u32,
    /// `start_boottime` of the group leader, nanoseconds.
    pub start_ns: u64,
}

/// Number of an agent in this run of the monitor; 0 is never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AgentId(pub u32);

/// Identifier of a cgroup in the v2 hierarchy: the inode of its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CgroupId(pub u64);

/// What kind of operation an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u16)]
pub enum Kind {
    /// A program was executed, or could not be.
    Exec = agentmon_common::record::kind::EXEC,
    /// A process was created.
    Fork = agentmon_common::record::kind::FORK,
    /// A process ended.
    Exit = agentmon_common::record::kind::EXIT,
    /// A file was opened, or could not be.
    Open = agentmon_common::record::kind::OPEN,
    /// A socket was connected, or could not be.
    Connect = agentmon_common::record::kind::CONNECT,
    /// A file or directory was removed, or could not be.
    Unlink = agentmon_common::record::kind::UNLINK,
    /// User, group or capability sets were changed, or could not be.
    Identity = agentmon_common::record::kind::IDENTITY,
    /// A process left its agent's cgroups.
    CgroupLeave = agentmon_common::record::kind::CGROUP_LEAVE,
    /// A process came into an agent's cgroup.
    CgroupJoin = agentmon_common::record::kind::CGROUP_JOIN,
    /// A process was there when watching began.
    ProcessSeen = agentmon_common::record::kind::PROCESS_SEEN,
    /// A file was given another name, perhaps in place of another file.
    Rename = agentmon_common::record::kind::RENAME,
    /// A file was given a further name.
    Link = agentmon_common::record::kind::LINK,
    /// A symbolic link was made.
    Symlink = agentmon_common::record::kind::SYMLINK,
    /// A directory was made.
    Mkdir = agentmon_common::record::kind::MKDIR,
    /// A device node, pipe or socket was made in the file system.
    Mknod = agentmon_common::record::kind::MKNOD,
    /// A file was cut, extended, or part of it freed.
    Truncate = agentmon_common::record::kind::TRUNCATE,
    /// Permissions of a file were set.
    Chmod = agentmon_common::record::kind::CHMOD,
    /// Owner or group of a file was set.
    Chown = agentmon_common::record::kind::CHOWN,
    /// An extended attribute was set or removed.
    Xattr = agentmon_common::record::kind::XATTR,
    /// Flags of a file (immutable, append-only) were set.
    FileFlags = agentmon_common::record::kind::FILE_FLAGS,
    /// Something was mounted, moved or unmounted, or the root directory changed.
    Mount = agentmon_common::record::kind::MOUNT,
    /// A file was mapped shared and writable.
    Map = agentmon_common::record::kind::MAP,
    /// Another process was reached into: its memory, its descriptors, its limits.
    ProcessAccess = agentmon_common::record::kind::PROCESS_ACCESS,
    /// Namespaces were left or entered.
    Namespace = agentmon_common::record::kind::NAMESPACE,
    /// A kernel module was loaded or removed.
    Module = agentmon_common::record::kind::MODULE,
    /// bpf or perf_event_open was called.
    Bpf = agentmon_common::record::kind::BPF,
    /// A setting of the whole system was changed.
    System = agentmon_common::record::kind::SYSTEM,
    /// An io_uring was set up, or asked for something.
    IoUring = agentmon_common::record::kind::IO_URING,
    /// A signal was sent to another process.
    Signal = agentmon_common::record::kind::SIGNAL,
    /// A cgroup below an agent's was made or removed, or one of an agent's frozen or thawed.
    CgroupState = agentmon_common::record::kind::CGROUP_STATE,
    /// A thread was given another name.
    ThreadName = agentmon_common::record::kind::THREAD_NAME,
    /// A system call was made whose number this build does not know.
    UnknownSyscall = agentmon_common::record::kind::UNKNOWN_SYSCALL,
    /// A socket was given its local address.
    Bind = agentmon_common::record::kind::BIND,
    /// A socket waits for connections.
    Listen = agentmon_common::record::kind::LISTEN,
    /// A connection was accepted.
    Accept = agentmon_common::record::kind::ACCEPT,
    /// A socket was made that is not ordinary.
    Socket = agentmon_common::record::kind::SOCKET,
    /// Something was sent to a destination that the call named.
    Send = agentmon_common::record::kind::SEND,
    /// The network's own settings were changed, by netlink or a firewall's socket option.
    Netlink = agentmon_common::record::kind::NETLINK,
    /// A process moved what the kernel shows as its arguments.
    Argv = agentmon_common::record::kind::ARGV,
    /// A TCP connection is closed.
    Flow = agentmon_common::record::kind::FLOW,
    /// A DNS message was sent or received.
    Dns = agentmon_common::record::kind::DNS,
    /// A capability was asked for.
    Capability = agentmon_common::record::kind::CAPABILITY,
    /// What the kernel resolved, where no record of a system call says what came of it.
    Resolved = agentmon_common::record::kind::RESOLVED,
    /// A process changed how the kernel treats it.
    ProcessSetting = agentmon_common::record::kind::PROCESS_SETTING,
    /// Times of a file were set.
    FileTimes = agentmon_common::record::kind::FILE_TIMES,
}

impl Kind {
    /// Every kind, by number.
    pub const ALL: [Self; 45] = [
        Self::Exec,
        Self::Fork,
        Self::Exit,
        Self::Open,
        Self::Connect,
        Self::Unlink,
        Self::Identity,
        Self::CgroupLeave,
        Self::CgroupJoin,
        Self::ProcessSeen,
        Self::Rename,
        Self::Link,
        Self::Symlink,
        Self::Mkdir,
        Self::Mknod,
        Self::Truncate,
        Self::Chmod,
        Self::Chown,
        Self::Xattr,
        Self::FileFlags,
        Self::Mount,
        Self::Map,
        Self::ProcessAccess,
        Self::Namespace,
        Self::Module,
        Self::Bpf,
        Self::System,
        Self::IoUring,
        Self::Signal,
        Self::CgroupState,
        Self::ThreadName,
        Self::UnknownSyscall,
        Self::Bind,
        Self::Listen,
        Self::Accept,
        Self::Socket,
        Self::Send,
        Self::Netlink,
        Self::Argv,
        Self::Flow,
        Self::Dns,
        Self::Capability,
        Self::Resolved,
        Self::ProcessSetting,
        Self::FileTimes,
    ];

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u16 == number)
    }

    /// Name in metrics, logs and views.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Fork => "fork",
            Self::Exit => "exit",
            Self::Open => "open",
            Self::Connect => "connect",
            Self::Unlink => "unlink",
            Self::Identity => "identity",
            Self::CgroupLeave => "cgroup_leave",
            Self::CgroupJoin => "cgroup_join",
            Self::ProcessSeen => "process_seen",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Symlink => "symlink",
            Self::Mkdir => "mkdir",
            Self::Mknod => "mknod",
            Self::Truncate => "truncate",
            Self::Chmod => "chmod",
            Self::Chown => "chown",
            Self::Xattr => "xattr",
            Self::FileFlags => "file_flags",
            Self::Mount => "mount",
            Self::Map => "map",
            Self::ProcessAccess => "process_access",
            Self::Namespace => "namespace",
            Self::Module => "module",
            Self::Bpf => "bpf",
            Self::System => "system",
            Self::IoUring => "io_uring",
            Self::Signal => "signal",
            Self::CgroupState => "cgroup_state",
            Self::ThreadName => "thread_name",
            Self::UnknownSyscall => "unknown_syscall",
            Self::Bind => "bind",
            Self::Listen => "listen",
            Self::Accept => "accept",
            Self::Socket => "socket",
            Self::Send => "send",
            Self::Netlink => "netlink",
            Self::Argv => "argv",
            Self::Flow => "flow",
            Self::Dns => "dns",
            Self::Capability => "capability",
            Self::Resolved => "resolved",
            Self::ProcessSetting => "process_setting",
            Self::FileTimes => "file_times",
        }
    }
}

/// Return value of the operation: 0 or positive on success, negative errno on failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome(pub i64);

impl Outcome {
    /// Whether the kernel did it. A connect that is under way (`EINPROGRESS`) is not done: who counts it as made says so.
    #[must_use]
    pub fn succeeded(self) -> bool {
        self.0 >= 0
    }

    /// The error number of a failure.
    #[must_use]
    pub fn errno(self) -> Option<u32> {
        self.0.checked_neg().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
    }

    /// The error's name (`ENOENT`), of a failure.
    #[must_use]
    pub fn error_name(self) -> Option<&'static str> {
        self.errno().map(errno::name)
    }
}

/// Name of an operation, out of a closed list.
pub type OperationName = &'static str;

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// `CLOCK_BOOTTIME`, nanoseconds. Add [`crate::event::WallClock`] for the time of day.
    pub timestamp_ns: u64,
    /// Who did it.
    pub process: ProcessKey,
    /// The thread.
    pub tid: u32,
    /// The parent's process id.
    pub ppid: u32,
    /// Whose process it is.
    pub agent: AgentId,
    /// Where the process is.
    pub cgroup: CgroupId,
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// The thread's name: NUL-padded and the agent's to choose.
    #[serde(with = "comm")]
    pub comm: [u8; 16],
    /// Result of the operation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub outcome: Outcome,
    /// Operations that the event stands for: more than one when the same failed again and again. Time and thread are the last
    /// one's.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub repeated: u64,
    /// Bits of [`flags`], but for [`flags::REPEATED`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub flags: u16,
    /// Name of the system call (`openat`), or of the kind when none was involved.
    #[serde(with = "operation")]
    pub operation: OperationName,
    /// Slot the record was built in; the CPU is this by [`agentmon_common::stats::SLOTS`].
    pub slot: u16,
    /// Number of the record among those of that slot and the same ring ([`agentmon_common::rings`]); 0: it came
    /// through none, but was counted in the kernel and fetched.
    pub seq: u64,
    /// Records of that slot and ring lost just before this one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost_before: u32,
    /// Of a call: when the kernel resolved what it acts on, as [`Detail::Resolved`] of the same thread tells it; 0: nothing tells it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resolved_ns: u64,
    /// What is particular to its kind.
    pub detail: Detail,
}

impl Event {
    /// Which kind of operation this is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match &self.detail {
            Detail::Exec(_) => Kind::Exec,
            Detail::Fork(_) => Kind::Fork,
            Detail::Exit(_) => Kind::Exit,
            Detail::Open(_) => Kind::Open,
            Detail::Socket(socket) => socket.kind,
            Detail::Netlink(_) => Kind::Netlink,
            Detail::Unlink(_) => Kind::Unlink,
            Detail::Identity(_) => Kind::Identity,
            Detail::CgroupLeave(_) => Kind::CgroupLeave,
            Detail::CgroupJoin(_) => Kind::CgroupJoin,
            Detail::ProcessSeen(_) => Kind::ProcessSeen,
            Detail::Signal(_) => Kind::Signal,
            Detail::CgroupState(_) => Kind::CgroupState,
            Detail::ThreadName(_) => Kind::ThreadName,
            Detail::UnknownCall(_) => Kind::UnknownSyscall,
            Detail::Argv(_) => Kind::Argv,
            Detail::Flow(_) => Kind::Flow,
            Detail::Dns(_) => Kind::Dns,
            Detail::Capability(_) => Kind::Capability,
            Detail::Resolved(_) => Kind::Resolved,
            Detail::Uring(_) => Kind::IoUring,
            Detail::Call(call) => call.kind,
        }
    }

    /// The thread's name without its padding.
    #[must_use]
    pub fn comm(&self) -> &[u8] {
        self.comm.split(|b| *b == 0).next().unwrap_or_default()
    }

    /// Whether it was counted in the kernel and fetched seconds later: its process may be long gone.
    #[must_use]
    pub const fn is_late(&self) -> bool {
        self.seq == 0
    }

    /// Whether this flag of [`flags`] is set.
    #[must_use]
    pub const fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// From boot time to the time of day: what to add to [`Event::timestamp_ns`] for nanoseconds since the epoch.
///
/// Taken once by whoever starts the pipeline, so that stages need no clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    /// Nanoseconds since the epoch at boot.
    pub boot_ns: u64,
}

impl WallClock {
    /// Nanoseconds since the epoch of a boot-time stamp.
    #[must_use]
    pub const fn epoch_ns(self, timestamp_ns: u64) -> u64 {
        self.boot_ns.saturating_add(timestamp_ns)
    }
}
