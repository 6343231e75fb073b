//! What a call was given to act on: the path as a program wrote it, at entry and at exit, and the directory it is
//! relative to.
//!
//! Not for: the file behind a descriptor (`walk`, `kernel`).

use crate::bound::at_most;
use crate::call::Call;
use crate::directory;
use crate::errors::ProbeError;
use crate::maps::{Directory, Kept, Scratch};
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

/// What is known of a path since the entry of its call.
pub struct Given<'a> {
    pub path: &'a Kept,
    /// `None`: the call may change it itself.
    pub directory: Option<&'a Directory>,
}

/// At exit: appends the path at `source` and the directory `fd` it is relative to, both held against what was there at entry.
#[inline(always)]
pub fn path(record: &mut Record, call: &Call, fd: i32, source: u64, given: Option<Given>) -> Result<PlaceFixed, ProbeError> {
    // Some calls do without a path: then there is none to read.
    if source == 0 && call.ret != EFAULT {
        return Ok(PlaceFixed { fd, ..PlaceFixed::default() });
    }
    let at_exit = record.push_user_str(source)?;
    let (asked, at_enter) = compare(record, given.as_ref().map(|given| given.path), at_exit)?;
    let base = base_of(record, fd, asked, given.and_then(|given| given.directory))?;
    Ok(PlaceFixed { asked, at_enter, base: base.span, base_flags: base.flags, fd })
}

/// The directory a path is relative to; none for an absolute path, one that could not be read, or a bad descriptor. Flags one that is
/// not what it was `before`.
#[inline(always)]
pub fn base_of(record: &mut Record, dirfd: i32, asked: Span, before: Option<&Directory>) -> Result<Walked, ProbeError> {
    let Ok(at) = at_most(asked.offset as usize, RECORD_MAX - 1) else { return Ok(Walked::NONE) };
    // SAFETY: `at` was just bounded by the size of the scratch.
    if at == 0 || unsafe { record.base().add(at).read_volatile() } == b'/' {
        return Ok(Walked::NONE);
    }
    // SAFETY: the verifier knows the pointer as a value of AM_SCRATCH; nothing else refers to it.
    let now = unsafe { &raw mut (*record.scratch()).directory };
    let is_there = directory::look(now, dirfd);
    if before.is_some_and(|before| directory::differ(before, now)) {
        record.flag(flags::CHANGED);
    }
    if is_there { walk::directory(record) } else { Ok(Walked::NONE) }
}

/// Holds what stood there at entry against what stands there at exit, and flags what differs. Returns what to call
/// the path, and the other string when there are two.
#[inline(always)]
fn compare(record: &mut Record, kept: Option<&Kept>, at_exit: Option<Span>) -> Result<(Span, Span), ProbeError> {
    // None begins at 0, where the header stands. Asked of the span itself, so that it is never undefined: the verifier
    // refuses to copy what was not written, needed or not.
    let at_exit = at_exit.unwrap_or_default();
    let is_readable = at_exit.offset != 0;
    match kept.filter(|kept| kept.len != 0) {
        Some(kept) if !is_readable => {
            record.flag(flags::CHANGED);
            Ok((push_kept(record, kept)?, Span::default()))
        }
        Some(kept) if !is_same(record, kept, at_exit) => {
            record.flag(flags::CHANGED);
            Ok((at_exit, push_kept(record, kept)?))
        }
        Some(_) => Ok((at_exit, Span::default())),
        None => {
            record.flag(if is_readable { flags::READ_AT_EXIT } else { flags::UNREADABLE });
            Ok((at_exit, Span::default()))
        }
    }
}

/// Whether the string at `span` begins as the one at entry, and ends where that ends if it was read whole.
#[inline(always)]
pub fn is_same(record: &Record, kept: &Kept, span: Span) -> bool {
    am_same(record.scratch(), kept, u64::from(span.offset)) != 0
}

/// Whether the record in the scratch goes on at `at` as `kept` does. Checked once by the verifier, as `am_walk` is.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_same(scratch: *const Scratch, kept: *const Kept, at: u64) -> u64 {
    if scratch.is_null() || kept.is_null() {
        return 0;
    }
    // SAFETY: not null, and the verifier has checked at the call that all of it is there.
    let (record, kept) = unsafe { ((&raw const (*scratch).record).cast::<u8>(), &*kept) };
    let len = kept.len as usize;
    let Ok(at) = at_most(at as usize, RECORD_MAX - ENTER_BYTES) else { return 0 };
    if len == 0 || len > ENTER_BYTES {
        return 0;
    }
    // A string that fills the room may go on behind it; the last byte read is a NUL in any case.
    let compared = if len == ENTER_BYTES { ENTER_BYTES - 1 } else { len };
    let mut left = compared;
    let mut i = 0;
    while i < ENTER_BYTES / 8 {
        // SAFETY: `at` and `i` were just bounded. Behind the string the scratch still holds its NUL.
        let at_exit = unsafe { word::get(record.add(at + 8 * i)) };
        // SAFETY: `i` is below the number of words.
        let differing = at_exit ^ unsafe { word::get(kept.bytes.as_ptr().add(8 * i)) };
        if left < 8 {
            // The first bytes of a word are its low ones.
            return u64::from(differing & ((1 << (8 * left)) - 1) == 0);
        }
        if differing != 0 {
            return 0;
        }
        left -= 8;
        i += 1;
    }
    1
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
