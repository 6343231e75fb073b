//! Finding an agent's processes outside its cgroups: the kernel's own list of members, less those that are inside.
//!
//! A chain of forks, each process of which makes the next and ends, is gone from wherever it was listed by the time the
//! whole list was read; it is chased from process id to process id. Runs on the verifying thread of the breaker. Not for:
//! killing them (`crate::response::escapee`).

use crate::agents::AgentCgroups;
use crate::cgroup::Mount;
use crate::event::{AgentId, ProcessKey};
use crate::response::Relist;
use crate::response::escapee::{Escapee, EscapeeError, Outsider};
use crate::sensor::{Members, SensorError};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Steps of a chase.
const CHASE_MAX: usize = 1_000;

/// Lists what is outside now, each time it is called.
pub fn relist(members: Members, agent: AgentId, cgroups: &AgentCgroups, mount: &Mount) -> Relist {
    let roots: Vec<PathBuf> = cgroups.roots().iter().map(|root| mount.relative(root)).collect();
    let finder = Finder { members, agent, roots };
    Box::new(move || finder.list())
}

struct Finder {
    members: Members,
    agent: AgentId,
    /// Below the mount.
    roots: Vec<PathBuf>,
}

impl Finder {
    fn list(&self) -> Vec<Outsider> {
        let (mut outside, mut inside, mut ended) = (Vec::new(), HashSet::new(), None);
        for pid in self.all() {
            match is_outside(pid, &self.roots) {
                Some(false) => drop(inside.insert(pid)),
                Some(true) => match self.hold(pid) {
                    Ok(Some(escapee)) => outside.push(Outsider::Held(escapee)),
                    // The process id of agentmon itself, or no descriptor left.
                    Err(_) => {}
                    Ok(None) => ended = Some(pid),
                },
                None => ended = Some(pid),
            }
        }
        match ended {
            Some(pid) if outside.is_empty() => self.chase(pid, &inside),
            _ => outside,
        }
    }

    /// From a process that ended before it could be looked at to one that lives, if there is one: nothing stands between
    /// finding and holding it but looks into the kernel's table.
    fn chase(&self, mut pid: u32, inside: &HashSet<u32>) -> Vec<Outsider> {
        for _ in 0..CHASE_MAX {
            match self.next(pid) {
                Some(found) if inside.contains(&found) => pid = found + 1,
                Some(found) => match self.hold(found) {
                    Ok(Some(escapee)) => return vec![Outsider::Held(escapee)],
                    Ok(None) => pid = found,
                    Err(_) => pid = found + 1,
                },
                None => match self.all().into_iter().find(|pid| !inside.contains(pid)) {
                    Some(lowest) => pid = lowest,
                    None => return Vec::new(),
                },
            }
        }
        // Not an empty list, which would prove that nothing is outside.
        vec![Outsider::Named(ProcessKey { tgid: pid, start_ns: 0 })]
    }

    /// Not by /proc, which shows those that have ended until somebody has waited for them.
    fn hold(&self, pid: u32) -> Result<Option<Escapee>, EscapeeError> {
        Escapee::hold(pid, || self.next(pid) == Some(pid))
    }

    fn all(&self) -> Vec<u32> {
        self.members.of(self.agent).unwrap_or_else(|error| unlisted(&error))
    }

    fn next(&self, pid: u32) -> Option<u32> {
        self.members.next(self.agent, pid).unwrap_or_else(|error| unlisted(&error))
    }
}

fn unlisted<T: Default>(error: &SensorError) -> T {
    tracing::error!("cannot list the agent's processes: {error}");
    T::default()
}

/// Whether a process is in none of these cgroups; `None` when it is gone.
fn is_outside(pid: u32, roots: &[PathBuf]) -> Option<bool> {
    let text = std::fs::read(format!("/proc/{pid}/cgroup")).ok()?;
    let path = Path::new(OsStr::from_bytes(text.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"0::"))?));
    Some(!roots.iter().any(|root| path.starts_with(root)))
}
