//! What agentmon costs and carries, on this kernel and machine: `cargo xtask bench`.
//!
//! Prints one table in Markdown: what, bar, measured, met. Overhead is measured against the bare host in the same run,
//! the two in turns, medians of several rounds. Not for tests: nothing here passes or fails by the clock.
#![expect(clippy::disallowed_methods, reason = "a benchmark paces and polls by the clock")]

mod breaker;
mod daemon;
mod engine;
mod machine;
mod overhead;
mod programs;
mod resources;
mod rules;
mod samples;
mod table;
mod throughput;
mod victim;
mod worker;
mod workload;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use engine::EngineChoice;
use std::path::PathBuf;
use table::Table;

/// Counts what one thread allocates; the others pay a few instructions.
#[global_allocator]
static ALLOCATOR: rules::Counting = rules::Counting;

/// CPU of the workload; everything else runs on the others.
pub const WORKLOAD_CPU: usize = 0;

/// Measures what agentmon costs and carries on this host.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    role: Option<Role>,
    /// Only these measurements.
    #[arg(long, value_enum)]
    only: Vec<Measurement>,
    /// Rounds of everything that is measured in turns.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Shorter batches and fewer rounds: shows that it works, not what it costs.
    #[arg(long)]
    quick: bool,
    /// Also write every sample to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Who consumes the records: the daemon as users run it, or the sensor in this process (drain and decode only).
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    engine: EngineChoice,
    /// The daemon's binary.
    #[arg(long, default_value = "target/release/agentmon")]
    agentmon: PathBuf,
    /// More rules for the measurement `rules`, beside the built-in ones: a directory such as SigmaHQ's `rules/linux`.
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
}

/// What this binary does when it starts itself.
#[derive(Debug, Subcommand)]
enum Role {
    /// Runs operations as told on standard input.
    #[command(hide = true)]
    Worker {
        /// Directory to work in: three components.
        dir: PathBuf,
    },
    /// Does something forbidden, then counts until it is killed.
    #[command(hide = true)]
    Victim {
        /// File whose opening is forbidden.
        canary: PathBuf,
        /// Where the times go.
        times: PathBuf,
    },
}

/// One block of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// Time added to system calls, watched and not.
    Overhead,
    /// Time in the probes, by BPF run-time stats.
    Programs,
    /// Sustained rate without loss, and CPU per event.
    Throughput,
    /// Event to kill.
    Breaker,
    /// Memory, and start to watching.
    Resources,
    /// The rules by themselves.
    Rules,
}

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds.
    pub rounds: usize,
    /// Divides batch sizes and durations.
    pub shorten: u64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    match &args.role {
        Some(Role::Worker { dir }) => worker::serve(dir),
        Some(Role::Victim { canary, times }) => victim::run(canary, times),
        None => measure(&args),
    }
}

fn measure(args: &Args) -> Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "the benchmark loads eBPF programs and makes cgroups: run it as root");
    ensure!(std::thread::available_parallelism()?.get() > 1, "the benchmark needs two CPUs: one for the workload, one for agentmon");
    let effort = if args.quick { Effort { rounds: args.rounds.min(3), shorten: 8 } } else { Effort { rounds: args.rounds, shorten: 1 } };
    let engines = engine::Engines::new(args.engine, &args.agentmon)?;
    let others = agentmon::sensor::run_time::loaded_on_host();
    if others > 0 {
        eprintln!("warning: {others} probes of another agentmon are loaded: the bare host is not bare");
    }
    let mut table = Table::new(machine::describe()?, engines.name());
    for measurement in Measurement::value_variants().iter().filter(|m| args.only.is_empty() || args.only.contains(m)) {
        eprintln!("measuring {measurement:?}…");
        let outcome = match measurement {
            Measurement::Overhead => overhead::measure(&engines, effort, &mut table),
            Measurement::Programs => programs::measure(effort, &mut table),
            Measurement::Throughput => throughput::measure(&engines, effort, &mut table),
            Measurement::Breaker => breaker::measure(&engines, effort, &mut table),
            Measurement::Resources => resources::measure(&engines, effort, &mut table),
            Measurement::Rules => rules::measure(args.rules.as_ref(), effort, &mut table),
        };
        // One that failed does not take the others' figures with it.
        if let Err(error) = outcome {
            table.fail(&format!("{measurement:?}"), &error);
        }
    }
    print!("{table}");
    if let Some(file) = &args.json {
        std::fs::write(file, table.to_json()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    ensure!(!table.has_failed(), "not everything could be measured");
    Ok(())
}
