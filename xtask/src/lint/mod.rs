//! `cargo xtask lint`: the invariants of docs/architecture.md that a machine can check.
//!
//! A list of checks over the text of the files git knows. What rustc or clippy can check is
//! not repeated here, except where they do not reach (the eBPF crate).

mod allowed;
mod boundaries;
mod evasions;
mod imports;
mod kernel_names;
mod layout;
mod metrics;
mod source;
mod tree;
mod unsafety;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::LintArguments;
use crate::{terminal, workspace};

use tree::Tree;

/// A place that breaks an invariant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Counted from 1.
    line: usize,
    message: String,
    severity: Severity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Error,
    Warning,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into(), severity: Severity::Error }
    }
}

/// One invariant.
struct Check {
    name: &'static str,
    /// One sentence: what goes wrong without it.
    why: &'static str,
    run: fn(&Tree) -> Vec<Finding>,
}

const CHECKS: &[Check] = &[
    Check {
        name: "aya-only-in-sensor",
        why: "everything after the sensor can be tested and replayed without a kernel",
        run: boundaries::aya_only_in_sensor,
    },
    Check {
        name: "pure-stages",
        why: "rules and the process table give the same result live and in replay only if they \
              read no clock and do no I/O",
        run: boundaries::pure_stages,
    },
    Check {
        name: "serde-at-the-edge",
        why: "only types on a process boundary are serialized, so that inner types can change",
        run: boundaries::serde_at_the_edge,
    },
    Check { name: "no-glob-import", why: "a reader sees where a name comes from", run: imports::no_glob },
    Check {
        name: "safety-comment",
        why: "each unsafe operation says why it is sound; clippy does not reach the eBPF crate",
        run: unsafety::safety_comment,
    },
    Check {
        name: "unsafe-place",
        why: "unsafe code in agentmon stays in few files that are read with more care",
        run: unsafety::unsafe_place,
    },
    Check {
        name: "metric-names",
        why: "metrics are found by their prefix, and a label an agent can choose grows without bound",
        run: metrics::names_and_labels,
    },
    Check {
        name: "kernel-names",
        why: "am_ and AM_ tell our programs and maps from everybody else's in bpftool",
        run: kernel_names::prefixes,
    },
    Check {
        name: "evasions",
        why: "a way around that the catalogue calls closed or detected is shown to be by a test that exists",
        run: evasions::tests_exist,
    },
    Check { name: "file-purpose", why: "a file says in its first paragraph what it is for", run: layout::file_purpose },
    Check { name: "file-name", why: "a file named after nothing collects everything", run: layout::file_name },
    Check { name: "file-size", why: "a file that is read in one go has 300 lines; 400 is a warning, 600 an error", run: layout::file_size },
    Check {
        name: "top-level",
        why: "the top folder shows the crates, the rules and the documentation, nothing else",
        run: layout::top_level,
    },
    Check { name: "no-binaries", why: "everything that runs is built from source that can be read", run: layout::no_binaries },
];

/// `cargo xtask lint`.
pub fn verb(arguments: &LintArguments) -> Result<ExitCode> {
    if arguments.list {
        for check in CHECKS {
            println!("{}: {}", check.name, check.why);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let tree = Tree::of_git(&workspace::root())?;
    let errors = CHECKS.iter().map(|check| report(check, &tree)).sum::<usize>();
    let (files, checks) = (tree.files.len(), CHECKS.len());
    if errors > 0 {
        eprintln!("error: {errors} findings of {checks} checks in {files} files");
        eprintln!("hint: `cargo xtask lint --list` says why each check is there");
        return Ok(ExitCode::FAILURE);
    }
    terminal::step(&format!("lint: {checks} checks passed on {files} files"));
    Ok(ExitCode::SUCCESS)
}

/// Prints a check's findings and returns the number of errors.
fn report(check: &Check, tree: &Tree) -> usize {
    let mut findings = (check.run)(tree);
    findings.sort();
    findings.dedup();
    for finding in &findings {
        let Finding { path, line, message, .. } = finding;
        let warning = match finding.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        println!("{path}:{line}: [{}] {warning}{message}", check.name);
    }
    findings.iter().filter(|finding| finding.severity == Severity::Error).count()
}

#[cfg(test)]
mod tests {
    use super::{CHECKS, Tree};
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn check_names_are_unique() {
        let names: BTreeSet<_> = CHECKS.iter().map(|check| check.name).collect();
        assert_eq!(names.len(), CHECKS.len());
    }

    #[test]
    fn every_check_passes_on_an_empty_tree() {
        for check in CHECKS {
            assert_eq!((check.run)(&Tree::default()), [], "{}", check.name);
        }
    }

    #[test]
    fn a_folder_that_git_does_not_know_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Tree::of_git(directory.path()).is_err());
        assert!(Tree::of_git(Path::new("/nonexistent")).is_err());
    }
}
