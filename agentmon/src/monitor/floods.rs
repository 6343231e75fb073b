//! Which agents flood: says it, once a second, of those whose records were refused because they had their share of a ring.
//!
//! How many were lost by kind is the gap records' to say. Not for: refusing (`agentmon-ebpf::share`).

use crate::agents::Register;
use crate::event::AgentId;
use crate::sensor::Sensor;
use std::collections::HashMap;

/// What was said already, by agent.
#[derive(Debug, Default)]
pub struct Floods {
    told: HashMap<AgentId, u64>,
}

impl Floods {
    /// An agent begins: what was refused of whoever had its number before is not its own.
    pub fn begin(&mut self, sensor: &Sensor, agent: AgentId) {
        self.told.insert(agent, sensor.refused(agent).unwrap_or(0));
    }

    /// An agent is no longer watched.
    pub fn end(&mut self, agent: AgentId) {
        self.told.remove(&agent);
    }

    /// Says what is new.
    pub fn look(&mut self, sensor: &Sensor, register: &Register) {
        for agent in register.iter().map(|entry| &entry.agent) {
            let Some(told) = self.told.get_mut(&agent.id) else { continue };
            match sensor.refused(agent.id) {
                Ok(refused) if refused > *told => {
                    let new = refused - std::mem::replace(told, refused);
                    tracing::warn!(
                        "agent {}/{} floods: {new} of its records had no room in its share of a ring",
                        agent.name,
                        agent.session
                    );
                }
                Ok(_) => {}
                Err(error) => tracing::error!("cannot read the agents' shares: {error}"),
            }
        }
    }
}
