//! Time in the probes, as the kernel counts it: for operations whose own time varies more than the probes add, and to
//! see where the time goes.
//!
//! Always with the sensor in this process: the daemon has nothing to do with it. Other processes' system calls are
//! counted too; what is more than the workload's own is taken off at the price of a call that nobody watches.

use crate::engine::InProcess;
use crate::samples::Samples;
use crate::table::Table;
use crate::worker::{Worker, pin};
use crate::workload::Kind;
use crate::{Effort, WORKLOAD_CPU};
use agentmon::sensor::run_time::{ProgramRunTime, RunTimeCounting};
use agentmon_tests::cgroup::Group;
use anyhow::Result;
use std::collections::BTreeMap;

const KINDS: [Kind; 7] = [Kind::Open, Kind::OpenMissing, Kind::OpenSame, Kind::Connect, Kind::Setuid, Kind::CreateUnlink, Kind::Exec];

/// Per operation: nanoseconds in all probes, and per probe (runs, nanoseconds).
#[derive(Debug, Default)]
struct Cost {
    total_ns: Samples,
    probes: BTreeMap<String, (Samples, Samples)>,
}

pub fn measure(effort: Effort, table: &mut Table) -> Result<()> {
    pin(|cpu| cpu != WORKLOAD_CPU)?;
    let cgroup = Group::new("programs");
    let mut agent = Worker::start("agent", Some(&cgroup))?;
    let mut outsider = Worker::start("outsider", None)?;
    let _counting = RunTimeCounting::start()?;
    let engine = InProcess::start(Some(&cgroup))?;
    let mut costs: BTreeMap<Kind, Cost> = BTreeMap::new();
    let mut unwatched = Samples::default();
    for round in 0..=effort.rounds {
        let stranger = stranger(&engine, &mut outsider, effort)?;
        for kind in KINDS {
            let count = kind.batch() / effort.shorten;
            let before = engine.run_times()?;
            agent.run(kind, count)?;
            let after = engine.run_times()?;
            if round > 0 {
                costs.entry(kind).or_default().add(kind, count, &before, &after, &stranger);
            }
        }
        unwatched.push(stranger.values().sum());
    }
    drop(agent);
    report(&costs, &unwatched, table);
    let verified = engine.run_times()?.iter().map(|p| format!("{} {}", p.name, p.verified_instructions)).collect::<Vec<_>>();
    table.note(format!("Instructions the verifier walked: {}.", verified.join(", ")));
    Ok(())
}

/// Nanoseconds of one run of each of the pair for a call that nobody watches.
fn stranger(engine: &InProcess, outsider: &mut Worker, effort: Effort) -> Result<BTreeMap<String, f64>> {
    let before = engine.run_times()?;
    outsider.run(Kind::Getppid, Kind::Getppid.batch() / effort.shorten)?;
    let after = engine.run_times()?;
    let pair = differences(&before, &after).filter(|(name, ..)| name.starts_with("am_sys_"));
    Ok(pair.map(|(name, runs, ns)| (name.to_owned(), ns / runs.max(1.0))).collect())
}

/// (probe, runs, nanoseconds) between two readings.
fn differences<'a>(before: &'a [ProgramRunTime], after: &'a [ProgramRunTime]) -> impl Iterator<Item = (&'a str, f64, f64)> {
    after.iter().filter_map(|after| {
        let before = before.iter().find(|before| before.name == after.name)?;
        Some((after.name.as_str(), (after.runs - before.runs) as f64, (after.ns - before.ns) as f64))
    })
}

impl Cost {
    fn add(&mut self, kind: Kind, count: u64, before: &[ProgramRunTime], after: &[ProgramRunTime], stranger: &BTreeMap<String, f64>) {
        let mut total = 0.0;
        for (name, mut runs, mut ns) in differences(before, after) {
            if let Some(price) = stranger.get(name) {
                let excess = (runs - (kind.syscalls() * count) as f64).max(0.0);
                ns -= excess * price;
                runs -= excess;
            }
            let (probe_runs, probe_ns) = self.probes.entry(name.to_owned()).or_default();
            probe_runs.push(runs / count as f64);
            probe_ns.push(ns / count as f64);
            total += ns;
        }
        self.total_ns.push(total / count as f64);
    }
}

fn report(costs: &BTreeMap<Kind, Cost>, unwatched: &Samples, table: &mut Table) {
    for (kind, bar) in [(Kind::CreateUnlink, 1.5), (Kind::Exec, 8.0)] {
        let Some(cost) = costs.get(&kind) else { continue };
        let what = format!("{}: time in our programs", kind.name());
        let detail = format!("spread ±{:.2}; counting included", cost.total_ns.spread() / 1000.0);
        table.at_most(&what, "µs", bar, cost.total_ns.median() / 1000.0, &detail);
    }
    table.note(format!(
        "Time in our programs is the kernel's count (BPF run-time stats), which includes part of its own two clock reads per run. A pair \
         of runs for a system call that nobody watches counts as {:.0} ns.",
        unwatched.median()
    ));
    for (kind, cost) in costs {
        let probes: Vec<String> = cost
            .probes
            .iter()
            .filter(|(_, (runs, _))| runs.median() > 0.001)
            .map(|(name, (runs, ns))| format!("{name} {:.0} ns in {:.1} runs", ns.median(), runs.median()))
            .collect();
        table.note(format!("- {}: {:.0} ns = {}", kind.name(), cost.total_ns.median(), probes.join(" + ")));
        table.keep(format!("{} in programs ns", kind.name()), &cost.total_ns);
    }
}
