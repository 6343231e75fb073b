//! Calls that a seccomp filter answers in the kernel's place.
//!
//! Each in a child of its own, which keeps its filter. Not for: calls that the kernel refuses itself.

use crate::network::sockaddr;
use crate::sys::{at, below, bytes, c, fork, sys, wait};
use crate::truth::Truth;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// `SYS_SECCOMP` (`include/uapi/asm-generic/siginfo.h`).
const SYS_SECCOMP: i32 = 1;
/// What is said of a call that `SIGSYS` ended: that it was interrupted.
const NOT_MADE: i64 = -(libc::EINTR as i64);
const REFUSED: i64 = -(libc::EACCES as i64);

/// Every answer a filter can give without a tracer.
pub fn all(dir: &Path) {
    std::env::set_current_dir(dir).expect("chdir");
    for child in [trapped, trapped_open, trapped_exec, claimed, refused, refused_connect] {
        let pid = fork(|| {
            child(dir);
            0
        });
        assert_eq!(wait(pid), 0, "a child failed");
    }
    for action in [libc::SECCOMP_RET_KILL_PROCESS, libc::SECCOMP_RET_KILL_THREAD] {
        let pid = fork(|| {
            filter(libc::SYS_rmdir, action);
            sys(libc::SYS_rmdir, &[at(&c("killed"))]) as i32
        });
        assert_eq!(wait(pid) & 0x7f, libc::SIGSYS, "the filter's signal");
        Truth::of_process("rmdir", pid).with("ret", NOT_MADE).bytes("asked", "killed").print();
    }
}

/// The registers say that the call returned its number: 87 is no outcome of unlink.
fn trapped(dir: &Path) {
    std::fs::write("kept", "x").expect("a file");
    handle_sigsys();
    filter(libc::SYS_unlink, libc::SECCOMP_RET_TRAP);
    for _ in 0..2 {
        assert_eq!(sys(libc::SYS_unlink, &[at(&c("kept"))]), libc::SYS_unlink, "what SIGSYS leaves");
        let path = bytes(below(dir, "kept"));
        Truth::of("unlink", NOT_MADE).bytes("asked", "kept").bytes("path", path).with("changed", false).print();
    }
    assert!(dir.join("kept").exists());
}

/// The number of open is that of a descriptor that every program has.
fn trapped_open(dir: &Path) {
    handle_sigsys();
    filter(libc::SYS_open, libc::SECCOMP_RET_TRAP);
    assert_eq!(sys(libc::SYS_open, &[at(&c("kept")), 0, 0]), libc::SYS_open, "what SIGSYS leaves");
    let path = bytes(below(dir, "kept"));
    Truth::of("open", NOT_MADE).bytes("asked", "kept").bytes("path", path).with("ino", 0).print();
}

fn trapped_exec(_: &Path) {
    handle_sigsys();
    filter(libc::SYS_execve, libc::SECCOMP_RET_TRAP);
    assert_eq!(sys(libc::SYS_execve, &[at(&c("/bin/true")), 0, 0]), libc::SYS_execve, "what SIGSYS leaves");
    Truth::of("execve", NOT_MADE).bytes("filename", "/bin/true").print();
}

/// A program that sends itself a filter's signal hides nothing: it is in another call then.
fn claimed(dir: &Path) {
    handle_sigsys();
    let mut info = [0_u32; 32];
    [info[0], info[2]] = [libc::SIGSYS as u32, SYS_SECCOMP as u32];
    let sent = sys(libc::SYS_rt_sigqueueinfo, &[crate::sys::pid() as u64, libc::SIGSYS as u64, info.as_ptr() as u64]);
    assert_eq!(sent, 0, "rt_sigqueueinfo");
    sys(libc::SYS_close, &[libc::SYS_open as u64]);
    let ret = sys(libc::SYS_open, &[at(&c("kept")), 0, 0]);
    assert_eq!(ret, libc::SYS_open, "the lowest free descriptor");
    let path = bytes(below(dir, "kept"));
    Truth::of("open", ret).bytes("asked", "kept").bytes("path", path).file(ret).print();
}

/// What an earlier call was given is not held against this one.
fn refused(dir: &Path) {
    let ret = sys(libc::SYS_unlink, &[at(&c("earlier"))]);
    assert_eq!(ret, -i64::from(libc::ENOENT), "unlink");
    Truth::of("unlink", ret).bytes("asked", "earlier").with("read_at_exit", false).print();
    filter(libc::SYS_unlink, libc::SECCOMP_RET_ERRNO | libc::EACCES as u32);
    assert_eq!(sys(libc::SYS_unlink, &[at(&c("later"))]), REFUSED, "the filter's answer");
    let path = bytes(below(dir, "later"));
    Truth::of("unlink", REFUSED).bytes("asked", "later").bytes("path", path).with("changed", false).with("read_at_exit", true).print();
}

fn refused_connect(_: &Path) {
    let socket = sys(libc::SYS_socket, &[libc::AF_INET as u64, libc::SOCK_DGRAM as u64, 0]);
    let connect = |port: u16| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let bytes = sockaddr(address);
        let ret = sys(libc::SYS_connect, &[socket as u64, bytes.as_ptr() as u64, bytes.len() as u64]);
        (ret, format!("inet {address}"))
    };
    let (ret, peer) = connect(9);
    assert_eq!(ret, 0, "connect");
    Truth::of("connect", ret).with("peer", peer).print();
    // The socket is nobody's again: else the peer would be what the kernel knows.
    let ret = sys(libc::SYS_connect, &[socket as u64, [0_u8; 16].as_ptr() as u64, 16]);
    Truth::of("connect", ret).with("peer", "disconnect").print();
    filter(libc::SYS_connect, libc::SECCOMP_RET_ERRNO | libc::EACCES as u32);
    let (ret, peer) = connect(10);
    assert_eq!(ret, REFUSED, "the filter's answer");
    Truth::of("connect", ret).with("peer", peer).with("read_at_exit", true).print();
}

extern "C" fn nothing(_: i32) {}

fn handle_sigsys() {
    // SAFETY: the handler does nothing.
    let before = unsafe { libc::signal(libc::SIGSYS, nothing as *const () as libc::sighandler_t) };
    assert_ne!(before, libc::SIG_ERR, "signal");
}

/// From now on `action` answers the calls of one number.
fn filter(number: i64, action: u32) {
    let statement = |code: u32, k: u32, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        // The number is the first word of struct seccomp_data.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number as u32, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, action, 0, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let ret = sys(libc::SYS_seccomp, &[u64::from(libc::SECCOMP_SET_MODE_FILTER), 0, (&raw const program) as u64]);
    assert_eq!(ret, 0, "seccomp");
}
