//! What the kernel resolved, as one of its own path hooks told it: the objects, whoever asked and by whatever name.
//!
//! Not for: finding the call that it belongs to (`crate::process::Resolutions`).

use super::serial::is_default;
use super::{Call, FileId, Kind, Path, PathTrust, Target, Text, Unlink};
use agentmon_common::hooks::{ARGS_MAX, HOOKS, Hook, hook};
use serde::{Deserialize, Serialize};

/// The objects of an operation that the kernel was about to carry out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolved {
    /// The kind that the same operation is as a system call.
    pub kind: Kind,
    /// One of `agentmon_common::hooks::hook`.
    pub hook: u32,
    /// Plain arguments; named by [`Resolved::args`].
    pub args: [u32; ARGS_MAX],
    /// What it acts on; zero when it is only being made.
    #[serde(default, skip_serializing_if = "is_default")]
    pub file: FileId,
    /// Its path.
    #[serde(default, skip_serializing_if = "is_default")]
    pub path: Path,
    /// Of a rename or link the new name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub second: Option<Path>,
    /// Of a rename what the new name stands for until then; zero when it is free.
    #[serde(default, skip_serializing_if = "is_default")]
    pub replaced: FileId,
    /// What a symbolic link points to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub text: Option<Text>,
    /// Whether a worker of an io_uring does it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub by_worker: bool,
}

impl Resolved {
    fn hook(&self) -> Option<&'static Hook> {
        HOOKS.get(self.hook as usize)
    }

    /// The kernel's function that told it.
    #[must_use]
    pub fn function(&self) -> &'static str {
        self.hook().map_or("", |hook| hook.function)
    }

    /// The plain arguments with their names.
    pub fn args(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.hook().map_or(&[][..], |hook| hook.args).iter().copied().zip(self.args)
    }

    /// A plain argument by its name.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<u32> {
        self.args().find(|(named, _)| *named == name).map(|(_, value)| value)
    }

    /// Whether it is about a directory.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        matches!(self.hook, hook::RMDIR | hook::MKDIR)
    }

    /// Puts the kernel's objects in place of what the call was given.
    pub fn correct_unlink(&self, unlink: &mut Unlink) -> Corrected {
        unlink.file = self.file;
        correct(&mut unlink.path, &self.path)
    }

    /// The same of a call that is told by its arguments.
    pub fn correct_call(&self, call: &mut Call) -> Corrected {
        call.file = self.file;
        let mut corrected = correct(&mut call.target.path, &self.path);
        if let (Some(Target { path, .. }), Some(second)) = (&mut call.second, &self.second) {
            let of_second = correct(path, second);
            corrected.shown &= of_second.shown;
            corrected.differs |= of_second.differs;
        }
        corrected
    }
}

/// What became of a call's paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrected {
    /// Whether every one is the kernel's now. One that was too deep for the walk leaves the program's own.
    pub shown: bool,
    /// Whether the program named another path than the kernel resolved.
    pub differs: bool,
}

/// A path whose front is missing says nothing against another.
fn correct(asked: &mut Path, resolved: &Path) -> Corrected {
    if resolved.trust != PathTrust::Resolved {
        return Corrected { shown: false, differs: false };
    }
    let differs = asked.trust != PathTrust::Partial && asked.bytes != resolved.bytes;
    *asked = resolved.clone();
    Corrected { shown: true, differs }
}
