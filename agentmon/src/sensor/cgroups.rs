//! Programs on the cgroups of agents: attached when an agent begins to be watched, gone when it no longer is.
//!
//! Such a program runs for the sockets of its cgroup and of all inside it, so that others pay nothing for it. Two agents of
//! which one lies inside the other would be told twice; the node service watches topmost cgroups only. Not for: tracepoints
//! (`super::load`), which know no cgroup.

use super::error::SensorError;
use super::programs::{Hook, PROBES, Presence, Way};
use super::refusal::program_error;
use crate::event::AgentId;
use aya::Ebpf;
use aya::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, ProgramError};
use std::any::Any;
use std::collections::HashMap;
use std::os::fd::BorrowedFd;

/// The links, by agent. Dropping one detaches its program.
#[derive(Debug, Default)]
pub(super) struct CgroupLinks {
    by_agent: HashMap<AgentId, Attached>,
}

/// A link of whatever type of program: nothing is asked of it but to be dropped.
type Link = Box<dyn Any + Send>;

/// What is attached for one agent.
#[derive(Debug, Default)]
struct Attached {
    links: Vec<Link>,
    /// Programs that are on every cgroup of it.
    programs: usize,
}

impl CgroupLinks {
    /// Attaches every program of cgroups but the `missing` to these of an agent. One that cannot be attached costs only what
    /// it would tell: all others are. Of an agent that has links already nothing changes.
    pub fn attach(&mut self, ebpf: &mut Ebpf, missing: &[&str], agent: AgentId, cgroups: &[BorrowedFd<'_>]) -> Vec<SensorError> {
        if self.by_agent.contains_key(&agent) {
            return Vec::new();
        }
        let mut errors = Vec::new();
        let mut attached = Attached::default();
        for probe in PROBES.iter().filter(|probe| probe.presence == Presence::OnAgent && !missing.contains(&probe.program)) {
            let Hook::Cgroup(way) = probe.hook else { continue };
            let before = errors.len();
            for cgroup in cgroups {
                match attach(ebpf, probe.program, way, *cgroup) {
                    Ok(link) => attached.links.push(link),
                    Err(error) => errors.push(program_error("attach", probe.program)(error)),
                }
            }
            attached.programs += usize::from(errors.len() == before);
        }
        self.by_agent.insert(agent, attached);
        errors
    }

    /// Detaches what is attached for an agent.
    pub fn detach(&mut self, agent: AgentId) {
        self.by_agent.remove(&agent);
    }

    /// Programs that are on every cgroup of an agent.
    pub fn attached(&self, agent: AgentId) -> usize {
        self.by_agent.get(&agent).map_or(0, |attached| attached.programs)
    }
}

/// Loads a program of cgroups.
pub(super) fn load(ebpf: &mut Ebpf, name: &'static str) -> Result<(), ProgramError> {
    program(ebpf, name)?.load()
}

fn attach(ebpf: &mut Ebpf, name: &'static str, way: Way, cgroup: BorrowedFd<'_>) -> Result<Link, ProgramError> {
    let way = match way {
        Way::Out => CgroupSkbAttachType::Egress,
        Way::In => CgroupSkbAttachType::Ingress,
    };
    let program = program(ebpf, name)?;
    // Links are beside those of others in any case; the kernel refuses the flag that would say so.
    let id = program.attach(cgroup, way, CgroupAttachMode::Single)?;
    Ok(Box::new(program.take_link(id)?))
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut CgroupSkb, ProgramError> {
    ebpf.program_mut(name).unwrap_or_else(|| panic!("the embedded eBPF object has no program {name}")).try_into()
}
