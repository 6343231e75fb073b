//! Rules: Sigma detections over operations, and the counting of what they find.
//!
//! Pure: time is the events' own, nothing is read or written. Files come in through `load` alone. Not for: what
//! follows a match (`crate::response`). The ways of a rule: `yaml` (positions) → `document`, `detection`, `correlation`
//! (meaning) → `loader` (a set of rules, and what is wrong with the others) → `matcher`, `groups` (evaluation).

mod audit;
mod blinded;
mod bound;
mod category;
mod correlation;
mod detection;
mod diagnostic;
mod document;
mod encoding;
mod engine;
mod explain;
mod expression;
mod field;
mod field_values;
mod filter;
mod groups;
mod joined;
pub mod load;
mod loader;
mod logsource;
mod matcher;
mod modifiers;
mod numbers;
mod pack;
mod pattern;
mod placeholder;
mod profile;
mod resolve;
mod rule_set;
mod satisfiable;
mod sigma;
mod steps;
#[cfg(test)]
pub(crate) mod tests;
mod time;
mod value;
mod window;
mod yaml;

pub use audit::AuditField;
pub use blinded::Blinded;
pub use category::Category;
pub use diagnostic::{Diagnostic, Position, Severity};
pub use engine::{Engine, StateSize};
pub use explain::{Explained, Held, Part, explain};
pub use field::Field;
pub use loader::{Loaded, Source, load};
pub use pack::built_in;
pub use profile::{Policy, Profile, UnknownClass};
pub use rule_set::RuleSet;
pub use yaml::FILE_BYTES_MAX;

use std::fmt;
use std::sync::Arc;

/// A rule as everything after the engine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// UUID, lower case. Never changes.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// What it finds, and why that matters.
    pub description: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// How bad a match is.
    pub level: Level,
    /// Class of high-risk operation: `bulk_delete`.
    pub class: Option<String>,
    /// What follows a match.
    pub action: Action,
    /// Page for the responder, relative to the repository, or an address.
    pub runbook: Option<String>,
    /// Sigma tags: `attack.t1485`, `pg.8g.bulk_delete`.
    pub tags: Vec<String>,
    /// Honest reasons for a match.
    pub falsepositives: Vec<String>,
    /// The file it stands in, as the user named it.
    pub file: String,
    /// The line its document begins on.
    pub line: u32,
    /// What it sees; `None` for a correlation.
    pub category: Option<Category>,
    /// Whether a match is told. A rule that only feeds a correlation is counted and not told.
    pub reported: bool,
}

/// A rule that matched an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Of a correlation: how many there were within its timespan, as far as its condition needed counting.
    pub count: Option<u64>,
}

/// What follows a match, from nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// The match is written to the log.
    Log,
    /// Somebody is told.
    Alert,
    /// The agent is held until a person answers. This build freezes instead, and says so.
    Confirm,
    /// The operation is refused. This build freezes instead, and says so.
    Deny,
    /// The agent is frozen.
    Freeze,
    /// The agent is killed.
    Kill,
}

impl Action {
    const NAMES: [&str; 6] = ["log", "alert", "confirm", "deny", "freeze", "kill"];
    /// Every action, from the mildest.
    pub const ALL: [Self; 6] = [Self::Log, Self::Alert, Self::Confirm, Self::Deny, Self::Freeze, Self::Kill];

    /// Its name in a rule.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The action of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How bad a match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Informational,
    /// Rarely interesting alone.
    Low,
    /// Worth a look.
    Medium,
    /// Needs attention.
    High,
    /// Needs it now.
    Critical,
}

impl Level {
    const NAMES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];
    /// Every level, from the mildest.
    pub const ALL: [Self; 5] = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its name in a rule.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The level of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
