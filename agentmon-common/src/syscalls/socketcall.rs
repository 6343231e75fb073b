//! i386's socketcall: one system call for all of them, its arguments in user memory.
//!
//! Not for: calls that have numbers of their own (`super::TABLE`).

use super::op;

/// One of the calls behind socketcall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Row {
    /// What it does: one of [`op`].
    pub op: u8,
    /// How many 32-bit arguments it has; no more may be read (`nargs`, `net/socket.c`).
    pub args: u8,
}

const fn row(op: u8, args: u8) -> Row {
    Row { op, args }
}

const UNWATCHED: Row = row(op::NONE, 0);

/// Entries of [`CALLS`]; a power of two above the largest number.
pub const LEN: usize = 32;

/// By the first argument of socketcall (`SYS_*`, `include/uapi/linux/net.h`).
pub const CALLS: [Row; LEN] = {
    let mut calls = [UNWATCHED; LEN];
    calls[1] = row(op::SOCKET, 3);
    calls[2] = row(op::BIND, 3);
    calls[3] = row(op::CONNECT, 3);
    calls[4] = row(op::LISTEN, 2);
    calls[5] = row(op::ACCEPT, 3);
    calls[8] = row(op::SOCKETPAIR, 4);
    calls[9] = row(op::SEND, 4);
    calls[11] = row(op::SENDTO, 6);
    calls[14] = row(op::SETSOCKOPT, 5);
    calls[16] = row(op::SENDMSG, 3);
    calls[18] = row(op::ACCEPT4, 4);
    calls[20] = row(op::SENDMMSG, 4);
    calls
};
