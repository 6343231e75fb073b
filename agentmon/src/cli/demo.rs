//! The bundled demonstration agent of `agentmon run --demo`: ordinary coding work, then a high-risk operation.
//!
//! A shell script, so that anybody can read what it does; it works only below a directory of its own, which is removed
//! by who starts it. Not for: tests of detection.

use crate::view::say;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const SCRIPT: &str = include_str!("demo.sh");

/// Documents that somebody would miss.
const DOCUMENTS: usize = 5_000;

/// A place for the demonstration, removed when dropped.
pub struct Demo {
    directory: PathBuf,
}

impl Demo {
    /// Makes the place.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn new() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("agentmon-demo-{}", std::process::id()));
        let documents = directory.join("documents");
        let made = std::fs::create_dir(&directory).and_then(|()| std::fs::create_dir(&documents));
        made.with_context(|| format!("cannot make {}", documents.display()))?;
        let demo = Self { directory };
        for i in 0..DOCUMENTS {
            let letter = documents.join(format!("letter-{i:04}.txt"));
            std::fs::write(&letter, "Dear you,\n").with_context(|| format!("cannot write {}", letter.display()))?;
        }
        Ok(demo)
    }

    /// The command to run.
    pub fn command(&self) -> (OsString, Vec<OsString>) {
        let args = ["-c", SCRIPT, "demo-agent"].map(OsString::from).into_iter().chain([self.directory.clone().into()]);
        ("/bin/sh".into(), args.collect())
    }

    /// How many of the documents are left, of how many.
    pub fn left(&self) -> (usize, usize) {
        (std::fs::read_dir(self.directory.join("documents")).map_or(0, Iterator::count), DOCUMENTS)
    }

    /// Where it works.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            say::err(format_args!("warning: cannot remove {}: {error}", self.directory.display()));
        }
    }
}
