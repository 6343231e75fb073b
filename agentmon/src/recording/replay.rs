//! The replay: the lines of a recording through the pure stages, and the verdicts that come of it.
//!
//! Not for: reading lines (`super::reader`), showing verdicts (`crate::cli`).

use super::{Header, Line};
use crate::event::{AgentId, Event};
use crate::process::{Agent, Operation};
use crate::rules::{Match, RuleSet};
use crate::stages::{Judged, Stages};
use std::collections::HashMap;

/// What the rules say of one operation.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'a> {
    /// The line of the recording after which it was complete.
    pub line: u64,
    /// What happened, and who did it.
    pub op: Operation<'a>,
    /// The rules that matched it; may be none.
    pub matches: &'a [Match],
    /// Whether any rule matched it, those included that only feed a correlation.
    pub touched: bool,
}

/// The pure stages as a recording drives them.
#[derive(Debug)]
pub struct Replay {
    stages: Stages,
    rules: RuleSet,
    agents: HashMap<AgentId, Agent>,
    complete: Vec<Event>,
    matches: Vec<Match>,
    /// Events of agents that nobody knew at that time: the live run judged them neither.
    unclaimed: u64,
}

impl Replay {
    /// Stages that have seen nothing, for this recording and these rules.
    #[must_use]
    pub fn new(header: &Header, rules: RuleSet) -> Self {
        let stages = Stages::new(rules.clone(), header.clock());
        Self { stages, rules, agents: HashMap::new(), complete: Vec::new(), matches: Vec::new(), unclaimed: 0 }
    }

    /// Takes one line; hands each operation that it completes to `judged`, with what the rules say of it.
    pub fn take(&mut self, number: u64, line: Line, mut judged: impl FnMut(Verdict<'_>)) {
        let mut complete = std::mem::take(&mut self.complete);
        match line {
            Line::Event(event) => self.stages.take(*event, &mut complete),
            Line::Agent(line) => {
                self.agents.insert(line.id, line.into());
            }
            Line::Gone(gone) => {
                self.stages.forget(gone.id);
                self.agents.remove(&gone.id);
            }
            Line::Rules(_) => self.stages.reload(self.rules.clone()),
            Line::Time(time) => self.stages.let_go_old(time.now_ns, &mut complete),
            Line::Finish(_) => self.stages.finish(&mut complete),
            Line::Recording(_) | Line::Lost(_) | Line::End(_) => {}
        }
        for event in complete.drain(..) {
            self.matches.clear();
            match self.stages.judge(&event, self.agents.get(&event.agent), &mut self.matches) {
                Some(Judged { op, touched, .. }) => {
                    judged(Verdict { line: number, op, matches: &self.matches, touched });
                    self.stages.remember(&event);
                }
                None => self.unclaimed = self.unclaimed.saturating_add(event.repeated),
            }
        }
        self.complete = complete;
    }

    /// Operations that were not judged, because their agent was not known (any more).
    #[must_use]
    pub const fn unclaimed(&self) -> u64 {
        self.unclaimed
    }
}
