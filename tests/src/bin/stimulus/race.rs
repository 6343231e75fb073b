//! Another thread that changes something once, at any moment of a call.
//!
//! Not for: what is called, and what is changed.

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// `rounds` times `prepare`, then `act`, during which (or before or after) a second thread does `change` once.
pub fn raced(rounds: u64, mut prepare: impl FnMut(), change: impl Fn() + Sync, mut act: impl FnMut(u64)) {
    let (go, done, stop) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut seen = 0;
            while !stop.load(Ordering::Acquire) {
                let round = go.load(Ordering::Acquire);
                if round == seen {
                    continue;
                }
                for _ in 0..round.wrapping_mul(2_654_435_761) % 4096 {
                    std::hint::spin_loop();
                }
                change();
                seen = round;
                done.store(round, Ordering::Release);
            }
        });
        for round in 1..=rounds {
            prepare();
            go.store(round as u32, Ordering::Release);
            act(round);
            while done.load(Ordering::Acquire) != round as u32 {
                std::hint::spin_loop();
            }
        }
        stop.store(true, Ordering::Release);
    });
}

/// Writes the last byte of a string that the kernel may be reading.
pub fn set_last(string: &CString, byte: u8) {
    let last = string.as_ptr() as u64 + string.as_bytes().len() as u64 - 1;
    // SAFETY: the last byte of a string that outlives the call; whoever reads it does so through the kernel.
    unsafe { (last as *mut u8).write_volatile(byte) };
}
