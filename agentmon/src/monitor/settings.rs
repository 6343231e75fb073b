//! What a monitor is started with: the meaning of flags and configuration, without where it was typed.
//!
//! Not for: parsing or defaults of files (`crate::config`).

use super::ScreenMode;
use crate::config::{Config, Mode};
use crate::event::WallClock;
use crate::log::{Host, Segment, WriterConfig};
use crate::metrics::Metrics;
use crate::metrics::serve::Health;
use crate::recording::{self, FORMAT, Recording};
use crate::rules::RuleSet;
use crate::sensor::SensorConfig;
use crate::sensor::programs::PROBES;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How to run a monitor.
pub struct Settings {
    /// The kernel side.
    pub sensor: SensorConfig,
    /// What to match.
    pub rules: RuleSet,
    /// Whether verdicts are carried out.
    pub mode: Mode,
    /// The log file, if one is wanted.
    pub log: Option<WriterConfig>,
    /// Where every event is recorded, if it is to be.
    pub record: Option<PathBuf>,
    /// Live lines on standard output, if they are wanted.
    pub screen: Option<ScreenMode>,
    /// Whether the summary of the run will be asked for.
    pub summary: bool,
    /// Where to count.
    pub metrics: Arc<Metrics>,
    /// Where to say that the engine runs.
    pub health: Arc<Health>,
}

/// The log in `dir`, with this host, these rules and the probes in the first line of each file.
///
/// # Errors
/// When the machine's name or boot id cannot be read.
pub fn writer_config(dir: &Path, config: &Config, rules: &RuleSet) -> anyhow::Result<WriterConfig> {
    let host = Host::read().context("cannot read the machine's name and boot id")?;
    let segment = Segment {
        kernel_release: rustix::system::uname().release().to_string_lossy().into_owned(),
        rules_digest: rules.digest(),
        programs: PROBES.iter().map(|probe| probe.program.to_owned()).collect(),
    };
    let mut writer = WriterConfig::new(dir.join("events.jsonl"), host, segment);
    writer.max_bytes = config.log.max_bytes;
    writer.max_total_bytes = config.log.max_total_bytes;
    Ok(writer)
}

/// Begins a recording of a monitor on this host with these rules.
///
/// # Errors
/// When the file exists already or cannot be created.
pub fn start_recording(path: &Path, host: &Host, clock: WallClock, rules: &RuleSet) -> Result<Recording, recording::StartError> {
    let header = recording::Header {
        format: FORMAT,
        agentmon: env!("CARGO_PKG_VERSION").to_owned(),
        boot_ns: clock.boot_ns,
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        host: host.hostname.clone(),
        rules_digest: rules.digest(),
        about: Vec::new(),
    };
    Recording::start(path, header)
}
