//! A system call that is told by its arguments: what it acted on, where to, and the plain arguments by name.
//!
//! Not for: calls whose record says more than their arguments (open, exec, connect).

use super::constants::{Constant, constant};
use super::serial::is_default;
use super::{FileId, Kind, Path, Text};
use agentmon_common::syscalls::{ARG_NAMES, ARGS_MAX, times};
use serde::{Deserialize, Serialize};

/// What a call acted on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The file's path: the kernel's where the program gave a descriptor, else joined from what it wrote.
    #[serde(default, skip_serializing_if = "is_default")]
    pub path: Path,
    /// The path the program gave; empty where it gave a descriptor.
    #[serde(default, skip_serializing_if = "is_default")]
    pub asked: Text,
    /// With [`super::flags::CHANGED`]: what stood there when the call began.
    #[serde(default, skip_serializing_if = "is_default")]
    pub at_enter: Option<Text>,
}

/// A call told by its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Which kind of operation it is.
    pub kind: Kind,
    /// One of `agentmon_common::syscalls::op`.
    pub op: u8,
    /// Plain arguments as given; named by [`Call::args`].
    pub args: [u64; ARGS_MAX],
    /// The open file it acted on; zero when the program gave a path.
    #[serde(default, skip_serializing_if = "is_default")]
    pub file: FileId,
    /// What it acted on; empty for a call that acts on no file.
    #[serde(default, skip_serializing_if = "is_default")]
    pub target: Target,
    /// Where to, or what else: the new name of a rename or link, the source of a mount.
    #[serde(default, skip_serializing_if = "is_default")]
    pub second: Option<Target>,
    /// A string that is no path: what a symbolic link points to, the name of an attribute, the type of a file system.
    #[serde(default, skip_serializing_if = "is_default")]
    pub text: Option<Text>,
}

/// A system call whose number this build does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnknownCall {
    /// The number as given; bit 30 marks one of x32. [`super::flags::COMPAT`] says which table it is of.
    pub number: u32,
}

/// A plain argument, as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A length, an offset, a number of something.
    Count(u64),
    /// An id; -1 where the call means "unchanged" or "none".
    Id(i32),
    /// Permission bits.
    Octal(u32),
    /// Bits, requests and commands.
    Hex(u64),
    /// Seconds since the epoch.
    Time(i64),
    /// What stands in a time's place.
    Word(&'static str),
}

impl std::fmt::Display for Argument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Id(id) => write!(f, "{id}"),
            Self::Octal(mode) => write!(f, "0{mode:o}"),
            Self::Hex(bits) => write!(f, "{bits:#x}"),
            Self::Time(seconds) => write!(f, "{seconds}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl Call {
    /// The plain arguments with their names, as people write them.
    pub fn shown_args(&self) -> impl Iterator<Item = (&'static str, Argument)> {
        self.args().map(|(name, value)| {
            let argument = match name {
                "length" | "offset" | "size" | "segments" | "entries" | "number" => Argument::Count(value),
                // fallocate calls its flags a mode; so are they.
                "mode" if self.kind == Kind::Truncate => Argument::Hex(value & 0xffff_ffff),
                "mode" => Argument::Octal(value as u32),
                "flags" | "file_flags" | "request" | "protection" | "device" | "event_flags" | "option" | "persona" | "modes" => {
                    Argument::Hex(value & 0xffff_ffff)
                }
                "modified" => time(value as i64),
                _ => Argument::Id(value as i32),
            };
            (name, argument)
        })
    }

    /// The plain arguments with their names, as given.
    pub fn args(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ARG_NAMES[usize::from(self.op)].iter().copied().zip(self.args)
    }

    /// Those of them that have a name among the kernel's constants.
    pub fn named_args(&self) -> impl Iterator<Item = (&'static str, Constant)> {
        self.args().filter_map(|(name, value)| Some((name, constant(self.op, name, value)?)))
    }

    /// What was requested, among the things that this call can do: the argument's name, and its value.
    #[must_use]
    pub fn request(&self) -> Option<(&'static str, u64)> {
        self.args().find(|(name, _)| matches!(*name, "request" | "command" | "resource" | "option" | "persona" | "advice"))
    }

    /// A plain argument by its name.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<u64> {
        self.args().find(|(named, _)| *named == name).map(|(_, value)| value)
    }
}

fn time(seconds: i64) -> Argument {
    match seconds {
        times::NOW => Argument::Word("now"),
        times::AS_IT_IS => Argument::Word("unchanged"),
        times::UNREADABLE => Argument::Word("unreadable"),
        seconds => Argument::Time(seconds),
    }
}
