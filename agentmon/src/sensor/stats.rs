//! The probes' counters, summed over the CPUs.
//!
//! Not for: exporting them (`crate::metrics`).

use agentmon_common::record::kind;
use agentmon_common::stats::{CpuStats, cause, probe};

/// What the probes have counted since they were loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelStats {
    /// Records tried, by kind number.
    pub produced: [u64; kind::COUNT],
    /// Records that did not fit into the ring, by kind number.
    pub dropped: [u64; kind::COUNT],
    /// Errors, by `agentmon_common::stats::probe` and `cause`.
    pub errors: [[u64; cause::COUNT]; probe::COUNT],
}

impl Default for KernelStats {
    fn default() -> Self {
        Self { produced: [0; kind::COUNT], dropped: [0; kind::COUNT], errors: [[0; cause::COUNT]; probe::COUNT] }
    }
}

impl KernelStats {
    /// Adds one CPU's counters.
    pub fn add(&mut self, cpu: &CpuStats) {
        for (sum, n) in self.produced.iter_mut().zip(cpu.produced) {
            *sum += n;
        }
        for (sum, n) in self.dropped.iter_mut().zip(cpu.dropped) {
            *sum += n;
        }
        for (sum, n) in self.errors.iter_mut().flatten().zip(cpu.errors.into_iter().flatten()) {
            *sum += n;
        }
    }

    /// Records tried, of all kinds.
    #[must_use]
    pub fn produced_total(&self) -> u64 {
        self.produced.iter().sum()
    }

    /// Records that did not fit into the ring, of all kinds.
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
