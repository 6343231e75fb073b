//! What is done once a second: counters, losses, and what somebody else froze or thawed.
//!
//! Not for: the way of an event (`super`).

use super::{Engine, TICK};
use crate::agents::{Entry, State};
use crate::clock::boot_ns;
use crate::event::AgentId;
use crate::log::StateView;
use crate::process::Agent;
use crate::recording::{Line, Lost, Time};
use crate::sensor::Counted;
use crate::sensor::frames::Frames;
use std::time::{Instant, SystemTime};

impl Engine {
    /// Counters, losses, states: once a second.
    pub(super) fn tick(&mut self, frames: &Frames) {
        self.next_tick = Instant::now() + TICK;
        self.sensor.flush_messages();
        self.take_counted(Counted::Over(boot_ns()));
        self.let_go(frames);
        self.tell_forgotten();
        self.account();
        self.see_states();
        self.recorder.tick(frames, &self.register, &self.stages);
        self.recorder.correlations(self.stages.rules().state());
        if let Some(counters) = self.outputs.log_counters() {
            self.recorder.log(&counters);
        }
    }

    /// What waits for its call and will not get it, when no event comes either. With events still to be read it is theirs to say
    /// what time it is.
    fn let_go(&mut self, frames: &Frames) {
        if !frames.is_empty() {
            return;
        }
        let mut old = std::mem::take(&mut self.complete);
        let now_ns = boot_ns();
        self.stages.let_go_old(now_ns, &mut old);
        if !old.is_empty() {
            self.record_line(Line::Time(Time { now_ns }));
        }
        old.drain(..).for_each(|event| self.event(&event));
        self.complete = old;
    }

    /// Living processes that the table had no room for, by agent.
    fn tell_forgotten(&mut self) {
        for (agent, processes) in self.stages.take_evicted() {
            let Some(entry) = self.register.get(agent) else { continue };
            let Agent { name, session, .. } = &entry.agent;
            tracing::warn!("agent {name}/{session} fills the process table: {processes} of its living processes are forgotten");
            self.outputs.forgotten(boot_ns(), &entry.agent, processes);
        }
    }

    /// What somebody else froze or thawed. An order of ours that is still being verified is not that.
    pub(super) fn see_states(&mut self) {
        let settled = |entry: &&Entry| entry.state != State::Killed && !self.verdicts.is_ordered(entry.agent.id);
        let look = |entry: &Entry| Some((entry.agent.id, entry.cgroups.state().filter(|state| *state != entry.state)?));
        let changed: Vec<(AgentId, State)> = self.register.iter().filter(settled).filter_map(look).collect();
        for (agent, state) in changed {
            let Some(entry) = self.register.get(agent) else { continue };
            let root = entry.cgroups.roots().first();
            let cgroup = root.map(|root| self.mount.relative(root).display().to_string()).unwrap_or_default();
            let before = entry.state;
            self.outputs.state(&StateView { timestamp_ns: boot_ns(), agent: &entry.agent, state, before, cgroup: &cgroup });
            self.register.set_state(agent, state, SystemTime::now());
        }
    }

    /// Reads the probes' counters; what was lost since the last time becomes a gap record.
    pub(super) fn account(&mut self) {
        match self.sensor.stats() {
            Ok(kernel) => self.tally.kernel(kernel),
            Err(error) => tracing::error!("cannot read the probes' counters: {error}"),
        }
        match self.sensor.recursion_misses() {
            Ok(skipped) => {
                if self.tally.skipped(skipped) {
                    self.look_again();
                }
                if self.tally.skipped_total() > 0
                    && let Err(error) = self.sensor.attach_seconds()
                {
                    tracing::warn!("this kernel skips runs of the probes, and second copies of them do not help: {error}");
                }
            }
            Err(error) => tracing::error!("{error}"),
        }
        self.tally.screen(self.outputs.take_screen_dropped());
        self.tally.left_out(&self.outputs.take_left_out());
        if let Some(recording) = &self.recording {
            self.tally.unrecorded(recording.lost());
        }
        self.recorder.tally(&self.tally, boot_ns());
        self.floods.look(&self.sensor, &self.register);
        let losses = self.tally.take_losses();
        if !losses.is_empty() {
            self.outputs.gap(boot_ns(), &losses);
            for loss in losses.iter().filter(|loss| loss.stage != "recording") {
                let lost = Lost { stage: loss.stage.to_owned(), kind: loss.kind, count: loss.count };
                self.record_line(Line::Lost(lost));
            }
        }
    }
}
