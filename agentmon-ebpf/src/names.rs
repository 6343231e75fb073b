//! What a process calls itself: names of threads, and where the kernel finds its arguments.
//!
//! Not for: the name that an exec gives, nor arguments that are overwritten where they stand, which no hook sees.

use crate::call::Call;
use crate::errors::{ProbeError, finish};
use crate::kernel::{Task, load, offset};
use crate::record::Record;
use crate::scope;
use crate::signal::SystemCall;
use agentmon_common::record::{ARGV_MAX, ArgvFixed, ThreadNameFixed, flags, kind};
use agentmon_common::stats::probe;
use agentmon_common::syscalls::is_exec;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

/// `PF_IO_WORKER` of `task->flags` (`include/linux/sched.h`).
const IO_WORKER: u32 = 0x10;
/// Bytes of a name, with its NUL (`TASK_COMM_LEN`).
const COMM_LEN: usize = 16;

/// A thread is given another name: runs in the thread that gives it, before it stands.
///
/// Prototype: `task_rename(struct task_struct *task, const char *comm)`, include/trace/events/task.h. Sees prctl
/// (`PR_SET_NAME`) and /proc/PID/comm. Exec comes here too, as do the workers of an io_uring, which the kernel names itself:
/// both are left out. Needs `bpf_task_pt_regs` (Linux 5.15).
#[btf_tracepoint(function = "task_rename")]
pub fn am_task_rename(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::TASK_RENAME, renamed(Task(ctx.arg(0)), ctx.arg(1)))
}

#[inline(always)]
fn renamed(target: Task, name: *const u8) -> Result<(), ProbeError> {
    let task = Task::current();
    let agent = scope::agent_of(task.tgid()?);
    if agent == 0 || scope::is_off(agent, 1 << kind::THREAD_NAME) {
        return Ok(());
    }
    let call = SystemCall::of(task)?;
    if is_exec(call.compat, u64::from(call.number)) {
        return Ok(());
    }
    let target_tid = target.tid()?;
    if target_tid == task.tid()? && load::<u32>(task.0, offset!(task_flags))? & IO_WORKER != 0 {
        return Ok(());
    }
    let mut record = Record::of_current::<ThreadNameFixed>(agent, kind::THREAD_NAME, 0)?;
    let header = record.header();
    header.syscall = call.number;
    if call.compat {
        header.flags |= flags::COMPAT;
    }
    let before = target.comm()?;
    let fixed = record.fixed::<ThreadNameFixed>();
    fixed.target_tid = target_tid;
    // SAFETY: sixteen bytes of a fixed part, which is aligned to 8; the pointer comes from a reference to them.
    unsafe { (&raw mut fixed.before).cast::<[u64; 2]>().write(before) };
    // SAFETY: the destination has COMM_LEN bytes; the helper checks the source.
    let read = unsafe { bpf_probe_read_kernel_str(fixed.after.as_mut_ptr().cast(), COMM_LEN as u32, name.cast()) };
    if read < 0 {
        return Err(ProbeError::KernelRead);
    }
    // SAFETY: as above.
    let after = unsafe { (&raw const fixed.after).cast::<[u64; 2]>().read() };
    if after[0] == before[0] && after[1] == before[1] {
        return Ok(());
    }
    record.submit()
}

/// `PR_SET_MM`, and what it can move: `PR_SET_MM_ARG_START`, `PR_SET_MM_ARG_END`, `PR_SET_MM_MAP`
/// (`include/uapi/linux/prctl.h`).
const PR_SET_MM: u32 = 35;
const ARG_START: u32 = 8;
const ARG_END: u32 = 9;
const MAP: u32 = 14;

/// The exit of prctl, if it was to move the arguments.
#[inline(never)]
pub fn arguments(call: &Call) -> Result<(), ProbeError> {
    let option = call.arg(1)? as u32;
    if call.arg(0)? as u32 != PR_SET_MM || !matches!(option, ARG_START | ARG_END | MAP) {
        return Ok(());
    }
    let mut record = Record::of_current::<ArgvFixed>(call.agent, kind::ARGV, call.ret)?;
    call.stamp(&mut record);
    let mm = call.task.mm()?;
    let start: u64 = load(mm, offset!(mm_arg_start))?;
    let end: u64 = load(mm, offset!(mm_arg_end))?;
    let fixed = record.fixed::<ArgvFixed>();
    fixed.start = start;
    fixed.end = end;
    fixed.option = option;
    match record.push_user::<ARGV_MAX>(start, end.wrapping_sub(start))? {
        Some(span) => record.fixed::<ArgvFixed>().argv = span,
        None => record.flag(flags::UNREADABLE),
    }
    record.submit()
}
