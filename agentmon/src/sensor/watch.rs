//! Watching: which cgroups are an agent's, and the probes that are attached while there is one.
//!
//! Not for: loading the probes (`super::load`).

use super::error::{SensorError, map_error};
use super::load::{Sensor, iterator, tracepoint};
use super::programs::{PROBES, Presence};
use super::refusal::program_error;
use crate::event::{AgentId, Kinds};
use std::io::Read;
use std::os::fd::BorrowedFd;

/// Most passes over the kernel's tasks to forget an agent's members.
const FORGET_PASSES: u32 = 8;
/// Value of `AM_OFF` of an agent that is no longer watched: kinds that there are not yet included.
const NOTHING_WANTED: u64 = u64::MAX;

impl Sensor {
    /// Begins to watch an agent: its topmost cgroups, and with them all that are nested in them, now and later. Processes that
    /// are there are reported as `process_seen`.
    ///
    /// # Errors
    /// When a probe cannot be attached or a map is full; [`Self::unwatch`] ends what is half watched then.
    pub fn watch(&mut self, agent: AgentId, roots: &[BorrowedFd<'_>]) -> Result<(), SensorError> {
        self.attach_pair()?;
        self.attach_to(agent, roots);
        if !self.watched.contains(&agent) {
            self.watched.push(agent);
        }
        if self.off.get(&agent.0, 0).map_err(map_error("AM_OFF"))? == NOTHING_WANTED {
            self.switch_off(agent, Kinds::default())?;
        }
        for root in roots {
            let id =
                rustix::fs::fstat(root).map_err(|errno| SensorError::Io { what: "cannot inspect a cgroup", source: errno.into() })?.st_ino;
            self.cgroups.insert(id, agent.0, 0).map_err(map_error("AM_CGROUPS"))?;
        }
        self.run_iterator()
    }

    /// Switches off these kinds of records of an agent, and all others on, until it is no longer watched.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn switch_off(&mut self, AgentId(agent): AgentId, kinds: Kinds) -> Result<(), SensorError> {
        self.off.set(agent, kinds.bits(), 0).map_err(map_error("AM_OFF"))
    }

    /// Stops watching an agent: its cgroups make no new members, and its processes are none any more.
    ///
    /// # Errors
    /// When a map cannot be read or written.
    pub fn unwatch(&mut self, agent: AgentId) -> Result<(), SensorError> {
        let of_agent = |(id, owner): (u64, u32)| (owner == agent.0).then_some(id);
        let ids: Vec<u64> = self.cgroups.iter().filter_map(Result::ok).filter_map(of_agent).collect();
        for id in ids {
            // Gone meanwhile (rmdir): what was wanted.
            let _ = self.cgroups.remove(&id);
        }
        self.on_agents.detach(agent);
        self.watched.retain(|watched| *watched != agent);
        // Connections outlive the membership of who made them.
        let unwanted = self.off.set(agent.0, NOTHING_WANTED, 0).map_err(map_error("AM_OFF"));
        // The number is used again.
        let forgotten = self.forget(agent).and(self.flows.forget(agent)).and(unwanted);
        if self.watched.is_empty() {
            self.detach_pair();
        }
        forgotten
    }

    /// Ends the membership of an agent's processes, escaped ones included. A child born while the tasks were listed can
    /// be missed once; its own children likewise: hence more than one pass.
    fn forget(&mut self, AgentId(agent): AgentId) -> Result<(), SensorError> {
        self.forget.set(0, agent, 0).map_err(map_error("AM_FORGET"))?;
        let mut result = Ok(());
        for _ in 0..FORGET_PASSES {
            result = self.run_iterator();
            if result.is_err() || self.members().of(AgentId(agent))?.is_empty() {
                break;
            }
        }
        self.forget.set(0, 0, 0).map_err(map_error("AM_FORGET"))?;
        result
    }

    fn attach_pair(&mut self) -> Result<(), SensorError> {
        if !self.pair.is_empty() {
            return Ok(());
        }
        for probe in PROBES.iter().filter(|probe| probe.presence == Presence::WhileWatching) {
            if self.missing.iter().any(|missing| missing.program == probe.program) {
                continue;
            }
            match self.attach(probe.program) {
                Ok(link) => self.pair.push((probe.program, link)),
                Err(error) => self.excuse(probe, error)?,
            }
        }
        self.attach_watching_seconds()
    }

    /// Attaches the programs of cgroups. None of them is needed: what cannot be attached is said, and the agent is watched all
    /// the same.
    fn attach_to(&mut self, agent: AgentId, roots: &[BorrowedFd<'_>]) {
        let missing: Vec<&str> = self.missing.iter().map(|missing| missing.program).collect();
        for error in self.on_agents.attach(&mut self.ebpf, &missing, agent, roots) {
            tracing::warn!("{error}: DNS messages of an agent are missed");
        }
    }

    fn detach_pair(&mut self) {
        let seconds = self.take_watching_seconds();
        for (program, link) in self.pair.drain(..).chain(seconds) {
            let detached = tracepoint(&mut self.ebpf, program)
                .and_then(|program_ref| program_ref.detach(link).map_err(program_error("detach", program)));
            if let Err(error) = detached {
                tracing::warn!("{error}");
            }
        }
    }

    pub(super) fn run_iterator(&mut self) -> Result<(), SensorError> {
        for probe in PROBES.iter().filter(|probe| probe.presence == Presence::OnWatch) {
            let error = |source| program_error("run", probe.program)(source);
            let program = iterator(&mut self.ebpf, probe.program)?;
            let id = program.attach().map_err(error)?;
            let link = program.take_link(id).map_err(program_error("run", probe.program))?;
            let listing = "cannot list the kernel's tasks";
            let mut file = link.into_file().map_err(|e| SensorError::Io { what: listing, source: std::io::Error::other(e) })?;
            let mut nothing = Vec::new();
            file.read_to_end(&mut nothing).map_err(|source| SensorError::Io { what: listing, source })?;
        }
        Ok(())
    }
}
