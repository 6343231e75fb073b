//! A capability that the kernel asked for.
//!
//! Values only. The outcome says whether the process has it; not, whether it was enough.

use super::OperationName;
use super::serial::{is_default, some_operation};
use agentmon_common::capability::NAMES;
use serde::{Deserialize, Serialize};

/// The use of a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// Its number.
    pub number: u32,
    /// The system call in which it was asked, where this build has a name for it.
    #[serde(default, with = "some_operation", skip_serializing_if = "is_default")]
    pub call: Option<OperationName>,
    /// Whether it was asked for in the initial user namespace, where it means power over the host.
    pub in_initial_namespace: bool,
}

impl Capability {
    /// Its name: `CAP_NET_ADMIN`. `None`: only a number is known.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES.get(usize::try_from(self.number).ok()?).copied()
    }
}

/// The name, or the number as `CAP_41`.
impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "CAP_{}", self.number),
        }
    }
}
