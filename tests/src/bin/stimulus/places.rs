//! Opens in places of their own: bind mounts, tmpfs, memfd, /proc/self/fd, a chroot, a removed directory.
//!
//! Runs in a mount namespace of its own, so that the host's mounts stay as they are.

use crate::files::{Call, directory};
use crate::sys::{AT_FDCWD, at, below, bytes, c, fd, fork, sys, wait};
use std::path::Path;

const CREATE: u64 = (libc::O_CREAT | libc::O_RDWR) as u64;

fn open(asked: &[u8], flags: u64) -> Call<'_> {
    Call { op: "openat", dirfd: AT_FDCWD, asked, flags, mode: 0o600 }
}

fn mount(source: &Path, target: &Path, kind: &str, flags: u64) {
    let (source, target, kind) = (c(bytes(source)), c(bytes(target)), c(kind));
    let ret = sys(libc::SYS_mount, &[at(&source), at(&target), at(&kind), flags, 0]);
    assert_eq!(ret, 0, "mount on {target:?}");
}

/// All of them.
pub fn all(dir: &Path) {
    for name in ["real", "bound", "tmpfs", "root", "gone"] {
        std::fs::create_dir(below(dir, name)).expect("a directory");
    }
    assert_eq!(sys(libc::SYS_unshare, &[libc::CLONE_NEWNS as u64]), 0, "unshare");
    mount(Path::new("none"), Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE);
    mount(&below(dir, "real"), &below(dir, "bound"), "", libc::MS_BIND);
    mount(Path::new("tmpfs"), &below(dir, "tmpfs"), "tmpfs", 0);
    std::fs::create_dir(below(dir, "tmpfs/inner")).expect("a directory");
    mount(&below(dir, "real"), &below(dir, "tmpfs/inner"), "", libc::MS_BIND);

    open(&bytes(below(dir, "bound/file")), CREATE).succeeds(true);
    open(&bytes(below(dir, "real/file")), CREATE).succeeds(false);
    open(&bytes(below(dir, "tmpfs/file")), CREATE).succeeds(true);
    open(&bytes(below(dir, "tmpfs")), libc::O_DIRECTORY as u64).succeeds(false);
    open(&bytes(below(dir, "tmpfs/inner/file")), CREATE).succeeds(false);
    open(b"/proc/self/status", 0).succeeds(false);
    memfd();
    reopen(dir);
    removed_directory(dir);
    chroot(dir);
}

fn memfd() {
    let memfd = sys(libc::SYS_memfd_create, &[at(&c("note")), 0]);
    assert!(memfd >= 0, "memfd_create: {memfd}");
    let name = format!("/proc/self/fd/{memfd}");
    let call = open(name.as_bytes(), libc::O_RDWR as u64);
    let ret = call.call();
    assert!(ret >= 0, "open {name}: {ret}");
    call.truth(ret).file(ret).bytes("path", "memfd:note").with("trust", "Partial").with("nlink", 0).print();
}

fn reopen(dir: &Path) {
    let file = below(dir, "real/file");
    let held = sys(libc::SYS_open, &[at(&c(bytes(&file))), libc::O_PATH as u64]);
    assert!(held >= 0, "open O_PATH: {held}");
    open(format!("/proc/self/fd/{held}").as_bytes(), 0).succeeds(false);
}

fn removed_directory(dir: &Path) {
    std::env::set_current_dir(below(dir, "gone")).expect("chdir");
    std::fs::remove_dir(below(dir, "gone")).expect("rmdir");
    let call = open(b"missing", 0);
    call.fails(libc::ENOENT, Some(&bytes(below(dir, "gone/missing"))));
    std::env::set_current_dir(dir).expect("chdir");
}

/// The path is the host's, not the one the process sees.
fn chroot(dir: &Path) {
    let root = below(dir, "root");
    std::fs::write(below(&root, "inside"), "x").expect("a file");
    let outside = directory(dir);
    let metadata = std::fs::metadata(below(&root, "inside")).expect("the file");
    let child = fork(|| {
        assert_eq!(sys(libc::SYS_chroot, &[at(&c(bytes(&root)))]), 0, "chroot");
        assert_eq!(sys(libc::SYS_chdir, &[at(&c("/"))]), 0, "chdir");
        for asked in [&b"/inside"[..], b"inside", b"../../inside"] {
            let call = open(asked, 0);
            let ret = call.call();
            assert!(ret >= 0, "open in the chroot: {ret}");
            call.truth(ret).metadata(&metadata).bytes("path", bytes(below(&root, "inside"))).with("trust", "Resolved").print();
        }
        open(b"missing", 0).fails(libc::ENOENT, Some(&bytes(below(&root, "missing"))));
        let call = Call { op: "openat", dirfd: outside, asked: b"real/missing", flags: 0, mode: 0 };
        call.fails(libc::ENOENT, Some(&bytes(below(dir, "real/missing"))));
        sys(libc::SYS_close, &[fd(outside)]);
        0
    });
    assert_eq!(wait(child), 0, "the child in the chroot");
}
