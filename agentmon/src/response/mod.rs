//! What follows from a verdict: freezing, thawing and killing agents, and proof that it worked.
//!
//! The order is written to the kernel by the calling thread at once ([`Breaker::act`]); whether it worked is found out
//! on a thread of its own, so that nobody waits for a fork bomb to die. Not for: deciding (`crate::rules`), telling
//! anybody (`crate::log`, `crate::view`) or keeping the agents' states (`crate::agents::Register`).

mod breaker;
pub mod escapee;
mod job;
pub mod manual;
mod urgent;

pub use breaker::{Breaker, Order, Struck};
pub use job::{BreakerReport, Outcome};

use escapee::Outsider;

/// An order to the breaker, from the mildest to the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Command {
    /// Let frozen tasks go on.
    Thaw,
    /// Stop every task where it is; nothing is lost.
    Freeze,
    /// SIGKILL to every process.
    Kill,
}

impl Command {
    /// Every command, by number.
    pub const ALL: [Self; 3] = [Self::Thaw, Self::Freeze, Self::Kill];

    /// Name in metrics, logs and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::Kill => "kill",
        }
    }
}

/// Lists the agent's living processes that are outside its cgroups, anew each time it is called. Runs on the verifying
/// thread and must not wait for the engine. The error says, for people, why nobody can know: that is not an empty list.
pub type Relist = Box<dyn FnMut() -> Result<Vec<Outsider>, String> + Send>;

#[cfg(test)]
mod tests;
