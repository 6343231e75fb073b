//! Where the v2 hierarchy is mounted: `/sys/fs/cgroup` on most hosts, below it on hybrid ones, anywhere in containers.
//!
//! Not for: the v1 hierarchies of a hybrid host.

use super::{Cgroup, CgroupError};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A mount of the v2 hierarchy.
#[derive(Debug)]
pub struct Mount {
    root: Cgroup,
}

impl Mount {
    /// Finds the mount in `/proc/self/mountinfo`. Of several, one that shows the root of the hierarchy wins, then the
    /// shortest path; a mount that is hidden below another is passed over.
    ///
    /// # Errors
    /// [`CgroupError::NoMount`]; [`CgroupError::Mounts`] when the list cannot be read; [`CgroupError::Io`] when the
    /// only candidates cannot be opened.
    pub fn find() -> Result<Self, CgroupError> {
        let table = std::fs::read("/proc/self/mountinfo").map_err(CgroupError::Mounts)?;
        let mut failure = CgroupError::NoMount;
        for point in candidates(&table) {
            match Self::at(&point) {
                Ok(mount) => return Ok(mount),
                Err(CgroupError::NotCgroup2 { .. }) => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Takes this directory as the top of the hierarchy.
    ///
    /// # Errors
    /// As [`Cgroup::open`].
    pub fn at(point: &Path) -> Result<Self, CgroupError> {
        Ok(Self { root: Cgroup::open(point)? })
    }

    /// The topmost cgroup this mount shows.
    #[must_use]
    pub const fn root(&self) -> &Cgroup {
        &self.root
    }

    /// Path of the mount point.
    #[must_use]
    pub fn point(&self) -> &Path {
        self.root.path()
    }

    /// A path of the hierarchy, as /proc/PID/cgroup has it: below the mount, with a leading slash.
    #[must_use]
    pub fn relative(&self, cgroup: &Cgroup) -> PathBuf {
        Path::new("/").join(cgroup.path().strip_prefix(self.point()).unwrap_or(cgroup.path()))
    }

    /// The cgroup that this process is in; the top one where that cannot be told or opened (another cgroup namespace).
    ///
    /// # Errors
    /// As [`Cgroup::open`], of the top one.
    pub fn of_this_process(&self) -> Result<Cgroup, CgroupError> {
        let text = std::fs::read("/proc/self/cgroup").unwrap_or_default();
        let own = v2_path(&text).and_then(|path| self.open(path).ok());
        own.map_or_else(|| self.open(Path::new("/")), Ok)
    }

    /// Opens a cgroup by path: below the mount (`/user.slice/x`) or absolute with the mount point in front.
    ///
    /// # Errors
    /// As [`Cgroup::open`]. A path with `..` is refused as not being on cgroup2.
    pub fn open(&self, path: &Path) -> Result<Cgroup, CgroupError> {
        let below = path.strip_prefix(self.point()).unwrap_or(path);
        let below = below.strip_prefix("/").unwrap_or(below);
        if below.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            return Err(CgroupError::NotCgroup2 { path: super::Shown::new(path) });
        }
        Cgroup::open(&self.point().join(below))
    }
}

/// The path below the v2 mount in the text of a `/proc/PID/cgroup`.
#[must_use]
pub fn v2_path(text: &[u8]) -> Option<&Path> {
    let path = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    Some(Path::new(OsStr::from_bytes(path)))
}

/// Mount points of type cgroup2, best first.
fn candidates(mountinfo: &[u8]) -> Vec<PathBuf> {
    let mut found: Vec<(bool, PathBuf)> = mountinfo.split(|b| *b == b'\n').filter_map(candidate).collect();
    found.sort_by_key(|(shows_root, point)| (!shows_root, point.as_os_str().len()));
    found.into_iter().map(|(_, point)| point).collect()
}

/// `id parent major:minor root point options … - type source options` (proc(5)).
fn candidate(line: &[u8]) -> Option<(bool, PathBuf)> {
    let mut fields = line.split(|b| *b == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    fields.find(|field| *field == b"-")?;
    (fields.next()? == b"cgroup2").then(|| (root == b"/", unescape(point)))
}

/// Spaces and the like stand as `\040` in mountinfo.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::candidates;
    use std::path::PathBuf;

    const HYBRID: &[u8] = b"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";

    #[test]
    fn a_hybrid_host_has_its_v2_mount_below() {
        assert_eq!(candidates(HYBRID), [PathBuf::from("/sys/fs/cgroup/unified")]);
    }

    #[test]
    fn the_mount_that_shows_the_root_wins_and_escapes_are_undone() {
        let table = b"50 1 0:38 /user.slice /a rw - cgroup2 none rw\n\
            51 1 0:38 / /mnt/my\\040cgroups rw - cgroup2 none rw\n\
            52 1 0:38 / /sys/fs/cgroup rw,nosuid shared:4 master:1 - cgroup2 cgroup2 rw\n";
        assert_eq!(candidates(table), ["/sys/fs/cgroup", "/mnt/my cgroups", "/a"].map(PathBuf::from));
    }

    #[test]
    fn a_v1_host_has_none() {
        assert!(candidates(b"39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\ngarbage\n").is_empty());
    }
}
