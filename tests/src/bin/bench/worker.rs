//! The process that runs the workload, and the parent's end of it: one line per order, one per answer.
//!
//! A process of its own, so that it can be an agent's while the benchmark is not. It waits between batches without a
//! system call that makes a record.

use crate::workload::{Bench, Kind};
use agentmon_tests::cgroup::Group;
use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The parent's end. Dropping it ends the process.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    dir: PathBuf,
}

impl Worker {
    /// Starts a worker on the workload's CPU, in `cgroup` if one is given.
    pub fn start(name: &str, cgroup: Option<&Group>) -> Result<Self> {
        let dir = PathBuf::from(format!("/tmp/agentmon-bench-{}/{name}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let mut child = Command::new("/proc/self/exe")
            .arg("worker")
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the workload")?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take().context("no pipe from the workload")?);
        let mut worker = Self { child, orders, answers: BufReader::new(answers), dir };
        worker.answer()?;
        if let Some(cgroup) = cgroup {
            cgroup.add(worker.child.id());
        }
        Ok(worker)
    }

    /// Nanoseconds per operation.
    pub fn run(&mut self, kind: Kind, count: u64) -> Result<f64> {
        let answer = self.order(&format!("run {} {count}", kind.name()))?;
        let ns: u64 = answer.trim().parse().with_context(|| format!("the workload answered {answer:?}"))?;
        Ok(ns as f64 / count as f64)
    }

    /// Opens at a rate (`None`: flat out); returns how many, and in how many seconds.
    pub fn paced(&mut self, per_second: Option<u64>, duration: Duration) -> Result<(u64, f64)> {
        let answer = self.order(&format!("paced {} {}", per_second.unwrap_or(0), duration.as_millis()))?;
        let (count, ns) = answer.trim().split_once(' ').with_context(|| format!("the workload answered {answer:?}"))?;
        Ok((count.parse()?, ns.parse::<u64>()? as f64 / 1e9))
    }

    fn order(&mut self, order: &str) -> Result<String> {
        let orders = self.orders.as_mut().context("the workload has ended")?;
        orders.write_all(format!("{order}\n").as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.answers.read_line(&mut line)? > 0, "the workload ended: see its message above");
        Ok(line)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Err(error) = self.child.wait() {
            eprintln!("warning: cannot wait for the workload: {error}");
        }
        let _ = std::fs::remove_dir_all(&self.dir);
        // Not empty while another worker is there.
        let _ = self.dir.parent().map(std::fs::remove_dir);
    }
}

/// Keeps the calling thread, and those it starts, on the CPUs that are `wanted`, of those there are.
pub fn pin(wanted: impl Fn(usize) -> bool) -> Result<()> {
    let mut set = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|cpu| wanted(*cpu)).for_each(|cpu| set.set(cpu));
    sched_setaffinity(None, &set).context("cannot choose a CPU")
}

/// The worker itself: follows orders until its standard input ends.
pub fn serve(dir: &Path) -> Result<()> {
    pin(|cpu| cpu == crate::WORKLOAD_CPU)?;
    let bench = Bench::new(dir)?;
    let mut answers = std::io::stdout().lock();
    answers.write_all(b"ready\n")?;
    answers.flush()?;
    for order in std::io::stdin().lock().lines() {
        let order = order?;
        let answer = match order.split(' ').collect::<Vec<_>>()[..] {
            ["run", kind, count] => bench.run(Kind::parse(kind)?, count.parse()?)?.to_string(),
            ["paced", rate, ms] => {
                let rate: u64 = rate.parse()?;
                let (count, ns) = bench.paced((rate > 0).then_some(rate), Duration::from_millis(ms.parse()?))?;
                format!("{count} {ns}")
            }
            _ => anyhow::bail!("the workload was ordered {order:?}"),
        };
        answers.write_all(format!("{answer}\n").as_bytes())?;
        answers.flush()?;
    }
    Ok(())
}
