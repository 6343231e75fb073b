//! What an agent is expected to do: the lists of its configuration, and the questions that rules ask of them.
//!
//! A list only says; it forbids nothing. An agent without a list has no answer to its question, which is neither yes nor no.
//! Not for: what an agent has done so far (`crate::process::Memory`).

mod destination;
mod learned;
mod serial;

pub use destination::Destination;
pub use learned::Learned;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;

/// The lists of one agent. The default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AllowList {
    /// Directories in which the agent works.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workdir: Vec<Directory>,
    /// Programs that it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executables: Option<Globs>,
    /// Where it connects and sends to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destinations: Option<Vec<Destination>>,
    /// Files outside its work directory that it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Globs>,
    /// Files outside its work directory that it writes, makes and removes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<Globs>,
    /// Ports that it listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<RangeInclusive<u16>>>,
}

impl AllowList {
    /// Whether nothing is expected of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it runs this program.
    #[must_use]
    pub fn runs(&self, image: &[u8]) -> Option<bool> {
        Some(self.executables.as_ref()?.contain(image))
    }

    /// Whether it reads this file outside its work directory.
    #[must_use]
    pub fn reads(&self, path: &[u8]) -> Option<bool> {
        // What may be written may be read.
        let written = || self.write.as_ref().is_some_and(|globs| globs.contain(path));
        Some(self.read.as_ref()?.contain(path) || written())
    }

    /// Whether it writes this file outside its work directory.
    #[must_use]
    pub fn writes(&self, path: &[u8]) -> Option<bool> {
        Some(self.write.as_ref()?.contain(path))
    }

    /// Whether it connects there. `name` is the name by which the address was looked up: the resolver's word.
    #[must_use]
    pub fn reaches(&self, ip: IpAddr, port: u16, name: Option<&[u8]>) -> Option<bool> {
        let ip = ip.to_canonical();
        Some(self.destinations.as_ref()?.iter().any(|destination| destination.contains(ip, port, name)))
    }

    /// Whether it listens on this port.
    #[must_use]
    pub fn binds(&self, port: u16) -> Option<bool> {
        Some(self.ports.as_ref()?.iter().any(|range| range.contains(&port)))
    }
}

/// A directory and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory(Box<[u8]>);

impl Directory {
    /// Takes an absolute path; `None` for one that is relative, the root, or has `.` or `..` in it.
    #[must_use]
    pub fn new(path: &[u8]) -> Option<Self> {
        let path = path.strip_prefix(b"/")?;
        let trimmed = path.strip_suffix(b"/").unwrap_or(path);
        let plain = trimmed.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
        plain.then(|| Self([b"/", trimmed].concat().into()))
    }

    /// Whether this absolute path is it, or below it.
    #[must_use]
    pub fn contains(&self, path: &[u8]) -> bool {
        path.strip_prefix(&*self.0).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
    }
}

/// Patterns of absolute paths: `*` stays within one level, `**` does not.
#[derive(Clone, Debug)]
pub struct Globs {
    patterns: Vec<String>,
    set: GlobSet,
}

impl Globs {
    /// Compiles patterns.
    ///
    /// # Errors
    /// The index of the first that is no pattern of absolute paths, and why.
    pub fn new(patterns: Vec<String>) -> Result<Self, (usize, String)> {
        let mut set = GlobSetBuilder::new();
        for (index, pattern) in patterns.iter().enumerate() {
            if !pattern.starts_with('/') {
                return Err((index, "a path begins with /".to_owned()));
            }
            let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(false).build();
            set.add(glob.map_err(|error| (index, error.kind().to_string()))?);
        }
        let set = set.build().map_err(|error| (0, error.kind().to_string()))?;
        Ok(Self { patterns, set })
    }

    /// Whether a pattern names this path.
    #[must_use]
    pub fn contain(&self, path: &[u8]) -> bool {
        self.set.is_match_candidate(&Candidate::new(OsStr::from_bytes(path)))
    }
}

impl PartialEq for Globs {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Globs {}

#[cfg(test)]
mod tests {
    use super::{AllowList, Directory, Globs};

    #[test]
    fn a_directory_has_what_is_below_it_and_not_what_only_begins_so() {
        let directory = Directory::new(b"/work/repo/").unwrap();
        for (path, inside) in [("/work/repo", true), ("/work/repo/a", true), ("/work/repository", false), ("/work", false), ("", false)] {
            assert_eq!(directory.contains(path.as_bytes()), inside, "{path}");
        }
        for path in ["", "/", "work", "/work/../etc", "/work//repo", "/./x"] {
            assert!(Directory::new(path.as_bytes()).is_none(), "{path}");
        }
    }

    #[test]
    fn a_star_stays_within_a_level_and_bytes_need_not_be_text() {
        let globs = Globs::new(vec!["/a/*".to_owned(), "/b/**".to_owned()]).unwrap();
        for (path, named) in [(&b"/a/x"[..], true), (b"/a/x/y", false), (b"/b/x/y", true), (b"/b/\xff", true), (b"/c", false)] {
            assert_eq!(globs.contain(path), named, "{}", path.escape_ascii());
        }
        assert_eq!(Globs::new(vec!["/a".to_owned(), "b".to_owned()]).unwrap_err().0, 1);
    }

    #[test]
    fn an_agent_without_a_list_has_no_answer() {
        let none = AllowList::default();
        assert_eq!((none.runs(b"/bin/sh"), none.reads(b"/x"), none.writes(b"/x"), none.binds(80)), (None, None, None, None));
        assert_eq!(none.reaches([127, 0, 0, 1].into(), 80, None), None);
        let ports = AllowList { ports: Some(vec![3000..=3009]), ..AllowList::default() };
        assert_eq!((ports.binds(3009), ports.binds(3010)), (Some(true), Some(false)));
    }
}
