//! The programs that run in the machines: agentmon, the kernel tests and the first process, linked
//! statically, because the machine has no libraries.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::folders;
use crate::environment::host_cargo_into;
use crate::failure::Failure;
use crate::{process, terminal};

/// The only target whose system calls the probes know.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The test programs that run in a machine.
const TESTS: &str = "kernel_*";

/// What was built.
#[derive(Debug, Default)]
pub struct Programs {
    /// agentmon.
    pub agentmon: PathBuf,
    /// The first process.
    pub init: PathBuf,
    /// What the tests start, at the path they were compiled with.
    pub stimulus: PathBuf,
    /// Says what the verifier walked.
    pub verifier: PathBuf,
    /// Test programs, by name.
    pub tests: Vec<(String, PathBuf)>,
}

/// One line of cargo's report, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Builds them.
pub fn build() -> Result<Programs> {
    let _timed = terminal::timed("building the static programs of the virtual machines");
    let report = process::stdout_of(&mut cargo()).map_err(|error| Failure::new(format!("cannot build the programs: {error:#}")))?;
    let programs = parse(&report)?;
    let missing =
        [("agentmon", &programs.agentmon), ("vm-init", &programs.init), ("stimulus", &programs.stimulus), ("verifier", &programs.verifier)];
    if let Some((name, _)) = missing.iter().find(|(_, path)| path.as_os_str().is_empty()) {
        return Err(Failure::new(format!("cargo built no program {name}")).into());
    }
    if programs.tests.is_empty() {
        return Err(Failure::new(format!("there are no test programs {TESTS}: nothing would be tested")).into());
    }
    Ok(programs)
}

fn cargo() -> Command {
    let mut cargo = host_cargo_into(&folders::build(), "build");
    // Where the flags are for one target only, build scripts and macros do not get them.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "-C\u{1f}target-feature=+crt-static");
    cargo.args(["--profile", "vm", "--target", TARGET, "--package", "agentmon", "--package", "agentmon-tests"]);
    cargo.args(["--features", "agentmon-tests/kernel", "--bins", "--test", TESTS]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo
}

fn parse(report: &str) -> Result<Programs> {
    let mut programs = Programs::default();
    for line in report.lines() {
        let message: Message = serde_json::from_str(line).with_context(|| format!("cargo reports what is no message: {line}"))?;
        let (Some(path), Some(target)) = (message.executable, message.target) else {
            continue;
        };
        match target.name.as_str() {
            _ if target.kind.iter().any(|kind| kind == "test") => programs.tests.push((target.name, path)),
            "agentmon" => programs.agentmon = path,
            "vm-init" => programs.init = path,
            "stimulus" => programs.stimulus = path,
            "verifier" => programs.verifier = path,
            _ => {}
        }
    }
    programs.tests.sort();
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::path::Path;

    #[test]
    fn programs_are_found_in_cargos_report() {
        let line = |kind: &str, name: &str, path: &str| {
            format!("{{\"reason\":\"compiler-artifact\",\"target\":{{\"kind\":[\"{kind}\"],\"name\":\"{name}\"}},\"executable\":{path}}}\n")
        };
        let report = line("lib", "agentmon", "null")
            + &line("bin", "agentmon", "\"/t/agentmon\"")
            + &line("test", "kernel_b", "\"/t/kernel_b\"")
            + &line("test", "kernel_a", "\"/t/kernel_a\"")
            + "{\"reason\":\"build-finished\",\"success\":true}\n";
        let programs = parse(&report).unwrap();
        assert_eq!(programs.agentmon, Path::new("/t/agentmon"));
        assert_eq!(programs.tests.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["kernel_a", "kernel_b"]);
        assert!(parse("nonsense").is_err());
    }
}
