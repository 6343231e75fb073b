//! Files: open, unlink, and executions that failed for want of one.
//!
//! A successful open reports the file the kernel opened. Where no file object exists, the string and the directory it
//! is relative to are reported, and the daemon joins them. Not for: successful executions (`process`).

use crate::bound::at_most;
use crate::call::Call;
use crate::errors::ProbeError;
use crate::kernel::{Block, FILE_WORDS, file_id, offset, read};
use crate::maps::{Entered, Lane};
use crate::record::Record;
use crate::walk::{self, Walked};
use crate::word;
use agentmon_common::record::{ENTER_BYTES, ExecFixed, OpenFixed, RECORD_MAX, Span, UnlinkFixed, flags, kind};
use agentmon_common::syscalls::op;
use aya_ebpf::helpers::{bpf_probe_read_user, generated::bpf_probe_read_kernel};

/// `AT_FDCWD` and `AT_REMOVEDIR` (`include/uapi/linux/fcntl.h`).
const AT_FDCWD: i32 = -100;
const AT_REMOVEDIR: u64 = 0x200;
/// `O_CREAT | O_WRONLY | O_TRUNC`, what creat(2) means.
const CREAT_FLAGS: u64 = 0o1101;

/// The exit of open, openat, openat2 and creat.
#[inline(never)]
pub fn opened(call: &Call) -> Result<(), ProbeError> {
    let (regs, compat) = (call.regs, call.compat);
    let mut record = Record::new::<OpenFixed>(Lane::Tracepoint, call.task, call.agent, kind::OPEN, call.ret)?;
    call.stamp(&mut record);
    let at = matches!(call.op, op::OPENAT | op::OPENAT2);
    let dirfd = if at { regs.arg0(compat)? as i32 } else { AT_FDCWD };
    let source = if at { regs.arg1(compat)? } else { regs.arg0(compat)? };
    let (open_flags, create_mode) = open_flags(call)?;
    {
        let fixed = record.fixed::<OpenFixed>();
        fixed.dirfd = dirfd;
        fixed.open_flags = open_flags;
        fixed.create_mode = create_mode;
    }
    let asked = record.push_user_str(source)?;
    match asked {
        Some(span) => record.fixed::<OpenFixed>().asked = span,
        None => record.flag(flags::UNREADABLE),
    }
    // Another thread may have closed the descriptor by now: then what was asked is all there is to say.
    if call.ret >= 0 && push_file(&mut record, call).is_ok() {
        return record.submit();
    }
    if let Some(base) = base_of(&mut record, call, dirfd, asked)? {
        let fixed = record.fixed::<OpenFixed>();
        fixed.base = base.span;
        fixed.base_flags = base.flags;
    }
    record.submit()
}

/// Flags and mode as given.
#[inline(always)]
fn open_flags(call: &Call) -> Result<(u64, u32), ProbeError> {
    let (regs, compat) = (call.regs, call.compat);
    match call.op {
        op::CREAT => Ok((CREAT_FLAGS, regs.arg1(compat)? as u32)),
        op::OPEN => Ok((regs.arg1(compat)? & 0xffff_ffff, regs.arg2(compat)? as u32)),
        op::OPENAT => Ok((regs.arg2(compat)? & 0xffff_ffff, regs.arg3(compat)? as u32)),
        _ => {
            // struct open_how { __u64 flags, mode, resolve; }
            // SAFETY: the helper checks the source; an unreadable one leaves zeros.
            let how = unsafe { bpf_probe_read_user(regs.arg2(compat)? as *const [u64; 2]) }.unwrap_or([0; 2]);
            Ok((how[0], how[1] as u32))
        }
    }
}

/// What is asked of a `struct file`.
struct OpenedFile {
    inode: *const u8,
    mode: u32,
    mnt: *const u8,
    dentry: *const u8,
}

/// One read where this kernel has all of it near the start; some between 6.1 and 6.12 have it behind the readahead
/// state. The verifier knows the offsets and drops the other branch.
#[inline(always)]
fn opened_file(file: *const u8) -> Result<OpenedFile, ProbeError> {
    const BYTES: usize = FILE_WORDS * 8;
    if offset!(file_inode) + 8 <= BYTES && offset!(file_path_mnt) + 16 <= BYTES && offset!(file_mode) + 4 <= BYTES {
        let mut block = Block::<FILE_WORDS>::EMPTY;
        block.fill(file)?;
        return Ok(OpenedFile {
            inode: block.get(offset!(file_inode)),
            mode: block.get(offset!(file_mode)),
            mnt: block.get(offset!(file_path_mnt)),
            dentry: block.get(offset!(file_path_dentry)),
        });
    }
    let path: [*const u8; 2] = read(file, offset!(file_path_mnt))?;
    Ok(OpenedFile { inode: read(file, offset!(file_inode))?, mode: read(file, offset!(file_mode))?, mnt: path[0], dentry: path[1] })
}

/// The file behind the returned descriptor.
#[inline(always)]
fn push_file(record: &mut Record, call: &Call) -> Result<(), ProbeError> {
    let file = opened_file(call.task.file(call.ret as i32)?)?;
    let mut id = file_id(file.inode)?;
    let walked = walk::path(record, file.dentry, file.mnt)?;
    id.path_flags = walked.flags;
    let fixed = record.fixed::<OpenFixed>();
    fixed.file = id;
    fixed.f_mode = file.mode;
    fixed.path = walked.span;
    Ok(())
}

/// The directory a path is relative to; `None` for an absolute or unreadable path, or a bad descriptor.
#[inline(always)]
fn base_of(record: &mut Record, call: &Call, dirfd: i32, asked: Option<Span>) -> Result<Option<Walked>, ProbeError> {
    let Some(asked) = asked else { return Ok(None) };
    let Ok(at) = at_most(asked.offset as usize, RECORD_MAX - 1) else { return Ok(None) };
    // SAFETY: `at` was just bounded by the size of the scratch.
    if unsafe { record.base().add(at).read_volatile() } == b'/' {
        return Ok(None);
    }
    if dirfd == AT_FDCWD {
        return walk::working_directory(record, call.task).map(Some);
    }
    match call.task.file(dirfd) {
        Ok(file) => walk::file_path(record, file).map(Some),
        Err(_) => Ok(None),
    }
}

/// The exit of unlink, unlinkat and rmdir.
#[inline(never)]
pub fn unlinked(call: &Call) -> Result<(), ProbeError> {
    let (regs, compat) = (call.regs, call.compat);
    let mut record = Record::new::<UnlinkFixed>(Lane::Tracepoint, call.task, call.agent, kind::UNLINK, call.ret)?;
    call.stamp(&mut record);
    let at = call.op == op::UNLINKAT;
    let dirfd = if at { regs.arg0(compat)? as i32 } else { AT_FDCWD };
    let source = if at { regs.arg1(compat)? } else { regs.arg0(compat)? };
    let directory = call.op == op::RMDIR || (at && regs.arg2(compat)? & AT_REMOVEDIR != 0);
    let at_exit = record.push_user_str(source)?;
    let (asked, at_enter) = compare(&mut record, call.entered()?, at_exit)?;
    {
        let fixed = record.fixed::<UnlinkFixed>();
        fixed.directory = u32::from(directory);
        fixed.dirfd = dirfd;
        fixed.asked = asked.unwrap_or_default();
        fixed.asked_at_enter = at_enter;
    }
    if let Some(base) = base_of(&mut record, call, dirfd, asked)? {
        let fixed = record.fixed::<UnlinkFixed>();
        fixed.base = base.span;
        fixed.base_flags = base.flags;
    }
    record.submit()
}

/// Holds what stood there at entry against what stands there at exit, and flags what differs. Returns what to call
/// the path, and the other string when there are two.
#[inline(always)]
fn compare(record: &mut Record, entered: Option<&Entered>, at_exit: Option<Span>) -> Result<(Option<Span>, Span), ProbeError> {
    match (entered, at_exit) {
        (None, None) => record.flag(flags::UNREADABLE),
        (None, Some(_)) => record.flag(flags::READ_AT_EXIT),
        (Some(entered), None) => {
            record.flag(flags::CHANGED);
            return Ok((Some(push_entered(record, entered)?), Span::default()));
        }
        (Some(entered), Some(span)) => {
            if !is_same(record, entered, span) {
                record.flag(flags::CHANGED);
                return Ok((at_exit, push_entered(record, entered)?));
            }
        }
    }
    Ok((at_exit, Span::default()))
}

/// Whether the string at `span` begins as the one at entry, and ends where that ends if it was read whole.
#[inline(always)]
fn is_same(record: &Record, entered: &Entered, span: Span) -> bool {
    let len = entered.len as usize;
    if len == 0 || len > ENTER_BYTES {
        return false;
    }
    let Ok(at) = at_most(span.offset as usize, RECORD_MAX - ENTER_BYTES) else { return false };
    // A string that fills the room may go on behind it; the last byte read is a NUL in any case.
    let compared = if len == ENTER_BYTES { ENTER_BYTES - 1 } else { len };
    let mut left = compared;
    let mut i = 0;
    while i < ENTER_BYTES / 8 {
        // SAFETY: `at` and `i` were just bounded. Behind the string at `span` the scratch still holds its NUL.
        let at_exit = unsafe { word::get(record.base().add(at + 8 * i)) };
        // SAFETY: `i` is below the number of words.
        let differing = at_exit ^ unsafe { word::get(entered.bytes.as_ptr().add(8 * i)) };
        if left < 8 {
            // The first bytes of a word are its low ones.
            return differing & ((1 << (8 * left)) - 1) == 0;
        }
        if differing != 0 {
            return false;
        }
        left -= 8;
        i += 1;
    }
    true
}

/// Appends the string remembered from entry.
#[inline(always)]
fn push_entered(record: &mut Record, entered: &Entered) -> Result<Span, ProbeError> {
    let len = entered.len as usize;
    if len == 0 || len > ENTER_BYTES {
        return Err(ProbeError::TooLarge);
    }
    let at = at_most(record.len(), RECORD_MAX - ENTER_BYTES)?;
    // SAFETY: both sides are ENTER_BYTES long; `at` was just bounded.
    unsafe { bpf_probe_read_kernel(record.base().add(at).cast(), ENTER_BYTES as u32, entered.bytes.as_ptr().cast()) };
    record.set_len(at + len - 1);
    Ok(Span { offset: at as u32, len: len as u32 - 1, original: len as u32 - 1 })
}

/// The exit of execve and execveat that failed.
#[inline(never)]
pub fn not_executed(call: &Call) -> Result<(), ProbeError> {
    if call.ret >= 0 {
        return Ok(());
    }
    let (regs, compat) = (call.regs, call.compat);
    let mut record = Record::new::<ExecFixed>(Lane::Tracepoint, call.task, call.agent, kind::EXEC, call.ret)?;
    call.stamp(&mut record);
    let at = call.op == op::EXECVEAT;
    let dirfd = if at { regs.arg0(compat)? as i32 } else { AT_FDCWD };
    let source = if at { regs.arg1(compat)? } else { regs.arg0(compat)? };
    let asked = record.push_user_str(source)?;
    match asked {
        Some(span) => record.fixed::<ExecFixed>().filename = span,
        None => record.flag(flags::UNREADABLE),
    }
    if let Some(base) = base_of(&mut record, call, dirfd, asked)? {
        let fixed = record.fixed::<ExecFixed>();
        fixed.cwd = base.span;
        fixed.cwd_flags = base.flags;
    }
    record.submit()
}
