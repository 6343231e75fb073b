//! The state of correlations: windows per agent and group, within bounds that no agent can exceed.
//!
//! Each agent has its own share, so that a hostile one forgets only its own groups; what is forgotten is counted.
//! Sizes are reckoned from lengths, not from what the allocator gave: a replay forgets what the live run forgot.

use super::bound::Measure;
use super::correlation::{Correlation, Kind, Member};
use super::joined::Joined;
use super::numbers::{Sample, Total};
use super::steps::Steps;
use super::value;
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
/// What a group takes beside its entries, bytes.
const GROUP_BYTES: usize = 384;

/// The windows of one correlation.
#[derive(Debug, Default)]
pub(super) struct Groups {
    agents: HashMap<AgentId, Share>,
    forgotten: u64,
}

/// What one agent has in one correlation.
#[derive(Debug, Default)]
struct Share {
    groups: ByDigest<Group>,
    entries: usize,
    /// What an entry of these groups takes, bytes.
    entry_bytes: usize,
    now_ns: u64,
}

/// What is remembered of one group.
#[derive(Debug)]
struct Group {
    window: Window,
    /// Time of the newest event.
    now_ns: u64,
    /// When the correlation was last told for this group.
    told_ns: Option<u64>,
}

#[derive(Debug)]
enum Window {
    Counter(Counter),
    Total(Total),
    Sample(Sample),
    Steps(Steps),
}

impl Window {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::EventCount | Kind::ValueCount => Self::Counter(Counter::default()),
            Kind::ValueSum | Kind::ValueAvg => Self::Total(Total::default()),
            Kind::ValuePercentile(_) => Self::Sample(Sample::default()),
            Kind::Temporal | Kind::TemporalOrdered => Self::Steps(Steps::default()),
        }
    }

    /// What an entry takes, bytes: a queue has room for twice as many as it holds, a map for more.
    const fn entry_bytes(kind: Kind) -> usize {
        match kind {
            Kind::EventCount => 48,
            Kind::ValueCount => 112,
            Kind::ValueSum | Kind::ValueAvg => 96,
            Kind::ValuePercentile(_) => 48,
            Kind::Temporal | Kind::TemporalOrdered => 16,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Counter(counter) => counter.len(),
            Self::Total(total) => total.len(),
            Self::Sample(sample) => sample.len(),
            Self::Steps(steps) => steps.len(),
        }
    }

    /// Adds an event, which `event_count` counts so many `times`; returns what is measured now, and of a sequence which steps there were.
    fn add(&mut self, correlation: &Correlation, step: usize, seen: Seen, times: u64, now_ns: u64) -> (Measure, u64) {
        let (timespan_ns, keep) = (correlation.timespan_ns, correlation.keep);
        let measure = match (self, seen) {
            (Self::Counter(counter), Seen::Value(value)) => Measure::count(counter.add_value(value, now_ns, timespan_ns, keep)),
            (Self::Counter(counter), _) => Measure::count(counter.add_event(times, now_ns, timespan_ns, keep)),
            (Self::Total(total), seen) => {
                total.add(seen.number(), now_ns, timespan_ns);
                if correlation.kind == Kind::ValueSum { total.sum() } else { total.mean() }
            }
            (Self::Sample(sample), seen) => {
                sample.add(seen.number(), now_ns, timespan_ns);
                sample.percentile(if let Kind::ValuePercentile(percent) = correlation.kind { percent } else { 50 })
            }
            (Self::Steps(steps), _) => {
                let number = correlation.members.len();
                let ordered = correlation.kind == Kind::TemporalOrdered;
                if ordered {
                    steps.add_ordered(step, number, now_ns)
                } else {
                    steps.add(step, number, now_ns)
                }
                let matched = steps.within(now_ns, timespan_ns);
                // In order: how far the longest chain from the first rule came.
                let count = if ordered { 64 - matched.leading_zeros() } else { matched.count_ones() };
                return (Measure::number(i128::from(count)), matched);
            }
        };
        (measure, 0)
    }
}

impl Groups {
    /// Adds one event of a correlated rule, which stands at position `step`. Returns the measure when the condition holds.
    pub fn add(&mut self, correlation: &Correlation, step: usize, event: &Event, sighting: Sighting) -> Option<Measure> {
        self.make_room(event.agent);
        let share = self.agents.entry(event.agent).or_default();
        share.now_ns = share.now_ns.max(event.timestamp_ns);
        share.entry_bytes = Window::entry_bytes(correlation.kind);
        self.forgotten += share.make_room(sighting.group, 2 * correlation.keep + 1);
        let group =
            share.groups.entry(sighting.group).or_insert_with(|| Group { window: Window::new(correlation.kind), now_ns: 0, told_ns: None });
        // Events of different CPUs may come slightly out of order; a window never moves back.
        group.now_ns = group.now_ns.max(event.timestamp_ns);
        let before = group.window.len();
        let (measure, matched) = group.window.add(correlation, step, sighting.seen, event.repeated, group.now_ns);
        share.entries = (share.entries + group.window.len()).saturating_sub(before);
        correlation.holds(measure, matched).then_some(measure)
    }

    /// Whether the condition of a group, which holds, is told now.
    pub fn tell(&mut self, correlation: &Correlation, agent: AgentId, group: Digest) -> bool {
        let Some(group) = self.agents.get_mut(&agent).and_then(|share| share.groups.get_mut(&group)) else { return false };
        let may = group.told_ns.is_none_or(|told| group.now_ns - told >= correlation.suppress_ns);
        if may {
            group.told_ns = Some(group.now_ns);
        }
        may
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

    /// What it takes, bytes, reckoned from lengths.
    pub fn bytes(&self) -> usize {
        self.agents.values().map(Share::bytes).sum()
    }

    /// What one agent takes, bytes.
    pub fn bytes_of(&self, agent: AgentId) -> usize {
        self.agents.get(&agent).map_or(0, Share::bytes)
    }

    /// The agents that have state here.
    pub fn agents(&self) -> impl Iterator<Item = AgentId> + '_ {
        self.agents.keys().copied()
    }

    /// Forgets a quarter of an agent's groups, those that were quiet longest; at least one.
    pub fn forget_some(&mut self, agent: AgentId) {
        if let Some(share) = self.agents.get_mut(&agent) {
            self.forgotten += share.forget_quietest(None, share.groups.len().div_ceil(4));
        }
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
    fn bytes(&self) -> usize {
        self.groups.len() * GROUP_BYTES + self.entries * self.entry_bytes
    }

    /// Forgets the groups that were quiet longest until one more entry of this group fits, which alone holds less than `alone`.
    /// Returns how many.
    fn make_room(&mut self, group: Digest, alone: usize) -> u64 {
        let mut forgotten = 0;
        loop {
            let full = self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&group);
            let heavy = self.entries >= ENTRIES_MAX.max(alone);
            let others = self.groups.len() - usize::from(self.groups.contains_key(&group));
            if (!full && !heavy) || others == 0 {
                return forgotten;
            }
            forgotten += self.forget_quietest(Some(group), others.div_ceil(4));
        }
    }

    /// Forgets so many groups at once: looking for one each time would be work that an agent can ask for.
    fn forget_quietest(&mut self, kept: Option<Digest>, number: usize) -> u64 {
        let others = self.groups.iter().filter(|(key, _)| Some(**key) != kept);
        let mut quiet: Vec<(u64, Digest)> = others.map(|(key, group)| (group.now_ns, *key)).collect();
        // The digest decides between equals, so that a replay forgets the same ones.
        quiet.sort_unstable();
        quiet.truncate(number);
        for (_, key) in &quiet {
            if let Some(group) = self.groups.remove(key) {
                self.entries = self.entries.saturating_sub(group.window.len());
            }
        }
        quiet.len() as u64
    }
}

/// What one event is to a correlation: in which group, and with which value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    pub group: Digest,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Every event counts.
    Event,
    Value(Digest),
    Number(i64),
}

impl Seen {
    const fn number(self) -> i64 {
        if let Self::Number(number) = self { number } else { 0 }
    }
}

impl Sighting {
    /// Looks at an event. `None` when it lacks the value that is counted or computed with.
    pub fn of(kind: Kind, member: &Member, operation: &Operation<'_>, joined: &mut Joined) -> Option<Self> {
        joined.fill_for(operation, member.group_by.iter().chain(&member.values));
        let seen = match &member.values[..] {
            [] => Seen::Event,
            [field, ..] if kind.is_numeric() => Seen::Number(number(value::value(*field, operation, joined)?.bytes())?),
            fields => Seen::Value(digest(fields, operation, joined, true)?),
        };
        Some(Self { group: digest(&member.group_by, operation, joined, false)?, seen })
    }
}

/// A number as a field's value; the largest one when it is larger.
fn number(value: &[u8]) -> Option<i64> {
    let number: i128 = std::str::from_utf8(value).ok()?.parse().ok()?;
    Some(i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX }))
}

/// One digest of several fields. `None` when `needed` and all are absent.
fn digest(fields: &[super::field::Field], operation: &Operation<'_>, joined: &Joined, needed: bool) -> Option<Digest> {
    let mut digester = Digester::new();
    let mut any = !needed;
    for field in fields {
        let value = value::value(*field, operation, joined);
        any |= value.is_some();
        digester.add(value.as_ref().map(|value| value.bytes()));
    }
    any.then(|| digester.finish())
}
