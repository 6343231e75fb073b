//! The owned, decoded event: what one record of the kernel says, as values.
//!
//! Paths, names, arguments and addresses are bytes, shared with the record they came in. Not for: who a process is
//! (`crate::process`), what a rule thinks (`crate::rules`), how a line looks (`crate::log`, `crate::view`).

pub mod decode;
mod detail;
pub mod errno;
pub mod path;

pub use agentmon_common::record::{flags, path_flags};
pub use detail::{Cgroup, Connect, Detail, Exec, Exit, FileId, Fork, Identity, Open, Path, PathTrust, Peer, Text, Unlink};

/// Identity of a process for the life of the host: a pid is used again, this pair is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessKey {
    /// Process id in the initial pid namespace.
    pub tgid: u32,
    /// `start_boottime` of the group leader, nanoseconds.
    pub start_ns: u64,
}

/// Number of an agent in this run of the monitor; 0 is never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId(pub u32);

/// Identifier of a cgroup in the v2 hierarchy: the inode of its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CgroupId(pub u64);

/// What kind of operation an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
}

impl Kind {
    /// Every kind, by number.
    pub const ALL: [Self; 10] = [
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
        }
    }
}

/// Return value of the operation: 0 or positive on success, negative errno on failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What happened.
#[derive(Clone, Debug, PartialEq)]
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
    pub comm: [u8; 16],
    /// Result of the operation.
    pub outcome: Outcome,
    /// Bits of [`flags`].
    pub flags: u16,
    /// Name of the system call (`openat`), or of the kind when none was involved.
    pub operation: &'static str,
    /// CPU the record was written on.
    pub cpu: u16,
    /// Number of the record on that CPU.
    pub seq: u64,
    /// Records lost on that CPU just before this one.
    pub lost_before: u32,
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
            Detail::Connect(_) => Kind::Connect,
            Detail::Unlink(_) => Kind::Unlink,
            Detail::Identity(_) => Kind::Identity,
            Detail::CgroupLeave(_) => Kind::CgroupLeave,
            Detail::CgroupJoin(_) => Kind::CgroupJoin,
            Detail::ProcessSeen(_) => Kind::ProcessSeen,
        }
    }

    /// The thread's name without its padding.
    #[must_use]
    pub fn comm(&self) -> &[u8] {
        self.comm.split(|b| *b == 0).next().unwrap_or_default()
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
