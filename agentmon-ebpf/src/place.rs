//! What a call was given to act on: the path as a program wrote it, at entry and at exit, and the directory it is
//! relative to.
//!
//! Not for: the file behind a descriptor (`walk`, `kernel`).

use crate::bound::at_most;
use crate::call::Call;
use crate::errors::ProbeError;
use crate::kernel::Task;
use crate::maps::Kept;
use crate::record::Record;
use crate::walk::{self, Walked};
use crate::word;
use agentmon_common::record::{ENTER_BYTES, PlaceFixed, RECORD_MAX, Span, flags};
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user_str};

/// `AT_FDCWD` (`include/uapi/linux/fcntl.h`).
pub const AT_FDCWD: i32 = -100;
/// What a call returns that could not read its arguments.
pub const EFAULT: i64 = -14;

/// At entry: keeps the string at `source`.
#[inline(always)]
pub fn remember(kept: &mut Kept, source: u64) {
    let size = kept.bytes.len() as u32;
    // SAFETY: the destination is `size` bytes; the helper checks the source.
    let read = unsafe { bpf_probe_read_user_str(kept.bytes.as_mut_ptr().cast(), size, source as *const _) };
    // Some kernels (6.1) do not count the NUL of an empty string.
    kept.len = match read {
        0 => 1,
        1.. => read as u32,
        _ => 0,
    };
}

/// At exit: appends the path at `source`, held against what stood there at entry, and the directory `fd` it is relative
/// to.
#[inline(always)]
pub fn path(record: &mut Record, call: &Call, fd: i32, source: u64, kept: Option<&Kept>) -> Result<PlaceFixed, ProbeError> {
    // Some calls do without a path: then there is none to read.
    if source == 0 && call.ret != EFAULT {
        return Ok(PlaceFixed { fd, ..PlaceFixed::default() });
    }
    let at_exit = record.push_user_str(source)?;
    let (asked, at_enter) = compare(record, kept, at_exit)?;
    let mut place = PlaceFixed { asked: asked.unwrap_or_default(), at_enter, base: Span::default(), base_flags: 0, fd };
    if let Some(base) = base_of(record, call.task, fd, asked)? {
        place.base = base.span;
        place.base_flags = base.flags;
    }
    Ok(place)
}

/// The directory a path is relative to; `None` for an absolute or unreadable path, or a bad descriptor.
#[inline(always)]
pub fn base_of(record: &mut Record, task: Task, dirfd: i32, asked: Option<Span>) -> Result<Option<Walked>, ProbeError> {
    let Some(asked) = asked else { return Ok(None) };
    let Ok(at) = at_most(asked.offset as usize, RECORD_MAX - 1) else { return Ok(None) };
    // SAFETY: `at` was just bounded by the size of the scratch.
    if unsafe { record.base().add(at).read_volatile() } == b'/' {
        return Ok(None);
    }
    if dirfd == AT_FDCWD {
        return walk::working_directory(record, task).map(Some);
    }
    match task.file(dirfd) {
        Ok(file) => walk::file_path(record, file).map(Some),
        Err(_) => Ok(None),
    }
}

/// Holds what stood there at entry against what stands there at exit, and flags what differs. Returns what to call
/// the path, and the other string when there are two.
#[inline(always)]
fn compare(record: &mut Record, kept: Option<&Kept>, at_exit: Option<Span>) -> Result<(Option<Span>, Span), ProbeError> {
    match (kept.filter(|kept| kept.len != 0), at_exit) {
        (None, None) => record.flag(flags::UNREADABLE),
        (None, Some(_)) => record.flag(flags::READ_AT_EXIT),
        (Some(kept), None) => {
            record.flag(flags::CHANGED);
            return Ok((Some(push_kept(record, kept)?), Span::default()));
        }
        (Some(kept), Some(span)) => {
            if !is_same(record, kept, span) {
                record.flag(flags::CHANGED);
                return Ok((at_exit, push_kept(record, kept)?));
            }
        }
    }
    Ok((at_exit, Span::default()))
}

/// Whether the string at `span` begins as the one at entry, and ends where that ends if it was read whole.
#[inline(always)]
pub fn is_same(record: &Record, kept: &Kept, span: Span) -> bool {
    let len = kept.len as usize;
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
        let differing = at_exit ^ unsafe { word::get(kept.bytes.as_ptr().add(8 * i)) };
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
fn push_kept(record: &mut Record, kept: &Kept) -> Result<Span, ProbeError> {
    let len = kept.len as usize;
    if len == 0 || len > ENTER_BYTES {
        return Err(ProbeError::TooLarge);
    }
    let at = at_most(record.len(), RECORD_MAX - ENTER_BYTES)?;
    // SAFETY: both sides are ENTER_BYTES long; `at` was just bounded.
    unsafe { bpf_probe_read_kernel(record.base().add(at).cast(), ENTER_BYTES as u32, kept.bytes.as_ptr().cast()) };
    record.set_len(at + len - 1);
    Ok(Span { offset: at as u32, len: len as u32 - 1, original: len as u32 - 1 })
}
