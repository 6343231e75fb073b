//! Which system calls are watched, for both ABIs an x86-64 kernel serves, as one table (abi, number) -> operation.
//!
//! Numbers: `arch/x86/entry/syscalls/syscall_64.tbl` and `syscall_32.tbl` of Linux 6.18. Not for: what an operation
//! records (the probes' handlers).

/// What a system call does, as the probes see it. Numbers are never reused: they travel in `IdentityFixed::op`.
pub mod op {
    /// Not watched.
    pub const NONE: u8 = 0;
    /// open(path, flags, mode).
    pub const OPEN: u8 = 1;
    /// openat(dirfd, path, flags, mode).
    pub const OPENAT: u8 = 2;
    /// openat2(dirfd, path, how, size).
    pub const OPENAT2: u8 = 3;
    /// creat(path, mode).
    pub const CREAT: u8 = 4;
    /// connect(fd, address, length).
    pub const CONNECT: u8 = 5;
    /// socketcall(call, arguments): i386 only.
    pub const SOCKETCALL: u8 = 6;
    /// unlink(path).
    pub const UNLINK: u8 = 7;
    /// unlinkat(dirfd, path, flags).
    pub const UNLINKAT: u8 = 8;
    /// rmdir(path).
    pub const RMDIR: u8 = 9;
    /// execve(path, …): only failures; a success is seen by sched_process_exec.
    pub const EXECVE: u8 = 10;
    /// execveat(dirfd, path, …): likewise.
    pub const EXECVEAT: u8 = 11;
    /// First of the identity family.
    pub const SETUID: u8 = 12;
    /// setreuid(real, effective).
    pub const SETREUID: u8 = 13;
    /// setresuid(real, effective, saved).
    pub const SETRESUID: u8 = 14;
    /// setfsuid(id).
    pub const SETFSUID: u8 = 15;
    /// setgid(id).
    pub const SETGID: u8 = 16;
    /// setregid(real, effective).
    pub const SETREGID: u8 = 17;
    /// setresgid(real, effective, saved).
    pub const SETRESGID: u8 = 18;
    /// setfsgid(id).
    pub const SETFSGID: u8 = 19;
    /// setgroups(count, list).
    pub const SETGROUPS: u8 = 20;
    /// capset(header, data). Last of the identity family.
    pub const CAPSET: u8 = 21;
    /// Names by number, for people and logs.
    pub const NAMES: [&str; 22] = [
        "none",
        "open",
        "openat",
        "openat2",
        "creat",
        "connect",
        "socketcall",
        "unlink",
        "unlinkat",
        "rmdir",
        "execve",
        "execveat",
        "setuid",
        "setreuid",
        "setresuid",
        "setfsuid",
        "setgid",
        "setregid",
        "setresgid",
        "setfsgid",
        "setgroups",
        "capset",
    ];
}

/// Entries per ABI; larger numbers are not watched.
pub const PER_ABI: usize = 1024;
/// Bit that marks an x32 number (`__X32_SYSCALL_BIT`, `arch/x86/include/uapi/asm/unistd.h`).
pub const X32_BIT: u32 = 0x4000_0000;
/// `SYS_CONNECT` of socketcall (`include/uapi/linux/net.h`).
pub const SOCKETCALL_CONNECT: u64 = 3;

/// Index into [`TABLE`] for a call of the 32-bit (`compat`) or the native ABI.
#[must_use]
pub const fn index(compat: bool, number: u16) -> usize {
    (if compat { PER_ABI } else { 0 }) + number as usize
}

/// The operation of each number: the native ABI first, then i386.
pub const TABLE: [u8; 2 * PER_ABI] = table();

/// (operation, x86-64 numbers, i386 numbers). 512 and up on x86-64 are x32's own.
const WATCHED: &[(u8, &[u16], &[u16])] = &[
    (op::OPEN, &[2], &[5]),
    (op::OPENAT, &[257], &[295]),
    (op::OPENAT2, &[437], &[437]),
    (op::CREAT, &[85], &[8]),
    (op::CONNECT, &[42], &[362]),
    (op::SOCKETCALL, &[], &[102]),
    (op::UNLINK, &[87], &[10]),
    (op::UNLINKAT, &[263], &[301]),
    (op::RMDIR, &[84], &[40]),
    (op::EXECVE, &[59, 520], &[11]),
    (op::EXECVEAT, &[322, 545], &[358]),
    (op::SETUID, &[105], &[23, 213]),
    (op::SETREUID, &[113], &[70, 203]),
    (op::SETRESUID, &[117], &[164, 208]),
    (op::SETFSUID, &[122], &[138, 215]),
    (op::SETGID, &[106], &[46, 214]),
    (op::SETREGID, &[114], &[71, 204]),
    (op::SETRESGID, &[119], &[170, 210]),
    (op::SETFSGID, &[123], &[139, 216]),
    (op::SETGROUPS, &[116], &[81, 206]),
    (op::CAPSET, &[126], &[185]),
];

const fn table() -> [u8; 2 * PER_ABI] {
    let mut table = [op::NONE; 2 * PER_ABI];
    let mut row = 0;
    while row < WATCHED.len() {
        let (op, native, compat) = WATCHED[row];
        let mut i = 0;
        while i < native.len() {
            table[index(false, native[i])] = op;
            i += 1;
        }
        i = 0;
        while i < compat.len() {
            table[index(true, compat[i])] = op;
            i += 1;
        }
        row += 1;
    }
    table
}
