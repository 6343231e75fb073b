//! The kernel's table of members, read: which process belongs to which agent.
//!
//! Not for: writing it, which only the probes do.

use super::error::{SensorError, map_error};
use crate::event::AgentId;
use aya::maps::{Array, MapData};
use std::sync::Arc;

/// Entries of one value of `AM_MEMBERS` (`agentmon-ebpf::maps::MEMBERS_PER_PAGE`).
pub(super) const MEMBERS_PER_PAGE: usize = 2048;

/// The kernel's table of which process belongs to which agent.
#[derive(Clone)]
pub struct Members(pub(super) Arc<Array<MapData, [u16; MEMBERS_PER_PAGE]>>);

impl Members {
    /// Process ids of an agent's living processes, wherever they are.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn of(&self, agent: AgentId) -> Result<Vec<u32>, SensorError> {
        let mut members = Vec::new();
        for page in 0..self.0.len() {
            let owners = self.0.get(&page, 0).map_err(map_error("AM_MEMBERS"))?;
            let first = page * MEMBERS_PER_PAGE as u32;
            members.extend((first..).zip(owners).filter(|(_, owner)| u32::from(*owner) == agent.0).map(|(pid, _)| pid));
        }
        Ok(members)
    }

    /// The first of them with this process id or one above it, on its page of the table or the next: read in
    /// microseconds, where the whole table takes milliseconds.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn next(&self, agent: AgentId, pid: u32) -> Result<Option<u32>, SensorError> {
        let (page, at) = (pid / MEMBERS_PER_PAGE as u32, pid as usize % MEMBERS_PER_PAGE);
        for (page, at) in [(page, at), (page + 1, 0)] {
            if page >= self.0.len() {
                break;
            }
            let owners = self.0.get(&page, 0).map_err(map_error("AM_MEMBERS"))?;
            if let Some(found) = owners[at..].iter().position(|owner| u32::from(*owner) == agent.0) {
                return Ok(Some(page * MEMBERS_PER_PAGE as u32 + (at + found) as u32));
            }
        }
        Ok(None)
    }
}
