//! Other processes reached into: ptrace, their memory, descriptors and limits, namespaces; shared mappings of files.

use crate::attributes::BAD_FILES;
use crate::calls::Arg::{Bad, File, Is, Memory, Raw};
use crate::calls::{Arg, Calls, Want};
use crate::changes::in_each_abi;
use crate::numbers::Abi;
use crate::sys::{below, bytes, c, fork, sys, wait};
use crate::truth::Truth;
use std::os::fd::AsRawFd;
use std::path::Path;

const PAGE: u64 = 4096;
/// A process id that cannot be (`PID_MAX_LIMIT` is 4 Mi).
pub const NOBODY: u64 = 0x3fff_ffff;

/// A child that waits to be killed.
pub struct Victim(i64);

impl Victim {
    pub fn new() -> Self {
        Self(fork(|| {
            loop {
                sys(libc::SYS_pause, &[]);
            }
        }))
    }

    pub fn pid(&self) -> u64 {
        self.0 as u64
    }

    pub fn target(&self) -> Arg<'static> {
        Is("target_pid", self.pid())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        sys(libc::SYS_kill, &[self.pid(), libc::SIGKILL as u64]);
        wait(self.0);
    }
}

/// All of them.
pub fn all(dir: &Path) {
    in_each_abi(dir, |calls, dir, _| {
        maps(calls, dir);
        if calls.0 == Abi::I386(1) {
            return;
        }
        traces(calls);
        memory(calls);
        descriptors(calls);
        limits(calls);
        priorities(calls);
        namespaces(calls);
    });
}

fn request(request: u32) -> Arg<'static> {
    Is("request", u64::from(request))
}

fn traces(calls: Calls) {
    let victim = Victim::new();
    calls.does("ptrace", &[request(libc::PTRACE_SEIZE), victim.target(), Raw(0), Raw(0)]);
    calls.fails("ptrace", libc::EPERM, &[request(libc::PTRACE_ATTACH), victim.target(), Raw(0), Raw(0)]);
    calls.fails("ptrace", libc::ESRCH, &[request(libc::PTRACE_ATTACH), Is("target_pid", NOBODY), Raw(0), Raw(0)]);
    let child = fork(|| {
        calls.does("ptrace", &[request(libc::PTRACE_TRACEME), Is("target_pid", 0), Raw(0), Raw(0)]);
        0
    });
    assert_eq!(wait(child), 0, "the traced child");
}

/// Vectors of one byte each, as the ABI wants them: at `ours` and at `theirs`.
pub fn vectors(calls: Calls, ours: u64, theirs: u64) -> [Vec<u8>; 2] {
    [ours, theirs]
        .map(|at| if calls.0.is_compat() { [at as u32, 1].map(u32::to_ne_bytes).concat() } else { [at, 1].map(u64::to_ne_bytes).concat() })
}

fn memory(calls: Calls) {
    // Mapped before the child is made, so that both have it.
    let page = u64::from(crate::sys::low_page(b"x"));
    let victim = Victim::new();
    let [ours, theirs] = vectors(calls, page, page);
    for op in ["process_vm_readv", "process_vm_writev"] {
        let (ours, theirs) = (Memory(&ours), Memory(&theirs));
        calls.does(op, &[victim.target(), ours, Raw(1), theirs, Raw(1), Raw(0)]);
        calls.fails(op, libc::ESRCH, &[Is("target_pid", NOBODY), ours, Raw(1), theirs, Raw(1), Raw(0)]);
    }
}

fn descriptors(calls: Calls) {
    let victim = Victim::new();
    let pidfd = calls.does("pidfd_open", &[victim.target(), Is("flags", 0)]).expect("a pidfd");
    calls.fails("pidfd_open", libc::ESRCH, &[Is("target_pid", NOBODY), Is("flags", 0)]);
    let known = |truth: Truth| truth.with("arg_target_pid", victim.pid());
    let unknown = |truth: Truth| truth.with("arg_target_pid", 0);
    let args = [Is("pidfd", pidfd as u64), Is("target_fd", 1), Raw(0)];
    calls.tell("pidfd_getfd", &args, Want::Done, known);
    for bad in BAD_FILES {
        let args = [Is("pidfd", bad as u64), Is("target_fd", 1), Raw(0)];
        calls.tell("pidfd_getfd", &args, Want::Fails(libc::EBADF), unknown);
    }
    // A descriptor that is no pidfd.
    let args = [Is("pidfd", 1), Is("target_fd", 1), Raw(0)];
    calls.tell("pidfd_getfd", &args, Want::Fails(libc::EBADF), unknown);
    drop(victim);
}

fn limits(calls: Calls) {
    let victim = Victim::new();
    let resource = Is("resource", u64::from(libc::RLIMIT_CORE));
    let none = [0_u8; 16];
    calls.does("prlimit64", &[victim.target(), resource, Memory(&none), Raw(0)]);
    calls.fails("prlimit64", libc::ESRCH, &[Is("target_pid", NOBODY), resource, Memory(&none), Raw(0)]);
    calls.fails("prlimit64", libc::EFAULT, &[victim.target(), resource, Raw(1), Raw(0)]);
}

/// `struct sched_attr` (`include/uapi/linux/sched/types.h`): its size, and a policy.
fn attributes(policy: i32) -> [u8; 48] {
    let mut attributes = [0; 48];
    attributes[..4].copy_from_slice(&48_u32.to_ne_bytes());
    attributes[4..8].copy_from_slice(&(policy as u32).to_ne_bytes());
    attributes
}

fn priorities(calls: Calls) {
    let victim = Victim::new();
    let nobody = Is("target_pid", NOBODY);
    let policy = Is("policy", libc::SCHED_BATCH as u64);
    let (parameters, attributes, mask) = ([0_u8; 4], attributes(libc::SCHED_IDLE), [0xff_u8; 8]);
    calls.does("sched_setscheduler", &[victim.target(), policy, Memory(&parameters)]);
    calls.fails("sched_setscheduler", libc::ESRCH, &[nobody, policy, Memory(&parameters)]);
    calls.does("sched_setattr", &[victim.target(), Memory(&attributes), Raw(0)]);
    calls.fails("sched_setattr", libc::ESRCH, &[nobody, Memory(&attributes), Raw(0)]);
    calls.does("sched_setaffinity", &[victim.target(), Raw(8), Memory(&mask)]);
    calls.fails("sched_setaffinity", libc::ESRCH, &[nobody, Raw(8), Memory(&mask)]);
    // Of a process: `PRIO_PROCESS`, `IOPRIO_WHO_PROCESS`; the second with the best-effort class.
    for (op, which, priority) in [("setpriority", 0, 5), ("ioprio_set", 1, 2 << 13 | 4)] {
        let (which, priority) = (Is("which", which), Is("priority", priority));
        calls.does(op, &[which, Is("who", victim.pid()), priority]);
        calls.fails(op, libc::ESRCH, &[which, Is("who", NOBODY), priority]);
    }
}

fn namespaces(calls: Calls) {
    let child = fork(|| {
        let before = std::fs::File::open("/proc/self/ns/uts").expect("a namespace");
        calls.does("unshare", &[Is("flags", libc::CLONE_NEWUTS as u64)]);
        // It has no name in any directory.
        let it = [File(i64::from(before.as_raw_fd())), Is("flags", libc::CLONE_NEWUTS as u64)];
        let as_walked = |truth: Truth| truth.bytes("path", "").with("trust", "Partial");
        calls.tell("setns", &it, Want::Done, as_walked);
        0
    });
    assert_eq!(wait(child), 0, "the child in another namespace");
    calls.fails("unshare", libc::EINVAL, &[Is("flags", 1)]);
    for bad in BAD_FILES {
        calls.fails("setns", libc::EBADF, &[File(bad), Is("flags", 0)]);
    }
}

fn maps(calls: Calls, dir: &Path) {
    let path = below(dir, b"mapped \xff");
    std::fs::write(&path, [0; 4096]).expect("a file");
    let writable = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("the file");
    let readable = std::fs::File::open(&path).expect("the file");
    let file = |file: &std::fs::File| File(i64::from(file.as_raw_fd()));
    let map = |protection: i32, flags: i32, target: Arg<'static>, want| {
        let (protection, flags) = (Is("protection", protection as u64), Is("flags", flags as u64));
        // The result is an address, of i386 one below 4 GiB that looks negative to `int80` if it is above 2.
        let old = calls.0 == Abi::I386(1);
        calls.tell("mmap", &[Raw(0), Is("length", PAGE), protection, flags, target, Raw(0)], want, |truth| truth.with("read_at_exit", old))
    };
    let (read, write) = (libc::PROT_READ, libc::PROT_READ | libc::PROT_WRITE);
    map(write, libc::MAP_SHARED | libc::MAP_32BIT, file(&writable), Want::Done);
    map(write, libc::MAP_SHARED_VALIDATE | libc::MAP_32BIT, file(&writable), Want::Done);
    // Can be made writable later.
    map(read, libc::MAP_SHARED | libc::MAP_32BIT, file(&writable), Want::Done);
    map(write, libc::MAP_SHARED | libc::MAP_32BIT, file(&readable), Want::Fails(libc::EACCES));
    for bad in BAD_FILES {
        map(write, libc::MAP_SHARED, File(bad), Want::Fails(libc::EBADF));
    }
}

/// What is made of the same calls and is of no interest: looking, private memory, limits that are read. Of each only
/// what is told may be seen.
pub fn unwanted(dir: &Path) {
    let calls = Calls(Abi::Native);
    let path = below(dir, "file");
    std::fs::write(&path, [0; 4096]).expect("a file");
    let readable = std::fs::File::open(&path).expect("the file");
    let file = Raw(readable.as_raw_fd() as u64);
    let mut out = [0_u64; 8];
    let memory = Raw(out.as_mut_ptr() as u64);
    let quietly = |op: &str, args: &[Arg<'_>]| {
        let ret = calls.quietly(op, args);
        assert!(ret >= 0, "{op}: {ret}");
    };
    quietly("ioctl", &[file, Raw(libc::FIONREAD), memory]);
    let write = (libc::PROT_READ | libc::PROT_WRITE) as u64;
    let (private, shared) = (libc::MAP_PRIVATE as u64, libc::MAP_SHARED as u64);
    quietly("mmap", &[Raw(0), Raw(PAGE), Raw(write), Raw(private), file, Raw(0)]);
    quietly("mmap", &[Raw(0), Raw(PAGE), Raw(libc::PROT_READ as u64), Raw(shared), file, Raw(0)]);
    quietly("mmap", &[Raw(0), Raw(PAGE), Raw(write), Raw(shared | libc::MAP_ANONYMOUS as u64), Raw(u64::MAX), Raw(0)]);

    let page = u64::from(crate::sys::low_page(b"x"));
    let victim = Victim::new();
    calls.does("ptrace", &[request(libc::PTRACE_ATTACH), victim.target(), Raw(0), Raw(0)]);
    let mut status = 0_i32;
    let stopped = sys(libc::SYS_wait4, &[victim.pid(), (&raw mut status) as u64, 0, 0]);
    assert_eq!(stopped, victim.0, "the child stops");
    for wanted in [libc::PTRACE_PEEKDATA, libc::PTRACE_CONT] {
        let data = if wanted == libc::PTRACE_CONT { Raw(0) } else { memory };
        quietly("ptrace", &[Raw(u64::from(wanted)), Raw(victim.pid()), Raw(page), data]);
    }
    let resource = Raw(u64::from(libc::RLIMIT_CORE));
    let own = Raw(u64::from(std::process::id()));
    quietly("setpriority", &[Raw(0), Raw(0), Raw(0)]);
    quietly("setpriority", &[Raw(0), own, Raw(0)]);
    quietly("sched_setaffinity", &[own, Raw(8), Memory(&[0xff; 8])]);
    quietly("prlimit64", &[Raw(0), resource, Memory(&[0; 16]), Raw(0)]);
    quietly("prlimit64", &[Raw(victim.pid()), resource, Raw(0), memory]);
    // Not a clone: only a name for what is there.
    let name = c(bytes(&path));
    let tree = sys(libc::SYS_open_tree, &[libc::AT_FDCWD as u64, crate::sys::at(&name), 0]);
    assert!(tree >= 0 || tree == -i64::from(libc::ENOSYS), "open_tree: {tree}");
    calls.fails("ioctl", libc::EBADF, &[File(-1), Is("request", 0x4008_6602), Bad(1)]);
}
