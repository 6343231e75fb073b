//! Renames of which another thread changes one of the paths once, at any moment of the call.

use crate::sys::{at, below, bytes, c, sys};
use crate::truth::Truth;
use std::ffi::CString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Writes the last byte of a string that the kernel reads meanwhile.
fn set(path: &CString, name: u8) {
    let last = path.as_ptr() as u64 + path.as_bytes().len() as u64 - 1;
    // SAFETY: the last byte of a string that outlives the call; whoever reads it does so through the kernel.
    unsafe { (last as *mut u8).write_volatile(name) };
}

/// `rounds` renames. `second`: `from` becomes `a` or `b`; else `a` or `b` becomes `to`.
pub fn all(dir: &Path, rounds: u64, second: bool) {
    let flipped = c(bytes(below(dir, "a")));
    let fixed = c(bytes(below(dir, if second { "from" } else { "to" })));
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
                set(&flipped, b'b');
                seen = round;
                done.store(round, Ordering::Release);
            }
        });
        for round in 1..=rounds {
            let names = ["a", "b", "from", "to"];
            for name in names {
                let _ = std::fs::remove_file(below(dir, name));
            }
            for name in if second { &["from"][..] } else { &["a", "b"] } {
                std::fs::write(below(dir, name), "x").expect("a file");
            }
            set(&flipped, b'a');
            go.store(round as u32, Ordering::Release);
            let args = if second { [at(&fixed), at(&flipped)] } else { [at(&flipped), at(&fixed)] };
            let ret = sys(libc::SYS_rename, &args);
            assert_eq!(ret, 0, "rename");
            // The one that was meant: made where it is the second, gone where it is the first.
            let meant = ["a", "b"].into_iter().find(|name| below(dir, name).exists() == second).expect("one of them");
            Truth::of("rename", ret).with("_round", round).bytes("_meant", bytes(below(dir, meant))).print();
            while done.load(Ordering::Acquire) != round as u32 {
                std::hint::spin_loop();
            }
        }
        stop.store(true, Ordering::Release);
    });
}
