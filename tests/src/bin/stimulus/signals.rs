//! Signals to a process of somebody else, in every way there is.
//!
//! The target (a process id, outside of the agent) ignores `SIGUSR1` or has ended by the time it is said. Not for: what a
//! process sends itself, but for those that nobody should hear of.

use crate::sys::{at, c, fork, int80, low_page, parent, pid, start_ticks, sys, tid, wait};
use crate::truth::Truth;
use std::io::Write as _;

const SIGUSR1: u64 = libc::SIGUSR1 as u64;
const SI_QUEUE: i32 = -1;
const SI_TIMER: i32 = -2;
const SI_TKILL: i32 = -6;
const SI_KERNEL: i32 = 0x80;

/// One signal that was sent just now.
fn sent(op: &str, target: i64, signal: u64, code: i32) -> Truth {
    let truth = Truth::of(op, 0).with("other_pid", target).with("signal", signal).with("code", code).with("received", false);
    // Who started this process watches it, and the target, where it is a child of the same, is no agent's.
    truth.with("other_start", start_ticks(target)).with("to_monitor", parent(target) == parent(pid()))
}

/// `siginfo_t` with a code of the sender's choice.
fn info(code: i32) -> [u8; 128] {
    let mut info = [0; 128];
    info[..4].copy_from_slice(&libc::SIGUSR1.to_ne_bytes());
    info[8..12].copy_from_slice(&code.to_ne_bytes());
    info
}

/// Every call that sends one, to `target`, which has one thread and blocks or ignores `SIGUSR1`.
pub fn senders(target: i64) {
    let to = target as u64;
    let done = |op: &str, ret: i64, code: i32, thread: bool| {
        assert_eq!(ret, 0, "{op}");
        sent(op, target, SIGUSR1, code).with("thread", thread.then_some(target)).with("other_agent", 0).with("compat", false).print();
    };
    done("kill", sys(libc::SYS_kill, &[to, SIGUSR1]), 0, false);
    done("tkill", sys(libc::SYS_tkill, &[to, SIGUSR1]), SI_TKILL, true);
    done("tgkill", sys(libc::SYS_tgkill, &[to, to, SIGUSR1]), SI_TKILL, true);
    for code in [SI_QUEUE, SI_TIMER, -77] {
        let info = info(code);
        done("rt_sigqueueinfo", sys(libc::SYS_rt_sigqueueinfo, &[to, SIGUSR1, info.as_ptr() as u64]), code, false);
        done("rt_tgsigqueueinfo", sys(libc::SYS_rt_tgsigqueueinfo, &[to, to, SIGUSR1, info.as_ptr() as u64]), code, true);
    }
    let pidfd = sys(libc::SYS_pidfd_open, &[to, 0]);
    assert!(pidfd >= 0, "pidfd_open: {pidfd}");
    done("pidfd_send_signal", sys(libc::SYS_pidfd_send_signal, &[pidfd as u64, SIGUSR1, 0, 0]), 0, false);
    let ret = int80(37, [target as u32, libc::SIGUSR1 as u32, 0, 0]);
    assert_eq!(ret, 0, "kill as i386");
    sent("kill", target, SIGUSR1, 0).with("compat", true).print();
    let info = info(SI_QUEUE);
    let ret = int80(178, [target as u32, libc::SIGUSR1 as u32, low_page(&info), 0]);
    assert_eq!(ret, 0, "rt_sigqueueinfo as i386");
    sent("rt_sigqueueinfo", target, SIGUSR1, SI_QUEUE).with("compat", true).print();
    by_descriptor(target);
}

/// A descriptor that tells the target when something can be read.
fn by_descriptor(target: i64) {
    /// `F_SETSIG` (`include/uapi/asm-generic/fcntl.h`), `POLL_IN`.
    const SETSIG: u64 = 10;
    const POLL_IN: i32 = 1;
    let (reader, writer) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let of = std::os::fd::AsRawFd::as_raw_fd(&reader) as u64;
    for (command, argument) in
        [(libc::F_SETOWN as u64, target as u64), (SETSIG, SIGUSR1), (libc::F_SETFL as u64, (libc::O_ASYNC | libc::O_RDWR) as u64)]
    {
        assert_eq!(sys(libc::SYS_fcntl, &[of, command, argument]), 0, "fcntl {command}");
    }
    (&writer).write_all(b"x").expect("a byte");
    // Its end would be told as well.
    assert_eq!(sys(libc::SYS_fcntl, &[of, libc::F_SETFL as u64, libc::O_RDWR as u64]), 0, "fcntl");
    sent("signal", target, SIGUSR1, POLL_IN).print();
}

/// What nobody else hears of: signals to oneself and to one's own thread, the end of a child, a question whether a
/// process is there, a refused one. Ends with one that is heard, so that a test knows how far the events have come.
pub fn quiet(target: i64) {
    // SAFETY: no handler, only to be ignored.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    assert_eq!(sys(libc::SYS_kill, &[pid() as u64, SIGUSR1]), 0);
    assert_eq!(sys(libc::SYS_tgkill, &[pid() as u64, tid() as u64, SIGUSR1]), 0);
    assert_eq!(wait(fork(|| 0)), 0);
    assert_eq!(sys(libc::SYS_kill, &[target as u64, 0]), 0);
    assert_eq!(sys(libc::SYS_kill, &[target as u64, 65]), -i64::from(libc::EINVAL));
    assert_eq!(sys(libc::SYS_kill, &[target as u64, SIGUSR1]), 0);
    sent("kill", target, SIGUSR1, 0).print();
}

/// A cgroup with one process is killed by its file, `target` with it.
pub fn cgroup_kill(file: &str, target: i64) {
    let start = start_ticks(target);
    let fd = sys(libc::SYS_open, &[at(&c(file)), libc::O_WRONLY as u64]);
    assert!(fd >= 0, "open {file}: {fd}");
    assert_eq!(sys(libc::SYS_write, &[fd as u64, c"1".as_ptr() as u64, 1]), 1);
    sent("write", target, libc::SIGKILL as u64, 0).with("other_start", start).print();
}

/// `target` is traced by a child that ends, and takes it with it (`PTRACE_O_EXITKILL`).
pub fn exit_kill(target: i64) {
    let start = start_ticks(target);
    let tracer = fork(|| {
        const PTRACE_SEIZE: u64 = 0x4206;
        const PTRACE_O_EXITKILL: u64 = 0x10_0000;
        i32::from(sys(libc::SYS_ptrace, &[PTRACE_SEIZE, target as u64, 0, PTRACE_O_EXITKILL]) != 0)
    });
    assert_eq!(wait(tracer), 0, "ptrace");
    let truth = Truth::of_process("signal", tracer).with("kind", "signal").with("other_pid", target).with("other_start", start);
    truth.with("signal", libc::SIGKILL).with("code", SI_KERNEL).print();
}

/// One that does nothing to a process that runs.
pub fn harmless(target: i64) {
    assert_eq!(sys(libc::SYS_kill, &[target as u64, libc::SIGCONT as u64]), 0);
    sent("kill", target, libc::SIGCONT as u64, 0).with("to_monitor", serde_json::Value::Null).print();
}

/// A child runs into its limit of processor time: the kernel warns it, then ends it.
pub fn processor_limit() {
    let child = fork(|| {
        let limit = libc::rlimit { rlim_cur: 1, rlim_max: 2 };
        // SAFETY: a valid structure; a signal to be ignored.
        unsafe {
            libc::signal(libc::SIGXCPU, libc::SIG_IGN);
            libc::setrlimit(libc::RLIMIT_CPU, &raw const limit);
        }
        loop {
            std::hint::spin_loop();
        }
    });
    let start = start_ticks(child);
    assert_eq!(wait(child) & 0x7f, libc::SIGKILL);
    for signal in [libc::SIGXCPU, libc::SIGKILL] {
        let truth = Truth::of_process("signal", child).with("other_pid", child).with("other_start", start);
        truth.with("signal", signal).with("code", SI_KERNEL).print();
    }
}
