//! Ordinary coding work under the real sensor, with the built-in rules: nothing is told at level high.
//!
//! Each script of `tests/baselines/` runs in a directory of its own. One that ends with 77 needs a tool that is not here, and says
//! which by its name; git and the shell are always there.

use agentmon_tests::e2e::binary::agentmon;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Directory of the scripts.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baselines")
}

/// Runs a script as an agent that works in `workdir`; its NDJSON lines, or `None` when it lacks a tool.
fn session(script: &Path, workdir: &Path) -> Option<Vec<Value>> {
    let mut command = agentmon();
    command.args(["run", "--observe", "--no-metrics", "-o", "json", "--workdir"]).arg(workdir);
    command.arg("--").arg("sh").arg(script).current_dir(workdir);
    let output = command.output().expect("agentmon runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => {}
        Some(77) => return None,
        code => panic!("{} ended with {code:?}: {said}", script.display()),
    }
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Some(lines.map(|line| serde_json::from_slice(line).expect("a JSON line")).collect())
}

/// Lines at level high or above.
fn high(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["severity_id"].as_u64() >= Some(4)).collect()
}

#[test]
fn work_that_is_not_ordinary_raises_something_in_the_same_session() {
    let workdir = tempfile::tempdir().expect("a directory");
    let script = workdir.path().join("odd.sh");
    std::fs::write(&script, "cat /etc/shadow >/dev/null\n").expect("a script");
    let lines = session(&script, workdir.path()).expect("cat is there");
    assert!(!high(&lines).is_empty(), "{lines:?}");
}

#[test]
fn ordinary_work_raises_nothing_at_level_high() {
    let mut tried = Vec::new();
    let mut names: Vec<PathBuf> = std::fs::read_dir(scripts()).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    names.sort();
    for script in names {
        let name = script.file_stem().expect("a name").to_string_lossy().into_owned();
        let workdir = tempfile::tempdir().expect("a directory");
        let Some(lines) = session(&script, workdir.path()) else {
            eprintln!("{name}: not tried, a tool it needs is not installed");
            continue;
        };
        assert!(lines.len() > 100, "{name}: only {} lines", lines.len());
        let told: Vec<String> =
            high(&lines).into_iter().map(|line| format!("{} {} {}", line["policy"]["name"], line["finding_info"]["title"], line)).collect();
        assert!(told.is_empty(), "{name}: {}", told.join("\n"));
        tried.push(name);
    }
    assert!(tried.iter().any(|name| name == "git") && tried.iter().any(|name| name == "shell"), "only {tried:?}");
}
