//! Renames of which another thread changes one of the paths once, at any moment of the call; opens whose descriptor it takes.

use crate::files;
use crate::race::{raced, set_last};
use crate::sys::{at, below, bytes, c, fd, pid, sys};
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

/// `rounds` opens of one file, while another thread puts another file where the descriptor is to be.
pub fn opens(dir: &Path, rounds: u64) {
    let meant = bytes(below(dir, "meant"));
    std::fs::write(below(dir, "meant"), "x").expect("a file");
    let other = files::directory(dir);
    let next = sys(libc::SYS_dup, &[fd(other)]);
    let path = c(&meant);
    let close = |number: i64| {
        sys(libc::SYS_close, &[fd(number)]);
    };
    let mut replaced = 0;
    let open = |_| {
        let ret = sys(libc::SYS_open, &[at(&path), 0]);
        assert!(ret >= 0, "open: {ret}");
        if ret == next {
            replaced += 1;
        } else {
            close(ret);
        }
    };
    // It fails while the number is promised to the open that is under way.
    let take = || {
        sys(libc::SYS_dup2, &[fd(other), fd(next)]);
    };
    raced(rounds, || close(next), take, open);
    Truth::of_process("done", pid()).with("_opens", rounds).bytes("_path", &meant).with("_first", replaced).print();
}
