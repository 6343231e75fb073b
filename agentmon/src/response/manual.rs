//! Manual control: `agentmon kill|freeze|thaw AGENT` from any process of an operator, with or without a daemon.
//!
//! Agents are found by the marks on their cgroups, and below `agentmon.slice` by the name of the directory as well, so
//! this works after a crash of agentmon. Without a daemon only what is in the cgroups can be reached: nobody else knows
//! which processes left them ([`ESCAPE_NOTE`]). Not for: who may do it (the kernel's permissions on the cgroup files).

use super::Command;
use super::breaker::Order;
use super::job::{BreakerReport, Job, Strike};
use crate::agents::session::parse_cgroup_name;
use crate::agents::{AgentCgroups, SLICE};
use crate::cgroup::{Cgroup, CgroupError, Descend, KillMark, Mark, Mount, Shown, Walk, WalkLimits};
use crate::clock::boot_ns;
use crate::event::AgentId;
use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

/// To be shown with the result of a manual kill or freeze.
pub const ESCAPE_NOTE: &str = "processes that left the agent's cgroup are not included: only the agentmon that watches it knows them";

/// An agent found by its cgroup.
#[derive(Debug)]
pub struct MarkedAgent {
    /// Its name and session.
    pub mark: Mark,
    /// Its cgroup, the only one of [`AgentCgroups::roots`].
    pub cgroups: AgentCgroups,
    /// Whether the cgroup carries a mark; else its name below `agentmon.slice` gave it away.
    pub marked: bool,
}

impl MarkedAgent {
    /// Its cgroup.
    #[must_use]
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroups.roots()[0]
    }

    /// Whether it is empty, and no `agentmon run` holds it: nobody will use it again.
    #[must_use]
    pub fn is_left_over(&self) -> bool {
        self.cgroup().populated().is_ok_and(|populated| !populated) && self.cgroup().is_abandoned()
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ManualError {
    /// No agent of that name, session or path.
    #[error("no agent `{wanted}`")]
    Unknown {
        /// What was asked for, escaped.
        wanted: Shown,
        /// What there is: `name-session`.
        known: Vec<String>,
    },
    /// The hierarchy cannot be looked at.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
}

impl ManualError {
    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { known, .. } if known.is_empty() => Some("no cgroup carries an agent's mark".to_owned()),
            Self::Unknown { known, .. } => Some(format!("agents now: {}", known.join(", "))),
            Self::Cgroup(error) => error.hint().map(str::to_owned),
        }
    }
}

/// Finds every agent of this host.
#[must_use]
pub fn list(mount: &Mount) -> (Vec<MarkedAgent>, Walk) {
    let mut agents = Vec::new();
    let slice = mount.point().join(SLICE);
    let mut unreadable = 0;
    let mut walk = mount.root().walk(WalkLimits::default(), |cgroup, _| {
        let mark = cgroup.mark();
        let marked = mark.is_some();
        let Some(mark) = mark.or_else(|| mark_of_name(cgroup, &slice)) else { return Descend::Yes };
        match cgroup.try_clone() {
            Ok(cgroup) => agents.push(MarkedAgent { mark, cgroups: cgroup.into(), marked }),
            Err(_) => unreadable += 1,
        }
        Descend::Yes
    });
    walk.unreadable += unreadable;
    (agents, walk)
}

/// Finds what `agentmon run` left behind when it was killed itself: its cgroups below `agentmon.slice`, empty, of
/// sessions that are dead. Everything else, and whatever has a process in it or below, is left alone.
#[must_use]
pub fn left_over(mount: &Mount) -> Vec<MarkedAgent> {
    let slice = mount.point().join(SLICE);
    let (mut agents, _) = list(mount);
    agents.retain(|agent| mark_of_name(agent.cgroup(), &slice).is_some() && agent.is_left_over());
    agents
}

/// Removes the cgroup of an agent that is left over, and those nested in it. `Ok(false)`: somebody uses it after all. The
/// kernel refuses to remove a cgroup with a process in it.
///
/// # Errors
/// [`CgroupError`].
pub fn remove(agent: &MarkedAgent) -> Result<bool, CgroupError> {
    // Kept until the value is dropped: no session can begin to use it in between.
    if !agent.cgroup().take() || agent.cgroup().populated()? {
        return Ok(false);
    }
    agent.cgroup().remove(Duration::ZERO).map(|()| true)
}

/// Finds the agents that `wanted` names: a session, `name-session`, a name (all its sessions), or the path of a cgroup
/// that is an agent's or lies in one.
///
/// # Errors
/// [`ManualError::Unknown`] when there is none.
pub fn find(mount: &Mount, wanted: &OsStr) -> Result<Vec<MarkedAgent>, ManualError> {
    let (agents, _) = list(mount);
    let known = agents.iter().map(|agent| label(&agent.mark)).collect();
    let chosen: Vec<_> = if wanted.as_encoded_bytes().contains(&b'/') {
        let inside = mount.open(Path::new(wanted)).ok();
        let within = |agent: &MarkedAgent| inside.as_ref().is_some_and(|cgroup| cgroup.path().starts_with(agent.cgroup().path()));
        agents.into_iter().filter(within).collect()
    } else {
        let named = |mark: &Mark| [&mark.session, &mark.name, &label(mark)].into_iter().any(|text| OsStr::new(text) == wanted);
        agents.into_iter().filter(|agent| named(&agent.mark)).collect()
    };
    if chosen.is_empty() {
        return Err(ManualError::Unknown { wanted: Shown::new(Path::new(wanted)), known });
    }
    Ok(chosen)
}

/// Carries a command out on agents and waits until it is verified. All control files are written before the first wait.
#[must_use]
pub fn apply(agents: &[MarkedAgent], command: Command) -> Vec<BreakerReport> {
    let decided = Instant::now();
    let strike = |agent: &MarkedAgent| {
        if command == Command::Kill {
            // Without it the monitor shows the signals, and not whose they are: no reason not to kill.
            let _ = agent.cgroup().set_kill_mark(KillMark {
                uid: rustix::process::getuid().as_raw(),
                pid: std::process::id(),
                boot_ns: boot_ns(),
            });
        }
        let strike = Strike::write(&agent.cgroups, command, decided);
        let order = Order { agent: AgentId(0), cgroups: &agent.cgroups, command, decided, escaped: Vec::new(), relist: None };
        Job::new(0, order, strike)
    };
    let struck: Vec<Job> = agents.iter().map(strike).collect();
    let reports: Vec<BreakerReport> = struck.into_iter().map(Job::finish).collect();
    for (agent, report) in agents.iter().zip(&reports) {
        // Nobody was there to be killed: a note that stays would give somebody else's signal this one's name.
        if command == Command::Kill && report.tasks == 0 {
            let _ = agent.cgroup().take_kill_mark();
        }
    }
    reports
}

fn mark_of_name(cgroup: &Cgroup, slice: &Path) -> Option<Mark> {
    if cgroup.path().parent() != Some(slice) {
        return None;
    }
    let (name, session) = parse_cgroup_name(cgroup.name().to_str()?)?;
    Some(Mark { name: name.to_owned(), session: session.to_owned() })
}

fn label(mark: &Mark) -> String {
    format!("{}-{}", mark.name, mark.session).escape_default().to_string()
}
