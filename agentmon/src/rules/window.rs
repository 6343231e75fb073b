//! Counting what happened within a sliding window, in memory that nobody can make grow.
//!
//! The window ends at the newest event and is as long as the rule says, so that no edge hides anything. A counter keeps
//! only as many entries as decide the rule: of `gte: 200`, the newest 201. So its bound costs no exactness.
//! Time is the events' own. Not for: which events count (`super::correlation`).

use siphasher::sip128::{Hasher128, SipHasher24};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};

/// A value or a group, as 128 bits of SipHash: values are the agent's to choose and may be long, so they are not kept.
///
/// The key is fixed, so that a replay counts as the live run did. At 128 bits an agent that knows the key still has
/// nowhere near the work at hand to make two paths count as one.
pub(super) type Digest = (u64, u64);

/// A map by digests.
pub(super) type ByDigest<T> = HashMap<Digest, T, Mixer>;

/// Spreads digests over a map. They are hashes already, so little is needed; but their key is known, so the little has
/// one that is not. It decides where entries lie and nothing else: matches do not depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mixer {
    key: u64,
    state: u64,
}

impl Default for Mixer {
    fn default() -> Self {
        Self { key: RandomState::new().hash_one(0) | 1, state: 0 }
    }
}

impl BuildHasher for Mixer {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.key);
        // Both halves: the low one alone depends on the low bits only.
        self.state = (product >> 64) as u64 ^ product as u64;
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

/// Hashes values one after the other; each ends where the next begins.
pub(super) struct Digester(SipHasher24);

impl Digester {
    pub fn new() -> Self {
        Self(SipHasher24::new_with_keys(0x6167_656e_746d_6f6e, 0x7275_6c65_732e_7631))
    }

    /// Adds one value; an absent one differs from an empty one.
    pub fn add(&mut self, value: Option<&[u8]>) {
        match value {
            Some(bytes) => {
                self.0.write_u64(bytes.len() as u64);
                self.0.write(bytes);
            }
            None => self.0.write_u64(u64::MAX),
        }
    }

    pub fn finish(&self) -> Digest {
        let hash = self.0.finish128();
        (hash.h1, hash.h2)
    }
}

/// The entries of one group.
#[derive(Debug, Default)]
pub(super) struct Counter {
    /// In order of time. A value seen again leaves its older entry behind, which counts no more.
    entries: VecDeque<(u64, Digest)>,
    /// When each value was last seen; unused when every event counts.
    latest: ByDigest<u64>,
}

impl Counter {
    /// Counts every event: adds one and returns how many are in the window, at most `keep`. Time never goes back.
    pub fn add_event(&mut self, now_ns: u64, timespan_ns: u64, keep: usize) -> usize {
        self.entries.push_back((now_ns, (0, 0)));
        while self.entries.len() > keep || self.oldest_is_over(now_ns, timespan_ns) {
            self.entries.pop_front();
        }
        shrink(&mut self.entries);
        self.entries.len()
    }

    /// Counts distinct values: adds one and returns how many different ones are in the window, at most `keep`.
    pub fn add_value(&mut self, value: Digest, now_ns: u64, timespan_ns: u64, keep: usize) -> usize {
        if self.latest.insert(value, now_ns) != Some(now_ns) {
            self.entries.push_back((now_ns, value));
        }
        while self.latest.len() > keep || self.oldest_is_over(now_ns, timespan_ns) {
            let Some((at, value)) = self.entries.pop_front() else { break };
            if self.latest.get(&value) == Some(&at) {
                self.latest.remove(&value);
            }
        }
        // One value again and again must not pile up behind an older one.
        if self.entries.len() > 2 * keep {
            let latest = &self.latest;
            self.entries.retain(|(at, value)| latest.get(value) == Some(at));
        }
        shrink(&mut self.entries);
        if self.latest.capacity() > 64 && self.latest.len() < self.latest.capacity() / 8 {
            self.latest.shrink_to(2 * self.latest.len());
        }
        self.latest.len()
    }

    /// Entries held, for bounds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    fn oldest_is_over(&self, now_ns: u64, timespan_ns: u64) -> bool {
        self.entries.front().is_some_and(|(at, _)| now_ns - at >= timespan_ns)
    }
}

/// Gives back the memory of a queue that was much longer once.
pub(super) fn shrink<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > 64 && queue.len() < queue.capacity() / 8 {
        queue.shrink_to(2 * queue.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u64) -> Digest {
        let mut digester = Digester::new();
        digester.add(Some(&n.to_le_bytes()));
        digester.finish()
    }

    #[test]
    fn the_window_slides_over_every_edge() {
        // Five events around the edge between second 9 and second 10, in a window of one second.
        let mut counter = Counter::default();
        let counts: Vec<usize> =
            [9_600, 9_800, 10_000, 10_200, 10_400, 10_600].iter().map(|ms| counter.add_event(ms * 1_000_000, 1_000_000_000, 10)).collect();
        assert_eq!(counts, [1, 2, 3, 4, 5, 5], "the first left when the sixth came, a second after it");
    }

    #[test]
    fn a_value_counts_once_and_stays_while_it_is_seen() {
        let mut counter = Counter::default();
        let mut add = |value, at| counter.add_value(digest(value), at, 100, 10);
        assert_eq!((add(1, 0), add(1, 50), add(2, 60)), (1, 1, 2));
        assert_eq!(add(3, 140), 3, "1 was seen at 50, 90 ago");
        assert_eq!(add(3, 150), 2, "1 is over");
        assert_eq!(add(4, 150), 3);
    }

    #[test]
    fn what_is_kept_decides_and_is_bounded() {
        let mut counter = Counter::default();
        for n in 0..100_000 {
            let count = counter.add_value(digest(n), n, 1_000_000_000, 201);
            assert_eq!(count as u64, (n + 1).min(201));
        }
        for n in 0..100_000 {
            counter.add_value(digest(7), 100_000 + n, 1_000_000_000, 201);
        }
        assert!(counter.len() <= 402 && counter.latest.len() <= 201);
        let mut same_instant = Counter::default();
        for _ in 0..10_000 {
            same_instant.add_value(digest(7), 5, 100, 10);
        }
        assert!(same_instant.len() <= 20);
    }

    #[test]
    fn a_value_seen_at_the_same_instant_again_is_not_lost() {
        let mut counter = Counter::default();
        counter.add_value(digest(1), 5, 100, 2);
        counter.add_value(digest(1), 5, 100, 2);
        counter.add_value(digest(2), 6, 100, 2);
        assert_eq!(counter.add_value(digest(2), 7, 100, 2), 2);
    }

    #[test]
    fn memory_is_given_back_when_a_window_empties() {
        let mut counter = Counter::default();
        for n in 0..10_000 {
            counter.add_value(digest(n), n, 100_000, 16_001);
        }
        counter.add_value(digest(1), 1_000_000, 100_000, 16_001);
        assert!(counter.entries.capacity() <= 64 && counter.latest.capacity() <= 64);
    }

    #[test]
    fn absent_differs_from_empty_and_borders_count() {
        let of = |values: &[Option<&[u8]>]| {
            let mut digester = Digester::new();
            values.iter().for_each(|value| digester.add(*value));
            digester.finish()
        };
        assert_ne!(of(&[None]), of(&[Some(b"")]));
        assert_ne!(of(&[Some(b"a"), Some(b"bc")]), of(&[Some(b"ab"), Some(b"c")]));
    }
}
