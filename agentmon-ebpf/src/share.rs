//! What each agent has in the rings: so that one that floods leaves room for the others
//! (`docs/decisions/0020-shares-of-the-rings.md`).
//!
//! Not for: sending and counting what is refused (`record`).

use crate::atomic;
use crate::maps::{AM_PUT, AM_RING, AM_TAKEN, AM_URGENT};
use agentmon_common::rings::{SHARE_ALWAYS, URGENT, URGENT_BYTES, is_within_share, share_of, space};
use aya_ebpf::bindings::BPF_RB_AVAIL_DATA;

/// Bytes of the main ring. Filled by the loader; frozen before the programs load.
#[unsafe(no_mangle)]
static AM_RING_BYTES: u32 = 0;

/// Whether an agent may put a record of `len` bytes into a ring, of something that `failed` or not.
///
/// Below the share that it has in any case the ring is not asked: then two looks into arrays are all it takes.
#[inline(always)]
pub fn has_room(agent: u32, ring: usize, len: u64, failed: bool) -> bool {
    let held = held(agent, ring);
    let size = if ring == URGENT {
        u64::from(URGENT_BYTES)
    } else {
        // SAFETY: a static. Volatile, because the loader changes what the compiler believes to be a constant.
        u64::from(unsafe { (&raw const AM_RING_BYTES).read_volatile() })
    };
    if held <= size / SHARE_ALWAYS {
        return true;
    }
    let used = if ring == URGENT { AM_URGENT.query(BPF_RB_AVAIL_DATA as u64) } else { AM_RING.query(BPF_RB_AVAIL_DATA as u64) };
    let is_within = is_within_share(held, space(len), size.saturating_sub(used), share_of(ring, failed));
    if !is_within && let Some(put) = AM_PUT.get_ptr_mut(agent) {
        // SAFETY: a word of a map value.
        unsafe { atomic::increment(&raw mut (*put).refused) };
    }
    is_within
}

/// What of an agent waits in a ring.
#[inline(always)]
fn held(agent: u32, ring: usize) -> u64 {
    let (Some(put), Some(taken)) = (AM_PUT.get_ptr(agent), AM_TAKEN.get_ptr(agent)) else { return 0 };
    // SAFETY: words of map values.
    let held = unsafe {
        let put = (&raw const (*put).bytes[ring & 1]).read_volatile();
        put.wrapping_sub((&raw const (*taken).bytes[ring & 1]).read_volatile())
    };
    // The daemon may have taken a record before its bytes were added.
    if held as i64 > 0 { held } else { 0 }
}

/// A record of `len` bytes is in the ring.
#[inline(always)]
pub fn add(agent: u32, ring: usize, len: u64) {
    let Some(put) = AM_PUT.get_ptr_mut(agent) else { return };
    // SAFETY: a word of a map value.
    unsafe { atomic::add(&raw mut (*put).bytes[ring & 1], space(len)) };
}
