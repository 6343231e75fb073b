//! Files that are opened, and executions that failed for want of one.
//!
//! A successful open reports the file the kernel opened. Where no file object exists, the string and the directory it
//! is relative to are reported, and the daemon joins them. Not for: successful executions (`process`), nor calls that
//! change files (`calls`).

use crate::call::Call;
use crate::errors::ProbeError;
use crate::kernel::{OpenedFile, file_id, file_of};
use crate::place::{AT_FDCWD, base_of};
use crate::record::Record;
use crate::{installed, walk};
use agentmon_common::record::{ExecFixed, OpenFixed, Span, flags, kind};
use agentmon_common::syscalls::op;
use aya_ebpf::helpers::bpf_probe_read_user;

/// `O_CREAT | O_WRONLY | O_TRUNC`, what creat(2) means.
const CREAT_FLAGS: u64 = 0o1101;

/// The exit of open, openat, openat2 and creat.
#[inline(never)]
pub fn opened(call: &Call) -> Result<(), ProbeError> {
    let mut record = Record::of_current::<OpenFixed>(call.agent, kind::OPEN, call.ret)?;
    call.stamp(&mut record);
    let at = matches!(call.op, op::OPENAT | op::OPENAT2 | op::OPEN_BY_HANDLE_AT);
    let dirfd = if at { call.arg(0)? as i32 } else { AT_FDCWD };
    let (open_flags, create_mode) = open_flags(call)?;
    {
        let fixed = record.fixed::<OpenFixed>();
        fixed.dirfd = dirfd;
        fixed.open_flags = open_flags;
        fixed.create_mode = create_mode;
    }
    let asked = if call.op == op::OPEN_BY_HANDLE_AT { Span::default() } else { push_asked(&mut record, call, at)? };
    // Another thread may have closed the descriptor by now: then what was asked is all there is to say.
    if call.ret >= 0 && push_file(&mut record, call).is_ok() {
        return record.submit();
    }
    let base = base_of(&mut record, dirfd, asked, None)?;
    let fixed = record.fixed::<OpenFixed>();
    fixed.base = base.span;
    fixed.base_flags = base.flags;
    record.submit()
}

/// The path as given. A handle has none.
#[inline(always)]
fn push_asked(record: &mut Record, call: &Call, at: bool) -> Result<Span, ProbeError> {
    let asked = record.push_user_str(if at { call.arg(1)? } else { call.arg(0)? })?;
    match asked {
        Some(span) => record.fixed::<OpenFixed>().asked = span,
        None => record.flag(flags::UNREADABLE),
    }
    Ok(asked.unwrap_or_default())
}

/// Flags and mode as given.
#[inline(always)]
fn open_flags(call: &Call) -> Result<(u64, u32), ProbeError> {
    match call.op {
        op::CREAT => Ok((CREAT_FLAGS, call.arg(1)? as u32)),
        op::OPEN => Ok((call.arg(1)? & 0xffff_ffff, call.arg(2)? as u32)),
        op::OPEN_BY_HANDLE_AT => Ok((call.arg(2)? & 0xffff_ffff, 0)),
        op::OPENAT => Ok((call.arg(2)? & 0xffff_ffff, call.arg(3)? as u32)),
        _ => {
            // struct open_how { __u64 flags, mode, resolve; }
            // SAFETY: the helper checks the source; an unreadable one leaves zeros.
            let how = unsafe { bpf_probe_read_user(call.arg(2)? as *const [u64; 2]) }.unwrap_or([0; 2]);
            Ok((how[0], how[1] as u32))
        }
    }
}

/// The file behind the returned descriptor; where the kernel told which file was opened that one, whatever is there by now.
#[inline(always)]
fn push_file(record: &mut Record, call: &Call) -> Result<(), ProbeError> {
    let now = file_of(call.ret as i32);
    let there = now.as_ref().map_or(0, |file| *file as u64);
    let file = match installed::take(call)? {
        Some(kept) if kept.file != there => {
            if there != 0 {
                record.flag(flags::CHANGED);
            }
            installed::gone(kept)?
        }
        _ => OpenedFile::of(now?)?,
    };
    let mut id = file_id(file.inode)?;
    let walked = walk::path(record, file.dentry, file.mnt)?;
    id.path_flags = walked.flags;
    let fixed = record.fixed::<OpenFixed>();
    fixed.file = id;
    fixed.f_mode = file.mode;
    fixed.path = walked.span;
    Ok(())
}

/// The exit of execve and execveat that failed.
#[inline(never)]
pub fn not_executed(call: &Call) -> Result<(), ProbeError> {
    if call.ret >= 0 {
        return Ok(());
    }
    let mut record = Record::of_current::<ExecFixed>(call.agent, kind::EXEC, call.ret)?;
    call.stamp(&mut record);
    let at = call.op == op::EXECVEAT;
    let dirfd = if at { call.arg(0)? as i32 } else { AT_FDCWD };
    let source = if at { call.arg(1)? } else { call.arg(0)? };
    let asked = record.push_user_str(source)?;
    match asked {
        Some(span) => record.fixed::<ExecFixed>().filename = span,
        None => record.flag(flags::UNREADABLE),
    }
    let base = base_of(&mut record, dirfd, asked.unwrap_or_default(), None)?;
    let fixed = record.fixed::<ExecFixed>();
    fixed.cwd = base.span;
    fixed.cwd_flags = base.flags;
    record.submit()
}
