//! The register and the launch against the real kernel.

use super::launch::{LaunchError, Prepared, prepare};
use super::*;
use crate::cgroup::Mount;
use crate::cgroup::testing::{SOON, Scratch, eventually, scratch};
use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};

/// Re-runs one test of this binary in a process of its own, whose output and descriptors can then be looked at.
fn alone(test: &str, marker: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(marker, "1").stdin(Stdio::null());
    command
}

fn shell_agent(mount: &Mount, script: &str) -> Prepared {
    prepare(mount, "test", OsStr::new("sh"), &["-c", script].map(OsString::from), None).unwrap()
}

#[test]
fn the_register_marks_counts_and_unmarks() {
    let Some(Scratch { cgroup, .. }) = &scratch("register") else { return };
    let mut register = Register::new();
    let (id, errors) = register.watch("claude", "0badcafe", Arc::default(), cgroup.try_clone().unwrap().into(), SystemTime::UNIX_EPOCH);
    assert!(errors.is_empty());
    assert_eq!(cgroup.mark(), Some(Mark { name: "claude".into(), session: "0badcafe".into() }));
    assert_eq!(register.by_cgroup(cgroup.id()).unwrap().agent.id, id);
    assert_eq!(register.counts(), [1, 0, 0, 0]);
    assert!(register.set_state(id, State::Frozen, SystemTime::now()));
    assert!(!register.set_state(id, State::Frozen, SystemTime::now()));
    assert!(!register.set_state(AgentId(99), State::Frozen, SystemTime::now()));
    assert_eq!(register.counts(), [0, 1, 0, 0]);
    assert!(register.unwatch(id).unwrap().1.is_empty());
    assert_eq!(cgroup.mark(), None);
    assert!(register.unwatch(id).is_none());
    assert_ne!(
        register.watch("a", "1", Arc::default(), cgroup.try_clone().unwrap().into(), SystemTime::now()).0,
        id,
        "numbers are not reused"
    );
}

#[test]
fn the_first_instruction_runs_inside_with_three_descriptors_and_default_signals() {
    const MARKER: &str = "AGENTMON_TEST_LAUNCH";
    let Some(Scratch { mount, .. }) = &scratch("launch") else { return };
    if std::env::var_os(MARKER).is_some() {
        let _leaky: Vec<_> = (0..20).map(|_| rustix::io::dup(rustix::stdio::stdin()).unwrap()).collect();
        // SAFETY: no handler is set. SIGHUP is ignored when the tests themselves run under nohup, and stays so by intent.
        unsafe {
            libc::signal(libc::SIGTERM, libc::SIG_IGN);
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
        }
        let script = "echo; cat /proc/self/cgroup; ls /proc/$$/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status; exit 7";
        let mut launched = shell_agent(mount, script).start(Stdio::inherit()).unwrap();
        println!("session={}", launched.agent().session());
        println!("code={:?}", launched.child.wait().unwrap().code());
        assert_eq!(launched.finish(SOON).unwrap(), 0);
        return;
    }
    let test = "agents::tests::the_first_instruction_runs_inside_with_three_descriptors_and_default_signals";
    let output = alone(test, MARKER).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let session = lines.iter().find_map(|line| line.split("session=").nth(1)).unwrap();
    assert!(text.contains(&format!("0::/agentmon.slice/test-{session}\n")), "{text}");
    let fds: Vec<_> = lines.iter().filter(|line| line.parse::<u32>().is_ok()).collect();
    assert_eq!(fds, [&"0", &"1", &"2"], "{text}");
    let masks: Vec<_> = lines.iter().filter(|line| line.starts_with("Sig")).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    // Signals 32 and 33 belong to the C library, which lets nobody set them.
    let own = masks.iter().map(|mask| u64::from_str_radix(mask, 16).unwrap() & !(3 << 31));
    assert_eq!(own.collect::<Vec<_>>(), [0, 0], "{text}");
    assert!(text.contains("code=Some(7)"), "{text}");
    assert!(!mount.point().join(SLICE).join(format!("test-{session}")).exists());
}

#[test]
fn what_cannot_run_is_told_apart_and_leaves_no_cgroup() {
    let Some(Scratch { mount, .. }) = &scratch("126 and 127") else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8], mode| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        path
    };
    let launch = |path: &std::path::Path| {
        prepare(mount, "cannot", path.as_os_str(), &[], None).and_then(|prepared| prepared.start(Stdio::inherit()))
    };
    for (path, code, end) in [
        (directory.path().join("none"), 127, "no such file"),
        (directory.path().to_owned(), 126, "is a directory"),
        (file("data", b"", 0o644), 126, "permission denied"),
        (file("script", b"#!/no/such\n", 0o755), 126, "its interpreter /no/such does not exist"),
    ] {
        let error = launch(&path).unwrap_err();
        assert_eq!((error.exit_code(), error.to_string().ends_with(end)), (code, true), "{error}");
    }
    // The C library hands a file without a #! line to sh, as shells do.
    let mut launched = launch(&file("bare", b"exit 5", 0o755)).unwrap();
    assert_eq!(launched.child.wait().unwrap().code(), Some(5));
    launched.finish(SOON).unwrap();
    assert!(matches!(prepare(mount, "../x", OsStr::new("sh"), &[], None), Err(LaunchError::Name(_))));
    let left = mount.root().child(OsStr::new(SLICE)).unwrap().child_names().unwrap();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("cannot-")), "{left:?}");
}

#[test]
fn what_the_command_leaves_behind_is_killed_at_the_end() {
    let Some(Scratch { mount, .. }) = &scratch("leftovers") else { return };
    let mut launched = shell_agent(mount, "sleep 60 & setsid sleep 60 & exit 0").start(Stdio::inherit()).unwrap();
    assert!(launched.child.wait().unwrap().success());
    let cgroup = launched.agent().cgroups().clone();
    assert_eq!(launched.finish(SOON).unwrap(), 2);
    assert!(!cgroup.populated());
}

#[test]
fn an_agent_that_is_dropped_unfinished_is_killed_and_its_cgroup_removed() {
    let Some(Scratch { mount, .. }) = &scratch("dropped") else { return };
    let launched = shell_agent(mount, "sleep 60 & sleep 60").start(Stdio::inherit()).unwrap();
    let cgroup = launched.agent().cgroups().clone();
    drop(launched);
    eventually("the agent is gone", || !cgroup.populated());
    assert!(!cgroup.roots()[0].path().exists());
}

#[test]
fn the_agent_dies_with_a_killed_agentmon() {
    const MARKER: &str = "AGENTMON_TEST_LIFELINE";
    if std::env::var_os(MARKER).is_some() {
        // Without a scratch cgroup: this process is killed and could not remove it.
        let launched = shell_agent(&Mount::find().unwrap(), "setsid sleep 300 & sleep 300").start(Stdio::inherit()).unwrap();
        println!("\nsession={}", launched.agent().session());
        #[expect(clippy::disallowed_methods, reason = "nothing may happen meanwhile: there is nothing to wait for")]
        std::thread::sleep(SOON);
        return;
    }
    let Some(Scratch { mount, .. }) = &scratch("lifeline") else { return };
    let mut monitor = alone("agents::tests::the_agent_dies_with_a_killed_agentmon", MARKER).stdout(Stdio::piped()).spawn().unwrap();
    let output = std::io::BufReader::new(monitor.stdout.take().unwrap());
    let session = std::io::BufRead::lines(output).find_map(|line| Some(line.ok()?.strip_prefix("session=")?.to_owned())).unwrap();
    let cgroup = mount.root().child(OsStr::new(SLICE)).unwrap().child(OsStr::new(&format!("test-{session}"))).unwrap();
    eventually("the agent's processes run", || cgroup.procs().unwrap().len() == 3);
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    let killed = std::time::Instant::now();
    cgroup.wait_empty(SOON).unwrap();
    println!("measured: agentmon killed to agent gone {:?}", killed.elapsed());
    cgroup.remove(SOON).unwrap();
}
