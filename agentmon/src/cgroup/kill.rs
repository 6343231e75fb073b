//! Killing everything in a cgroup and below, and removing the directories afterwards.
//!
//! `cgroup.kill` (Linux 5.14) is one write and catches forks in flight. Before it, the group is frozen first, so that
//! nothing forks away, and every process gets SIGKILL, which works on frozen tasks. Not for: processes outside the
//! cgroup (`crate::response::escapee`).

use super::{Cgroup, CgroupError, Descend, Settled, WalkLimits};
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How a cgroup is killed on this kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillMeans {
    /// One write to `cgroup.kill`.
    Kill,
    /// Freeze, then SIGKILL to each process, again until it is empty.
    FreezeAndSignal,
}

impl Cgroup {
    /// Asks the kernel to kill everything in it and below; returns at once with the means that was used. After
    /// [`KillMeans::FreezeAndSignal`] call [`Self::signal_all`] until it is empty. Killing again is harmless, and a
    /// removed cgroup counts as killed.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn request_kill(&self) -> Result<KillMeans, CgroupError> {
        match self.write("cgroup.kill", b"1") {
            Ok(()) => Ok(KillMeans::Kill),
            // Either the kernel has no cgroup.kill, or the cgroup is gone.
            Err(error) if error.is_gone() => match self.request_freeze() {
                Ok(()) => self.signal_all().map(|_| KillMeans::FreezeAndSignal),
                Err(error) if error.is_gone() => Ok(KillMeans::Kill),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Sends SIGKILL to every process in it and below; returns how many there were. A pid read from a frozen cgroup
    /// cannot be used again before the signal: its process does not run, and only an outsider's SIGKILL ends it.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn signal_all(&self) -> Result<usize, CgroupError> {
        let pids = self.all_procs();
        for pid in pids.iter().filter_map(|pid| i32::try_from(*pid).ok().and_then(Pid::from_raw)) {
            match rustix::process::kill_process(pid, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(source) => return Err(CgroupError::io("kill a process of", &self.path, source)),
            }
        }
        Ok(pids.len())
    }

    /// Process ids in it and below, as far as they can be read.
    #[must_use]
    pub fn all_procs(&self) -> Vec<u32> {
        let mut pids = self.procs().unwrap_or_default();
        self.walk(WalkLimits::default(), |cgroup, _| {
            pids.extend(cgroup.procs().unwrap_or_default());
            Descend::Yes
        });
        pids
    }

    /// Kills everything in it and below, and waits until nothing lives.
    ///
    /// # Errors
    /// [`CgroupError::Io`], [`CgroupError::Deadline`] when something still lives then.
    pub fn kill(&self, within: Duration) -> Result<(), CgroupError> {
        let deadline = Instant::now() + within;
        let means = self.request_kill()?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let step = if means == KillMeans::Kill { left } else { left.min(Duration::from_millis(5)) };
            match self.wait(Settled::Empty, step) {
                Err(CgroupError::Deadline { .. }) if !left.is_zero() && means == KillMeans::FreezeAndSignal => {
                    self.signal_all()?;
                }
                Err(CgroupError::Deadline { path, state, .. }) => {
                    return Err(CgroupError::Deadline { path, state, waited: within });
                }
                done => return done,
            }
        }
    }

    /// Removes the cgroup and every one below it, innermost first; waits while the last processes are still leaving.
    /// One that is gone already is no error.
    ///
    /// # Errors
    /// [`CgroupError::Deadline`] when processes live in it; [`CgroupError::Io`].
    pub fn remove(&self, within: Duration) -> Result<(), CgroupError> {
        let deadline = Instant::now() + within;
        loop {
            match self.remove_once() {
                Ok(()) => return Ok(()),
                Err(error) if error.errno() != Some(Errno::BUSY) => return Err(error),
                Err(_) if Instant::now() >= deadline => {
                    return Err(CgroupError::Deadline { path: self.shown(), state: "removed", waited: within });
                }
                #[expect(clippy::disallowed_methods, reason = "the kernel tells nobody when a dying cgroup can be removed")]
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn remove_once(&self) -> Result<(), CgroupError> {
        let (below, _) = self.descendants(WalkLimits::default());
        for (_, path) in below.iter().rev() {
            let name = path.strip_prefix(&self.path).map_or_else(|_| PathBuf::new(), PathBuf::from);
            gone_is_fine(unlinkat(&self.fd, &name, AtFlags::REMOVEDIR)).map_err(|source| CgroupError::io("remove", path, source))?;
        }
        // A directory has no name of its own to remove it by: it goes by path, and only if that is still this cgroup.
        match Self::open(&self.path) {
            Ok(found) if found.id == self.id => {}
            Ok(_) => return Ok(()),
            Err(error) if error.is_gone() => return Ok(()),
            Err(error) => return Err(error),
        }
        gone_is_fine(rustix::fs::rmdir(&self.path)).map_err(|source| CgroupError::io("remove", &self.path, source))
    }
}

fn gone_is_fine(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT | Errno::NODEV) => Ok(()),
        other => other,
    }
}
