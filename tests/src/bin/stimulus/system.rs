//! The whole system's settings, kernel code and keys: what is harmless is done, the rest is refused for want of a right
//! or by its arguments. Nothing here changes the machine's clock, name, swap, modules or accounting.

use crate::attributes::BAD_FILES;
use crate::calls::Arg::{Bad, File, Is, Memory, Path as At, Raw, Text};
use crate::calls::{Calls, Want};
use crate::changes::{bad_pointers, in_each_abi};
use crate::numbers::Abi;
use crate::sys::{fork, sys, wait};
use std::path::Path;

/// A user id without rights.
const NOBODY: u64 = 65_534;
/// `KEY_SPEC_PROCESS_KEYRING` (`include/uapi/linux/keyctl.h`).
const PROCESS_KEYRING: u64 = -2_i64 as u64;
/// `QCMD(Q_SYNC, USRQUOTA)` (`include/uapi/linux/quota.h`).
const QUOTA_SYNC: u64 = 0x8000_0100;

/// All of them.
pub fn all(dir: &Path) {
    in_each_abi(dir, |calls, dir, _| {
        if calls.0 != Abi::I386(1) {
            names(calls);
            observers(calls);
            keys(calls);
            modules(calls, dir);
            storage(calls);
            ports(calls);
            calls.does("settimeofday", &[Raw(0), Raw(0)]);
        }
        let child = fork(|| {
            assert_eq!(sys(libc::SYS_setresuid, &[NOBODY; 3]), 0, "setresuid");
            without_rights(calls);
            0
        });
        assert_eq!(wait(child), 0, "the child without rights");
    });
}

/// In a UTS namespace of a child.
fn names(calls: Calls) {
    let child = fork(|| {
        assert_eq!(sys(libc::SYS_unshare, &[libc::CLONE_NEWUTS as u64]), 0, "unshare");
        let (name, long) = (&b"agentmon \xff test"[..], &[b'n'; 65][..]);
        for op in ["sethostname", "setdomainname"] {
            calls.does(op, &[Text(name), Is("length", name.len() as u64)]);
            // Of the string only what the length says.
            calls.tell(op, &[Text(name), Is("length", 8)], Want::Done, |truth| truth.bytes("text", &name[..8]));
            calls.fails(op, libc::EINVAL, &[Text(long), Is("length", 65)]);
            calls.fails(op, libc::EFAULT, &[Bad(1), Is("length", 8)]);
            if calls.0 == Abi::Native {
                let edge = Raw(edge_string(name));
                calls.tell(op, &[edge, Is("length", name.len() as u64)], Want::Done, |truth| truth.bytes("text", name));
            }
        }
        0
    });
    assert_eq!(wait(child), 0, "the child with a host name of its own");
}

/// Address of a string without a NUL, behind which nothing is mapped.
fn edge_string(string: &[u8]) -> u64 {
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    let pages = sys(libc::SYS_mmap, &[0, 8192, (libc::PROT_READ | libc::PROT_WRITE) as u64, flags, u64::MAX, 0]);
    assert!(pages > 0, "mmap: {pages}");
    let edge = pages as u64 + 4096;
    assert_eq!(sys(libc::SYS_munmap, &[edge, 4096]), 0, "munmap");
    let start = edge - string.len() as u64;
    // SAFETY: the page below `edge` was just mapped, writable.
    unsafe { std::ptr::copy_nonoverlapping(string.as_ptr(), start as *mut u8, string.len()) };
    start
}

/// bpf, perf, fanotify, io_uring.
fn observers(calls: Calls) {
    // An array of one number: type 2, key 4, value 4, one entry.
    let map = [2_u32, 4, 4, 1, 0].map(u32::to_ne_bytes).concat();
    calls.does("bpf", &[Is("command", 0), Memory(&map), Raw(20)]);
    calls.fails("bpf", libc::EINVAL, &[Is("command", 0x7fff_ffff), Memory(&map), Raw(20)]);
    // PERF_TYPE_SOFTWARE, size, PERF_COUNT_SW_DUMMY.
    let mut attr = [[1_u32, 64].map(u32::to_ne_bytes).concat(), 9_u64.to_ne_bytes().to_vec()].concat();
    attr.resize(64, 0);
    let perf = |pid| [Memory(&attr), Is("target_pid", pid), Is("cpu", u64::MAX), Raw(u64::MAX), Is("flags", 8)];
    calls.does("perf_event_open", &perf(0));
    calls.fails("perf_event_open", libc::ESRCH, &perf(0x3fff_ffff));
    calls.does("fanotify_init", &[Is("flags", 1), Is("event_flags", libc::O_CLOEXEC as u64)]);
    calls.fails("fanotify_init", libc::EINVAL, &[Is("flags", 0x7fff_0000), Is("event_flags", 0)]);
    let parameters = Raw(u64::from(crate::sys::low_page(&[0; 128])));
    calls.does("io_uring_setup", &[Is("entries", 4), parameters]);
    calls.fails("io_uring_setup", libc::EINVAL, &[Is("entries", 0), parameters]);
    calls.fails("io_uring_setup", libc::EFAULT, &[Is("entries", 1), Raw(1)]);
}

fn keys(calls: Calls) {
    let add = |kind: &'static [u8]| [Memory(kind), Text(b"agentmon:\xff"), Memory(b"x"), Raw(1), Raw(PROCESS_KEYRING)];
    calls.does("add_key", &add(b"user\0"));
    calls.fails("add_key", libc::ENODEV, &add(b"no such\0"));
    calls.fails("add_key", libc::EFAULT, &[Memory(b"user\0"), Bad(1), Memory(b"x"), Raw(1), Raw(PROCESS_KEYRING)]);
    // KEYCTL_GET_KEYRING_ID
    calls.does("keyctl", &[Is("command", 0), Is("key", PROCESS_KEYRING), Raw(1)]);
    calls.fails("keyctl", libc::EOPNOTSUPP, &[Is("command", 9999), Is("key", 0)]);
}

fn modules(calls: Calls, dir: &Path) {
    let path = crate::sys::below(dir, "module.ko");
    std::fs::write(&path, "not a module").expect("a file");
    let file = std::fs::File::open(&path).expect("the file");
    let fd = i64::from(std::os::fd::AsRawFd::as_raw_fd(&file));
    calls.refused("init_module", &[Memory(b"not a module"), Is("length", 12), Text(b"name=\xff")]);
    calls.refused("finit_module", &[File(fd), Text(b"name=value"), Is("flags", 3)]);
    calls.refused("delete_module", &[Text(b"agentmon_no_such_module\xff"), Is("flags", libc::O_NONBLOCK as u64)]);
    for bad in BAD_FILES {
        calls.refused("finit_module", &[File(bad), Text(b""), Is("flags", 0)]);
        calls.refused("kexec_file_load", &[File(bad), Raw(0), Raw(0), Raw(0), Is("flags", 0)]);
    }
    // Flags that cannot be, and more segments than there may be.
    calls.refused("kexec_load", &[Raw(0), Is("segments", 17), Raw(0), Is("flags", 0xf000)]);
}

fn storage(calls: Calls) {
    calls.does("quotactl", &[Is("command", QUOTA_SYNC), Raw(0), Is("id", 0), Raw(0)]);
    calls.refused("quotactl", &[Is("command", QUOTA_SYNC), At(b"missing"), Is("id", 7), Raw(0)]);
    calls.fails("swapon", libc::ENOENT, &[At(b"../missing\xff"), Is("flags", 0x8000)]);
    calls.fails("swapoff", libc::ENOENT, &[At(b"missing")]);
    calls.fails("acct", libc::ENOENT, &[At(b"missing")]);
    calls.fails("acct", libc::EFAULT, &[Bad(1)]);
    for bad in bad_pointers() {
        calls.fails("swapon", libc::EFAULT, &[Bad(bad), Is("flags", 0)]);
        calls.fails("swapoff", libc::EFAULT, &[Bad(bad)]);
    }
}

fn ports(calls: Calls) {
    calls.does("iopl", &[Is("level", 0)]);
    calls.does("ioperm", &[Is("from", 0x80), Is("number", 1), Is("on", 0)]);
    calls.fails("iopl", libc::EINVAL, &[Is("level", 4)]);
    calls.fails("ioperm", libc::EINVAL, &[Is("from", 0x80), Is("number", 0x7fff_ffff), Is("on", 0)]);
}

fn without_rights(calls: Calls) {
    let time = [0_u8; 16];
    let time = Memory(&time);
    calls.fails("settimeofday", libc::EPERM, &[time, Raw(0)]);
    calls.fails("stime", libc::EPERM, &[time]);
    calls.fails("clock_settime", libc::EPERM, &[Is("clock", libc::CLOCK_REALTIME as u64), time]);
    calls.fails("chroot", libc::EPERM, &[At(b"/")]);
    calls.fails("swapon", libc::EPERM, &[At(b"/missing"), Is("flags", 0)]);
    calls.fails("swapoff", libc::EPERM, &[At(b"/missing")]);
    calls.fails("acct", libc::EPERM, &[At(b"/missing")]);
    calls.fails("sethostname", libc::EPERM, &[Text(b"name"), Is("length", 4)]);
    calls.fails("setdomainname", libc::EPERM, &[Text(b"name"), Is("length", 4)]);
    calls.fails("unshare", libc::EPERM, &[Is("flags", libc::CLONE_NEWUTS as u64)]);
    // Magic numbers that are none, beside the missing right.
    calls.fails("reboot", libc::EPERM, &[Raw(0), Raw(0), Is("command", 0), Raw(0)]);
    calls.fails("mount", libc::EPERM, &[Raw(0), At(b"/"), Raw(0), Is("flags", libc::MS_REMOUNT), Raw(0)]);
    calls.refused("mknod", &[At(b"/node"), Is("mode", u64::from(libc::S_IFBLK)), Is("device", 0x801)]);
}
