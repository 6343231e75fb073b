//! unlink, unlinkat and rmdir: done and refused.

use crate::files::directory;
use crate::sys::{AT_FDCWD, at, below, bytes, c, fd, sys};
use crate::truth::Truth;
use std::path::Path;

/// One call: what it is, and what it must come to.
struct Removal<'a> {
    op: &'a str,
    dirfd: i64,
    asked: &'a [u8],
    directory: bool,
    ret: i64,
}

impl Removal<'_> {
    fn run(&self, path: Option<&[u8]>) {
        let asked = c(self.asked);
        let flags = if self.directory { libc::AT_REMOVEDIR as u64 } else { 0 };
        let ret = match self.op {
            "unlink" => sys(libc::SYS_unlink, &[at(&asked)]),
            "rmdir" => sys(libc::SYS_rmdir, &[at(&asked)]),
            _ => sys(libc::SYS_unlinkat, &[fd(self.dirfd), at(&asked), flags]),
        };
        assert_eq!(ret, self.ret, "{} {}", self.op, self.asked.escape_ascii());
        let truth = Truth::of(self.op, ret)
            .bytes("asked", self.asked)
            .with("directory", self.directory)
            .with("changed", false)
            .with("read_at_exit", false)
            .with("compat", false);
        match path {
            Some(path) => truth.bytes("path", path).with("trust", "Joined").print(),
            None => truth.with("trust", "Partial").print(),
        }
    }
}

/// Every call, with every outcome.
pub fn all(dir: &Path) {
    for name in ["a", "b", "c", "d", "e"] {
        std::fs::write(below(dir, name), "x").expect("a file");
    }
    for name in ["sub", "empty", "empty2", "full", "full/x"] {
        std::fs::create_dir(below(dir, name)).expect("a directory");
    }
    let long = [b'l'; 255];
    let odd = b"\xff\n\x1b[2J";
    std::fs::write(below(dir, long), "x").expect("a file");
    std::fs::write(below(dir, odd), "x").expect("a file");
    std::os::unix::fs::symlink("a", below(dir, "link")).expect("a link");
    std::env::set_current_dir(below(dir, "sub")).expect("chdir");
    let base = directory(dir);
    let path = |name: &[u8]| bytes(below(dir, name));
    let run = |op, dirfd, asked: &[u8], directory, errno: i32, path: &[u8]| {
        Removal { op, dirfd, asked, directory, ret: -i64::from(errno) }.run(Some(path));
    };

    run("unlink", AT_FDCWD, &path(b"a"), false, 0, &path(b"a"));
    run("unlink", AT_FDCWD, b"../b", false, 0, &path(b"b"));
    run("unlink", AT_FDCWD, b"../link", false, 0, &path(b"link"));
    run("unlinkat", base, b"c", false, 0, &path(b"c"));
    run("unlinkat", AT_FDCWD, b".././sub//../d", false, 0, &path(b"d"));
    run("unlinkat", base, b"empty", true, 0, &path(b"empty"));
    run("rmdir", AT_FDCWD, b"../empty2", true, 0, &path(b"empty2"));
    run("unlinkat", base, &long, false, 0, &path(&long));
    run("unlinkat", base, odd, false, 0, &path(odd));

    run("unlink", AT_FDCWD, b"missing", false, libc::ENOENT, &path(b"sub/missing"));
    run("unlinkat", base, b"missing", false, libc::ENOENT, &path(b"missing"));
    run("unlink", AT_FDCWD, &path(b"full"), false, libc::EISDIR, &path(b"full"));
    run("rmdir", AT_FDCWD, &path(b"full"), true, libc::ENOTEMPTY, &path(b"full"));
    run("unlinkat", base, b"e", true, libc::ENOTDIR, &path(b"e"));
    run("unlinkat", base, b"e/x", false, libc::ENOTDIR, &path(b"e/x"));
    Removal { op: "unlinkat", dirfd: 12345, asked: b"x", directory: false, ret: -i64::from(libc::EBADF) }.run(None);
    Removal { op: "unlink", dirfd: AT_FDCWD, asked: b"", directory: false, ret: -i64::from(libc::ENOENT) }.run(None);
}

/// Refused for want of permission.
pub fn unprivileged(dir: &Path) {
    std::fs::write(below(dir, "kept"), "x").expect("a file");
    assert_eq!(sys(libc::SYS_setresuid, &[1000, 1000, 1000]), 0, "setresuid");
    let path = bytes(below(dir, "kept"));
    Removal { op: "unlink", dirfd: AT_FDCWD, asked: &path, directory: false, ret: -i64::from(libc::EACCES) }.run(Some(&path));
}
