//! Changes by names that lead elsewhere: through symbolic links, hard links and bind mounts, through an io_uring and the 32-bit
//! entry, and while another thread changes the name.
//!
//! The truth is what the kernel did it to: inode and device by stat before the call, the path by what is gone after it. Not for:
//! what is asked for (`unlinks`, `changes`, `uring`).

use crate::race::{raced, set_last};
use crate::sys::{AT_FDCWD, at, below, bytes, c, fd, int80, low_page, sys};
use crate::truth::Truth;
use crate::uring::{Request, Ring};
use std::ffi::CString;
use std::fs::{Metadata, symlink_metadata, write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

fn stat(dir: &Path, name: &str) -> Metadata {
    symlink_metadata(below(dir, name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A call that succeeded: by the name `asked`, done to `real`, which `file` was.
fn done(op: &str, ret: i64, dir: &Path, asked: &str, real: &str, file: &Metadata) -> Truth {
    assert_eq!(ret, 0, "{op} {asked}");
    let truth = Truth::of(op, ret).bytes("asked", asked).bytes("path", bytes(below(dir, real)));
    let mismatch = bytes(below(dir, asked)) != bytes(below(dir, real));
    // What the kernel resolved was there before the call: a file that is removed had a name more.
    truth.metadata(file).with("trust", "Resolved").with("resolved", true).with("mismatch", mismatch)
}

/// `real`, and `soft` that leads there; the working directory is `dir`.
fn ground(dir: &Path) {
    std::fs::create_dir(below(dir, "real")).expect("a directory");
    symlink("real", below(dir, "soft")).expect("a link");
    std::env::set_current_dir(dir).expect("chdir");
}

fn file(dir: &Path, name: &str) -> Metadata {
    write(below(dir, name), "x").expect("a file");
    stat(dir, name)
}

/// Through symbolic links, hard links, and from a directory that a link led to.
pub fn links(dir: &Path) {
    ground(dir);
    let unlink = |asked: &str| sys(libc::SYS_unlink, &[at(&c(asked))]);
    let made = file(dir, "real/a");
    done("unlink", unlink("soft/a"), dir, "soft/a", "real/a", &made).print();
    let made = file(dir, "real/b");
    done("unlink", unlink("real/b"), dir, "real/b", "real/b", &made).print();
    let made = file(dir, "first");
    std::fs::hard_link(below(dir, "first"), below(dir, "second")).expect("a hard link");
    let linked = stat(dir, "second");
    assert_eq!(linked.ino(), made.ino());
    done("unlink", unlink("second"), dir, "second", "second", &linked).print();
    std::fs::create_dir(below(dir, "real/empty")).expect("a directory");
    let made = stat(dir, "real/empty");
    done("rmdir", sys(libc::SYS_rmdir, &[at(&c("soft/empty"))]), dir, "soft/empty", "real/empty", &made).print();
    // No such file: there is nothing that the kernel resolved.
    let ret = unlink("soft/missing");
    assert_eq!(ret, -i64::from(libc::ENOENT));
    Truth::of("unlink", ret).bytes("path", bytes(below(dir, "soft/missing"))).with("resolved", false).with("mismatch", false).print();
    rename(dir);
    let made = file(dir, "real/c");
    std::env::set_current_dir(below(dir, "soft")).expect("chdir");
    let ret = unlink("../soft/c");
    done("unlink", ret, dir, "../soft/c", "real/c", &made).with("mismatch", true).print();
}

fn rename(dir: &Path) {
    let (from, to) = (file(dir, "real/from"), file(dir, "to"));
    let ret = sys(libc::SYS_rename, &[at(&c("soft/from")), at(&c("soft/../to"))]);
    assert_eq!(stat(dir, "to").ino(), from.ino());
    assert_ne!(to.ino(), from.ino());
    done("rename", ret, dir, "soft/from", "real/from", &from)
        .bytes("to_path", bytes(below(dir, "to")))
        .with("to_trust", "Resolved")
        .print();
}

/// Every further call, through a link.
pub fn others(dir: &Path) {
    ground(dir);
    let made = file(dir, "real/a");
    let soft = c("soft/a");
    done("chmod", sys(libc::SYS_chmod, &[at(&soft), 0o600]), dir, "soft/a", "real/a", &made).print();
    let made = stat(dir, "real/a");
    done("chown", sys(libc::SYS_chown, &[at(&soft), 7, 8]), dir, "soft/a", "real/a", &made).print();
    let made = stat(dir, "real/a");
    done("truncate", sys(libc::SYS_truncate, &[at(&soft), 0]), dir, "soft/a", "real/a", &made).print();
    let ret = sys(libc::SYS_link, &[at(&soft), at(&c("soft/b"))]);
    done("link", ret, dir, "soft/a", "real/a", &made).bytes("to_path", bytes(below(dir, "real/b"))).print();
    let fresh = |op: &str, ret: i64, name: &str| {
        assert_eq!(ret, 0, "{op}");
        let truth = Truth::of(op, ret).bytes("path", bytes(below(dir, format!("real/{name}"))));
        truth.with("trust", "Resolved").with("resolved", true).with("mismatch", true).print();
    };
    fresh("mkdir", sys(libc::SYS_mkdir, &[at(&c("soft/dir")), 0o700]), "dir");
    fresh("mknod", sys(libc::SYS_mknod, &[at(&c("soft/fifo")), (libc::S_IFIFO | 0o600).into()]), "fifo");
    // No call that is told by its path.
    let _socket = UnixListener::bind(below(dir, "soft/socket")).expect("a socket");
    let made = Truth::of("security_path_mknod", 0).with("kind", "resolved").bytes("path", bytes(below(dir, "real/socket")));
    made.with("submitted", true).with("by_worker", false).print();
    fresh("symlink", sys(libc::SYS_symlink, &[at(&c("x")), at(&c("soft/to"))]), "to");
}

/// Below a bind mount: the path is that of the mount, device and inode are the file's.
pub fn bound(dir: &Path) {
    ground(dir);
    assert_eq!(sys(libc::SYS_unshare, &[libc::CLONE_NEWNS as u64]), 0, "unshare");
    let private = libc::MS_REC | libc::MS_PRIVATE;
    assert_eq!(sys(libc::SYS_mount, &[0, at(&c("/")), 0, private, 0]), 0, "mount");
    std::fs::create_dir(below(dir, "bound")).expect("a directory");
    let mounted = sys(libc::SYS_mount, &[at(&c("real")), at(&c("bound")), 0, libc::MS_BIND, 0]);
    assert_eq!(mounted, 0, "mount");
    let made = file(dir, "real/a");
    done("unlink", sys(libc::SYS_unlink, &[at(&c("bound/a"))]), dir, "bound/a", "bound/a", &made).print();
}

/// Through the 32-bit entry.
pub fn compat(dir: &Path) {
    ground(dir);
    let made = file(dir, "real/a");
    let ret = int80(10, [low_page(b"soft/a\0")]);
    done("unlink", ret, dir, "soft/a", "real/a", &made).with("compat", true).print();
}

/// What an io_uring is asked for: through a link.
pub fn ring(dir: &Path) {
    ground(dir);
    let Some(ring) = Ring::new(false) else { return Truth::of("skip", 0).print() };
    // A worker does all of these.
    let told = |op: &str, real: &str, file: &Metadata| {
        let truth = Truth::of(op, 0).with("kind", "resolved").bytes("path", bytes(below(dir, real))).with("submitted", true);
        truth.metadata(file).with("trust", "Resolved").with("by_worker", true).with("tid", serde_json::Value::Null)
    };
    let submit = |request: Request, what: &str| assert_eq!(ring.submit(request), 0, "{what}");
    let made = file(dir, "real/a");
    let soft = c("soft/a");
    submit(Request { opcode: 36, fd: AT_FDCWD, addr: at(&soft), ..Request::default() }, "unlinkat");
    told("security_path_unlink", "real/a", &made).print();
    std::fs::create_dir(below(dir, "real/empty")).expect("a directory");
    let made = stat(dir, "real/empty");
    let (empty, remove) = (c("soft/empty"), libc::AT_REMOVEDIR as u32);
    submit(Request { opcode: 36, fd: AT_FDCWD, addr: at(&empty), op_flags: remove, ..Request::default() }, "unlinkat");
    told("security_path_rmdir", "real/empty", &made).print();
    let (from, to) = (c("soft/from"), c("soft/to"));
    let made = file(dir, "real/from");
    let request = Request { opcode: 35, fd: AT_FDCWD, addr: at(&from), len: AT_FDCWD as u32, off: at(&to), ..Request::default() };
    submit(request, "renameat");
    told("security_path_rename", "real/from", &made).bytes("to_path", bytes(below(dir, "real/to"))).print();
    let missing = c("soft/missing");
    let ret = ring.submit(Request { opcode: 36, fd: AT_FDCWD, addr: at(&missing), ..Request::default() });
    assert_eq!(ret, -i64::from(libc::ENOENT));
}

/// The one of two files that is gone.
fn gone(dir: &Path, names: [&str; 2]) -> Vec<u8> {
    bytes(below(dir, names.into_iter().find(|name| !below(dir, name).exists()).expect("one of them is gone")))
}

/// Removals of which another thread changes the path once, at any moment of the call.
pub fn flip(dir: &Path, rounds: u64) {
    let path = c(bytes(below(dir, "a")));
    let prepare = || {
        ["a", "b"].iter().for_each(|name| write(below(dir, name), "x").expect("a file"));
        set_last(&path, b'a');
    };
    raced(
        rounds,
        prepare,
        || set_last(&path, b'b'),
        |round| {
            let ret = sys(libc::SYS_unlink, &[at(&path)]);
            assert_eq!(ret, 0, "unlink");
            Truth::of("unlink", ret).with("_round", round).bytes("_meant", gone(dir, ["a", "b"])).print();
        },
    );
}

/// Removals by a relative path, while another thread moves the process to another directory.
pub fn flip_directory(dir: &Path, rounds: u64) {
    let (one, two, name) = (c(bytes(below(dir, "one"))), c(bytes(below(dir, "two"))), c("x"));
    let go_to = |directory: &CString| assert_eq!(sys(libc::SYS_chdir, &[at(directory)]), 0, "chdir");
    let unlink = || sys(libc::SYS_unlink, &[at(&name)]);
    flip_between(dir, rounds, "unlink", || go_to(&one), || go_to(&two), unlink);
}

/// Removals below a descriptor, while another thread puts another directory there.
pub fn flip_descriptor(dir: &Path, rounds: u64) {
    let directories = ["one", "two"].map(|name| {
        let path = below(dir, name);
        std::fs::create_dir(&path).expect("a directory");
        crate::files::directory(&path)
    });
    let (here, name) = (sys(libc::SYS_dup, &[fd(directories[0])]), c("x"));
    let put = |directory: i64| assert_eq!(sys(libc::SYS_dup2, &[fd(directory), fd(here)]), here, "dup2");
    let unlink = || sys(libc::SYS_unlinkat, &[fd(here), at(&name), 0]);
    flip_between(dir, rounds, "unlinkat", || put(directories[0]), || put(directories[1]), unlink);
}

/// Removals of which another thread changes, at any moment of the call, in which of two directories they are.
fn flip_between(dir: &Path, rounds: u64, op: &str, to_one: impl Fn(), to_two: impl Fn() + Sync, unlink: impl Fn() -> i64) {
    for directory in ["one", "two"] {
        std::fs::create_dir_all(below(dir, directory)).expect("a directory");
    }
    let prepare = || {
        ["one/x", "two/x"].iter().for_each(|name| write(below(dir, name), "x").expect("a file"));
        to_one();
    };
    raced(rounds, prepare, to_two, |round| {
        let ret = unlink();
        assert_eq!(ret, 0, "{op}");
        Truth::of(op, ret).with("_round", round).bytes("_meant", gone(dir, ["one/x", "two/x"])).print();
    });
}
