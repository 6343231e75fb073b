//! The engine's count of records: what came, what was lost where. Received + dropped = produced, per kind, but for the
//! canary's, which are counted by themselves.
//!
//! Not for: exporting (`crate::metrics`) or telling (`super::outputs`).

use crate::event::Kind;
use crate::log::Loss;
use crate::sensor::stats::KernelStats;
use crate::view::Losses;
use agentmon_common::record::kind;

/// Counts since the start.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Records that became events, by kind number.
    pub received: [u64; kind::COUNT],
    /// Records of the canary: received, and no agent's.
    pub canary: u64,
    /// Records that could not be decoded.
    pub undecodable: u64,
    /// Records of agents that were no longer watched.
    pub unclaimed: u64,
    /// Live lines that were dropped.
    pub screen_dropped: u64,
    /// The probes' counters, as last read.
    pub kernel: KernelStats,
    told: Told,
}

/// What gap records have told already.
#[derive(Clone, Debug, Default)]
struct Told {
    unclaimed: u64,
    kernel: [u64; kind::COUNT],
    undecodable: u64,
    screen: u64,
}

impl Tally {
    /// A record became an event.
    pub fn received(&mut self, kind: Kind) {
        self.received[kind as usize] += 1;
    }

    /// A record of the canary became an event.
    pub fn canary(&mut self) {
        self.canary += 1;
    }

    /// A record did not.
    pub fn undecodable(&mut self, _kind: Option<u16>) {
        self.undecodable += 1;
    }

    /// An event of an agent that is no longer watched.
    pub fn unclaimed(&mut self) {
        self.unclaimed += 1;
    }

    /// Live lines were dropped.
    pub fn screen(&mut self, dropped: u64) {
        self.screen_dropped += dropped;
    }

    /// The probes' counters were read.
    pub fn kernel(&mut self, stats: KernelStats) {
        self.kernel = stats;
    }

    /// The probes' counters, as last read.
    pub fn into_kernel(self) -> KernelStats {
        self.kernel
    }

    /// What was lost since the last call.
    pub fn take_losses(&mut self) -> Vec<Loss> {
        let losses = self.since(&self.told);
        self.told =
            Told { unclaimed: self.unclaimed, kernel: self.kernel.dropped, undecodable: self.undecodable, screen: self.screen_dropped };
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
            count: self.kernel.dropped[kind as usize].saturating_sub(told.kernel[kind as usize]),
        });
        let decode = Loss { stage: "decode", kind: None, count: self.undecodable - told.undecodable };
        let screen = Loss { stage: "screen", kind: None, count: self.screen_dropped - told.screen };
        let unclaimed = Loss { stage: "unclaimed", kind: None, count: self.unclaimed - told.unclaimed };
        kernel.chain([decode, unclaimed, screen]).filter(|loss| loss.count > 0).collect()
    }
}
