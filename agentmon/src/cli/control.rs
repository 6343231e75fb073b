//! `agentmon agents`, `kill`, `freeze`, `thaw`: by hand, from the marks on the cgroups, with or without a daemon.

use crate::cgroup::Mount;
use crate::event::CgroupId;
use crate::response::manual::{self, MarkedAgent};
use crate::response::{BreakerReport, Command, Outcome};
use crate::view::escape::escaped;
use crate::view::{counted, say};
use anyhow::Result;
use clap::Args;
use std::collections::HashSet;
use std::ffi::OsString;

/// Which agent.
#[derive(Debug, Args)]
#[command(after_help = "An agent is named by its name, its session, or the path of its cgroup; `agentmon agents` lists them.\n\
    Processes that left the agent's cgroup are found only by the monitor that watches it, not from here.")]
pub struct Target {
    /// Name, session or cgroup path.
    #[arg(value_name = "AGENT")]
    agent: OsString,
}

impl Target {
    /// Carries the order out and says what became of it.
    pub fn apply(self, command: Command) -> Result<u8> {
        let mount = Mount::find()?;
        let agents = manual::find(&mount, &self.agent)?;
        let reports = manual::apply(&agents, command);
        let mut failed = false;
        for (agent, report) in agents.iter().zip(&reports) {
            say::out(format_args!("{} {}/{}: {}", command.name(), agent.mark.name, agent.mark.session, outcome(report)));
            failed |= !report.is_verified();
        }
        match command {
            Command::Thaw => {}
            Command::Freeze => say::err(format_args!("note: {}", manual::ESCAPE_NOTE)),
            Command::Kill if reports.iter().any(has_struck) => say::err(format_args!("note: {}, and kills them now", manual::ESCAPE_NOTE)),
            Command::Kill => say::err(format_args!("note: {}", manual::ESCAPE_NOTE)),
        }
        Ok(u8::from(failed))
    }
}

/// Whether processes were killed, or are about to end: the agentmon that watches them sees it and goes on outside.
const fn has_struck(report: &BreakerReport) -> bool {
    matches!(report.outcome, Outcome::Done { .. }) && report.tasks > 0
}

fn outcome(report: &BreakerReport) -> String {
    let ms = report.done_latency.as_secs_f64() * 1e3;
    match &report.outcome {
        Outcome::Done { verified: true } if report.command == Command::Kill && report.tasks == 0 => {
            "nothing to kill: no process was in its cgroup. A session that has only just begun starts its command all the same".to_owned()
        }
        Outcome::Done { verified: true } => {
            let (tasks, goal) = (counted(report.tasks.into(), "process", "processes"), goal(report.command));
            format!("done, {tasks}, cgroup verified {goal} after {ms:.1} ms")
        }
        Outcome::Done { verified: false } => format!("written, not verified within {ms:.0} ms; still there: {:?}", report.survivors),
        Outcome::Failed(why) => format!("failed: {why}"),
    }
}

/// The state of the cgroup that an order is verified by.
const fn goal(command: Command) -> &'static str {
    match command {
        Command::Kill => "empty",
        Command::Freeze => "frozen",
        Command::Thaw => "thawed",
    }
}

/// List agents.
#[derive(Debug, Args)]
#[command(after_help = "States: running; frozen; empty (no process, but an `agentmon run` or a daemon may use it); left over (its \
    `agentmon run` was killed: see --prune).")]
pub struct Agents {
    /// Remove the empty cgroups that dead sessions of `agentmon run` left over, and say which; never one with a process in it.
    #[arg(long)]
    prune: bool,
}

impl Agents {
    /// Lists, or tidies up.
    pub fn run(self) -> Result<u8> {
        let mount = Mount::find()?;
        if !rustix::process::geteuid().is_root() {
            say::err("warning: only root can read the marks of agents; some may be missing");
        }
        Ok(if self.prune { prune(&mount) } else { list(&mount) })
    }
}

fn list(mount: &Mount) -> u8 {
    let (agents, _) = manual::list(mount);
    if agents.is_empty() {
        say::err("no agent is watched on this host");
        return 0;
    }
    let left_over: HashSet<CgroupId> = manual::left_over(mount).iter().map(|agent| agent.cgroup().id()).collect();
    say::out(format_args!("{:<20} {:<10} {:<9} {:>6}  CGROUP", "AGENT", "SESSION", "STATE", "PROCS"));
    for agent in agents {
        let cgroup = agent.cgroup();
        let state = match (cgroup.frozen(), cgroup.populated()) {
            (_, Ok(false)) if left_over.contains(&cgroup.id()) => "left over",
            (Ok(true), _) => "frozen",
            (_, Ok(false)) => "empty",
            _ => "running",
        };
        let (mark, procs, path) = (&agent.mark, cgroup.all_procs().len(), path(&agent));
        say::out(format_args!("{:<20} {:<10} {state:<9} {procs:>6}  {path}", mark.name, mark.session));
    }
    if !left_over.is_empty() {
        say::err("hint: `agentmon agents --prune` removes what is left over");
    }
    0
}

fn prune(mount: &Mount) -> u8 {
    let agents = manual::left_over(mount);
    if agents.is_empty() {
        say::err("nothing is left over");
    }
    let mut failed = false;
    for agent in &agents {
        match manual::remove(agent) {
            Ok(true) => say::out(format_args!("removed {}/{}  {}", agent.mark.name, agent.mark.session, path(agent))),
            Ok(false) => {}
            Err(error) => {
                say::err(format_args!("warning: {error}"));
                failed = true;
            }
        }
    }
    u8::from(failed)
}

fn path(agent: &MarkedAgent) -> String {
    escaped(std::os::unix::ffi::OsStrExt::as_bytes(agent.cgroup().path().as_os_str()))
}
