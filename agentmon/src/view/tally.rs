//! Counting by name within a bound: the first so many names are kept, the rest is counted without one.
//!
//! Not for: anything that must know every name.

use std::collections::HashMap;

/// How often each name occurred, and how often it failed.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    most: usize,
    counts: HashMap<Box<[u8]>, Count>,
    arrived: usize,
    /// Occurrences of names that were not kept.
    pub beyond: u64,
}

/// One name's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub total: u64,
    pub failed: u64,
    order: usize,
}

/// Longest name that is kept, in bytes.
const NAME_BYTES_MAX: usize = 512;

impl Tally {
    /// Keeps at most `most` names.
    pub fn new(most: usize) -> Self {
        Self { most, counts: HashMap::new(), arrived: 0, beyond: 0 }
    }

    /// Counts one occurrence.
    pub fn add(&mut self, name: &[u8], failed: bool) {
        self.add_times(name, failed, 1);
    }

    /// Counts so many occurrences.
    pub fn add_times(&mut self, name: &[u8], failed: bool, times: u64) {
        let name = &name[..name.len().min(NAME_BYTES_MAX)];
        if let Some(count) = self.counts.get_mut(name) {
            count.total += times;
            count.failed += if failed { times } else { 0 };
        } else if self.counts.len() < self.most {
            self.arrived += 1;
            let count = Count { total: times, failed: if failed { times } else { 0 }, order: self.arrived };
            self.counts.insert(name.into(), count);
        } else {
            self.beyond += times;
        }
    }

    /// How many names are kept.
    pub fn names(&self) -> usize {
        self.counts.len()
    }

    /// Occurrences in all.
    pub fn total(&self) -> u64 {
        self.beyond + self.counts.values().map(|count| count.total).sum::<u64>()
    }

    /// The names by count, most first; among equals in the order of their arrival.
    pub fn ranked(&self) -> Vec<(&[u8], Count)> {
        let mut ranked: Vec<_> = self.counts.iter().map(|(name, count)| (&**name, *count)).collect();
        ranked.sort_by_key(|(_, count)| (std::cmp::Reverse(count.total), count.order));
        ranked
    }
}
