//! The register: which cgroups are which agent's, and what state each agent is in.
//!
//! Marks the cgroups it watches, so that `agentmon kill` finds them without a daemon. Not for: watching (the sensor is
//! told by the daemon) and not for stopping (`crate::response`).

pub mod command;
pub mod launch;
pub mod lifeline;
pub mod resolve;
pub mod session;
pub mod terminal;
pub mod user;

use crate::allow::AllowList;
use crate::cgroup::{Cgroup, CgroupError, Mark};
use crate::event::{AgentId, CgroupId};
use crate::process::Agent;
use rustix::fd::BorrowedFd;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

/// The name of the cgroup, below the mount, in which `agentmon run` makes those of its agents.
pub const SLICE: &str = "agentmon.slice";

/// The number of the canary, which is no agent and in no register.
pub const CANARY: AgentId = AgentId(u16::MAX as u32);

/// What an agent is doing, as far as agentmon knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Its processes run.
    Running,
    /// All of them are frozen.
    Frozen,
    /// Killed by agentmon.
    Killed,
    /// Its last process ended by itself.
    Ended,
}

impl State {
    /// Every state, in the order of [`Register::counts`].
    pub const ALL: [Self; 4] = [Self::Running, Self::Frozen, Self::Killed, Self::Ended];

    /// Name in metrics, logs and views.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Frozen => "frozen",
            Self::Killed => "killed",
            Self::Ended => "ended",
        }
    }
}

/// The cgroups of one agent. What is nested in them belongs to it without being listed.
#[derive(Clone, Debug)]
pub struct AgentCgroups {
    roots: Arc<[Cgroup]>,
}

impl AgentCgroups {
    /// Takes the topmost cgroups of an agent.
    #[must_use]
    pub fn new(roots: Vec<Cgroup>) -> Self {
        Self { roots: roots.into() }
    }

    /// The topmost cgroups.
    #[must_use]
    pub fn roots(&self) -> &[Cgroup] {
        &self.roots
    }

    /// Their descriptors.
    #[must_use]
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.roots.iter().map(Cgroup::fd).collect()
    }

    /// Frozen when all of them are, else running; what is gone or cannot be read does not count. `None`: nothing does.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        let known = self.roots.iter().filter_map(|cgroup| cgroup.frozen().ok());
        known.reduce(|all, frozen| all && frozen).map(|frozen| if frozen { State::Frozen } else { State::Running })
    }

    /// Whether a living process is in any of them. What cannot be read counts as populated.
    #[must_use]
    pub fn populated(&self) -> bool {
        self.roots.iter().any(|cgroup| cgroup.populated().unwrap_or(true))
    }
}

impl From<Cgroup> for AgentCgroups {
    fn from(cgroup: Cgroup) -> Self {
        Self::new(vec![cgroup])
    }
}

/// One agent of the register.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who it is.
    pub agent: Agent,
    /// Where its processes are.
    pub cgroups: AgentCgroups,
    /// What it is doing.
    pub state: State,
    /// When it came into that state.
    pub since: SystemTime,
}

/// All agents of this run of the monitor, the ended ones included until they are removed.
#[derive(Debug, Default)]
pub struct Register {
    entries: BTreeMap<AgentId, Entry>,
    last: u32,
}

impl Register {
    /// An empty register.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an agent and marks its cgroups. The agent is watched even when a mark could not be set; the errors say
    /// that `agentmon kill` will not find that cgroup without the daemon.
    pub fn watch(
        &mut self,
        name: &str,
        session: &str,
        allowed: Arc<AllowList>,
        cgroups: AgentCgroups,
        now: SystemTime,
    ) -> (AgentId, Vec<CgroupError>) {
        let id = self.free_id();
        let mark = Mark { name: name.to_owned(), session: session.to_owned() };
        let errors = cgroups.roots().iter().filter_map(|cgroup| cgroup.set_mark(&mark).err()).collect();
        let agent = Agent { id, name: name.into(), session: session.into(), allowed };
        self.entries.insert(id, Entry { agent, cgroups, state: State::Running, since: now });
        (id, errors)
    }

    /// A number that no agent has, between 1 and what the kernel's table of members can hold (16 bits), less the canary's.
    /// Numbers of agents that are gone are used again only when all others were.
    fn free_id(&mut self) -> AgentId {
        loop {
            self.last = self.last % (CANARY.0 - 1) + 1;
            if !self.entries.contains_key(&AgentId(self.last)) {
                return AgentId(self.last);
            }
        }
    }

    /// Takes an agent out and removes the marks of its cgroups. `None`: it is not in the register.
    pub fn unwatch(&mut self, id: AgentId) -> Option<(Entry, Vec<CgroupError>)> {
        let entry = self.entries.remove(&id)?;
        let errors = entry.cgroups.roots().iter().filter_map(|cgroup| cgroup.clear_mark().err()).collect();
        Some((entry, errors))
    }

    /// One agent.
    #[must_use]
    pub fn get(&self, id: AgentId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// Whose topmost cgroup this is.
    #[must_use]
    pub fn by_cgroup(&self, cgroup: CgroupId) -> Option<&Entry> {
        self.entries.values().find(|entry| entry.cgroups.roots().iter().any(|root| root.id() == cgroup))
    }

    /// Every agent, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Notes a new state. Says whether it was another one before; an agent that is not in the register has none.
    pub fn set_state(&mut self, id: AgentId, state: State, now: SystemTime) -> bool {
        match self.entries.get_mut(&id) {
            Some(entry) if entry.state != state => {
                entry.state = state;
                entry.since = now;
                true
            }
            _ => false,
        }
    }

    /// Replaces what an agent is expected to do.
    pub fn set_allowed(&mut self, id: AgentId, allowed: Arc<AllowList>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.agent.allowed = allowed;
        }
    }

    /// Number of agents by state, in the order of [`State::ALL`].
    #[must_use]
    pub fn counts(&self) -> [usize; State::ALL.len()] {
        State::ALL.map(|state| self.entries.values().filter(|entry| entry.state == state).count())
    }
}

#[cfg(test)]
mod tests;
