//! Bounds in the one form that every supported verifier understands.
//!
//! The compiler keeps a value that lives long on the stack, and may load it once to compare it and once more to use it;
//! or it turns two comparisons into one of a difference. Before 6.8 a verifier learns only about the register that was
//! compared. Not for: numbers that are no index into memory, nor length of a read or write.

use crate::errors::ProbeError;
#[cfg(target_arch = "bpf")]
use core::arch::asm;

/// `value`, if it is no more than `max`. To be asked right before the access, with no helper call in between.
#[inline(always)]
pub fn at_most(value: usize, max: usize) -> Result<usize, ProbeError> {
    let value = opaque(value);
    if value > max { Err(ProbeError::TooLarge) } else { Ok(value) }
}

/// The same value as a new one in a register, of which the compiler knows nothing: one move, where
/// `core::hint::black_box` stores and loads. (Without any instruction it would have a line number of its own at the next
/// one's address, which the kernel refuses: `Invalid line_info`.)
#[inline(always)]
fn opaque(value: usize) -> usize {
    #[cfg(target_arch = "bpf")]
    let value = {
        let copy;
        // SAFETY: a move between registers. Not `pure`, so that it stays where it is.
        unsafe { asm!("{copy} = {value}", copy = lateout(reg) copy, value = in(reg) value, options(nomem, nostack)) };
        copy
    };
    value
}
