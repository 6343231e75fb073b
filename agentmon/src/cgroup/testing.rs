//! Real cgroups for tests: a fresh one each, killed and removed at the end. Not for: code outside tests.

use super::{Cgroup, Mount};
use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Time within which everything must have happened, on a busy machine as well.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A cgroup of the test's own.
pub(crate) struct Scratch {
    pub(crate) mount: Mount,
    pub(crate) cgroup: Cgroup,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.cgroup.kill(SOON);
        let _ = self.cgroup.remove(SOON);
    }
}

/// `None`, after saying why, when this machine cannot run the test; with `AGENTMON_REQUIRE_ROOT` set, a panic.
pub(crate) fn scratch(test: &str) -> Option<Scratch> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let reason = if !rustix::process::geteuid().is_root() {
        "not root".to_owned()
    } else {
        let name = format!("agentmon-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let made = Mount::find().and_then(|mount| Ok((mount.root().create_child(OsStr::new(&name))?, mount)));
        match made {
            Ok((cgroup, mount)) => return Some(Scratch { mount, cgroup }),
            Err(error) => error.to_string(),
        }
    };
    assert!(std::env::var_os("AGENTMON_REQUIRE_ROOT").is_none(), "{test} could not run: {reason}");
    println!("skipped: {test}: {reason}");
    None
}

/// Starts a shell script inside a cgroup and waits until it says `ready`.
pub(crate) fn shell(cgroup: &Cgroup, script: &str) -> Child {
    let entered = format!("echo $$ > '{}/cgroup.procs'; {script}", cgroup.path().display());
    let mut child = Command::new("/bin/bash").args(["-c", &entered]).stdout(Stdio::piped()).spawn().expect("bash");
    let mut line = String::new();
    let mut output = std::io::BufReader::new(child.stdout.take().expect("piped"));
    while line.trim() != "ready" {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut output, &mut line).expect("output") > 0, "the script ended early");
    }
    child
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + SOON;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "not within {SOON:?}: {what}");
        #[expect(clippy::disallowed_methods, reason = "a look every few milliseconds, with a deadline around it")]
        std::thread::sleep(Duration::from_millis(2));
    }
}
