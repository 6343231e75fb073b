//! What the monitor itself has to say, as plain values: matches, breaker actions, findings, losses, its own life.
//!
//! Who decides fills them in; `super::records` makes lines of them and `crate::view` shows them. Not for: events.

use crate::agents::State;
use crate::event::{Kind, ProcessKey};
use crate::process::Agent;
use crate::response::Command;
use std::ops::Range;
use std::time::Duration;

/// A rule that matched an event.
#[derive(Clone, Copy, Debug)]
pub struct MatchView<'a> {
    /// The rule's id.
    pub id: &'a str,
    /// The rule's title.
    pub title: &'a str,
    /// OCSF `severity_id`: 1 informational, 2 low, 3 medium, 4 high, 5 critical.
    pub level: u8,
    /// The high-risk class of the rule, when it has one.
    pub class: Option<&'a str>,
    /// What is done about it: `log`, `alert`, `confirm`, `deny`, `freeze`, `kill`.
    pub action: &'a str,
    /// The action was worked out and not carried out: observe mode.
    pub observed: bool,
    /// The rule's tags; `attack.t…` become OCSF attacks.
    pub tags: &'a [String],
    /// For a rule that counts: how many there were.
    pub count: Option<u64>,
}

/// Which process a record of the monitor is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessRef {
    /// Its identity.
    pub key: ProcessKey,
    /// Programs it had executed.
    pub execs: u32,
}

/// A breaker action and its result.
#[derive(Clone, Copy, Debug)]
pub struct BreakerView<'a> {
    /// Boot time of the action, nanoseconds.
    pub timestamp_ns: u64,
    /// Against whom.
    pub agent: &'a Agent,
    /// What was done.
    pub action: Command,
    /// Who asked: `rule:<id>`, `operator:<uid>`, `session-end`.
    pub by: &'a str,
    /// For people: the rule's title, or the operator's reason. May be empty.
    pub reason: &'a str,
    /// Identifier of this command, unique on the host.
    pub command: &'a str,
    /// The process whose operation led to it.
    pub process: Option<ProcessRef>,
    /// Path of the cgroup below the v2 mount.
    pub cgroup: &'a str,
    /// From the kernel's time stamp of the operation (or from the order) to the cgroup file being written.
    pub latency: Duration,
    /// Tasks that were stopped or killed, when counted.
    pub tasks: Option<u64>,
    /// Whether the effect was seen (the cgroup frozen, or empty); `None`: not looked at yet.
    pub verified: Option<bool>,
    /// Why it failed.
    pub error: Option<&'a str>,
}

/// An agent is found in another state than this monitor left it in: somebody else froze it or let it go on.
#[derive(Clone, Copy, Debug)]
pub struct StateView<'a> {
    /// Boot time at which it was found so, nanoseconds; the change is up to a second older.
    pub timestamp_ns: u64,
    /// Which agent.
    pub agent: &'a Agent,
    /// What it is doing now: running or frozen.
    pub state: State,
    /// What it was doing until then.
    pub before: State,
    /// Path of its first cgroup below the v2 mount.
    pub cgroup: &'a str,
}

/// A finding over several events.
#[derive(Clone, Copy, Debug)]
pub struct FindingView<'a> {
    /// Boot time, nanoseconds.
    pub timestamp_ns: u64,
    /// Who did it.
    pub agent: &'a Agent,
    /// The correlation rule.
    pub rule: MatchView<'a>,
    /// One sentence.
    pub message: &'a str,
    /// The process that completed it.
    pub process: Option<ProcessRef>,
    /// Sequence numbers of the events it rests on; at most 32 are written.
    pub related: &'a [u64],
}

/// Events that were lost at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where: `kernel_ringbuf`, `user_queue`, `log_write`…
    pub stage: &'static str,
    /// Which kind, where that is known.
    pub kind: Option<Kind>,
    /// How many.
    pub count: u64,
}

/// Lines the writer could not put into the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteGap {
    /// Sequence numbers that are missing.
    pub missing: Range<u64>,
    /// Failed writes since the last line that was written.
    pub write_errors: u64,
    /// Name of the last error (`ENOSPC`), if there was one; else the queue was full.
    pub error: Option<&'static str>,
}

/// What happens to the monitor itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle<'a> {
    /// It watches.
    Start {
        /// Digest of the loaded rules.
        rules_digest: &'a str,
        /// How many rules are loaded.
        rules: u64,
    },
    /// It was told to stop.
    Stop {
        /// Why: `SIGTERM`, `command ended`.
        reason: &'a str,
    },
    /// The canary found other hooks blind than before.
    Hooks {
        /// System calls and kinds that were done and not reported; empty: all report again.
        blind: &'a [&'static str],
    },
    /// What should be watched is not: an agent that has begun, or the canary.
    Unwatched {
        /// The agent's name, or the canary's.
        name: &'a str,
        /// Its cgroup, below the v2 mount; empty for the canary.
        cgroup: &'a str,
        /// Why.
        error: &'a str,
    },
    /// Configuration and rules were read again.
    Reload {
        /// Digest of the rules now loaded.
        rules_digest: &'a str,
        /// How many rules are loaded.
        rules: u64,
        /// Why the new ones were refused; the old ones stay.
        error: Option<&'a str>,
    },
}
