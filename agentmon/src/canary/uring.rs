//! One request through an io_uring, made by hand: set up, one entry, submit and wait.
//!
//! Layouts: `include/uapi/linux/io_uring.h`. Not for: anything that is to work well.

use agentmon_common::uring::opcode;
use rustix::fd::{AsRawFd, FromRawFd, OwnedFd};

/// `IORING_OFF_SQ_RING`, `IORING_OFF_SQES`, `IORING_ENTER_GETEVENTS`.
const SQ_RING: libc::off_t = 0;
const SQES: libc::off_t = 0x1000_0000;
const GET_EVENTS: libc::c_ulong = 1;
/// Bytes mapped of each: one entry needs less than a page.
const PAGE: usize = 4096;

/// The head of `struct io_uring_params`: what the kernel says of the submission ring.
#[repr(C)]
#[derive(Default)]
struct Params {
    head: [u32; 10],
    /// `struct io_sqring_offsets`: head, tail, mask, entries, flags, dropped, array, reserved.
    sq: [u32; 8],
    rest: [u32; 12],
}

/// `struct io_uring_sqe`, as unlinkat uses it.
#[repr(C)]
struct Entry {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: i32,
    offset: u64,
    address: u64,
    rest: [u64; 5],
}

/// Asks a ring to remove a file that is not there. `false` when this host has none to offer.
pub(super) fn unlink_nothing() -> bool {
    let mut params = Params::default();
    // SAFETY: the kernel fills `params`, which is as large as it expects.
    let number = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, &raw mut params) };
    let Ok(number) = i32::try_from(number) else { return false };
    if number < 0 {
        return false;
    }
    // SAFETY: a descriptor that the kernel has just made for this process.
    let ring = unsafe { OwnedFd::from_raw_fd(number) };
    let (Some(queue), Some(entries)) = (map(&ring, SQ_RING), map(&ring, SQES)) else { return false };
    let entry = Entry {
        opcode: opcode::UNLINKAT,
        flags: 0,
        ioprio: 0,
        fd: libc::AT_FDCWD,
        offset: 0,
        address: c"none/there".as_ptr() as u64,
        rest: [0; 5],
    };
    // SAFETY: both maps are a page; the kernel gives offsets of words inside them, and an entry is 64 bytes. Nobody else
    // uses this ring.
    unsafe {
        entries.cast::<Entry>().write(entry);
        let word = |offset: u32| queue.cast::<u8>().add(offset as usize).cast::<u32>();
        word(params.sq[6]).write_volatile(0);
        word(params.sq[1]).write_volatile(1);
        libc::syscall(libc::SYS_io_uring_enter, ring.as_raw_fd(), 1, 1, GET_EVENTS, 0, 0) >= 0
    }
}

/// Maps a page of the ring. It goes with the process.
fn map(ring: &OwnedFd, offset: libc::off_t) -> Option<*mut libc::c_void> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_POPULATE);
    // SAFETY: a new mapping, where the kernel likes.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, access, kind, ring.as_raw_fd(), offset) };
    (at != libc::MAP_FAILED).then_some(at)
}
