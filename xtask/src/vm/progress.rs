//! What the person at the terminal sees while a machine runs, and after it failed.

use std::mem;

use super::matrix::Kernel;
use super::qemu::{self, End};
use super::report::{Report, Run};
use crate::terminal;

/// Lines of the kernel's log that are shown when the kernel did not come to its end.
const TAIL: usize = 40;

/// Reads the report and says where it is: one line for each program.
pub struct Progress {
    /// All that was heard.
    pub report: Report,
    kernel: String,
    /// Runs that were counted.
    counted: usize,
    current: Program,
}

/// The program whose tests are counted.
#[derive(Default)]
struct Program {
    name: String,
    tests: usize,
    milliseconds: u64,
}

impl Progress {
    /// Of a kernel that is not booted yet.
    pub fn of(kernel: &str) -> Self {
        Self { report: Report::default(), kernel: kernel.to_owned(), counted: 0, current: Program::default() }
    }

    /// Takes more of the log.
    pub fn hear(&mut self, bytes: &[u8]) {
        let booted = !self.report.release.is_empty();
        self.report.hear(bytes);
        if !booted && !self.report.release.is_empty() {
            terminal::step(&format!("{}: Linux {} is up", self.kernel, self.report.release));
        }
        self.count();
        if self.report.complete {
            self.show();
        }
    }

    fn count(&mut self) {
        while let Some(run) = self.report.runs.get(self.counted) {
            if run.program() != self.current.name {
                let next = Program { name: run.program().to_owned(), ..Program::default() };
                self.show();
                self.current = next;
            }
            let Some(run) = self.report.runs.get(self.counted).filter(|run| run.status.is_some()) else {
                return;
            };
            self.current.tests += 1;
            self.current.milliseconds += run.milliseconds;
            self.counted += 1;
        }
    }

    fn show(&mut self) {
        let Program { name, tests, milliseconds } = mem::take(&mut self.current);
        if tests > 0 {
            let (seconds, tenths) = (milliseconds / 1000, milliseconds % 1000 / 100);
            terminal::step(&format!("{}: {name}: {tests} run in {seconds}.{tenths} s", self.kernel));
        }
    }
}

/// Everything that helps to understand a failure.
pub fn explain(kernel: &Kernel, end: End, report: &Report, problems: &[String]) {
    let (kernel_log, test_log) = qemu::logs(kernel);
    let failed = |run: &&Run| !run.passed() && (kernel.refuses.is_none() || run.status.is_none());
    for run in report.runs.iter().filter(failed) {
        eprintln!("--- {}: {} printed:", kernel.name, run.name);
        run.output.iter().for_each(|line| eprintln!("    {}", qemu::printable(line)));
    }
    if kernel.refuses.is_some() {
        eprintln!("--- {}: the machine printed:\n{}", kernel.name, qemu::tail(&test_log, TAIL));
    }
    if end != End::Regular {
        eprintln!("--- {}: end of the kernel's log:\n{}", kernel.name, qemu::tail(&kernel_log, TAIL));
        eprint!("{}", qemu::tail(&kernel_log.with_file_name("qemu.log"), TAIL));
    }
    for problem in problems {
        eprintln!("{}: {problem}", kernel.name);
    }
    eprintln!("hint: the logs are {} and {}", kernel_log.display(), test_log.display());
}
