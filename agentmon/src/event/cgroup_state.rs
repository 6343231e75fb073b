//! What was done to a cgroup of an agent's, as a whole.
//!
//! Not for: moves of processes between cgroups ([`super::Cgroup`]).

use super::{CgroupId, Text};
use agentmon_common::record::cgroup_action;
use serde::{Deserialize, Serialize};

/// A cgroup that was made, removed, frozen or thawed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CgroupState {
    /// Which one.
    pub cgroup: CgroupId,
    /// Its path below the v2 mount.
    pub path: Text,
    /// What was done to it.
    pub action: CgroupAction,
    /// Whether the event's process is the agent's. If not it is a stranger: the monitor, a container's runtime.
    pub by_member: bool,
}

/// What was done to a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupAction {
    /// Made, inside an agent's.
    Made,
    /// Removed, from inside an agent's.
    Removed,
    /// Its processes are to stand still.
    Frozen,
    /// Its processes may go on.
    Thawed,
}

impl CgroupAction {
    /// By the record's number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            cgroup_action::MADE => Self::Made,
            cgroup_action::REMOVED => Self::Removed,
            cgroup_action::FROZEN => Self::Frozen,
            cgroup_action::THAWED => Self::Thawed,
            _ => return None,
        })
    }

    /// Name in rules and views.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Removed => "removed",
            Self::Frozen => "frozen",
            Self::Thawed => "thawed",
        }
    }

    /// Name of the operation, after the kernel's tracepoint.
    #[must_use]
    pub const fn operation(self) -> &'static str {
        match self {
            Self::Made => "cgroup_mkdir",
            Self::Removed => "cgroup_rmdir",
            Self::Frozen => "cgroup_freeze",
            Self::Thawed => "cgroup_unfreeze",
        }
    }
}
