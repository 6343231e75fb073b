//! The process table: who did it. A pure fold over events, so that a replay builds the same table as the live run.
//!
//! A process is its tgid and its start time; a pid alone names nothing. Not for: reading /proc (what ran before
//! watching began arrives as `process_seen` events) and not for judging (`crate::rules`).

mod history;
mod hosts;
mod owners;
mod questions;
mod resolutions;
mod table;
#[cfg(test)]
mod tests;

pub use history::{History, work_directory};
pub use hosts::{ADDRESSES_MAX, Hosts};
pub use resolutions::Resolutions;
pub use table::ProcessTable;

use crate::allow::AllowList;
use crate::event::{AgentId, Event, Exec, ProcessKey};
use std::sync::Arc;

/// What is known about one process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its identity.
    pub key: ProcessKey,
    /// Its creator, when that was watched.
    pub parent: Option<ProcessKey>,
    /// Its parent's process id, as of its latest event.
    pub ppid: u32,
    /// Whose it is.
    pub agent: AgentId,
    /// The program it runs; shared with the parent until it executes its own. `None` when it was never seen.
    pub image: Option<Arc<Exec>>,
    /// Real user id, as of its latest event.
    pub uid: u32,
    /// Effective user id, as of its latest event.
    pub euid: u32,
    /// Effective user id before its latest event; the same where that was its first.
    pub euid_before: u32,
    /// Whether it left its agent's cgroups, or was born outside of them to one that had.
    pub outside: bool,
    /// How many programs this process has executed; 0 while it runs its creator's.
    pub execs: u32,
    /// Boot time of its end, once it has ended.
    pub exited_ns: Option<u64>,
}

/// An agent, as every stage names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its number in this run of the monitor.
    pub id: AgentId,
    /// Its configured name, a class that many sessions may share: `claude-code`.
    pub name: Arc<str>,
    /// This session of it, unique: `7f3a9c1e`.
    pub session: Arc<str>,
    /// What it is expected to do.
    pub allowed: Arc<AllowList>,
}

/// An event together with who did it: what rules match, logs write and views show.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// What happened.
    pub event: &'a Event,
    /// Whose process did it.
    pub agent: &'a Agent,
    /// The process, after this event was applied.
    pub process: &'a Process,
    /// Its creator, when known.
    pub parent: Option<&'a Process>,
    /// Of a connection or a send the name by which its peer was looked up ([`Hosts`]).
    pub hostname: Option<&'a [u8]>,
    /// What the agents did before.
    pub history: Option<&'a History>,
    /// Every process, for who asks for more than the creator.
    pub processes: Option<&'a ProcessTable>,
}

impl Operation<'_> {
    /// The program the process runs, when it is known. A failed exec leaves the old one.
    #[must_use]
    pub fn image(&self) -> Option<&Exec> {
        self.process.image.as_deref()
    }

    /// The program of the creator, when it is known.
    #[must_use]
    pub fn parent_image(&self) -> Option<&Exec> {
        self.parent.and_then(|parent| parent.image.as_deref())
    }
}
