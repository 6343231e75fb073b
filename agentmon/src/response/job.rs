//! One order on its way from written to verified: the agent's cgroups are empty, frozen or thawed, and its escaped
//! processes are dealt with.
//!
//! A state machine without a thread: the breaker's verifier steps many, `manual` steps one. Not for: writing reports
//! anywhere.

use super::breaker::Order;
use super::escapee::{Escapee, Outsider};
use super::urgent::{WORTHWHILE_TASKS, urgently};
use super::{Command, Relist};
use crate::agents::AgentCgroups;
use crate::cgroup::{Cgroup, EventsFile, KillMeans, Settled, wait_readable};
use crate::event::{AgentId, ProcessKey};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long an order may take until its stragglers are reported.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often new escaped processes are looked for: each round must find some, and a fork bomb cannot go on for ever.
const ROUNDS_MAX: u32 = 256;
/// Processes and messages named in a report.
const NAMED_MAX: usize = 32;
/// Processes counted before an order, per cgroup: counting must not hold the order up.
const COUNTED_MAX: usize = 1_000;

/// How an order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written; `verified` says whether the kernel confirmed it in time.
    Done {
        /// Everything is empty, frozen or thawed.
        verified: bool,
    },
    /// Some of it failed, or it was not verified for the reason given; what could be done was done.
    Failed(String),
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerReport {
    /// The order's number, as [`super::Struck::order`]; 0 for manual control.
    pub order: u64,
    /// Whose it was.
    pub agent: AgentId,
    /// What was ordered.
    pub command: Command,
    /// How it ended.
    pub outcome: Outcome,
    /// Processes in the agent's topmost cgroups just before; at least so many, when there are more than 1,000.
    pub tasks: u32,
    /// Process ids that should have been dead or frozen and were not; at most 32.
    pub survivors: Vec<u32>,
    /// From the decision until the control files were written.
    pub write_latency: Duration,
    /// From the decision until verified, or given up.
    pub done_latency: Duration,
    /// Processes outside the agent's cgroups that were killed (kill) or brought back (freeze).
    pub escaped: u32,
}

impl BreakerReport {
    /// Whether the order is proved to have worked.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        matches!(self.outcome, Outcome::Done { verified: true })
    }
}

/// The control files have been written.
pub(super) struct Strike {
    pub(super) write_latency: Duration,
    pub(super) errors: Vec<String>,
    tasks: usize,
    /// This kernel has no cgroup.kill: signals are sent until nothing is left.
    pub(super) signal_again: bool,
}

impl Strike {
    /// Writes the control file of every cgroup of an agent.
    pub(super) fn write(cgroups: &AgentCgroups, command: Command, decided: Instant) -> Self {
        let counts = cgroups.roots().iter().map(|cgroup| cgroup.count_procs(COUNTED_MAX).unwrap_or(0));
        let mut strike = Self { tasks: counts.sum(), write_latency: Duration::ZERO, errors: Vec::new(), signal_again: false };
        for cgroup in cgroups.roots() {
            let write = || match command {
                Command::Freeze => cgroup.request_freeze().map(|()| KillMeans::Kill),
                Command::Thaw => cgroup.request_thaw().map(|()| KillMeans::Kill),
                Command::Kill => cgroup.request_kill(),
            };
            let written = if strike.tasks >= WORTHWHILE_TASKS { urgently(write) } else { write() };
            match written {
                Ok(means) => strike.signal_again |= means == KillMeans::FreezeAndSignal,
                Err(error) if error.is_gone() => {}
                Err(error) => strike.errors.push(error.to_string()),
            }
        }
        strike.write_latency = decided.elapsed();
        strike
    }
}

/// An order that is being verified.
pub(super) struct Job {
    order: u64,
    agent: AgentId,
    cgroups: AgentCgroups,
    command: Command,
    decided: Instant,
    deadline: Instant,
    strike: Strike,
    /// With the index of their cgroup.
    events: Vec<(usize, EventsFile)>,
    /// Not yet dealt with.
    pending: Vec<Outsider>,
    relist: Option<Relist>,
    /// Why the last listing failed, if it did.
    unlisted: Option<String>,
    rounds: u32,
    /// Counted in `escaped`.
    known: HashSet<ProcessKey>,
    /// Killed, and not yet seen dead.
    dying: Vec<Escapee>,
    escaped: u32,
}

impl Job {
    pub(super) fn new(number: u64, order: Order<'_>, strike: Strike) -> Self {
        let mut job = Self {
            order: number,
            agent: order.agent,
            cgroups: order.cgroups.clone(),
            command: order.command,
            decided: order.decided,
            deadline: Instant::now() + PATIENCE,
            strike,
            events: Vec::new(),
            pending: order.escaped.into_iter().map(Outsider::Named).collect(),
            relist: order.relist,
            unlisted: None,
            rounds: 0,
            known: HashSet::new(),
            dying: Vec::new(),
            escaped: 0,
        };
        for (index, cgroup) in job.cgroups.roots().iter().enumerate() {
            match cgroup.events() {
                Ok(events) => job.events.push((index, events)),
                Err(error) if error.is_gone() => {}
                Err(error) => job.strike.errors.push(error.to_string()),
            }
        }
        if job.command == Command::Thaw {
            job.pending.clear();
            job.relist = None;
        }
        job
    }

    /// Does what can be done now. The report, once it is over.
    pub(super) fn step(&mut self, now: Instant) -> Option<BreakerReport> {
        for outsider in std::mem::take(&mut self.pending) {
            self.deal_with(outsider);
        }
        if self.strike.signal_again {
            for cgroup in self.cgroups.roots() {
                // Errors show as survivors.
                let _ = cgroup.signal_all();
            }
        }
        self.dying.retain(|escapee| !escapee.is_dead());
        let settled = self.dying.is_empty() && self.unsettled().next().is_none();
        // Only after all that are known were dealt with: what they forked before is in the list then.
        if settled && self.nothing_more() {
            return Some(self.report(true));
        }
        (now >= self.deadline || self.rounds > ROUNDS_MAX).then(|| self.report(false))
    }

    /// Gives up when a newer order for the same agent wants another state.
    pub(super) fn supersede(&mut self, newer: &Self) {
        if self.agent == newer.agent && self.command != newer.command {
            self.strike.errors.push(format!("a later {} took its place", newer.command.name()));
            self.deadline = Instant::now();
            self.relist = None;
            self.unlisted = None;
        }
    }

    /// Waits a moment for the kernel to change something about any of these.
    pub(super) fn wait(jobs: &[Self]) {
        if !jobs.is_empty() && jobs.iter().all(|job| job.pending.is_empty()) {
            let events: Vec<&EventsFile> = jobs.iter().flat_map(|job| job.events.iter().map(|(_, events)| events)).collect();
            wait_readable(&events, Duration::from_millis(1));
        }
    }

    /// Steps one order to its end.
    pub(super) fn finish(mut self) -> BreakerReport {
        loop {
            if let Some(report) = self.step(Instant::now()) {
                return report;
            }
            Self::wait(std::slice::from_ref(&self));
        }
    }

    const fn wanted(&self) -> Settled {
        match self.command {
            Command::Freeze => Settled::Frozen,
            Command::Thaw => Settled::Thawed,
            Command::Kill => Settled::Empty,
        }
    }

    fn unsettled(&self) -> impl Iterator<Item = &Cgroup> {
        let left = self.events.iter().filter(|(_, events)| !events.is(self.wanted()).unwrap_or(false));
        left.filter_map(|(index, _)| self.cgroups.roots().get(*index))
    }

    /// Whether nothing is outside. Whoever is listed is dealt with, also when that was done before: it is there again. A
    /// listing that fails proves nothing, and is tried again until the deadline.
    fn nothing_more(&mut self) -> bool {
        let Some(relist) = &mut self.relist else { return true };
        match relist() {
            Ok(found) => {
                self.rounds += 1;
                self.unlisted = None;
                self.pending = found;
                self.pending.is_empty()
            }
            Err(why) => {
                self.unlisted = Some(why);
                false
            }
        }
    }

    fn deal_with(&mut self, outsider: Outsider) {
        let key = outsider.key();
        let taken = match outsider {
            Outsider::Named(key) => Escapee::take(key),
            Outsider::Held(escapee) => Ok(Some(escapee)),
        };
        let done = match taken {
            Ok(None) => return,
            Ok(Some(escapee)) if self.command == Command::Freeze => match self.cgroups.roots().first() {
                Some(cgroup) => escapee.bring_back(cgroup),
                None => Ok(()),
            },
            Ok(Some(escapee)) => {
                let killed = escapee.kill();
                self.dying.push(escapee);
                killed
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => self.escaped += u32::from(self.known.insert(key)),
            Err(error) => self.strike.errors.push(error.to_string()),
        }
    }

    fn report(&mut self, verified: bool) -> BreakerReport {
        let mut survivors = Vec::new();
        if !verified && self.command != Command::Thaw {
            survivors.extend(self.unsettled().flat_map(Cgroup::all_procs));
            survivors.extend(self.dying.iter().map(|escapee| escapee.key().tgid));
            survivors.truncate(NAMED_MAX);
        }
        let mut errors = std::mem::take(&mut self.strike.errors);
        errors.extend(self.unlisted.take().map(|why| format!("not verified, as nobody can say what is outside the cgroup: {why}")));
        let more = errors.len().saturating_sub(NAMED_MAX);
        errors.truncate(NAMED_MAX);
        if more > 0 {
            errors.push(format!("and {more} more"));
        }
        if self.rounds > ROUNDS_MAX {
            errors.push(format!("escaped processes kept appearing for {ROUNDS_MAX} rounds"));
        }
        BreakerReport {
            order: self.order,
            agent: self.agent,
            command: self.command,
            outcome: if errors.is_empty() { Outcome::Done { verified } } else { Outcome::Failed(errors.join("; ")) },
            tasks: u32::try_from(self.strike.tasks).unwrap_or(u32::MAX),
            survivors,
            write_latency: self.strike.write_latency,
            done_latency: self.decided.elapsed(),
            escaped: self.escaped,
        }
    }
}
