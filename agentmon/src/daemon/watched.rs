//! Which cgroups of the node are agents now: the configuration's patterns held against the hierarchy, again and again.
//!
//! Not for: matching a pattern (`crate::agents::resolve`).

use crate::agents::resolve::Resolver;
use crate::agents::session::new_session;
use crate::cgroup::{Cgroup, Mount, WalkLimits};
use crate::config::{AgentPattern, Terms};
use crate::event::{AgentId, CgroupId};
use crate::monitor::{Monitor, MonitorError};
use anyhow::Result;
use std::collections::{HashMap, HashSet};

/// The patterns, and what is watched because of them.
pub struct Watched {
    /// Name of each pattern's agents, and their terms.
    names: Vec<(String, Terms)>,
    resolver: Resolver,
    agents: HashMap<CgroupId, Agent>,
    /// Whether the last look had to leave cgroups out.
    incomplete: bool,
}

struct Agent {
    id: AgentId,
    name: String,
    terms: Terms,
}

impl Agent {
    /// What is watched of it and what it is expected to do, since the last reload.
    fn change(&mut self, terms: Terms, monitor: &Monitor) -> Result<()> {
        match monitor.change(self.id, terms.clone()) {
            Ok(()) => {
                let without = terms.without;
                let what = if without.is_empty() { "everything".to_owned() } else { format!("everything but {without}") };
                tracing::info!("agent {}: {what} is watched now", self.name);
                self.terms = terms;
            }
            Err(MonitorError::EngineGone) => return Err(MonitorError::EngineGone.into()),
            Err(error) => tracing::error!("agent {}: cannot change what is watched: {error}", self.name),
        }
        Ok(())
    }
}

impl Watched {
    /// Compiles the patterns. Nothing is watched yet.
    ///
    /// # Errors
    /// When a pattern is none.
    pub fn new(agents: &[AgentPattern]) -> Result<Self> {
        Ok(Self {
            names: agents.iter().map(|agent| (agent.name.clone(), agent.terms.clone())).collect(),
            resolver: Resolver::new(agents.iter().map(|agent| &agent.pattern))?,
            agents: HashMap::new(),
            incomplete: false,
        })
    }

    /// How many agents are watched now.
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether no agent is watched now.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// Takes over other patterns; what is watched is decided at the next look.
    pub fn replace(&mut self, other: Self) {
        self.names = other.names;
        self.resolver = other.resolver;
    }

    /// Watches what has come, lets go what has gone or is no longer named.
    ///
    /// # Errors
    /// When the engine is gone. A cgroup that cannot be watched is said, and tried again at the next look.
    pub fn look(&mut self, mount: &Mount, monitor: &Monitor) -> Result<()> {
        let found = self.resolver.resolve(mount, WalkLimits::default());
        if !found.walk.is_complete() && !self.incomplete {
            tracing::warn!("the cgroup hierarchy is too large to be searched whole; agents may be missed");
        }
        self.incomplete = !found.walk.is_complete();
        let named: HashSet<(CgroupId, &str)> =
            found.cgroups.iter().filter_map(|(i, cgroup)| Some((cgroup.id(), self.names.get(*i)?.0.as_str()))).collect();
        let gone: Vec<CgroupId> =
            self.agents.iter().filter(|(id, agent)| !named.contains(&(**id, &agent.name))).map(|(id, _)| *id).collect();
        for id in gone {
            if let Some(agent) = self.agents.remove(&id) {
                monitor.unwatch(agent.id)?;
            }
        }
        for (i, cgroup) in found.cgroups {
            let Some((name, terms)) = self.names.get(i).cloned() else { continue };
            match self.agents.get_mut(&cgroup.id()) {
                None => self.watch(name, terms, cgroup, monitor)?,
                Some(agent) if agent.terms != terms => agent.change(terms, monitor)?,
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn watch(&mut self, name: String, terms: Terms, cgroup: Cgroup, monitor: &Monitor) -> Result<()> {
        let (id, shown) = (cgroup.id(), cgroup.shown());
        match monitor.watch(&name, &new_session(), cgroup.into(), terms.clone()) {
            Ok(agent) => {
                tracing::info!("watching {shown} as {name}");
                self.agents.insert(id, Agent { id: agent, name, terms });
            }
            Err(MonitorError::EngineGone) => return Err(MonitorError::EngineGone.into()),
            Err(error) => tracing::error!("cannot watch {shown} as {name}: {error}"),
        }
        Ok(())
    }
}
