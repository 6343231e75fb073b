//! Names that are made, changed and removed: rename, link, symlink, mkdir, mknod and unlink, in both ABIs.
//!
//! Not for: what a file holds or who may use it (`attributes`).

use crate::calls::Arg::{Bad, Dir, Is, Path as At, Raw, Text, To, Untouched, UntouchedTo};
use crate::calls::{Calls, Want};
use crate::files::directory;
use crate::numbers::Abi;
use crate::sys::{AT_FDCWD, below, bytes};
use crate::unreadable::untouched_string;
use std::path::{Path, PathBuf};

/// Not UTF-8, and what would steer a terminal.
const ODD: &[u8] = b"\xff\n\x1b[2J";

/// Does the same in a fresh directory for each ABI, from a working directory below it.
pub fn in_each_abi(dir: &Path, round: impl Fn(Calls, &Path, i64)) {
    for (abi, name) in Abi::ALL {
        let dir = below(dir, name);
        std::fs::create_dir_all(below(&dir, "sub")).expect("a directory");
        std::env::set_current_dir(below(&dir, "sub")).expect("chdir");
        round(Calls(abi), &dir, directory(&dir));
    }
}

fn files(dir: &Path, names: &[&[u8]]) {
    for name in names {
        std::fs::write(below(dir, name), "x").expect("a file");
    }
}

/// All of them.
pub fn all(dir: &Path) {
    in_each_abi(dir, |calls, dir, base| {
        renames(calls, dir, base);
        links(calls, dir, base);
        nodes(calls, dir, base);
        removals(calls, dir, base);
    });
}

fn renames(calls: Calls, dir: &Path, base: i64) {
    files(dir, &[b"a", b"b", b"c", b"d", b"e", b"f", ODD, b"sub/r"]);
    let (a, absolute) = (bytes(below(dir, "a")), bytes(below(dir, "a2")));
    let (long, no) = ([b'n'; 256], Raw(0));
    calls.does("rename", &[At(&a), To(&absolute)]);
    calls.does("rename", &[At(b"../b"), To(b"./../sub//b2")]);
    calls.does("renameat", &[Dir(base), At(b"c"), Dir(AT_FDCWD), To(b"c2")]);
    calls.does("renameat", &[Dir(base), At(ODD), Dir(base), To(b"odd\xfe")]);
    calls.does("renameat", &[Dir(AT_FDCWD), At(b"r"), Dir(base), To(b"r2")]);
    calls.does("renameat2", &[Dir(base), At(b"d"), Dir(base), To(b"e"), Is("flags", u64::from(libc::RENAME_EXCHANGE))]);
    calls.does("renameat2", &[Dir(base), At(b"d"), Dir(base), To(b"e"), Is("flags", 0)]);

    let keep = Is("flags", u64::from(libc::RENAME_NOREPLACE));
    calls.fails("rename", libc::ENOENT, &[At(b"missing"), To(b"x")]);
    calls.fails("rename", libc::ENOTDIR, &[At(&absolute), To(b"../f/x")]);
    calls.fails("renameat", libc::ENOENT, &[Dir(base), At(b"missing"), Dir(AT_FDCWD), To(ODD)]);
    calls.fails("renameat", libc::EBADF, &[Dir(-1), At(b"f"), Dir(0x7fff_ffff), To(b"x")]);
    calls.fails("renameat2", libc::EEXIST, &[Dir(base), At(b"f"), Dir(base), To(b"e"), keep]);
    calls.fails("renameat2", libc::ENAMETOOLONG, &[Dir(base), At(b"f"), Dir(base), To(&long), keep]);
    for bad in bad_pointers() {
        calls.fails("rename", libc::EFAULT, &[Bad(bad), To(b"x")]);
        calls.fails("rename", libc::EFAULT, &[At(b"../f"), Bad(bad)]);
        calls.fails("renameat", libc::EFAULT, &[Dir(base), Bad(bad), Dir(base), Bad(bad)]);
        calls.fails("renameat2", libc::EFAULT, &[Dir(base), At(b"f"), Dir(base), Bad(bad), no]);
    }
}

/// Addresses where no program has a string; of those above 4 GiB i386 has the low half.
pub fn bad_pointers() -> [u64; 3] {
    [0, 1, 0xffff_ffff_8100_0001]
}

fn links(calls: Calls, dir: &Path, base: i64) {
    files(dir, &[b"l"]);
    let l = bytes(below(dir, "l"));
    calls.does("link", &[At(&l), To(b"l1")]);
    calls.does("linkat", &[Dir(base), At(b"l"), Dir(base), To(b"l2"), Is("flags", 0)]);
    calls.does("linkat", &[Dir(AT_FDCWD), At(b"l1"), Dir(base), To(ODD_LINK), Is("flags", libc::AT_SYMLINK_FOLLOW as u64)]);
    calls.fails("link", libc::EEXIST, &[At(b"l1"), To(&l)]);
    calls.fails("linkat", libc::EBADF, &[Dir(0x7fff_ffff), At(b"l"), Dir(base), To(b"x"), Is("flags", 0)]);
    calls.does("symlink", &[Text(b"../nowhere \xff"), At(b"s1")]);
    calls.does("symlinkat", &[Text(b"/etc/shadow"), Dir(base), At(b"s2")]);
    calls.fails("symlink", libc::EEXIST, &[Text(b"x"), At(b"s1")]);
    calls.fails("symlinkat", libc::EBADF, &[Text(b"x"), Dir(-1), At(b"s3")]);
    for bad in bad_pointers() {
        calls.fails("link", libc::EFAULT, &[Bad(bad), To(b"x")]);
        calls.fails("linkat", libc::EFAULT, &[Dir(base), At(b"l"), Dir(base), Bad(bad), Is("flags", 0)]);
        calls.fails("symlink", libc::EFAULT, &[Bad(bad), At(b"s4")]);
        calls.fails("symlinkat", libc::EFAULT, &[Text(b"x"), Dir(base), Bad(bad)]);
    }
}

const ODD_LINK: &[u8] = b"\xfe link";

fn nodes(calls: Calls, dir: &Path, base: i64) {
    let (fifo, device) = (u64::from(libc::S_IFIFO | 0o600), u64::from(libc::S_IFCHR | 0o600));
    let null = Is("device", libc::makedev(1, 3));
    let absolute = bytes(below(dir, "made"));
    calls.does("mkdir", &[At(&absolute), Is("mode", 0o751)]);
    calls.does("mkdir", &[At(b"../made\xff/"), Is("mode", 0o1777)]);
    calls.does("mkdirat", &[Dir(base), At(b"made2"), Is("mode", 0o700)]);
    calls.does("mknod", &[At(b"fifo"), Is("mode", fifo), Is("device", 0)]);
    calls.does("mknodat", &[Dir(base), At(b"null"), Is("mode", device), null]);
    calls.fails("mkdir", libc::EEXIST, &[At(b"."), Is("mode", 0o700)]);
    calls.fails("mkdir", libc::ENOENT, &[At(b"no/where"), Is("mode", 0o700)]);
    calls.fails("mkdirat", libc::EBADF, &[Dir(0x7fff_ffff), At(b"x"), Is("mode", 0)]);
    calls.fails("mknod", libc::EEXIST, &[At(b"fifo"), Is("mode", fifo), Is("device", 0)]);
    calls.fails("mknodat", libc::ENOENT, &[Dir(base), At(b"no/where"), Is("mode", device), null]);
    too_long(calls);
    for bad in bad_pointers() {
        calls.fails("mkdir", libc::EFAULT, &[Bad(bad), Is("mode", 0o700)]);
        calls.fails("mkdirat", libc::EFAULT, &[Dir(base), Bad(bad), Is("mode", 0o700)]);
        calls.fails("mknod", libc::EFAULT, &[Bad(bad), Is("mode", fifo), Is("device", 0)]);
        calls.fails("mknodat", libc::EFAULT, &[Dir(base), Bad(bad), Is("mode", fifo), Is("device", 0)]);
    }
}

/// A byte more than a path may have: the rest is cut, and said to be.
fn too_long(calls: Calls) {
    if calls.0 != Abi::Native {
        return;
    }
    let long = [b"/".to_vec(), vec![b'n'; 4095]].concat();
    let cut = &long[..4095];
    let told = |truth: crate::truth::Truth| truth.bytes("asked", cut).bytes("path", cut).with("truncated", true);
    calls.tell("mkdir", &[At(&long), Is("mode", 0)], Want::Fails(libc::ENAMETOOLONG), told);
    let told = |truth: crate::truth::Truth| truth.with("truncated", false);
    calls.tell("mkdir", &[At(cut), Is("mode", 0)], Want::Fails(libc::ENAMETOOLONG), told);
}

/// The table has them too; `unlinks` says more of them.
fn removals(calls: Calls, dir: &Path, base: i64) {
    files(dir, &[b"gone", b"gone2"]);
    let gone = bytes(below(dir, "gone"));
    calls.does("unlink", &[At(&gone)]);
    calls.does("unlinkat", &[Dir(base), At(b"gone2"), Raw(0)]);
    calls.fails("rmdir", libc::ENOENT, &[At(b"../gone")]);
    calls.fails("unlink", libc::EFAULT, &[Bad(1)]);
    calls.fails("unlinkat", libc::EBADF, &[Dir(-1), At(b"gone2"), Raw(0)]);
    std::fs::create_dir(below(dir, "empty")).expect("a directory");
    calls.does("rmdir", &[At(b"../empty")]);
}

/// Paths in pages that are not in memory at entry.
pub fn unreadable(dir: &Path) {
    let calls = Calls(Abi::Native);
    files(dir, &[b"u", b"v"]);
    let base = directory(dir);
    let at = |string: &[u8]| untouched_string(dir, string);
    let name = |name: &str| -> Vec<u8> { bytes(PathBuf::from(dir).join(name)) };
    let (u, u2) = (name("u"), name("u2"));
    calls.does("rename", &[Untouched(at(&u), &u), UntouchedTo(at(&u2), &u2)]);
    calls.does("linkat", &[Dir(base), At(b"v"), Dir(base), UntouchedTo(at(b"w"), b"w"), Is("flags", 0)]);
    calls.does("mkdirat", &[Dir(base), Untouched(at(b"made"), b"made"), Is("mode", 0o700)]);
    calls.does("chmod", &[Untouched(at(&u2), &u2), Is("mode", 0o640)]);
    calls.fails("truncate", libc::ENOENT, &[Untouched(at(b"missing"), b"missing"), Is("length", 1)]);
}
