//! A signal as the kernel saw it sent: which, to whom, with what result.
//!
//! Not for: the end it brings; that is an [`super::Exit`] of its own.

use super::serial::{comm, is_default};
use super::{AgentId, ProcessKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A signal from one process to another. The event's process sent it; with `received` the event's process got it, from
/// a process of no agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// Which.
    pub signal: SignalName,
    /// `si_code`: who says that it was sent.
    pub code: i32,
    /// The other process: the target, or with `received` the sender.
    pub other: ProcessKey,
    /// Name of its thread: its own to choose.
    #[serde(with = "comm")]
    pub other_comm: [u8; 16],
    /// Its agent, when it is one's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub other_agent: Option<AgentId>,
    /// Whether the event's process is the target.
    #[serde(default, skip_serializing_if = "is_default")]
    pub received: bool,
    /// The thread it was aimed at; `None`: the process.
    #[serde(default, skip_serializing_if = "is_default")]
    pub thread: Option<u32>,
    /// What the kernel did with it.
    pub delivery: Delivery,
    /// Whether the target is this monitor, or its guard process.
    #[serde(default, skip_serializing_if = "is_default")]
    pub to_monitor: bool,
    /// Whether the sender is this monitor: its breaker.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from_monitor: bool,
}

impl Signal {
    /// Name of the other process's thread, without its padding.
    #[must_use]
    pub fn other_comm(&self) -> &[u8] {
        self.other_comm.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Whether the event's process sent it to itself: the kernel ended it for a limit on it, or for want of memory.
    #[must_use]
    pub fn is_to_itself(&self, process: ProcessKey) -> bool {
        self.other == process
    }

    /// Whether an agent's process was killed by somebody else than an agent or this monitor.
    #[must_use]
    pub const fn is_kill_from_outside(&self) -> bool {
        self.received && !self.from_monitor && self.signal.0 == 9
    }

    /// Name of `si_code` (`SI_USER`), of those that mean the same for every signal.
    #[must_use]
    pub const fn code_name(&self) -> Option<&'static str> {
        Some(match self.code {
            0 => "SI_USER",
            0x80 => "SI_KERNEL",
            -1 => "SI_QUEUE",
            -2 => "SI_TIMER",
            -3 => "SI_MESGQ",
            -4 => "SI_ASYNCIO",
            -5 => "SI_SIGIO",
            -6 => "SI_TKILL",
            _ => return None,
        })
    }
}

/// What the kernel did with a signal (`TRACE_SIGNAL_*`, `include/trace/events/signal.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It waits for the target, or has ended it.
    Delivered,
    /// The target ignores it.
    Ignored,
    /// The same was waiting already.
    Pending,
    /// There was no room for it: lost.
    Lost,
    /// It waits, without what was sent along.
    Bare,
}

impl Delivery {
    /// By the kernel's number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Delivered,
            1 => Self::Ignored,
            2 => Self::Pending,
            3 => Self::Lost,
            4 => Self::Bare,
            _ => return None,
        })
    }

    /// Name in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Ignored => "ignored",
            Self::Pending => "pending",
            Self::Lost => "lost",
            Self::Bare => "bare",
        }
    }
}

/// A signal's number, with its name for people: `SIGTERM`, `SIGRTMIN+2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SignalName(pub u32);

impl SignalName {
    /// `SIGKILL`.
    pub const KILL: Self = Self(9);
    /// `SIGTERM`.
    pub const TERM: Self = Self(15);
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (NAMES.get(self.0 as usize), self.0) {
            (Some(name), 1..) => f.write_str(name),
            (_, 32) => f.write_str("SIGRTMIN"),
            (_, number @ 33..=64) => write!(f, "SIGRTMIN+{}", number - 32),
            (_, number) => write!(f, "{number}"),
        }
    }
}

/// `arch/x86/include/uapi/asm/signal.h`. Real-time signals count from the kernel's `SIGRTMIN`, 32; the C library's is 34.
const NAMES: [&str; 32] = [
    "",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

#[cfg(test)]
mod tests {
    use super::SignalName;

    #[test]
    fn every_number_has_a_name_of_its_own() {
        let name = |number| SignalName(number).to_string();
        assert_eq!(
            [1, 9, 19, 31, 32, 34, 64].map(name),
            ["SIGHUP", "SIGKILL", "SIGSTOP", "SIGSYS", "SIGRTMIN", "SIGRTMIN+2", "SIGRTMIN+32"]
        );
        assert_eq!([0, 65, u32::MAX].map(name), ["0", "65", "4294967295"]);
    }
}
