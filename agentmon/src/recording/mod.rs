//! Recordings: every decoded event, and whatever else the pure stages are told, as JSON lines in the order in which the engine
//! took them. A replay of such a file gives the verdicts of the live run.
//!
//! Not for: the log (`crate::log`), which tells of operations and not of what they were made from; how an event looks as JSON
//! (`crate::event`).

pub mod beside;
mod cut;
mod reader;
mod replay;
mod writer;

pub use cut::{CutError, cut};
pub use reader::{LINE_BYTES_MAX, ReadError, Reader};
pub use replay::{Replay, Verdict};
pub use writer::{RECORDING_BYTES_MAX, Recording, StartError};

use crate::allow::AllowList;
use crate::event::{AgentId, Event, Kind, WallClock};
use crate::process::Agent;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The version of the format that this build writes, and the only one it reads.
pub const FORMAT: u32 = 1;

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first line: what this is.
    Recording(Header),
    /// An agent is watched from now on; or, of one that was watched before, other things are expected of it.
    Agent(AgentLine),
    /// A decoded event.
    Event(Box<Event>),
    /// An agent is forgotten.
    Gone(Gone),
    /// The rules were loaded again: what had been counted was forgotten.
    Rules(RulesLine),
    /// Events that were lost, of which the live run knew nothing but their number.
    Lost(Lost),
    /// It was so late when no event said so: what had waited too long for its call went on without.
    Time(Time),
    /// No event will come any more: what waits for its call goes on without.
    Finish(Finish),
    /// The last line.
    End(End),
}

/// What a recording is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the agentmon that wrote it.
    pub agentmon: String,
    /// Nanoseconds since the epoch at boot: added to an event's `timestamp_ns` it is the time of day.
    pub boot_ns: u64,
    /// `uname -r`.
    pub kernel: String,
    /// Host name; empty in what was cut out of a recording.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Digest of the rules in force at the start.
    pub rules_digest: String,
    /// Of a test beside a rule: the ids of the rules that it is about. Without any, those of its file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
}

impl Header {
    /// From boot time to the time of day.
    #[must_use]
    pub const fn clock(&self) -> WallClock {
        WallClock { boot_ns: self.boot_ns }
    }
}

/// An agent that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentLine {
    /// Its number, which its events carry.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// Its session.
    pub session: String,
    /// What it is expected to do.
    #[serde(default, skip_serializing_if = "AllowList::is_empty")]
    pub allowed: AllowList,
}

impl From<&Agent> for AgentLine {
    fn from(agent: &Agent) -> Self {
        Self { id: agent.id, name: agent.name.to_string(), session: agent.session.to_string(), allowed: (*agent.allowed).clone() }
    }
}

impl From<AgentLine> for Agent {
    fn from(line: AgentLine) -> Self {
        Self { id: line.id, name: line.name.into(), session: line.session.into(), allowed: Arc::new(line.allowed) }
    }
}

/// An agent that is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    /// Its number.
    pub id: AgentId,
}

/// Rules that were loaded again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesLine {
    /// Their digest.
    pub digest: String,
}

/// Events that were lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// Where: `kernel_ringbuf`, `decode`, … of the live run's own losses; `recording`: the live run judged them, and they are
    /// missing here only.
    pub stage: String,
    /// Their kind, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// How many.
    pub count: u64,
}

/// What a clock said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// Boot time, nanoseconds.
    pub now_ns: u64,
}

/// Says nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finish {}

/// The end of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Why it ended.
    pub reason: String,
    /// Lines that are missing in it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests;
