//! `cargo xtask test`: the tests of the crates, then the tests against this machine's kernel.

use std::process::Command;

use anyhow::Result;

use crate::cli::TestArguments;
use crate::environment::host_cargo;
use crate::failure::Failure;
use crate::root::{self, Means};
use crate::{build, process, setup, terminal, workspace};

/// The package with the tests that load eBPF programs, behind its feature `kernel`.
pub const KERNEL_TESTS: &[&str] = &["--package", "agentmon-tests", "--features", "kernel"];

/// `cargo xtask test`.
pub fn verb(arguments: &TestArguments) -> Result<()> {
    // Before minutes of building.
    let means = if arguments.host_only { None } else { Some(means_to_load("the kernel tests")?) };
    setup::test_packages()?;
    build::all()?;
    refuse_nothing(arguments, means)?;
    terminal::step("tests of the crates (no root needed)");
    run(host_tests(arguments, &[]), "tests of the crates")?;
    let Some(means) = means else {
        terminal::warning("the kernel tests were left out (--host-only)");
        return Ok(());
    };
    terminal::step("tests on this machine's kernel");
    run(kernel_tests(arguments, means, &[]), "kernel tests")
}

/// How programs that load eBPF can be started, or why they cannot.
pub fn means_to_load(what: &str) -> Result<Means> {
    root::means().ok_or_else(|| {
        Failure::new(format!("{what} load eBPF programs: that needs root"))
            .hint("run as root, or where sudo asks for no password")
            .hint("`cargo xtask test --host-only` runs the tests that need no root")
            .into()
    })
}

/// Makes cargo start what it built as root, and tells it where agentmon is.
pub fn as_root(cargo: &mut Command, means: Means) {
    cargo.env("AGENTMON_BIN", workspace::agentmon(false));
    if means == Means::Sudo {
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let variable = target.to_uppercase().replace('-', "_");
        cargo.env(format!("CARGO_TARGET_{variable}_RUNNER"), "sudo -n -E");
    }
}

/// A run of no tests would pass: an error, whether the filter or the build left none.
fn refuse_nothing(arguments: &TestArguments, means: Option<Means>) -> Result<()> {
    const LIST: &[&str] = &["--list", "--format=terse"];
    let kernel = match means {
        Some(means) => count(&process::stdout_of(&mut kernel_tests(arguments, means, LIST))?),
        None => 0,
    };
    match &arguments.filter {
        Some(_) if kernel > 0 => Ok(()),
        Some(filter) => {
            if count(&process::stdout_of(&mut host_tests(arguments, LIST))?) > 0 {
                return Ok(());
            }
            Err(Failure::new(format!("no test has {filter:?} in its name"))
                .hint("`cargo test -- --list` prints the names of the tests that need no root")
                .into())
        }
        None if kernel > 0 || means.is_none() => Ok(()),
        None => Err(Failure::new("there are no kernel tests: nothing would be tested")
            .hint("they are in the folder tests, behind the feature `kernel`")
            .into()),
    }
}

/// The tests in the output of a test program's `--list --format=terse`.
fn count(list: &str) -> usize {
    list.lines().filter(|line| line.ends_with(": test")).count()
}

fn host_tests(arguments: &TestArguments, options: &[&str]) -> Command {
    let mut cargo = host_cargo("test");
    cargo.args(["--workspace", "--exclude", "agentmon-ebpf"]);
    cargo.env("AGENTMON_BIN", workspace::agentmon(false));
    cargo.arg("--").args(options).args(&arguments.filter);
    cargo
}

fn kernel_tests(arguments: &TestArguments, means: Means, options: &[&str]) -> Command {
    let mut cargo = host_cargo("test");
    cargo.args(KERNEL_TESTS);
    as_root(&mut cargo, means);
    // One at a time: they share the kernel, and count what it does.
    cargo.args(["--", "--test-threads=1"]).args(options).args(&arguments.filter);
    cargo
}

fn run(mut command: Command, what: &str) -> Result<()> {
    process::run_with_stdout(&mut command)
        .map_err(|error| Failure::new(format!("{what} failed: {error:#}")).hint("run one of them: cargo xtask test NAME").into())
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn only_tests_are_counted() {
        assert_eq!(count("a::b: test\nc: benchmark\nd: test\n"), 2);
        assert_eq!(count(""), 0);
    }
}
