//! The end of the machine, through QEMU's isa-debug-exit device.

use std::arch::asm;
use std::time::Duration;

/// The device's port: xtask gives QEMU the same number.
const PORT: u16 = 0xf4;

/// QEMU ends with twice this and one: 33, which no crash gives.
const REGULAR: u8 = 16;

/// How long QEMU may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends QEMU once everything is printed.
pub fn off() -> ! {
    rustix::termios::tcdrain(std::io::stdout()).expect("the serial port");
    // SAFETY: a system call without pointers; it lets this process use one port. /dev/port would do without, but Debian's
    // kernels have none.
    let result = unsafe { libc::ioperm(PORT.into(), 1, 1) };
    assert_eq!(result, 0, "ioperm: {}", std::io::Error::last_os_error());
    // SAFETY: the port is allowed, and is that of a device which does nothing but end the machine.
    unsafe { asm!("out dx, al", in("dx") PORT, in("al") REGULAR, options(nomem, nostack, preserves_flags)) };
    // QEMU ends when it comes to it, not within the instruction.
    std::thread::park_timeout(PATIENCE);
    panic!("QEMU has no isa-debug-exit at port {PORT:#x}");
}
