//! From a forbidden operation to the kill, on a host whose every CPU is busy.
//!
//! Two clocks: the victim's own last sign of life, which is an upper bound for the moment at which `cgroup.kill` was
//! written, and the daemon's histogram. Only for the daemon: the sensor kills nobody.

use crate::Effort;
use crate::daemon::{Daemon, Setup, sum};
use crate::engine::Engines;
use crate::samples::Samples;
use crate::table::Table;
use crate::victim;
use crate::worker::pin;
use agentmon_tests::cgroup::Group;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Victims; enough for a 99th percentile that is not simply the worst.
const VICTIMS: u64 = 200;
const WHAT: &str = "forbidden open to the victim's last sign of life, p99, every CPU busy";

/// Kills whoever opens the canary.
const RULE: &str = "title: The benchmark's canary is opened
id: 0f2f9a5e-6d0c-4a1b-9a53-6f2d8f0f6a11
status: test
description: Kills the benchmark's victims.
author: agentmon
date: 2026-11-20
logsource:
    product: linux
    category: file_access
detection:
    selection:
        TargetFilename|endswith: /agentmon-bench-canary
    condition: selection
level: critical
agentmon:
    class: bench_canary
    action: kill
";

pub fn measure(engines: &Engines, effort: Effort, table: &mut Table) -> Result<()> {
    let Some(binary) = engines.daemon() else {
        table.say(WHAT, "not measured: it needs `agentmon daemon`".to_owned());
        return Ok(());
    };
    pin(|_| true)?;
    let dir = PathBuf::from(format!("/tmp/agentmon-bench-breaker-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let canary = dir.join("agentmon-bench-canary");
    std::fs::write(&canary, "")?;
    let victims = usize::try_from(VICTIMS / effort.shorten)?;
    let cgroups = (0..victims).map(|n| Group::new(&format!("victim-{n}"))).collect::<Vec<_>>();
    let pattern = format!("/agentmon-test-{}-*-victim-*", std::process::id());
    let daemon = Daemon::start(binary, &Setup { agent: Some(&pattern), rule: Some(RULE) })?;
    let stop = AtomicBool::new(false);
    let latencies = std::thread::scope(|scope| -> Result<Samples> {
        for _ in 0..std::thread::available_parallelism()?.get() {
            scope.spawn(|| spin(&stop));
        }
        let latencies = cgroups.iter().map(|cgroup| kill_one(cgroup, &canary, &dir)).collect::<Result<Vec<f64>>>();
        stop.store(true, Ordering::Relaxed);
        latencies.map(Samples)
    });
    let metrics = daemon.metrics();
    drop(daemon);
    std::fs::remove_dir_all(&dir)?;
    let (latencies, metrics) = (latencies?, metrics?);
    let count = sum(&metrics, "agentmon_breaker_latency_seconds_count", "kill");
    let mean = sum(&metrics, "agentmon_breaker_latency_seconds_sum", "kill") / count * 1e3;
    let survivors = latencies.0.iter().filter(|ms| **ms >= victim::LIFE.as_secs_f64() * 900.0).count();
    let detail = format!(
        "median {:.2}, worst {:.2}, {victims} victims of which {survivors} were never killed; the daemon says mean {mean:.2} ms over {count:.0} kills",
        latencies.median(),
        latencies.quantile(1.0)
    );
    table.at_most(WHAT, "ms", 5.0, latencies.quantile(0.99), &detail);
    table.keep("forbidden open to last sign of life ms".to_owned(), &latencies);
    Ok(())
}

/// Keeps a CPU busy.
fn spin(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

/// Milliseconds that one victim lived on.
fn kill_one(cgroup: &Group, canary: &Path, dir: &Path) -> Result<f64> {
    let times = dir.join("times");
    let mut child = Command::new("/proc/self/exe")
        .arg("victim")
        .args([canary, &times])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the victim")?;
    let mut answers = BufReader::new(child.stdout.take().context("no pipe from the victim")?);
    answers.read_line(&mut String::new())?;
    cgroup.add(child.id());
    child.stdin.take().context("no pipe to the victim")?.write_all(b"go\n")?;
    let status = child.wait()?;
    ensure!(status.success() || status.signal() == Some(9), "the victim ended with {status}");
    let (before, last) = victim::read(&times)?;
    // One that nobody killed counts with its whole life.
    // One that was killed inside the opening itself has left no second time.
    Ok(last.saturating_sub(before) as f64 / 1e6)
}
