//! Which tasks belong to an agent: the membership table, and the hooks that keep it.
//!
//! A process belongs once it was in a watched cgroup, or once its creator belonged: leaving the cgroup does not end
//! it. Membership is by process, so that threads need no entries of their own. Not for: what members do.

use crate::cgroup;
use crate::errors::{ProbeError, count, finish};
use crate::kernel::{Cgroup, Task, file_id, load, offset, read};
use crate::maps::{AM_CGROUPS, AM_ENDED, AM_FORGET, AM_MEMBERS, AM_MONITOR, AM_OFF, Ended, MEMBERS_PER_PAGE};
use crate::record::Record;
use crate::walk;
use agentmon_common::record::{CgroupFixed, ExecFixed, Span, cgroup_action, kind};
use agentmon_common::stats::probe;
use aya_ebpf::cty::c_void;
use aya_ebpf::{EbpfContext, macros::btf_tracepoint, programs::BtfTracePointContext};

/// Levels of the hierarchy that are asked whose they are, from a cgroup upwards. One that lies deeper below its agent's is taken
/// for nobody's.
pub const LEVELS_MAX: u32 = 64;

/// The agent a process belongs to; 0 when to none.
#[inline(always)]
pub fn agent_of(tgid: u32) -> u32 {
    let Some(page) = AM_MEMBERS.get_ptr(tgid / MEMBERS_PER_PAGE as u32) else { return 0 };
    // SAFETY: the verifier knows the pointer as a map value; the index is below the length.
    u32::from(unsafe { (*page)[tgid as usize % MEMBERS_PER_PAGE] })
}

/// Whether every kind of `kinds` (bits by kind) is switched off for an agent. Of none at all: no.
#[inline(always)]
pub fn is_off(agent: u32, kinds: u64) -> bool {
    let off = AM_OFF.get(agent).copied().unwrap_or(0);
    kinds != 0 && kinds & !off == 0
}

/// Makes a process a member, or with agent 0 no longer one.
#[inline(always)]
pub fn set_agent(tgid: u32, agent: u32) -> Result<(), ProbeError> {
    let page = AM_MEMBERS.get_ptr_mut(tgid / MEMBERS_PER_PAGE as u32).ok_or(ProbeError::MapFull)?;
    // SAFETY: as in `agent_of`; an entry is written only by the hooks of its own process's life.
    unsafe { (*page)[tgid as usize % MEMBERS_PER_PAGE] = agent as u16 };
    Ok(())
}

/// Keeps whose a process was for the rest of its end.
#[inline(always)]
pub fn remember_ended(task: Task, agent: u32) -> Result<(), ProbeError> {
    let ended = Ended { start_ns: task.start_ns()?, agent: u64::from(agent) };
    AM_ENDED.insert(task.tgid()?, ended, 0).map_err(|_| ProbeError::MapFull)
}

/// The agent a process belonged to that is just ending; 0 when to none.
#[inline(always)]
pub fn agent_of_ended(task: Task) -> Result<u32, ProbeError> {
    // SAFETY: the values are words; an entry is replaced whole.
    let Some(ended) = (unsafe { AM_ENDED.get(task.tgid()?) }) else { return Ok(0) };
    Ok(if ended.start_ns == task.start_ns()? { ended.agent as u32 } else { 0 })
}

/// The agent of which this is a topmost cgroup.
#[inline(always)]
pub fn agent_of_topmost(cgroup_id: u64) -> Option<u32> {
    // SAFETY: the value is a word; an update of the entry replaces it whole.
    unsafe { AM_CGROUPS.get(cgroup_id) }.copied()
}

/// The agent whose cgroup this is, or whose it lies in; 0 when nobody's. Only agents' topmost cgroups are in the table, so that
/// nobody fills it by making cgroups (`docs/decisions/0023-ancestors-are-asked.md`). `probe` asks: who is counted when the
/// answer lies too far up.
#[inline(always)]
pub fn agent_of_cgroup(cgroup: Cgroup, probe: usize) -> Result<u32, ProbeError> {
    let mut at = cgroup;
    for _ in 0..LEVELS_MAX {
        if let Some(agent) = agent_of_topmost(at.id()?) {
            return Ok(agent);
        }
        match at.parent()? {
            Some(parent) => at = parent,
            None => return Ok(0),
        }
    }
    // So deep down nothing is known. Nobody's, which makes going there an escape.
    count(probe, ProbeError::TooDeep);
    Ok(0)
}

/// A cgroup was made: nested ones belong to the agent of their parent.
///
/// Prototype: `cgroup_mkdir(struct cgroup *cgrp, const char *path)`, include/trace/events/cgroup.h.
#[btf_tracepoint(function = "cgroup_mkdir")]
pub fn am_cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::CGROUP_MKDIR, mkdir(Cgroup(ctx.arg(0)), ctx.arg(1)))
}

fn mkdir(cgroup: Cgroup, path: *const u8) -> Result<(), ProbeError> {
    if !cgroup.is_v2()? {
        return Ok(());
    }
    match agent_of_cgroup(cgroup, probe::CGROUP_MKDIR)? {
        0 => Ok(()),
        agent => cgroup::report(agent, cgroup.id()?, cgroup_action::MADE, path),
    }
}

/// A cgroup is gone.
///
/// Prototype: `cgroup_rmdir(struct cgroup *cgrp, const char *path)`, include/trace/events/cgroup.h.
#[btf_tracepoint(function = "cgroup_rmdir")]
pub fn am_cgroup_rmdir(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::CGROUP_RMDIR, rmdir(Cgroup(ctx.arg(0)), ctx.arg(1)))
}

fn rmdir(cgroup: Cgroup, path: *const u8) -> Result<(), ProbeError> {
    if !cgroup.is_v2()? {
        return Ok(());
    }
    let agent = agent_of_cgroup(cgroup, probe::CGROUP_RMDIR)?;
    let id = cgroup.id()?;
    // The end of an agent's own cgroup is whoever made it's to tell.
    if agent == 0 || AM_CGROUPS.remove(id).is_ok() {
        return Ok(());
    }
    cgroup::report(agent, id, cgroup_action::REMOVED, path)
}

/// A process was moved: into an agent's cgroup it becomes a member, out of it stays one. CLONE_INTO_CGROUP does not
/// come here but to `sched_process_fork`.
///
/// Prototype: `cgroup_attach_task(struct cgroup *dst_cgrp, const char *path, struct task_struct *task, bool
/// threadgroup)`, include/trace/events/cgroup.h. Runs in the task that moves, after the move.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn am_cgroup_attach(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::CGROUP_ATTACH, attach(Cgroup(ctx.arg(0)), ctx.arg(1), Task(ctx.arg(2))))
}

fn attach(destination: Cgroup, path: *const u8, task: Task) -> Result<(), ProbeError> {
    if !destination.is_v2()? {
        return Ok(());
    }
    let tgid = task.tgid()?;
    let (from, to) = (agent_of(tgid), agent_of_cgroup(destination, probe::CGROUP_ATTACH)?);
    if from == to {
        return Ok(());
    }
    let id = destination.id()?;
    let mover = Task::current().tgid()?;
    if from == 0 {
        // The monitor and its guard stay nobody's, whoever else moves them.
        if mover == tgid || mover == monitor() || !is_monitors(task, tgid)? {
            set_agent(tgid, to)?;
        }
        return report(kind::CGROUP_JOIN, task, to, id, mover, path);
    }
    report(kind::CGROUP_LEAVE, task, from, id, mover, path)
}

/// Process id of the monitor; 0 before it has watched anything.
#[inline(always)]
pub fn monitor() -> u32 {
    AM_MONITOR.get(0).copied().unwrap_or(0)
}

/// Whether a process is the monitor or a child of it.
#[inline(always)]
pub fn is_monitors(task: Task, tgid: u32) -> Result<bool, ProbeError> {
    let monitor = monitor();
    Ok(monitor != 0 && (tgid == monitor || task.real_parent()?.tgid()? == monitor))
}

/// Reports a move. `path` is null for a process that was born in another cgroup than its creator.
#[inline(always)]
pub fn report(kind: u16, task: Task, agent: u32, to_cgroup_id: u64, mover_tgid: u32, path: *const u8) -> Result<(), ProbeError> {
    let mut record = Record::of_task::<CgroupFixed>(task, agent, kind, 0)?;
    let span = if path.is_null() { Span::default() } else { record.push_kernel_str(path)? };
    *record.fixed() = CgroupFixed { to_cgroup_id, mover_tgid, born: u32::from(path.is_null()), path: span, reserved: 0 };
    record.submit()
}

/// Every task once, when a cgroup begins to be watched: those in watched cgroups become members and are reported. When
/// an agent is to be forgotten instead: its members are none any more.
///
/// Context: `struct bpf_iter__task { struct bpf_iter_meta *meta; struct task_struct *task; }`, kernel/bpf/task_iter.c.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn am_tasks(ctx: *mut c_void) -> i32 {
    // SAFETY: the second word of the context is the task, null at the end of the iteration.
    let task = Task(unsafe { ctx.cast::<*const u8>().add(1).read_volatile() });
    let result = if task.0.is_null() { introduce() } else { seen(task) };
    finish(&Iteration(ctx), probe::TASKS, result)
}

/// The end of the iteration: who reads it is the daemon, whose number in the initial pid namespace it may not know itself.
fn introduce() -> Result<(), ProbeError> {
    let monitor = AM_MONITOR.get_ptr_mut(0).ok_or(ProbeError::MapFull)?;
    // SAFETY: a map value; only the iterator writes it, a whole word.
    unsafe { monitor.write_volatile(Task::current().tgid()?) };
    Ok(())
}

fn seen(task: Task) -> Result<(), ProbeError> {
    let tgid = task.tgid()?;
    if task.tid()? != tgid {
        return Ok(());
    }
    let forget = AM_FORGET.get(0).copied().unwrap_or(0);
    if forget != 0 {
        return if agent_of(tgid) == forget { set_agent(tgid, 0) } else { Ok(()) };
    }
    // A process that has ended and was not waited for is in no hook's way any more: nothing would end its membership.
    if agent_of(tgid) != 0 || task.is_dead()? {
        return Ok(());
    }
    let agent = agent_of_cgroup(task.cgroup()?, probe::TASKS)?;
    if agent == 0 {
        return Ok(());
    }
    set_agent(tgid, agent)?;
    let mut record = Record::of_task::<ExecFixed>(task, agent, kind::PROCESS_SEEN, 0)?;
    let mm = task.mm()?;
    if !mm.is_null() {
        let file: *const u8 = load(mm, offset!(mm_exe_file))?;
        let walked = walk::file_path(&mut record, file)?;
        let mut id = file_id(read(file, offset!(file_inode))?)?;
        id.path_flags = walked.flags;
        let fixed = record.fixed::<ExecFixed>();
        fixed.file = id;
        fixed.exe = walked.span;
    }
    if !task.fs()?.is_null() {
        let cwd = walk::working_directory_of(&mut record, task)?;
        let fixed = record.fixed::<ExecFixed>();
        fixed.cwd = cwd.span;
        fixed.cwd_flags = cwd.flags;
    }
    record.submit()
}

/// The iterator's context, for the log macros.
struct Iteration(*mut c_void);

impl EbpfContext for Iteration {
    fn as_ptr(&self) -> *mut c_void {
        self.0
    }
}
