//! Atomic operations on words in maps: one instruction each.
//!
//! By hand, because rustc's BPF target has no compare-and-exchange (`atomic_cas: false`). They order what the compiler sees, too:
//! none is marked `nomem`. Needs the verifier of Linux 5.12. Not for: words that only their claimant writes.

#[cfg(target_arch = "bpf")]
use core::arch::asm;
#[cfg(not(target_arch = "bpf"))]
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Stores `new` if the word is 0; says what it was.
///
/// # Safety
/// `at` must be an aligned word of a map value.
#[inline(always)]
pub unsafe fn claim(at: *mut u64, new: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let was;
        // SAFETY: one instruction on a word the caller vouches for.
        unsafe {
            asm!("r0 = cmpxchg_64({at} + 0, r0, {new})", at = in(reg) at, new = in(reg) new, inout("r0") 0_u64 => was, options(nostack))
        };
        was
    }
    // Only for checks of the crate on the host.
    // SAFETY: as above.
    #[cfg(not(target_arch = "bpf"))]
    unsafe { AtomicU64::from_ptr(at) }.compare_exchange(0, new, SeqCst, SeqCst).unwrap_or_else(|was| was)
}

/// Stores 0. What was written before is written by then.
///
/// # Safety
/// `at` must be an aligned word of a map value.
#[inline(always)]
pub unsafe fn release(at: *mut u64) {
    // SAFETY: one store to a word the caller vouches for.
    #[cfg(target_arch = "bpf")]
    unsafe {
        asm!("*(u64 *)({at} + 0) = {zero}", at = in(reg) at, zero = in(reg) 0_u64, options(nostack))
    };
    // SAFETY: as above.
    #[cfg(not(target_arch = "bpf"))]
    unsafe { AtomicU64::from_ptr(at) }.store(0, SeqCst);
}

/// Adds 1.
///
/// # Safety
/// `at` must be an aligned word of a map value.
#[inline(always)]
pub unsafe fn increment(at: *mut u64) {
    // SAFETY: as the caller vouches for.
    unsafe { add(at, 1) };
}

/// Adds `more`.
///
/// # Safety
/// `at` must be an aligned word of a map value.
#[inline(always)]
pub unsafe fn add(at: *mut u64, more: u64) {
    // SAFETY: one instruction on a word the caller vouches for.
    #[cfg(target_arch = "bpf")]
    unsafe {
        asm!("lock *(u64 *)({at} + 0) += {more}", at = in(reg) at, more = in(reg) more, options(nostack))
    };
    // SAFETY: as above.
    #[cfg(not(target_arch = "bpf"))]
    unsafe { AtomicU64::from_ptr(at) }.fetch_add(more, SeqCst);
}

/// Adds `more`; says what it was.
///
/// # Safety
/// `at` must be an aligned word of a map value.
#[inline(always)]
pub unsafe fn fetch_add(at: *mut u64, more: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let was;
        // SAFETY: one instruction on a word the caller vouches for.
        unsafe {
            asm!("{word} = atomic_fetch_add((u64 *)({at} + 0), {word})", at = in(reg) at, word = inout(reg) more => was, options(nostack))
        };
        was
    }
    // SAFETY: as above.
    #[cfg(not(target_arch = "bpf"))]
    unsafe { AtomicU64::from_ptr(at) }.fetch_add(more, SeqCst)
}

/// Stores `new`; says what it was.
///
/// # Safety
/// `at` must be an aligned word of a map value.
#[inline(always)]
pub unsafe fn exchange(at: *mut u64, new: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let was;
        // SAFETY: one instruction on a word the caller vouches for.
        unsafe { asm!("{word} = xchg_64({at} + 0, {word})", at = in(reg) at, word = inout(reg) new => was, options(nostack)) };
        was
    }
    // SAFETY: as above.
    #[cfg(not(target_arch = "bpf"))]
    unsafe { AtomicU64::from_ptr(at) }.swap(new, SeqCst)
}
