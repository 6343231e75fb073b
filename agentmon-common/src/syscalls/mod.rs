//! Which system calls are watched, for both ABIs an x86-64 kernel serves, and how their arguments are read.
//!
//! `rows` is the table; the rest is made of it when the crate is compiled. Not for: what an operation means to a rule or
//! a log.

mod known;
mod rows;
mod senders;
mod shape;
pub mod socketcall;
pub mod untold;
pub mod variants;

pub use known::{is_exec, is_unknown};
pub use rows::op;
pub use senders::{is_sender, sender_name};
pub use shape::{ARGS_MAX, NO, PAIR, Place, Shape, besides, only, place, times};

use crate::record::kind;
use rows::{ROWS, Row};

/// Entries of tables by operation: every value of a byte, so that an index needs no check.
pub const OPS: usize = 256;
/// Entries per ABI; larger numbers are not watched.
pub const PER_ABI: usize = 1024;
/// Bit that marks an x32 number (`__X32_SYSCALL_BIT`, `arch/x86/include/uapi/asm/unistd.h`).
pub const X32_BIT: u32 = 0x4000_0000;
/// Index into [`TABLE`] for a call of the 32-bit (`compat`) or the native ABI.
#[must_use]
pub const fn index(compat: bool, number: u16) -> usize {
    (if compat { PER_ABI } else { 0 }) + number as usize
}

/// The operation of each number: the native ABI first, then i386.
pub const TABLE: [u8; 2 * PER_ABI] = table();

/// How the record of each operation is made, by number.
pub const SHAPES: [Shape; OPS] = {
    let mut shapes = [Shape::OWN; OPS];
    let mut row = 0;
    while row < ROWS.len() {
        shapes[ROWS[row].op as usize] = ROWS[row].shape;
        row += 1;
    }
    shapes
};

/// The kind of record of each operation, as a bit by kind; 0 where the arguments decide, or where it cannot be switched
/// off (exec).
pub const KIND_BITS: [u64; OPS] = {
    let mut bits = [0; OPS];
    let mut number = 0;
    while number < OPS {
        let kind = match number as u8 {
            op::OPEN..=op::CREAT | op::OPEN_BY_HANDLE_AT => kind::OPEN,
            op::CONNECT => kind::CONNECT,
            op::SETUID..=op::CAPSET | op::PRCTL_CAPABILITIES => kind::IDENTITY,
            op::BIND => kind::BIND,
            op::LISTEN => kind::LISTEN,
            op::ACCEPT | op::ACCEPT4 => kind::ACCEPT,
            op::SOCKET | op::SOCKETPAIR => kind::SOCKET,
            op::SETSOCKOPT => kind::NETLINK,
            op::PRCTL => kind::ARGV,
            op::UNKNOWN => kind::UNKNOWN_SYSCALL,
            _ => SHAPES[number].kind,
        };
        bits[number] = if kind == 0 { 0 } else { 1 << kind };
        number += 1;
    }
    bits
};

/// Names by number, for people and logs.
pub const NAMES: [&str; OPS] = {
    let mut names = ["none"; OPS];
    let mut row = 0;
    while row < ROWS.len() {
        names[ROWS[row].op as usize] = ROWS[row].name;
        row += 1;
    }
    names
};

/// Names of the plain arguments by number, in the order of [`Shape::args`].
pub const ARG_NAMES: [&[&str]; OPS] = {
    let mut all: [&[&str]; OPS] = [&[]; OPS];
    let mut row = 0;
    while row < ROWS.len() {
        all[ROWS[row].op as usize] = ROWS[row].names;
        row += 1;
    }
    all
};

const fn table() -> [u8; 2 * PER_ABI] {
    let mut table = [op::NONE; 2 * PER_ABI];
    let mut row = 0;
    while row < ROWS.len() {
        let Row { op, native, compat, .. } = &ROWS[row];
        let mut i = 0;
        while i < native.len() {
            assert!(table[index(false, native[i])] == op::NONE, "a number twice");
            table[index(false, native[i])] = *op;
            i += 1;
        }
        i = 0;
        while i < compat.len() {
            assert!(table[index(true, compat[i])] == op::NONE, "a number twice");
            table[index(true, compat[i])] = *op;
            i += 1;
        }
        row += 1;
    }
    table
}
