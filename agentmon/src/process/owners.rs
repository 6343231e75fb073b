//! What each agent holds of the process table: so that one that fills it pushes out its own processes and nobody else's.
//!
//! Not for: the processes themselves (`super::table`).

use crate::event::{AgentId, ProcessKey};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a process counts for besides its program: its place in the table and in the queues here.
pub const PROCESS_BYTES: usize = 256;
/// Keys of processes that are gone which a queue may have, besides as many as there are processes.
const STALE_MAX: usize = 64;

/// All agents that have processes in the table.
#[derive(Debug, Default)]
pub struct Owners {
    by_agent: BTreeMap<AgentId, Holding>,
    /// The same by what they hold: the last holds most.
    by_bytes: BTreeSet<(usize, AgentId)>,
    bytes: usize,
}

/// What one agent holds.
#[derive(Debug, Default)]
struct Holding {
    bytes: usize,
    processes: usize,
    /// In order of arrival; keys of processes that are gone are skipped.
    arrived: VecDeque<ProcessKey>,
    /// In the order of their ends.
    exited: VecDeque<ProcessKey>,
}

impl Owners {
    /// Bytes of all.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whose processes are to go when there is no room: the agent's that holds most.
    pub fn heaviest(&self) -> Option<AgentId> {
        self.by_bytes.last().map(|(_, agent)| *agent)
    }

    /// A process is in the table now. `is_held` says which of those that came before still are.
    pub fn add(&mut self, agent: AgentId, key: ProcessKey, is_held: impl Fn(&ProcessKey) -> bool) {
        let holding = self.by_agent.entry(agent).or_default();
        holding.processes += 1;
        if holding.arrived.len() > 2 * holding.processes + STALE_MAX {
            holding.arrived.retain(is_held);
        }
        holding.arrived.push_back(key);
        self.weigh(agent, |bytes| bytes + PROCESS_BYTES);
    }

    /// A process has ended, and stays for a while. Says how many such the agent has.
    pub fn exit(&mut self, agent: AgentId, key: ProcessKey) -> usize {
        let Some(holding) = self.by_agent.get_mut(&agent) else { return 0 };
        holding.exited.push_back(key);
        holding.exited.len()
    }

    /// A process is in the table no more.
    pub fn remove(&mut self, agent: AgentId) {
        self.weigh(agent, |bytes| bytes.saturating_sub(PROCESS_BYTES));
        let Some(holding) = self.by_agent.get_mut(&agent) else { return };
        holding.processes = holding.processes.saturating_sub(1);
        if holding.processes == 0 {
            self.weigh(agent, |_| 0);
            self.by_agent.remove(&agent);
        }
    }

    /// A program is held that was not.
    pub fn hold(&mut self, agent: AgentId, image_bytes: usize) {
        self.weigh(agent, |bytes| bytes + image_bytes);
    }

    /// A program is held no more.
    pub fn let_go(&mut self, agent: AgentId, image_bytes: usize) {
        self.weigh(agent, |bytes| bytes.saturating_sub(image_bytes));
    }

    /// The agent's process that ended first.
    pub fn oldest_exited(&mut self, agent: AgentId) -> Option<ProcessKey> {
        self.by_agent.get_mut(&agent)?.exited.pop_front()
    }

    /// The agent's process that came first, or one that is gone.
    pub fn oldest_arrived(&mut self, agent: AgentId) -> Option<ProcessKey> {
        self.by_agent.get_mut(&agent)?.arrived.pop_front()
    }

    /// What an agent holds changes. 0 bytes stand in no order.
    fn weigh(&mut self, agent: AgentId, change: impl FnOnce(usize) -> usize) {
        let Some(holding) = self.by_agent.get_mut(&agent) else { return };
        let (before, after) = (holding.bytes, change(holding.bytes));
        holding.bytes = after;
        self.by_bytes.remove(&(before, agent));
        if after > 0 {
            self.by_bytes.insert((after, agent));
        }
        self.bytes = self.bytes - before + after;
    }
}
