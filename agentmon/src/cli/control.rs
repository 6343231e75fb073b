//! `agentmon agents`, `kill`, `freeze`, `thaw`: by hand, from the marks on the cgroups, with or without a daemon.

use crate::cgroup::Mount;
use crate::response::{BreakerReport, Command, Outcome, manual};
use crate::view::escape::escaped;
use crate::view::{counted, say};
use anyhow::Result;
use clap::Args;
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
        Ok(u8::from(failed))
    }
}

fn outcome(report: &BreakerReport) -> String {
    let ms = report.done_latency.as_secs_f64() * 1e3;
    match &report.outcome {
        Outcome::Done { verified: true } => {
            format!("done, {}, verified after {ms:.1} ms", counted(report.tasks.into(), "process", "processes"))
        }
        Outcome::Done { verified: false } => format!("written, not verified within {ms:.0} ms; still there: {:?}", report.survivors),
        Outcome::Failed(why) => format!("failed: {why}"),
    }
}

/// Lists the watched agents.
pub fn list() -> Result<u8> {
    let (agents, _) = manual::list(&Mount::find()?);
    if !rustix::process::geteuid().is_root() {
        say::err("warning: only root can read the marks of agents; some may be missing");
    }
    if agents.is_empty() {
        say::err("no agent is watched on this host");
        return Ok(0);
    }
    say::out(format_args!("{:<20} {:<10} {:<8} {:>6}  CGROUP", "AGENT", "SESSION", "STATE", "PROCS"));
    for agent in agents {
        let cgroup = agent.cgroup();
        let state = match (cgroup.frozen(), cgroup.populated()) {
            (Ok(true), _) => "frozen",
            (_, Ok(false)) => "empty",
            _ => "running",
        };
        let path = escaped(std::os::unix::ffi::OsStrExt::as_bytes(cgroup.path().as_os_str()));
        say::out(format_args!("{:<20} {:<10} {:<8} {:>6}  {}", agent.mark.name, agent.mark.session, state, cgroup.all_procs().len(), path));
    }
    Ok(0)
}
