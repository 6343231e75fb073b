//! The engine's part of the canary: keeps what is reported of it, and tells which hooks are blind.
//!
//! Not for: flying (`crate::canary`).

use super::outputs::Outputs;
use super::recorder::Recorder;
use crate::canary::{self, Findings, Sightings};
use crate::clock::boot_ns;
use crate::event::Event;
use crate::log::Lifecycle;

/// What is known of the canary.
#[derive(Debug, Default)]
pub struct CanaryEye {
    sightings: Sightings,
    /// Operations that were not seen at the last flight, as told.
    blind: Vec<&'static str>,
    /// Whether it was told that it could not fly.
    is_grounded: bool,
}

impl CanaryEye {
    /// Forgets the flight before.
    pub fn begin(&mut self) {
        self.sightings = Sightings::default();
    }

    /// Notes an event of the canary.
    pub fn saw(&mut self, event: &Event) {
        self.sightings.add(event);
    }

    /// What was reported so far.
    pub fn sightings(&self) -> Sightings {
        self.sightings.clone()
    }

    /// It could not fly. Counts always; the log says it once, until it flies again.
    pub fn grounded(&mut self, error: &str, outputs: &mut Outputs, recorder: &Recorder) {
        recorder.grounded();
        tracing::error!("{error}");
        if !std::mem::replace(&mut self.is_grounded, true) {
            outputs.lifecycle(boot_ns(), &Lifecycle::Unwatched { name: canary::NAME, cgroup: "", error });
        }
    }

    /// Counts always; says it in log and messages when it has changed.
    pub fn tell(&mut self, findings: &Findings, outputs: &mut Outputs, recorder: &Recorder) {
        recorder.hooks(findings);
        self.is_grounded = false;
        let blind: Vec<&'static str> = findings.blind().map(|act| act.operation).collect();
        if blind == self.blind {
            return;
        }
        match blind.is_empty() {
            true => tracing::info!("all hooks report again"),
            false => tracing::error!("hooks that report nothing: {}", blind.join(", ")),
        }
        outputs.lifecycle(boot_ns(), &Lifecycle::Hooks { blind: &blind });
        self.blind = blind;
    }
}
