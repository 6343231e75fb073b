//! Processes of an agent that left its cgroups: killed or brought back, each through a pidfd and only after its start
//! time was compared, so that a pid that is used again is never hit.
//!
//! SIGSTOP is not used to freeze them: any process of the same user could undo it. Not for: finding them (the process
//! table and the kernel's sticky membership know).

use crate::cgroup::{Cgroup, CgroupError};
use crate::event::ProcessKey;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Why an escaped process could not be dealt with.
#[derive(Debug, thiserror::Error)]
pub enum EscapeeError {
    /// A system call failed.
    #[error("cannot {operation} process {pid}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Which process.
        pid: u32,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// It could not be brought back into the agent's cgroup.
    #[error("cannot bring process {pid} back: {source}")]
    Move {
        /// Which process.
        pid: u32,
        /// What the cgroup said.
        #[source]
        source: CgroupError,
    },
    /// The process ended while it was being moved, so that another with its pid may have been moved instead.
    #[error("process {pid} ended while it was brought back; see that nothing else with this pid was frozen")]
    Replaced {
        /// Which process.
        pid: u32,
    },
    /// pid 1 or agentmon itself: never an agent's.
    #[error("process {pid} is not an agent's: refused")]
    Refused {
        /// Which process.
        pid: u32,
    },
}

/// A process that was certainly the right one when it was taken, and whose descriptor stays with it.
#[derive(Debug)]
pub struct Escapee {
    key: ProcessKey,
    pidfd: OwnedFd,
}

/// A process outside its agent's cgroups.
#[derive(Debug)]
pub enum Outsider {
    /// By its identity: it may be over by now.
    Named(ProcessKey),
    /// Held already.
    Held(Escapee),
}

impl Outsider {
    /// Which process it is.
    #[must_use]
    pub const fn key(&self) -> ProcessKey {
        match self {
            Self::Named(key) => *key,
            Self::Held(escapee) => escapee.key(),
        }
    }
}

impl Escapee {
    /// Takes a process that may end any moment: `is_still` says, once its descriptor is held, whether the process id
    /// still is the agent's, which proves that the descriptor is. `Ok(None)`: it is over.
    ///
    /// # Errors
    /// [`EscapeeError::Refused`], [`EscapeeError::Io`], and that of `is_still`.
    pub fn hold<E: From<EscapeeError>>(pid: u32, is_still: impl FnOnce() -> Result<bool, E>) -> Result<Option<Self>, E> {
        let Some(pidfd) = open(pid)? else { return Ok(None) };
        let Some(key) = key_of(pid)? else { return Ok(None) };
        Ok(is_still()?.then_some(Self { key, pidfd }))
    }

    /// Takes a process. `Ok(None)`: it is over, whether or not its pid is in use again.
    ///
    /// # Errors
    /// [`EscapeeError::Refused`], [`EscapeeError::Io`].
    pub fn take(key: ProcessKey) -> Result<Option<Self>, EscapeeError> {
        let pid = key.tgid;
        let Some(pidfd) = open(pid)? else { return Ok(None) };
        // After pidfd_open, never before: then a match means that the descriptor is this very process.
        Ok(start_ticks(pid)?.filter(|ticks| same_start(key.start_ns, *ticks)).map(|_| Self { key, pidfd }))
    }

    /// Which process it is.
    #[must_use]
    pub const fn key(&self) -> ProcessKey {
        self.key
    }

    /// Sends SIGKILL. A process that ended meanwhile is no error.
    ///
    /// # Errors
    /// [`EscapeeError::Io`].
    pub fn kill(&self) -> Result<(), EscapeeError> {
        match pidfd_send_signal(&self.pidfd, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(source) => Err(EscapeeError::Io { operation: "kill", pid: self.key.tgid, source }),
        }
    }

    /// Whether it has ended; a zombie has.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1))
    }

    /// Moves it into a cgroup of its agent, where it is frozen and killed with the others. The kernel takes a pid here,
    /// not a descriptor; that the process was still alive afterwards shows that the pid was its own all the time.
    ///
    /// # Errors
    /// [`EscapeeError::Move`], [`EscapeeError::Replaced`]. A process that ended before is no error.
    pub fn bring_back(&self, to: &Cgroup) -> Result<(), EscapeeError> {
        let pid = self.key.tgid;
        if self.is_dead() {
            return Ok(());
        }
        match to.add(pid) {
            Ok(()) if self.is_dead() => Err(EscapeeError::Replaced { pid }),
            Ok(()) => Ok(()),
            Err(error) if error.errno() == Some(Errno::SRCH) => Ok(()),
            Err(source) => Err(EscapeeError::Move { pid, source }),
        }
    }
}

/// `Ok(None)`: there is none.
fn open(pid: u32) -> Result<Option<OwnedFd>, EscapeeError> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(EscapeeError::Refused { pid })?;
    if pid == 1 || pid == std::process::id() {
        return Err(EscapeeError::Refused { pid });
    }
    match pidfd_open(number, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Some(pidfd)),
        // EINVAL: the pid now belongs to a thread, so no process has it.
        Err(Errno::SRCH | Errno::INVAL) => Ok(None),
        Err(source) => Err(EscapeeError::Io { operation: "open", pid, source }),
    }
}

/// The key of a process that lives now, as exact as /proc knows it: its start time is rounded down to a clock tick.
///
/// # Errors
/// [`EscapeeError::Io`] when nobody can say. `Ok(None)`: there is none.
pub fn key_of(pid: u32) -> Result<Option<ProcessKey>, EscapeeError> {
    Ok(start_ticks(pid)?.map(|ticks| ProcessKey { tgid: pid, start_ns: ticks.saturating_mul(tick_ns()) }))
}

/// A file of a process below /proc. `Ok(None)`: the process is over.
///
/// # Errors
/// [`EscapeeError::Io`]: no descriptor is left, for example, which says nothing of the process.
pub fn proc_file(pid: u32, name: &str) -> Result<Option<Vec<u8>>, EscapeeError> {
    match std::fs::read(format!("/proc/{pid}/{name}")) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::SRCH) => Ok(None),
            errno => Err(EscapeeError::Io { operation: "look at", pid, source: errno.unwrap_or(Errno::IO) }),
        },
    }
}

/// Field 22 of /proc/PID/stat. The name in field 2 may hold spaces and parentheses: fields count from the last one.
fn start_ticks(pid: u32) -> Result<Option<u64>, EscapeeError> {
    let Some(stat) = proc_file(pid, "stat")? else { return Ok(None) };
    let field = || {
        let after_name = stat.iter().rposition(|b| *b == b')')?;
        let fields = std::str::from_utf8(stat.get(after_name + 1..)?).ok()?;
        fields.split_ascii_whitespace().nth(19)?.parse().ok()
    };
    field().map(Some).ok_or(EscapeeError::Io { operation: "read the start time of", pid, source: Errno::INVAL })
}

/// The kernel rounds down to a tick; one more is allowed, as /proc may add an offset with a rounding of its own (time
/// namespaces). A pid cannot be used again within two ticks: the kernel hands out all the others first.
fn same_start(start_ns: u64, ticks: u64) -> bool {
    (start_ns / tick_ns()).abs_diff(ticks) <= 1
}

fn tick_ns() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
}
