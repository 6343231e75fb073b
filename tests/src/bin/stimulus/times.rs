//! Times of files set, in both ABIs and in every layout that they have.
//!
//! Not for: other attributes (`attributes`).

use crate::attributes::BAD_FILES;
use crate::calls::Arg::{Bad, Dir, Is, Memory, Path as At, Raw};
use crate::calls::{Arg, Calls, Want};
use crate::changes::in_each_abi;
use crate::numbers::Abi;
use crate::sys::{AT_FDCWD, below};
use crate::truth::Truth;
use std::os::fd::AsRawFd;
use std::path::Path;

/// A second of 2001.
const THEN: u64 = 1_000_000_000;
/// What stands for the present, for "as it is", and for what could not be read.
const NOW: u64 = i64::MIN as u64;
const AS_IT_IS: u64 = NOW + 1;
const UNREADABLE: u64 = NOW + 2;
/// `UTIME_NOW`, `UTIME_OMIT` (`include/linux/stat.h`).
const UTIME_NOW: u64 = 0x3fff_ffff;
const UTIME_OMIT: u64 = 0x3fff_fffe;

/// Numbers as this round's calls take them: i386's first have 32 bits.
fn words<const N: usize>(calls: Calls, words: [u64; N]) -> Vec<u8> {
    if calls.0 == Abi::I386(0) { words.map(|word| (word as u32).to_ne_bytes()).concat() } else { words.map(u64::to_ne_bytes).concat() }
}

/// All of them.
pub fn all(dir: &Path) {
    in_each_abi(dir, |calls, dir, base| {
        let path = below(dir, b"timed \xff");
        std::fs::write(&path, "x").expect("a file");
        let open = std::fs::File::open(&path).expect("the file");
        let name = At(b"timed \xff");
        let told = |op: &str, args: &[Arg<'_>], modified: u64, want| {
            calls.tell(op, args, want, |truth| truth.with("kind", "file_times").with("arg_modified", modified));
        };
        let none = Is("flags", 0);
        let both = words(calls, [5, 7, THEN, 9]);
        told("utimensat", &[Dir(base), name, Memory(&both), none], THEN, Want::Done);
        told("utimensat", &[Dir(AT_FDCWD), At(b"../timed \xff"), Raw(0), none], NOW, Want::Done);
        for (fraction, modified) in [(UTIME_NOW, NOW), (UTIME_OMIT, AS_IT_IS)] {
            told("utimensat", &[Dir(base), name, Memory(&words(calls, [5, 7, 5, fraction])), none], modified, Want::Done);
        }
        told("utimensat", &[Dir(base), At(b"missing"), Memory(&both), none], THEN, Want::Fails(libc::ENOENT));
        told("utimensat", &[Dir(base), At(b""), Memory(&both), none], THEN, Want::Fails(libc::ENOENT));
        let file = i64::from(open.as_raw_fd());
        let of_file = |truth: Truth| {
            truth
                .with("kind", "file_times")
                .file(file)
                .path_of(file)
                .bytes("asked", "")
                .with("trust", "Resolved")
                .with("arg_modified", THEN)
        };
        calls.tell("utimensat", &[Raw(file as u64), Raw(0), Memory(&both), none], Want::Done, of_file);
        for bad in BAD_FILES {
            told("utimensat", &[Dir(bad), At(b"x"), Memory(&both), none], THEN, Want::Fails(libc::EBADF));
        }
        let fails = |op: &str, args: &[Arg<'_>]| told(op, args, UNREADABLE, Want::Fails(libc::EFAULT));
        fails("utimensat", &[Dir(base), name, Bad(1), none]);
        let seconds = words(calls, [5, THEN]);
        told("utime", &[At(b"../timed \xff"), Memory(&seconds)], THEN, Want::Done);
        told("utime", &[At(b"missing"), Raw(0)], NOW, Want::Fails(libc::ENOENT));
        told("utimes", &[At(b"../timed \xff"), Memory(&both)], THEN, Want::Done);
        told("utimes", &[At(b"missing"), Memory(&both)], THEN, Want::Fails(libc::ENOENT));
        told("futimesat", &[Dir(base), name, Memory(&both)], THEN, Want::Done);
        told("futimesat", &[Dir(base), At(b"missing"), Raw(0)], NOW, Want::Fails(libc::ENOENT));
    });
}
