//! Live lines on a standard output that the agent shares and tampers with, and on one that nobody reads.

use agentmon_tests::e2e::binary::agentmon;
use agentmon_tests::e2e::poll::{eventually, until};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use tempfile::TempDir;

const STIMULUS: &str = env!("CARGO_BIN_EXE_stimulus");

/// `agentmon run` on pipes. Dropped, it is killed; its agent dies by the lifeline.
struct Piped {
    child: Child,
    place: TempDir,
}

impl Piped {
    fn start(mode: &str) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let mut command = agentmon();
        command.args(["run", "--no-metrics", "-o", "compact", "--all", "--log-dir"]).arg(place.path());
        command.args(["--", STIMULUS, mode]).arg(place.path());
        let stderr = std::fs::File::create(place.path().join("stderr")).expect("a file");
        let child = command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("agentmon starts");
        Self { child, place }
    }

    fn stderr(&self) -> String {
        std::fs::read_to_string(self.place.path().join("stderr")).unwrap_or_default()
    }

    fn code(&mut self) -> i32 {
        let status = eventually("agentmon ends", || match self.child.try_wait().expect("a child") {
            Some(status) => Ok(status),
            None => Err(format!("it runs; standard error: {}", self.stderr())),
        });
        status.code().unwrap_or(-1)
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        // If it has ended, there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_has(directory: &Path, text: &str) -> bool {
    std::fs::read_to_string(directory.join("events.jsonl")).is_ok_and(|log| log.contains(text))
}

#[test]
fn live_lines_go_on_when_the_agent_makes_the_shared_output_non_blocking() {
    let mut run = Piped::start("fill-output");
    // The log gets its lines just before the screen: most of these were tried while the pipe was full.
    until("lines were written to a full pipe", || log_has(run.place.path(), "look-20\""));
    std::fs::write(run.place.path().join("go"), "").expect("a file");
    let mut shown = Vec::new();
    run.child.stdout.take().expect("a pipe").read_to_end(&mut shown).expect("a pipe");
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert!(shown.contains("filler\n"), "the agent never filled the pipe");
    for look in ["look-0 ", "look-19 ", "look-last "] {
        assert!(shown.contains(look), "{look:?} is not shown; standard error: {}", run.stderr());
    }
    assert!(run.stderr().contains("lost  0\n"), "{}", run.stderr());
}

#[test]
fn a_reader_that_stands_still_does_not_hold_up_the_end() {
    let mut run = Piped::start("chatter");
    let agent = eventually("the agent has made more lines than the pipe holds", || {
        std::fs::read_to_string(run.place.path().join("busy")).ok().filter(|pid| pid.ends_with('\n')).ok_or_else(|| run.stderr())
    });
    kill_process(Pid::from_child(&run.child), Signal::TERM).expect("agentmon runs");
    // Nobody reads the pipe, which stays open: without a limit this waits for ever.
    assert_eq!(run.code(), 143, "{}", run.stderr());
    let said = run.stderr();
    assert!(said.contains("whoever reads standard output stands still"), "{said}");
    assert!(said.contains(" at screen\n"), "what was not shown is counted: {said}");
    assert!(!agentmon_tests::e2e::group::runs(agent.trim().parse().expect("a pid")), "the agent lives");
}

#[test]
fn what_a_full_standard_output_does_not_take_is_counted_line_by_line() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let script = "i=0; while [ $i -lt 50 ]; do : < /proc/version; sleep 0.01; i=$((i+1)); done";
    let mut command = agentmon();
    command.args(["run", "--no-metrics", "-o", "json", "--", "/bin/sh", "-c", script]).stdout(full);
    let output = command.output().expect("agentmon starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let number = |title: &str| {
        let line = said.lines().find(|line| line.starts_with(title)).unwrap_or_else(|| panic!("no {title}: {said}"));
        line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or_else(|| panic!("{line}"))
    };
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(number("summary") > 100, "{said}");
    assert!(number("lost") >= number("summary"), "every line of it is lost: {said}");
    assert!(said.contains("live lines cannot be written any more: "), "{said}");
}
