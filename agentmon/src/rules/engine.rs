//! The engine: operations in, matches out.
//!
//! One per pipeline, used by one thread. The same rules and the same operations in the same order give the same
//! matches, live or in a replay. Not for: loading rules, acting on matches.

use super::category::{Categories, succeeded};
use super::correlation::Correlation;
use super::groups::{Groups, Sighting};
use super::loader::RuleSet;
use super::matcher::Scratch;
use super::value::Joined;
use super::{Match, Rule};
use crate::event::{AgentId, WallClock};
use crate::process::Operation;
use std::sync::Arc;

/// How much the engine remembers between events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Groups of all correlations and agents.
    pub groups: usize,
    /// Entries in them.
    pub entries: usize,
    /// Groups that had to be forgotten for want of room, since the start.
    pub forgotten: u64,
}

/// Evaluates operations against a set of rules.
#[derive(Debug)]
pub struct Engine {
    rules: RuleSet,
    clock: WallClock,
    groups: Vec<Groups>,
    scratch: Scratch,
    joined: Joined,
    matched: Vec<u32>,
}

impl Engine {
    /// An engine that has seen nothing.
    #[must_use]
    pub fn new(rules: RuleSet) -> Self {
        let groups = rules.correlations().iter().map(|_| Groups::default()).collect();
        let clock = WallClock::default();
        Self { rules, clock, groups, scratch: Scratch::default(), joined: Joined::default(), matched: Vec::new() }
    }

    /// The same, for events whose stamps begin at this time of day: what `EventTime` needs.
    #[must_use]
    pub fn with_clock(mut self, clock: WallClock) -> Self {
        self.scratch = Scratch::new(clock);
        self.joined = Joined::new(clock);
        self.clock = clock;
        self
    }

    /// The time of day at which its events' stamps begin.
    #[must_use]
    pub const fn clock(&self) -> WallClock {
        self.clock
    }

    /// The rules it evaluates.
    #[must_use]
    pub const fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Adds the rules that match this operation, in the order they were loaded; correlations after what they count.
    pub fn evaluate(&mut self, operation: &Operation<'_>, matches: &mut Vec<Match>) {
        let success = succeeded(operation.event);
        let Self { rules, groups, scratch, joined, matched, .. } = self;
        for category in Categories::of(operation.event).iter() {
            let Some(matcher) = rules.matcher(category, success) else { continue };
            matched.clear();
            matcher.evaluate(operation, scratch, |rule| matched.push(rule));
            for number in &*matched {
                let Some(rule) = rules.rule(*number) else { continue };
                if rule.reported {
                    matches.push(Match { rule: Arc::clone(rule), count: None });
                }
                // Correlations of one rule mostly group and count by the same fields: look once.
                let mut seen: Option<(&Correlation, Option<Sighting>)> = None;
                for index in rules.counted_by(*number) {
                    let (Some(correlation), Some(groups)) = (rules.correlations().get(*index), groups.get_mut(*index)) else {
                        continue;
                    };
                    if !correlation.counts(operation.event) {
                        continue;
                    }
                    let sighting = match seen {
                        Some((other, sighting)) if other.looks_at_the_same(correlation) => sighting,
                        _ => Sighting::of(correlation, operation, joined),
                    };
                    seen = Some((correlation, sighting));
                    if let Some(sighting) = sighting
                        && let Some(count) = groups.count(correlation, operation.event, sighting)
                        && let Some(rule) = rules.rule(correlation.rule)
                    {
                        matches.push(Match { rule: Arc::clone(rule), count: Some(count) });
                    }
                }
            }
        }
    }

    /// Forgets what was counted for an agent that has ended. Without it, quiet agents are forgotten when room is needed.
    pub fn forget(&mut self, agent: AgentId) {
        self.groups.iter_mut().for_each(|groups| groups.forget(agent));
    }

    /// The rule with this id.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Arc<Rule>> {
        self.rules.rules().iter().find(|rule| rule.id == id)
    }

    /// Entries remembered between events, over all correlations and agents.
    #[must_use]
    pub fn state_len(&self) -> usize {
        self.state().entries
    }

    /// What is remembered between events.
    #[must_use]
    pub fn state(&self) -> StateSize {
        let mut size = StateSize::default();
        for groups in &self.groups {
            size.groups += groups.len();
            size.entries += groups.entries();
            size.forgotten += groups.forgotten();
        }
        size
    }
}
