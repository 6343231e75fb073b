//! The canary: a helper process in a cgroup of its own does one operation of each family, and what the probes do not
//! report of it they are blind to, whatever they say of themselves.
//!
//! Used by `agentmon doctor` once and by the daemon again and again. Not for: loading probes (`crate::sensor`).

mod acts;
mod raw;
mod run;
mod uring;

pub use acts::{Act, acts, perform, perform_compat};
pub use run::{CanaryError, run};

use crate::event::{Event, Kind, flags};
use std::collections::HashSet;

/// Name of the canary, and of its cgroup.
pub const NAME: &str = "agentmon-canary";

/// What identifies an operation in a report: its kind, its system call, and whether that came through the 32-bit entry.
pub type Sign = (Kind, &'static str, bool);

/// What the probes have reported of the canary.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    seen: HashSet<Sign>,
}

impl Sightings {
    /// Notes an event of the canary.
    pub fn add(&mut self, event: &Event) {
        self.seen.insert((event.kind(), event.operation, event.has(flags::COMPAT)));
    }

    /// Whether an operation was reported.
    #[must_use]
    pub fn has(&self, sign: Sign) -> bool {
        self.seen.contains(&sign)
    }
}

/// How a hook did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The operation was reported.
    Seen,
    /// It was done and not reported.
    Blind,
    /// It cannot be done on this host: nobody can, so there is nothing to see.
    Impossible,
}

impl Sight {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seen => "ok",
            Self::Blind => "BLIND",
            Self::Impossible => "off",
        }
    }
}

/// What one flight of the canary showed, in the order of [`acts`].
#[derive(Clone, Debug)]
pub struct Findings {
    /// Each act and how its hook did.
    pub sights: Vec<(&'static Act, Sight)>,
}

impl Findings {
    /// Acts that were done and not reported.
    pub fn blind(&self) -> impl Iterator<Item = &'static Act> {
        self.sights.iter().filter(|(_, sight)| *sight == Sight::Blind).map(|(act, _)| *act)
    }

    /// How the hooks of a kind did: blind if one of them was; `None` when no act is of this kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Option<Sight> {
        let mut sights = self.sights.iter().filter(|(act, _)| act.kind == kind).map(|(_, sight)| *sight).peekable();
        sights.peek()?;
        let sights: Vec<Sight> = sights.collect();
        let has = |sight| sights.contains(&sight);
        Some(if has(Sight::Blind) {
            Sight::Blind
        } else if has(Sight::Seen) {
            Sight::Seen
        } else {
            Sight::Impossible
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Findings, Sight, acts};
    use crate::event::Kind;

    #[test]
    fn one_blind_hook_makes_its_kind_blind() {
        let of_open = || acts().iter().filter(|act| act.kind == Kind::Open);
        assert!(of_open().count() >= 2, "the test needs two");
        let judge = |sights: &[Sight]| Findings { sights: of_open().zip(sights.iter().copied()).collect() }.of(Kind::Open);
        assert_eq!(judge(&[Sight::Seen, Sight::Blind]), Some(Sight::Blind));
        assert_eq!(judge(&[Sight::Impossible, Sight::Seen]), Some(Sight::Seen));
        assert_eq!(judge(&[Sight::Impossible, Sight::Impossible]), Some(Sight::Impossible));
        assert_eq!(Findings { sights: Vec::new() }.of(Kind::Open), None);
    }

    #[test]
    fn no_two_acts_leave_the_same_sign() {
        let mut signs: Vec<_> = acts().iter().map(super::Act::sign).collect();
        let all = signs.len();
        signs.sort_unstable();
        signs.dedup();
        assert_eq!(signs.len(), all);
    }
}
