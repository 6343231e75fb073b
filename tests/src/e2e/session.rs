//! A run of `agentmon run`, its output in files, so that neither side waits for the other.

use super::binary::agentmon;
use super::events::Events;
use super::poll::eventually;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use tempfile::TempDir;

/// A session that runs. Dropped, it is killed with SIGKILL; its agent dies by the lifeline.
#[derive(Debug)]
pub struct Session {
    child: Child,
    output: TempDir,
}

/// A session that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit status of agentmon.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl Session {
    /// Starts `agentmon run --no-metrics OPTIONS -- COMMAND`; no COMMAND: the options say what runs.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start<S: AsRef<OsStr>>(options: &[&str], command: &[S]) -> Self {
        let output = tempfile::tempdir().expect("a directory");
        let file = |name: &str| File::create(output.path().join(name)).expect("a file");
        let mut agentmon = agentmon();
        agentmon.args(["run", "--no-metrics"]).args(options);
        if !command.is_empty() {
            agentmon.arg("--").args(command);
        }
        let child = agentmon.stdout(file("stdout")).stderr(file("stderr")).spawn().expect("agentmon starts");
        Self { child, output }
    }

    /// The same with a shell script as COMMAND; `$1` and so on are `args`.
    pub fn script(options: &[&str], script: &str, args: &[&str]) -> Self {
        Self::start(options, &[&["/bin/sh", "-c", script, "script"], args].concat())
    }

    /// Sends a signal to agentmon alone.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("agentmon runs");
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.output.path().join("stderr")).unwrap_or_default()).into_owned()
    }

    /// Waits for a file that COMMAND writes as a whole line, and gives the line.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    #[must_use]
    pub fn line_in(&self, file: &Path) -> String {
        eventually("COMMAND wrote its file", || match std::fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => Ok(text.trim().to_owned()),
            other => Err(format!("{}: {other:?}; agentmon says: {}", file.display(), self.stderr())),
        })
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    #[must_use]
    pub fn end(mut self) -> Ended {
        let status = eventually("agentmon ends", || match self.child.try_wait().expect("a child") {
            Some(status) => Ok(status),
            None => Err(format!("it runs; standard error: {}", self.stderr())),
        });
        Ended { status, stdout: std::fs::read(self.output.path().join("stdout")).expect("a file"), stderr: self.stderr() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // If it has ended, there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Exit code; 1000 + N when signal N ended agentmon itself.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 1000 + self.status.signal().unwrap_or_default())
    }

    /// Standard output as records: whole, numbered without holes, nothing lost.
    ///
    /// # Panics
    /// When it is not that.
    #[track_caller]
    #[must_use]
    pub fn events(&self) -> Events {
        let events = Events::parse(&self.stdout);
        events.assert_gapless();
        events
    }
}
