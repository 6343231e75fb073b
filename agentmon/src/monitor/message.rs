//! What the engine can be told by other threads, and how they reach it.
//!
//! One closed list, so that everything that can happen to the engine is an event, a message or a tick. Not for: records
//! (they come through `crate::sensor::ring`).

use crate::agents::AgentCgroups;
use crate::canary::{Findings, Sightings};
use crate::config::Terms;
use crate::event::AgentId;
use crate::metrics::Trigger;
use crate::response::{BreakerReport, Command};
use crate::rules::RuleSet;
use crate::sensor::SensorError;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use thiserror::Error;

/// Messages that may wait; who sends beyond that waits, and it is never the engine.
const MESSAGES_MAX: usize = 256;

/// Why the monitor did not do what it was told.
#[derive(Debug, Error)]
pub enum MonitorError {
    /// The kernel side refused.
    #[error(transparent)]
    Sensor(#[from] SensorError),
    /// The engine thread has ended.
    #[error("the engine thread has ended; see the messages before this one")]
    EngineGone,
}

/// Who gave an order that no rule asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Orderer {
    /// A person.
    Operator {
        /// User id.
        uid: u32,
        /// The reason given.
        reason: String,
    },
    /// The end of the agent's session: nothing of it may stay behind.
    SessionEnd,
    /// The monitor itself: the agent acts after a kill that could not be proved.
    Unproved,
}

impl Orderer {
    /// As the log names it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Operator { uid, .. } => format!("operator:{uid}"),
            Self::SessionEnd => "session-end".to_owned(),
            Self::Unproved => "unproved-kill".to_owned(),
        }
    }

    /// Why, for people.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Operator { reason, .. } => reason,
            Self::SessionEnd => "the session is over",
            Self::Unproved => "it acts after a kill that could not be proved",
        }
    }

    /// As the metrics name it.
    #[must_use]
    pub const fn trigger(&self) -> Trigger {
        match self {
            Self::Operator { .. } => Trigger::Operator,
            Self::SessionEnd => Trigger::SessionEnd,
            Self::Unproved => Trigger::Rule,
        }
    }
}

/// Where an answer goes.
pub type Reply<T> = SyncSender<T>;

/// Everything the engine can be told.
pub enum Message {
    /// Begin to watch.
    Watch {
        /// The agent's name.
        name: String,
        /// Its session.
        session: String,
        /// Where it is.
        cgroups: AgentCgroups,
        /// What is watched of it, and what it is expected to do.
        terms: Terms,
        /// Its number, or why not.
        reply: Reply<Result<AgentId, MonitorError>>,
    },
    /// Stop watching.
    Unwatch {
        /// Which agent.
        agent: AgentId,
        /// When done.
        reply: Reply<()>,
    },
    /// Watch an agent under other terms.
    Change {
        /// Which agent.
        agent: AgentId,
        /// The terms from now on.
        terms: Terms,
        /// When done.
        reply: Reply<Result<(), MonitorError>>,
    },
    /// New rules, or why there are none.
    Reload {
        /// The rules.
        rules: Box<Result<RuleSet, String>>,
        /// When done.
        reply: Reply<()>,
    },
    /// An order that no rule gave.
    Order {
        /// Against whom.
        agent: AgentId,
        /// What.
        command: Command,
        /// By whom.
        by: Orderer,
        /// When it was written.
        reply: Reply<()>,
    },
    /// Kill what an agent has outside its cgroups: its session is over.
    EndOutside {
        /// Which agent.
        agent: AgentId,
        /// How many there were; none when nobody can say.
        reply: Reply<Option<usize>>,
    },
    /// What became of an order.
    Report(BreakerReport),
    /// Whether every order has been verified, or given up.
    IsSettled(Reply<bool>),
    /// Watch the canary's cgroup; what it does is seen and not judged.
    BeginCanary {
        /// Where it flies.
        cgroups: AgentCgroups,
        /// When it is watched, or why not.
        reply: Reply<Result<(), MonitorError>>,
    },
    /// What the probes have reported of the canary so far.
    Sightings(Reply<Sightings>),
    /// Stop watching the canary; gives what was reported of it.
    EndCanary(Reply<Sightings>),
    /// The canary's findings are to be told.
    CanaryFindings(Box<Findings>),
    /// Tells why the canary could not fly.
    CanaryGrounded(String),
    /// Open the log file anew.
    ReopenLog(Reply<()>),
    /// Watch nothing any more; records that were made until now will still come.
    Detach {
        /// When done.
        reply: Reply<()>,
    },
    /// No record will come any more: write what there is and end.
    Finish {
        /// Why, for the log.
        reason: String,
    },
}

/// The way to the engine: sends, and wakes it.
#[derive(Clone)]
pub struct Mailbox {
    sender: SyncSender<Message>,
    engine: Arc<OnceLock<Thread>>,
}

impl Mailbox {
    /// A mailbox and its other end.
    pub fn new() -> (Self, Receiver<Message>) {
        let (sender, receiver) = sync_channel(MESSAGES_MAX);
        (Self { sender, engine: Arc::default() }, receiver)
    }

    /// Says which thread to wake.
    pub fn wakes(&self, thread: Thread) {
        self.engine.get_or_init(|| thread).unpark();
    }

    /// Sends without waiting for an answer; a message to an engine that has ended is of no use to anybody.
    pub fn send(&self, message: Message) {
        let _ = self.sender.send(message);
        if let Some(engine) = self.engine.get() {
            engine.unpark();
        }
    }

    /// Sends and waits for the answer.
    pub fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, MonitorError> {
        let (reply, answer) = sync_channel(1);
        self.send(message(reply));
        answer.recv().map_err(|_| MonitorError::EngineGone)
    }
}
