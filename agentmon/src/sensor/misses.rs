//! Runs of a probe that the kernel skipped, because the same program was still running on that CPU (`recursion_misses`).
//!
//! Before Linux 7.0 a program on a tracepoint cannot be preempted, and none of ours raises its own tracepoint. Read from
//! `/proc/self/fdinfo`, because aya has no accessor. Not for: records that a probe could not hand on (`super::stats`).

use super::error::SensorError;
use super::load::Sensor;
use super::programs::PROBES;
use agentmon_common::stats::probe;
use aya::programs::{Program, ProgramError};
use std::io::{Error, ErrorKind};
use std::os::fd::{AsFd, AsRawFd};

/// As the kernel prints it (`bpf_prog_show_fdinfo`, since 5.12).
const KEY: &str = "recursion_misses:";

impl Sensor {
    /// Skipped runs since the probes were loaded, by `agentmon_common::stats::probe`. Where a second copy is attached, its:
    /// what both skipped is among them.
    ///
    /// # Errors
    /// When `/proc` does not tell.
    pub fn recursion_misses(&self) -> Result<[u64; probe::COUNT], SensorError> {
        let mut misses = [0; probe::COUNT];
        for probe in &PROBES {
            misses[probe.counter()] = match (self.seconds.skipped_before(), probe.second) {
                (Some(before), Some(second)) => before[probe.counter()] + self.misses_of(second)?,
                _ => self.misses_of(probe.program)?,
            };
        }
        for program in self.path_programs() {
            misses[probe::PATH] += of_program(program).map_err(failed)?;
        }
        Ok(misses)
    }

    fn misses_of(&self, program: &str) -> Result<u64, SensorError> {
        let program = self.ebpf.program(program).ok_or_else(|| failed(ErrorKind::NotFound.into()))?;
        of_program(program).map_err(failed)
    }
}

fn failed(source: Error) -> SensorError {
    SensorError::Io { what: "cannot read from /proc/self/fdinfo which runs of a probe were skipped", source }
}

/// One that this kernel refused skips nothing.
fn of_program(program: &Program) -> Result<u64, Error> {
    let fd = match program {
        Program::BtfTracePoint(program) => program.fd(),
        Program::Iter(program) => program.fd(),
        Program::CgroupSkb(program) => program.fd(),
        Program::FEntry(program) => program.fd(),
        _ => return Err(ErrorKind::Unsupported.into()),
    };
    let fd = match fd {
        Err(ProgramError::NotLoaded) => return Ok(0),
        fd => fd.map_err(Error::other)?,
    };
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd()))?;
    parse(&info).ok_or_else(|| ErrorKind::InvalidData.into())
}

fn parse(info: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix(KEY)).and_then(|misses| misses.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_count_is_found_among_the_other_lines() {
        let info = "pos:\t0\nprog_type:\t26\nrun_cnt:\t7\nrecursion_misses:\t12\nverified_insns:\t3\n";
        assert_eq!(parse(info), Some(12));
        assert_eq!(parse("pos:\t0\nrun_cnt:\t7\n"), None);
        assert_eq!(parse("recursion_misses:\t-1\n"), None);
    }
}
