//! Mounts made, moved and removed, roots changed, files opened by handle, in both ABIs.
//!
//! In a mount namespace of its own; root changes in children inside directories of the test, so that the host stays as
//! it is.

use crate::attributes::BAD_FILES;
use crate::calls::Arg::{Bad, Dir, File, Is, Memory, Path as At, Raw, Source, Text, To};
use crate::calls::{Calls, Want};
use crate::changes::{bad_pointers, in_each_abi};
use crate::numbers::Abi;
use crate::sys::{AT_FDCWD, at, below, bytes, c, fd, fork, sys, wait};
use crate::truth::Truth;
use std::path::Path;

const NONE: crate::calls::Arg<'_> = Raw(0);
/// `OPEN_TREE_CLONE`, `FSCONFIG_CMD_CREATE`, `MOVE_MOUNT_F_EMPTY_PATH`, `MOUNT_ATTR_RDONLY` (`include/uapi/linux/mount.h`).
const OPEN_TREE_CLONE: u64 = 1;
const FSCONFIG_CMD_CREATE: u64 = 6;
const FROM_EMPTY_PATH: u64 = 4;
const READ_ONLY: u64 = 1;

/// All of them.
pub fn all(dir: &Path) {
    assert_eq!(sys(libc::SYS_unshare, &[libc::CLONE_NEWNS as u64]), 0, "unshare");
    let private = [Source(b"none"), At(b"/"), Text(b""), Is("flags", libc::MS_REC | libc::MS_PRIVATE), NONE];
    Calls(Abi::Native).does("mount", &private);
    in_each_abi(dir, |calls, dir, base| {
        for name in ["real", "bound", "moved", "tmpfs", "new", "host"] {
            std::fs::create_dir(below(dir, name)).expect("a directory");
        }
        old_calls(calls, dir);
        refused(calls, base);
        new_calls(calls, dir, base);
        handles(calls, dir);
        roots(calls, dir);
    });
}

fn old_calls(calls: Calls, dir: &Path) {
    let flags = |flags| Is("flags", flags);
    let (real, tmpfs) = (bytes(below(dir, "real")), bytes(below(dir, "tmpfs")));
    calls.does("mount", &[Source(b"agentmon \xff"), At(&tmpfs), Text(b"tmpfs"), flags(libc::MS_NOSUID), NONE]);
    calls.does("mount", &[To(&real), At(b"../bound"), NONE, flags(libc::MS_BIND), NONE]);
    let again = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
    calls.does("mount", &[NONE, At(b"../bound"), NONE, flags(again), NONE]);
    // Its source is not looked at.
    calls.does("mount", &[Source(b"/etc/shadow"), At(b"../bound"), NONE, flags(again), NONE]);
    calls.does("mount", &[To(b"../bound"), At(b"../moved"), NONE, flags(libc::MS_MOVE), NONE]);
    calls.does("umount2", &[At(b"../moved"), flags(libc::MNT_DETACH as u64)]);
    if calls.does("umount", &[At(&tmpfs)]).is_none() {
        calls.does("umount2", &[At(&tmpfs), flags(0)]);
    }
}

fn refused(calls: Calls, base: i64) {
    let flags = |flags| Is("flags", flags);
    calls.fails("mount", libc::ENOENT, &[Source(b"x"), At(b"missing"), Text(b"tmpfs"), flags(0), NONE]);
    calls.fails("mount", libc::ENODEV, &[Source(b"x"), At(b"../new"), Text(b"no\xffsuch"), flags(0), NONE]);
    calls.fails("mount", libc::ENOENT, &[To(b"missing"), At(b"../new"), NONE, flags(libc::MS_BIND), NONE]);
    calls.fails("umount2", libc::EINVAL, &[At(b"../new"), flags(0)]);
    calls.fails("umount", libc::EINVAL, &[At(b"../new")]);
    calls.fails("pivot_root", libc::ENOENT, &[At(b"missing"), To(b"missing/old")]);
    calls.fails("chroot", libc::ENOENT, &[At(b"missing")]);
    calls.fails("move_mount", libc::ENOENT, &[Dir(base), To(b"missing"), Dir(base), At(b"new"), flags(0)]);
    calls.fails("open_tree", libc::ENOENT, &[Dir(base), At(b"missing"), flags(OPEN_TREE_CLONE)]);
    calls.fails("mount_setattr", libc::ENOENT, &[Dir(base), At(b"missing"), flags(0), Memory(&attr()), Raw(32)]);
    calls.fails("fsopen", libc::ENODEV, &[Text(b"no\xffsuch"), flags(0)]);
    for bad in BAD_FILES {
        calls.fails("fsmount", libc::EBADF, &[Is("fd", bad as u64), flags(0), Raw(0)]);
        calls.fails("open_tree", libc::EBADF, &[Dir(bad), At(b"x"), flags(OPEN_TREE_CLONE)]);
    }
    for bad in bad_pointers() {
        calls.fails("umount2", libc::EFAULT, &[Bad(bad), flags(0)]);
        calls.fails("umount", libc::EFAULT, &[Bad(bad)]);
        calls.fails("chroot", libc::EFAULT, &[Bad(bad)]);
        calls.fails("pivot_root", libc::EFAULT, &[Bad(bad), To(b"x")]);
        calls.fails("mount", libc::EFAULT, &[Source(b"x"), Bad(bad), Text(b"tmpfs"), flags(0), NONE]);
        calls.fails("fsopen", libc::EFAULT, &[Bad(bad), flags(0)]);
    }
    calls.fails("mount", libc::EFAULT, &[Bad(1), At(b"../new"), Text(b"tmpfs"), flags(0), NONE]);
}

/// `struct mount_attr` that makes a mount read-only.
fn attr() -> Vec<u8> {
    [READ_ONLY, 0, 0, 0].map(u64::to_ne_bytes).concat()
}

fn new_calls(calls: Calls, dir: &Path, base: i64) {
    let flags = |flags| Is("flags", flags);
    let Some(context) = calls.does("fsopen", &[Text(b"tmpfs"), flags(0)]) else { return };
    assert_eq!(sys(libc::SYS_fsconfig, &[fd(context), FSCONFIG_CMD_CREATE, 0, 0, 0]), 0, "fsconfig");
    let mounted = calls.does("fsmount", &[Is("fd", fd(context)), flags(0), Raw(0)]).expect("a kernel with fsopen");
    calls.does("move_mount", &[Dir(mounted), To(b""), Dir(base), At(b"new"), flags(FROM_EMPTY_PATH)]);
    calls.does("mount_setattr", &[Dir(AT_FDCWD), At(b"../new"), flags(0), Memory(&attr()), Raw(32)]);
    let it = [Dir(mounted), At(b""), flags(libc::AT_EMPTY_PATH as u64), Memory(&attr()), Raw(32)];
    calls.tell("mount_setattr", &it, Want::Done, |truth| truth.file(mounted).path_of(mounted).with("trust", "Resolved"));
    calls.does("open_tree", &[Dir(base), At(b"new"), flags(OPEN_TREE_CLONE)]);
    calls.does("umount2", &[At(&bytes(below(dir, "new"))), flags(libc::MNT_DETACH as u64)]);
}

fn handles(calls: Calls, dir: &Path) {
    let open = std::fs::File::open(dir).expect("the directory");
    let base = i64::from(std::os::fd::AsRawFd::as_raw_fd(&open));
    let path = below(dir, "handled");
    std::fs::write(&path, "x").expect("a file");
    let mut handle = [0_u8; 136];
    handle[..4].copy_from_slice(&128_u32.to_ne_bytes());
    let mut mount = 0_i32;
    let name = c(bytes(&path));
    let out = [handle.as_mut_ptr() as u64, (&raw mut mount) as u64];
    let ret = sys(libc::SYS_name_to_handle_at, &[fd(AT_FDCWD), at(&name), out[0], out[1], 0]);
    if ret == -i64::from(libc::EOPNOTSUPP) {
        return;
    }
    assert_eq!(ret, 0, "name_to_handle_at");
    let flags = libc::O_WRONLY as u64;
    let opened = |truth: Truth| truth.with("open_flags", flags).bytes("asked", "").with("unreadable", false);
    if calls.0 == Abi::I386(1) {
        return;
    }
    // The descriptor it returns is needed for the line: the call is made first and told by hand.
    let ret = calls.quietly("open_by_handle_at", &[File(base), Memory(&handle), Raw(flags)]);
    assert!(ret >= 0, "open_by_handle_at: {ret}");
    let number = calls.0.number("open_by_handle_at");
    let truth = Truth::of("open_by_handle_at", ret).with("compat", calls.0.is_compat()).with("_number", number);
    opened(truth).file(ret).path_of(ret).with("trust", "Resolved").print();
    for bad in BAD_FILES {
        calls.tell("open_by_handle_at", &[Raw(bad as u64), Memory(&handle), Raw(flags)], Want::Refused, opened);
    }
    calls.tell("open_by_handle_at", &[Raw(fd(base)), Raw(1), Raw(flags)], Want::Fails(libc::EFAULT), opened);
}

fn roots(calls: Calls, dir: &Path) {
    if calls.0 == Abi::I386(1) {
        return;
    }
    let child = fork(|| {
        calls.does("chroot", &[At(b"../host")]);
        0
    });
    assert_eq!(wait(child), 0, "the child with a root of its own");
    for relative in [false, true] {
        let child = fork(|| {
            pivot(calls, &below(dir, "host"), relative);
            0
        });
        assert_eq!(wait(child), 0, "the child that turns its root");
    }
}

/// Turns a root that is a mount of its own, below the host's.
fn pivot(calls: Calls, host: &Path, relative: bool) {
    assert_eq!(sys(libc::SYS_unshare, &[libc::CLONE_NEWNS as u64]), 0, "unshare");
    std::fs::create_dir_all(below(host, "new/old")).expect("a directory");
    let new = below(host, "new");
    for path in [host, &*new] {
        let path = c(bytes(path));
        assert_eq!(sys(libc::SYS_mount, &[at(&path), at(&path), 0, libc::MS_BIND | libc::MS_REC, 0]), 0, "mount");
    }
    let (host, slash) = (c(bytes(host)), c("/"));
    assert_eq!(sys(libc::SYS_chroot, &[at(&host)]), 0, "chroot");
    assert_eq!(sys(libc::SYS_chdir, &[at(&slash)]), 0, "chdir");
    if relative {
        // What the names were relative to is called otherwise afterwards.
        let as_given = |truth: Truth| truth.bytes("path", "new").bytes("to_path", "new/old");
        calls.tell("pivot_root", &[At(b"new"), To(b"new/old")], Want::Done, as_given);
    } else {
        calls.does("pivot_root", &[At(b"/new"), To(b"/new//old")]);
    }
}
