//! `agentmon daemon` as a subprocess: started with a configuration of its own, watched through its metrics and /proc.

use crate::engine::Counts;
use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for the daemon to watch.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Ticks per second of /proc/PID/stat: `USER_HZ`, part of the kernel's interface on x86-64.
const USER_HZ: f64 = 100.0;

/// What a daemon is told beside where to log and to listen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup<'a> {
    /// Pattern of the agents' cgroups.
    pub agent: Option<&'a str>,
    /// A rule beside the built-in ones.
    pub rule: Option<&'a str>,
}

/// A running daemon; stopped by SIGTERM when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    dir: PathBuf,
    port: u16,
    /// From the start of the process to the first `/readyz` that says yes.
    pub ready_after: Duration,
}

impl Daemon {
    /// Whether this binary can be a daemon.
    pub fn is_there(binary: &Path) -> bool {
        let help = Command::new(binary).args(["daemon", "--help"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        help.is_ok_and(|status| status.success())
    }

    /// Starts one, and waits until it watches.
    pub fn start(binary: &Path, setup: &Setup<'_>) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let dir = PathBuf::from(format!("/tmp/agentmon-bench-daemon-{}-{port}", std::process::id()));
        std::fs::create_dir_all(dir.join("log"))?;
        let mut config = format!("[log]\ndir = {:?}\n\n[metrics]\nlisten = \"127.0.0.1:{port}\"\n", dir.join("log"));
        if let Some(rule) = setup.rule {
            let rules = dir.join("rules");
            std::fs::create_dir_all(&rules)?;
            std::fs::write(rules.join("bench-canary.yml"), rule)?;
            config.push_str(&format!("\n[rules]\ndirs = [{rules:?}]\n"));
        }
        if let Some(cgroup) = setup.agent {
            config.push_str(&format!("\n[[agent]]\nname = \"bench\"\ncgroup = {cgroup:?}\n"));
        }
        let config_file = dir.join("agentmon.toml");
        std::fs::write(&config_file, config)?;
        let messages = std::fs::File::create(dir.join("messages"))?;
        let started = Instant::now();
        let child = Command::new(binary)
            .arg("daemon")
            .arg("--config")
            .arg(&config_file)
            .stdin(Stdio::null())
            .stdout(messages.try_clone()?)
            .stderr(messages)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut daemon = Self { child, dir, port, ready_after: Duration::ZERO };
        while !daemon.get("/readyz").is_ok_and(|(status, _)| status == 200) {
            if let Some(status) = daemon.child.try_wait()? {
                bail!("agentmon daemon ended ({status}): {}", daemon.messages());
            }
            ensure!(started.elapsed() < START_LIMIT, "agentmon daemon is not ready after {START_LIMIT:?}: {}", daemon.messages());
            std::thread::sleep(Duration::from_millis(2));
        }
        daemon.ready_after = started.elapsed();
        Ok(daemon)
    }

    fn messages(&self) -> String {
        std::fs::read_to_string(self.dir.join("messages")).unwrap_or_default()
    }

    /// Status and body of a page of its metrics server.
    fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no HTTP status")?;
        Ok((status, body.to_owned()))
    }

    /// The metrics, as Prometheus would scrape them.
    pub fn metrics(&self) -> Result<String> {
        let (status, body) = self.get("/metrics")?;
        ensure!(status == 200, "/metrics answered {status}");
        Ok(body)
    }

    pub fn counts(&self) -> Result<Counts> {
        let metrics = self.metrics()?;
        Ok(Counts {
            opens: sum(&metrics, "agentmon_events_total", "kind=\"open\"") as u64,
            events: sum(&metrics, "agentmon_events_total", "") as u64,
            dropped: sum(&metrics, "agentmon_events_dropped_total", "") as u64,
        })
    }

    /// User and system time, of all its threads.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit_once(')').context("/proc/PID/stat has no name")?.1.split_whitespace().collect();
        // utime and stime: fields 14 and 15 of proc(5), of which 2 stand before the split.
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).context("/proc/PID/stat is short");
        Ok((ticks(11)? + ticks(12)?) / USER_HZ)
    }

    /// Resident KiB, without the pages of BPF maps it has mapped (the ring).
    pub fn memory_kib(&self) -> Result<u64> {
        let smaps = std::fs::read_to_string(format!("/proc/{}/smaps", self.child.id()))?;
        let mut of_map = false;
        let mut total = 0;
        for line in smaps.lines() {
            if let Some(rest) = line.strip_prefix("Rss:") {
                let kib: u64 = rest.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
                total += if of_map { 0 } else { kib };
            } else if line.split(' ').next().is_some_and(|range| range.contains('-')) {
                of_map = line.contains("bpf-map");
            }
        }
        Ok(total)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        match self.child.wait() {
            Ok(status) if status.success() => {}
            Ok(status) => eprintln!("warning: agentmon daemon ended with {status}: {}", self.messages()),
            Err(error) => eprintln!("warning: cannot wait for agentmon daemon: {error}"),
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Sum of the samples of a metric whose labels contain `label`.
pub fn sum(metrics: &str, name: &str, label: &str) -> f64 {
    metrics
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            ((labels.is_empty() || labels.starts_with('{')) && labels.contains(label)).then(|| value.parse::<f64>().ok())?
        })
        .sum()
}
