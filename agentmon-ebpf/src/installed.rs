//! Which file an open installed as its descriptor: for the end of the call, when another thread can have put another file there.
//!
//! Only where the kernel lets a program attach to one of its functions; elsewhere the end of the call has the descriptor alone. Not
//! for: what is told of an open (`file`).

use crate::call::Call;
use crate::errors::{ProbeError, finish};
use crate::kernel::{OpenedFile, Task, offset, read};
use crate::maps::{AM_ENTERED, AM_HOOKED, Installed};
use crate::signal::SystemCall;
use crate::{scope, syscall};
use agentmon_common::offsets::ABSENT;
use agentmon_common::record::kind;
use agentmon_common::stats::probe;
use agentmon_common::syscalls::op;
use aya_ebpf::{macros::fentry, programs::FEntryContext};

/// A file becomes a descriptor of the process that runs: the last step of every call that returns one.
///
/// Prototype: `fd_install(unsigned int fd, struct file *file)`, fs/file.c.
#[fentry(function = "fd_install")]
pub fn am_fd_install(ctx: FEntryContext) -> i32 {
    finish(&ctx, probe::PATH, keep(ctx.arg(0), ctx.arg(1)))
}

/// Whether a call's descriptor is looked at when it ends.
#[inline(always)]
const fn is_open(op: u8) -> bool {
    matches!(op, op::OPEN..=op::CREAT | op::OPEN_BY_HANDLE_AT)
}

#[inline(always)]
fn keep(fd: u32, file: *const u8) -> Result<(), ProbeError> {
    let task = Task::current();
    let agent = scope::agent_of(task.tgid()?);
    if agent == 0 || scope::is_off(agent, 1 << kind::OPEN) || task.is_io_worker()? {
        return Ok(());
    }
    let call = SystemCall::of(task)?;
    if !is_open(syscall::operation_of(call.number, call.compat)) {
        return Ok(());
    }
    let opened = OpenedFile::of(file)?;
    let ino = read(opened.inode, offset!(inode_ino))?;
    let kept = &mut syscall::remembered(task)?.installed;
    kept.inode = opened.inode as u64;
    kept.mnt = opened.mnt as u64;
    kept.dentry = opened.dentry as u64;
    kept.ino = ino;
    kept.mode = opened.mode;
    kept.fd = fd;
    kept.file = file as u64;
    Ok(())
}

/// At the end of an open that succeeded: what it installed, once. `None` where nothing tells.
#[inline(always)]
pub fn take(call: &Call) -> Result<Option<&'static Installed>, ProbeError> {
    let hooked = *AM_HOOKED.get(0).ok_or(ProbeError::Null)?;
    if hooked & 1 << kind::OPEN == 0 {
        return Ok(None);
    }
    let Some(entered) = AM_ENTERED.get_ptr_mut(call.task.tid()?) else { return Ok(None) };
    // SAFETY: a map value that only this thread's programs write.
    let kept = unsafe { &mut (*entered).installed };
    let is_it = kept.file != 0 && i64::from(kept.fd) == call.ret;
    let fd = if is_it { kept.fd } else { NO_FD };
    // An open whose hook the kernel skipped must not find it.
    kept.fd = NO_FD;
    if fd == NO_FD { Ok(None) } else { Ok(Some(kept)) }
}

/// Of no open.
const NO_FD: u32 = u32::MAX;

/// The file that was opened, though the descriptor is closed or stands for another one: as long as its name leads to it.
#[inline(always)]
pub fn gone(kept: &Installed) -> Result<OpenedFile, ProbeError> {
    if offset!(dentry_inode) == ABSENT as usize {
        return Err(ProbeError::Null);
    }
    let inode: u64 = read(kept.dentry as *const u8, offset!(dentry_inode))?;
    let ino: u64 = read(kept.inode as *const u8, offset!(inode_ino))?;
    if inode != kept.inode || ino != kept.ino {
        return Err(ProbeError::Null);
    }
    let (inode, mnt, dentry) = (inode as *const u8, kept.mnt as *const u8, kept.dentry as *const u8);
    Ok(OpenedFile { inode, mode: kept.mode, mnt, dentry })
}
