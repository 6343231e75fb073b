//! The program under test, and orders given to it by a second process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where it is: `AGENTMON_BIN`, else the release build of this workspace.
///
/// # Panics
/// When it is not there: then nothing would be tested.
#[must_use]
pub fn path() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/agentmon");
    let path = std::env::var_os("AGENTMON_BIN").map_or(built, PathBuf::from);
    assert!(path.is_file(), "{} is not there: cargo build --release -p agentmon, or set AGENTMON_BIN", path.display());
    path
}

/// A command line of it, free of what the environment of the tests says to it.
#[must_use]
pub fn agentmon() -> Command {
    let mut command = Command::new(path());
    command.env_remove("NO_COLOR").env_remove("AGENTMON_LOG").env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// What an order came to.
#[derive(Debug)]
pub struct Said {
    /// Exit status; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// Runs `agentmon ARGS` to its end.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn order(args: &[&str]) -> Said {
    agentmon().args(args).output().expect("agentmon starts").into()
}
