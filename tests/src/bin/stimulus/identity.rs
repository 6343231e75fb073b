//! The setuid family, setgroups and capset, each in a child of its own: as root, and refused as user 1000.

use crate::sys::{fork, int80, low_page, sys, wait};
use crate::truth::Truth;

/// A call: name, native number, arguments, its i386 numbers.
struct Call {
    op: &'static str,
    number: i64,
    args: [u64; 3],
    compat: &'static [u32],
}

const fn call(op: &'static str, number: i64, args: [u64; 3], compat: &'static [u32]) -> Call {
    Call { op, number, args, compat }
}

/// Unchanged, in set*id.
const KEEP: u64 = 0xffff_ffff;

const CALLS: [Call; 8] = [
    call("setuid", libc::SYS_setuid, [1234, 0, 0], &[23, 213]),
    call("setreuid", libc::SYS_setreuid, [1001, 1002, 0], &[70, 203]),
    call("setresuid", libc::SYS_setresuid, [1001, 1002, 1003], &[164, 208]),
    call("setfsuid", libc::SYS_setfsuid, [1004, 0, 0], &[138, 215]),
    call("setgid", libc::SYS_setgid, [2234, 0, 0], &[46, 214]),
    call("setregid", libc::SYS_setregid, [2001, 2002, 0], &[71, 204]),
    call("setresgid", libc::SYS_setresgid, [2001, 2002, 2003], &[170, 210]),
    call("setfsgid", libc::SYS_setfsgid, [2004, 0, 0], &[139, 216]),
];

/// A line of /proc/self/status, its values.
fn status(name: &str) -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of /proc/self/status");
    line.split_whitespace().map(str::to_owned).collect()
}

fn ids(name: &str) -> Vec<u32> {
    status(name).iter().map(|id| id.parse().expect("an id")).collect()
}

fn capabilities(name: &str) -> u64 {
    u64::from_str_radix(&status(name)[0], 16).expect("a capability set")
}

/// What is true after the call.
fn print(op: &str, ret: i64, args: &[u64], compat: bool) {
    // setfsuid and setfsgid return what was there before; every other call 0 or an error.
    Truth::of(op, ret)
        .with("args", args)
        .with("uids", ids("Uid:"))
        .with("gids", ids("Gid:"))
        .with("cap_effective", capabilities("CapEff:"))
        .with("cap_permitted", capabilities("CapPrm:"))
        .with("compat", compat)
        .print();
}

fn in_child(run: impl FnOnce()) {
    let child = fork(|| {
        run();
        0
    });
    assert_eq!(wait(child), 0, "the child");
}

fn drop_privileges() {
    for (op, number) in [("setresgid", libc::SYS_setresgid), ("setresuid", libc::SYS_setresuid)] {
        let ret = sys(number, &[1000; 3]);
        assert_eq!(ret, 0, "{op}");
        print(op, ret, &[1000; 3], false);
    }
}

/// Every call through the native entry.
pub fn all() {
    for call in &CALLS {
        in_child(|| {
            let ret = sys(call.number, &call.args);
            assert_eq!(ret, 0, "{}", call.op);
            print(call.op, ret, &call.args[..arguments(call)], false);
        });
        in_child(|| {
            drop_privileges();
            let ret = sys(call.number, &call.args);
            let fs = call.op.starts_with("setfs");
            assert_eq!(ret, if fs { 1000 } else { -i64::from(libc::EPERM) }, "{}", call.op);
            print(call.op, ret, &call.args[..arguments(call)], false);
        });
    }
    in_child(|| {
        let ret = sys(libc::SYS_setresuid, &[KEEP, 77, KEEP]);
        print("setresuid", ret, &[KEEP, 77, KEEP], false);
    });
    groups();
    capset();
}

/// How many arguments the call has; the registers behind them hold anything.
fn arguments(call: &Call) -> usize {
    match call.op {
        "setuid" | "setgid" | "setfsuid" | "setfsgid" => 1,
        "setreuid" | "setregid" => 2,
        _ => 3,
    }
}

fn groups() {
    let list = [5_u32, 6, 7];
    for drop in [false, true] {
        in_child(|| {
            if drop {
                drop_privileges();
            }
            let ret = sys(libc::SYS_setgroups, &[3, list.as_ptr() as u64]);
            assert_eq!(ret, if drop { -i64::from(libc::EPERM) } else { 0 }, "setgroups");
            print("setgroups", ret, &[3], false);
        });
    }
}

/// `struct __user_cap_header_struct` of version 3, for this process.
const CAP_HEADER: [u32; 2] = [0x2008_0522, 0];

/// The two halves of each of the three sets as capset takes them.
fn cap_data(effective: u64, permitted: u64, inheritable: u64) -> [u32; 6] {
    let (low, high) = (|set: u64| set as u32, |set: u64| (set >> 32) as u32);
    [low(effective), low(permitted), low(inheritable), high(effective), high(permitted), high(inheritable)]
}

fn capset() {
    let held = capabilities("CapPrm:");
    // Bits of both halves: CAP_CHOWN (0) and CAP_BPF (39).
    let fewer = held & !(1 | 1 << 39);
    for (effective, permitted, want) in [(fewer & 0xff, fewer, 0), (u64::MAX, fewer, -i64::from(libc::EPERM))] {
        in_child(|| {
            let data = cap_data(effective, permitted, 0);
            let ret = sys(libc::SYS_capset, &[CAP_HEADER.as_ptr() as u64, data.as_ptr() as u64]);
            assert_eq!(ret, want, "capset");
            print("capset", ret, &[effective, permitted, 0], false);
        });
    }
}

/// The same calls through `int 0x80`, by each of their numbers.
pub fn compat() {
    for call in &CALLS {
        for number in call.compat {
            in_child(|| {
                let args = call.args.map(|arg| arg as u32);
                let ret = int80(*number, [args[0], args[1], args[2], 0]);
                assert_eq!(ret, 0, "{} as i386 {number}", call.op);
                print(call.op, ret, &call.args[..arguments(call)], true);
            });
        }
    }
    in_child(|| {
        let list = low_page(&[5_u32, 6].map(u32::to_ne_bytes).concat());
        let ret = int80(206, [2, list, 0, 0]);
        assert_eq!(ret, 0, "setgroups32");
        print("setgroups", ret, &[2], true);
    });
    in_child(|| {
        let held = capabilities("CapPrm:");
        let data = cap_data(held & 0xf, held, 0);
        let (header, data) = (low_page(&CAP_HEADER.map(u32::to_ne_bytes).concat()), low_page(&data.map(u32::to_ne_bytes).concat()));
        let ret = int80(185, [header, data, 0, 0]);
        assert_eq!(ret, 0, "capset");
        print("capset", ret, &[held & 0xf, held, 0], true);
    });
}
