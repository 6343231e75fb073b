//! The cgroup v2 file system: directories held by descriptor, and the few control files agentmon reads and writes.
//!
//! A [`Cgroup`] is the directory it was opened as: every file is opened relative to that descriptor, so a directory
//! that is renamed or replaced cannot redirect a kill. Not for: which cgroup is whose (`crate::agents`), and when to
//! stop one (`crate::response`). Names below a delegated cgroup are the agent's to choose, so they are shown escaped.

mod error;
mod hold;
mod kill;
mod mark;
mod mount;
mod state;
mod walk;

pub use error::{CgroupError, Shown};
pub use kill::KillMeans;
pub use mark::{KillMark, Mark};
pub use mount::{Mount, v2_path};
pub(crate) use state::wait_readable;
pub use state::{EventsFile, Settled};
pub use walk::{Descend, Walk, WalkLimits};

use crate::event::CgroupId;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fstat, mkdirat, openat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One directory of the v2 hierarchy, held open.
#[derive(Debug)]
pub struct Cgroup {
    fd: OwnedFd,
    id: CgroupId,
    path: PathBuf,
}

impl Cgroup {
    /// Opens a directory of the v2 hierarchy by absolute path. The last component may not be a symbolic link.
    ///
    /// # Errors
    /// [`CgroupError::Io`] when it cannot be opened, [`CgroupError::NotCgroup2`] when it lies on another file system.
    pub fn open(path: &Path) -> Result<Self, CgroupError> {
        let fd = rustix::fs::open(path, DIRECTORY, Mode::empty()).map_err(|source| CgroupError::io("open", path, source))?;
        let kind = rustix::fs::fstatfs(&fd).map_err(|source| CgroupError::io("inspect", path, source))?;
        // The width of f_type differs between architectures; the magic fits all of them.
        if u64::try_from(kind.f_type).ok() != Some(CGROUP2_SUPER_MAGIC) {
            return Err(CgroupError::NotCgroup2 { path: Shown::new(path) });
        }
        Self::from_fd(fd, path.to_owned())
    }

    /// Opens a direct child, or by relative path one further below.
    ///
    /// # Errors
    /// [`CgroupError::Io`], `ENOENT` when there is none of that name.
    pub fn child(&self, name: &OsStr) -> Result<Self, CgroupError> {
        let path = self.path.join(name);
        let fd = openat(&self.fd, name, DIRECTORY, Mode::empty()).map_err(|source| CgroupError::io("open", &path, source))?;
        Self::from_fd(fd, path)
    }

    /// Makes a direct child and opens it. A child that exists is an error.
    ///
    /// # Errors
    /// [`CgroupError::Io`], `EEXIST` when it exists.
    pub fn create_child(&self, name: &OsStr) -> Result<Self, CgroupError> {
        let made = mkdirat(&self.fd, name, Mode::from_raw_mode(0o755));
        made.map_err(|source| CgroupError::io("create", &self.path.join(name), source))?;
        self.child(name)
    }

    /// Opens a direct child, making it first when there is none.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn ensure_child(&self, name: &OsStr) -> Result<Self, CgroupError> {
        match self.create_child(name) {
            Err(error) if error.errno() == Some(Errno::EXIST) => self.child(name),
            made => made,
        }
    }

    /// A second handle on the same directory.
    ///
    /// # Errors
    /// [`CgroupError::Io`] when no descriptor is left.
    pub fn try_clone(&self) -> Result<Self, CgroupError> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, 3).map_err(|source| CgroupError::io("open", &self.path, source))?;
        Ok(Self { fd, id: self.id, path: self.path.clone() })
    }

    fn from_fd(fd: OwnedFd, path: PathBuf) -> Result<Self, CgroupError> {
        let stat = fstat(&fd).map_err(|source| CgroupError::io("inspect", &path, source))?;
        Ok(Self { fd, id: CgroupId(stat.st_ino), path })
    }

    /// The kernel's number of this cgroup: the inode of its directory.
    #[must_use]
    pub const fn id(&self) -> CgroupId {
        self.id
    }

    /// Where it was when it was opened. For people and for messages: operations go through the descriptor.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path with every byte that is not printable ASCII escaped.
    #[must_use]
    pub fn shown(&self) -> Shown {
        Shown::new(&self.path)
    }

    /// The last component of the path.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// The directory's descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Process ids directly in this cgroup, those of nested cgroups not included. 0 stands for a process that our pid
    /// namespace does not show.
    ///
    /// # Errors
    /// [`CgroupError::Io`]; `EOPNOTSUPP` in a threaded cgroup.
    pub fn procs(&self) -> Result<Vec<u32>, CgroupError> {
        self.numbers("cgroup.procs")
    }

    /// Number of processes directly in this cgroup, without going on once `at_most` was reached: cheap for a fork bomb.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn count_procs(&self, at_most: usize) -> Result<usize, CgroupError> {
        let file = self.open_file("cgroup.procs", OFlags::RDONLY)?;
        let (mut count, mut buffer) = (0, [0; 1024]);
        while count < at_most {
            let read = rustix::io::read(&file, &mut buffer);
            match read.map_err(|source| CgroupError::io("read", &self.path.join("cgroup.procs"), source))? {
                0 => break,
                length => count += buffer[..length].iter().filter(|b| **b == b'\n').count(),
            }
        }
        Ok(count)
    }

    /// Thread ids directly in this cgroup.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn threads(&self) -> Result<Vec<u32>, CgroupError> {
        self.numbers("cgroup.threads")
    }

    /// Moves a process, with all its threads, into this cgroup.
    ///
    /// # Errors
    /// [`CgroupError::Io`]: `ESRCH` when it is gone, `EBUSY` when controllers are enabled for the children.
    pub fn add(&self, pid: u32) -> Result<(), CgroupError> {
        self.write("cgroup.procs", pid.to_string().as_bytes())
    }

    /// Opens one of its files.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn open_file(&self, name: &str, flags: OFlags) -> Result<OwnedFd, CgroupError> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        openat(&self.fd, name, flags, Mode::empty()).map_err(|source| CgroupError::io("open", &self.path.join(name), source))
    }

    /// Reads a whole file of it.
    ///
    /// # Errors
    /// [`CgroupError::Io`]; see [`CgroupError::is_gone`] for a cgroup that was removed meanwhile.
    pub fn read(&self, name: &str) -> Result<String, CgroupError> {
        let mut file = std::fs::File::from(self.open_file(name, OFlags::RDONLY)?);
        let mut text = String::new();
        let read = file.read_to_string(&mut text);
        read.map_err(|error| CgroupError::io("read", &self.path.join(name), errno_of(&error)))?;
        Ok(text)
    }

    /// Writes a file of it, in one `write`.
    ///
    /// # Errors
    /// [`CgroupError::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CgroupError> {
        let file = self.open_file(name, OFlags::WRONLY)?;
        loop {
            match rustix::io::write(&file, bytes) {
                Err(Errno::INTR) => {}
                Err(source) => return Err(CgroupError::io("write", &self.path.join(name), source)),
                Ok(_) => return Ok(()),
            }
        }
    }

    fn numbers(&self, name: &str) -> Result<Vec<u32>, CgroupError> {
        Ok(self.read(name)?.lines().filter_map(|line| line.parse().ok()).collect())
    }
}

/// How every directory is opened: readable, because extended attributes and listings need more than `O_PATH`.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// `include/uapi/linux/magic.h`.
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;

fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}

/// Whether a directory entry is `.` or `..`.
fn is_dot(name: &OsStr) -> bool {
    matches!(name.as_bytes(), b"." | b"..")
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
