//! What is asked of an io_uring: operations by number, and which of them make a record.
//!
//! Numbers are those of `enum io_uring_op`, `include/uapi/linux/io_uring.h` of Linux 6.18. Not for: setting a ring up (a
//! system call of its own).

/// Numbers of the operations that make a record.
#[expect(missing_docs, reason = "the names are the system calls' that they stand for")]
pub mod opcode {
    pub const ACCEPT: u8 = 13;
    pub const CONNECT: u8 = 16;
    pub const FALLOCATE: u8 = 17;
    pub const OPENAT: u8 = 18;
    pub const OPENAT2: u8 = 28;
    pub const RENAMEAT: u8 = 35;
    pub const UNLINKAT: u8 = 36;
    pub const MKDIRAT: u8 = 37;
    pub const SYMLINKAT: u8 = 38;
    pub const LINKAT: u8 = 39;
    pub const FSETXATTR: u8 = 41;
    pub const SETXATTR: u8 = 42;
    pub const SOCKET: u8 = 45;
    pub const URING_CMD: u8 = 46;
    pub const FTRUNCATE: u8 = 55;
    pub const BIND: u8 = 56;
    pub const LISTEN: u8 = 57;
}

/// Most plain arguments of a request.
pub const ARGS_MAX: usize = 3;

/// Number, name in logs, names of the plain arguments.
type Row = (u8, &'static str, &'static [&'static str]);

const ROWS: [Row; 17] = [
    (opcode::ACCEPT, "io_uring_accept", &[]),
    (opcode::CONNECT, "io_uring_connect", &[]),
    (opcode::FALLOCATE, "io_uring_fallocate", &["mode", "offset", "length"]),
    (opcode::OPENAT, "io_uring_openat", &["flags", "mode"]),
    (opcode::OPENAT2, "io_uring_openat2", &["flags", "mode"]),
    (opcode::RENAMEAT, "io_uring_renameat", &["flags"]),
    (opcode::UNLINKAT, "io_uring_unlinkat", &["flags"]),
    (opcode::MKDIRAT, "io_uring_mkdirat", &["mode"]),
    (opcode::SYMLINKAT, "io_uring_symlinkat", &[]),
    (opcode::LINKAT, "io_uring_linkat", &["flags"]),
    (opcode::FSETXATTR, "io_uring_fsetxattr", &[]),
    (opcode::SETXATTR, "io_uring_setxattr", &[]),
    (opcode::SOCKET, "io_uring_socket", &["domain", "type", "protocol"]),
    (opcode::URING_CMD, "io_uring_uring_cmd", &["command"]),
    (opcode::FTRUNCATE, "io_uring_ftruncate", &["length"]),
    (opcode::BIND, "io_uring_bind", &[]),
    (opcode::LISTEN, "io_uring_listen", &["backlog"]),
];

/// One bit per operation that makes a record.
pub const TOLD: u64 = {
    let (mut mask, mut row) = (0, 0);
    while row < ROWS.len() {
        mask |= 1 << ROWS[row].0;
        row += 1;
    }
    mask
};

/// Name of an operation that makes a record, and the names of its plain arguments.
#[must_use]
pub fn named(opcode: u8) -> Option<(&'static str, &'static [&'static str])> {
    ROWS.iter().find(|row| row.0 == opcode).map(|row| (row.1, row.2))
}
