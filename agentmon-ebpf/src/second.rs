//! Second copies of the programs whose events must not be missed, for kernels that skip a program which would preempt itself.
//!
//! From Linux 7.0 a program on a tracepoint can be preempted, by a task that comes to the same tracepoint on the same CPU:
//! there the kernel does not run the program once more (`recursion_misses`). Another program at the same tracepoint it does
//! run. A second copy comes after the first, and does the work where the first has not. The loader attaches them when the
//! kernel has skipped a run. Not for: what the programs do.

use crate::errors::{ProbeError, finish};
use crate::kernel::{Regs, Task};
use crate::maps::{AM_TOLD, THREADS_PER_PAGE};
use crate::{process, syscall};
use agentmon_common::stats::probe;
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

/// Which of two programs at one tracepoint this is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Copy {
    First,
    Second,
}

/// Events of which nothing else shows that the first copy has told them: bits of `AM_TOLD`.
pub mod event {
    /// The end of a system call.
    pub const SYS_EXIT: u8 = 1;
    /// An execution.
    pub const EXEC: u8 = 2;
}

impl Copy {
    /// Whether this copy is to tell of an event of the thread that runs now.
    #[inline(always)]
    pub fn is_to_tell(self, event: u8) -> Result<bool, ProbeError> {
        let tid = Task::current().tid()?;
        let page = AM_TOLD.get_ptr_mut(tid / THREADS_PER_PAGE as u32).ok_or(ProbeError::MapFull)?;
        // SAFETY: a map value; an entry is written only by programs that run in its own thread, one after the other.
        let told = unsafe { &mut (*page)[tid as usize % THREADS_PER_PAGE] };
        if self == Self::First {
            *told |= event;
            return Ok(true);
        }
        let by_first = *told & event != 0;
        *told &= !event;
        Ok(!by_first)
    }
}

/// As `am_sys_exit`.
#[btf_tracepoint(function = "sys_exit")]
pub fn am_sys_exit_2(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::SYS_EXIT, syscall::exit(Regs(ctx.arg(0)), ctx.arg(1), Copy::Second))
}

/// As `am_exec`.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn am_exec_2(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::EXEC, process::exec(Task(ctx.arg(0)), ctx.arg(1), ctx.arg(2), Copy::Second))
}

/// As `am_fork`, whose child is a member.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn am_fork_2(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::FORK, process::fork(Task(ctx.arg(0)), Task(ctx.arg(1)), Copy::Second))
}

/// As `am_exit`, whose process is a member no more.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn am_exit_2(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::EXIT, process::exit(Task(ctx.arg(0))))
}
