//! How the kernel treats the process itself, memory files, the clock's pace, the kernel's log; namespaces by clone.
//!
//! What cannot be taken back happens in children. Nothing here changes the machine: what is set is what was there.

use crate::attributes::BAD_FILES;
use crate::calls::Arg::{Bad, Dir, File, Is, Memory, Path as At, Raw, Source, Text};
use crate::calls::{Arg, Calls, Want};
use crate::changes::in_each_abi;
use crate::numbers::Abi;
use crate::sys::{AT_FDCWD, fork, low_page, sys, wait};
use crate::truth::Truth;
use std::os::fd::AsRawFd;
use std::path::Path;

const NOBODY: u64 = 65_534;
/// `ADDR_NO_RANDOMIZE` (`include/uapi/linux/personality.h`).
const ADDR_NO_RANDOMIZE: u64 = 0x4_0000;
/// `ADJ_FREQUENCY` (`include/uapi/linux/timex.h`).
const ADJ_FREQUENCY: u32 = 2;

/// All of them.
pub fn all(dir: &Path) {
    in_each_abi(dir, |calls, dir, base| {
        clocks(calls);
        if calls.0 == Abi::I386(1) {
            return;
        }
        memory_files(calls);
        in_child("a child with settings of its own", || itself(calls));
        by_prctl(calls, dir);
        log(calls);
        new_mounts(calls, base);
        clones(calls);
        in_child("the child without rights", || without_rights(calls));
    });
}

fn in_child(who: &str, run: impl FnOnce()) {
    let child = fork(|| {
        run();
        0
    });
    assert_eq!(wait(child), 0, "{who}");
}

/// A call that is told by hand, because what is true of it is known only afterwards, or not by everybody.
fn done(calls: Calls, op: &str, ret: i64) -> Truth {
    Truth::of(op, ret).with("compat", calls.0.is_compat()).with("changed", false).with("_number", calls.0.number(op))
}

fn memory_files(calls: Calls) {
    let name = b"agentmon \xff";
    let ret = calls.quietly("memfd_create", &[Text(name), Raw(1)]);
    assert!(ret >= 0, "memfd_create: {ret}");
    let truth = done(calls, "memfd_create", ret).with("kind", "mknod").with("arg_flags", 1).bytes("text", name);
    truth.file(ret).bytes("path", [b"memfd:", &name[..]].concat()).with("trust", "Partial").print();
    calls.fails("memfd_create", libc::EINVAL, &[Text(name), Is("flags", 0x8000_0000)]);
    calls.fails("memfd_create", libc::EFAULT, &[Bad(1), Is("flags", 0)]);
    // Not there unless the machine was started with it.
    let ret = calls.quietly("memfd_secret", &[Raw(0)]);
    done(calls, "memfd_secret", ret).with("kind", "mknod").with("arg_flags", 0).print();
    calls.refused("memfd_secret", &[Is("flags", 0x4000)]);
}

/// `struct sock_fprog` of one instruction that allows every call.
fn filter(calls: Calls) -> Vec<u8> {
    let allow = low_page(&[6, 0, 0, 0, 0, 0, 0xff, 0x7f]);
    if calls.0.is_compat() { [1, allow].map(u32::to_ne_bytes).concat() } else { [1, u64::from(allow)].map(u64::to_ne_bytes).concat() }
}

fn itself(calls: Calls) {
    let was = sys(libc::SYS_personality, &[0xffff_ffff]) as u64;
    calls.does("personality", &[Is("persona", was | ADDR_NO_RANDOMIZE)]);
    // For the process's own faults alone.
    calls.does("userfaultfd", &[Is("flags", 1)]);
    calls.fails("userfaultfd", libc::EINVAL, &[Is("flags", 0x7000)]);
    let (command, none) = (Is("command", 1), Is("flags", 0));
    calls.does("seccomp", &[command, none, Memory(&filter(calls))]);
    calls.fails("seccomp", libc::EINVAL, &[command, Is("flags", 0x8000), Raw(0)]);
    calls.fails("seccomp", libc::EFAULT, &[command, none, Raw(1)]);
    calls.refused("lsm_set_self_attr", &[Is("attribute", 100), Memory(&[0; 64]), Raw(0), Is("flags", 0)]);
    // One that handles the execution of files, of a kernel that has it.
    let handled = 1_u64.to_ne_bytes();
    let ruleset = sys(libc::SYS_landlock_create_ruleset, &[handled.as_ptr() as u64, 8, 0]);
    calls.refused("landlock_restrict_self", &[Is("fd", -1_i64 as u64), Is("flags", 0)]);
    if ruleset >= 0 {
        calls.does("landlock_restrict_self", &[Is("fd", ruleset as u64), Is("flags", 0)]);
    }
}

/// prctl: what is told of the process's settings and of its capabilities.
fn by_prctl(calls: Calls, dir: &Path) {
    let setting = |option: u64, value: u64, want| {
        let as_setting = |truth: Truth| truth.with("kind", "process_setting");
        calls.tell("prctl", &[Is("option", option), Is("value", value), Raw(0), Raw(0), Raw(0)], want, as_setting);
    };
    in_child("a child that is dumpable", || {
        setting(4, 0, Want::Done);
        setting(4, 77, Want::Fails(libc::EINVAL));
        setting(36, 1, Want::Done);
        setting(22, 77, Want::Fails(libc::EINVAL));
        setting(59, 77, Want::Fails(libc::EINVAL));
    });
    // Yama's, where there is one.
    let ptracer = calls.quietly("prctl", &[Raw(0x5961_6d61), Raw(0)]);
    done(calls, "prctl", ptracer).with("kind", "process_setting").with("arg_option", 0x5961_6d61).with("arg_value", 0).print();
    let path = crate::sys::below(dir, "no program");
    std::fs::write(&path, "x").expect("a file");
    let open = std::fs::File::open(&path).expect("the file");
    // Not without CAP_SYS_RESOURCE, and no file that cannot be executed.
    let exe = |file: i64| {
        let args = [Is("option", 35), Is("value", 13), File(file), Raw(0), Raw(0)];
        calls.tell("prctl", &args, Want::Refused, |truth| truth.with("kind", "process_setting"));
    };
    exe(i64::from(open.as_raw_fd()));
    BAD_FILES.into_iter().for_each(exe);
    in_child("a child with fewer capabilities", || {
        // CAP_CHECKPOINT_RESTORE; the option to keep them; none is ambient; bits that are none.
        for (args, want) in
            [([24, 40, 0], 0), ([8, 1, 0], 0), ([47, 4, 0], 0), ([28, 0x7fff_ffff, 0], -libc::EPERM), ([24, 99, 0], -libc::EINVAL)]
        {
            let ret = calls.quietly("prctl", &args.map(Raw));
            assert_eq!(ret, i64::from(want), "prctl {args:?}");
            done(calls, "prctl", ret).with("kind", "identity").with("args", &args[..]).print();
        }
    });
}

fn clocks(calls: Calls) {
    for op in ["adjtimex", "clock_adjtime"] {
        if calls.0.number(op).is_none() {
            continue;
        }
        let page = low_page(&[0; 512]);
        let clock: &[Arg<'_>] = if op == "adjtimex" { &[] } else { &[Is("clock", 0)] };
        let args = [clock, &[Raw(u64::from(page))]].concat();
        // Looks, and is of no interest: then it is set to what it is.
        assert!(calls.quietly(op, &args) >= 0, "{op}");
        // SAFETY: a page of this process.
        unsafe { (page as usize as *mut u32).write_volatile(ADJ_FREQUENCY) };
        calls.tell(op, &args, Want::Done, |truth| truth.with("arg_modes", ADJ_FREQUENCY));
        in_child("a child that may not", || {
            assert_eq!(sys(libc::SYS_setresuid, &[NOBODY; 3]), 0, "setresuid");
            calls.tell(op, &args, Want::Fails(libc::EPERM), |truth| truth.with("arg_modes", ADJ_FREQUENCY));
        });
        let bad = [clock, &[Bad(1)]].concat();
        calls.tell(op, &bad, Want::Fails(libc::EFAULT), |truth| truth.with("arg_modes", 0));
    }
}

fn log(calls: Calls) {
    // The console as it is, but for one that was switched off.
    calls.does("syslog", &[Is("command", 7), Raw(0), Is("level", 0)]);
    calls.fails("syslog", libc::EINVAL, &[Is("command", 8), Raw(0), Is("level", 99)]);
}

fn new_mounts(calls: Calls, base: i64) {
    let flags = Is("flags", 0);
    let context = sys(libc::SYS_fsopen, &[c"tmpfs".as_ptr() as u64, 0]);
    assert!(context >= 0, "fsopen: {context}");
    let fd = Is("fd", context as u64);
    calls.does("fsconfig", &[fd, Is("command", 1), Text(b"source"), Source(b"agentmon"), Raw(0)]);
    calls.fails("fsconfig", libc::EINVAL, &[fd, Is("command", 1), Text(b"no such \xff"), Source(b"x"), Raw(0)]);
    calls.does("fsconfig", &[fd, Is("command", 6), Raw(0), Raw(0), Raw(0)]);
    for bad in BAD_FILES {
        calls.refused("fsconfig", &[Is("fd", bad as u64), Is("command", 7), Raw(0), Raw(0), Raw(0)]);
        calls.fails("fspick", libc::EBADF, &[Dir(bad), At(b"x"), flags]);
    }
    in_child("a child that picks", || {
        assert_eq!(sys(libc::SYS_unshare, &[libc::CLONE_NEWNS as u64]), 0, "unshare");
        calls.does("fspick", &[Dir(base), At(b"/"), flags]);
        // `OPEN_TREE_CLONE`, and nothing changed.
        calls.does("open_tree_attr", &[Dir(AT_FDCWD), At(b"../sub"), Is("flags", 1), Memory(&[0; 32]), Raw(32)]);
    });
    calls.fails("fspick", libc::ENOENT, &[Dir(base), At(b"missing"), flags]);
    calls.refused("open_tree_attr", &[Dir(base), At(b"missing"), flags, Memory(&[0; 32]), Raw(32)]);
}

/// The child returns from the call too, where it ends.
fn clones(calls: Calls) {
    let signal = libc::SIGCHLD as u64;
    let (uts, shared) = (libc::CLONE_NEWUTS as u64, (libc::CLONE_NEWNS | libc::CLONE_FS) as u64);
    // `struct clone_args`: flags first, the signal fifth.
    let arguments = |flags: u64| [flags, 0, 0, 0, signal, 0, 0, 0].map(u64::to_ne_bytes).concat();
    let make = |op: &str, args: &[Arg<'_>], flags: u64| {
        let ret = calls.quietly(op, args);
        if ret == 0 {
            sys(libc::SYS_exit_group, &[0]);
        }
        assert!(ret > 0, "{op}: {ret}");
        wait(ret);
        done(calls, op, ret).with("arg_flags", flags).print();
    };
    make("clone", &[Raw(uts | signal), Raw(0), Raw(0), Raw(0), Raw(0)], uts | signal);
    calls.fails("clone", libc::EINVAL, &[Is("flags", shared | signal), Raw(0), Raw(0), Raw(0), Raw(0)]);
    make("clone3", &[Memory(&arguments(uts)), Raw(64)], uts);
    let wrong = arguments(shared);
    calls.tell("clone3", &[Memory(&wrong), Raw(64)], Want::Fails(libc::EINVAL), |truth| truth.with("arg_flags", shared));
}

fn without_rights(calls: Calls) {
    assert!(sys(libc::SYS_setsid, &[]) > 0, "setsid");
    calls.does("vhangup", &[]);
    assert_eq!(sys(libc::SYS_setresuid, &[NOBODY; 3]), 0, "setresuid");
    calls.fails("vhangup", libc::EPERM, &[]);
    calls.fails("syslog", libc::EPERM, &[Is("command", 5), Raw(0), Is("level", 0)]);
}

/// The same calls where they only look: none of them may be seen.
pub fn unwanted() {
    for abi in [Abi::Native, Abi::I386(0)] {
        let calls = Calls(abi);
        let page = Raw(u64::from(low_page(&[0; 512])));
        let own = Raw(u64::from(std::process::id()));
        let quietly = |op: &str, args: &[Arg<'_>]| {
            calls.quietly(op, args);
        };
        quietly("adjtimex", &[page]);
        quietly("clock_adjtime", &[Raw(0), page]);
        quietly("personality", &[Raw(0xffff_ffff)]);
        // Whether the process is dumpable; which securebits it has; whether a capability is ambient.
        for option in [3, 27, 47] {
            quietly("prctl", &[Raw(option), Raw(1), Raw(1), Raw(0), Raw(0)]);
        }
        // SECCOMP_GET_ACTION_AVAIL; SYSLOG_ACTION_SIZE_BUFFER.
        quietly("seccomp", &[Raw(2), Raw(0), page]);
        quietly("syslog", &[Raw(10), Raw(0), Raw(0)]);
        for op in ["kcmp", "move_pages", "migrate_pages", "sched_setparam"] {
            quietly(op, &[own, own, Raw(1), Raw(0), Raw(0), Raw(0)]);
        }
        // TCGETS, FIONREAD, SIOCGIFFLAGS.
        for request in [0x5401, 0x541b, 0x8913] {
            quietly("ioctl", &[Raw(0), Raw(request), page]);
        }
        let child = calls.quietly("clone", &[Raw(libc::SIGCHLD as u64), Raw(0), Raw(0), Raw(0), Raw(0)]);
        if child == 0 {
            sys(libc::SYS_exit_group, &[0]);
        }
        wait(child);
        let own = sys(libc::SYS_pidfd_open, &[u64::from(std::process::id()), 0]);
        Truth::of("pidfd_open", own).print();
        quietly("process_madvise", &[Raw(own as u64), page, Raw(0), Raw(20), Raw(0)]);
    }
}
