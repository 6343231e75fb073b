//! Loading and attaching the probes, and the maps by which they are told what to watch.
//!
//! Not for: draining records (`super::ring`).

use super::btf::{Btf, BtfError, KERNEL_BTF};
use super::cgroups::{self, CgroupLinks};
use super::offsets::{self, OffsetsError};
use super::paths::PathHooks;
use super::pod::{PodOffsets, PodPut, PodSlot, PodStats};
use super::probe_log::{self, ToTracing};
use super::programs::{Hook, Need, PROBES, Presence, Probe};
use super::refusal::program_error;
use super::repeats::{self, Counted, Repeats};
use super::ring::RecordSource;
use super::second::Seconds;
use super::shares::Ledger;
use super::stats::KernelStats;
use crate::event::{AgentId, CgroupId, Kinds};
use agentmon_common::offsets::Offsets;
use agentmon_common::rings::URGENT_BYTES;
use agentmon_common::stats::SLOTS;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, Iter, ProgramError, tp_btf::BtfTracePointLinkId};
use aya::{Ebpf, EbpfError, EbpfLoader};
use aya_log::EbpfLogger;
use bytes::Bytes;
use rustix::thread::CapabilitySet;
use std::io::Read;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use thiserror::Error;

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("AGENTMON_BPF_OBJECT"));

/// Entries of one value of `AM_MEMBERS` (`agentmon-ebpf::maps::MEMBERS_PER_PAGE`).
const MEMBERS_PER_PAGE: usize = 2048;
/// Most passes over the kernel's tasks to forget an agent's members.
const FORGET_PASSES: u32 = 8;
/// Level byte that lets every message of the probes through, and the one that lets none.
const MESSAGES_ALL: u8 = 5;
const MESSAGES_NONE: u8 = 0;

/// How to load the probes.
#[derive(Clone, Copy, Debug)]
pub struct SensorConfig {
    /// Size of the main ring in bytes: a power of two and a multiple of the page size.
    pub ring_bytes: u32,
    /// Whether the probes' debug messages are wanted.
    pub messages: bool,
    /// Whether to try the kernel's own path hooks.
    pub path_hooks: bool,
}

/// Why the kernel side could not be set up.
#[derive(Debug, Error)]
pub enum SensorError {
    /// The process may not load eBPF programs.
    #[error("not allowed to load eBPF programs: missing {0}")]
    Capabilities(String),
    /// The kernel does not describe its types.
    #[error("cannot read the kernel's BTF from {KERNEL_BTF}: {0}")]
    NoBtf(std::io::Error),
    /// It does, but not in a form this reader knows.
    #[error("cannot use the kernel's BTF from {KERNEL_BTF}: {0}")]
    Btf(#[from] BtfError),
    /// Members are missing or elsewhere than the probes expect.
    #[error(transparent)]
    Offsets(#[from] OffsetsError),
    /// The eBPF object could not be loaded.
    #[error("cannot load the eBPF object: {0}")]
    Object(#[from] EbpfError),
    /// A program was refused.
    #[error("cannot {action} probe {program}: {source}")]
    Program {
        /// `load`, `attach` or `run`.
        action: &'static str,
        /// Name of the program.
        program: &'static str,
        /// What the kernel said, the verifier's log included.
        source: Box<ProgramError>,
    },
    /// A program calls what this kernel does not have.
    #[error("probe {program} needs {helper}, which this kernel does not have")]
    Helper {
        /// Name of the program.
        program: &'static str,
        /// Name of the kernel's function.
        helper: String,
    },
    /// A map could not be read or written.
    #[error("map {map}: {source}")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// What the kernel said.
        source: MapError,
    },
    /// Anything else of the operating system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl SensorError {
    /// What a person can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Capabilities(_) => Some("run as root (sudo), or give the binary CAP_BPF and CAP_PERFMON"),
            Self::NoBtf(_) => Some("agentmon needs a kernel built with CONFIG_DEBUG_INFO_BTF=y; every current distribution's is"),
            Self::Btf(_) | Self::Offsets(_) => Some("this kernel is not supported yet; docs/kernel-support.md lists those that are"),
            Self::Helper { .. } => Some("agentmon needs Linux 5.17 or newer; docs/kernel-support.md says what for"),
            _ => None,
        }
    }
}

fn map_error(map: &'static str) -> impl FnOnce(MapError) -> SensorError {
    move |source| SensorError::Map { map, source }
}

/// The kernel's table of which process belongs to which agent.
#[derive(Clone)]
pub struct Members(Arc<Array<MapData, [u16; MEMBERS_PER_PAGE]>>);

impl Members {
    /// Process ids of an agent's living processes, wherever they are.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn of(&self, agent: AgentId) -> Result<Vec<u32>, SensorError> {
        let mut members = Vec::new();
        for page in 0..self.0.len() {
            let owners = self.0.get(&page, 0).map_err(map_error("AM_MEMBERS"))?;
            let first = page * MEMBERS_PER_PAGE as u32;
            members.extend((first..).zip(owners).filter(|(_, owner)| u32::from(*owner) == agent.0).map(|(pid, _)| pid));
        }
        Ok(members)
    }

    /// The first of them with this process id or one above it, on its page of the table or the next: read in
    /// microseconds, where the whole table takes milliseconds.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn next(&self, agent: AgentId, pid: u32) -> Result<Option<u32>, SensorError> {
        let (page, at) = (pid / MEMBERS_PER_PAGE as u32, pid as usize % MEMBERS_PER_PAGE);
        for (page, at) in [(page, at), (page + 1, 0)] {
            if page >= self.0.len() {
                break;
            }
            let owners = self.0.get(&page, 0).map_err(map_error("AM_MEMBERS"))?;
            if let Some(found) = owners[at..].iter().position(|owner| u32::from(*owner) == agent.0) {
                return Ok(Some(page * MEMBERS_PER_PAGE as u32 + (at + found) as u32));
            }
        }
        Ok(None)
    }
}

/// A program that this kernel refused and that the monitor can do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub program: &'static str,
    /// What the kernel lacks, or what it said, the verifier's log included.
    pub why: String,
}

/// The loaded probes. Dropping it detaches them.
pub struct Sensor {
    pub(super) ebpf: Ebpf,
    cgroups: HashMap<MapData, u64, u32>,
    members: Arc<Array<MapData, [u16; MEMBERS_PER_PAGE]>>,
    forget: Array<MapData, u32>,
    off: Array<MapData, u64>,
    slots: Array<MapData, PodSlot>,
    stats: PerCpuArray<MapData, PodStats>,
    repeats: Repeats,
    put: Array<MapData, PodPut>,
    /// Links of the probes that are attached only while an agent is watched.
    pub(super) pair: Vec<(&'static str, BtfTracePointLinkId)>,
    pub(super) seconds: Seconds,
    on_agents: CgroupLinks,
    /// Programs that this kernel refused and that the monitor can do without.
    missing: Vec<Missing>,
    /// The kernel's own path hooks, tried out.
    pub(super) paths: PathHooks,
    always: usize,
    /// Agents that are watched; their cgroups may be gone while members live on.
    watched: Vec<AgentId>,
    messages: Option<EbpfLogger<ToTracing>>,
}

impl Sensor {
    /// Loads every probe and attaches those that keep membership. Nothing is watched yet.
    ///
    /// # Errors
    /// Says what the kernel lacks or refused; [`SensorError::hint`] says what to do.
    pub fn load(config: SensorConfig) -> Result<(Self, RecordSource), SensorError> {
        check_capabilities()?;
        let bytes = std::fs::read(KERNEL_BTF).map_err(SensorError::NoBtf)?;
        let offsets = offsets::resolve(&Btf::parse(&bytes)?)?;
        drop(bytes);
        let mut ebpf = load_object(config, PodOffsets(offsets))?;
        let messages = config.messages.then(|| probe_log::attach(&mut ebpf)).transpose();
        let messages = messages.unwrap_or_else(|error| {
            tracing::warn!("the probes' messages are not available: {error}");
            None
        });
        let source = RecordSource {
            rings: [ring(&mut ebpf, "AM_RING")?, ring(&mut ebpf, "AM_URGENT")?],
            sleeping: Array::try_from(take(&mut ebpf, "AM_SLEEPING")).map_err(map_error("AM_SLEEPING"))?,
            taken: Ledger::new(Array::try_from(take(&mut ebpf, "AM_TAKEN")).map_err(map_error("AM_TAKEN"))?),
            capacity_bytes: [config.ring_bytes, URGENT_BYTES].map(|bytes| bytes as usize),
        };
        let mut sensor = Self {
            cgroups: HashMap::try_from(take(&mut ebpf, "AM_CGROUPS")).map_err(map_error("AM_CGROUPS"))?,
            members: Arc::new(Array::try_from(take(&mut ebpf, "AM_MEMBERS")).map_err(map_error("AM_MEMBERS"))?),
            forget: Array::try_from(take(&mut ebpf, "AM_FORGET")).map_err(map_error("AM_FORGET"))?,
            off: Array::try_from(take(&mut ebpf, "AM_OFF")).map_err(map_error("AM_OFF"))?,
            slots: Array::try_from(take(&mut ebpf, "AM_SLOTS")).map_err(map_error("AM_SLOTS"))?,
            stats: PerCpuArray::try_from(take(&mut ebpf, "AM_STATS")).map_err(map_error("AM_STATS"))?,
            repeats: Repeats::new(HashMap::try_from(take(&mut ebpf, "AM_REPEATED")).map_err(map_error("AM_REPEATED"))?),
            put: Array::try_from(take(&mut ebpf, "AM_PUT")).map_err(map_error("AM_PUT"))?,
            ebpf,
            pair: Vec::new(),
            seconds: Seconds::default(),
            on_agents: CgroupLinks::default(),
            missing: Vec::new(),
            paths: PathHooks::default(),
            always: 0,
            watched: Vec::new(),
            messages,
        };
        let btf = aya::Btf::from_sys_fs().map_err(EbpfError::BtfError)?;
        sensor.load_programs(&offsets, &btf)?;
        if config.path_hooks {
            sensor.try_path_hooks(&offsets, &btf);
        }
        Ok((sensor, source))
    }

    fn load_programs(&mut self, offsets: &Offsets, btf: &aya::Btf) -> Result<(), SensorError> {
        for probe in &PROBES {
            if let Need::May(members) = probe.need
                && let Some(absent) = offsets::first_absent(offsets, members)
            {
                self.do_without(probe, format!("this kernel has no {absent}"));
                continue;
            }
            if let Err(error) = self.load_program(probe, btf) {
                self.excuse(probe, error)?;
            }
        }
        for probe in PROBES.iter().filter(|probe| probe.presence == Presence::Always) {
            self.attach(probe.program)?;
            self.always += 1;
        }
        Ok(())
    }

    fn load_program(&mut self, probe: &Probe, btf: &aya::Btf) -> Result<(), SensorError> {
        let mut loaded = Ok(());
        match probe.hook {
            Hook::Tracepoint(names) => {
                let program = tracepoint(&mut self.ebpf, probe.program)?;
                for name in names {
                    loaded = program.load(name, btf);
                    if loaded.is_ok() {
                        break;
                    }
                }
            }
            Hook::Iterator(kind) => loaded = iterator(&mut self.ebpf, probe.program)?.load(kind, btf),
            Hook::Cgroup(_) => loaded = cgroups::load(&mut self.ebpf, probe.program),
        }
        loaded.map_err(program_error("load", probe.program))
    }

    /// An error that costs only the kinds of events of this probe is said, and is none.
    fn excuse(&mut self, probe: &Probe, error: SensorError) -> Result<(), SensorError> {
        if probe.need == Need::Must {
            return Err(error);
        }
        self.do_without(probe, error.to_string());
        Ok(())
    }

    fn do_without(&mut self, probe: &Probe, why: String) {
        // Without the verifier's log, which has thousands of lines.
        tracing::warn!("{}: {}", probe.without, why.lines().next().unwrap_or_default());
        self.missing.push(Missing { program: probe.program, why });
    }

    pub(super) fn attach(&mut self, program: &'static str) -> Result<BtfTracePointLinkId, SensorError> {
        tracepoint(&mut self.ebpf, program)?.attach().map_err(program_error("attach", program))
    }

    /// Begins to watch an agent's cgroups. `roots` are its topmost; `list` names them, nested ones included; it is asked twice, so
    /// that one made meanwhile is not missed. Processes that are there are reported as `process_seen`.
    ///
    /// # Errors
    /// When a probe cannot be attached or a map is full; nothing stays half watched that was not before.
    pub fn watch(&mut self, agent: AgentId, roots: &[BorrowedFd<'_>], mut list: impl FnMut() -> Vec<CgroupId>) -> Result<(), SensorError> {
        self.attach_pair()?;
        self.attach_to(agent, roots);
        if !self.watched.contains(&agent) {
            self.watched.push(agent);
        }
        for _ in 0..2 {
            for CgroupId(id) in list() {
                if self.cgroups.get(&id, 0).is_err() {
                    self.cgroups.insert(id, agent.0, 0).map_err(map_error("AM_CGROUPS"))?;
                }
            }
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
        // The number is used again.
        let forgotten = self.forget(agent).and(self.switch_off(agent, Kinds::default()));
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

    /// A reader of the kernel's table of members, for other threads.
    #[must_use]
    pub fn members(&self) -> Members {
        Members(Arc::clone(&self.members))
    }

    /// The probes' counters.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn stats(&self) -> Result<KernelStats, SensorError> {
        let mut sum = KernelStats::default();
        for slot in 0..self.slots.len() {
            sum.add_slot(&self.slots.get(&slot, 0).map_err(map_error("AM_SLOTS"))?.0);
        }
        for PodStats(cpu) in self.stats.get(&0, 0).map_err(map_error("AM_STATS"))?.iter() {
            sum.add_cpu(cpu);
        }
        Ok(sum)
    }

    /// Failed operations that repeated and that the kernel counted: a record for each, which no ring has numbered.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn counted(&mut self, which: Counted) -> Result<Vec<Bytes>, SensorError> {
        self.repeats.take(which).map_err(map_error("AM_REPEATED"))
    }

    /// Records of an agent that were dropped because it had its share of a ring, since the probes were loaded; of whoever had its number
    /// before it too.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn refused(&self, AgentId(agent): AgentId) -> Result<u64, SensorError> {
        Ok(self.put.get(&agent, 0).map_err(map_error("AM_PUT"))?.0.refused)
    }

    /// Probes attached now, and how many should be. Those that this kernel refused should. One that is attached to each agent's
    /// cgroup counts once, and only when no agent lacks it.
    #[must_use]
    pub fn attached(&self) -> (usize, usize) {
        let wanted = |presence| PROBES.iter().filter(|probe| probe.presence == presence).count();
        let watching = if self.pair.is_empty() { 0 } else { wanted(Presence::WhileWatching) + wanted(Presence::OnAgent) };
        (self.always + self.pair.len() + self.attached_on_agents(), wanted(Presence::Always) + watching)
    }

    fn attached_on_agents(&self) -> usize {
        let of = |agent: &AgentId| self.on_agents.attached(*agent);
        self.watched.iter().map(of).min().unwrap_or(0)
    }

    /// Programs that this kernel refused and that the monitor does without.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Hands waiting messages of the probes to `tracing`.
    pub fn flush_messages(&mut self) {
        if let Some(messages) = &mut self.messages {
            messages.flush();
        }
    }
}

/// Whether this process may load eBPF programs: to be asked before anything is made that would have to be undone.
///
/// # Errors
/// [`SensorError::Capabilities`] with the names of those that are missing.
pub fn check_capabilities() -> Result<(), SensorError> {
    let held = rustix::thread::capabilities(None)
        .map_err(|errno| SensorError::Io { what: "cannot read this process's capabilities", source: errno.into() })?
        .effective;
    if held.contains(CapabilitySet::SYS_ADMIN) {
        return Ok(());
    }
    let missing: Vec<&str> = [(CapabilitySet::BPF, "CAP_BPF"), (CapabilitySet::PERFMON, "CAP_PERFMON")]
        .into_iter()
        .filter_map(|(set, name)| (!held.contains(set)).then_some(name))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(SensorError::Capabilities(missing.join(", "))) }
}

fn load_object(config: SensorConfig, offsets: PodOffsets) -> Result<Ebpf, SensorError> {
    let cpus = aya::util::nr_cpus().map_err(|(_, source)| SensorError::Io { what: "cannot count the CPUs", source })?;
    let level = if config.messages { MESSAGES_ALL } else { MESSAGES_NONE };
    let mut loader = EbpfLoader::new();
    let hash_key = repeats::hash_key().map_err(|source| SensorError::Io { what: "cannot read /dev/urandom", source })?;
    loader.override_global("AM_OFFSETS", &offsets, true);
    loader.override_global("AM_HASH_KEY", &hash_key, true);
    loader.override_global("AM_RING_BYTES", &config.ring_bytes, true);
    loader.override_global(aya_log::LEVEL, &level, false);
    loader.map_max_entries("AM_RING", config.ring_bytes);
    let slots = u32::try_from(cpus * SLOTS).unwrap_or(u32::MAX);
    loader.map_max_entries("AM_SCRATCH", slots);
    loader.map_max_entries("AM_SLOTS", slots);
    Ok(loader.load(OBJECT)?)
}

fn ring(ebpf: &mut Ebpf, name: &'static str) -> Result<RingBuf<MapData>, SensorError> {
    RingBuf::try_from(take(ebpf, name)).map_err(map_error(name))
}

/// A map of the object, which is built together with this code.
fn take(ebpf: &mut Ebpf, name: &'static str) -> Map {
    ebpf.take_map(name).unwrap_or_else(|| panic!("the embedded eBPF object has no map {name}"))
}

pub(super) fn tracepoint<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut BtfTracePoint, SensorError> {
    let program = ebpf.program_mut(name).unwrap_or_else(|| panic!("the embedded eBPF object has no program {name}"));
    program.try_into().map_err(program_error("use", name))
}

fn iterator<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Iter, SensorError> {
    let program = ebpf.program_mut(name).unwrap_or_else(|| panic!("the embedded eBPF object has no program {name}"));
    program.try_into().map_err(program_error("use", name))
}
