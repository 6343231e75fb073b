//! What a machine said on its second serial port: lines of `vm-init` and of the tests between them.

use std::collections::BTreeSet;
use std::mem;

/// What begins a line of vm-init.
const MARK: &str = "vm: ";

/// A program or a test that was run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// `program::test`, or the name of what is run once.
    pub name: String,
    /// What it printed.
    pub output: Vec<String>,
    /// Exit status; none when the machine ended first.
    pub status: Option<i32>,
    /// How long it took.
    pub milliseconds: u64,
}

/// Everything that was said.
#[derive(Debug, Default)]
pub struct Report {
    /// The kernel's release.
    pub release: String,
    /// Features that are there.
    pub features: BTreeSet<String>,
    /// What was run, in order.
    pub runs: Vec<Run>,
    /// vm-init came to the end of its plan.
    pub complete: bool,
    /// A line without its end yet.
    partial: Vec<u8>,
}

impl Run {
    /// The test's name without its program's.
    pub fn test(&self) -> &str {
        self.name.split_once("::").map_or(&self.name, |(_, test)| test)
    }

    /// Its program's name.
    pub fn program(&self) -> &str {
        self.name.split_once("::").map_or(&self.name, |(program, _)| program)
    }

    /// The reasons for which it says something was skipped.
    pub fn skips(&self) -> Vec<&str> {
        let own = format!("skipped: {}: ", self.test());
        let said = self.output.iter().filter_map(|line| line.find(&own).map(|at| &line[at + own.len()..]));
        let ignored = self.output.iter().any(|line| line.contains("; 1 ignored;"));
        said.chain(ignored.then_some("ignored")).collect()
    }

    /// Whether it is a test that passed: exit status 0 of a program that ran no test is not enough.
    pub fn passed(&self) -> bool {
        let ran = self.output.iter().any(|line| line.contains("test result: ok. 1 passed;") || line.contains("; 1 ignored;"));
        self.status == Some(0) && ran
    }
}

impl Report {
    /// Takes more of the log.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let rest = self.partial.split_off(end + 1);
            let line = mem::replace(&mut self.partial, rest);
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end_matches(['\r', '\n']));
        }
    }

    fn line(&mut self, line: &str) {
        let Some(said) = line.strip_prefix(MARK) else {
            if let Some(run) = self.runs.last_mut().filter(|run| run.status.is_none()) {
                run.output.push(line.to_owned());
            }
            return;
        };
        let words: Vec<_> = said.split(' ').collect();
        match words[..] {
            ["kernel", release] => release.clone_into(&mut self.release),
            ["feature", name] => {
                self.features.insert(name.to_owned());
            }
            ["begin", name] => self.runs.push(Run { name: name.to_owned(), ..Run::default() }),
            ["end", name, status, milliseconds] => {
                if let Some(run) = self.runs.last_mut().filter(|run| run.name == name) {
                    run.status = status.parse().ok();
                    run.milliseconds = milliseconds.parse().unwrap_or(0);
                }
            }
            ["end", "of", "plan"] => self.complete = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    const LOG: &str = "\nvm: kernel 6.1.0\r\n\nvm: feature btf\n\nvm: begin k::a\n\nrunning 1 test\ntest a ... skipped: a: no x\nok\n\n\
                       test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out\n\nvm: end k::a 0 12\n\
                       vm: begin k::b\ntest b ... ";

    #[test]
    fn a_log_that_comes_in_pieces_is_read_as_a_whole() {
        let mut report = Report::default();
        for byte in LOG.as_bytes() {
            report.hear(&[*byte]);
        }
        assert_eq!((report.release.as_str(), report.complete), ("6.1.0", false));
        assert!(report.features.contains("btf"));
        let [one, two] = &report.runs[..] else { panic!("{:?}", report.runs) };
        assert_eq!((one.program(), one.test(), one.milliseconds), ("k", "a", 12));
        assert!(one.passed() && !two.passed());
        assert_eq!(one.skips(), ["no x"]);
        assert_eq!(two.status, None);
    }

    #[test]
    fn a_program_that_ran_no_test_has_not_passed() {
        let mut report = Report::default();
        report.hear(b"vm: begin k::a\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured\nvm: end k::a 0 1\nvm: end of plan\n");
        assert!(report.complete && !report.runs[0].passed());
    }

    #[test]
    fn an_ignored_test_is_a_skip() {
        let mut report = Report::default();
        report.hear(b"vm: begin k::a\ntest result: ok. 0 passed; 0 failed; 1 ignored; 0 measured\nvm: end k::a 0 1\n");
        assert_eq!(report.runs[0].skips(), ["ignored"]);
    }
}
