//! From matches to orders: which action follows, against whom it was already taken, and what became of it.
//!
//! Not for: carrying an order out (`crate::response`), nor for what a rule says (`crate::rules`).

use super::escaped;
use super::message::{Mailbox, Message, Orderer};
use super::outputs::Outputs;
use super::recorder::Recorder;
use crate::agents::{Entry, Register, State};
use crate::cgroup::Mount;
use crate::clock::boot_ns;
use crate::config::Mode;
use crate::event::{AgentId, Event, ProcessKey};
use crate::log::{BreakerView, ProcessRef};
use crate::metrics::Trigger;
use crate::process::Operation;
use crate::response::{Breaker, BreakerReport, Command, Order, Outcome};
use crate::rules::{Action, Match};
use crate::sensor::Members;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Decides and remembers.
pub struct Verdicts {
    mode: Mode,
    breaker: Breaker,
    members: Members,
    pending: HashMap<u64, Pending>,
    /// Boot time of the kill of each killed agent.
    killed_ns: HashMap<AgentId, u64>,
}

/// An order whose report is still to come.
struct Pending {
    agent: AgentId,
    command: Command,
    trigger: Trigger,
    timestamp_ns: u64,
    by: String,
    reason: String,
    process: Option<ProcessRef>,
    cgroup: String,
    latency: Duration,
}

impl Verdicts {
    /// Starts the breaker; its reports come back as messages.
    pub fn new(mode: Mode, mailbox: Mailbox, members: Members) -> std::io::Result<Self> {
        let breaker = Breaker::new(move |report| mailbox.send(Message::Report(report)))?;
        Ok(Self { mode, breaker, members, pending: HashMap::new(), killed_ns: HashMap::new() })
    }

    /// Whether every order was reported.
    pub fn all_reported(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether an order against this agent waits for its report.
    pub fn is_ordered(&self, agent: AgentId) -> bool {
        self.pending.values().any(|pending| pending.agent == agent)
    }

    /// Acts on the gravest of the matches. Returns the state the agent is in now, when it is another.
    pub fn respond(
        &mut self,
        op: &Operation<'_>,
        entry: &Entry,
        matches: &[Match],
        mount: &Mount,
        outside: impl FnOnce() -> Vec<ProcessKey>,
        recorder: &Recorder,
    ) -> Option<State> {
        matches.iter().for_each(|found| recorder.matched(&found.rule));
        let gravest = matches.iter().max_by_key(|found| found.rule.action)?;
        let command = command_for(gravest.rule.action)?;
        if self.mode == Mode::Observe {
            recorder.observed(command);
            return None;
        }
        if self.is_done(entry, command) {
            return None;
        }
        let state = state_after(command);
        let process = ProcessRef { key: op.event.process, execs: op.process.execs };
        let pending = Pending {
            agent: entry.agent.id,
            command,
            trigger: Trigger::Rule,
            timestamp_ns: op.event.timestamp_ns,
            by: format!("rule:{}", gravest.rule.id),
            reason: gravest.rule.title.clone(),
            process: Some(process),
            cgroup: String::new(),
            latency: Duration::ZERO,
        };
        self.strike(entry, command, mount, outside(), pending);
        Some(state)
    }

    /// Whether this was ordered already and holds. The kernel is asked: somebody may have thawed the agent by hand.
    fn is_done(&self, entry: &Entry, command: Command) -> bool {
        let ordered = self.pending.values().any(|pending| pending.agent == entry.agent.id && pending.command >= command);
        let frozen = || entry.cgroups.roots().iter().all(|root| root.frozen().unwrap_or(false));
        ordered || entry.state == State::Killed || (command == Command::Freeze && frozen())
    }

    /// Carries out an order that no rule gave. Returns the state the agent is in now.
    pub fn order(&mut self, entry: &Entry, command: Command, by: &Orderer, mount: &Mount, outside: Vec<ProcessKey>) -> State {
        let pending = Pending {
            agent: entry.agent.id,
            command,
            trigger: by.trigger(),
            timestamp_ns: boot_ns(),
            by: by.name(),
            reason: by.reason().to_owned(),
            process: None,
            cgroup: String::new(),
            latency: Duration::ZERO,
        };
        self.strike(entry, command, mount, outside, pending);
        state_after(command)
    }

    fn strike(&mut self, entry: &Entry, command: Command, mount: &Mount, escaped: Vec<ProcessKey>, mut pending: Pending) {
        let agent = entry.agent.id;
        let relist = (command != Command::Thaw).then(|| escaped::relist(self.members.clone(), agent, &entry.cgroups, mount));
        let order = Order { agent, cgroups: &entry.cgroups, command, decided: Instant::now(), escaped, relist };
        let struck = self.breaker.act(order);
        let written_ns = boot_ns();
        pending.latency = Duration::from_nanos(written_ns.saturating_sub(pending.timestamp_ns));
        pending.cgroup = entry.cgroups.roots().first().map(|root| mount.relative(root).display().to_string()).unwrap_or_default();
        for error in &struck.errors {
            tracing::error!("{} of {}: {error}", command.name(), entry.agent.name);
        }
        if command == Command::Kill {
            self.killed_ns.insert(agent, written_ns);
        }
        self.pending.insert(struck.order, pending);
    }

    /// Tells what became of an order.
    pub fn report(&mut self, report: &BreakerReport, register: &Register, outputs: &mut Outputs, recorder: &Recorder) {
        let Some(pending) = self.pending.remove(&report.order) else { return };
        // What was left at the end of a session died by itself before it could be killed: nothing was done.
        if pending.trigger == Trigger::SessionEnd && report.is_verified() && report.escaped == 0 && report.tasks == 0 {
            return;
        }
        recorder.acted(report, pending.trigger);
        let Some(entry) = register.get(report.agent) else { return };
        let survivors = (!report.survivors.is_empty()).then(|| format!("still there: {:?}", report.survivors));
        let error = match &report.outcome {
            Outcome::Done { .. } => survivors,
            Outcome::Failed(error) => Some(error.clone()),
        };
        outputs.breaker(&BreakerView {
            timestamp_ns: pending.timestamp_ns,
            agent: &entry.agent,
            action: report.command,
            by: &pending.by,
            reason: &pending.reason,
            command: &format!("c-{}", report.order),
            process: pending.process,
            cgroup: &pending.cgroup,
            latency: pending.latency,
            tasks: Some(u64::from(report.tasks)),
            verified: Some(report.is_verified()),
            error: error.as_deref(),
        });
    }

    /// Whether a process did this that is younger than the kill of its agent.
    pub fn is_after_kill(&self, event: &Event) -> bool {
        self.killed_ns.get(&event.agent).is_some_and(|killed_ns| event.process.start_ns > *killed_ns)
    }

    /// Forgets an agent's kill.
    pub fn forget(&mut self, agent: AgentId) {
        self.killed_ns.remove(&agent);
    }
}

/// The order that follows an action. What cannot be done before its effect yet is contained after it.
const fn command_for(action: Action) -> Option<Command> {
    match action {
        Action::Log | Action::Alert => None,
        Action::Confirm | Action::Deny | Action::Freeze => Some(Command::Freeze),
        Action::Kill => Some(Command::Kill),
    }
}

const fn state_after(command: Command) -> State {
    match command {
        Command::Freeze => State::Frozen,
        Command::Thaw => State::Running,
        Command::Kill => State::Killed,
    }
}
