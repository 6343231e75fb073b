//! The probes' counters, summed over slots and CPUs.
//!
//! Not for: exporting them (`crate::metrics`).

use agentmon_common::record::kind;
use agentmon_common::stats::{CpuStats, SlotStats, cause, probe};

/// A slot held for longer is reported: no program runs that long, but one can be preempted.
const STUCK_NS: u64 = 10_000_000_000;

/// What the probes have counted since they were loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelStats {
    /// Records tried, by kind number.
    pub produced: [u64; kind::COUNT],
    /// Records that did not fit into the ring or found no slot, by kind number.
    pub dropped: [u64; kind::COUNT],
    /// Errors, by `agentmon_common::stats::probe` and `cause`.
    pub errors: [[u64; cause::COUNT]; probe::COUNT],
    /// When each slot that is held was claimed: boot time, nanoseconds.
    pub held_since_ns: Vec<u64>,
}

impl Default for KernelStats {
    fn default() -> Self {
        Self { produced: [0; kind::COUNT], dropped: [0; kind::COUNT], errors: [[0; cause::COUNT]; probe::COUNT], held_since_ns: Vec::new() }
    }
}

impl KernelStats {
    /// Adds a slot's counters.
    pub fn add_slot(&mut self, slot: &SlotStats) {
        add(&mut self.produced, &slot.produced);
        add(&mut self.dropped, &slot.dropped);
        self.held_since_ns.extend((slot.claimed_ns != 0).then_some(slot.claimed_ns));
    }

    /// Adds what a CPU counted without a slot.
    pub fn add_cpu(&mut self, cpu: &CpuStats) {
        add(&mut self.produced, &cpu.no_slot);
        add(&mut self.dropped, &cpu.no_slot);
        for (sum, causes) in self.errors.iter_mut().zip(&cpu.errors) {
            add(sum, causes);
        }
    }

    /// Slots held for more than ten seconds: their programs never gave them back, or are preempted.
    #[must_use]
    pub fn slots_stuck(&self, now_ns: u64) -> usize {
        self.held_since_ns.iter().filter(|since| now_ns.saturating_sub(**since) > STUCK_NS).count()
    }

    /// Records tried, of all kinds.
    #[must_use]
    pub fn produced_total(&self) -> u64 {
        self.produced.iter().sum()
    }

    /// Records that did not fit into the ring or found no slot, of all kinds.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Every probe and cause with errors: (probe, cause, count).
    pub fn errors(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.errors
            .iter()
            .zip(probe::NAMES)
            .flat_map(|(causes, probe)| causes.iter().zip(cause::NAMES).filter(|(n, _)| **n > 0).map(move |(n, cause)| (probe, cause, *n)))
    }
}

fn add<const N: usize>(sums: &mut [u64; N], counts: &[u64; N]) {
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

#[cfg(test)]
mod tests {
    use super::{KernelStats, STUCK_NS};
    use agentmon_common::record::kind;
    use agentmon_common::stats::{CpuStats, SlotStats};

    #[test]
    fn what_found_no_slot_was_produced_and_dropped() {
        let mut stats = KernelStats::default();
        let mut slot = SlotStats::ZERO;
        (slot.produced[kind::OPEN as usize], slot.dropped[kind::OPEN as usize]) = (5, 2);
        let mut cpu = CpuStats::ZERO;
        cpu.no_slot[kind::OPEN as usize] = 3;
        stats.add_slot(&slot);
        stats.add_cpu(&cpu);
        assert_eq!((stats.produced_total(), stats.dropped_total()), (8, 5));
    }

    #[test]
    fn a_slot_is_stuck_when_it_was_claimed_long_ago() {
        let mut stats = KernelStats::default();
        for claimed_ns in [0, 1, 2, STUCK_NS + 5] {
            stats.add_slot(&SlotStats { claimed_ns, ..SlotStats::ZERO });
        }
        assert_eq!(stats.held_since_ns.len(), 3);
        // The last is younger than the look: a probe claimed it meanwhile.
        assert_eq!(stats.slots_stuck(STUCK_NS + 2), 1);
    }
}
