//! The state of correlations: counters per agent and group, within bounds that no agent can exceed.
//!
//! Each agent has its own share, so that a hostile one forgets only its own groups; what is forgotten is counted.

use super::correlation::Correlation;
use super::field::Field;
use super::value::{self, Joined};
use super::window::{ByDigest, Counter, Digest, Digester};
use crate::event::{AgentId, Event};
use crate::process::Operation;
use std::collections::HashMap;

/// Most agents that have state in one correlation; the one that was quiet longest is forgotten first.
const AGENTS_MAX: usize = 256;
/// Most groups of one agent in one correlation.
const GROUPS_MAX: usize = 256;
/// Most entries of all groups of one agent in one correlation.
const ENTRIES_MAX: usize = 32_768;

/// The counters of one correlation.
#[derive(Debug, Default)]
pub(super) struct Groups {
    agents: HashMap<AgentId, Share>,
    forgotten: u64,
}

/// What one agent has in one correlation.
#[derive(Debug, Default)]
struct Share {
    groups: ByDigest<Counter>,
    entries: usize,
    now_ns: u64,
}

impl Groups {
    /// Counts one event of a correlated rule. Returns the count when the correlation fires.
    pub fn count(&mut self, correlation: &Correlation, event: &Event, sighting: Sighting) -> Option<u64> {
        self.make_room(event.agent);
        let (timespan_ns, keep) = (correlation.timespan_ns, correlation.keep());
        let share = self.agents.entry(event.agent).or_default();
        share.now_ns = share.now_ns.max(event.timestamp_ns);
        self.forgotten += share.make_room(sighting.group, keep);
        let counter = share.groups.entry(sighting.group).or_default();
        let before = counter.len();
        let count = match sighting.value {
            Some(value) => counter.add_value(value, event.timestamp_ns, timespan_ns, keep),
            None => counter.add_event(event.repeated, event.timestamp_ns, timespan_ns, keep),
        };
        share.entries = (share.entries + counter.len()).saturating_sub(before);
        (correlation.holds(count) && counter.fire(timespan_ns)).then_some(count)
    }

    /// Forgets an agent that has ended.
    pub fn forget(&mut self, agent: AgentId) {
        self.agents.remove(&agent);
    }

    /// Entries held.
    pub fn entries(&self) -> usize {
        self.agents.values().map(|share| share.entries).sum()
    }

    /// Groups held.
    pub fn len(&self) -> usize {
        self.agents.values().map(|share| share.groups.len()).sum()
    }

    /// Groups that had to be forgotten for want of room.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn make_room(&mut self, agent: AgentId) {
        if self.agents.len() < AGENTS_MAX || self.agents.contains_key(&agent) {
            return;
        }
        // The number decides between equals, so that a replay forgets the same one.
        if let Some(quietest) = self.agents.iter().min_by_key(|(id, share)| (share.now_ns, **id)).map(|(id, _)| *id)
            && let Some(share) = self.agents.remove(&quietest)
        {
            self.forgotten += share.groups.len() as u64;
        }
    }
}

impl Share {
    /// Forgets the groups that were quiet longest until one more entry of this group fits. Returns how many.
    fn make_room(&mut self, group: Digest, keep: usize) -> u64 {
        let mut forgotten = 0;
        loop {
            let full = self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&group);
            // One counter alone holds at most twice what it keeps.
            let heavy = self.entries >= ENTRIES_MAX.max(2 * keep + 1);
            let others = self.groups.len() - usize::from(self.groups.contains_key(&group));
            if (!full && !heavy) || others == 0 {
                return forgotten;
            }
            forgotten += self.forget_quietest(group, others.div_ceil(4));
        }
    }

    /// Forgets so many groups at once: looking for one each time would be work that an agent can ask for.
    fn forget_quietest(&mut self, kept: Digest, number: usize) -> u64 {
        let mut quiet: Vec<(u64, Digest)> =
            self.groups.iter().filter(|(key, _)| **key != kept).map(|(key, counter)| (counter.now_ns(), *key)).collect();
        // The digest decides between equals, so that a replay forgets the same ones.
        quiet.sort_unstable();
        quiet.truncate(number);
        for (_, key) in &quiet {
            if let Some(counter) = self.groups.remove(key) {
                self.entries = self.entries.saturating_sub(counter.len());
            }
        }
        quiet.len() as u64
    }
}

/// What one event is to a correlation: in which group, and with which value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    group: Digest,
    /// `None` when every event counts.
    value: Option<Digest>,
}

impl Sighting {
    /// Looks at an event. `None` when it lacks the value that is counted.
    pub fn of(correlation: &Correlation, operation: &Operation<'_>, joined: &mut Joined) -> Option<Self> {
        let asks = |wanted| correlation.group_by.iter().chain(&correlation.values).any(|field| *field == wanted);
        joined.fill(operation, asks(Field::CommandLine), asks(Field::ParentCommandLine));
        let value = match &correlation.values[..] {
            [] => None,
            fields => Some(digest(fields, operation, joined, true)?),
        };
        Some(Self { group: digest(&correlation.group_by, operation, joined, false)?, value })
    }
}

/// One digest of several fields. `None` when `needed` and all are absent.
fn digest(fields: &[Field], operation: &Operation<'_>, joined: &Joined, needed: bool) -> Option<Digest> {
    let mut digester = Digester::new();
    let mut any = !needed;
    for field in fields {
        let value = value::value(*field, operation, joined);
        any |= value.is_some();
        digester.add(value.as_ref().map(|value| value.bytes()));
    }
    any.then(|| digester.finish())
}
