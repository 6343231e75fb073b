//! What the probes count, per CPU: records by kind and errors by probe and cause.
//!
//! Not for: rates or totals; the daemon sums the CPUs. Received + dropped = produced holds exactly, per kind.

use crate::record::kind;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One CPU's counters; the value of the map `AM_STATS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CpuStats {
    /// Records tried, by kind.
    pub produced: [u64; kind::COUNT],
    /// Records that did not fit into the ring, by kind.
    pub dropped: [u64; kind::COUNT],
    /// Errors, by probe and cause.
    pub errors: [[u64; cause::COUNT]; probe::COUNT],
    /// Records tried on this CPU; becomes [`crate::record::Header::seq`].
    pub seq: u64,
    /// Records lost on this CPU since the last that got through.
    pub lost: u64,
}

impl CpuStats {
    /// All zero.
    pub const ZERO: Self =
        Self { produced: [0; kind::COUNT], dropped: [0; kind::COUNT], errors: [[0; cause::COUNT]; probe::COUNT], seq: 0, lost: 0 };
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
    /// One more than the largest.
    pub const COUNT: usize = 11;
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
    /// The CPU's scratch could not be had.
    pub const SCRATCH: usize = 3;
    /// A record grew past its limit.
    pub const TOO_LARGE: usize = 4;
    /// One more than the largest.
    pub const COUNT: usize = 5;
    /// Names for messages and metrics, by index.
    pub const NAMES: [&str; COUNT] = ["null_pointer", "kernel_read", "map_full", "scratch", "too_large"];
}
