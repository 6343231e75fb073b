//! Walking down the hierarchy, bounded in depth and number: an agent that may make cgroups can make many.
//!
//! Not for: deciding which of them matter (`crate::agents::resolve`, `crate::response::manual`).

use super::{Cgroup, CgroupError, is_dot};
use crate::event::CgroupId;
use rustix::fs::{Dir, FileType};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How far a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkLimits {
    /// Levels below the start that are visited.
    pub depth: u32,
    /// Cgroups that are visited.
    pub count: usize,
}

impl Default for WalkLimits {
    fn default() -> Self {
        Self { depth: 64, count: 65_536 }
    }
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Cgroups visited.
    pub visited: usize,
    /// Whether a limit cut it short, so that some were not looked at.
    pub truncated: bool,
    /// Directories that could not be opened or listed, other than those that vanished meanwhile.
    pub unreadable: usize,
}

impl Walk {
    /// Whether everything was looked at.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        !self.truncated && self.unreadable == 0
    }
}

impl Cgroup {
    /// Names of the direct children, in no particular order.
    ///
    /// # Errors
    /// [`CgroupError::Io`] when the directory cannot be listed.
    pub fn child_names(&self) -> Result<Vec<OsString>, CgroupError> {
        let failed = |source| CgroupError::io("list", &self.path, source);
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if entry.file_type() == FileType::Directory && !is_dot(name) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Visits every cgroup below this one: upper levels first, so that of a hierarchy beyond the limits the top is
    /// seen. `visit` gets the depth (1 for children) and says whether to go on below. One descriptor at a time is open.
    pub fn walk(&self, limits: WalkLimits, mut visit: impl FnMut(&Self, u32) -> Descend) -> Walk {
        let mut walk = Walk::default();
        let mut queue = VecDeque::new();
        walk.enqueue(&mut queue, self, Path::new(""), 1, limits);
        while let Some((below, depth)) = queue.pop_front() {
            match self.child(below.as_os_str()) {
                Ok(cgroup) => {
                    walk.visited += 1;
                    if visit(&cgroup, depth) == Descend::Yes {
                        walk.enqueue(&mut queue, &cgroup, &below, depth + 1, limits);
                    }
                }
                Err(error) if error.is_gone() => {}
                Err(_) => walk.unreadable += 1,
            }
        }
        walk
    }

    /// Number and path of every cgroup below this one, upper levels first.
    #[must_use]
    pub fn descendants(&self, limits: WalkLimits) -> (Vec<(CgroupId, PathBuf)>, Walk) {
        let mut found = Vec::new();
        let walk = self.walk(limits, |cgroup, _| {
            found.push((cgroup.id(), cgroup.path().to_owned()));
            Descend::Yes
        });
        (found, walk)
    }
}

impl Walk {
    fn enqueue(&mut self, queue: &mut VecDeque<(PathBuf, u32)>, cgroup: &Cgroup, below: &Path, depth: u32, limits: WalkLimits) {
        match cgroup.child_names() {
            Ok(names) => {
                let room = limits.count.saturating_sub(self.visited + queue.len());
                let room = if depth > limits.depth { 0 } else { room };
                self.truncated |= names.len() > room;
                queue.extend(names.into_iter().take(room).map(|name| (below.join(name), depth)));
            }
            Err(error) if error.is_gone() => {}
            Err(_) => self.unreadable += 1,
        }
    }
}

/// Whether a walk goes on below a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descend {
    /// Visit what is below.
    Yes,
    /// Leave it out.
    No,
}
