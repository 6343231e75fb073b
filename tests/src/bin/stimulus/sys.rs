//! Raw system calls of both ABIs, and what this process can say about itself.
//!
//! No C library wrapper stands between an operation and the kernel, so that what is printed is what was asked. Not
//! for: what an operation means.

use std::arch::asm;
use std::ffi::CString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A native system call; the result as the kernel gives it, negative errno on failure.
///
/// Safe to call here because this program has no secrets and no invariants to lose: callers pass memory that lives
/// until the call returns, or addresses that are bad on purpose.
pub fn sys(number: i64, args: &[u64]) -> i64 {
    let arg = |i: usize| args.get(i).copied().unwrap_or(0);
    let ret: i64;
    // SAFETY: the kernel checks every argument; the registers it changes are declared.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => ret,
            in("rdi") arg(0), in("rsi") arg(1), in("rdx") arg(2), in("r10") arg(3), in("r8") arg(4), in("r9") arg(5),
            lateout("rcx") _, lateout("r11") _,
        );
    }
    ret
}

/// A 32-bit system call out of this 64-bit process: i386 numbers, pointers below 4 GiB, at most six arguments.
pub fn int80<const N: usize>(number: u32, args: [u32; N]) -> i64 {
    let all: [u32; 6] = std::array::from_fn(|i| args.get(i).copied().unwrap_or(0));
    let ret: u64;
    // SAFETY: as in `sys`; rbx and rbp are reserved by LLVM and therefore kept by hand. The entry code clears r8 to r11.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "mov ebx, [r12]",
            "mov ecx, [r12 + 4]",
            "mov edx, [r12 + 8]",
            "mov esi, [r12 + 12]",
            "mov edi, [r12 + 16]",
            "mov ebp, [r12 + 20]",
            "int 0x80",
            "pop rbp",
            "pop rbx",
            in("r12") all.as_ptr(),
            inlateout("rax") u64::from(number) => ret,
            lateout("rcx") _, lateout("rdx") _, lateout("rsi") _, lateout("rdi") _,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    // The last page is errors; below it an address of 2 GiB and more is one.
    let word = ret as u32;
    if word > u32::MAX - 4095 { i64::from(word as i32) } else { i64::from(word) }
}

/// A path or name with its NUL.
pub fn c(bytes: impl AsRef<[u8]>) -> CString {
    CString::new(bytes.as_ref()).expect("no NUL inside")
}

/// Address of a string, as a system call wants it.
pub fn at(string: &CString) -> u64 {
    string.as_ptr() as u64
}

/// A descriptor as an argument.
pub const fn fd(fd: i64) -> u64 {
    fd as u64
}

pub const AT_FDCWD: i64 = libc::AT_FDCWD as i64;

pub fn tid() -> i64 {
    sys(libc::SYS_gettid, &[])
}

pub fn pid() -> i64 {
    sys(libc::SYS_getpid, &[])
}

/// Start of a process in clock ticks since boot, by /proc; `None` where there is no /proc.
pub fn start_ticks(pid: i64) -> Option<u64> {
    stat(pid, 22)
}

/// Process id of a process's parent, by /proc.
pub fn parent(pid: i64) -> Option<u64> {
    stat(pid, 4)
}

/// A field behind the name, as proc(5) counts them.
fn stat(pid: i64, field: usize) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let after_comm = stat.iter().rposition(|b| *b == b')')? + 2;
    let text = std::str::from_utf8(&stat[after_comm..]).ok()?;
    text.split(' ').nth(field - 3)?.parse().ok()
}

/// Forks: the child runs `child` and exits with what it returns; returns the child's process id.
pub fn fork(child: impl FnOnce() -> i32) -> i64 {
    match sys(libc::SYS_fork, &[]) {
        0 => {
            let code = child();
            sys(libc::SYS_exit_group, &[code as u64]);
            unreachable!("exit_group does not return")
        }
        pid if pid > 0 => pid,
        error => panic!("fork: {error}"),
    }
}

/// Waits for a child; its status as wait(2) reports it.
pub fn wait(pid: i64) -> i32 {
    let mut status = 0_i32;
    loop {
        match sys(libc::SYS_wait4, &[pid as u64, (&raw mut status) as u64, 0, 0]) {
            -4 => {}
            ret if ret == pid => return status,
            error => panic!("wait for {pid}: {error}"),
        }
    }
}

/// Target of a symbolic link, whole.
pub fn read_link(path: impl AsRef<Path>) -> Option<PathBuf> {
    std::fs::read_link(path).ok()
}

/// Bytes of a path.
pub fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    path.as_ref().as_os_str().as_bytes().to_vec()
}

/// `dir` and `name`, joined.
pub fn below(dir: &Path, name: impl AsRef<[u8]>) -> PathBuf {
    dir.join(PathBuf::from(std::ffi::OsString::from_vec(name.as_ref().to_vec())))
}

/// A page below 4 GiB for the 32-bit entry, filled with `content`.
pub fn low_page(content: &[u8]) -> u32 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
    // SAFETY: a new anonymous mapping; nothing refers to it yet.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED, "mmap below 4 GiB");
    assert!(content.len() <= 4096);
    // SAFETY: the page was just mapped, writable, and is at least as long.
    unsafe { std::ptr::copy_nonoverlapping(content.as_ptr(), page.cast::<u8>(), content.len()) };
    u32::try_from(page as u64).expect("MAP_32BIT")
}

/// Whether a thread of this process waits for something.
pub fn sleeps(tid: i64) -> bool {
    let stat = std::fs::read(format!("/proc/self/task/{tid}/stat")).expect("a thread");
    let after_comm = stat.iter().rposition(|byte| *byte == b')').expect("a name");
    stat.get(after_comm + 2) == Some(&b'S')
}
