//! Sums, means and percentiles of the numbers within a sliding window, in bounded memory.
//!
//! A window holds at most [`NUMBERS_MAX`] entries. A sum that would need more joins those of the same 2048th of the timespan:
//! they leave the window when the youngest does, so that a sum is rather too large than too small, by what came within
//! so short a time. A percentile is of the newest numbers then. Not for: which numbers (`super::groups`).

use super::bound::Measure;
use super::window::shrink;
use std::collections::VecDeque;

/// Most entries of one window.
pub(super) const NUMBERS_MAX: usize = 4096;

/// A sum, and of how many numbers.
#[derive(Debug, Default)]
pub(super) struct Total {
    /// Time of the youngest, sum and number of each.
    entries: VecDeque<(u64, i128, u64)>,
    sum: i128,
    count: u64,
}

impl Total {
    /// Adds a number. Time never goes back.
    pub fn add(&mut self, number: i64, now_ns: u64, timespan_ns: u64) {
        while let Some((_, sum, count)) = self.entries.front().copied().filter(|(at, ..)| now_ns - at >= timespan_ns) {
            self.entries.pop_front();
            self.sum -= sum;
            self.count -= count;
        }
        if self.entries.len() >= NUMBERS_MAX {
            self.join(timespan_ns);
        }
        self.entries.push_back((now_ns, i128::from(number), 1));
        self.sum += i128::from(number);
        self.count += 1;
        shrink(&mut self.entries);
    }

    /// Makes one of all that came within the same part of the timespan.
    fn join(&mut self, timespan_ns: u64) {
        let part_ns = (timespan_ns / (NUMBERS_MAX as u64 / 2)).max(1);
        let mut joined: VecDeque<(u64, i128, u64)> = VecDeque::with_capacity(NUMBERS_MAX);
        for (at, sum, count) in std::mem::take(&mut self.entries) {
            match joined.back_mut().filter(|(youngest, ..)| *youngest / part_ns == at / part_ns) {
                Some(entry) => *entry = (at, entry.1 + sum, entry.2 + count),
                None => joined.push_back((at, sum, count)),
            }
        }
        self.entries = joined;
    }

    /// The sum.
    pub const fn sum(&self) -> Measure {
        Measure::number(self.sum)
    }

    /// The mean; of nothing 0.
    pub fn mean(&self) -> Measure {
        Measure { numerator: self.sum, denominator: i128::from(self.count.max(1)) }
    }

    /// Entries held, for bounds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Numbers in order, for percentiles.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// By time.
    entries: VecDeque<(u64, i64)>,
    /// By size.
    sorted: Vec<i64>,
}

impl Sample {
    /// Adds a number. Time never goes back.
    pub fn add(&mut self, number: i64, now_ns: u64, timespan_ns: u64) {
        while self.entries.len() >= NUMBERS_MAX || self.entries.front().is_some_and(|(at, _)| now_ns - at >= timespan_ns) {
            let Some((_, old)) = self.entries.pop_front() else { break };
            if let Ok(at) = self.sorted.binary_search(&old) {
                self.sorted.remove(at);
            }
        }
        self.entries.push_back((now_ns, number));
        let at = self.sorted.partition_point(|other| *other < number);
        self.sorted.insert(at, number);
        shrink(&mut self.entries);
        if self.sorted.capacity() > 64 && self.sorted.len() < self.sorted.capacity() / 8 {
            self.sorted.shrink_to(2 * self.sorted.len());
        }
    }

    /// The percentile, between two numbers in proportion.
    pub fn percentile(&self, percent: u8) -> Measure {
        let Some(last) = self.sorted.len().checked_sub(1) else { return Measure::number(0) };
        let position = last * usize::from(percent);
        let (lower, part) = (position / 100, position % 100);
        let at = |index: usize| self.sorted.get(index.min(last)).map_or(0, |number| i128::from(*number));
        let (from, to) = (at(lower), at(lower + 1));
        Measure { numerator: from * 100 + (to - from) * part as i128, denominator: 100 }
    }

    /// Entries held, for bounds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_means_are_of_what_is_in_the_window() {
        let mut total = Total::default();
        total.add(10, 0, 100);
        total.add(5, 50, 100);
        assert_eq!((total.sum(), total.mean().rounded()), (Measure::number(15), 7));
        total.add(1, 100, 100);
        assert_eq!((total.sum(), total.mean().rounded()), (Measure::number(6), 3), "10 is over");
    }

    #[test]
    fn a_sum_of_more_than_is_kept_is_never_too_small_and_hardly_too_large() {
        let mut total = Total::default();
        for n in 0..100_000_u64 {
            total.add(1, n, 50_000);
            let exact = i128::from((n + 1).min(50_000));
            let excess = total.sum().numerator - exact;
            assert!((0..=exact / 500).contains(&excess), "{n}: {excess} too many");
            assert_eq!(total.mean().rounded(), 1);
        }
        assert!(total.len() <= NUMBERS_MAX);
    }

    #[test]
    fn percentiles_lie_between_numbers_in_proportion() {
        let mut sample = Sample::default();
        for number in [40, 10, 30, 20] {
            sample.add(number, 0, 100);
        }
        let measured = |percent| sample.percentile(percent);
        assert_eq!((measured(0).rounded(), measured(100).rounded()), (10, 40));
        assert_eq!(measured(50), Measure { numerator: 2500, denominator: 100 });
        assert_eq!(measured(95), Measure { numerator: 3850, denominator: 100 });
        for n in 0..20_000 {
            sample.add(n, 1000, 100);
        }
        assert_eq!((sample.len(), sample.percentile(0).rounded()), (NUMBERS_MAX, 20_000 - NUMBERS_MAX as u64));
    }
}
