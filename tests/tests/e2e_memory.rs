//! What a long session holds: bounded, however many programs the agent runs.

use agentmon_tests::e2e::binary::agentmon;
use agentmon_tests::e2e::poll::eventually;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");
/// Programs that run one after the other, and files that each tries to open.
const PROGRAMS: u64 = 3_000;
const OPENS: u64 = 400;
/// Most memory, the ring (16 MiB, mapped twice) included.
const BOUND_KIB: u64 = 120 * 1024;

/// A child that does not outlive its test; the agent dies by the lifeline.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // If it has ended, there is nobody to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The most memory that a living process ever had resident, KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn thousands_of_programs_with_many_opens_do_not_add_up_in_memory() {
    let place = tempfile::tempdir().expect("a directory");
    let mut command = agentmon();
    command.args(["run", "--no-metrics", "-o", "none", "--", STIMULUS, "programs"]).arg(place.path());
    command.args([PROGRAMS.to_string(), OPENS.to_string()]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut run = Killed(command.spawn().expect("agentmon starts"));
    // Three thousand programs take longer than the usual deadline on a busy machine.
    let until = Instant::now() + Duration::from_secs(300);
    while !place.path().join("done").exists() {
        assert!(run.0.try_wait().expect("a child").is_none() && Instant::now() < until, "the agent did not come to its end");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let peak = peak_kib(run.0.id());
    println!("measured: peak memory of `agentmon run` after {PROGRAMS} programs: {peak} KiB");
    std::fs::write(place.path().join("go"), "").expect("a file");
    let status = eventually("agentmon ends", || run.0.try_wait().expect("a child").ok_or_else(|| "it runs".to_owned()));
    let said = std::io::read_to_string(run.0.stderr.take().expect("a pipe")).expect("its summary");
    assert!(status.success(), "{status}: {said}");
    // Nothing passes because nothing was seen.
    assert!(said.contains(&format!("{} exec", PROGRAMS + 1)) && said.contains("lost  0\n"), "{said}");
    assert!(peak < BOUND_KIB, "{peak} KiB");
}
