//! Errors that come with advice: what went wrong, and a `hint:` saying what to do.

use std::error::Error;
use std::fmt;

/// An error message with hints. Travels inside [`anyhow::Error`]; `terminal::error` prints it.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// Each is printed as a `hint:` of its own.
    pub hints: Vec<String>,
}

impl Failure {
    /// An error that says what failed, on what.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new() }
    }

    /// Adds a sentence on what the reader can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for Failure {}
