//! The pure stages, one after the other: what completes an event, who did it, which rules match it.
//!
//! The monitor's engine and a replay run these same stages, so that a replay gives what the live run gave. What changes
//! their state is an event, an agent that is forgotten, or other rules; all three stand in a recording. Not for: acting on
//! matches (`crate::monitor`), nor for agents, which are the caller's to know.

use crate::event::{AgentId, Event, WallClock};
use crate::process::{Agent, History, Hosts, Operation, ProcessTable, Resolutions};
use crate::rules::{Engine, Match, RuleSet};
use std::collections::BTreeMap;

/// The state of the pure stages.
#[derive(Debug)]
pub struct Stages {
    resolutions: Resolutions,
    table: ProcessTable,
    hosts: Hosts,
    history: History,
    rules: Engine,
}

/// An event that the rules have seen.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// What happened, and who did it.
    pub op: Operation<'a>,
    /// All processes, as of then.
    pub table: &'a ProcessTable,
    /// Whether any rule matched, those included that only feed a correlation.
    pub touched: bool,
}

impl Stages {
    /// Stages that have seen nothing; `clock` is that of the events' stamps.
    #[must_use]
    pub fn new(rules: RuleSet, clock: WallClock) -> Self {
        Self {
            resolutions: Resolutions::default(),
            table: ProcessTable::new(),
            hosts: Hosts::new(),
            history: History::new(),
            rules: Engine::new(rules).with_clock(clock),
        }
    }

    /// Takes an event as it was decoded; hands on what is complete now, in the order in which it is to be judged.
    pub fn take(&mut self, event: Event, complete: &mut Vec<Event>) {
        // What was counted in the kernel comes long after its call.
        if event.is_late() { complete.push(event) } else { self.resolutions.take(event, complete) }
    }

    /// Hands on what has waited too long for its call, when no event came that says what time it is.
    pub fn let_go_old(&mut self, now_ns: u64, complete: &mut Vec<Event>) {
        self.resolutions.let_go_old(now_ns, complete);
    }

    /// Living processes that the table had no room for since the last call, by agent.
    pub fn take_evicted(&mut self) -> BTreeMap<AgentId, u64> {
        self.table.take_evicted()
    }

    /// No event will come any more: what still waits for its call is complete.
    pub fn finish(&mut self, complete: &mut Vec<Event>) {
        self.resolutions.finish(complete);
    }

    /// Folds a complete event in and adds the rules that match it. `None`: it is of an agent that nobody knows any more, or its
    /// process was forgotten; no rule sees it.
    pub fn judge<'a>(&'a mut self, event: &'a Event, agent: Option<&'a Agent>, matches: &mut Vec<Match>) -> Option<Judged<'a>> {
        let Self { table, hosts, history, rules, .. } = self;
        table.apply(event);
        let (table, history) = (&*table, &*history);
        let (agent, process) = (agent?, table.get(event.process)?);
        hosts.apply(event);
        let op = Operation {
            event,
            agent,
            process,
            parent: table.parent(process),
            hostname: hosts.peer_name(event),
            history: Some(history),
            processes: Some(table),
        };
        rules.evaluate(&op, matches);
        Some(Judged { op, table, touched: rules.has_matched() })
    }

    /// Remembers what was done, after it was judged: to a rule an agent's first connection is its first. To be called for each event
    /// that was judged, and for no other.
    pub fn remember(&mut self, event: &Event) {
        self.history.apply(event);
    }

    /// Forgets what was counted, looked up and done for an agent.
    pub fn forget(&mut self, agent: AgentId) {
        self.rules.forget(agent);
        self.hosts.forget(agent);
        self.history.forget(agent);
    }

    /// Goes on with other rules, which have counted nothing.
    pub fn reload(&mut self, rules: RuleSet) {
        self.rules = self.rules.succeeded_by(rules);
    }

    /// The process table.
    #[must_use]
    pub const fn table(&self) -> &ProcessTable {
        &self.table
    }

    /// The names of addresses.
    #[must_use]
    pub const fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// What the agents have done.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// The rules.
    #[must_use]
    pub const fn rules(&self) -> &Engine {
        &self.rules
    }
}
