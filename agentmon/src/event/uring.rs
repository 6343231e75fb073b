//! A request to an io_uring: what a program asked the kernel to do without a system call of its own.
//!
//! Not for: setting a ring up; that is a [`super::Call`].

use super::serial::is_default;
use super::{Address, FileId, Target, Text};
use agentmon_common::uring::{ARGS_MAX, named};
use serde::{Deserialize, Serialize};

/// `O_CREAT`, and what asks to write: `O_WRONLY`, `O_RDWR`, `O_TRUNC`.
const O_CREAT: u64 = 0o100;
const WRITES: u64 = 0o1003;

/// A request, as the kernel took it over. What came of it is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uring {
    /// One of `agentmon_common::uring::opcode`.
    pub opcode: u8,
    /// Plain arguments as given; named by [`Uring::args`].
    pub args: [u64; ARGS_MAX],
    /// The descriptor it acts on, or the number of a file registered with the ring; -100 where it was given a path.
    pub fd: i32,
    /// The open file; zero where it was given a path.
    #[serde(default, skip_serializing_if = "is_default")]
    pub file: FileId,
    /// What it acts on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub target: Target,
    /// Where to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub second: Option<Target>,
    /// What a symbolic link points to, or the name of an attribute.
    #[serde(default, skip_serializing_if = "is_default")]
    pub text: Option<Text>,
    /// The address it was given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub peer: Option<Address>,
    /// Whether that is the kernel's own copy rather than the program's memory.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from_kernel: bool,
}

impl Uring {
    /// The plain arguments with their names, as given.
    pub fn args(&self) -> impl Iterator<Item = (&'static str, u64)> {
        named(self.opcode).map_or(&[][..], |(_, names)| names).iter().copied().zip(self.args)
    }

    /// A plain argument by its name.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<u64> {
        self.args().find(|(named, _)| *named == name).map(|(_, value)| value)
    }

    /// Of an open: whether it may create the file.
    #[must_use]
    pub fn creates(&self) -> bool {
        self.arg("flags").is_some_and(|flags| flags & O_CREAT != 0)
    }

    /// Of an open: whether it asks to write.
    #[must_use]
    pub fn for_writing(&self) -> bool {
        self.arg("flags").is_some_and(|flags| flags & WRITES != 0)
    }
}
