//! Words for people on standard output and standard error, which may go away at any time (`agentmon … | head -1`).
//!
//! A reader that has gone wants nothing: no error, and above all not the panic that `println!` makes of it, which would
//! replace an exit status that others rely on. Not for: events (`crate::monitor`).

use std::fmt::Display;
use std::io::Write;

/// A line on standard output.
pub fn out(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line on standard error.
pub fn err(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
