//! The node service: watches the agents that the configuration names, reloads, drains and stops.
//!
//! Not for: the way of an event (`crate::monitor`), nor for finding cgroups (`crate::agents::resolve`).

mod watched;

use crate::agents::launch;
use crate::canary;
use crate::cgroup::Mount;
use crate::config::{Config, OnRuleError};
use crate::metrics::Metrics;
use crate::metrics::serve::{self, Health};
use crate::monitor::{Monitor, Settings, writer_config};
use crate::rules::RuleSet;
use crate::rules::load::{BadRules, gather};
use crate::sensor::SensorConfig;
use crate::view::escape::escaped;
use crate::view::{counted, say};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use watched::Watched;

/// Time between two looks for agents that came or went.
const LOOK: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start, or the engine has died.
pub fn serve(file: &Path, record: Option<PathBuf>, probe_messages: bool) -> Result<()> {
    launch::ignore_job_control();
    let config = Config::load(file)?;
    let rules = load_rules(&config)?;
    warn_of_blind_rules(&config, &rules);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(run(file, config, rules, record, probe_messages))
}

async fn run(file: &Path, config: Config, rules: RuleSet, record: Option<PathBuf>, probe_messages: bool) -> Result<()> {
    // First, so that a signal during the start is not lost.
    let mut signals = Signals::new()?;
    let mount = Mount::find()?;
    let mut watched = Watched::new(&config.agents)?;
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"))?);
    let health = Arc::new(Health::default());
    if config.metrics.enabled {
        let listener = serve::bind(config.metrics.listen)?;
        tokio::spawn(serve::serve(listener, Arc::clone(&metrics), Arc::clone(&health)));
    }
    let monitor = Monitor::start(Settings {
        sensor: SensorConfig { ring_bytes: config.kernel.ring_bytes, messages: probe_messages, path_hooks: true },
        log: Some(writer_config(&config.log.dir, &config, &rules)?),
        rules,
        mode: config.response.mode,
        record,
        screen: None,
        summary: false,
        metrics,
        health: Arc::clone(&health),
    })?;
    watched.look(&mount, &monitor)?;
    health.set_ready(true);
    greet(&config, &watched);
    let reason = Node { file, config, mount, monitor: &monitor, watched }.until_stopped(&mut signals).await;
    health.set_ready(false);
    let finished = monitor.stop(reason.as_ref().copied().unwrap_or("the engine has died"))?;
    for loss in finished.losses.counts.iter().filter(|loss| loss.count > 0) {
        tracing::warn!("lost in all: {} at {}", loss.count, loss.stage);
    }
    reason.map(|_| ())
}

/// What it does and where to look, for who started it.
fn greet(config: &Config, watched: &Watched) {
    let agents = counted(watched.len() as u64, "agent", "agents");
    say::err(format_args!(
        "agentmon: watches {agents} now, and further ones as they come ({})",
        counted(config.agents.len() as u64, "pattern", "patterns")
    ));
    let log = escaped(config.log.dir.join("events.jsonl").as_os_str().as_encoded_bytes());
    if config.metrics.enabled {
        say::err(format_args!("agentmon: log {log}, metrics http://{}/metrics", config.metrics.listen));
    } else {
        say::err(format_args!("agentmon: log {log}, no metrics"));
    }
}

/// A daemon at work.
struct Node<'a> {
    file: &'a Path,
    /// As of the start.
    config: Config,
    mount: Mount,
    monitor: &'a Monitor,
    watched: Watched,
}

impl Node<'_> {
    /// Looks for agents and follows signals; gives why it ended.
    async fn until_stopped(mut self, signals: &mut Signals) -> Result<&'static str> {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Of a canary that does not fly, the time is never looked at.
        let every = Duration::from_secs(u64::from(self.config.kernel.canary_seconds.max(1)));
        let mut canary = tokio::time::interval(every);
        canary.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => self.watched.look(&self.mount, self.monitor)?,
                _ = canary.tick(), if self.config.kernel.canary_seconds != 0 && !self.watched.is_empty() => self.fly().await,
                _ = signals.terminate.recv() => return Ok("SIGTERM"),
                _ = signals.interrupt.recv() => return Ok("SIGINT"),
                _ = signals.reopen.recv() => self.monitor.reopen_log()?,
                _ = signals.reload.recv() => self.reload()?,
            }
            anyhow::ensure!(self.monitor.is_alive(), "the engine thread has died; see the messages before this one");
        }
    }

    /// Lets the canary fly. What it cannot find out is said, and nothing else changes.
    async fn fly(&self) {
        match canary::run(self.monitor, &self.mount).await {
            Ok(findings) => self.monitor.tell_canary(findings),
            Err(error) => self.monitor.tell_grounded(error.to_string()),
        }
    }

    /// Reads configuration and rules again. Rules and agents change; a mistake changes nothing and is told.
    fn reload(&mut self) -> Result<()> {
        let read = Config::load(self.file).map_err(anyhow::Error::from);
        let read = read.and_then(|config| {
            self.warn_of_unchangeable(&config);
            let rules = load_rules(&config)?;
            let watched = Watched::new(&config.agents)?;
            warn_of_blind_rules(&config, &rules);
            Ok((rules, watched))
        });
        match read {
            Ok((rules, watched)) => {
                self.monitor.reload(Ok(rules))?;
                self.watched.replace(watched);
                self.watched.look(&self.mount, self.monitor)
            }
            Err(error) => {
                tracing::error!("nothing was reloaded: {error:#}");
                Ok(self.monitor.reload(Err(format!("{error:#}")))?)
            }
        }
    }
}

impl Node<'_> {
    /// Says what only a new start can change.
    fn warn_of_unchangeable(&self, new: &Config) {
        let old = &self.config;
        let parts = [
            ("[log]", old.log != new.log),
            ("[metrics]", old.metrics != new.metrics),
            ("[kernel]", old.kernel != new.kernel),
            ("[response]", old.response != new.response),
        ];
        for (part, _) in parts.iter().filter(|(_, changed)| *changed) {
            tracing::warn!("{part} has changed in {}; that takes a restart", self.file.display());
        }
    }
}

/// The rules that a configuration names. What is wrong with them is said.
fn load_rules(config: &Config) -> Result<RuleSet> {
    let gathered = gather(config.rules.built_in, &config.rules.dirs);
    for diagnostic in &gathered.diagnostics {
        say::err(diagnostic);
    }
    let errors = gathered.mistakes();
    let rules = gathered.readable()?;
    if errors > 0 && config.rules.on_error == OnRuleError::Refuse {
        return Err(BadRules { mistakes: errors }.into());
    }
    let policy = &config.rules.policy;
    policy.check(&rules)?;
    Ok(rules.under(policy))
}

/// Says, for each agent that kinds are switched off for, which rules need them.
fn warn_of_blind_rules(config: &Config, rules: &RuleSet) {
    for agent in config.agents.iter().filter(|agent| !agent.terms.without.is_empty()) {
        tracing::warn!("agent {} is watched without {}: {}", agent.name, agent.terms.without, rules.blinded(agent.terms.without));
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
    reopen: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            reload: listen(SignalKind::hangup())?,
            reopen: listen(SignalKind::user_defined1())?,
        })
    }
}
