//! Storage of the process table: applying events, and the bounds.

use super::Process;
use super::owners::{Owners, PROCESS_BYTES};
use crate::event::{AgentId, Detail, Event, Exec, ProcessKey};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Ended processes of an agent that are kept because children and late events may still refer to them.
pub const EXITED_KEPT: usize = 4_096;

/// Bytes of one process's arguments that are kept for its later events; the exec event itself has them all.
pub const ARGV_KEPT: usize = 4 * 1024;
/// Most bytes that all processes hold together: paths, arguments, and [`PROCESS_BYTES`] each. Beyond, the agent that holds most
/// gives way: its oldest ended processes first, then its oldest living.
pub const HELD_BYTES_MAX: usize = 24 * 1024 * 1024;

/// Every process of every watched agent.
#[derive(Debug, Default)]
pub struct ProcessTable {
    processes: HashMap<ProcessKey, Process>,
    owners: Owners,
    /// Of the latest event whose process is not to be kept: a stranger who did something to an agent's cgroup, or one that ended
    /// long ago.
    stranger: Option<Process>,
    evicted: u64,
    /// The same by agent, of those that nobody was told of yet.
    untold: BTreeMap<AgentId, u64>,
}

impl ProcessTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds one event in. Returns the process that did it: as it is now, after a successful exec the new program.
    /// A stranger is not kept.
    pub fn apply(&mut self, event: &Event) -> &Process {
        if matches!(&event.detail, Detail::CgroupState(state) if !state.by_member) {
            return self.stranger.insert(unknown(event));
        }
        // Of process 0 nobody knows who it was.
        if event.process.tgid == 0 {
            return self.stranger.insert(unknown(event));
        }
        if event.is_late() || matches!(&event.detail, Detail::Flow(_)) || matches!(&event.detail, Detail::Dns(dns) if !dns.outbound) {
            return self.owner(event);
        }
        self.make_room();
        self.bring_up_to_date(event);
        match &event.detail {
            Detail::Exec(exec) if event.outcome.succeeded() => {
                self.set_image(event, exec);
                self.entry(event).execs += 1;
            }
            Detail::ProcessSeen(exec) => self.set_image(event, exec),
            Detail::Fork(fork) => {
                let creator = self.entry(event);
                let child = Process {
                    key: fork.child,
                    parent: Some(event.process),
                    ppid: fork.child_ppid,
                    execs: 0,
                    exited_ns: None,
                    ..creator.clone()
                };
                self.remove(fork.child);
                self.owners.add(child.agent, fork.child, |key| self.processes.contains_key(key));
                self.processes.insert(fork.child, child);
            }
            Detail::Exit(_) => self.exit(event),
            Detail::CgroupLeave(_) => self.entry(event).outside = true,
            _ => {}
        }
        self.entry(event)
    }

    /// Whose a connection or socket was, or a failure that was counted: as it is known, since the event says it as it was then. One that is
    /// forgotten is not kept anew.
    fn owner(&mut self, event: &Event) -> &Process {
        match self.processes.get(&event.process) {
            Some(process) => process,
            None => self.stranger.insert(unknown(event)),
        }
    }

    /// The process with this identity; one that is not kept only until the next such event.
    #[must_use]
    pub fn get(&self, key: ProcessKey) -> Option<&Process> {
        self.processes.get(&key).or_else(|| self.stranger.as_ref().filter(|stranger| stranger.key == key))
    }

    /// The creator of a process, when it is known.
    #[must_use]
    pub fn parent(&self, process: &Process) -> Option<&Process> {
        self.get(process.parent?)
    }

    /// Every process that has not ended.
    pub fn living(&self) -> impl Iterator<Item = &Process> {
        self.processes.values().filter(|process| process.exited_ns.is_none())
    }

    /// Entries held now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// Living processes that had to be forgotten for want of room.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The same since the last call, by agent.
    pub fn take_evicted(&mut self) -> BTreeMap<AgentId, u64> {
        std::mem::take(&mut self.untold)
    }

    fn exit(&mut self, event: &Event) {
        let process = self.entry(event);
        process.exited_ns = Some(event.timestamp_ns);
        let agent = process.agent;
        if self.owners.exit(agent, event.process) > EXITED_KEPT {
            self.forget_oldest_exited(agent);
        }
    }

    /// The ids as this event says them.
    fn bring_up_to_date(&mut self, event: &Event) {
        let process = self.entry(event);
        process.ppid = event.ppid;
        process.uid = event.uid;
        process.euid_before = process.euid;
        process.euid = event.euid;
    }

    fn set_image(&mut self, event: &Event, exec: &Exec) {
        let image = exec.detached(ARGV_KEPT);
        let bytes = image.held_bytes();
        let process = self.entry(event);
        let (agent, before) = (process.agent, process.image.replace(Arc::new(image)));
        self.owners.hold(agent, bytes);
        self.let_go(agent, before);
    }

    /// Counts a program's bytes out, when no other process runs it. Those that share one are one agent's: they have it by birth.
    fn let_go(&mut self, agent: AgentId, image: Option<Arc<Exec>>) {
        if let Some(image) = image.and_then(Arc::into_inner) {
            self.owners.let_go(agent, image.held_bytes());
        }
    }

    fn remove(&mut self, key: ProcessKey) -> bool {
        let Some(process) = self.processes.remove(&key) else { return false };
        self.let_go(process.agent, process.image);
        self.owners.remove(process.agent);
        true
    }

    /// The process of an event, made known if it is not.
    fn entry(&mut self, event: &Event) -> &mut Process {
        if !self.processes.contains_key(&event.process) {
            self.owners.add(event.agent, event.process, |key| self.processes.contains_key(key));
        }
        self.processes.entry(event.process).or_insert_with(|| unknown(event))
    }

    fn make_room(&mut self) {
        // One event adds two processes at most.
        while self.owners.bytes() + 2 * PROCESS_BYTES > HELD_BYTES_MAX
            && let Some(agent) = self.owners.heaviest()
            && (self.forget_oldest_exited(agent) || self.forget_oldest_living(agent))
        {}
    }

    /// Bytes that all processes hold.
    #[cfg(test)]
    pub(super) const fn held_bytes(&self) -> usize {
        self.owners.bytes()
    }

    /// Empties the table as want of room would; says how many it held.
    #[cfg(test)]
    pub(super) fn forget_all(&mut self) -> usize {
        let before = self.len();
        while let Some(agent) = self.owners.heaviest()
            && (self.forget_oldest_exited(agent) || self.forget_oldest_living(agent))
        {}
        before - self.len()
    }

    fn forget_oldest_exited(&mut self, agent: AgentId) -> bool {
        let Some(key) = self.owners.oldest_exited(agent) else { return false };
        self.remove(key);
        true
    }

    fn forget_oldest_living(&mut self, agent: AgentId) -> bool {
        while let Some(key) = self.owners.oldest_arrived(agent) {
            if self.remove(key) {
                self.evicted += 1;
                *self.untold.entry(agent).or_default() += 1;
                return true;
            }
        }
        false
    }
}

/// All that an event says of a process of which nothing else is known.
const fn unknown(event: &Event) -> Process {
    Process {
        key: event.process,
        parent: None,
        ppid: event.ppid,
        agent: event.agent,
        image: None,
        outside: false,
        uid: event.uid,
        euid: event.euid,
        euid_before: event.euid,
        execs: 0,
        exited_ns: None,
    }
}
