//! Arguments no program should give, storms of processes and threads, and floods.

use crate::sys::{at, below, bytes, c, fork, pid, sys, wait};
use crate::truth::Truth;
use std::path::Path;

/// Every watched call with bad pointers, descriptors and lengths. Each must fail, and be reported.
pub fn arguments(dir: &Path) {
    std::env::set_current_dir(dir).expect("chdir");
    let (good, size) = (c("x"), 16);
    let pointers: [u64; 6] = [0, 1, 0xffff_8880_0000_0000, 0xffff_ffff_8100_0000, u64::MAX, 0x7fff_ffff_f000];
    for bad in pointers {
        let calls = [
            ("open", sys(libc::SYS_open, &[bad, 0, 0])),
            ("openat", sys(libc::SYS_openat, &[u64::MAX, bad, 0, 0])),
            ("openat2", sys(libc::SYS_openat2, &[crate::sys::AT_FDCWD as u64, at(&good), bad, 24])),
            ("creat", sys(libc::SYS_creat, &[bad, 0])),
            ("unlink", sys(libc::SYS_unlink, &[bad])),
            ("unlinkat", sys(libc::SYS_unlinkat, &[u64::MAX, bad, 0])),
            ("rmdir", sys(libc::SYS_rmdir, &[bad])),
            ("execve", sys(libc::SYS_execve, &[bad, bad, bad])),
            ("execveat", sys(libc::SYS_execveat, &[u64::MAX, bad, bad, bad, 0])),
            ("setgroups", sys(libc::SYS_setgroups, &[4, bad])),
            ("capset", sys(libc::SYS_capset, &[bad, bad])),
        ];
        for (op, ret) in calls {
            assert!(ret < 0, "{op} with a bad pointer: {ret}");
            Truth::of(op, ret).print();
        }
        let socket = sys(libc::SYS_socket, &[libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0]);
        let ret = sys(libc::SYS_connect, &[socket as u64, bad, size]);
        assert!(ret < 0, "connect with a bad pointer: {ret}");
        Truth::of("connect", ret).with("fd", socket).with("unreadable", true).with("peer", "unknown").print();
    }
    descriptors(&good);
    lengths();
}

fn descriptors(good: &std::ffi::CString) {
    let address = [2_u8, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    for bad in [0x7fff_ffff_u64, u64::MAX, 0xffff_ffff, 1 << 20, 1 << 32, 0x8000_0000] {
        let calls = [
            ("openat", sys(libc::SYS_openat, &[bad, at(good), 0, 0])),
            ("unlinkat", sys(libc::SYS_unlinkat, &[bad, at(good), 0])),
            ("execveat", sys(libc::SYS_execveat, &[bad, at(good), 0, 0, 0])),
            ("connect", sys(libc::SYS_connect, &[bad, address.as_ptr() as u64, 16])),
        ];
        for (op, ret) in calls {
            assert!(ret < 0, "{op} with descriptor {bad}: {ret}");
            Truth::of(op, ret).print();
        }
    }
}

fn lengths() {
    let address = [2_u8, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let socket = sys(libc::SYS_socket, &[libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0]);
    for len in [0, 1, 2, 3, 129, 4096, 0x7fff_ffff, 0xffff_ffff, u64::MAX] {
        let ret = sys(libc::SYS_connect, &[socket as u64, address.as_ptr() as u64, len]);
        assert!(ret < 0, "connect with length {len}: {ret}");
        Truth::of("connect", ret).with("fd", socket).print();
    }
}

/// `count` processes that end in the middle of everything: half of them are killed at work.
pub fn storm(dir: &Path, count: u64) {
    std::env::set_current_dir(dir).expect("chdir");
    let mut children = Vec::new();
    for i in 0..count {
        children.push(fork(|| {
            let name = c(format!("f{i}"));
            loop {
                let file = sys(libc::SYS_creat, &[at(&name), 0o600]);
                sys(libc::SYS_close, &[file as u64]);
                sys(libc::SYS_unlink, &[at(&name)]);
                if i % 2 == 0 {
                    return 0;
                }
            }
        }));
        if i % 16 == 15 {
            end(&mut children);
        }
    }
    end(&mut children);
    Truth::of_process("done", pid()).with("_children", count).print();
}

fn end(children: &mut Vec<i64>) {
    for child in children.drain(..) {
        sys(libc::SYS_kill, &[child as u64, libc::SIGKILL as u64]);
        wait(child);
    }
}

/// Processes of 16 threads that unlink, ended by exit_group of one of them.
pub fn thread_storm(dir: &Path, rounds: u64) {
    std::env::set_current_dir(dir).expect("chdir");
    for _ in 0..rounds {
        let child = fork(|| {
            for i in 0..16 {
                std::thread::spawn(move || {
                    let name = c(format!("missing{i}"));
                    for _ in 0..50 {
                        sys(libc::SYS_unlink, &[at(&name)]);
                    }
                    loop {
                        std::thread::yield_now();
                    }
                });
            }
            sys(libc::SYS_unlink, &[at(&c("missing"))]);
            0
        });
        wait(child);
        Truth::of_process("exit", child).with("status", 0).print();
    }
}

/// Races that are enough.
const MANY: u64 = 1000;

/// Opens whose descriptor another thread closes at once.
pub fn close_race(dir: &Path, rounds: u64) {
    use std::sync::atomic::{AtomicBool, Ordering};
    let path = bytes(below(dir, "secret"));
    std::fs::write(below(dir, "secret"), "x").expect("a file");
    let name = c(&path);
    let stop = AtomicBool::new(false);
    // The descriptor the next open gets.
    let next = sys(libc::SYS_open, &[at(&name), 0]) as u64;
    sys(libc::SYS_close, &[next]);
    let (mut opens, mut taken) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                sys(libc::SYS_close, &[next]);
            }
        });
        // On a busy machine the thread may not run for a while: on until it was faster often enough.
        while opens < rounds || (taken < MANY && opens < 20 * rounds) {
            let ret = sys(libc::SYS_open, &[at(&name), 0]);
            assert!(ret >= 0, "open: {ret}");
            opens += 1;
            taken += u64::from(sys(libc::SYS_close, &[ret as u64]) < 0);
        }
        stop.store(true, Ordering::Release);
    });
    // Two more: the one that made the file, and the one that found out which descriptor is next.
    Truth::of_process("done", pid()).with("_opens", opens + 2).bytes("_path", &path).print();
}

/// `processes` children that each call unlink of nothing `calls` times, by a name that holds their process id.
pub fn flood(processes: u64, calls: u64) {
    let children: Vec<i64> = (0..processes)
        .map(|_| {
            fork(|| {
                for call in 0..calls {
                    sys(libc::SYS_unlink, &[at(&c(format!("/agentmon-flood-{}-{call}", pid())))]);
                }
                0
            })
        })
        .collect();
    for child in children {
        assert_eq!(wait(child), 0);
    }
    Truth::of_process("done", pid()).with("_unlinks", processes * calls).with("_forks", processes).print();
}
