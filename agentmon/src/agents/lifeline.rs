//! The lifeline of a started agent: when agentmon dies, by whatever means, the agent is killed within milliseconds.
//!
//! A started agent must not run unwatched. `PR_SET_PDEATHSIG` reaches the direct child only, is lost at a set-user-id
//! exec, and fires when the *thread* that forked ends. So a forked guard process waits on a pipe whose other end only
//! agentmon holds; when that closes without a farewell it writes the agent's `cgroup.kill` (before Linux 5.14
//! `cgroup.freeze`). It is outside the agent's cgroup and in a session of its own, so neither Ctrl-C nor the agent's
//! group signals reach it; an agent that runs as root can still kill it first. Not for: agents that agentmon only
//! watches (they were there before it).

use crate::cgroup::{Cgroup, CgroupError, Shown};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, waitpid};

/// Kills the agent when it is dropped, with this process or before, unless it is released.
#[derive(Debug)]
pub struct Lifeline {
    pipe: Option<OwnedFd>,
    guard: Pid,
}

impl Lifeline {
    /// Starts the guard of a cgroup. Call it before the agent's command is started.
    ///
    /// # Errors
    /// [`CgroupError::Io`] when the cgroup's files cannot be opened, or no process or pipe can be had.
    pub fn tie(cgroup: &Cgroup) -> Result<Self, CgroupError> {
        let failed = |source| CgroupError::Io { operation: "start the guard of", path: Shown::new(cgroup.path()), source };
        let file = match cgroup.open_file("cgroup.kill", OFlags::WRONLY) {
            Err(error) if error.errno() == Some(Errno::NOENT) => cgroup.open_file("cgroup.freeze", OFlags::WRONLY)?,
            opened => opened?,
        };
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        let (file_number, read_number) = (file.as_raw_fd(), read.as_raw_fd());
        // SAFETY: fork in a process that may have threads: the child calls async-signal-safe functions only (`guard`)
        // and never returns.
        match unsafe { libc::fork() } {
            -1 => Err(failed(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::AGAIN))),
            0 => guard(read_number, file_number),
            pid => Ok(Self { pipe: Some(write), guard: Pid::from_raw(pid).ok_or_else(|| failed(Errno::CHILD))? }),
        }
    }

    /// Lets the guard go without acting.
    pub fn release(self) {
        if let Some(pipe) = &self.pipe {
            // If the guard is gone already there is nothing to release.
            while rustix::io::write(pipe, b"!") == Err(Errno::INTR) {}
        }
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.pipe = None;
        while matches!(waitpid(Some(self.guard), WaitOptions::empty()), Err(Errno::INTR)) {}
    }
}

/// The guard's whole life. Runs in a forked child, where only async-signal-safe functions may be called.
fn guard(pipe: i32, file: i32) -> ! {
    // SAFETY: plain system calls on numbers and on memory of this frame; no allocation, no locks, no return. The
    // descriptors were open at the fork and are copied to 0 and 1 before everything else is closed.
    unsafe {
        libc::setsid();
        libc::chdir(c"/".as_ptr());
        libc::prctl(libc::PR_SET_NAME, c"agentmon-guard".as_ptr());
        // All signals: the guard ends through its pipe (or SIGKILL).
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
        // Upwards first, in case one of them is 0 or 1 itself.
        let (pipe, file) = (libc::fcntl(pipe, libc::F_DUPFD, 3), libc::fcntl(file, libc::F_DUPFD, 3));
        libc::dup2(pipe, 0);
        libc::dup2(file, 1);
        libc::dup2(0, 2);
        if libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) != 0 {
            for number in 3..1024 {
                libc::close(number);
            }
        }
        let mut byte = 0_u8;
        loop {
            match libc::read(0, (&raw mut byte).cast(), 1) {
                -1 if *libc::__errno_location() == libc::EINTR => {}
                1 => libc::_exit(0),
                // The end of the pipe; any error as well: better a stopped agent than an unwatched one.
                _ => break,
            }
        }
        libc::write(1, c"1".as_ptr().cast(), 1);
        libc::_exit(0)
    }
}
