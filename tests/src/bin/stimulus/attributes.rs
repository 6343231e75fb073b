//! What a file holds, who may use it and what is noted of it: truncate, chmod, chown, xattr, flags, in both ABIs.
//!
//! Not for: names (`changes`).

use crate::calls::Arg::{Bad, Dir, File, Is, Memory, Pair, Path as At, Raw, Text};
use crate::calls::{Calls, Want};
use crate::changes::{bad_pointers, in_each_abi};
use crate::numbers::Abi;
use crate::sys::{AT_FDCWD, below, bytes};
use std::os::fd::AsRawFd;
use std::path::Path;

/// What no descriptor can be, and what none is.
pub const BAD_FILES: [i64; 2] = [-1, 0x7fff_ffff];

const EMPTY_PATH: u64 = libc::AT_EMPTY_PATH as u64;
/// `FS_IOC_GETFLAGS`, `FS_IOC_SETFLAGS`, `FS_IOC32_SETFLAGS`, `FS_IOC_FSSETXATTR` (`include/uapi/linux/fs.h`).
const GET_FLAGS: u64 = 0x8008_6601;
const SET_FLAGS: u64 = 0x4008_6602;
const SET_FLAGS_32: u64 = 0x4004_6602;
const SET_XATTR: u64 = 0x401c_5820;
/// `FS_NODUMP_FL`, `FS_XFLAG_NODUMP` (`include/uapi/linux/fs.h`).
const NO_DUMP: u32 = 0x40;
const NO_DUMP_X: u32 = 0x80;

/// A file of this round.
struct Subject {
    file: i64,
    path: Vec<u8>,
    // Behind `file`, which is its number.
    _open: std::fs::File,
}

fn subject(dir: &Path, name: &[u8]) -> Subject {
    let path = below(dir, name);
    std::fs::write(&path, "x").expect("a file");
    let open = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("the file");
    Subject { file: i64::from(open.as_raw_fd()), path: bytes(path), _open: open }
}

/// All of them.
pub fn all(dir: &Path) {
    in_each_abi(dir, |calls, dir, base| {
        lengths(calls, dir);
        permissions(calls, dir, base);
        owners(calls, dir, base);
        xattrs(calls, dir, base);
        flags(calls, dir, base);
    });
}

fn lengths(calls: Calls, dir: &Path) {
    let it = subject(dir, b"long \xff");
    let file = File(it.file);
    calls.does("truncate", &[At(&it.path), Is("length", 4096)]);
    calls.does("truncate", &[At(b"../long \xff"), Is("length", 0)]);
    calls.does("ftruncate", &[file, Is("length", 8192)]);
    calls.does("truncate64", &[At(&it.path), Pair("length", 1 << 33)]);
    calls.does("ftruncate64", &[file, Pair("length", (1 << 32) + 5)]);
    let punch = (libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE) as u64;
    calls.does("fallocate", &[file, Is("mode", punch), Pair("offset", 1 << 32), Pair("length", 4096)]);
    calls.fails("truncate", libc::ENOENT, &[At(b"missing"), Is("length", 1)]);
    calls.fails("truncate", libc::EISDIR, &[At(b"."), Is("length", 1)]);
    calls.fails("truncate64", libc::ENOENT, &[At(b"missing"), Pair("length", 1)]);
    calls.fails("fallocate", libc::EINVAL, &[file, Is("mode", 0), Pair("offset", 0), Pair("length", 0)]);
    for bad in BAD_FILES {
        calls.fails("ftruncate", libc::EBADF, &[File(bad), Is("length", 1)]);
        calls.fails("ftruncate64", libc::EBADF, &[File(bad), Pair("length", 1)]);
        calls.fails("fallocate", libc::EBADF, &[File(bad), Is("mode", 0), Pair("offset", 0), Pair("length", 1)]);
    }
    for bad in bad_pointers() {
        calls.fails("truncate", libc::EFAULT, &[Bad(bad), Is("length", 1)]);
        calls.fails("truncate64", libc::EFAULT, &[Bad(bad), Pair("length", 1)]);
    }
}

fn permissions(calls: Calls, dir: &Path, base: i64) {
    let it = subject(dir, b"perm");
    let mode = Is("mode", 0o4755);
    calls.does("chmod", &[At(&it.path), mode]);
    calls.does("chmod", &[At(b".././perm"), Is("mode", 0o600)]);
    calls.does("fchmod", &[File(it.file), mode]);
    calls.does("fchmodat", &[Dir(base), At(b"perm"), mode]);
    calls.does("fchmodat", &[Dir(AT_FDCWD), At(&it.path), mode]);
    calls.does("fchmodat2", &[Dir(base), At(b"perm"), mode, Is("flags", 0)]);
    empty_path(calls, "fchmodat2", it.file, &[mode, Is("flags", EMPTY_PATH)]);
    calls.fails("chmod", libc::ENOENT, &[At(b"missing"), mode]);
    calls.fails("fchmodat", libc::ENOTDIR, &[Dir(base), At(b"perm/x"), mode]);
    calls.fails("fchmodat2", libc::EINVAL, &[Dir(base), At(b"perm"), mode, Is("flags", 1)]);
    for bad in BAD_FILES {
        calls.fails("fchmod", libc::EBADF, &[File(bad), mode]);
        calls.fails("fchmodat", libc::EBADF, &[Dir(bad), At(b"x"), mode]);
    }
    for bad in bad_pointers() {
        calls.fails("chmod", libc::EFAULT, &[Bad(bad), mode]);
        calls.fails("fchmodat", libc::EFAULT, &[Dir(base), Bad(bad), mode]);
    }
}

/// An empty path with `AT_EMPTY_PATH` means the descriptor itself.
fn empty_path(calls: Calls, op: &str, file: i64, rest: &[crate::calls::Arg<'_>]) {
    let args = [&[Dir(file), At(b"")], rest].concat();
    calls.tell(op, &args, Want::Done, |truth| truth.file(file).path_of(file).with("trust", "Resolved"));
}

fn owners(calls: Calls, dir: &Path, base: i64) {
    let it = subject(dir, b"own");
    // The older i386 calls have ids of 16 bits: what is above them does not count, and 65535 is -1.
    let narrow = calls.0 == Abi::I386(1);
    let (none, wide) = if narrow { (0xffff, 0xabc0_0000) } else { (0xffff_ffff, 0) };
    let ids = [Is("uid", 1234 + wide), Is("gid", none)];
    let as_meant = |truth: crate::truth::Truth| truth.with("arg_uid", 1234).with("arg_gid", u32::MAX);
    for (op, target) in [("chown", At(&it.path)), ("lchown", At(b"../own")), ("fchown", File(it.file))] {
        calls.tell(op, &[target, ids[0], ids[1]], Want::Done, as_meant);
    }
    let ids = [Is("uid", 0), Is("gid", 4321)];
    calls.does("fchownat", &[Dir(base), At(b"own"), ids[0], ids[1], Is("flags", 0)]);
    calls.does("fchownat", &[Dir(AT_FDCWD), At(b"../own"), ids[0], ids[1], Is("flags", libc::AT_SYMLINK_NOFOLLOW as u64)]);
    empty_path_owner(calls, it.file);
    calls.fails("chown", libc::ENOENT, &[At(b"missing"), ids[0], ids[1]]);
    calls.fails("lchown", libc::ENOENT, &[At(b"missing"), ids[0], ids[1]]);
    calls.fails("fchownat", libc::ENOENT, &[Dir(base), At(b"missing"), ids[0], ids[1], Is("flags", 0)]);
    for bad in BAD_FILES {
        calls.fails("fchown", libc::EBADF, &[File(bad), ids[0], ids[1]]);
        calls.fails("fchownat", libc::EBADF, &[Dir(bad), At(b"x"), ids[0], ids[1], Is("flags", 0)]);
    }
    for bad in bad_pointers() {
        calls.fails("chown", libc::EFAULT, &[Bad(bad), ids[0], ids[1]]);
        calls.fails("lchown", libc::EFAULT, &[Bad(bad), ids[0], ids[1]]);
        calls.fails("fchownat", libc::EFAULT, &[Dir(base), Bad(bad), ids[0], ids[1], Is("flags", 0)]);
    }
}

fn empty_path_owner(calls: Calls, file: i64) {
    empty_path(calls, "fchownat", file, &[Is("uid", 7), Is("gid", 8), Is("flags", EMPTY_PATH)]);
    // Without the flag an empty path is an error, and names nothing.
    calls.fails("fchownat", libc::ENOENT, &[Dir(file), At(b""), Is("uid", 7), Is("gid", 8), Is("flags", 0)]);
}

/// `struct xattr_args` (`include/uapi/linux/xattr.h`).
fn xattr_args(value: u32) -> Vec<u8> {
    [&u64::from(value).to_ne_bytes()[..], &1_u32.to_ne_bytes(), &0_u32.to_ne_bytes()].concat()
}

fn xattrs(calls: Calls, dir: &Path, base: i64) {
    let it = subject(dir, b"noted");
    // trusted.* is there on every file system that has attributes.
    let (name, size, none) = (Text(b"trusted.agentmon\xff"), Is("size", 1), Is("flags", 0));
    let value = Memory(b"x");
    let in_memory = xattr_args(crate::sys::low_page(b"x"));
    let set = |op, target| calls.does(op, &[target, name, value, size, none]);
    set("setxattr", At(&it.path));
    set("lsetxattr", At(b"../noted"));
    set("fsetxattr", File(it.file));
    calls.does("setxattrat", &[Dir(base), At(b"noted"), Is("flags", 0), name, Memory(&in_memory), Raw(16)]);
    let empty = [Is("flags", EMPTY_PATH), name, Memory(&in_memory), Raw(16)];
    empty_path(calls, "setxattrat", it.file, &empty);
    calls.does("removexattrat", &[Dir(base), At(b"noted"), Is("flags", 0), name]);
    for (op, target) in [("removexattr", At(&it.path)), ("lremovexattr", At(b"../noted")), ("fremovexattr", File(it.file))] {
        calls.quietly_set(&it, name);
        calls.does(op, &[target, name]);
    }
    let missing = At(b"missing");
    for op in ["setxattr", "lsetxattr"] {
        calls.fails(op, libc::ENOENT, &[missing, name, value, size, none]);
        calls.fails(op, libc::EFAULT, &[At(&it.path), Bad(1), value, size, none]);
    }
    for op in ["removexattr", "lremovexattr"] {
        calls.fails(op, libc::ENOENT, &[missing, name]);
        calls.fails(op, libc::EFAULT, &[Bad(1), name]);
    }
    calls.fails("setxattrat", libc::ENOENT, &[Dir(base), missing, Is("flags", 0), name, Memory(&in_memory), Raw(16)]);
    calls.fails("removexattrat", libc::ENOENT, &[Dir(base), missing, Is("flags", 0), name]);
    for bad in BAD_FILES {
        calls.fails("fsetxattr", libc::EBADF, &[File(bad), name, value, size, none]);
        calls.fails("fremovexattr", libc::EBADF, &[File(bad), name]);
    }
}

impl Calls {
    fn quietly_set(self, it: &Subject, name: crate::calls::Arg<'_>) {
        Self(Abi::Native).quietly("fsetxattr", &[File(it.file), name, Memory(b"xy"), Raw(2), Raw(0)]);
    }
}

fn flags(calls: Calls, dir: &Path, base: i64) {
    let it = subject(dir, b"flags");
    let file = File(it.file);
    let set = |request: u64, flags: u32, rest: usize| {
        let memory = [&flags.to_ne_bytes()[..], &vec![0; rest]].concat();
        let told = |truth: crate::truth::Truth| truth.with("arg_file_flags", flags);
        calls.tell("ioctl", &[file, Is("request", request), Memory(&memory)], Want::Done, told);
    };
    if calls.0.is_compat() {
        set(SET_FLAGS_32, NO_DUMP | extents(it.file), 4);
    } else {
        set(SET_FLAGS, NO_DUMP | extents(it.file), 4);
    }
    set(SET_XATTR, NO_DUMP_X, 24);
    let request = Is("request", SET_FLAGS_32);
    for bad in BAD_FILES {
        calls.fails("ioctl", libc::EBADF, &[File(bad), request, Memory(&[0; 8])]);
    }
    calls.refused("ioctl", &[file, request, Bad(1)]);
    let attr = [&u64::from(NO_DUMP_X).to_ne_bytes()[..], &[0; 16]].concat();
    let told = |truth: crate::truth::Truth| truth.with("arg_file_flags", NO_DUMP_X);
    calls.tell("file_setattr", &[Dir(base), At(b"flags"), Memory(&attr), Raw(24), Is("flags", 0)], Want::Done, told);
    let missing = [Dir(base), At(b"missing"), Memory(&attr), Raw(24), Is("flags", 0)];
    calls.tell("file_setattr", &missing, Want::Fails(libc::ENOENT), told);
}

/// Flags that the file has and that cannot be changed (ext4 has extents).
fn extents(file: i64) -> u32 {
    let mut flags = [0_u8; 8];
    let memory = flags.as_mut_ptr() as u64;
    let ret = Calls(Abi::Native).quietly("ioctl", &[File(file), Raw(GET_FLAGS), Raw(memory)]);
    if ret == 0 { u32::from_ne_bytes([flags[0], flags[1], flags[2], flags[3]]) } else { 0 }
}
