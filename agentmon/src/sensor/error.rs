//! Why the kernel side could not be set up, and what a person can do about it.
//!
//! Not for: finding out why the verifier refused a program (`super::refusal`).

use super::btf::{BtfError, KERNEL_BTF};
use super::offsets::OffsetsError;
use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;
use thiserror::Error;

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

/// An error of a map.
pub(super) fn map_error(map: &'static str) -> impl FnOnce(MapError) -> SensorError {
    move |source| SensorError::Map { map, source }
}
