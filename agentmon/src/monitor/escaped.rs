//! Finding an agent's processes outside its cgroups: the kernel's own list of members, less those that are inside.
//!
//! Runs on the verifying thread of the breaker. Not for: killing them (`crate::response::escapee`).

use crate::agents::AgentCgroups;
use crate::cgroup::Mount;
use crate::event::AgentId;
use crate::response::{Relist, escapee};
use crate::sensor::Members;
use std::path::PathBuf;

/// Lists what is outside now, each time it is called.
pub fn relist(members: Members, agent: AgentId, cgroups: &AgentCgroups, mount: &Mount) -> Relist {
    let roots: Vec<PathBuf> = cgroups.roots().iter().map(|root| mount.relative(root)).collect();
    Box::new(move || {
        let pids = members.of(agent).unwrap_or_else(|error| {
            tracing::error!("cannot list the agent's processes: {error}");
            Vec::new()
        });
        pids.into_iter().filter(|pid| is_outside(*pid, &roots)).filter_map(escapee::key_of).collect()
    })
}

/// Whether a living process is in none of these cgroups; one that is gone is nowhere.
fn is_outside(pid: u32, roots: &[PathBuf]) -> bool {
    let Ok(text) = std::fs::read(format!("/proc/{pid}/cgroup")) else { return false };
    let Some(path) = text.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"0::")) else { return false };
    let path = std::path::Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path));
    !roots.iter().any(|root| path.starts_with(root))
}
