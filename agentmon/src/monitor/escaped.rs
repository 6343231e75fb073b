//! Finding an agent's processes outside its cgroups: the kernel's own list of members, less those that are inside.
//!
//! A chain of forks, each process of which makes the next and ends, is gone from wherever it was listed by the time the
//! whole list was read; it is chased from process id to process id. Runs on the verifying thread of the breaker. Not for:
//! killing them (`crate::response::escapee`).

use crate::agents::AgentCgroups;
use crate::cgroup::{Mount, v2_path};
use crate::event::AgentId;
use crate::response::Relist;
use crate::response::escapee::{Escapee, EscapeeError, Outsider, proc_file};
use crate::sensor::{Members, SensorError};
use std::collections::HashSet;
use std::path::PathBuf;

/// Steps of a chase.
const CHASE_MAX: usize = 1_000;

/// Why nobody can say which processes are outside.
#[derive(Debug, thiserror::Error)]
enum Unlisted {
    /// The kernel's list cannot be read.
    #[error("cannot list the agent's processes: {0}")]
    Table(#[from] SensorError),
    /// A process cannot be looked at or held.
    #[error(transparent)]
    Process(#[from] EscapeeError),
    /// The chase was given up.
    #[error("processes end and follow one another faster than they can be caught, last at process id {0}")]
    Chase(u32),
}

/// Lists what is outside now, each time it is called.
pub fn relist(members: Members, agent: AgentId, cgroups: &AgentCgroups, mount: &Mount) -> Relist {
    let roots: Vec<PathBuf> = cgroups.roots().iter().map(|root| mount.relative(root)).collect();
    let finder = Finder { members: KernelList { members, agent }, roots };
    Box::new(move || finder.list().map_err(|why| why.to_string()))
}

/// The list of an agent's processes. A trait, so that a test can have one that fails.
trait List {
    /// All of them.
    fn all(&self) -> Result<Vec<u32>, Unlisted>;
    /// The first with this process id or one above it; it may miss one far above.
    fn next(&self, pid: u32) -> Result<Option<u32>, Unlisted>;
}

struct KernelList {
    members: Members,
    agent: AgentId,
}

impl List for KernelList {
    fn all(&self) -> Result<Vec<u32>, Unlisted> {
        Ok(self.members.of(self.agent)?)
    }

    fn next(&self, pid: u32) -> Result<Option<u32>, Unlisted> {
        Ok(self.members.next(self.agent, pid)?)
    }
}

struct Finder<L> {
    members: L,
    /// Below the mount.
    roots: Vec<PathBuf>,
}

impl<L: List> Finder<L> {
    fn list(&self) -> Result<Vec<Outsider>, Unlisted> {
        let (mut outside, mut inside, mut ended, mut failed) = (Vec::new(), HashSet::new(), None, None);
        for pid in self.members.all()? {
            match self.look(pid) {
                Ok(Look::Inside) => drop(inside.insert(pid)),
                Ok(Look::Outside(escapee)) => outside.push(Outsider::Held(escapee)),
                Ok(Look::Ended) => ended = Some(pid),
                Err(error) => failed = Some(error),
            }
        }
        match (outside.is_empty(), failed, ended) {
            // Those first; what failed is looked at again in the next round.
            (false, ..) => Ok(outside),
            (true, Some(error), _) => Err(error),
            (true, None, Some(pid)) => self.chase(pid, &inside),
            (true, None, None) => Ok(outside),
        }
    }

    fn look(&self, pid: u32) -> Result<Look, Unlisted> {
        Ok(match is_outside(pid, &self.roots)? {
            Some(false) => Look::Inside,
            Some(true) => self.hold(pid)?.map_or(Look::Ended, Look::Outside),
            None => Look::Ended,
        })
    }

    /// From a process that ended before it could be looked at to one that lives, if there is one: nothing stands between
    /// finding and holding it but looks into the kernel's table.
    fn chase(&self, mut pid: u32, inside: &HashSet<u32>) -> Result<Vec<Outsider>, Unlisted> {
        for _ in 0..CHASE_MAX {
            match self.members.next(pid)? {
                Some(found) if inside.contains(&found) => pid = found + 1,
                Some(found) => match self.hold(found)? {
                    Some(escapee) => return Ok(vec![Outsider::Held(escapee)]),
                    None => pid = found,
                },
                None => match self.members.all()?.into_iter().find(|pid| !inside.contains(pid)) {
                    Some(lowest) => pid = lowest,
                    None => return Ok(Vec::new()),
                },
            }
        }
        Err(Unlisted::Chase(pid))
    }

    /// Not by /proc, which shows those that have ended until somebody has waited for them.
    fn hold(&self, pid: u32) -> Result<Option<Escapee>, Unlisted> {
        Escapee::hold(pid, || Ok(self.members.next(pid)? == Some(pid)))
    }
}

/// What a look at a process said.
enum Look {
    Inside,
    Outside(Escapee),
    Ended,
}

/// Whether a process is in none of these cgroups; `None` when it is gone.
fn is_outside(pid: u32, roots: &[PathBuf]) -> Result<Option<bool>, EscapeeError> {
    let Some(text) = proc_file(pid, "cgroup")? else { return Ok(None) };
    let Some(path) = v2_path(&text) else { return Ok(None) };
    Ok(Some(!roots.iter().any(|root| path.starts_with(root))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::process::{Child, Command};

    /// A list of one's own, which may fail after some looks.
    struct Fake {
        pids: Vec<u32>,
        looks: Cell<u32>,
    }

    impl Fake {
        fn finder(pids: Vec<u32>, looks: u32) -> Finder<Self> {
            Finder { members: Self { pids, looks: Cell::new(looks) }, roots: vec![PathBuf::from("/no/such/cgroup")] }
        }

        fn look(&self) -> Result<&[u32], Unlisted> {
            let left = self.looks.get().checked_sub(1).ok_or(Unlisted::Chase(0))?;
            self.looks.set(left);
            Ok(&self.pids)
        }
    }

    impl List for Fake {
        fn all(&self) -> Result<Vec<u32>, Unlisted> {
            Ok(self.look()?.to_vec())
        }

        fn next(&self, pid: u32) -> Result<Option<u32>, Unlisted> {
            Ok(self.look()?.iter().copied().find(|found| *found >= pid))
        }
    }

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn a_list_that_cannot_be_read_is_no_empty_one() {
        assert!(Fake::finder(Vec::new(), 0).list().is_err());
        assert!(Fake::finder(Vec::new(), 1).list().unwrap().is_empty());
        let mut child = sleeper();
        let pid = child.id();
        assert!(Fake::finder(vec![pid], 1).list().is_err(), "the list is gone when the process is to be held");
        assert_eq!(Fake::finder(vec![pid], 2).list().unwrap()[0].key().tgid, pid);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(Fake::finder(vec![pid], 2).list().is_err(), "the list is gone in the chase");
    }

    #[test]
    fn a_process_that_cannot_be_held_or_caught_is_not_passed_over() {
        let error = Fake::finder(vec![std::process::id()], 9).list().unwrap_err();
        assert_eq!(error.to_string(), format!("process {} is not an agent's: refused", std::process::id()));
        let mut child = sleeper();
        let both = Fake::finder(vec![std::process::id(), child.id()], 9).list().unwrap();
        assert_eq!(both.iter().map(|outsider| outsider.key().tgid).collect::<Vec<_>>(), [child.id()], "first what can be dealt with");
        child.kill().unwrap();
        child.wait().unwrap();
        let error = Fake::finder(vec![child.id()], u32::MAX).list().unwrap_err();
        assert!(matches!(error, Unlisted::Chase(pid) if pid == child.id()), "it stays in the list: {error}");
    }
}
