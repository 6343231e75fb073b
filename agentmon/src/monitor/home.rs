//! The cgroup this monitor lives in, and the way back there for it and its guard when an agent moves them into its own:
//! there a freeze would stop the monitor with the agent, and a kill end it.
//!
//! The probes make neither a member (`am_cgroup_attach`). Not for: the agent's own processes.

use crate::cgroup::{Cgroup, CgroupError, Mount};
use crate::event::{Detail, Event};

/// Where this process was when it started.
pub struct Home {
    cgroup: Cgroup,
    pid: u32,
}

impl Home {
    /// The cgroup of this process.
    ///
    /// # Errors
    /// [`CgroupError`] when it cannot be found or opened.
    pub fn find(mount: &Mount) -> Result<Self, CgroupError> {
        Ok(Self { cgroup: mount.of_this_process()?, pid: std::process::id() })
    }

    /// Undoes a move of this process, or of a child that did not move itself, into an agent's cgroup. Before the rules are
    /// asked, which may freeze or kill that cgroup.
    pub fn guard(&self, event: &Event) {
        let Detail::CgroupJoin(moved) = &event.detail else { return };
        let (tgid, mover) = (event.process.tgid, moved.mover_tgid);
        let is_own = tgid == self.pid || (event.ppid == self.pid && mover != tgid);
        if moved.born || mover == self.pid || !is_own {
            return;
        }
        match self.cgroup.add(tgid) {
            Ok(()) => tracing::error!("process {mover} moved this monitor (process {tgid}) into an agent's cgroup: moved back"),
            Err(error) => tracing::error!("process {mover} moved this monitor (process {tgid}) into an agent's cgroup: {error}"),
        }
    }
}
