//! What the kernel counts about the probes: runs, time inside them, and what the verifier walked.
//!
//! For the benchmark. Not for the daemon: counting is a switch for the whole host, and makes every BPF program on it
//! slower (two clock reads per run) while it is on.

use super::load::Sensor;
use aya::programs::{Program, ProgramError, ProgramInfo, loaded_programs};
use aya::sys::{Stats, SyscallError, enable_stats};
use std::os::fd::OwnedFd;

/// One probe, since it was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRunTime {
    /// Name in the eBPF object.
    pub name: String,
    /// Runs that were counted.
    pub runs: u64,
    /// Nanoseconds in those runs, part of the two clock reads included.
    pub ns: u64,
    /// Instructions the verifier walked to accept it; 0 where the kernel does not say (before 5.16).
    pub verified_instructions: u32,
}

/// Counting is on until this is dropped.
#[derive(Debug)]
pub struct RunTimeCounting {
    _switch: OwnedFd,
}

impl RunTimeCounting {
    /// Switches counting on, for every BPF program of the host.
    ///
    /// # Errors
    /// When the kernel refuses: it asks for CAP_SYS_ADMIN.
    pub fn start() -> Result<Self, SyscallError> {
        enable_stats(Stats::RunTime).map(|switch| Self { _switch: switch })
    }
}

impl Sensor {
    /// What the kernel has counted about each loaded probe of this sensor.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn run_times(&self) -> Result<Vec<ProgramRunTime>, ProgramError> {
        self.ebpf
            .programs()
            .filter(|(_, program)| program.fd().is_ok())
            .map(|(name, program)| {
                let info = info(program)?;
                Ok(ProgramRunTime {
                    name: name.to_owned(),
                    runs: info.run_count(),
                    ns: u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX),
                    verified_instructions: info.verified_instruction_count().unwrap_or(0),
                })
            })
            .collect()
    }
}

fn info(program: &Program) -> Result<ProgramInfo, ProgramError> {
    match program {
        Program::BtfTracePoint(program) => program.info(),
        Program::Iter(program) => program.info(),
        Program::CgroupSkb(program) => program.info(),
        Program::FEntry(program) => program.info(),
        _ => Err(ProgramError::NotLoaded),
    }
}

/// Number of probes loaded on the host now, by whomever: more than none spoils a measurement of the bare host.
#[must_use]
pub fn loaded_on_host() -> usize {
    loaded_programs().flatten().filter(|program| program.name().starts_with(b"am_")).count()
}
