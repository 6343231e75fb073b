//! What the probes count: records by kind, in the slot that they were built in, and per CPU what has no slot.
//!
//! Not for: rates or totals; the daemon sums them up. Received + dropped = produced holds exactly, per kind.

use crate::record::kind;
use crate::rings;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Records that one CPU can have under construction: more than one only where a program that builds one can be
/// preempted by another that does (every tracepoint from Linux 7.0 on; the task iterator always).
pub const SLOTS: usize = 4;

/// A slot: who holds it, and what was counted by those who did. The value of the map `AM_SLOTS`.
///
/// A program claims a slot of its CPU by an atomic exchange of `claimed_ns`, and is then the only one to touch the rest
/// until it stores 0: plain additions are exact.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SlotStats {
    /// `CLOCK_BOOTTIME` in nanoseconds when the slot was claimed; 0: it is free.
    pub claimed_ns: u64,
    /// Records tried, by kind.
    pub produced: [u64; kind::COUNT],
    /// Records that did not fit into their ring, by kind.
    pub dropped: [u64; kind::COUNT],
    /// The numbering of each ring's records, by [`rings`].
    pub rings: [Numbering; rings::COUNT],
}

/// The numbering of the records that were built in one slot for one ring.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Numbering {
    /// Records tried; becomes [`crate::record::Header::seq`].
    pub seq: u64,
    /// Records lost since the last that got through.
    pub lost: u64,
}

impl Numbering {
    /// None yet.
    pub const ZERO: Self = Self { seq: 0, lost: 0 };
}

impl SlotStats {
    /// Free, all zero.
    pub const ZERO: Self =
        Self { claimed_ns: 0, produced: [0; kind::COUNT], dropped: [0; kind::COUNT], rings: [Numbering::ZERO; rings::COUNT] };
}

/// What an agent has put into the rings: the value of the map `AM_PUT`, which the probes write.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Put {
    /// Bytes of [`rings::space`] since the probes were loaded, by [`rings`].
    pub bytes: [u64; rings::COUNT],
    /// Records that were dropped because it had its share of the ring. They are counted by kind too.
    pub refused: u64,
}

/// What of that the daemon has taken out: the value of the map `AM_TAKEN`, which it writes. The difference waits in the rings.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Taken {
    /// As in [`Put`].
    pub bytes: [u64; rings::COUNT],
}

/// What one CPU counts without a slot, by atomic additions; the value of the map `AM_STATS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CpuStats {
    /// Records dropped because no slot was free, by kind. They were produced.
    pub no_slot: [u64; kind::COUNT],
    /// Errors, by probe and cause.
    pub errors: [[u64; cause::COUNT]; probe::COUNT],
}

impl CpuStats {
    /// All zero.
    pub const ZERO: Self = Self { no_slot: [0; kind::COUNT], errors: [[0; cause::COUNT]; probe::COUNT] };
}

/// The probes, as indices of [`CpuStats::errors`].
pub mod probe {
    /// tp_btf sys_enter.
    pub const SYS_ENTER: usize = 0;
    /// tp_btf sys_exit.
    pub const SYS_EXIT: usize = 1;
    /// tp_btf sched_process_exec.
    pub const EXEC: usize = 2;
    /// tp_btf sched_process_fork.
    pub const FORK: usize = 3;
    /// tp_btf sched_process_exit.
    pub const EXIT: usize = 4;
    /// tp_btf cgroup_mkdir.
    pub const CGROUP_MKDIR: usize = 5;
    /// tp_btf cgroup_rmdir.
    pub const CGROUP_RMDIR: usize = 6;
    /// tp_btf cgroup_attach_task.
    pub const CGROUP_ATTACH: usize = 7;
    /// iter/task, run once when a cgroup begins to be watched.
    pub const TASKS: usize = 8;
    /// tp_btf signal_generate.
    pub const SIGNAL: usize = 9;
    /// tp_btf io_uring_submit_req.
    pub const IO_URING: usize = 10;
    /// tp_btf cgroup_freeze.
    pub const CGROUP_FREEZE: usize = 11;
    /// tp_btf cgroup_unfreeze.
    pub const CGROUP_UNFREEZE: usize = 12;
    /// tp_btf task_rename.
    pub const TASK_RENAME: usize = 13;
    /// tp_btf inet_sock_set_state.
    pub const SOCK_STATE: usize = 14;
    /// cgroup_skb egress, of each agent's cgroup.
    pub const EGRESS: usize = 15;
    /// cgroup_skb ingress, of each agent's cgroup.
    pub const INGRESS: usize = 16;
    /// tp_btf cap_capable.
    pub const CAPABLE: usize = 17;
    /// fentry of every `security_path_*` function.
    pub const PATH: usize = 18;
    /// One more than the largest.
    pub const COUNT: usize = 19;
    /// Names for messages and metrics, by index.
    pub const NAMES: [&str; COUNT] = [
        "sys_enter",
        "sys_exit",
        "sched_process_exec",
        "sched_process_fork",
        "sched_process_exit",
        "cgroup_mkdir",
        "cgroup_rmdir",
        "cgroup_attach_task",
        "iter_task",
        "signal_generate",
        "io_uring_submit_req",
        "cgroup_freeze",
        "cgroup_unfreeze",
        "task_rename",
        "inet_sock_set_state",
        "cgroup_skb_egress",
        "cgroup_skb_ingress",
        "cap_capable",
        "security_path",
    ];
}

/// Why a probe could not do its work, as indices of the second dimension of [`CpuStats::errors`].
pub mod cause {
    /// A pointer was null where the kernel has one.
    pub const NULL: usize = 0;
    /// A kernel read failed.
    pub const KERNEL_READ: usize = 1;
    /// A map had no room for an entry: a blind spot.
    pub const MAP_FULL: usize = 2;
    /// No slot of the CPU was free. The record is counted as dropped too.
    pub const SCRATCH: usize = 3;
    /// A record grew past its limit.
    pub const TOO_LARGE: usize = 4;
    /// A cgroup lies so deep that it was not found whose it is: taken for nobody's.
    pub const TOO_DEEP: usize = 5;
    /// One more than the largest.
    pub const COUNT: usize = 6;
    /// Names for messages and metrics, by index.
    pub const NAMES: [&str; COUNT] = ["null_pointer", "kernel_read", "map_full", "scratch", "too_large", "too_deep"];
}
