//! COMMANDs that make trouble for the `agentmon run` that started them: its terminal, its standard output, its end.
//!
//! Synchronised by files in a directory of the test's. Not for: truth about single operations; the tests look at what
//! `run` says and leaves.

use crate::sys::{at, c, fork, pid, sys};
use std::path::Path;
use std::time::{Duration, Instant};

/// No mode outlives this, should its test die.
const LIFETIME: Duration = Duration::from_secs(120);

/// Leaves for the cgroup `group` with a chain of forks in which no process lives for long: each makes the next and ends.
/// Ends itself once the chain runs.
pub fn chain(dir: &Path, group: &str) {
    let end = Instant::now() + LIFETIME;
    let started = dir.join("started");
    let child = fork(|| {
        std::fs::write(format!("{group}/cgroup.procs"), "0").expect("a cgroup that can be entered");
        let mut length = 0_u32;
        while Instant::now() < end {
            match sys(libc::SYS_fork, &[]) {
                0 => length += 1,
                _ => return 0,
            }
            if length == 100 {
                std::fs::write(&started, "\n").expect("a file");
            }
        }
        0
    });
    assert!(child > 0);
    wait_for(&dir.join("started"));
}

/// Takes the terminal's foreground for a process group of its own, and asks for background output to be stopped; then
/// works on.
pub fn take_foreground(dir: &Path) {
    ignore_job_control();
    // SAFETY: plain system calls; the termios is this frame's.
    unsafe {
        assert_eq!(libc::setpgid(0, 0), 0, "setpgid");
        assert_eq!(libc::tcsetpgrp(0, libc::getpgrp()), 0, "tcsetpgrp");
        let mut attributes: libc::termios = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(0, &raw mut attributes), 0, "tcgetattr");
        attributes.c_lflag |= libc::TOSTOP;
        assert_eq!(libc::tcsetattr(0, libc::TCSANOW, &raw const attributes), 0, "tcsetattr");
    }
    work(dir);
}

/// Sends every stop signal that can be ignored to its process group, which is agentmon's; then works on.
pub fn stop_group(dir: &Path) {
    ignore_job_control();
    for signal in [libc::SIGTSTP, libc::SIGTTOU, libc::SIGTTIN] {
        assert_eq!(sys(libc::SYS_kill, &[0, signal as u64]), 0, "kill of the own process group");
    }
    work(dir);
}

/// Tries to type a line into its terminal, to make it the controlling one, and to open that; writes down what the kernel
/// answered.
pub fn type_into_terminal(dir: &Path) {
    let typed = b"typed by the agent\n".iter().map(|byte| sys(libc::SYS_ioctl, &[0, libc::TIOCSTI, std::ptr::from_ref(byte) as u64]));
    let typed = typed.collect::<Vec<_>>().into_iter().min().unwrap_or_default();
    let taken = sys(libc::SYS_ioctl, &[0, libc::TIOCSCTTY, 0]);
    let opened = sys(libc::SYS_open, &[at(&c("/dev/tty")), libc::O_RDWR as u64]).min(0);
    std::fs::write(dir.join("answers"), format!("{typed} {taken} {opened}")).expect("a file");
}

/// Makes the standard output that it shares non-blocking, fills it, and works on until there is a file `go`.
pub fn fill_output(dir: &Path) {
    // SAFETY: sets a flag of an open file.
    unsafe {
        let flags = libc::fcntl(1, libc::F_GETFL);
        assert_eq!(libc::fcntl(1, libc::F_SETFL, flags | libc::O_NONBLOCK), 0, "O_NONBLOCK");
    }
    let filler = b"filler\n";
    while sys(libc::SYS_write, &[1, filler.as_ptr() as u64, filler.len() as u64]) > 0 {}
    let end = Instant::now() + LIFETIME;
    let mut number = 0;
    while !dir.join("go").exists() && Instant::now() < end {
        missing(&dir.join(format!("look-{number}")));
        number += 1;
        std::thread::park_timeout(Duration::from_millis(20));
    }
    missing(&dir.join("look-last"));
}

/// Opens what is not there, over and over, until it is killed.
pub fn chatter(dir: &Path) {
    let end = Instant::now() + LIFETIME;
    let mut number = 0_u32;
    while Instant::now() < end {
        missing(&dir.join(format!("nothing-{number}")));
        number += 1;
        if number == 20_000 {
            std::fs::write(dir.join("busy"), format!("{}\n", pid())).expect("a file");
        }
    }
}

/// `count` times a program that opens `opens` files and ends; then waits for a file `go`.
pub fn programs(dir: &Path, count: u64, opens: u64) {
    let program = std::env::current_exe().expect("this program");
    let number = opens.to_string();
    for _ in 0..count {
        let run = std::process::Command::new(&program).arg("look").arg(dir).arg(&number).status().expect("a program");
        assert!(run.success(), "{run}");
    }
    std::fs::write(dir.join("done"), "\n").expect("a file");
    wait_for(&dir.join("go"));
}

/// Opens `count` files that are not there.
pub fn look(dir: &Path, count: u64) {
    for number in 0..count {
        missing(&dir.join(format!("look-{number}")));
    }
}

/// Something to be seen, and a sign that it was done; the exit status tells it from every other end.
fn work(dir: &Path) {
    for number in 0..200 {
        missing(&dir.join(format!("look-{number}")));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    std::fs::write(dir.join("worked"), "\n").expect("a file");
    std::process::exit(7);
}

fn missing(path: &Path) {
    sys(libc::SYS_open, &[at(&c(crate::sys::bytes(path))), 0]);
}

fn ignore_job_control() {
    for signal in [libc::SIGTTOU, libc::SIGTTIN, libc::SIGTSTP] {
        // SAFETY: ignoring a signal needs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

fn wait_for(file: &Path) {
    let end = Instant::now() + LIFETIME;
    while !file.exists() && Instant::now() < end {
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
