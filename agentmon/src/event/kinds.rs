//! A set of kinds, as the probes hold it: those that are switched off for an agent.
//!
//! Not for: what a kind means (`super::Kind`).

use super::Kind;
use std::fmt;

/// A set of kinds that can be switched off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kinds(u64);

/// Why a name is not that of a kind that can be switched off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSwitchable {
    /// There is no such kind.
    #[error("unknown kind `{}`", .name.escape_debug())]
    Unknown {
        /// What was given.
        name: String,
        /// The nearest name, or all of them.
        hint: String,
    },
    /// Without it no other event could be told of the right process, or of the right agent.
    #[error("`{}` cannot be switched off", .0.name())]
    Needed(Kind),
}

impl NotSwitchable {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { hint, .. } => hint.clone(),
            Self::Needed(_) => {
                "it says which processes there are and whose: without it every other event would be told of the wrong one".to_owned()
            }
        }
    }
}

impl Kinds {
    /// Every kind that can be switched off, by number.
    pub fn switchable() -> impl Iterator<Item = Kind> {
        let needed = |kind| matches!(kind, Kind::Exec | Kind::Fork | Kind::Exit | Kind::CgroupJoin | Kind::CgroupLeave | Kind::ProcessSeen);
        Kind::ALL.into_iter().filter(move |kind| !needed(*kind))
    }

    /// Adds the kind of this name.
    ///
    /// # Errors
    /// When there is none, or it cannot be switched off.
    pub fn insert(&mut self, name: &str) -> Result<(), NotSwitchable> {
        if let Some(kind) = Self::switchable().find(|kind| kind.name() == name) {
            self.0 |= 1 << kind as u16;
            return Ok(());
        }
        Err(match Kind::ALL.into_iter().find(|kind| kind.name() == name) {
            Some(kind) => NotSwitchable::Needed(kind),
            None => NotSwitchable::Unknown { name: name.to_owned(), hint: suggestion(name) },
        })
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it holds this kind.
    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 >> kind as u16 & 1 != 0
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As bits by the kinds' numbers: what the probes read.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// The names, by number: `open, unlink`.
impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for kind in Kind::ALL.into_iter().filter(|kind| self.contains(*kind)) {
            write!(f, "{between}{}", kind.name())?;
            between = ", ";
        }
        Ok(())
    }
}

fn suggestion(name: &str) -> String {
    let near = Kinds::switchable().map(|kind| (strsim::damerau_levenshtein(name, kind.name()), kind.name())).min();
    match near {
        Some((distance, near)) if distance <= 2.max(name.chars().count() / 3) => format!("did you mean `{near}`?"),
        _ => format!("kinds: {}", Kinds::switchable().map(Kind::name).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Kinds, NotSwitchable};

    #[test]
    fn kinds_are_switched_off_by_name() {
        let mut kinds = Kinds::default();
        assert!(kinds.is_empty());
        kinds.insert("unlink").unwrap();
        kinds.insert("open").unwrap();
        assert_eq!((kinds.contains(Kind::Open), kinds.contains(Kind::Connect)), (true, false));
        assert_eq!(kinds.bits(), 1 << 4 | 1 << 6);
        assert_eq!(kinds.to_string(), "open, unlink");
        assert_eq!(Kinds::switchable().count(), Kind::ALL.len() - 6);
    }

    #[test]
    fn a_wrong_name_is_refused_with_what_was_meant() {
        let mut kinds = Kinds::default();
        let refused = |error: NotSwitchable| (error.to_string(), error.hint());
        let (what, hint) = refused(kinds.insert("opne").unwrap_err());
        assert_eq!((what.as_str(), hint.as_str()), ("unknown kind `opne`", "did you mean `open`?"));
        assert!(kinds.insert("x\n").unwrap_err().hint().starts_with("kinds: open, connect, "));
        for needed in ["exec", "fork", "exit", "cgroup_join", "cgroup_leave", "process_seen"] {
            assert_eq!(kinds.insert(needed).unwrap_err().to_string(), format!("`{needed}` cannot be switched off"));
        }
        assert!(kinds.is_empty());
    }
}
