//! Who consumes the records while something is measured: the daemon as users run it, or the sensor in this process.
//!
//! The sensor drains and decodes only: it shows what the probes cost before, or without, the rest of the daemon. Not
//! for: measuring (the other modules).

use crate::daemon::{Daemon, Setup};
use agentmon::event::{AgentId, Kind, decode};
use agentmon::sensor::frames::Frames;
use agentmon::sensor::ring::{self, Drain};
use agentmon::sensor::run_time::ProgramRunTime;
use agentmon::sensor::{Sensor, SensorConfig};
use agentmon_tests::cgroup::Group;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the person asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineChoice {
    /// The daemon if its binary has one, else the sensor.
    Auto,
    /// `agentmon daemon`.
    Daemon,
    /// The sensor in this process.
    Sensor,
}

/// Starts consumers.
#[derive(Debug)]
pub struct Engines {
    /// The daemon's binary; `None` for the sensor.
    daemon: Option<PathBuf>,
}

/// A running consumer.
pub enum Engine {
    Daemon(Box<Daemon>),
    Sensor(Box<InProcess>),
}

/// What a consumer has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open events that came through.
    pub opens: u64,
    /// Events that came through, of any kind.
    pub events: u64,
    /// Records lost anywhere.
    pub dropped: u64,
}

impl Engines {
    pub fn new(choice: EngineChoice, binary: &Path) -> Result<Self> {
        let there = Daemon::is_there(binary);
        match choice {
            EngineChoice::Daemon if !there => bail!("{} has no `daemon` command: build it with `cargo build --release`", binary.display()),
            EngineChoice::Auto if !there => {
                eprintln!("note: {} has no `daemon` command yet: measuring with the sensor alone", binary.display());
                Ok(Self { daemon: None })
            }
            EngineChoice::Sensor => Ok(Self { daemon: None }),
            EngineChoice::Auto | EngineChoice::Daemon => Ok(Self { daemon: Some(binary.to_owned()) }),
        }
    }

    pub const fn name(&self) -> &'static str {
        if self.daemon.is_some() { "agentmon daemon" } else { "the sensor in the benchmark's process: drain and decode, no rules, no log" }
    }

    /// The daemon's binary, for what only the daemon does.
    pub fn daemon(&self) -> Option<&Path> {
        self.daemon.as_deref()
    }

    /// Starts one that watches `agent`, or nothing; returns when it does.
    pub fn start(&self, agent: Option<&Group>) -> Result<Engine> {
        match &self.daemon {
            Some(binary) => {
                let name = agent.map(Group::name);
                let setup = Setup { agent: name.as_deref(), rule: None };
                Ok(Engine::Daemon(Box::new(Daemon::start(binary, &setup)?)))
            }
            None => Ok(Engine::Sensor(Box::new(InProcess::start(agent)?))),
        }
    }
}

impl Engine {
    pub fn counts(&self) -> Result<Counts> {
        match self {
            Self::Daemon(daemon) => daemon.counts(),
            Self::Sensor(sensor) => sensor.counts(),
        }
    }

    /// CPU time it has used.
    pub fn cpu_seconds(&self) -> Result<f64> {
        match self {
            Self::Daemon(daemon) => daemon.cpu_seconds(),
            Self::Sensor(_) => {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
                Ok(now.tv_sec as f64 + now.tv_nsec as f64 / 1e9)
            }
        }
    }
}

/// The sensor with a thread that decodes.
pub struct InProcess {
    sensor: Sensor,
    drain: Option<Drain>,
    decoder: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    opens: AtomicU64,
    events: AtomicU64,
}

impl InProcess {
    pub fn start(agent: Option<&Group>) -> Result<Self> {
        let config = SensorConfig { ring_bytes: 16 * 1024 * 1024, messages: false, path_hooks: true };
        let (mut sensor, source) = Sensor::load(config).context("cannot load the probes")?;
        let shared = Arc::new(Shared::default());
        let (sender, receiver) = std::sync::mpsc::channel();
        let of_decoder = Arc::clone(&shared);
        let decoder = std::thread::spawn(move || {
            if let Ok(frames) = receiver.recv() {
                decode_all(frames, &of_decoder);
            }
        });
        let (drain, frames) = ring::start(source, decoder.thread().clone())?;
        sender.send(frames).ok().context("the decoder ended early")?;
        if let Some(cgroup) = agent {
            sensor.watch(AgentId(1), &[cgroup.open().as_fd()])?;
        }
        Ok(Self { sensor, drain: Some(drain), decoder: Some(decoder), shared })
    }

    fn counts(&self) -> Result<Counts> {
        Ok(Counts {
            opens: self.shared.opens.load(Ordering::Relaxed),
            events: self.shared.events.load(Ordering::Relaxed),
            dropped: self.sensor.stats()?.dropped_total(),
        })
    }

    /// What the kernel counted about the probes.
    pub fn run_times(&self) -> Result<Vec<ProgramRunTime>> {
        Ok(self.sensor.run_times()?)
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.drain.take().into_iter().for_each(Drain::stop);
        self.shared.stop.store(true, Ordering::Release);
        if let Some(decoder) = self.decoder.take() {
            decoder.thread().unpark();
            if decoder.join().is_err() {
                eprintln!("warning: the decoder panicked");
            }
        }
        match self.sensor.stats() {
            Ok(stats) => stats.errors().for_each(|(probe, cause, n)| eprintln!("warning: probe {probe} failed {n} times: {cause}")),
            Err(error) => eprintln!("warning: {error}"),
        }
    }
}

fn decode_all(mut frames: Frames, shared: &Shared) {
    loop {
        for frame in frames.by_ref() {
            match decode::decode(&frame) {
                Ok(event) => {
                    shared.events.fetch_add(1, Ordering::Relaxed);
                    shared.opens.fetch_add(u64::from(event.kind() == Kind::Open), Ordering::Relaxed);
                }
                Err(error) => eprintln!("warning: a record could not be decoded: {error}"),
            }
        }
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
