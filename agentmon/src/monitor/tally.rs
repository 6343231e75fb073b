//! The engine's count of operations: what came, what was lost where. Received + dropped + undecodable = produced, per kind, but
//! for the canary's, which are counted by themselves, and for failures that the kernel is still counting.
//!
//! Not for: exporting (`crate::metrics`) or telling (`super::outputs`).

use crate::event::Kind;
use crate::log::Loss;
use crate::sensor::stats::KernelStats;
use crate::view::Losses;
use agentmon_common::record::kind;
use agentmon_common::stats::probe;

/// The probes by which processes become an agent's.
const OF_MEMBERSHIP: [usize; 2] = [probe::FORK, probe::CGROUP_ATTACH];

/// A count for each kind, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts(pub [u64; kind::COUNT]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; kind::COUNT])
    }
}

/// Counts since the start.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Records that became events, by kind number.
    pub received: Counts,
    /// Records of the canary: received, and no agent's.
    pub canary: u64,
    /// Records that could not be decoded, by kind number; those of no known kind at 0, which is none.
    pub undecodable: Counts,
    /// Records of agents that were no longer watched.
    pub unclaimed: u64,
    /// Live lines that were dropped.
    pub screen_dropped: u64,
    /// Lines that are missing in the recording.
    pub unrecorded: u64,
    /// Lines that the crowded log had no room for, by kind number.
    pub left_out: Counts,
    /// The probes' counters, as last read.
    pub kernel: KernelStats,
    /// Runs of each probe that the kernel skipped, as last read.
    pub skipped: [u64; probe::COUNT],
    told: Told,
}

/// What gap records have told already.
#[derive(Clone, Debug, Default)]
struct Told {
    unclaimed: u64,
    kernel: Counts,
    undecodable: Counts,
    skipped: u64,
    screen: u64,
    unrecorded: u64,
    left_out: Counts,
}

impl Tally {
    /// A record of so many operations became an event.
    pub fn received(&mut self, kind: Kind, operations: u64) {
        self.received.0[kind as usize] += operations;
    }

    /// A record of so many of the canary's operations became an event.
    pub fn canary(&mut self, operations: u64) {
        self.canary += operations;
    }

    /// A record did not.
    pub fn undecodable(&mut self, kind: Option<u16>) {
        let known = kind.and_then(Kind::from_number).map_or(0, |kind| kind as usize);
        self.undecodable.0[known] += 1;
    }

    /// An event of so many operations of an agent that is no longer watched.
    pub fn unclaimed(&mut self, operations: u64) {
        self.unclaimed += operations;
    }

    /// Live lines were dropped.
    pub fn screen(&mut self, dropped: u64) {
        self.screen_dropped += dropped;
    }

    /// So many lines are missing in the recording.
    pub const fn unrecorded(&mut self, lines: u64) {
        self.unrecorded = lines;
    }

    /// Lines were left out of the crowded log.
    pub fn left_out(&mut self, lines: &Counts) {
        self.left_out.0.iter_mut().zip(lines.0).for_each(|(sum, more)| *sum += more);
    }

    /// The probes' counters were read.
    pub fn kernel(&mut self, stats: KernelStats) {
        self.kernel = stats;
    }

    /// It was read how many runs of the probes the kernel skipped. Says whether more than before are of those by which
    /// processes become an agent's.
    pub fn skipped(&mut self, skipped: [u64; probe::COUNT]) -> bool {
        let before = std::mem::replace(&mut self.skipped, skipped);
        OF_MEMBERSHIP.into_iter().any(|number| self.skipped[number] > before[number])
    }

    /// Runs of probes that the kernel skipped: each may have been an event, or none.
    pub fn skipped_total(&self) -> u64 {
        self.skipped.iter().sum()
    }

    /// The probes' counters, as last read.
    pub fn into_kernel(self) -> KernelStats {
        self.kernel
    }

    /// What was lost since the last call.
    pub fn take_losses(&mut self) -> Vec<Loss> {
        let losses = self.since(&self.told);
        self.told = Told {
            unclaimed: self.unclaimed,
            kernel: Counts(self.kernel.dropped),
            undecodable: self.undecodable,
            skipped: self.skipped_total(),
            screen: self.screen_dropped,
            unrecorded: self.unrecorded,
            left_out: self.left_out,
        };
        losses
    }

    /// All that was lost.
    pub fn losses(&self) -> Losses {
        Losses { counts: self.since(&Told::default()) }
    }

    fn since(&self, told: &Told) -> Vec<Loss> {
        let kernel = Kind::ALL.into_iter().map(|kind| Loss {
            stage: "kernel_ringbuf",
            kind: Some(kind),
            count: self.kernel.dropped[kind as usize].saturating_sub(told.kernel.0[kind as usize]),
        });
        let decode = (0..kind::COUNT).map(|number| Loss {
            stage: "decode",
            kind: u16::try_from(number).ok().and_then(Kind::from_number),
            count: self.undecodable.0[number] - told.undecodable.0[number],
        });
        let skipped = Loss { stage: "probe_skipped", kind: None, count: self.skipped_total().saturating_sub(told.skipped) };
        let left_out = Kind::ALL.into_iter().map(|kind| Loss {
            stage: "log_write",
            kind: Some(kind),
            count: self.left_out.0[kind as usize] - told.left_out.0[kind as usize],
        });
        let screen = Loss { stage: "screen", kind: None, count: self.screen_dropped - told.screen };
        let unrecorded = Loss { stage: "recording", kind: None, count: self.unrecorded - told.unrecorded };
        let unclaimed = Loss { stage: "unclaimed", kind: None, count: self.unclaimed - told.unclaimed };
        kernel.chain(decode).chain(left_out).chain([skipped, unclaimed, screen, unrecorded]).filter(|loss| loss.count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Tally};
    use crate::sensor::stats::KernelStats;
    use agentmon_common::record::kind;
    use agentmon_common::stats::probe;

    fn told(tally: &mut Tally) -> Vec<(&'static str, Option<Kind>, u64)> {
        tally.take_losses().into_iter().map(|loss| (loss.stage, loss.kind, loss.count)).collect()
    }

    #[test]
    fn received_dropped_and_undecodable_are_what_was_produced_by_kind() {
        let mut tally = Tally::default();
        let mut kernel = KernelStats::default();
        for (number, produced) in [(kind::OPEN, 7_u64), (kind::EXEC, 2)] {
            kernel.produced[usize::from(number)] = produced;
        }
        kernel.dropped[usize::from(kind::OPEN)] = 3;
        tally.kernel(kernel);
        tally.received(Kind::Open, 2);
        (0..2).for_each(|_| tally.undecodable(Some(kind::OPEN)));
        tally.received(Kind::Exec, 1);
        tally.undecodable(Some(kind::EXEC));
        for number in 0..kind::COUNT {
            let accounted = tally.received.0[number] + tally.kernel.dropped[number] + tally.undecodable.0[number];
            assert_eq!(accounted, tally.kernel.produced[number], "records of kind {number}");
        }
        let expected = [("kernel_ringbuf", Some(Kind::Open), 3), ("decode", Some(Kind::Exec), 1), ("decode", Some(Kind::Open), 2)];
        assert_eq!(told(&mut tally), expected);
        assert_eq!(told(&mut tally), [], "told once");
    }

    #[test]
    fn a_record_of_no_known_kind_is_counted_without_one() {
        let mut tally = Tally::default();
        tally.undecodable(None);
        tally.undecodable(Some(0));
        tally.undecodable(Some(u16::MAX));
        assert_eq!(told(&mut tally), [("decode", None, 3)]);
    }

    #[test]
    fn skipped_runs_are_told_as_they_grow() {
        let mut tally = Tally::default();
        let mut skipped = [0; probe::COUNT];
        (skipped[probe::SYS_EXIT], skipped[probe::FORK]) = (4, 1);
        assert!(tally.skipped(skipped), "a fork may have been missed");
        assert_eq!(told(&mut tally), [("probe_skipped", None, 5)]);
        skipped[probe::SYS_EXIT] = 6;
        assert!(!tally.skipped(skipped), "no further one");
        assert_eq!(told(&mut tally), [("probe_skipped", None, 2)]);
        assert_eq!(tally.losses().counts.iter().map(|loss| loss.count).sum::<u64>(), 7);
    }
}
