//! Shells that run in a test's cgroup.

use super::poll::until;
use crate::cgroup::fresh;
use std::process::{Child, Command, ExitStatus, Stdio};

pub use crate::cgroup::Group;

impl Group {
    /// A shell command line that runs a script in this cgroup; it is inside from its execve on.
    #[must_use]
    pub fn shell(&self, script: &str, args: &[&str]) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo 0 > \"$1/cgroup.procs\" && shift && exec /bin/sh -c \"$@\"", "sh"]);
        command.arg(self.path()).args([script, "script"]).args(args);
        command
    }

    /// Runs a script in this cgroup to its end; gives its process id.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, script: &str, args: &[&str]) -> u32 {
        let mut child = self.shell(script, args).spawn().expect("a shell");
        let status = child.wait().expect("a child");
        assert!(status.success(), "{script}: {status}");
        child.id()
    }

    /// Opens a file of a name that nobody has used; gives the name. When its record is there, all before it is.
    pub fn mark(&self) -> String {
        let name = format!("/{}", fresh("marker"));
        self.run("(: < \"$1\") 2>&- || true", &[&name]);
        name
    }
}

/// A shell that waits for a word before each step, so that nothing happens before the test is ready for it.
#[derive(Debug)]
pub struct Waiting {
    child: Child,
}

impl Waiting {
    /// Starts `script` in the cgroup once a line comes from [`Waiting::go`]; the shell itself runs already.
    ///
    /// # Panics
    /// When there is no shell.
    #[must_use]
    pub fn start(group: &Group, script: &str, args: &[&str]) -> Self {
        let script = format!("read go; {script}");
        let child = group.shell(&script, args).stdin(Stdio::piped()).spawn().expect("a shell");
        let pid = child.id();
        until("the shell is in its cgroup and waits", || {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let waits = std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") S "));
            waits && command.starts_with(b"/bin/sh\0-c\0read go") && group.pids().contains(&pid)
        });
        Self { child }
    }

    /// Lets it go, to its end.
    ///
    /// # Panics
    /// When it has ended before.
    #[must_use]
    pub fn go(mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        self.child.wait().expect("a child")
    }
}

/// Whether a process runs: neither gone nor a zombie that nobody has waited for.
#[must_use]
pub fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
