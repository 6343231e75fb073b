//! Agents that begin and end to be watched.
//!
//! Not for: what their processes do (`super`).

use super::Engine;
use crate::agents::{AgentCgroups, CANARY};
use crate::cgroup::Cgroup;
use crate::clock::boot_ns;
use crate::config::Terms;
use crate::event::{AgentId, CgroupId};
use crate::log::Lifecycle;
use crate::monitor::escaped;
use crate::monitor::message::{MonitorError, Orderer};
use crate::recording::{Gone, Line};
use crate::response::Command;
use crate::response::escapee::Outsider;
use crate::sensor::{Counted, SensorError};
use std::time::{Instant, SystemTime};

/// Cgroups of which is remembered that they were told as not watched.
const REFUSED_MAX: usize = 1024;

impl Engine {
    pub(super) fn watch(&mut self, name: &str, session: &str, cgroups: AgentCgroups, terms: Terms) -> Result<AgentId, MonitorError> {
        let roots = cgroups.clone();
        let (id, errors) = self.register.watch(name, session, terms.allowed, cgroups, SystemTime::now());
        self.record_agent(id);
        for error in errors {
            tracing::warn!("`agentmon kill` will not find agent {name}: {error}");
        }
        let watched = self.sensor.switch_off(id, terms.without).and_then(|()| self.sensor.watch(id, &roots.fds()));
        self.floods.begin(&self.sensor, id);
        self.update_probes();
        self.next_tick = Instant::now();
        match watched {
            Ok(()) => {
                self.refused.retain(|cgroup| !ids(&roots).any(|id| id == *cgroup));
                Ok(id)
            }
            Err(error) => {
                self.unwatch(id);
                self.unwatched(name, &roots, &error);
                Err(error.into())
            }
        }
    }

    /// An agent is not watched that should be. Counts always; the log says it once, since the daemon tries again each second.
    fn unwatched(&mut self, name: &str, roots: &AgentCgroups, error: &SensorError) {
        self.recorder.unwatched();
        let Some(root) = roots.roots().first() else { return };
        if self.refused.len() >= REFUSED_MAX {
            self.refused.clear();
        }
        if self.refused.insert(root.id()) {
            let cgroup = self.mount.relative(root).display().to_string();
            self.outputs.lifecycle(boot_ns(), &Lifecycle::Unwatched { name, cgroup: &cgroup, error: &error.to_string() });
        }
    }

    pub(super) fn change(&mut self, agent: AgentId, terms: Terms) -> Result<(), MonitorError> {
        self.sensor.switch_off(agent, terms.without)?;
        self.register.set_allowed(agent, terms.allowed);
        self.record_agent(agent);
        Ok(())
    }

    pub(super) fn begin_canary(&mut self, cgroups: &AgentCgroups) -> Result<(), MonitorError> {
        self.canary.begin();
        let watched = self.sensor.watch(CANARY, &cgroups.fds());
        self.update_probes();
        if watched.is_err() {
            self.stop_watching(CANARY);
        }
        Ok(watched?)
    }

    /// By the kernel's list: the record of a move may still be on its way. When that cannot be read, a kill is ordered all
    /// the same, whose verification tries again.
    pub(super) fn end_outside(&mut self, agent: AgentId) -> Option<usize> {
        let Some(entry) = self.register.get(agent) else { return Some(0) };
        let outside = escaped::relist(self.sensor.members(), agent, &entry.cgroups, &self.mount)();
        let left = outside.as_ref().map_or_else(
            |error| {
                tracing::error!("{error}");
                None
            },
            |outside| Some(outside.len()),
        );
        if left != Some(0) {
            let outside = outside.unwrap_or_default().iter().map(Outsider::key).collect();
            let state = self.verdicts.order(entry, Command::Kill, &Orderer::SessionEnd, &self.mount, outside);
            self.register.set_state(agent, state, SystemTime::now());
        }
        left
    }

    pub(super) fn stop_watching(&mut self, agent: AgentId) {
        self.unproved.remove(&agent);
        if let Err(error) = self.sensor.unwatch(agent) {
            tracing::error!("cannot stop watching: {error}");
        }
        self.update_probes();
    }

    pub(super) fn unwatch(&mut self, agent: AgentId) {
        self.stop_watching(agent);
        self.take_counted(Counted::Of(agent));
        self.stages.forget(agent);
        self.record_line(Line::Gone(Gone { id: agent }));
        self.verdicts.forget(agent);
        self.floods.end(agent);
        if let Some((_, errors)) = self.register.unwatch(agent) {
            // A cgroup that is gone has no mark to remove.
            for error in errors.iter().filter(|error| !error.is_gone()) {
                tracing::warn!("{error}");
            }
        }
    }

    /// After skipped runs of the probes of membership: what is in an agent's cgroups is the agent's, whoever missed how it
    /// came there.
    pub(super) fn look_again(&mut self) {
        for entry in self.register.iter() {
            if let Err(error) = self.sensor.watch(entry.agent.id, &entry.cgroups.fds()) {
                tracing::error!("cannot look again for what is agent {}'s: {error}", entry.agent.name);
            }
        }
    }
}

fn ids(cgroups: &AgentCgroups) -> impl Iterator<Item = CgroupId> {
    cgroups.roots().iter().map(Cgroup::id)
}
