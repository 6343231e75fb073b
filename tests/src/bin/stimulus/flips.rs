//! Renames of which another thread changes one of the paths once, at any moment of the call.

use crate::race::{raced, set_last};
use crate::sys::{at, below, bytes, c, sys};
use crate::truth::Truth;
use std::path::Path;

/// `rounds` renames. `second`: `from` becomes `a` or `b`; else `a` or `b` becomes `to`.
pub fn all(dir: &Path, rounds: u64, second: bool) {
    let flipped = c(bytes(below(dir, "a")));
    let fixed = c(bytes(below(dir, if second { "from" } else { "to" })));
    let prepare = || {
        for name in ["a", "b", "from", "to"] {
            let _ = std::fs::remove_file(below(dir, name));
        }
        for name in if second { &["from"][..] } else { &["a", "b"] } {
            std::fs::write(below(dir, name), "x").expect("a file");
        }
        set_last(&flipped, b'a');
    };
    let rename = |round| {
        let args = if second { [at(&fixed), at(&flipped)] } else { [at(&flipped), at(&fixed)] };
        let ret = sys(libc::SYS_rename, &args);
        assert_eq!(ret, 0, "rename");
        // The one that was meant: made where it is the second, gone where it is the first.
        let meant = ["a", "b"].into_iter().find(|name| below(dir, name).exists() == second).expect("one of them");
        Truth::of("rename", ret).with("_round", round).bytes("_meant", bytes(below(dir, meant))).print();
    };
    raced(rounds, prepare, || set_last(&flipped, b'b'), rename);
}
