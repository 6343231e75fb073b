//! Creation and end of processes, in every way.

use crate::sys::{fork, pid, start_ticks, sys, wait};
use crate::truth::Truth;

/// Prints the creation of `child` by this thread, which is the true creator.
fn created(child: i64, parent: i64) {
    Truth::of("fork", 0).with("child_pid", child).with("child_ppid", parent).with("child_start", start_ticks(child)).print();
}

fn ended(child: i64, start: Option<u64>, status: i32) {
    Truth::of_process("exit", child).with("start", start).with("status", status).print();
}

/// Waits for a child that may not have ended yet, and prints creation and end.
fn reap(child: i64) -> i32 {
    created(child, pid());
    let start = start_ticks(child);
    let status = wait(child);
    ended(child, start, status);
    status
}

/// fork, vfork, clone with CLONE_PARENT.
pub fn forks() {
    reap(fork(|| 0));
    reap(vfork());
    clone_parent();
}

extern "C" fn leave(_: *mut libc::c_void) -> libc::c_int {
    3
}

/// A child that shares this process's memory, as posix_spawn makes it.
fn vfork() -> i64 {
    let mut stack = vec![0_u8; 64 * 1024];
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack outlives the child, which this process waits for (CLONE_VFORK); `leave` touches nothing.
    let child = unsafe { libc::clone(leave, stack.as_mut_ptr_range().end.cast(), flags, std::ptr::null_mut()) };
    assert!(child > 0, "clone");
    i64::from(child)
}

/// The grandchild's parent is this process, its creator is the child.
fn clone_parent() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let me = pid();
    let child = fork(|| {
        let grandchild = sys(libc::SYS_clone, &[(libc::CLONE_PARENT | libc::SIGCHLD) as u64, 0, 0, 0, 0]);
        if grandchild == 0 {
            sys(libc::SYS_exit_group, &[5]);
        }
        created(grandchild, me);
        use std::io::Write;
        (&writer).write_all(&grandchild.to_ne_bytes()).expect("a pipe");
        0
    });
    drop(writer);
    let mut grandchild = [0; 8];
    std::io::Read::read_exact(&mut &reader, &mut grandchild).expect("a pipe");
    assert_eq!(reap_of_other(i64::from_ne_bytes(grandchild)) >> 8, 5);
    reap(child);
}

fn reap_of_other(child: i64) -> i32 {
    let start = start_ticks(child);
    let status = wait(child);
    ended(child, start, status);
    status
}

/// `count` children one after the other.
pub fn many_forks(count: u64) {
    for i in 0..count {
        let code = (i % 256) as i32;
        let child = fork(|| code);
        assert_eq!(wait(child), code << 8);
        Truth::of_process("fork", pid()).with("child_pid", child).print();
        Truth::of_process("exit", child).with("status", code << 8).print();
    }
}

/// Every way to end.
pub fn exits() {
    for code in [0, 1, 42, 255] {
        assert_eq!(reap(fork(|| code)), code << 8);
    }
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGABRT, libc::SIGUSR1] {
        let status = reap(fork(|| {
            let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: a valid structure; it keeps core files away.
            unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) };
            sys(libc::SYS_kill, &[pid() as u64, signal as u64]);
            0
        }));
        assert_eq!(status & 0x7f, signal);
    }
    // exit_group from another thread than the first.
    let status = reap(fork(|| {
        let _ = std::thread::spawn(|| sys(libc::SYS_exit_group, &[7])).join();
        0
    }));
    assert_eq!(status, 7 << 8);
    // The first thread ends before the others: the process goes on, and one exit is reported, at its end.
    let status = reap(fork(|| {
        std::thread::spawn(|| {
            while leader_state() != Some(b'Z') {
                std::thread::yield_now();
            }
            sys(libc::SYS_exit_group, &[9])
        });
        sys(libc::SYS_exit, &[8]);
        0
    }));
    assert_eq!(status, 9 << 8);
}

/// State of this process's first thread (`Z`: it has ended).
fn leader_state() -> Option<u8> {
    let stat = std::fs::read(format!("/proc/self/task/{}/stat", pid())).ok()?;
    let after = stat.iter().rposition(|b| *b == b')')? + 2;
    stat.get(after).copied()
}
