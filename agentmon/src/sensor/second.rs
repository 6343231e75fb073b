//! Second copies of the probes whose events must not be missed, for kernels that skip a run of a probe which would preempt
//! itself (`recursion_misses`, from Linux 7.0 on).
//!
//! Loaded and attached when the kernel has skipped the first run: others pay nothing for them. Not for: what a copy does
//! (`agentmon-ebpf/src/second.rs`).

use super::error::SensorError;
use super::load::{Sensor, tracepoint};
use super::programs::{Hook, PROBES, Presence, Probe};
use super::refusal::program_error;
use agentmon_common::stats::probe;
use aya::programs::tp_btf::BtfTracePointLinkId;
use aya::{Btf, EbpfError};

/// The second copies of a sensor.
#[derive(Default)]
pub(super) struct Seconds {
    state: State,
    /// Links of those that are attached only while an agent is watched.
    watching: Vec<(&'static str, BtfTracePointLinkId)>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unwanted,
    /// This kernel refused one.
    Refused,
    /// With what had been skipped of the first copies until then.
    Attached([u64; probe::COUNT]),
}

impl Seconds {
    /// What had been skipped of the first copies until the second ones were attached.
    pub(super) const fn skipped_before(&self) -> Option<[u64; probe::COUNT]> {
        if let State::Attached(before) = self.state { Some(before) } else { None }
    }
}

impl Sensor {
    /// Attaches the second copies, once.
    ///
    /// # Errors
    /// When the kernel refuses one; it is not tried again.
    pub fn attach_seconds(&mut self) -> Result<(), SensorError> {
        if self.seconds.state != State::Unwanted {
            return Ok(());
        }
        self.seconds.state = State::Refused;
        let before = self.recursion_misses()?;
        let btf = Btf::from_sys_fs().map_err(EbpfError::BtfError)?;
        for (probe, second) in seconds() {
            self.load_second(probe, second, &btf)?;
        }
        for (_, second) in seconds().filter(|(probe, _)| probe.presence == Presence::Always) {
            self.attach(second)?;
        }
        self.seconds.state = State::Attached(before);
        if self.pair.is_empty() { Ok(()) } else { self.attach_watching_seconds() }
    }

    fn load_second(&mut self, probe: &Probe, second: &'static str, btf: &Btf) -> Result<(), SensorError> {
        let Hook::Tracepoint(&[name, ..]) = probe.hook else { return Ok(()) };
        tracepoint(&mut self.ebpf, second)?.load(name, btf).map_err(program_error("load", second))
    }

    /// Attaches those of the probes that are attached while an agent is watched, behind them.
    pub(super) fn attach_watching_seconds(&mut self) -> Result<(), SensorError> {
        if self.seconds.skipped_before().is_none() {
            return Ok(());
        }
        for (_, second) in seconds().filter(|(probe, _)| probe.presence == Presence::WhileWatching) {
            let link = self.attach(second)?;
            self.seconds.watching.push((second, link));
        }
        Ok(())
    }

    /// Their links, to be detached.
    pub(super) fn take_watching_seconds(&mut self) -> Vec<(&'static str, BtfTracePointLinkId)> {
        std::mem::take(&mut self.seconds.watching)
    }
}

/// Probes that have a second copy, and its name.
fn seconds() -> impl Iterator<Item = (&'static Probe, &'static str)> {
    PROBES.iter().filter_map(|probe| Some((probe, probe.second?)))
}
