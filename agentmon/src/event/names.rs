//! What a process calls itself: names of its threads, and the arguments that ps shows.
//!
//! All of it is the process's to choose. Not for: the name and the arguments that an exec gives ([`super::Exec`]).

use super::Text;
use super::serial::{argv, comm, is_default};
use serde::{Deserialize, Serialize};

/// A thread that was given another name, by itself or by another thread of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreadName {
    /// The thread.
    pub thread: u32,
    #[serde(with = "comm")]
    before: [u8; 16],
    #[serde(with = "comm")]
    after: [u8; 16],
}

impl ThreadName {
    /// Names as the kernel keeps them, NUL-padded.
    #[must_use]
    pub const fn new(thread: u32, before: [u8; 16], after: [u8; 16]) -> Self {
        Self { thread, before, after }
    }

    /// Its name until then.
    #[must_use]
    pub fn before(&self) -> &[u8] {
        unpadded(&self.before)
    }

    /// Its name since.
    #[must_use]
    pub fn after(&self) -> &[u8] {
        unpadded(&self.after)
    }
}

fn unpadded(name: &[u8; 16]) -> &[u8] {
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// prctl with `PR_SET_MM`: where the kernel finds a process's arguments was moved, or could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argv {
    /// `PR_SET_MM_*` (`include/uapi/linux/prctl.h`).
    pub option: u32,
    /// What stands there after the call, each argument ended by a NUL; with [`super::flags::UNREADABLE`] nothing.
    #[serde(default, with = "argv", skip_serializing_if = "is_default")]
    pub argv: Text,
}

impl Argv {
    /// Name of what was moved.
    #[must_use]
    pub const fn option_name(&self) -> Option<&'static str> {
        Some(match self.option {
            8 => "PR_SET_MM_ARG_START",
            9 => "PR_SET_MM_ARG_END",
            14 => "PR_SET_MM_MAP",
            _ => return None,
        })
    }
}
