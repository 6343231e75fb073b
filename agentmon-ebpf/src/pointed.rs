//! What an argument of a call points to, where that says more than the pointer: numbers in the program's memory, the process
//! behind a pidfd.
//!
//! Read when the call has returned. Not for: paths and strings (`place`, `record`).

use crate::call::Call;
use crate::calls::shape;
use crate::errors::ProbeError;
use crate::kernel::{file_of, offset, read};
use crate::maps::Scratch;
use crate::record::Record;
use agentmon_common::offsets::ABSENT;
use agentmon_common::record::{CallFixed, Header, flags};
use agentmon_common::syscalls::{besides, op, times};
use aya_ebpf::helpers::bpf_probe_read_user;

/// Puts it into the plain arguments of the record.
#[inline(always)]
pub fn push(record: &mut Record, call: &Call) {
    // i386's calls with times of 64 bits have numbers from 403 on.
    let is_wide = !call.compat || call.number >= FIRST_OF_TIME64;
    let bits = am_pointed(record.scratch(), u64::from(call.op), u64::from(is_wide));
    record.flag(bits as u16);
}

/// `clock_gettime64`, the first of them (`arch/x86/entry/syscalls/syscall_32.tbl`).
const FIRST_OF_TIME64: u16 = 403;

/// The same for the record in the scratch; what flags it gets. A global function, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn am_pointed(scratch: *mut Scratch, op: u64, is_wide: u64) -> u64 {
    if scratch.is_null() {
        return 0;
    }
    // SAFETY: not null, and the verifier has checked at the call that all of it is there; the header stands at its start.
    let ret = unsafe { (*scratch.cast::<Header>()).ret };
    // SAFETY: the fixed part of a call's record stands behind the header.
    let args = unsafe { &mut (*scratch.cast::<u8>().add(size_of::<Header>()).cast::<CallFixed>()).args };
    let is_read = match shape(op as u8).besides {
        besides::BEHIND_FIRST => replace::<u32>(&mut args[0]),
        besides::BEHIND_SECOND => replace::<u32>(&mut args[1]),
        besides::BYTE_BEHIND_SECOND => replace::<u8>(&mut args[1]),
        besides::RANGE_BEHIND_SECOND => {
            args[2] = args[1].wrapping_add(8);
            replace::<u64>(&mut args[2]) & replace::<u64>(&mut args[1])
        }
        besides::MODIFIED => {
            args[0] = modified(op as u8, args[0], is_wide != 0) as u64;
            args[0] as i64 != times::UNREADABLE
        }
        besides::PIDFD => {
            args[2] = u64::from(behind_pidfd(args[0] as i32, ret));
            true
        }
        _ => true,
    };
    if is_read { 0 } else { u64::from(flags::UNREADABLE) }
}

/// Instead of a pointer the number there, or 0; whether it could be read.
#[inline(always)]
fn replace<T: Copy + Into<u64>>(arg: &mut u64) -> bool {
    // SAFETY: the helper checks the source.
    let value = unsafe { bpf_probe_read_user(*arg as *const T) };
    *arg = value.map_or(0, Into::into);
    value.is_ok()
}

/// `UTIME_NOW`, `UTIME_OMIT` (`include/linux/stat.h`).
const UTIME_NOW: u64 = 0x3fff_ffff;
const UTIME_OMIT: u64 = 0x3fff_fffe;

/// The second of two times: seconds, or one of [`times`]. utime has seconds alone, the others a fraction behind each.
#[inline(always)]
fn modified(op: u8, pointer: u64, is_wide: bool) -> i64 {
    if pointer == 0 {
        return times::NOW;
    }
    let word: u64 = if is_wide { 8 } else { 4 };
    let at = pointer.wrapping_add(if op == op::UTIME { word } else { 2 * word });
    let read = |at: u64| {
        let mut value = at;
        let is_read = if is_wide { replace::<u64>(&mut value) } else { replace::<u32>(&mut value) };
        if is_read { Some(value) } else { None }
    };
    let Some(seconds) = read(at) else { return times::UNREADABLE };
    if op == op::UTIMENSAT {
        match read(at.wrapping_add(word)) {
            Some(UTIME_NOW) => return times::NOW,
            Some(UTIME_OMIT) => return times::AS_IT_IS,
            _ => {}
        }
    }
    if is_wide { seconds as i64 } else { i64::from(seconds as i32) }
}

/// `EPERM` and `ESRCH`: what the kernel says of the process behind a pidfd, not of the descriptor.
const OF_THE_PROCESS: [i64; 2] = [-1, -3];

/// The process behind the pidfd, in the initial pid namespace; 0 where the call did not get as far as to take the
/// descriptor for one, or the kernel has other structures.
///
/// `struct pid` hangs on the file before 6.9, on the inode of pidfs since (`pidfd_pid`, `pidfs_pid`).
#[inline(always)]
pub fn behind_pidfd(fd: i32, ret: i64) -> u32 {
    if ret < 0 && ret != OF_THE_PROCESS[0] && ret != OF_THE_PROCESS[1] {
        return 0;
    }
    if offset!(pid_numbers) == ABSENT as usize || offset!(inode_private) == ABSENT as usize {
        return 0;
    }
    pid_of_file(fd).unwrap_or(0)
}

#[inline(always)]
fn pid_of_file(fd: i32) -> Result<u32, ProbeError> {
    let file = file_of(fd)?;
    let mut pid: *const u8 = read(file, offset!(file_private_data))?;
    if pid.is_null() {
        pid = read(read(file, offset!(file_inode))?, offset!(inode_private))?;
    }
    // The first `struct upid` is that of the initial namespace, and begins with the number.
    read(pid, offset!(pid_numbers))
}
