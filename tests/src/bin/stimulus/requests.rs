//! ioctl: terminals, disks, file systems, loop devices, network interfaces. What would do harm is asked of files that cannot.
//!
//! Not for: flags of files (`attributes`).

use crate::attributes::BAD_FILES;
use crate::calls::Arg::{Bad, File, Is, Memory, Raw};
use crate::calls::{Calls, Want};
use crate::changes::in_each_abi;
use crate::numbers::Abi;
use crate::sys::{below, fork, sys, wait};
use crate::truth::Truth;
use std::os::fd::AsRawFd;
use std::path::Path;

const TIOCSTI: u64 = 0x5412;
const SIOCGIFFLAGS: u64 = 0x8913;
const SIOCSIFFLAGS: u64 = 0x8914;

/// All of them.
pub fn all(dir: &Path) {
    in_each_abi(dir, |calls, dir, _| {
        if calls.0 == Abi::I386(1) {
            return;
        }
        let path = below(dir, b"asked \xff");
        std::fs::write(&path, [0; 4096]).expect("a file");
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("the file");
        let file = i64::from(file.as_raw_fd());
        typing(calls, file);
        plain(calls, file);
        ranges(calls, file);
        clones(calls, file);
        loops(calls, file);
        interfaces(calls);
    });
}

fn request(request: u64) -> crate::calls::Arg<'static> {
    Is("request", request)
}

fn of_kind(kind: &'static str) -> impl Fn(Truth) -> Truth {
    move |truth| truth.with("kind", kind)
}

/// Into a terminal that nobody reads.
fn typing(calls: Calls, file: i64) {
    let manager = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).expect("a terminal");
    rustix::pty::unlockpt(&manager).expect("unlockpt");
    let name = rustix::pty::ptsname(&manager, Vec::new()).expect("its name");
    let flags = (libc::O_RDWR | libc::O_NOCTTY) as u64;
    let terminal = sys(libc::SYS_open, &[name.as_ptr() as u64, flags]);
    assert!(terminal >= 0, "the terminal: {terminal}");
    let typed = |truth: Truth| truth.with("kind", "process_access").with("arg_byte", u64::from(b'l'));
    calls.tell("ioctl", &[File(terminal), request(TIOCSTI), Memory(b"l")], Want::Done, typed);
    calls.tell("ioctl", &[File(file), request(TIOCSTI), Memory(b"l")], Want::Fails(libc::ENOTTY), typed);
    let unread = |truth: Truth| truth.with("kind", "process_access").with("arg_byte", 0);
    calls.tell("ioctl", &[File(terminal), request(TIOCSTI), Bad(1)], Want::Fails(libc::EFAULT), unread);
    calls.tell("ioctl", &[File(file), request(0x541c), Memory(b"\x03")], Want::Fails(libc::ENOTTY), |truth| {
        truth.with("kind", "process_access").with("arg_byte", 3)
    });
    sys(libc::SYS_close, &[terminal as u64]);
}

/// Requests without more to say, on a file that has none of it.
fn plain(calls: Calls, file: i64) {
    // TIOCSETD, TIOCCONS; BLKRRPART, SG_IO; FIFREEZE and FITHAW, of a file system that has neither; FS_IOC_SET_ENCRYPTION_POLICY.
    let proc = std::fs::File::open("/proc/self/stat").expect("/proc");
    let proc = i64::from(proc.as_raw_fd());
    let all = [
        ("system", 0x5423, file),
        ("system", 0x541d, file),
        ("truncate", 0x125f, file),
        ("truncate", 0x2285, file),
        ("mount", 0xc004_5877, proc),
        ("mount", 0xc004_5878, proc),
        ("file_flags", 0x800c_6613, proc),
    ];
    for (kind, number, file) in all {
        calls.tell("ioctl", &[File(file), request(number), Raw(0)], Want::Refused, of_kind(kind));
        for bad in BAD_FILES {
            calls.tell("ioctl", &[File(bad), request(number), Raw(0)], Want::Fails(libc::EBADF), of_kind(kind));
        }
    }
}

fn ranges(calls: Calls, file: i64) {
    let range = [1_u64 << 33, 4096].map(u64::to_ne_bytes).concat();
    // BLKDISCARD, BLKSECDISCARD, BLKZEROOUT.
    for number in [0x1277, 0x127d, 0x127f] {
        let told = |truth: Truth| truth.with("kind", "truncate").with("arg_offset", 1_u64 << 33).with("arg_length", 4096);
        calls.tell("ioctl", &[File(file), request(number), Memory(&range)], Want::Fails(libc::ENOTTY), told);
        let unread = |truth: Truth| truth.with("kind", "truncate").with("arg_offset", 0).with("arg_length", 0);
        calls.tell("ioctl", &[File(file), request(number), Bad(1)], Want::Fails(libc::ENOTTY), unread);
    }
}

fn clones(calls: Calls, file: i64) {
    // FICLONE, of a descriptor that is none; FICLONERANGE, of another one.
    calls.tell("ioctl", &[File(file), request(0x4004_9409), Is("source_fd", 0x7fff_ffff)], Want::Fails(libc::EBADF), of_kind("truncate"));
    let range = [77_777_u64, 0, 0, 0].map(u64::to_ne_bytes).concat();
    calls.tell("ioctl", &[File(file), request(0x4020_940d), Memory(&range)], Want::Fails(libc::EBADF), |truth| {
        truth.with("kind", "truncate").with("arg_source_fd", 77_777)
    });
}

fn loops(calls: Calls, file: i64) {
    // LOOP_SET_FD; LOOP_CONFIGURE, which begins with the descriptor.
    calls.tell("ioctl", &[File(file), request(0x4c00), Is("source_fd", 5)], Want::Fails(libc::ENOTTY), of_kind("mount"));
    let configuration = [&7_u32.to_ne_bytes()[..], &[0; 300]].concat();
    calls.tell("ioctl", &[File(file), request(0x4c0a), Memory(&configuration)], Want::Fails(libc::ENOTTY), |truth| {
        truth.with("kind", "mount").with("arg_source_fd", 7)
    });
}

/// `struct ifreq` of this name.
fn interface(name: &[u8], flags: u16) -> [u8; 40] {
    let mut request = [0; 40];
    request[..name.len()].copy_from_slice(name);
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    request
}

fn interfaces(calls: Calls) {
    let child = fork(|| {
        assert_eq!(sys(libc::SYS_unshare, &[libc::CLONE_NEWNET as u64]), 0, "unshare");
        let socket = sys(libc::SYS_socket, &[libc::AF_INET as u64, libc::SOCK_DGRAM as u64, 0]);
        assert!(socket >= 0, "socket: {socket}");
        let set = |number: u64, name: &[u8], want| {
            let memory = interface(name, libc::IFF_UP as u16);
            let named = |truth: Truth| truth.with("kind", "netlink").bytes("text", name).with("arg_fd", socket);
            calls.tell("ioctl", &[Raw(socket as u64), request(number), Memory(&memory)], want, named);
        };
        assert_eq!(calls.quietly("ioctl", &[Raw(socket as u64), Raw(SIOCGIFFLAGS), Memory(&interface(b"lo", 0))]), 0);
        set(SIOCSIFFLAGS, b"lo", Want::Done);
        set(SIOCSIFFLAGS, b"agentmon\xff", Want::Fails(libc::ENODEV));
        set(SIOCSIFFLAGS, b"0123456789abcdef", Want::Refused);
        // SIOCSIFADDR, TUNSETIFF.
        set(0x8916, b"agentmon0", Want::Refused);
        set(0x4004_54ca, b"agentmon1", Want::Refused);
        // SIOCADDRT, SIOCSARP: of nothing.
        for number in [0x890b, 0x8955] {
            let args = [Raw(socket as u64), request(number), Memory(&[0; 256])];
            calls.tell("ioctl", &args, Want::Refused, |truth| truth.with("kind", "netlink").with("arg_fd", socket));
        }
        let unnamed = |truth: Truth| truth.with("kind", "netlink").bytes("text", "");
        calls.tell("ioctl", &[Raw(socket as u64), request(SIOCSIFFLAGS), Bad(1)], Want::Fails(libc::EFAULT), unnamed);
        0
    });
    assert_eq!(wait(child), 0, "the child with a network of its own");
}
