//! The configuration: `agentmon.toml` becomes one validated [`Config`], or diagnostics that name file, line, column and
//! key.
//!
//! What was typed (`typed`) and what it means (here) are two types: every stage may rely on the limits being kept. An
//! unknown key is an error with a suggestion, because a misspelt limit that is ignored is a limit that does not hold.
//! Not for: reading the kernel, or opening anything that is named.

mod diagnostic;
mod lists;
mod size;
mod typed;
mod validate;

pub use diagnostic::{ConfigError, Diagnostic};

use crate::agents::resolve::Pattern;
use crate::allow::AllowList;
use crate::event::Kinds;
use crate::rules::Policy;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that can be configured, within its limits. [`Config::default`] is what a daemon with an empty file uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `[log]`
    pub log: Log,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[rules]`
    pub rules: Rules,
    /// `[kernel]`
    pub kernel: Kernel,
    /// `[response]`
    pub response: Response,
    /// `[[agent]]`, in the order of the file.
    pub agents: Vec<AgentPattern>,
}

/// `[log]`: where events are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Directory of the log files; absolute. Default `/var/log/agentmon`.
    pub dir: PathBuf,
    /// Size at which a file is rotated, bytes; 1 MiB to 16 GiB. Default 64 MiB.
    pub max_bytes: u64,
    /// Size of all files together at which the oldest is removed, bytes; at least twice `max_bytes`. Default 2 GiB.
    pub max_total_bytes: u64,
}

/// `[metrics]`: the Prometheus endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Whether to listen at all. Default true.
    pub enabled: bool,
    /// Where to listen. Default `127.0.0.1:9188`. Port 0 takes a free one.
    pub listen: SocketAddr,
}

/// `[rules]`: what is high-risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Directories of rule files besides the built-in ones; absolute. Default none.
    pub dirs: Vec<PathBuf>,
    /// Whether the built-in rules apply. Default true.
    pub built_in: bool,
    /// What to do about a broken rule file. Default refuse.
    pub on_error: OnRuleError,
    /// How much follows from a match. Default: what the rules say.
    pub policy: Policy,
}

/// What to do about a broken rule file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRuleError {
    /// Do not start.
    #[default]
    Refuse,
    /// Say so, count it, and use the good rules.
    Skip,
}

/// `[kernel]`: the sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Size of the main ring buffer, bytes; a power of two, 256 KiB to 1 GiB. Default 16 MiB.
    pub ring_bytes: u32,
    /// Time between two flights of the canary, seconds: 10 to 86,400; 0: it does not fly. Default 60.
    pub canary_seconds: u32,
}

/// `[response]`: what may be done to agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Whether actions are carried out. Default enforce.
    pub mode: Mode,
}

/// Whether actions are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are worked out and counted, and nothing is done.
    Observe,
}

/// `[[agent]]`: which cgroups are an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPattern {
    /// Name of the agent, a class that many sessions may share.
    pub name: String,
    /// Where its processes are.
    pub pattern: Pattern,
    /// What is watched of it, and what it is expected to do.
    pub terms: Terms,
}

/// What may change about an agent while it is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Kinds of events that are not wanted of it. Default none.
    pub without: Kinds,
    /// What it is expected to do. Default: no lists.
    pub allowed: Arc<AllowList>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError::Read`], or [`ConfigError::Invalid`] with every mistake that could be found.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        Self::parse(file, &text)
    }

    /// Reads a text; `file` is for the diagnostics.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`].
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let source = diagnostic::Source { file, text };
        let typed: typed::File = toml::from_str(text).map_err(|error| ConfigError::invalid(vec![source.explain(&error)]))?;
        validate::validate(typed, &source)
    }

    /// What `agentmon run` uses: the defaults, except that broken rule files are skipped with a warning.
    #[must_use]
    pub fn for_run() -> Self {
        Self { rules: Rules { on_error: OnRuleError::Skip, ..Rules::default() }, ..Self::default() }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { dir: PathBuf::from("/var/log/agentmon"), max_bytes: 64 << 20, max_total_bytes: 2 << 30 }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true, listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9188)) }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { dirs: Vec::new(), built_in: true, on_error: OnRuleError::Refuse, policy: Policy::default() }
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self { ring_bytes: 16 << 20, canary_seconds: 60 }
    }
}

#[cfg(test)]
mod tests;
