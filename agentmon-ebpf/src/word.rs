//! Words at any address: one instruction each.
//!
//! rustc has to split what it cannot prove aligned into eight single bytes, because its BPF target knows machines that
//! ask for alignment. x86-64 does not, and its verifier lets such accesses pass. Not for: bounds (the caller's, and the
//! verifier's).

#[cfg(target_arch = "bpf")]
use core::arch::asm;

/// Loads a word.
///
/// # Safety
/// Eight bytes at `at` must be readable to the verifier.
#[inline(always)]
pub unsafe fn get(at: *const u8) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let word;
        // SAFETY: one load from where the caller vouches for.
        unsafe { asm!("{word} = *(u64 *)({at} + 0)", word = lateout(reg) word, at = in(reg) at, options(nostack, readonly)) };
        word
    }
    // Only for checks of the crate on the host.
    // SAFETY: as above.
    #[cfg(not(target_arch = "bpf"))]
    unsafe {
        at.cast::<u64>().read_unaligned()
    }
}

/// Stores a word.
///
/// # Safety
/// Eight bytes at `at` must be writable to the verifier.
#[inline(always)]
pub unsafe fn put(at: *mut u8, word: u64) {
    // SAFETY: one store to where the caller vouches for.
    #[cfg(target_arch = "bpf")]
    unsafe {
        asm!("*(u64 *)({at} + 0) = {word}", at = in(reg) at, word = in(reg) word, options(nostack))
    };
    // SAFETY: as above.
    #[cfg(not(target_arch = "bpf"))]
    unsafe {
        at.cast::<u64>().write_unaligned(word);
    }
}
