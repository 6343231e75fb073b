//! The pipeline of one running monitor: starts the stages, hands them to their threads, stops them in order.
//!
//! Used by `agentmon run` (`crate::cli`) and by the node service (`crate::daemon`). Threads: the drain empties the
//! kernel's ring, the engine does everything from decoding to response, the log and the screen each write for
//! themselves. Not for: what a stage does, nor for finding agents.

mod canary;
mod engine;
mod escaped;
mod floods;
mod home;
mod message;
mod outputs;
mod recorder;
mod screen;
mod settings;
mod tally;
mod verdict;

pub use engine::Finished;
pub use message::{MonitorError, Orderer};
pub use screen::ScreenMode;
pub use settings::{Settings, writer_config};

use crate::agents::AgentCgroups;
use crate::canary::{Findings, Sightings};
use crate::config::Terms;
use crate::event::AgentId;
use crate::response::Command;
use crate::rules::RuleSet;
use crate::sensor::ring::{self, Drain};
use crate::sensor::{PathHook, Sensor};
use anyhow::Context;
use engine::Engine;
use message::{Mailbox, Message};
use std::thread::JoinHandle;

/// A running monitor.
pub struct Monitor {
    mailbox: Mailbox,
    drain: Drain,
    engine: JoinHandle<Finished>,
    path_hooks: Vec<PathHook>,
}

impl Monitor {
    /// Loads the probes and starts the threads. Nothing is watched yet.
    ///
    /// # Errors
    /// When the kernel side cannot be loaded, the log not be opened, or a thread not be started.
    pub fn start(settings: Settings) -> anyhow::Result<Self> {
        let (sensor, source) = Sensor::load(settings.sensor)?;
        let path_hooks = sensor.path_hooks().to_vec();
        let (mailbox, messages) = Mailbox::new();
        let engine = Engine::new(settings, sensor, mailbox.clone(), messages)?;
        let (start, started) = std::sync::mpsc::sync_channel(1);
        let engine = std::thread::Builder::new()
            .name("am-engine".into())
            .spawn(move || match started.recv() {
                Ok(frames) => engine.run(frames),
                Err(_) => engine.abandon(),
            })
            .context("cannot start the engine thread")?;
        mailbox.wakes(engine.thread().clone());
        let (drain, frames) = ring::start(source, engine.thread().clone()).context("cannot start the drain thread")?;
        start.send(frames).map_err(|_| MonitorError::EngineGone)?;
        Ok(Self { mailbox, drain, engine, path_hooks })
    }

    /// The kernel's own path hooks, as they were found at the start.
    #[must_use]
    pub fn path_hooks(&self) -> &[PathHook] {
        &self.path_hooks
    }

    /// Begins to watch an agent, but for some kinds of events.
    ///
    /// # Errors
    /// When a probe cannot be attached, or the engine is gone.
    pub fn watch(&self, name: &str, session: &str, cgroups: AgentCgroups, terms: Terms) -> Result<AgentId, MonitorError> {
        self.mailbox.ask(|reply| Message::Watch { name: name.to_owned(), session: session.to_owned(), cgroups, terms, reply })?
    }

    /// Watches an agent under these terms from now on.
    ///
    /// # Errors
    /// When the kernel side refuses, or the engine is gone.
    pub fn change(&self, agent: AgentId, terms: Terms) -> Result<(), MonitorError> {
        self.mailbox.ask(|reply| Message::Change { agent, terms, reply })?
    }

    /// Stops watching an agent.
    ///
    /// # Errors
    /// When the engine is gone.
    pub fn unwatch(&self, agent: AgentId) -> Result<(), MonitorError> {
        self.mailbox.ask(|reply| Message::Unwatch { agent, reply })
    }

    /// Replaces the rules, or says in the log why the new ones are refused.
    ///
    /// # Errors
    /// When the engine is gone.
    pub fn reload(&self, rules: Result<RuleSet, String>) -> Result<(), MonitorError> {
        self.mailbox.ask(|reply| Message::Reload { rules: Box::new(rules), reply })
    }

    /// Carries out an order that no rule gave.
    ///
    /// # Errors
    /// When the engine is gone.
    pub fn order(&self, agent: AgentId, command: Command, by: Orderer) -> Result<(), MonitorError> {
        self.mailbox.ask(|reply| Message::Order { agent, command, by, reply })
    }

    /// Kills the processes that an agent whose session is over has outside its cgroups; says how many there
    /// were; `None` when they cannot be listed.
    ///
    /// # Errors
    /// When the engine is gone.
    pub fn end_outside(&self, agent: AgentId) -> Result<Option<usize>, MonitorError> {
        self.mailbox.ask(|reply| Message::EndOutside { agent, reply })
    }

    /// Whether every order so far was verified, or given up.
    ///
    /// # Errors
    /// When the engine is gone.
    pub fn is_settled(&self) -> Result<bool, MonitorError> {
        self.mailbox.ask(Message::IsSettled)
    }

    /// Watches the canary's cgroup. Its events are kept for [`Monitor::sightings`] and go nowhere else.
    ///
    /// # Errors
    /// When a probe cannot be attached, or the engine is gone.
    pub fn begin_canary(&self, cgroups: AgentCgroups) -> Result<(), MonitorError> {
        self.mailbox.ask(|reply| Message::BeginCanary { cgroups, reply })?
    }

    /// What the probes have reported of the canary so far.
    ///
    /// # Errors
    /// When the engine is gone.
    pub fn sightings(&self) -> Result<Sightings, MonitorError> {
        self.mailbox.ask(Message::Sightings)
    }

    /// Stops watching the canary; gives all that was reported of it.
    ///
    /// # Errors
    /// When the engine is gone.
    pub fn end_canary(&self) -> Result<Sightings, MonitorError> {
        self.mailbox.ask(Message::EndCanary)
    }

    /// Has the findings told in metrics and log.
    pub fn tell_canary(&self, findings: Findings) {
        self.mailbox.send(Message::CanaryFindings(Box::new(findings)));
    }

    /// Tells why the canary could not fly.
    pub fn tell_grounded(&self, error: String) {
        self.mailbox.send(Message::CanaryGrounded(error));
    }

    /// Asks the log to open its file anew.
    ///
    /// # Errors
    /// When the engine is gone.
    pub fn reopen_log(&self) -> Result<(), MonitorError> {
        self.mailbox.ask(Message::ReopenLog)
    }

    /// Whether the engine still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.engine.is_finished()
    }

    /// Detaches the probes, takes every record that is still on its way, closes the outputs. `reason` goes to the log.
    ///
    /// # Errors
    /// When the engine panicked.
    pub fn stop(self, reason: &str) -> Result<Finished, MonitorError> {
        self.mailbox.ask(|reply| Message::Detach { reply })?;
        // The engine goes on taking frames, so that the drain can empty the ring.
        self.drain.stop();
        self.mailbox.send(Message::Finish { reason: reason.to_owned() });
        self.engine.join().map_err(|_| MonitorError::EngineGone)
    }
}
