//! Failed operations that repeat: counted in a map instead of told one by one (`docs/decisions/0019-counted-failures.md`).
//!
//! The first and the second of a generation are records like any other; from then on those whose number is a power of two, and
//! they say how many they stand for. What is left the daemon fetches. Not for: sending (`record`), nor what counts as a failure
//! (`agentmon_common::repeat`).

use crate::atomic;
use crate::bound::at_most;
use crate::maps::{AM_REPEATED, AM_SCRATCH, AM_SEEN, Scratch};
use crate::word;
use agentmon_common::record::{Header, flags};
use agentmon_common::repeat::{
    COUNT_BYTES, HashKey, KEY_WORDS, Key, LEN_MAX, Repeated, generation, is_counted, product, resolved_at, seen_index,
};

/// Filled by the loader; frozen before the programs load.
#[unsafe(no_mangle)]
static AM_HASH_KEY: HashKey = [[0; KEY_WORDS]; 2];

/// `BPF_NOEXIST` (`include/uapi/linux/bpf.h`).
const NO_EXIST: u64 = 1;
/// The second time is the first that is kept.
const TIMES_KEPT: u64 = 2;

/// Whether the record in the scratch repeats what was told and is counted. What is to be sent all the same is left there, with the
/// count it stands for.
#[inline(always)]
pub fn is_counted_instead(scratch: *mut Scratch) -> bool {
    am_digest(scratch) != 0 && am_count(scratch) != 0
}

/// A word of a half of the key.
#[inline(always)]
fn key_word(half: usize, word: usize) -> u64 {
    // SAFETY: the caller's numbers are below those of the array. Volatile, because the loader changes what the compiler
    // believes to be a constant.
    unsafe { (&raw const AM_HASH_KEY[half]).cast::<u64>().add(word).read_volatile() }
}

/// Hashes the record in the scratch into its key. 0: it is not one whose repetitions are counted.
///
/// Time, thread and slot are no part of it, nor the time of the path hook's record. A global function, which the verifier checks once, as those after it
/// (`docs/decisions/0016-functions-verified-once.md`); one beside the other and none within another, for want of stack.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_digest(scratch: *mut Scratch) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    let base = scratch.cast::<u8>();
    // SAFETY: not null, and the verifier has checked at the call that all of it is there; it begins with the header.
    let header = unsafe { &mut *scratch.cast::<Header>() };
    let Ok(len) = at_most(header.len as usize, LEN_MAX) else { return 0 };
    if !is_counted(header) {
        return 0;
    }
    // The rest of the last word.
    // SAFETY: `len` was just bounded; the scratch is much longer.
    unsafe { word::put(base.add(len), 0) };
    let (timestamp_ns, tid, slot) = (header.timestamp_ns, header.tid, header.slot);
    let resolved_at = resolved_at(header.kind);
    let mut resolved_ns = 0;
    if let Some(at) = resolved_at {
        // SAFETY: the scratch is much longer.
        resolved_ns = unsafe { word::get(base.add(at)) };
        // SAFETY: as above.
        unsafe { word::put(base.add(at), 0) };
    }
    header.timestamp_ns = 0;
    header.tid = 0;
    header.slot = 0;
    let mut sums = [0_u64; 2];
    let mut at = 0;
    while at < KEY_WORDS {
        if 8 * at >= len {
            break;
        }
        // SAFETY: `at` is below the words of the longest record.
        let word = unsafe { word::get(base.add(8 * at)) };
        sums[0] = sums[0].wrapping_add(product(word, key_word(0, at)));
        sums[1] = sums[1].wrapping_add(product(word, key_word(1, at)));
        at += 1;
    }
    header.timestamp_ns = timestamp_ns;
    header.tid = tid;
    header.slot = slot;
    if let Some(at) = resolved_at {
        // SAFETY: as above.
        unsafe { word::put(base.add(at), resolved_ns) };
    }
    // SAFETY: as above.
    unsafe { (*scratch).repeat = Key { hash: sums, agent: header.agent, generation: generation(timestamp_ns) } };
    1
}

/// Counts the operation whose key is in the scratch. 0: its record is to be sent.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_count(scratch: *mut Scratch) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    // SAFETY: not null, and the verifier has checked at the call that all of it is there; nothing else refers to it.
    let header = unsafe { &mut *scratch.cast::<Header>() };
    let Some(scratch) = as_map_value(header) else { return 0 };
    // SAFETY: the same scratch.
    let key = unsafe { &(*scratch).repeat };
    let Some(seen) = AM_SEEN.get_ptr_mut(seen_index(key.hash[0])) else { return 0 };
    let mark = key.hash[1].wrapping_add(u64::from(key.generation));
    // SAFETY: a word of a map value. Who overwrites whose mark does not matter: without one a record is sent.
    unsafe {
        if seen.read_volatile() != mark {
            seen.write_volatile(mark);
            return 0;
        }
    }
    let Some(entry) = AM_REPEATED.get_ptr_mut(key) else {
        keep(scratch, key);
        return 0;
    };
    // SAFETY: words of a map value, whose key no program can hold any more when the daemon takes it away.
    let untold = unsafe {
        (&raw mut (*entry).latest_ns).write_volatile(header.timestamp_ns);
        atomic::increment(&raw mut (*entry).untold);
        let times = atomic::fetch_add(&raw mut (*entry).times, 1) + 1;
        if times & (times - 1) != 0 {
            return 1;
        }
        atomic::exchange(&raw mut (*entry).untold, 0)
    };
    // Another CPU that was due too has told of this one.
    if untold == 0 {
        return 1;
    }
    stand_for(scratch, header, untold);
    0
}

/// The scratch that a record is in, as the value of a map: before 6.2 keys and values of maps must stand on the stack or in one, and a
/// global function knows its arguments as plain memory.
#[inline(always)]
pub fn as_map_value(header: &Header) -> Option<*mut Scratch> {
    AM_SCRATCH.get_ptr_mut(u32::from(header.slot))
}

/// Begins to count what is in the scratch. Without room in the map it goes on being sent.
#[inline(always)]
fn keep(scratch: *mut Scratch, key: &Key) {
    // SAFETY: the record is no longer than `LEN_MAX`, or it had no key: behind that the scratch is free, and the whole is one
    // `Repeated`.
    let entry = unsafe { &mut *scratch.cast::<Repeated>() };
    // SAFETY: as above. Volatile, so that neighbours that become zero do not become a call of memset.
    unsafe {
        (&raw mut entry.times).write_volatile(TIMES_KEPT);
        (&raw mut entry.untold).write_volatile(0);
        (&raw mut entry.latest_ns).write_volatile(0);
    }
    // Full, or another CPU was faster: this one is sent in any case.
    #[expect(clippy::needless_borrows_for_generic_args, reason = "a copy would take more than there is of stack")]
    let _ = AM_REPEATED.insert(key, &*entry, NO_EXIST);
}

/// Puts the count behind the record in the scratch.
#[inline(always)]
fn stand_for(scratch: *mut Scratch, header: &mut Header, untold: u64) {
    let Ok(len) = at_most(header.len as usize, LEN_MAX) else { return };
    // SAFETY: `len` was just bounded; the scratch is much longer.
    unsafe { word::put(scratch.cast::<u8>().add(len), untold) };
    header.len += COUNT_BYTES as u32;
    header.flags |= flags::REPEATED;
}

/// Takes back what a record was to tell that found no room. False: nobody counts it any more.
#[inline(always)]
pub fn is_taken_back(scratch: *mut Scratch, header: &Header) -> bool {
    let Ok(len) = at_most(header.len as usize, LEN_MAX + COUNT_BYTES) else { return false };
    if len < COUNT_BYTES {
        return false;
    }
    // SAFETY: `len` was just bounded on both sides.
    let untold = unsafe { word::get(scratch.cast::<u8>().add(len - COUNT_BYTES)) };
    let Some(scratch) = as_map_value(header) else { return false };
    // SAFETY: the key of this record, which nothing has changed since.
    let key = unsafe { &(*scratch).repeat };
    let Some(entry) = AM_REPEATED.get_ptr_mut(key) else { return false };
    // SAFETY: a word of a map value.
    unsafe { atomic::fetch_add(&raw mut (*entry).untold, untold) };
    true
}
