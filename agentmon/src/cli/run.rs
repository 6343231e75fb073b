//! `agentmon run`: a command as a watched agent, with the monitor in this process.
//!
//! Order: find the command, load the probes, watch the empty cgroup, and only then start the command in it. Not for:
//! agents that run already (`agentmon daemon`).

use super::demo::Demo;
use super::{colour, rules, wants_probe_messages};
use crate::agents::launch::{self, LaunchError, Launched};
use crate::agents::user::Identity;
use crate::allow::{AllowList, Destination, Directory};
use crate::cgroup::Mount;
use crate::config::{Config, Mode, Terms};
use crate::event::{AgentId, Kinds};
use crate::metrics::Metrics;
use crate::metrics::serve::{self, Health};
use crate::monitor::{Finished, Monitor, MonitorError, ScreenMode, Settings, writer_config};
use crate::process::work_directory;
use crate::rules::{Policy, Profile, RuleSet};
use crate::sensor::{SensorConfig, check_capabilities};
use crate::view::say;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long the end of a session may take.
const FINISH_WITHIN: Duration = Duration::from_secs(10);

/// How long an order may take to be verified or given up; the breaker gives up after 10 s.
const SETTLE_WITHIN: Duration = Duration::from_secs(15);

/// What standard output shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One line per operation, for people.
    Compact,
    /// The log's NDJSON lines; COMMAND's standard output goes to standard error.
    Json,
    /// Nothing; only the summary at the end.
    None,
}

/// Run a command as a watched agent.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    agentmon run --demo                                see it stop an agent\n  \
    agentmon run --name claude -- claude               watch a coding agent\n  \
    agentmon run --user alice -- claude                without root's rights\n  \
    agentmon run --observe -- make                     show what would be stopped, stop nothing\n  \
    agentmon run -o json -- ./agent | jq .type_uid     NDJSON for programs\n\n\
    Everything COMMAND starts belongs to the agent, wherever it moves. When COMMAND ends, what it left running is killed.")]
pub struct Run {
    /// Name of the agent in logs and metrics.
    #[arg(long, default_value = "agent")]
    name: String,
    /// What standard output shows [default: compact on a terminal, else json]
    #[arg(short, long, value_enum)]
    output: Option<Output>,
    /// Run COMMAND as this user, with its groups, HOME, USER and LOGNAME; names or numbers.
    #[arg(long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Also show what is usually of no interest: files opened for reading, forks.
    #[arg(long)]
    all: bool,
    /// Rules besides the built-in ones: a file or directory; may be given several times.
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Without the built-in rules.
    #[arg(long)]
    no_builtin_rules: bool,
    /// How much follows from a match: observe (alerts only), guard (what the rules say), strict (freezes where a rule of level
    /// high would alert).
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// Without this kind of events (open, unlink, …); may be given several times.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    without: Vec<Kinds>,
    /// Where the agent works; outside of it rules are stricter [default: where COMMAND begins, unless that is a home or of the system].
    #[arg(long, value_name = "DIR", value_parser = directory)]
    workdir: Vec<Directory>,
    /// Where the agent may connect to: api.example.com, *.example.com:443, 10.0.0.0/8; may be given several times.
    #[arg(long = "destination", value_name = "HOST[:PORT]")]
    destinations: Vec<Destination>,
    /// Compute every verdict and carry none out.
    #[arg(long)]
    observe: bool,
    /// Also write the log to this directory, as the daemon does.
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// Also record every event to this new file, for `agentmon replay`; it holds all that the agent's programs were told.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Where to serve Prometheus metrics.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9188")]
    metrics: SocketAddr,
    /// Serve no metrics.
    #[arg(long)]
    no_metrics: bool,
    /// Run the bundled demonstration agent.
    #[arg(long, conflicts_with_all = ["command", "user"])]
    demo: bool,
    /// The command and its arguments.
    #[arg(last = true, required_unless_present = "demo", value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// How the session came to its end.
enum Ended {
    Command(ExitStatus),
    Signal(i32),
    MonitorDied,
}

impl Run {
    /// Runs the session; gives the exit code.
    pub fn run(self) -> Result<u8> {
        // Before the cgroup: without it the first refusal would be the file system's, which names no capability.
        check_capabilities()?;
        let config = Config::for_run();
        let policy = Policy { profile: self.profile, ..Policy::default() };
        let set = rules::gather(!self.no_builtin_rules, &self.rules, config.rules.on_error)?.under(&policy);
        if !self.without().is_empty() {
            say::err(format_args!("warning: without {}: {}", self.without(), set.blinded(self.without())));
        }
        let demo = self.demo.then(Demo::new).transpose()?;
        let (command, args) = match (&demo, self.command.split_first()) {
            (Some(demo), _) => demo.command(),
            (None, Some((command, args))) => (command.clone(), args.to_vec()),
            (None, None) => anyhow::bail!("no COMMAND"),
        };
        self.tell_of_no_workdir();
        launch::ignore_job_control();
        let mount = Mount::find()?;
        let name = if self.demo { "demo-agent" } else { &self.name };
        let identity = self.user.as_deref().map(Identity::find).transpose().map_err(LaunchError::from)?;
        let prepared = launch::prepare(&mount, name, &command, &args, identity)?;
        if prepared.has_own_session() {
            say::err("no job control: this kernel would let COMMAND type into your terminal, so it begins a session without one");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
        let code = runtime.block_on(self.session(&config, set, prepared));
        if let Some(demo) = &demo {
            report_demo(demo);
        }
        code
    }

    async fn session(&self, config: &Config, set: RuleSet, prepared: launch::Prepared) -> Result<u8> {
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"))?);
        let health = Arc::new(Health::default());
        let monitor = Monitor::start(self.settings(config, set, &metrics, &health)?)?;
        self.serve_metrics(&metrics, &health);
        let agent = monitor.watch(prepared.name(), prepared.session(), prepared.cgroups().clone(), self.terms())?;
        let mut signals = Signals::new()?;
        let mut launched = match prepared.start(self.stdout_of_command()?) {
            Ok(launched) => launched,
            Err(error) => {
                monitor.stop("COMMAND could not be started")?;
                return Err(error.into());
            }
        };
        let ended = signals.wait(&mut launched, &monitor).await?;
        let left = launched.finish(FINISH_WITHIN);
        // Nothing can leave the cgroup any more: it is gone. An engine that has died was said already.
        let outside = end_outside(&monitor, agent).await.unwrap_or_default();
        let finished = monitor.stop(match ended {
            Ended::Command(_) => "COMMAND ended",
            Ended::Signal(_) => "stopped by a signal",
            Ended::MonitorDied => "the monitor failed",
        });
        match left {
            Ok(0) => {}
            Ok(left) => say::err(format_args!("agentmon: left behind and killed: {left}")),
            Err(error) => say::err(format_args!("warning: the agent may not be gone: {error}")),
        }
        outside.tell();
        summarize(&finished?);
        Ok(match ended {
            Ended::Command(status) => exit_code(status),
            Ended::Signal(signal) => 128_u8.saturating_add(signal.unsigned_abs() as u8),
            Ended::MonitorDied => anyhow::bail!("the monitor failed; the agent was killed"),
        })
    }

    /// Rules that ask what lies outside the work directory are silent where there is none.
    fn tell_of_no_workdir(&self) {
        let Ok(here) = std::env::current_dir() else { return };
        if self.workdir.is_empty() && !self.demo && work_directory(here.as_os_str().as_bytes()).is_none() {
            let here = crate::view::escape::escaped(here.as_os_str().as_bytes());
            say::err(format_args!(
                "note: {here} is no work directory: rules that count what is removed outside of one are silent (--workdir DIR)"
            ));
        }
    }

    fn terms(&self) -> Terms {
        let destinations = (!self.destinations.is_empty()).then(|| self.destinations.clone());
        let allowed = AllowList { workdir: self.workdir.clone(), destinations, ..AllowList::default() };
        Terms { without: self.without(), allowed: Arc::new(allowed) }
    }

    fn without(&self) -> Kinds {
        self.without.iter().fold(Kinds::default(), |all, kind| all.union(*kind))
    }

    fn output(&self) -> Output {
        let default = if std::io::stdout().is_terminal() { Output::Compact } else { Output::Json };
        self.output.unwrap_or(default)
    }

    fn settings(&self, config: &Config, rules: RuleSet, metrics: &Arc<Metrics>, health: &Arc<Health>) -> Result<Settings> {
        let screen = match self.output() {
            Output::Compact => Some(ScreenMode::Compact { colour: colour(&std::io::stdout()), all: self.all }),
            Output::Json => Some(ScreenMode::Json),
            Output::None => None,
        };
        let log = self.log_dir.as_deref().map(|dir| writer_config(dir, config, &rules)).transpose()?;
        Ok(Settings {
            sensor: SensorConfig { ring_bytes: config.kernel.ring_bytes, messages: wants_probe_messages(), path_hooks: true },
            rules,
            mode: if self.observe { Mode::Observe } else { Mode::Enforce },
            log,
            record: self.record.clone(),
            screen,
            summary: true,
            metrics: Arc::clone(metrics),
            health: Arc::clone(health),
        })
    }

    /// In JSON mode standard output is NDJSON only.
    fn stdout_of_command(&self) -> Result<Stdio> {
        if self.output() != Output::Json {
            return Ok(Stdio::inherit());
        }
        let stderr = rustix::io::dup(std::io::stderr()).context("cannot duplicate standard error")?;
        Ok(Stdio::from(stderr))
    }

    /// A session is worth more than its metrics: a taken port is only said.
    fn serve_metrics(&self, metrics: &Arc<Metrics>, health: &Arc<Health>) {
        if self.no_metrics {
            return;
        }
        match serve::bind(self.metrics) {
            Ok(listener) => {
                health.set_ready(true);
                tokio::spawn(serve::serve(listener, Arc::clone(metrics), Arc::clone(health)));
            }
            Err(error) => say::err(format_args!("warning: no metrics: {error} (--metrics ADDRESS, or --no-metrics)")),
        }
    }
}

/// What was outside the agent's cgroup at the end.
#[derive(Default)]
struct Outside {
    /// How many were found and killed.
    killed: usize,
    /// They kept coming, or could not be listed, until the time was over.
    remains: bool,
}

impl Outside {
    fn tell(&self) {
        if self.killed > 0 {
            say::err(format_args!("agentmon: left outside the agent's cgroup and killed: {}", self.killed));
        }
        if self.remains {
            say::err("warning: processes of the agent outside its cgroup may still run: they kept appearing, or could not be listed");
        }
    }
}

/// Kills what the agent has outside its cgroup until nothing is there twice in a row: a child born during one look is
/// found by the next.
async fn end_outside(monitor: &Monitor, agent: AgentId) -> Result<Outside, MonitorError> {
    let deadline = tokio::time::Instant::now() + FINISH_WITHIN;
    let (mut killed, mut quiet) = (0, 0);
    // What a rule's kill is still busy with is not this end's to count or to tell of.
    settle(monitor).await?;
    while quiet < 2 && tokio::time::Instant::now() < deadline {
        let found = monitor.end_outside(agent)?;
        killed += found.unwrap_or_default();
        quiet = if found == Some(0) { quiet + 1 } else { 0 };
        settle(monitor).await?;
    }
    Ok(Outside { killed, remains: quiet < 2 })
}

/// Waits until every order was verified, or given up: longer than the breaker's patience, since an order that is still
/// being verified when watching ends would be proved by an empty list of members.
async fn settle(monitor: &Monitor) -> Result<(), MonitorError> {
    let deadline = tokio::time::Instant::now() + SETTLE_WITHIN;
    while !monitor.is_settled()? && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

struct Signals {
    child: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            child: listen(SignalKind::child())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            quit: listen(SignalKind::quit())?,
        })
    }

    /// Waits for the command, a signal, or the death of the monitor: an agent does not run unwatched.
    async fn wait(&mut self, launched: &mut Launched, monitor: &Monitor) -> Result<Ended> {
        loop {
            if let Some(status) = launched.child.try_wait().context("cannot wait for COMMAND")? {
                return Ok(Ended::Command(status));
            }
            if !monitor.is_alive() {
                return Ok(Ended::MonitorDied);
            }
            tokio::select! {
                _ = self.child.recv() => {}
                _ = self.interrupt.recv() => return Ok(Ended::Signal(2)),
                _ = self.terminate.recv() => return Ok(Ended::Signal(15)),
                _ = self.hangup.recv() => return Ok(Ended::Signal(1)),
                _ = self.quit.recv() => return Ok(Ended::Signal(3)),
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }
}

/// A directory as the kernel will resolve it.
fn directory(path: &str) -> Result<Directory, String> {
    let resolved = std::fs::canonicalize(path).map_err(|error| error.to_string())?;
    Directory::new(resolved.as_os_str().as_bytes()).ok_or_else(|| "not / itself".to_owned())
}

/// A kind that can be switched off.
fn kind(name: &str) -> Result<Kinds, String> {
    let mut kinds = Kinds::default();
    kinds.insert(name).map_err(|error| format!("{error}: {}", error.hint()))?;
    Ok(kinds)
}

fn exit_code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code & 0xff).unwrap_or(1),
        (None, Some(signal)) => 128 + (signal & 0x7f) as u8,
        (None, None) => 1,
    }
}

fn summarize(finished: &Finished) {
    if let Some(summary) = &finished.summary {
        say::err(summary.render(&finished.losses, colour(&std::io::stderr())).trim_end());
    }
    for (probe, cause, count) in finished.kernel.errors() {
        say::err(format_args!("warning: probe {probe} failed {count} times: {cause}"));
    }
}

fn report_demo(demo: &Demo) {
    let (left, made) = demo.left();
    say::err(format_args!("demo: {left} of {made} documents were left in {} (removed now)", demo.directory().display()));
}
