//! System calls of numbers that nobody gave a meaning when this was written.
//!
//! Not for: what a kernel that knows one does with it; each is called without arguments.

use crate::sys::{int80, pid, sys};
use crate::truth::Truth;

const X32_BIT: i64 = 0x4000_0000;
const ENOSYS: i64 = libc::ENOSYS as i64;

fn called(number: u32, ret: i64, compat: bool) {
    Truth::of("unknown_syscall", ret).with("number", number).with("compat", compat).print();
}

/// Behind the tables' ends and in their holes, of x32 and of i386; and numbers that must not be told.
pub fn all() {
    for number in [337, 423, 470, 511, 548, 1023, 1024, 0xffff, 0x3fff_ffff, X32_BIT | 470, X32_BIT | 5000] {
        called(number as u32, sys(number, &[]), false);
    }
    // The kernel looks at 32 bits.
    called(470, sys(0x5_0000_0000 | 470, &[]), false);
    // getpid and fstat of x32, where the kernel has none; i386 has a watched call of the second number.
    for number in [libc::SYS_getpid, libc::SYS_fstat] {
        let ret = sys(X32_BIT | number, &[u64::MAX]);
        if ret == -ENOSYS {
            called((X32_BIT | number) as u32, ret, false);
        }
    }
    for number in [387, 415, 470, 1023, 1024, 0x7000_0000] {
        called(number, int80(number, [0]), true);
    }
    assert!(pid() > 0);
    for number in [-1, -2, i64::from(i32::MIN)] {
        assert_eq!(sys(number, &[]), -ENOSYS, "a negative number");
    }
}

/// `times` calls of one of them; says only how often.
pub fn flood(times: u64) {
    for _ in 0..times {
        sys(511, &[]);
    }
    Truth::of_process("ready", pid()).with("_times", times).print();
}
