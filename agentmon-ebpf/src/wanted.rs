//! Which calls of an operation are recorded: by their arguments, of operations that do many things of which few are of interest.
//!
//! Asked before a record is begun. Not for: which operation a call is (`syscall`).

use crate::call::Call;
use crate::calls::{argument, in_memory, shape};
use crate::errors::ProbeError;
use crate::kernel::{Regs, Task, file_of, offset, read};
use crate::pointed::behind_pidfd;
use agentmon_common::record::NO_SYSCALL;
use agentmon_common::syscalls::only;
use aya_ebpf::helpers::{bpf_probe_read_user, generated::bpf_task_pt_regs};

/// `PROT_WRITE`, `MAP_SHARED` (of `MAP_SHARED_VALIDATE` too), `MAP_ANONYMOUS` (`include/uapi/asm-generic/mman-common.h`).
const PROT_WRITE: u64 = 2;
const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;
/// `FMODE_WRITE` of `file->f_mode` (`include/linux/fs.h`).
const FMODE_WRITE: u32 = 2;
/// `OPEN_TREE_CLONE` (`include/uapi/linux/mount.h`).
const OPEN_TREE_CLONE: u64 = 1;
/// Requests of ptrace that begin to trace or change the traced: `PTRACE_TRACEME`, `POKETEXT`, `POKEDATA`, `POKEUSR`,
/// `SETREGS`, `SETFPREGS`, `ATTACH`, `SETOPTIONS`, `SETREGSET`, `SEIZE` (`include/uapi/linux/ptrace.h`). Those that look or
/// continue come by the thousand and follow one of these.
const PTRACE_TELLING: [u64; 10] = [0, 4, 5, 6, 13, 15, 16, 0x4200, 0x4205, 0x4206];
/// `PRIO_PROCESS` (`include/uapi/linux/resource.h`) and `IOPRIO_WHO_PROCESS` (`include/uapi/linux/ioprio.h`).
const PRIO_PROCESS: u64 = 0;
const IOPRIO_WHO_PROCESS: u64 = 1;
/// What asks personality for what it is.
const PERSONA_QUESTION: u64 = 0xffff_ffff;
/// `SYSLOG_ACTION_READ_CLEAR`, `_CLEAR`, `_CONSOLE_OFF`, `_CONSOLE_ON`, `_CONSOLE_LEVEL` (`include/linux/syslog.h`).
const CLEARS_LOG: core::ops::RangeInclusive<u64> = 4..=8;
/// `CLONE_NEWNS`, `_NEWCGROUP`, `_NEWUTS`, `_NEWIPC`, `_NEWUSER`, `_NEWPID`, `_NEWNET`; and `_NEWTIME`, which only clone3 has
/// (`include/uapi/linux/sched.h`).
const CLONE_NEW: u64 = 0x7e02_0000;
const CLONE3_NEW: u64 = CLONE_NEW | 0x80;
/// `IPC_64` (`include/linux/ipc.h`): which of two layouts, not what.
const IPC_64: u64 = 0x100;

/// Whether a call is to be recorded.
#[inline(always)]
pub fn is_wanted(call: &Call) -> Result<bool, ProbeError> {
    match am_is_wanted(u64::from(call.op), call.ret) {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ProbeError::KernelRead),
    }
}

/// The same of the call that the task is in: 0 no, 1 yes, 2 it cannot be read. A global function, so that the verifier goes on with
/// one state behind it, whatever was asked.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_is_wanted(op: u64, ret: i64) -> u64 {
    asked(op as u8, ret).map_or(2, u64::from)
}

#[inline(always)]
fn asked(op: u8, ret: i64) -> Result<bool, ProbeError> {
    let only = shape(op).only;
    if only == only::ALL {
        return Ok(true);
    }
    let task = Task::current();
    // SAFETY: the verifier knows the pointer as a task's, and the result as its registers.
    let regs = Regs(unsafe { bpf_task_pt_regs(task.0.cast_mut().cast()) } as *const u8);
    let call = &Call { task, agent: 0, regs, compat: task.in_compat_syscall()?, number: NO_SYSCALL, op, ret };
    let arg = |index: u8| regs.arg(call.compat, index);
    Ok(match only {
        only::WRITABLE_MAP => is_writable_map(call)?,
        // Of arguments that cannot be read nothing is known.
        only::WRITABLE_MAP_OLD => in_memory(call, 3)?.is_none() || is_writable_map(call)?,
        only::CLONES => arg(2)? & OPEN_TREE_CLONE != 0,
        only::TELLING => is_one_of(&PTRACE_TELLING, arg(0)?),
        only::SETS_LIMIT => arg(0)? != 0 && arg(2)? != 0,
        only::OF_OTHER => is_other(arg(0)?),
        only::OF_OTHERS => is_other(arg(0)?) || is_other(arg(1)?),
        only::PRIORITY_OF_OTHER => arg(0)? != PRIO_PROCESS || is_other(arg(1)?),
        only::IOPRIO_OF_OTHER => arg(0)? != IOPRIO_WHO_PROCESS || is_other(arg(1)?),
        only::PIDFD_OF_OTHER => is_pidfd_of_other(arg(0)? as i32, ret),
        only::SETS_PERSONA => arg(0)? & 0xffff_ffff != PERSONA_QUESTION,
        only::CLEARS_LOG => CLEARS_LOG.contains(&(arg(0)? & 0xffff_ffff)),
        // The child comes here too, with 0.
        only::MAKES_NAMESPACES => ret != 0 && arg(0)? & CLONE_NEW != 0,
        only::MAKES_NAMESPACES_BEHIND => ret != 0 && number_behind(arg(0)?).is_none_or(|flags| flags & CLONE3_NEW != 0),
        only::NOT_ZERO_BEHIND..only::FIRST_TWO => number_behind(arg(only - only::NOT_ZERO_BEHIND)?) != Some(0),
        only::FIRST_TWO.. => arg(only - only::FIRST_TWO)? & 0xffff_ffff & !IPC_64 <= 1,
        _ => true,
    })
}

/// `None` where nothing can be read.
#[inline(always)]
fn number_behind(pointer: u64) -> Option<u64> {
    // SAFETY: the helper checks the source.
    unsafe { bpf_probe_read_user(pointer as *const u32) }.ok().map(u64::from)
}

/// Whether it is the id of another process. In a pid namespace, whose numbers are others, of any.
#[inline(always)]
fn is_other(pid: u64) -> bool {
    am_is_other(pid as u32) != 0
}

/// The same of the id itself. A global function, which the verifier checks once (see `record::am_identify`).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_is_other(pid: u32) -> u64 {
    let task = Task::current();
    let is_own = |own: Result<u32, ProbeError>| own.is_ok_and(|own| own == pid);
    u64::from(pid != 0 && !is_own(task.tid()) && !is_own(task.tgid()))
}

/// `PIDFD_SELF_THREAD_GROUP` and `PIDFD_SELF_THREAD` (`include/uapi/linux/pidfd.h`).
const PIDFD_SELF: [i32; 2] = [-10_001, -10_000];

/// Whether a pidfd is not that of the process itself; of one behind which nothing was found too.
#[inline(always)]
fn is_pidfd_of_other(fd: i32, ret: i64) -> bool {
    if fd == PIDFD_SELF[0] || fd == PIDFD_SELF[1] {
        return false;
    }
    let pid = behind_pidfd(fd, ret);
    pid == 0 || am_is_other(pid) != 0
}

/// Whether a mapping is shared, of a file, and writable or able to become so (mprotect): the file is open for writing.
#[inline(always)]
fn is_writable_map(call: &Call) -> Result<bool, ProbeError> {
    let flags = argument(call, 3)?;
    if flags & MAP_SHARED == 0 || flags & MAP_ANONYMOUS != 0 {
        return Ok(false);
    }
    if argument(call, 2)? & PROT_WRITE != 0 {
        return Ok(true);
    }
    let Ok(file) = file_of(argument(call, 4)? as i32) else { return Ok(false) };
    Ok(read::<u32>(file, offset!(file_mode))? & FMODE_WRITE != 0)
}

/// Unrolled: no array on the stack, no loop for the verifier.
#[inline(always)]
fn is_one_of<const N: usize>(all: &[u64; N], one: u64) -> bool {
    let mut i = 0;
    let mut found = false;
    while i < N {
        found |= all[i] == one;
        i += 1;
    }
    found
}
