//! What the person at the terminal sees of xtask. All of it goes to standard error, so that
//! standard output belongs to the program that `run` starts.

use std::io::{IsTerminal as _, stderr};
use std::time::Instant;

use crate::failure::Failure;

/// A step begins: one line.
pub fn step(text: &str) {
    eprintln!("{} {text}", paint("1;36", "xtask:"));
}

/// A step that may take a while: announced now, its time is printed when it is dropped.
pub fn timed(text: &str) -> Timed {
    step(&format!("{text} …"));
    Timed { text: text.to_owned(), start: Instant::now() }
}

/// A started step; see [`timed`].
pub struct Timed {
    text: String,
    start: Instant,
}

impl Drop for Timed {
    fn drop(&mut self) {
        let seconds = self.start.elapsed().as_secs_f64();
        // Quick steps need no second line.
        if seconds > 1.0 {
            step(&format!("{}: took {seconds:.1} s", self.text));
        }
    }
}

/// A command line about to run.
pub fn command(line: &str) {
    eprintln!("{}", paint("2", &format!("  + {line}")));
}

/// Something worth knowing that stops nothing.
pub fn warning(text: &str) {
    eprintln!("{} {text}", paint("1;33", "warning:"));
}

/// The error that ends xtask: its chain in one line, its hints below.
pub fn error(error: &anyhow::Error) {
    eprintln!("{} {error:#}", paint("1;31", "error:"));
    let hints = error.chain().filter_map(|cause| cause.downcast_ref::<Failure>()).flat_map(|failure| &failure.hints);
    for hint in hints {
        eprintln!("{} {hint}", paint("1;32", "hint:"));
    }
}

fn paint(code: &str, text: &str) -> String {
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}
