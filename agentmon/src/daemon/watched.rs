//! Which cgroups of the node are agents now: the configuration's patterns held against the hierarchy, again and again.
//!
//! Not for: matching a pattern (`crate::agents::resolve`).

use crate::agents::resolve::Resolver;
use crate::agents::session::new_session;
use crate::cgroup::{Cgroup, Mount, WalkLimits};
use crate::config::AgentPattern;
use crate::event::{AgentId, CgroupId};
use crate::monitor::{Monitor, MonitorError};
use anyhow::Result;
use std::collections::{HashMap, HashSet};

/// The patterns, and what is watched because of them.
pub struct Watched {
    names: Vec<String>,
    resolver: Resolver,
    agents: HashMap<CgroupId, Agent>,
    /// Whether the last look had to leave cgroups out.
    incomplete: bool,
}

struct Agent {
    id: AgentId,
    name: String,
}

impl Watched {
    /// Compiles the patterns. Nothing is watched yet.
    ///
    /// # Errors
    /// When a pattern is none.
    pub fn new(agents: &[AgentPattern]) -> Result<Self> {
        Ok(Self {
            names: agents.iter().map(|agent| agent.name.clone()).collect(),
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
            found.cgroups.iter().filter_map(|(i, cgroup)| Some((cgroup.id(), self.names.get(*i)?.as_str()))).collect();
        let gone: Vec<CgroupId> =
            self.agents.iter().filter(|(id, agent)| !named.contains(&(**id, &agent.name))).map(|(id, _)| *id).collect();
        for id in gone {
            if let Some(agent) = self.agents.remove(&id) {
                monitor.unwatch(agent.id)?;
            }
        }
        for (i, cgroup) in found.cgroups {
            if !self.agents.contains_key(&cgroup.id())
                && let Some(name) = self.names.get(i).cloned()
            {
                self.watch(name, cgroup, monitor)?;
            }
        }
        Ok(())
    }

    fn watch(&mut self, name: String, cgroup: Cgroup, monitor: &Monitor) -> Result<()> {
        let (id, shown) = (cgroup.id(), cgroup.shown());
        match monitor.watch(&name, &new_session(), cgroup.into()) {
            Ok(agent) => {
                tracing::info!("watching {shown} as {name}");
                self.agents.insert(id, Agent { id: agent, name });
            }
            Err(MonitorError::EngineGone) => return Err(MonitorError::EngineGone.into()),
            Err(error) => tracing::error!("cannot watch {shown} as {name}: {error}"),
        }
        Ok(())
    }
}
