//! System calls as the canary makes them: by number, whatever comes of them.
//!
//! Not for: calls whose result matters; those are rustix's.

use std::arch::asm;

/// Makes a call. What is not given is 0.
pub(super) fn call(number: libc::c_long, args: [libc::c_long; 4]) {
    // SAFETY: every row of `super::acts` passes numbers, null, or strings that live for ever; the kernel checks them all
    // and writes to none.
    unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], 0, 0) };
}

/// `unlink(NULL)` through the 32-bit entry: EFAULT. Where that entry is closed (`ia32_emulation=off`), SIGSEGV.
pub(super) fn compat_unlink_nothing() {
    /// `__NR_unlink` of i386 (`arch/x86/entry/syscalls/syscall_32.tbl`).
    const UNLINK: u64 = 10;
    // SAFETY: the call takes a null pointer and changes nothing; the 32-bit entry clobbers r8 to r11. rbx is the
    // compiler's, so that it is put back.
    unsafe {
        asm!(
            "xchg {path:r}, rbx",
            "int 0x80",
            "xchg {path:r}, rbx",
            path = inout(reg) 0_u64 => _,
            inout("rax") UNLINK => _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
}
