//! `cargo xtask vm`: boots Debian kernels in QEMU and runs the kernel tests in them.
//!
//! What is run and what must come of it stands in tests/vm/matrix.toml; the other end of the wire
//! is tests/src/bin/vm-init. Everything downloaded and built is below `target/vm`.

mod apt;
mod cpio;
mod folders;
mod image;
mod initramfs;
mod judge;
pub mod matrix;
pub mod programs;
mod progress;
mod qemu;
mod repin;
mod report;
mod table;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::cli::{BuildArguments, TestArguments, VmArguments};
use crate::failure::Failure;
use crate::{build, terminal, test};
use initramfs::Task;
use matrix::{HOST, Kernel, Machine, Matrix};
use programs::Programs;
use progress::Progress;
use qemu::End;
use table::{Outcome, Row};

/// Exit status when a kernel could not be tried at all.
const NOT_TRIED: u8 = 3;

/// `cargo xtask vm`.
pub fn verb(arguments: &VmArguments) -> Result<ExitCode> {
    let matrix = Matrix::read()?;
    if arguments.list {
        print!("{}", table::list(&matrix));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(name) = &arguments.repin {
        repin::kernel(matrix.kernel(name)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (kernels, host) = chosen(&matrix, &arguments.names)?;
    let mut rows = Vec::new();
    if !kernels.is_empty() {
        build::verb(&BuildArguments { bpf_only: true, ..BuildArguments::default() })?;
        let programs = programs::build()?;
        let session = Session { matrix: &matrix, programs, arguments };
        rows.extend(session.run_all(&kernels)?);
    }
    if host {
        rows.push(on_host(arguments));
    }
    println!("{}", table::results(&rows));
    Ok(exit_code(&rows))
}

/// What the verifier of a kernel of the matrix says (tests/src/bin/verifier.rs): the kernel's release, and lines.
pub fn verifier(matrix: &Matrix, programs: &Programs, kernel: &Kernel) -> Result<(String, Vec<String>)> {
    qemu::prepare(&matrix.machine)?;
    let mut progress = Progress::of(&kernel.name);
    let end = boot(&matrix.machine, programs, kernel, &Task::Verifier, false, &mut progress)?;
    let report = progress.report;
    let failed = || Failure::new(format!("kernel {}: the verifier's program did not come to its end", kernel.name));
    match report.runs.into_iter().find(|run| run.name == initramfs::VERIFIER) {
        Some(run) if run.status == Some(0) && end == End::Regular => Ok((report.release, run.output)),
        Some(run) => Err(failed().hint(run.output.join("\n      ")).into()),
        None => Err(failed().into()),
    }
}

/// The rows of these names, all without any; and whether this machine is among them.
fn chosen<'a>(matrix: &'a Matrix, names: &[String]) -> Result<(Vec<&'a Kernel>, bool)> {
    if names.is_empty() {
        return Ok((matrix.kernels.iter().collect(), false));
    }
    let kernels: Result<Vec<_>> = names.iter().filter(|name| *name != HOST).map(|name| matrix.kernel(name)).collect();
    Ok((kernels?, names.iter().any(|name| name == HOST)))
}

/// `cargo xtask test`, as a row of the table.
fn on_host(arguments: &VmArguments) -> Row {
    let start = Instant::now();
    let result = test::verb(&TestArguments { filter: arguments.filter.clone(), host_only: false });
    let outcome = result.map_or_else(|error| Outcome::Failed(vec![format!("{error:#}")]), |()| Outcome::Passed);
    Row { name: HOST.to_owned(), release: "this machine's".to_owned(), outcome, tests: None, skips: 0, time: start.elapsed() }
}

fn exit_code(rows: &[Row]) -> ExitCode {
    let is = |wanted: fn(&Outcome) -> bool| rows.iter().any(|row| wanted(&row.outcome));
    if is(|outcome| matches!(outcome, Outcome::Failed(_))) {
        ExitCode::FAILURE
    } else if is(|outcome| matches!(outcome, Outcome::NotTried(_))) {
        ExitCode::from(NOT_TRIED)
    } else {
        ExitCode::SUCCESS
    }
}

/// One call of the verb.
struct Session<'a> {
    matrix: &'a Matrix,
    programs: Programs,
    arguments: &'a VmArguments,
}

impl Session<'_> {
    fn run_all(&self, kernels: &[&Kernel]) -> Result<Vec<Row>> {
        let version = qemu::prepare(&self.matrix.machine)?;
        terminal::step(&format!("{version}, {} CPUs, without KVM", self.matrix.machine.cpus));
        Ok(kernels.iter().map(|kernel| self.run(kernel)).collect())
    }

    fn run(&self, kernel: &Kernel) -> Row {
        let start = Instant::now();
        let mut progress = Progress::of(&kernel.name);
        let outcome = self.outcome(kernel, &mut progress).unwrap_or_else(|error| {
            terminal::error(&error);
            Outcome::NotTried(format!("{error:#}"))
        });
        let report = progress.report;
        let skips = report.runs.iter().filter(|run| !run.skips().is_empty()).count();
        Row { name: kernel.name.clone(), release: report.release, outcome, tests: Some(report.runs.len()), skips, time: start.elapsed() }
    }

    fn outcome(&self, kernel: &Kernel, progress: &mut Progress) -> Result<Outcome> {
        let filter = self.arguments.filter.as_deref().unwrap_or_default();
        let task = if kernel.refuses.is_some() { Task::Refusal } else { Task::Tests(filter) };
        let end = boot(&self.matrix.machine, &self.programs, kernel, &task, self.arguments.keep, progress)?;
        let skips = self.matrix.skips_of(&kernel.name);
        let problems = judge::problems(kernel, &skips, filter, end, &progress.report);
        if problems.is_empty() {
            return Ok(Outcome::Passed);
        }
        progress::explain(kernel, end, &progress.report, &problems);
        Ok(Outcome::Failed(problems))
    }
}

/// Boots a kernel with a task and hears it to its end.
fn boot(machine: &Machine, programs: &Programs, kernel: &Kernel, task: &Task<'_>, keep: bool, progress: &mut Progress) -> Result<End> {
    let image = image::of(kernel)?;
    folders::fresh(&folders::run(&kernel.name))?;
    let initramfs = folders::run(&kernel.name).join("initramfs.cpio");
    initramfs::write(&initramfs, programs, task)?;
    let (kernel_log, test_log) = qemu::logs(kernel);
    terminal::step(&format!("{}: booting {} {}", kernel.name, kernel.package, kernel.version));
    let boot = qemu::Boot { machine, kernel, image: &image, initramfs: &initramfs, kernel_log: &kernel_log, test_log: &test_log };
    let end = qemu::boot(&boot, |bytes| progress.hear(bytes))?;
    if !keep {
        std::fs::remove_file(&initramfs).with_context(|| format!("cannot remove {}", initramfs.display()))?;
    }
    Ok(end)
}
