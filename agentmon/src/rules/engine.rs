//! The engine: operations in, matches out.
//!
//! One per pipeline, used by one thread. The same rules and the same operations in the same order give the same
//! matches, live or in a replay. Not for: loading rules, acting on matches.

use super::bound::Measure;
use super::category::{Categories, succeeded};
use super::correlation::{Correlation, Member};
use super::groups::{Groups, Sighting};
use super::joined::Joined;
use super::matcher::Scratch;
use super::rule_set::RuleSet;
use super::window::Digest;
use super::{Match, Rule};
use crate::event::{AgentId, WallClock};
use crate::process::Operation;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// Most that is remembered between events, reckoned, bytes. Beyond it the agent with most forgets.
const STATE_BYTES_MAX: usize = 40 * 1024 * 1024;
/// So many counted events lie between two looks at the size; each adds a few hundred bytes at most.
const LOOK_EVERY: u32 = 4096;

/// How much the engine remembers between events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Groups of all correlations and agents.
    pub groups: usize,
    /// Entries in them.
    pub entries: usize,
    /// What both take, bytes, reckoned from their numbers.
    pub bytes: usize,
    /// Groups that had to be forgotten for want of room, since the start.
    pub forgotten: u64,
}

/// Evaluates operations against a set of rules.
#[derive(Debug)]
pub struct Engine {
    rules: RuleSet,
    clock: WallClock,
    scratch: Scratch,
    matched: Vec<u32>,
    counting: Counting,
}

/// The correlations' part of it.
#[derive(Debug, Default)]
struct Counting {
    groups: Vec<Groups>,
    joined: Joined,
    /// Of this event: which correlations count it, and as which of their rules. First the one that counts no other that is
    /// due, and of one correlation the last of its rules.
    due: BinaryHeap<(Reverse<usize>, usize)>,
    /// Of this event and one correlation: what it was seen as, and the groups for which the condition holds.
    seen: Vec<Sighting>,
    held: Vec<Digest>,
    counted: u32,
    /// Groups forgotten under earlier rules.
    forgotten_before: u64,
}

impl Engine {
    /// An engine that has seen nothing.
    #[must_use]
    pub fn new(rules: RuleSet) -> Self {
        let groups = rules.correlations().iter().map(|_| Groups::default()).collect();
        let counting = Counting { groups, ..Counting::default() };
        Self { rules, clock: WallClock::default(), scratch: Scratch::default(), matched: Vec::new(), counting }
    }

    /// The same, for events whose stamps begin at this time of day: what `EventTime` needs.
    #[must_use]
    pub fn with_clock(mut self, clock: WallClock) -> Self {
        self.scratch = Scratch::new(clock);
        self.counting.joined = Joined::new(clock);
        self.clock = clock;
        self
    }

    /// An engine for other rules that has seen nothing, of the same clock. What was forgotten stays counted.
    #[must_use]
    pub fn succeeded_by(&self, rules: RuleSet) -> Self {
        let mut next = Self::new(rules).with_clock(self.clock);
        next.counting.forgotten_before = self.state().forgotten;
        next
    }

    /// The rules it evaluates.
    #[must_use]
    pub const fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Adds the rules that match this operation, in the order they were loaded; correlations after what they count.
    pub fn evaluate(&mut self, operation: &Operation<'_>, matches: &mut Vec<Match>) {
        let success = succeeded(operation.event);
        let Self { rules, scratch, matched, counting, .. } = self;
        matched.clear();
        for category in Categories::of(operation.event).iter() {
            if let Some(matcher) = rules.matcher(category, success) {
                matcher.evaluate(operation, scratch, |rule| matched.push(rule));
            }
        }
        if let Some(view) = rules.audited(success) {
            // A rule that matches several records of an operation is told once.
            view.evaluate(operation, scratch, |rule| {
                if !matched.contains(&rule) {
                    matched.push(rule);
                }
            });
        }
        for number in &*matched {
            let Some(rule) = rules.rule(*number) else { continue };
            if rule.reported {
                matches.push(Match { rule: Arc::clone(rule), count: None });
            }
            counting.expect(rules, *number);
        }
        counting.count(rules, operation, matches);
    }

    /// Whether any rule matched the latest operation, those included that only feed a correlation.
    #[must_use]
    pub const fn has_matched(&self) -> bool {
        !self.matched.is_empty()
    }

    /// Forgets what was counted for an agent that has ended. Without it, quiet agents are forgotten when room is needed.
    pub fn forget(&mut self, agent: AgentId) {
        self.counting.groups.iter_mut().for_each(|groups| groups.forget(agent));
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
        let mut size = StateSize { forgotten: self.counting.forgotten_before, ..StateSize::default() };
        for groups in &self.counting.groups {
            size.groups += groups.len();
            size.entries += groups.entries();
            size.bytes += groups.bytes();
            size.forgotten += groups.forgotten();
        }
        size
    }
}

impl Counting {
    /// A rule matched: the correlations that name it are due.
    fn expect(&mut self, rules: &RuleSet, rule: u32) {
        self.due.extend(rules.counted_by(rule).iter().map(|(correlation, step)| (Reverse(*correlation), *step)));
    }

    /// Counts this event wherever it is due, and tells what holds.
    fn count(&mut self, rules: &RuleSet, operation: &Operation<'_>, matches: &mut Vec<Match>) {
        while let Some((Reverse(index), _)) = self.due.peek().copied() {
            let Some(correlation) = rules.correlations().get(index) else { return };
            let measure = self.add(index, correlation, operation);
            if self.held.is_empty() {
                continue;
            }
            self.expect(rules, correlation.rule);
            let mut told = false;
            for group in &self.held {
                told |= self.groups[index].tell(correlation, operation.event.agent, *group);
            }
            if let Some(rule) = rules.rule(correlation.rule).filter(|rule| told && rule.reported) {
                matches.push(Match { rule: Arc::clone(rule), count: Some(measure.rounded()) });
            }
        }
    }

    /// Adds the event to a correlation as each of the rules for which it is due. Leaves the groups for which the condition holds
    /// in `held`, and returns what was measured in the last of them.
    fn add(&mut self, index: usize, correlation: &Correlation, operation: &Operation<'_>) -> Measure {
        self.seen.clear();
        self.held.clear();
        let mut measured = Measure::number(0);
        let mut looked: Option<(&Member, Option<Sighting>)> = None;
        while let Some((_, step)) = self.due.peek().copied().filter(|(Reverse(due), _)| *due == index) {
            self.due.pop();
            let Some(member) = correlation.members.get(step).filter(|_| correlation.counts(operation.event)) else { continue };
            let sighting = match looked {
                Some((other, sighting)) if other == member => sighting,
                _ => Sighting::of(correlation.kind, member, operation, &mut self.joined),
            };
            looked = Some((member, sighting));
            let Some(sighting) = sighting else { continue };
            // One event counts once, however many of the rules match it; as a step of a sequence it is one for each.
            if !correlation.kind.is_temporal() && self.seen.contains(&sighting) {
                continue;
            }
            self.seen.push(sighting);
            self.held.retain(|group| *group != sighting.group);
            if let Some(measure) = self.groups[index].add(correlation, step, operation.event, sighting) {
                measured = measure;
                self.held.push(sighting.group);
            }
        }
        self.counted += 1;
        if self.counted >= LOOK_EVERY {
            self.counted = 0;
            self.make_room();
        }
        measured
    }

    /// Forgets until all fits: of the agent that has most, where it has most.
    fn make_room(&mut self) {
        while self.groups.iter().map(Groups::bytes).sum::<usize>() > STATE_BYTES_MAX {
            let mut agents: BTreeMap<AgentId, usize> = BTreeMap::new();
            for groups in &self.groups {
                groups.agents().for_each(|agent| *agents.entry(agent).or_default() += groups.bytes_of(agent));
            }
            let Some((agent, _)) = agents.into_iter().max_by_key(|(agent, bytes)| (*bytes, Reverse(*agent))) else { return };
            let Some(groups) = self.groups.iter_mut().max_by_key(|groups| groups.bytes_of(agent)) else { return };
            groups.forget_some(agent);
        }
    }
}
