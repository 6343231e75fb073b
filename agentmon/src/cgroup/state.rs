//! Whether a cgroup is populated or frozen, and waiting until it is: `cgroup.events`, which the kernel signals.
//!
//! Both states count everything below the cgroup as well. Not for: killing (`kill`).

use super::{Cgroup, CgroupError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// No living process in it or below. A removed cgroup is empty.
    Empty,
    /// Every task in it and below has stopped.
    Frozen,
    /// It is not frozen.
    Thawed,
}

impl Settled {
    const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Frozen => "frozen",
            Self::Thawed => "thawed",
        }
    }
}

/// An open `cgroup.events`. Its descriptor raises `POLLPRI` when a state changed since the last read.
#[derive(Debug)]
pub struct EventsFile {
    fd: OwnedFd,
    path: PathBuf,
}

impl EventsFile {
    /// Whether the state is reached now.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn is(&self, wanted: Settled) -> Result<bool, CgroupError> {
        let mut buffer = [0; 256];
        // From offset 0 every time: that read is also what re-arms the poll.
        let length = match rustix::io::pread(&self.fd, &mut buffer, 0) {
            Ok(length) => length,
            // Removed: nothing is left that could be in another state.
            Err(Errno::NODEV) => return Ok(true),
            Err(source) => return Err(CgroupError::io("read", &self.path, source)),
        };
        let value = |key| field(&buffer[..length], key);
        Ok(match wanted {
            Settled::Empty => value(b"populated") == Some(false),
            Settled::Frozen => value(b"frozen") == Some(true),
            Settled::Thawed => value(b"frozen") == Some(false),
        })
    }

    /// For polling several at once.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Waits until the state is reached. `Ok(false)`: not until the deadline.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn wait(&self, wanted: Settled, deadline: Instant) -> Result<bool, CgroupError> {
        loop {
            if self.is(wanted)? {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // The kernel holds notifications back for up to 10 ms (CGROUP_FILE_NOTIFY_MIN_INTV): do not rely on them alone.
            wait_readable(&[self], left.min(Duration::from_millis(1)));
        }
    }
}

/// Waits until one of the files may have changed, or the time is over.
pub(crate) fn wait_readable(files: &[&EventsFile], at_most: Duration) {
    let mut fds: Vec<PollFd<'_>> = files.iter().map(|file| PollFd::from_borrowed_fd(file.fd(), PollFlags::PRI)).collect();
    let time = Timespec { tv_sec: at_most.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: at_most.subsec_nanos().into() };
    // An interrupted or refused poll only means that the states are looked at earlier.
    let _ = poll(&mut fds, Some(&time));
}

impl Cgroup {
    /// Opens its `cgroup.events`. The topmost cgroup has none.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn events(&self) -> Result<EventsFile, CgroupError> {
        Ok(EventsFile { fd: self.open_file("cgroup.events", OFlags::RDONLY)?, path: self.path.join("cgroup.events") })
    }

    /// Whether a living process is in it or below. A removed cgroup is not populated.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn populated(&self) -> Result<bool, CgroupError> {
        match self.events() {
            Ok(events) => Ok(!events.is(Settled::Empty)?),
            Err(error) if error.is_gone() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether every task in it and below is frozen.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn frozen(&self) -> Result<bool, CgroupError> {
        self.events()?.is(Settled::Frozen)
    }

    /// Asks the kernel to stop every task in it and below; returns at once. See [`Self::wait`].
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn request_freeze(&self) -> Result<(), CgroupError> {
        self.write("cgroup.freeze", b"1")
    }

    /// Asks the kernel to let the tasks go on; returns at once. What is nested and frozen by itself stays so.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn request_thaw(&self) -> Result<(), CgroupError> {
        self.write("cgroup.freeze", b"0")
    }

    /// Freezes, and waits until every task has stopped.
    ///
    /// # Errors
    /// [`CgroupError::Io`], [`CgroupError::Deadline`].
    pub fn freeze(&self, within: Duration) -> Result<(), CgroupError> {
        self.request_freeze()?;
        self.wait(Settled::Frozen, within)
    }

    /// Thaws, and waits until the kernel says so.
    ///
    /// # Errors
    /// [`CgroupError::Io`], [`CgroupError::Deadline`].
    pub fn thaw(&self, within: Duration) -> Result<(), CgroupError> {
        self.request_thaw()?;
        self.wait(Settled::Thawed, within)
    }

    /// Waits for a state.
    ///
    /// # Errors
    /// [`CgroupError::Io`], [`CgroupError::Deadline`].
    pub fn wait(&self, wanted: Settled, within: Duration) -> Result<(), CgroupError> {
        let events = match self.events() {
            Ok(events) => events,
            Err(error) if error.is_gone() && wanted == Settled::Empty => return Ok(()),
            Err(error) => return Err(error),
        };
        if events.wait(wanted, Instant::now() + within)? {
            return Ok(());
        }
        Err(CgroupError::Deadline { path: self.shown(), state: wanted.name(), waited: within })
    }

    /// Waits until no living process is in it or below.
    ///
    /// # Errors
    /// [`CgroupError::Io`], [`CgroupError::Deadline`].
    pub fn wait_empty(&self, within: Duration) -> Result<(), CgroupError> {
        self.wait(Settled::Empty, within)
    }
}

/// `populated 1\nfrozen 0\n`.
fn field(text: &[u8], key: &[u8]) -> Option<bool> {
    text.split(|b| *b == b'\n').find_map(|line| match line.strip_prefix(key)? {
        b" 0" => Some(false),
        b" 1" => Some(true),
        _ => None,
    })
}
