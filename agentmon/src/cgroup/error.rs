//! What can go wrong with a cgroup, named by operation and path.
//!
//! Not for: exit codes (`crate::cli` maps errors to them).

use rustix::io::Errno;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// A path for messages: bytes that are not printable ASCII are escaped, so that a name cannot steer a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// Escapes a path.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.as_os_str().as_bytes().escape_ascii().to_string())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an operation on a cgroup failed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No file system of type cgroup2 is mounted where this process can see it.
    #[error("no cgroup v2 mount")]
    NoMount,
    /// The list of mounts could not be read.
    #[error("cannot read /proc/self/mountinfo: {0}")]
    Mounts(#[source] std::io::Error),
    /// A directory that was to be a cgroup lies on another file system.
    #[error("{path} is not on a cgroup v2 file system")]
    NotCgroup2 {
        /// Which directory.
        path: Shown,
    },
    /// A system call failed.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// What was tried: `open`, `write`.
        operation: &'static str,
        /// On what.
        path: Shown,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// A state was not reached in time.
    #[error("{path} was not {state} after {} ms", waited.as_millis())]
    Deadline {
        /// Which cgroup.
        path: Shown,
        /// `empty`, `frozen`, `thawed` or `removed`.
        state: &'static str,
        /// How long was waited.
        waited: Duration,
    },
}

impl CgroupError {
    pub(super) fn io(operation: &'static str, path: &Path, source: Errno) -> Self {
        Self::Io { operation, path: Shown::new(path), source }
    }

    /// The error number, when a system call failed.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Io { source, .. } => Some(*source),
            _ => None,
        }
    }

    /// Whether the cgroup was removed meanwhile. Only an empty cgroup can be removed, so nothing of it is alive.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.errno(), Some(Errno::NOENT | Errno::NODEV))
    }

    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoMount => Some("mount it: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified"),
            Self::Mounts(_) => Some("/proc must be mounted"),
            Self::NotCgroup2 { .. } => Some("name a directory below the cgroup2 mount: findmnt -t cgroup2"),
            Self::Io { source, .. } => match *source {
                Errno::ACCESS | Errno::PERM => Some("run as root: agentmon needs to write cgroup control files"),
                Errno::ROFS => Some("cgroup2 is mounted read-only here: remount it, or give the container a writable one"),
                Errno::BUSY => Some("the cgroup still has processes, or controllers enabled for its children"),
                _ => None,
            },
            Self::Deadline { .. } => Some("a task may be stuck in the kernel: see /proc/PID/stack of those in cgroup.procs"),
        }
    }
}
