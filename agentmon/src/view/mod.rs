//! What people read on a terminal: one line per operation while it happens, and what a run did at its end.
//!
//! Everything an agent chose is escaped. Not for: the log (`crate::log`), and nothing parses this text.

pub mod compact;
mod counted;
pub mod escape;
pub mod say;
pub mod style;
pub mod summary;
mod tally;
mod target;

pub use compact::Compact;
pub use counted::counted;
pub use summary::{Losses, Summary};
