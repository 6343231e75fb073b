//! Tells the probes how much of each agent's records was taken out of the rings, so that they know what is left there of whom.
//!
//! Not for: what follows from it (`agentmon-ebpf::share`).

use super::pod::PodTaken;
use agentmon_common::rings;
use aya::maps::{Array, MapData, MapError};
use std::collections::BTreeMap;

/// What was taken, by agent.
pub struct Ledger {
    map: Array<MapData, PodTaken>,
    /// Since the start, and whether the probes do not know of it yet. At most one for each number an agent can have.
    agents: BTreeMap<u32, (PodTaken, bool)>,
}

impl Ledger {
    pub(super) const fn new(map: Array<MapData, PodTaken>) -> Self {
        Self { map, agents: BTreeMap::new() }
    }

    /// A record of `len` bytes was taken.
    pub(super) fn add(&mut self, agent: u32, ring: usize, len: usize) {
        // What no agent has is no record of the probes.
        if agent >= self.map.len() {
            return;
        }
        let (PodTaken(taken), is_new) = self.agents.entry(agent).or_default();
        taken.bytes[ring] += rings::space(len as u64);
        *is_new = true;
    }

    /// Tells the probes.
    pub(super) fn tell(&mut self) -> Result<(), MapError> {
        for (agent, (taken, is_new)) in self.agents.iter_mut().filter(|(_, (_, is_new))| *is_new) {
            self.map.set(*agent, *taken, 0)?;
            *is_new = false;
        }
        Ok(())
    }
}
