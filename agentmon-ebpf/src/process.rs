//! Processes: execution, creation, end.
//!
//! Not for: failed executions (`syscall`), nor for membership beyond inheriting it (`scope`).

use crate::errors::{ProbeError, finish};
use crate::kernel::{Task, file_id, load, offset, read};
use crate::maps::AM_ENTERED;
use crate::record::Record;
use crate::scope;
use crate::second::{Copy, event};
use crate::walk;
use agentmon_common::record::{ARGV_MAX, ExecFixed, ExitFixed, ForkFixed, flags, kind};
use agentmon_common::stats::probe;
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

/// A program was executed: runs in the task, after the old program is gone and before the new one's first instruction.
///
/// Prototype: `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`,
/// include/trace/events/sched.h. Sees every successful execve and execveat of either ABI.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn am_exec(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::EXEC, exec(Task(ctx.arg(0)), ctx.arg(1), ctx.arg(2), Copy::First))
}

#[inline(always)]
pub fn exec(task: Task, old_tid: i32, bprm: *const u8, copy: Copy) -> Result<(), ProbeError> {
    let agent = scope::agent_of(task.tgid()?);
    if agent == 0 || !copy.is_to_tell(event::EXEC)? {
        return Ok(());
    }
    // A thread that was not the first loses its id here without an exit.
    let _ = AM_ENTERED.remove(old_tid as u32);
    let mut record = Record::of_current::<ExecFixed>(agent, kind::EXEC, 0)?;
    let file: *const u8 = load(bprm, offset!(bprm_file))?;
    let exe = walk::file_path(&mut record, file)?;
    let mut id = file_id(read(file, offset!(file_inode))?)?;
    id.path_flags = exe.flags;
    let filename: *const u8 = load(bprm, offset!(bprm_filename))?;
    let interp: *const u8 = load(bprm, offset!(bprm_interp))?;
    let argc: u32 = load(bprm, offset!(bprm_argc))?;
    let filename_span = record.push_kernel_str(filename)?;
    let interp_span = if interp == filename { filename_span } else { record.push_kernel_str(interp)? };
    {
        let fixed = record.fixed::<ExecFixed>();
        fixed.file = id;
        fixed.exe = exe.span;
        fixed.filename = filename_span;
        fixed.interp = interp_span;
        fixed.argc = argc;
    }
    push_cwd(&mut record)?;
    push_argv(&mut record, task)?;
    record.submit()
}

#[inline(always)]
fn push_cwd(record: &mut Record) -> Result<(), ProbeError> {
    let cwd = walk::working_directory(record)?;
    let fixed = record.fixed::<ExecFixed>();
    fixed.cwd = cwd.span;
    fixed.cwd_flags = cwd.flags;
    Ok(())
}

#[inline(always)]
fn push_argv(record: &mut Record, task: Task) -> Result<(), ProbeError> {
    let mm = task.mm()?;
    let start: u64 = load(mm, offset!(mm_arg_start))?;
    let end: u64 = load(mm, offset!(mm_arg_end))?;
    match record.push_user::<ARGV_MAX>(start, end.wrapping_sub(start))? {
        Some(span) => record.fixed::<ExecFixed>().argv = span,
        None => record.flag(flags::UNREADABLE),
    }
    Ok(())
}

/// A process or thread was created: runs in the creator, before the child runs.
///
/// Prototype: `sched_process_fork(struct task_struct *parent, struct task_struct *child)`, include/trace/events/sched.h.
/// `parent` is the true creator, also for CLONE_PARENT. Threads make no record: they are their process.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn am_fork(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::FORK, fork(Task(ctx.arg(0)), Task(ctx.arg(1)), Copy::First))
}

#[inline(always)]
pub fn fork(parent: Task, child: Task, copy: Copy) -> Result<(), ProbeError> {
    let (creator, tgid) = (parent.tgid()?, child.tgid()?);
    if creator == tgid || copy == Copy::Second && scope::agent_of(tgid) != 0 {
        return Ok(());
    }
    let inherited = scope::agent_of(creator);
    if inherited == 0 {
        return born_inside(child, tgid, creator);
    }
    scope::set_agent(tgid, inherited)?;
    let mut record = Record::of_current::<ForkFixed>(inherited, kind::FORK, 0)?;
    *record.fixed() = ForkFixed {
        child_start_ns: child.start_ns()?,
        child_cgroup_id: child.cgroup_id()?,
        child_tgid: tgid,
        child_ppid: child.real_parent()?.tgid()?,
    };
    record.submit()?;
    left_at_birth(parent, child, inherited)
}

/// A child of somebody who is no agent's: where its cgroup is one's, it joins it.
#[inline(always)]
fn born_inside(child: Task, tgid: u32, creator: u32) -> Result<(), ProbeError> {
    let cgroup = child.cgroup()?;
    match scope::agent_of_cgroup(cgroup, probe::FORK)? {
        0 => Ok(()),
        agent => {
            scope::set_agent(tgid, agent)?;
            scope::report(kind::CGROUP_JOIN, child, agent, cgroup.id()?, creator, core::ptr::null())
        }
    }
}

/// Born outside by CLONE_INTO_CGROUP, from a creator inside: an escape that raises no cgroup_attach_task.
#[inline(always)]
fn left_at_birth(parent: Task, child: Task, agent: u32) -> Result<(), ProbeError> {
    let (from, to) = (parent.cgroup()?, child.cgroup()?);
    let id = to.id()?;
    if id == from.id()? || scope::agent_of_cgroup(to, probe::FORK)? == agent || scope::agent_of_cgroup(from, probe::FORK)? != agent {
        return Ok(());
    }
    scope::report(kind::CGROUP_LEAVE, child, agent, id, parent.tgid()?, core::ptr::null())
}

/// A thread ended; with its last thread a process.
///
/// Prototype: `sched_process_exit(struct task_struct *p)` (since 6.16 also `bool group_dead`),
/// include/trace/events/sched.h. Runs in the task, after `signal->live` was decremented.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn am_exit(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::EXIT, exit(Task(ctx.arg(0))))
}

#[inline(always)]
pub fn exit(task: Task) -> Result<(), ProbeError> {
    let tgid = task.tgid()?;
    // Before the question of membership: when the last threads end together, the first to come here ends it for all.
    // Most threads never entered a call that leaves something here: no error.
    let _ = AM_ENTERED.remove(task.tid()?);
    let agent = scope::agent_of(tgid);
    if agent == 0 {
        return Ok(());
    }
    if !task.is_dead()? {
        return Ok(());
    }
    scope::set_agent(tgid, 0)?;
    scope::remember_ended(task, agent)?;
    let mut record = Record::of_current::<ExitFixed>(agent, kind::EXIT, 0)?;
    record.fixed::<ExitFixed>().status = task.exit_status()?;
    record.submit()
}
