//! The kernel's own path hooks as a second sense: tried one by one, believed when they have reported what this process
//! itself did, and done without otherwise.
//!
//! Why functions and not LSM hooks: docs/decisions/0018. Not for: the probes that every kernel must have (`super::load`),
//! nor what is done to try them (`super::proof`).

use super::error::SensorError;
use super::load::Sensor;
use super::offsets;
use super::pod::PodProof;
use super::proof::{self, Ground};
use super::refusal::program_error;
use agentmon_common::hooks::{HOOKS, Hook, INSTALL, KIND_BITS, Proof, hook};
use agentmon_common::offsets::Offsets;
use agentmon_common::record::kind;
use aya::maps::{Array, MapData};
use aya::programs::{FEntry, Program, fentry::FEntryLinkId};

/// Members that the programs cannot do without.
const NEEDED: [&str; 4] = ["path.mnt", "path.dentry", "dentry.d_inode", "task_struct.flags"];
/// How often a hook may report another file: another thread of this process may have been busy with one.
const TRIES: u32 = 3;

/// What is known of one hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathHook {
    /// The kernel's function.
    pub function: &'static str,
    /// Whether it is in use.
    pub state: PathHookState,
}

/// Whether a hook is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathHookState {
    /// It has reported what this process did, and goes on.
    InUse,
    /// It is not, and why.
    NotAvailable(String),
}

impl PathHook {
    /// Whether it is in use.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.state == PathHookState::InUse
    }
}

/// The hooks by number, and the links of those in use.
#[derive(Default)]
pub(super) struct PathHooks {
    states: Vec<PathHook>,
    links: Vec<(usize, FEntryLinkId)>,
    /// Whether the program on [`INSTALL`] is attached.
    installs: bool,
    maps: Option<Maps>,
}

struct Maps {
    proofs: Array<MapData, PodProof>,
    hooked: Array<MapData, u64>,
}

/// Why a hook is not in use.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{0}")]
    Program(#[from] SensorError),
    #[error("map: {0}")]
    Map(#[from] aya::maps::MapError),
    #[error("attached, and reported nothing of what agentmon did")]
    Silent,
    #[error("attached, and reported another file than agentmon's")]
    Wrong,
    #[error("cannot be tried: {0}")]
    Untried(#[from] std::io::Error),
}

impl Sensor {
    /// Tries every hook. What does not work costs nothing but its own sight; the first refusal of the kernel to load one
    /// speaks for all.
    pub(super) fn try_path_hooks(&mut self, offsets: &Offsets, btf: &aya::Btf) {
        if let Some(absent) = offsets::first_absent(offsets, &NEEDED) {
            return self.without_any(&format!("this kernel has no {absent}"));
        }
        let ready = match self.attach_all(btf) {
            Ok(ready) => ready,
            Err(refusal) => return self.without_any(&one_line(&refusal)),
        };
        if let Err(error) = self.prove_all(ready) {
            self.detach_all();
            return self.without_any(&one_line(&error));
        }
        if let Err(error) = self.attach_install(btf) {
            tracing::info!("{} is not available: {}", INSTALL.0, one_line(&error));
        }
        for hook in &self.paths.states {
            match &hook.state {
                PathHookState::InUse => tracing::debug!("path hook {} reports", hook.function),
                PathHookState::NotAvailable(why) => tracing::info!("path hook {} is not available: {why}", hook.function),
            }
        }
    }

    /// Loads and attaches; what became of each. An error when the kernel allows none.
    fn attach_all(&mut self, btf: &aya::Btf) -> Result<Vec<Result<(), Unusable>>, Unusable> {
        let mut ready = Vec::with_capacity(hook::COUNT);
        for (number, hook) in HOOKS.iter().enumerate() {
            let attached = self.attach_hook(number, hook, btf);
            if number == 0
                && let Err(error) = attached
            {
                if is_refusal(&error) {
                    return Err(error.into());
                }
                ready.push(Err(error.into()));
                continue;
            }
            ready.push(attached.map_err(Unusable::from));
        }
        Ok(ready)
    }

    fn attach_hook(&mut self, number: usize, hook: &Hook, btf: &aya::Btf) -> Result<(), SensorError> {
        let link = self.attach_function(hook.function, hook.program, btf)?;
        self.paths.links.push((number, link));
        Ok(())
    }

    /// An open whose file it has told is held against it; of any other nothing is expected. So there is nothing to prove.
    fn attach_install(&mut self, btf: &aya::Btf) -> Result<(), Unusable> {
        self.attach_function(INSTALL.0, INSTALL.1, btf)?;
        self.paths.installs = true;
        self.tell_hooked()
    }

    fn attach_function(&mut self, function: &str, name: &'static str, btf: &aya::Btf) -> Result<FEntryLinkId, SensorError> {
        let program = self.function_program(name)?;
        program.load(function, btf).map_err(program_error("load", name))?;
        program.attach().map_err(program_error("attach", name))
    }

    fn function_program(&mut self, name: &'static str) -> Result<&mut FEntry, SensorError> {
        let program = self.ebpf.program_mut(name);
        let program = program.unwrap_or_else(|| panic!("the embedded eBPF object has no program {name}"));
        program.try_into().map_err(program_error("use", name))
    }

    /// Tries those that could be attached, and lets go of those that do not report.
    fn prove_all(&mut self, ready: Vec<Result<(), Unusable>>) -> Result<(), Unusable> {
        // The hooks know this process by the number that the iterator notes.
        self.run_iterator()?;
        let ground = Ground::new()?;
        let mut maps = Maps { proofs: self.array("AM_PROOFS")?, hooked: self.array("AM_HOOKED")? };
        let mut states = Vec::with_capacity(hook::COUNT);
        for (number, attached) in ready.into_iter().enumerate() {
            let proved = attached.and_then(|()| maps.prove(number, &ground));
            if proved.is_err() {
                self.detach_link(number);
            }
            let state = proved.map_or_else(|error| PathHookState::NotAvailable(one_line(&error)), |()| PathHookState::InUse);
            states.push(PathHook { function: HOOKS[number].function, state });
        }
        self.paths.states = states;
        self.paths.maps = Some(maps);
        self.tell_hooked()
    }

    fn array<T: aya::Pod>(&mut self, name: &str) -> Result<Array<MapData, T>, Unusable> {
        let map = self.ebpf.take_map(name).unwrap_or_else(|| panic!("the embedded eBPF object has no map {name}"));
        Ok(Array::try_from(map)?)
    }

    /// Lets the probes know of which kinds the hooks report everything.
    fn tell_hooked(&mut self) -> Result<(), Unusable> {
        let silent = |number: usize| !self.paths.states.get(number).is_some_and(PathHook::is_in_use);
        let all = KIND_BITS.iter().fold(0, |all, bit| all | bit);
        let blind = (0..hook::COUNT).filter(|number| silent(*number)).fold(0, |blind, number| blind | KIND_BITS[number]);
        let installs = u64::from(self.paths.installs) << kind::OPEN;
        if let Some(maps) = &mut self.paths.maps {
            maps.hooked.set(0, all & !blind | installs, 0)?;
        }
        Ok(())
    }

    fn without_any(&mut self, why: &str) {
        tracing::debug!("the kernel's path hooks are not available: {why}");
        let state = |hook: &Hook| PathHook { function: hook.function, state: PathHookState::NotAvailable(why.to_owned()) };
        self.paths.states = HOOKS.iter().map(state).collect();
    }

    fn detach_all(&mut self) {
        (0..hook::COUNT).for_each(|number| self.detach_link(number));
    }

    fn detach_link(&mut self, number: usize) {
        let Some(at) = self.paths.links.iter().position(|(of, _)| *of == number) else { return };
        let (_, link) = self.paths.links.swap_remove(at);
        let hook = &HOOKS[number];
        let detached =
            self.function_program(hook.program).and_then(|program| program.detach(link).map_err(program_error("detach", hook.program)));
        if let Err(error) = detached {
            tracing::warn!("{error}");
        }
    }

    /// The kernel's own path hooks, by number; none when they were not to be tried.
    #[must_use]
    pub fn path_hooks(&self) -> &[PathHook] {
        &self.paths.states
    }

    /// The programs of the hooks in use.
    pub(super) fn path_programs(&self) -> impl Iterator<Item = &Program> {
        let install = self.paths.installs.then_some(INSTALL.1);
        let programs = self.paths.links.iter().map(|(number, _)| HOOKS[*number].program).chain(install);
        programs.filter_map(|name| self.ebpf.program(name))
    }

    /// Lets go of a hook that has ceased to report.
    pub fn drop_path_hook(&mut self, function: &str, why: &str) {
        let Some(number) = self.paths.states.iter().position(|hook| hook.function == function && hook.is_in_use()) else { return };
        self.detach_link(number);
        self.paths.states[number].state = PathHookState::NotAvailable(why.to_owned());
        if let Err(error) = self.tell_hooked() {
            tracing::error!("cannot tell the probes of a hook that reports nothing: {error}");
        }
    }
}

impl Maps {
    /// Does what the hook is about, and looks at what it says.
    fn prove(&mut self, number: usize, ground: &Ground) -> Result<(), Unusable> {
        let index = number as u32;
        let mut outcome = Unusable::Silent;
        for round in 0..TRIES {
            let scene = ground.prepare(number as u32, round)?;
            self.proofs.set(index, PodProof(Proof::WANTED), 0)?;
            let acted = scene.act();
            let PodProof(proof) = self.proofs.get(&index, 0)?;
            self.proofs.set(index, PodProof(Proof::NONE), 0)?;
            acted?;
            match proof::judge(&proof, &scene) {
                proof::Judgement::Proved => return Ok(()),
                proof::Judgement::Silent => outcome = Unusable::Silent,
                proof::Judgement::Wrong => outcome = Unusable::Wrong,
            }
        }
        Err(outcome)
    }
}

/// Whether the kernel refuses programs of this type as such.
fn is_refusal(error: &SensorError) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied) {
            return true;
        }
        source = error.source();
    }
    false
}

/// Without the verifier's log, which has thousands of lines.
fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    let line = text.lines().next().unwrap_or_default();
    line.split_once(". Verifier output:").map_or(line, |(before, _)| before).to_owned()
}
