//! Running programs as the first process: orphans of theirs end up here and are waited for too.

use crate::plan::{Plan, Task};
use crate::say;
use rustix::process::{Pid, WaitOptions, wait};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs a task; each test of a test program is a process of its own, so that one cannot disturb the next.
pub fn run(plan: &Plan, task: &Task) {
    match task {
        Task::Once { name, words } => timed(name, command(plan, &words[0]).args(&words[1..])),
        Task::Tests { name, program } => {
            for test in tests_of(plan, program).iter().filter(|test| test.contains(&plan.filter)) {
                let mut command = command(plan, program);
                timed(&format!("{name}::{test}"), command.args(["--exact", test, "--nocapture", "--color=never"]));
            }
        }
    }
}

fn command(plan: &Plan, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(&plan.directory).env_clear().envs(plan.environment.iter().map(|(name, value)| (name, value)));
    command
}

/// The names that `--list` prints.
fn tests_of(plan: &Plan, program: &str) -> Vec<String> {
    let output = command(plan, program).args(["--list", "--format=terse"]).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
    assert!(output.status.success(), "{program} cannot list its tests: {}", output.status);
    let list = String::from_utf8(output.stdout).expect("names in UTF-8");
    list.lines().filter_map(|line| line.strip_suffix(": test").map(str::to_owned)).collect()
}

/// Says that it begins, runs it, says that it ended: exit status (128 + N for a signal) and milliseconds.
fn timed(name: &str, command: &mut Command) {
    say(&format!("begin {name}"));
    let start = Instant::now();
    let status = match command.stdin(Stdio::null()).spawn() {
        Ok(child) => wait_for(Pid::from_child(&child)),
        Err(error) => {
            println!("cannot start {}: {error}", command.get_program().display());
            127
        }
    };
    say(&format!("end {name} {status} {}", start.elapsed().as_millis()));
}

/// Waits for whoever ends until it is this one.
fn wait_for(wanted: Pid) -> i32 {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == wanted => {
                return status.exit_status().or_else(|| Some(128 + status.terminating_signal()?)).unwrap_or(-1);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("waiting for process {wanted:?}: {error}"),
        }
    }
}
