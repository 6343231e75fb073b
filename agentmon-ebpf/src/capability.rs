//! Uses of capabilities: the kernel asks whether a process has one before it does what needs it.
//!
//! It asks all the time, so that each is told once of each program that a process runs. Not for: what a process holds
//! (`identity`), nor what it then did.

use crate::errors::{ProbeError, finish};
use crate::kernel::{Regs, Task, load, offset};
use crate::maps::{AM_CAPABLE, Asked};
use crate::record::Record;
use crate::scope;
use crate::signal::SystemCall;
use agentmon_common::capability::{SYS_ADMIN, takes_memory};
use agentmon_common::record::{CapabilityFixed, flags, kind};
use agentmon_common::stats::probe;
use aya_ebpf::helpers::{bpf_probe_read_user, generated::bpf_task_pt_regs};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

/// Bits that tell capabilities apart.
const CAPABILITIES: u32 = 64;
/// `CLONE_NEWNS`, `_NEWCGROUP`, `_NEWUTS`, `_NEWIPC`, `_NEWUSER`, `_NEWPID`, `_NEWNET` (`include/uapi/linux/sched.h`).
const CLONE_NEW: u64 = 0x7e02_0000;
/// clone of x86-64 and of i386, and clone3 of both.
const CLONE: (u16, u16) = (56, 120);
const CLONE3: u16 = 435;

/// The kernel asked whether somebody has a capability in a user namespace, and what the answer was: runs in whoever asks, which
/// is mostly who wants to use it.
///
/// Prototype: `cap_capable(const struct cred *cred, struct user_namespace *target_ns, const struct user_namespace *capable_ns,
/// int cap, int ret)`, include/trace/events/capability.h (since 6.14). Does not see security modules that say no later.
#[btf_tracepoint(function = "cap_capable")]
pub fn am_capable(ctx: BtfTracePointContext) -> i32 {
    finish(&ctx, probe::CAPABLE, asked(ctx.arg(0), ctx.arg(1), ctx.arg(3), ctx.arg(4)))
}

#[inline(always)]
fn asked(cred: *const u8, namespace: *const u8, capability: u32, ret: i32) -> Result<(), ProbeError> {
    let task = Task::current();
    let tgid = task.tgid()?;
    let agent = scope::agent_of(tgid);
    if agent == 0 || scope::is_off(agent, 1 << kind::CAPABILITY) || capability >= CAPABILITIES {
        return Ok(());
    }
    // Of others' credentials the kernel asks to learn what may be done to them.
    if task.cred()? as u64 != cred as u64 {
        return Ok(());
    }
    let call = SystemCall::of(task)?;
    if capability == SYS_ADMIN && is_for_memory(task, &call) {
        return Ok(());
    }
    let is_initial = load::<i32>(namespace, offset!(user_namespace_level))? == 0;
    if !is_first(task, tgid, capability, ret == 0, is_initial)? {
        return Ok(());
    }
    let mut record = Record::of_current::<CapabilityFixed>(agent, kind::CAPABILITY, i64::from(ret))?;
    let header = record.header();
    header.syscall = call.number;
    if call.compat {
        header.flags |= flags::COMPAT;
    }
    let fixed = record.fixed::<CapabilityFixed>();
    fixed.capability = capability;
    fixed.initial_namespace = u32::from(is_initial);
    record.submit()
}

/// Whether the kernel asks only to learn if this process may have the last of the memory; where no call is made, for a page
/// that is touched. A clone that makes namespaces is not only that.
#[inline(always)]
fn is_for_memory(task: Task, call: &SystemCall) -> bool {
    if call.is_none() {
        return true;
    }
    if !takes_memory(call.compat, u64::from(call.number)) {
        return false;
    }
    let is_clone = call.number == if call.compat { CLONE.1 } else { CLONE.0 };
    if !is_clone && call.number != CLONE3 {
        return true;
    }
    // SAFETY: the verifier knows the pointer as a task's, and the result as its registers.
    let regs = Regs(unsafe { bpf_task_pt_regs(task.0.cast_mut().cast()) } as *const u8);
    let first = regs.arg(call.compat, 0).unwrap_or(0);
    // SAFETY: the helper checks the source.
    let flags = if is_clone { first } else { unsafe { bpf_probe_read_user(first as *const u64) }.unwrap_or(0) };
    flags & CLONE_NEW == 0
}

/// Whether this was not asked before of this program of this process, with this answer; threads may both be the first.
#[inline(always)]
fn is_first(task: Task, tgid: u32, capability: u32, granted: bool, initial: bool) -> Result<bool, ProbeError> {
    let (start_ns, exec_id) = (task.start_ns()?, load(task.0, offset!(task_self_exec_id))?);
    let at = usize::from(granted) | usize::from(initial) << 1;
    let bit = 1_u64 << (capability & (CAPABILITIES - 1));
    if let Some(asked) = AM_CAPABLE.get_ptr_mut(tgid) {
        // SAFETY: a map value of plain words. Two threads may both write: then one of them asks once more.
        let asked = unsafe { &mut *asked };
        if asked.start_ns == start_ns && asked.exec_id == exec_id {
            let is_first = asked.seen[at & 3] & bit == 0;
            asked.seen[at & 3] |= bit;
            return Ok(is_first);
        }
    }
    let mut asked = Asked { start_ns, exec_id, seen: [0; 4] };
    asked.seen[at & 3] = bit;
    // An LRU map always has room: of a process that was pushed out each is told once more.
    let _ = AM_CAPABLE.insert(tgid, asked, 0);
    Ok(true)
}
