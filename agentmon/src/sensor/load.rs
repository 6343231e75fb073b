//! Loading and attaching the probes, and the maps by which they are told what to watch.
//!
//! Not for: draining records (`super::ring`).

use super::btf::{Btf, KERNEL_BTF};
use super::cgroups::{self, CgroupLinks};
use super::error::{SensorError, map_error};
use super::flows::Flows;
use super::members::{MEMBERS_PER_PAGE, Members};
use super::offsets;
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
use crate::event::AgentId;
use agentmon_common::offsets::Offsets;
use agentmon_common::rings::URGENT_BYTES;
use agentmon_common::stats::SLOTS;
use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, Iter, tp_btf::BtfTracePointLinkId};
use aya::{Ebpf, EbpfError, EbpfLoader};
use aya_log::EbpfLogger;
use bytes::Bytes;
use rustix::thread::CapabilitySet;
use std::sync::Arc;

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("AGENTMON_BPF_OBJECT"));

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
    pub(super) cgroups: HashMap<MapData, u64, u32>,
    members: Arc<Array<MapData, [u16; MEMBERS_PER_PAGE]>>,
    pub(super) forget: Array<MapData, u32>,
    pub(super) off: Array<MapData, u64>,
    slots: Array<MapData, PodSlot>,
    stats: PerCpuArray<MapData, PodStats>,
    repeats: Repeats,
    pub(super) flows: Flows,
    put: Array<MapData, PodPut>,
    /// Links of the probes that are attached only while an agent is watched.
    pub(super) pair: Vec<(&'static str, BtfTracePointLinkId)>,
    pub(super) seconds: Seconds,
    pub(super) on_agents: CgroupLinks,
    /// Programs that this kernel refused and that the monitor can do without.
    pub(super) missing: Vec<Missing>,
    /// The kernel's own path hooks, tried out.
    pub(super) paths: PathHooks,
    always: usize,
    /// Agents that are watched; their cgroups may be gone while members live on.
    pub(super) watched: Vec<AgentId>,
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
            flows: Flows {
                open: HashMap::try_from(take(&mut ebpf, "AM_FLOWS")).map_err(map_error("AM_FLOWS"))?,
                of_agents: Array::try_from(take(&mut ebpf, "AM_FLOWING")).map_err(map_error("AM_FLOWING"))?,
            },
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
    pub(super) fn excuse(&mut self, probe: &Probe, error: SensorError) -> Result<(), SensorError> {
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

pub(super) fn iterator<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Iter, SensorError> {
    let program = ebpf.program_mut(name).unwrap_or_else(|| panic!("the embedded eBPF object has no program {name}"));
    program.try_into().map_err(program_error("use", name))
}
