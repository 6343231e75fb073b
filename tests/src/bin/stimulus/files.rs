//! open, openat, openat2 and creat: of every kind of name, and refused.
//!
//! Not for: file systems and roots other than the given directory's (`places`).

use crate::sys::{AT_FDCWD, at, below, bytes, c, fd, sys};
use crate::truth::Truth;
use std::path::Path;

const RDONLY: u64 = libc::O_RDONLY as u64;
const CREATE: u64 = (libc::O_CREAT | libc::O_WRONLY) as u64;
const PATH: u64 = libc::O_PATH as u64;
const DIRECTORY: u64 = (libc::O_PATH | libc::O_DIRECTORY) as u64;

/// One call of the family.
pub struct Call<'a> {
    pub op: &'a str,
    pub dirfd: i64,
    pub asked: &'a [u8],
    pub flags: u64,
    pub mode: u32,
}

impl Call<'_> {
    /// Makes the call.
    pub fn call(&self) -> i64 {
        let path = c(self.asked);
        let (flags, mode) = (self.flags, u64::from(self.mode));
        match self.op {
            "open" => sys(libc::SYS_open, &[at(&path), flags, mode]),
            "openat" => sys(libc::SYS_openat, &[fd(self.dirfd), at(&path), flags, mode]),
            "openat2" => {
                let how = [flags, mode, 0];
                sys(libc::SYS_openat2, &[fd(self.dirfd), at(&path), how.as_ptr() as u64, 24])
            }
            "creat" => sys(libc::SYS_creat, &[at(&path), mode]),
            op => panic!("no call {op}"),
        }
    }

    /// What is true of it, whatever came of it.
    pub fn truth(&self, ret: i64) -> Truth {
        Truth::of(self.op, ret)
            .bytes("asked", self.asked)
            .with("open_flags", self.flags)
            .with("create_mode", self.mode)
            .with("compat", false)
    }

    /// Makes a call that succeeds, and prints what the kernel says of the file. The descriptor stays open.
    pub fn succeeds(&self, created: bool) -> i64 {
        let ret = self.call();
        assert!(ret >= 0, "{} {}: {ret}", self.op, self.asked.escape_ascii());
        self.truth(ret).file(ret).path_of(ret).with("trust", "Resolved").with("created", created).print();
        ret
    }

    /// Makes a call that fails, and prints the path that was meant; nothing is known where `path` is `None`.
    pub fn fails(&self, errno: i32, path: Option<&[u8]>) {
        let ret = self.call();
        assert_eq!(ret, -i64::from(errno), "{} {}", self.op, self.asked.escape_ascii());
        let truth = self.truth(ret).with("ino", 0).with("created", false);
        match path {
            Some(path) => truth.bytes("path", path).with("trust", "Joined").print(),
            None => truth.with("trust", "Partial").print(),
        }
    }
}

fn call<'a>(op: &'a str, dirfd: i64, asked: &'a [u8], flags: u64, mode: u32) -> Call<'a> {
    Call { op, dirfd, asked, flags, mode }
}

/// A descriptor of a directory, opened without a line of its own.
pub fn directory(path: &Path) -> i64 {
    let ret = sys(libc::SYS_open, &[at(&c(bytes(path))), DIRECTORY]);
    assert!(ret >= 0, "open {}: {ret}", path.display());
    ret
}

/// Opens that succeed.
pub fn opens(dir: &Path) {
    let file = below(dir, "file");
    std::fs::write(&file, "x").expect("a file");
    std::fs::create_dir(below(dir, "sub")).expect("a directory");
    std::os::unix::fs::symlink("../file", below(dir, "sub/link")).expect("a link");
    std::env::set_current_dir(below(dir, "sub")).expect("chdir");
    let base = directory(dir);

    call("open", AT_FDCWD, &bytes(&file), RDONLY, 0).succeeds(false);
    call("open", AT_FDCWD, b"../file", libc::O_RDWR as u64, 0).succeeds(false);
    call("open", AT_FDCWD, b"link", RDONLY, 0).succeeds(false);
    call("open", AT_FDCWD, b"..//sub/./../sub/link", RDONLY, 0).succeeds(false);
    call("open", AT_FDCWD, b".", libc::O_DIRECTORY as u64, 0).succeeds(false);
    call("open", AT_FDCWD, b"/", libc::O_DIRECTORY as u64, 0).succeeds(false);
    call("open", AT_FDCWD, b"link", PATH | libc::O_NOFOLLOW as u64, 0).succeeds(false);
    call("openat", base, b"file", RDONLY | libc::O_CLOEXEC as u64, 0).succeeds(false);
    call("openat", base, b"new", CREATE | libc::O_EXCL as u64, 0o640).succeeds(true);
    call("openat", base, b"new", CREATE | libc::O_TRUNC as u64, 0o640).succeeds(false);
    call("openat", AT_FDCWD, b"link", PATH, 0).succeeds(false);
    call("openat2", base, b"sub/link", RDONLY, 0).succeeds(false);
    call("openat2", base, b"new2", CREATE, 0o600).succeeds(true);
    call("creat", AT_FDCWD, b"created", libc::O_CREAT as u64, 0o644).creat(true);
    call("creat", AT_FDCWD, b"created", libc::O_CREAT as u64, 0o644).creat(false);
    // To the kernel a file without a name was not created (no FMODE_CREATED), but it was not there before.
    call("open", AT_FDCWD, b".", (libc::O_TMPFILE | libc::O_RDWR) as u64, 0o600).succeeds(true);
    call("open", AT_FDCWD, b"/dev/null", libc::O_WRONLY as u64, 0).succeeds(false);
    for name in [&b"two\nlines"[..], b"\x1b[31mred", b"\xff\xfe not UTF-8", b" ", b"\\\"'", &[b'n'; 255]] {
        call("openat", base, name, CREATE, 0o600).succeeds(true);
    }
}

impl Call<'_> {
    /// creat(2) names no flags; the kernel takes `O_CREAT | O_WRONLY | O_TRUNC`.
    fn creat(&self, created: bool) {
        let flags = CREATE | libc::O_TRUNC as u64;
        let ret = self.call();
        assert!(ret >= 0, "creat: {ret}");
        let truth = self.truth(ret).with("open_flags", flags);
        truth.file(ret).path_of(ret).with("trust", "Resolved").with("created", created).print();
    }
}

/// Opens that fail: the path that was meant is the string, joined to its directory.
pub fn failures(dir: &Path) {
    std::fs::write(below(dir, "file"), "x").expect("a file");
    std::fs::create_dir(below(dir, "sub")).expect("a directory");
    std::os::unix::fs::symlink("loop", below(dir, "loop")).expect("a link");
    std::env::set_current_dir(below(dir, "sub")).expect("chdir");
    let base = directory(dir);
    let path = |name: &[u8]| bytes(below(dir, name));

    call("open", AT_FDCWD, &path(b"missing"), RDONLY, 0).fails(libc::ENOENT, Some(&path(b"missing")));
    call("open", AT_FDCWD, b"missing", RDONLY, 0).fails(libc::ENOENT, Some(&path(b"sub/missing")));
    call("open", AT_FDCWD, b"../missing", RDONLY, 0).fails(libc::ENOENT, Some(&path(b"missing")));
    call("openat", base, b"sub/./missing", RDONLY, 0).fails(libc::ENOENT, Some(&path(b"sub/missing")));
    call("openat", base, b"file/below", RDONLY, 0).fails(libc::ENOTDIR, Some(&path(b"file/below")));
    call("openat", base, b"loop", RDONLY, 0).fails(libc::ELOOP, Some(&path(b"loop")));
    call("openat", base, b"file", CREATE | libc::O_EXCL as u64, 0o600).fails(libc::EEXIST, Some(&path(b"file")));
    call("openat2", base, b"missing", RDONLY, 0).fails(libc::ENOENT, Some(&path(b"missing")));
    call("creat", AT_FDCWD, b"no/where", 0o1101, 0o600).fails(libc::ENOENT, Some(&path(b"sub/no/where")));
    call("openat", base, b"\xff\xfe", RDONLY, 0).fails(libc::ENOENT, Some(&path(b"\xff\xfe")));
    call("openat", base, &[b'n'; 256], RDONLY, 0).fails(libc::ENAMETOOLONG, Some(&path(&[b'n'; 256])));
    call("openat", 12345, b"x", RDONLY, 0).fails(libc::EBADF, None);
    call("open", AT_FDCWD, b"", RDONLY, 0).fails(libc::ENOENT, None);
    std::fs::set_permissions(below(dir, "file"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
    assert_eq!(sys(libc::SYS_setresuid, &[1000, 1000, 1000]), 0, "setresuid");
    call("openat", base, b"file", RDONLY, 0).fails(libc::EACCES, Some(&path(b"file")));
}

/// Deep directories and long paths.
pub fn deep(dir: &Path) {
    let mut path = dir.to_owned();
    for level in 0..200 {
        path.push(format!("d{level}"));
    }
    std::fs::create_dir_all(&path).expect("200 levels");
    call("openat", AT_FDCWD, &bytes(below(&path, "leaf")), CREATE, 0o600).succeeds(true);

    // The longest path there can be: 4,095 bytes and a NUL. Its directories are made one by one.
    let mut at_dir = directory(dir);
    let mut whole = bytes(dir);
    while whole.len() + 256 < 4095 - 2 {
        at_dir = descend(at_dir, &mut whole, &[b'l'; 255]);
    }
    let leaf = vec![b'e'; 4095 - 1 - whole.len()];
    let longest = [&whole[..], b"/", &leaf[..]].concat();
    let ret = call("open", AT_FDCWD, &longest, CREATE, 0o600);
    let opened = ret.call();
    assert!(opened >= 0, "open of 4,095 bytes: {opened}");
    ret.truth(opened).file(opened).bytes("path", &longest).with("trust", "Resolved").with("created", true).with("truncated", false).print();
    let too_long = [&longest[..], b"e"].concat();
    call("open", AT_FDCWD, &too_long, RDONLY, 0).too_long();

    // Deeper than any path string can say.
    for _ in 0..6 {
        at_dir = descend(at_dir, &mut whole, &[b'm'; 255]);
    }
    let beyond = call("openat", at_dir, b"leaf", CREATE, 0o600);
    let opened = beyond.call();
    assert!(opened >= 0, "openat below 5,000 bytes: {opened}");
    whole.extend_from_slice(b"/leaf");
    beyond.truth(opened).file(opened).with("trust", "Partial").bytes("_whole", &whole).print();
}

impl Call<'_> {
    fn too_long(&self) {
        let ret = self.call();
        assert_eq!(ret, -i64::from(libc::ENAMETOOLONG));
        self.truth(ret).bytes("asked", &self.asked[..4095]).with("truncated", true).print();
    }
}

/// Makes a directory below `at_dir` and opens it.
fn descend(at_dir: i64, whole: &mut Vec<u8>, name: &[u8]) -> i64 {
    let name_c = c(name);
    assert_eq!(sys(libc::SYS_mkdirat, &[fd(at_dir), at(&name_c), 0o700]), 0, "mkdirat");
    let next = sys(libc::SYS_openat, &[fd(at_dir), at(&name_c), DIRECTORY]);
    assert!(next >= 0, "openat: {next}");
    sys(libc::SYS_close, &[fd(at_dir)]);
    whole.push(b'/');
    whole.extend_from_slice(name);
    next
}
