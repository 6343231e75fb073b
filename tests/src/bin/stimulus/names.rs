//! What this process calls itself: names of its threads, and where its arguments stand.
//!
//! Not for: names that come with an exec, but for one that nobody should hear of.

use crate::NOOP;
use crate::sys::{at, c, int80, low_page, sys, tid};
use crate::truth::Truth;
use std::process::Command;

const PR_SET_NAME: u64 = 15;
const PR_GET_NAME: u64 = 16;
const PR_SET_MM: u64 = 35;
const ARG_START: u64 = 8;
const ARG_END: u64 = 9;
const MAP: u64 = 14;

/// The name of this thread, from the kernel.
fn name() -> Vec<u8> {
    let mut name = [0_u8; 16];
    assert_eq!(sys(libc::SYS_prctl, &[PR_GET_NAME, name.as_mut_ptr() as u64]), 0);
    name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn renamed(op: &str, target: i64, before: &[u8], after: &[u8], compat: bool) {
    assert_ne!(before, after);
    let truth = Truth::of(op, 0).with("kind", "thread_name").with("target_tid", target).with("compat", compat);
    truth.bytes("before", before).bytes("after", after).print();
}

/// By prctl, through either entry: the kernel keeps 15 bytes.
fn by_prctl(wanted: &[u8]) {
    let before = name();
    assert_eq!(sys(libc::SYS_prctl, &[PR_SET_NAME, at(&c(wanted))]), 0);
    renamed("prctl", tid(), &before, &name(), false);
}

fn by_prctl_compat(wanted: &[u8]) {
    let before = name();
    let page = low_page(c(wanted).as_bytes_with_nul());
    assert_eq!(int80(172, [PR_SET_NAME as u32, page]), 0);
    renamed("prctl", tid(), &before, &name(), true);
}

fn write_to(file: &str, wanted: &[u8]) {
    let fd = sys(libc::SYS_open, &[at(&c(file)), libc::O_WRONLY as u64]);
    assert!(fd >= 0, "open {file}: {fd}");
    assert_eq!(sys(libc::SYS_write, &[fd as u64, wanted.as_ptr() as u64, wanted.len() as u64]), wanted.len() as i64);
    sys(libc::SYS_close, &[fd as u64]);
}

/// Names of threads, in every way, and what is no news: the name that stands already, that of an exec, a question.
pub fn threads() {
    by_prctl(b"plain");
    by_prctl(b"longer-than-fifteen-bytes");
    by_prctl(b"\xff\x1b[31m \n(x)");
    by_prctl(b"");
    by_prctl_compat(b"from-i386");
    // The same once more.
    assert_eq!(sys(libc::SYS_prctl, &[PR_SET_NAME, at(&c(b"from-i386"))]), 0);
    let before = name();
    write_to("/proc/self/comm", b"by-file");
    renamed("write", tid(), &before, b"by-file", false);
    let (sender, receiver) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        sender.send((tid(), name())).expect("a receiver");
        ended.recv().expect("the word");
        by_prctl(b"by-thread");
    });
    let (other, before) = receiver.recv().expect("a thread");
    write_to(&format!("/proc/self/task/{other}/comm"), b"by-another");
    renamed("write", other, &before, b"by-another", false);
    end.send(()).expect("a thread");
    thread.join().expect("a thread");
    let exec = Command::new("/proc/self/exe").env(NOOP, "1").status().expect("an exec");
    assert!(exec.success());
}

/// `struct prctl_mm_map` (`include/uapi/linux/prctl.h`) of this process as it is, but for the arguments.
fn map(start: u64, end: u64) -> [u64; 13] {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..].split(' ').collect();
    // Numbered as in proc(5); the first here is field 3.
    let field = |number: usize| fields[number - 3].trim().parse::<u64>().expect("a number");
    let brk = sys(libc::SYS_brk, &[0]) as u64;
    let no_exe = u64::from(u32::MAX) << 32;
    [field(26), field(27), field(45), field(46), field(47), brk, field(28), start, end, field(50), field(51), 0, no_exe]
}

/// prctl(PR_SET_MM, …), and what must stand there afterwards.
fn moved(option: u64, args: [u64; 2], argv: impl Fn(i64) -> Vec<u8>) -> i64 {
    let ret = sys(libc::SYS_prctl, &[PR_SET_MM, option, args[0], args[1], 0]);
    let truth = Truth::of("prctl", ret).with("kind", "argv").with("option", option).with("compat", false);
    let argv = argv(ret);
    truth.bytes("argv", &argv).with("argv_bytes", argv.len()).with("truncated", false).print();
    ret
}

/// Where the arguments stand, and what is refused or of no interest.
pub fn arguments() {
    let own = std::fs::read("/proc/self/cmdline").expect("/proc");
    // Nothing is mapped there.
    moved(ARG_START, [0x10, 0], |_| own.clone());
    moved(MAP, [0, 0], |_| own.clone());
    let claim = u64::from(low_page(CLAIM));
    let map = map(claim, claim + CLAIM.len() as u64);
    let ret = moved(MAP, [map.as_ptr() as u64, size_of_val(&map) as u64], |_| CLAIM.to_vec());
    assert_eq!(ret, 0, "PR_SET_MM_MAP");
    assert_eq!(std::fs::read("/proc/self/cmdline").expect("/proc"), CLAIM, "what others see");
    // Only the first; needs CAP_SYS_RESOURCE.
    moved(ARG_END, [claim + FIRST as u64, 0], |ret| if ret == 0 { CLAIM[..FIRST].to_vec() } else { CLAIM.to_vec() });
    // PR_SET_MM_START_CODE moves no arguments; neither does a question for the name.
    sys(libc::SYS_prctl, &[PR_SET_MM, 1, 0x10, 0, 0]);
    assert!(!name().is_empty());
}

/// What this process claims to be, and the length of its first argument with the NUL.
const CLAIM: &[u8] = b"/usr/sbin/sshd\0-D\0\xff\0";
const FIRST: usize = 15;
