//! What rules ask of an operation beyond its event: what is expected of the agent, and what it did before.
//!
//! Each answer is looked up when it is asked for. Not for: what is remembered (`super::history`), nor how lists are read
//! (`crate::allow`).

use super::history::is_of_system;
use super::{Operation, Process};
use crate::event::{Call, Detail, Event, Kind, Signal};
use std::net::IpAddr;

/// Most generations that are looked at.
const ANCESTORS_MAX: usize = 16;

impl Operation<'_> {
    /// Whether the file is in the agent's work directory: the configured one, else where its first program began. Of a rename or
    /// link both names must be.
    #[must_use]
    pub fn target_in_workdir(&self) -> Option<bool> {
        let target = self.event.target()?;
        let source = self.event.source();
        let configured = &self.agent.allowed.workdir;
        let began_in = self.history.and_then(|history| history.began_in(self.agent.id));
        if configured.is_empty() && began_in.is_none() {
            return None;
        }
        let is_inside = |path: &[u8]| match configured.is_empty() {
            true => began_in.is_some_and(|directory| directory.contains(path)),
            false => configured.iter().any(|directory| directory.contains(path)),
        };
        let leads_away = |path: &[u8]| self.history.is_some_and(|history| history.leads_elsewhere(self.agent.id, path));
        Some(!leads_away(&target.bytes) && is_inside(&target.bytes) && source.is_none_or(|source| is_inside(&source.bytes)))
    }

    /// Whether the agent made the name that the operation acts on: of a rename the old one.
    #[must_use]
    pub fn target_made_by_agent(&self) -> Option<bool> {
        let path = match self.event.kind() {
            Kind::Rename => self.event.source()?,
            _ => self.event.target()?,
        };
        Some(self.history?.made(self.agent.id, &path.bytes))
    }

    /// Whether the file is in the directory of `/proc` that stands for the process itself.
    #[must_use]
    pub fn target_is_self(&self) -> Option<bool> {
        let path = self.event.target()?.bytes.strip_prefix(b"/proc/")?;
        let id = path.split(|byte| *byte == b'/').next()?;
        Some(id == self.event.process.tgid.to_string().as_bytes())
    }

    /// Whether a call's target is a process of this agent, by its id as the host counts: within a pid namespace another is meant.
    #[must_use]
    pub fn reaches_agent(&self, call: &Call) -> Option<bool> {
        let id = call.arg("target_pid")? as u32;
        let own = |process: &Process| process.key.tgid == id && process.agent == self.agent.id;
        Some(id == 0 || id == self.event.process.tgid || self.processes?.living().any(own))
    }

    /// Whether the agent's lists have the file, for what is done to it here.
    #[must_use]
    pub fn target_allowed(&self) -> Option<bool> {
        let path = &self.event.target()?.bytes[..];
        let reads = matches!(&self.event.detail, Detail::Open(open) if !open.for_writing());
        let listed = if reads { self.agent.allowed.reads(path)? } else { self.agent.allowed.writes(path)? };
        Some(listed || self.target_in_workdir() == Some(true))
    }

    /// Whether the agent's list of ports has the one that is bound or listened on.
    #[must_use]
    pub fn bind_allowed(&self) -> Option<bool> {
        let Detail::Socket(socket) = &self.event.detail else { return None };
        self.agent.allowed.binds(socket.local.inet()?.port())
    }

    /// Whether a signal's target is a process of an agent, or was one until it ended: a zombie is in no table of the kernel's side.
    #[must_use]
    pub fn signals_agent(&self, signal: &Signal) -> bool {
        signal.other_agent.is_some() || self.processes.is_some_and(|table| table.get(signal.other).is_some())
    }

    /// The creator, its creator, and so on.
    pub fn ancestors(&self) -> impl Iterator<Item = &Process> {
        let next = |process: &&Process| self.processes?.parent(process).or(None);
        std::iter::successors(self.parent, next).take(ANCESTORS_MAX)
    }

    /// Whether the agent runs this program for the first time, before this operation.
    #[must_use]
    pub fn is_first_run(&self) -> Option<bool> {
        let Detail::Exec(exec) = &self.event.detail else { return None };
        Some(!self.history?.ran_before(self.agent.id, &exec.exe.bytes))
    }

    /// Whether the agent reaches this address and port for the first time.
    #[must_use]
    pub fn is_first_reach(&self) -> Option<bool> {
        let (ip, port) = peer(self.event)?;
        Some(!self.history?.reached(self.agent.id, ip, port))
    }

    /// Whether the agent's list of destinations has this one. This host itself is allowed where there is a list.
    #[must_use]
    pub fn destination_allowed(&self) -> Option<bool> {
        let (ip, port) = peer(self.event)?;
        let listed = self.agent.allowed.reaches(ip, port, self.hostname)?;
        Some(listed || ip.to_canonical().is_loopback())
    }

    /// Whether the program is the system's own: in a directory of its packages, writable for nobody but its owner, and no name that this
    /// agent made.
    #[must_use]
    pub fn image_trusted(&self) -> Option<bool> {
        let exec = match &self.event.detail {
            Detail::Exec(exec) => exec,
            _ => self.image()?,
        };
        let path = &exec.exe.bytes[..];
        let is_system = is_of_system(path);
        let is_local = path.starts_with(b"/usr/local/") || path.starts_with(b"/usr/src/");
        let is_sound = exec.file.nlink > 0 && exec.file.mode & 0o022 == 0;
        Some(is_system && !is_local && is_sound && !self.history.is_some_and(|history| history.may_have_written(self.agent.id, path)))
    }
}

/// Where the agent connected or sent to.
pub(super) fn peer(event: &Event) -> Option<(IpAddr, u16)> {
    let peer = match &event.detail {
        Detail::Socket(socket) if matches!(socket.kind, Kind::Connect | Kind::Send) => socket.peer.inet()?,
        Detail::Uring(uring) => uring.peer.as_ref()?.inet()?,
        Detail::Flow(flow) if !flow.inbound => flow.peer,
        _ => return None,
    };
    Some((peer.ip(), peer.port()))
}

/// A connection that was begun.
pub(super) fn is_under_way(event: &Event) -> bool {
    event.outcome.error_name() == Some("EINPROGRESS")
}
