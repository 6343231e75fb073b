//! From the configuration's patterns to cgroups: which directories of the hierarchy are agents.
//!
//! Not for: noticing cgroups made later (the sensor sees cgroup_mkdir; ask [`Resolver::matches`] with the path then).

use crate::cgroup::{Cgroup, Descend, Mount, Walk, WalkLimits};
use globset::{GlobBuilder, GlobMatcher};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How an agent's cgroups are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// A glob over paths below the mount: `/user.slice/**/claude*.scope`. `*` stays within one level, `**` does not.
    Path(String),
    /// A systemd unit: every cgroup directory of that name, wherever it is.
    Unit(String),
}

/// A pattern that is no glob.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a path pattern: {reason}")]
pub struct PatternError {
    /// What was given.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Debug)]
enum Matcher {
    Path(GlobMatcher),
    Unit(OsString),
}

/// Compiled patterns; the index of a pattern stands for its agent.
#[derive(Debug)]
pub struct Resolver {
    matchers: Vec<Matcher>,
}

/// What a walk found.
#[derive(Debug)]
pub struct Found {
    /// Index of the pattern and the topmost cgroup that it names.
    pub cgroups: Vec<(usize, Cgroup)>,
    /// How complete it is.
    pub walk: Walk,
}

impl Resolver {
    /// Compiles patterns.
    ///
    /// # Errors
    /// [`PatternError`] for the first that is no glob, not absolute, or no unit name.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> Result<Self, PatternError> {
        Ok(Self { matchers: patterns.into_iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// The first pattern that names this cgroup, given by path below the mount (`/system.slice/x.service`).
    #[must_use]
    pub fn matches(&self, below_mount: &Path) -> Option<usize> {
        self.matchers.iter().position(|matcher| match matcher {
            Matcher::Path(glob) => glob.is_match(below_mount),
            Matcher::Unit(name) => below_mount.file_name() == Some(name),
        })
    }

    /// Finds the topmost cgroups that the patterns name. What is nested in one belongs to it.
    #[must_use]
    pub fn resolve(&self, mount: &Mount, limits: WalkLimits) -> Found {
        let mut cgroups = Vec::new();
        let mut unreadable = 0;
        let mut walk = mount.root().walk(limits, |cgroup, _| match self.matches(&mount.relative(cgroup)) {
            Some(index) => {
                match cgroup.try_clone() {
                    Ok(held) => cgroups.push((index, held)),
                    Err(_) => unreadable += 1,
                }
                Descend::No
            }
            None => Descend::Yes,
        });
        walk.unreadable += unreadable;
        Found { cgroups, walk }
    }
}

fn compile(pattern: &Pattern) -> Result<Matcher, PatternError> {
    let refuse = |pattern: &str, reason: String| PatternError { pattern: pattern.to_owned(), reason };
    match pattern {
        Pattern::Path(path) if !path.starts_with('/') || path.trim_matches('/').is_empty() => {
            Err(refuse(path, "it must begin with / and name something below the mount".to_owned()))
        }
        Pattern::Path(path) => {
            let glob = GlobBuilder::new(path.trim_end_matches('/')).literal_separator(true).backslash_escape(false).build();
            glob.map(|glob| Matcher::Path(glob.compile_matcher())).map_err(|error| refuse(path, error.kind().to_string()))
        }
        Pattern::Unit(unit) if is_unit(unit) => Ok(Matcher::Unit(OsStr::from_bytes(unit.as_bytes()).to_owned())),
        Pattern::Unit(unit) => Err(refuse(unit, "a unit that has a cgroup ends in .service, .scope, .slice, .socket or .mount".to_owned())),
    }
}

fn is_unit(unit: &str) -> bool {
    let suffixes = [".service", ".scope", ".slice", ".socket", ".mount", ".swap"];
    !unit.contains('/') && suffixes.iter().any(|suffix| unit.len() > suffix.len() && unit.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::testing::{Scratch, scratch};

    fn resolver(patterns: &[Pattern]) -> Result<Resolver, PatternError> {
        Resolver::new(patterns)
    }

    #[test]
    fn a_star_stays_within_a_level_and_systemd_escapes_are_literal() {
        let path = |path: &str| Pattern::Path(path.to_owned());
        let patterns = [path("/user.slice/**/claude*.scope"), path("/a/*/b"), path(r"/x\x2dy"), Pattern::Unit("c.service".into())];
        let resolver = resolver(&patterns).unwrap();
        for (cgroup, index) in [
            ("/user.slice/user-1000.slice/user@1000.service/claude-7.scope", Some(0)),
            ("/user.slice/claude.scope", Some(0)),
            ("/user.slice/claude/x.scope", None),
            ("/a/q/b", Some(1)),
            ("/a/q/r/b", None),
            (r"/x\x2dy", Some(2)),
            ("/system.slice/c.service", Some(3)),
            ("/system.slice/c.service/inner", None),
        ] {
            assert_eq!(resolver.matches(Path::new(cgroup)), index, "{cgroup}");
        }
    }

    #[test]
    fn patterns_that_would_name_everything_or_nothing_are_refused() {
        for (pattern, message) in [
            (Pattern::Path("claude*".into()), "`claude*` is not a path pattern: it must begin with / and name something below the mount"),
            (Pattern::Path("//".into()), "`//` is not a path pattern: it must begin with / and name something below the mount"),
            (Pattern::Path("/a[".into()), "`/a[` is not a path pattern: unclosed character class; missing ']'"),
        ] {
            assert_eq!(resolver(&[pattern]).unwrap_err().to_string(), message);
        }
        assert!(resolver(&[Pattern::Unit("claude".into())]).is_err());
        assert!(resolver(&[Pattern::Unit("../x.service".into())]).is_err());
    }

    #[test]
    fn the_topmost_cgroup_stands_for_what_is_nested_in_it() {
        let Some(Scratch { mount, cgroup }) = &scratch("resolve") else { return };
        let unit = format!("{}.service", cgroup.name().display());
        let outer = cgroup.create_child(OsStr::new(&unit)).unwrap();
        outer.create_child(OsStr::new(&unit)).unwrap();
        cgroup.create_child(OsStr::new("one.scope")).unwrap();
        let patterns = [Pattern::Path(format!("{}/*.scope", mount.relative(cgroup).display())), Pattern::Unit(unit)];
        let found = resolver(&patterns).unwrap().resolve(mount, WalkLimits::default());
        let mut names: Vec<_> = found.cgroups.iter().map(|(index, cgroup)| (*index, cgroup.path().to_owned())).collect();
        names.sort();
        assert_eq!(names, [(0, cgroup.path().join("one.scope")), (1, outer.path().to_owned())]);
        assert!(!found.walk.truncated);
    }
}
