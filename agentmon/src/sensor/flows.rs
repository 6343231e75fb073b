//! The probes' table of open connections, as far as the daemon has a part in it: an agent that is no longer watched leaves it.
//!
//! Not for: what the probes remember there and tell.

use super::error::{SensorError, map_error};
use crate::event::AgentId;
use agentmon_common::record::{Header, SocketFixed};
use aya::maps::{Array, HashMap, MapData};
use zerocopy::FromBytes;

/// A header and the fixed part of a socket's record.
type Attached = [u8; size_of::<Header>() + size_of::<SocketFixed>()];

/// Open connections by the kernel's socket, and how many each agent has.
pub(super) struct Flows {
    pub open: HashMap<MapData, u64, Attached>,
    pub of_agents: Array<MapData, u64>,
}

impl Flows {
    /// Takes out an agent's, whose end nobody will ask for.
    pub fn forget(&mut self, AgentId(agent): AgentId) -> Result<(), SensorError> {
        let is_own = |attached: &Attached| Header::read_from_prefix(attached).is_ok_and(|(header, _)| header.agent == agent);
        let own: Vec<u64> = self.open.iter().filter_map(Result::ok).filter(|(_, attached)| is_own(attached)).map(|(key, _)| key).collect();
        for key in own {
            // Closed meanwhile: what was wanted.
            let _ = self.open.remove(&key);
        }
        self.of_agents.set(agent, 0, 0).map_err(map_error("AM_FLOWING"))
    }
}
