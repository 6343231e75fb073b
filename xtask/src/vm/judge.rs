//! Holds what a machine said against what tests/vm/matrix.toml says of its kernel.

use super::initramfs::REFUSAL;
use super::matrix::{Kernel, Refusal, Skip};
use super::qemu::End;
use super::report::{Report, Run};

/// Everything that is not as declared, a sentence each. None: the kernel passed.
pub fn problems(kernel: &Kernel, skips: &[Skip], filter: &str, end: End, report: &Report) -> Vec<String> {
    let mut problems = ending(end, report);
    // A machine that died before it could say anything has one problem, not many.
    if report.release.is_empty() {
        if problems.is_empty() {
            problems.push("the machine said nothing".to_owned());
        }
        return problems;
    }
    problems.extend(features(kernel, report));
    match &kernel.refuses {
        Some(refusal) => problems.extend(refused(refusal, report)),
        None => {
            problems.extend(tests(report));
            problems.extend(skipped(skips, filter, report));
        }
    }
    problems
}

fn ending(end: End, report: &Report) -> Vec<String> {
    let unfinished = report.runs.last().filter(|run| run.status.is_none());
    let after = if report.complete { " after its plan" } else { "" };
    let during = unfinished.map_or(after.to_owned(), |run| format!(" during {}", run.name));
    match end {
        End::Regular if report.complete => Vec::new(),
        End::Regular => vec!["the machine ended in order, but its plan did not come to an end".to_owned()],
        End::Crash(status) => vec![format!("the machine crashed or stopped{during} (QEMU: {status})")],
        End::TimeOver => vec![format!("its time was over{during}")],
    }
}

fn features(kernel: &Kernel, report: &Report) -> Vec<String> {
    let missing = kernel.supports.difference(&report.features).map(|name| format!("the feature {name} is declared, and not there"));
    let found = report.features.difference(&kernel.supports).map(|name| format!("the feature {name} is there, and not declared"));
    missing.chain(found).collect()
}

fn tests(report: &Report) -> Vec<String> {
    if report.runs.is_empty() && report.complete {
        return vec!["no test ran".to_owned()];
    }
    let failed = report.runs.iter().filter(|run| run.status.is_some() && !run.passed());
    failed.map(|run| format!("{} failed (exit status {})", run.name, run.status.unwrap_or_default())).collect()
}

/// Skips that nobody declared, and declared ones that did not happen.
fn skipped(skips: &[Skip], filter: &str, report: &Report) -> Vec<String> {
    let mut problems = Vec::new();
    for run in &report.runs {
        let undeclared = |reason: &&&str| !skips.iter().any(|skip| skip.test == run.test() && reason.starts_with(&skip.reason));
        let said = run.skips();
        problems.extend(said.iter().filter(undeclared).map(|reason| format!("{} was skipped, which is not declared: {reason}", run.name)));
    }
    let happened = |skip: &Skip, run: &Run| run.test() == skip.test && run.skips().iter().any(|reason| reason.starts_with(&skip.reason));
    for skip in skips.iter().filter(|skip| skip.test.contains(filter)) {
        if report.complete && !report.runs.iter().any(|run| happened(skip, run)) {
            problems.push(format!("the skip of {} ({}) is declared, and did not happen", skip.test, skip.reason));
        }
    }
    problems
}

fn refused(refusal: &Refusal, report: &Report) -> Vec<String> {
    let Some(run) = report.runs.iter().find(|run| run.name == REFUSAL) else {
        return vec!["agentmon was not started".to_owned()];
    };
    let mut problems = Vec::new();
    if run.status.is_some_and(|status| status != refusal.exit) {
        problems.push(format!("agentmon ended with exit status {}, and {} is declared", run.status.unwrap_or_default(), refusal.exit));
    }
    if run.status.is_some() {
        let unsaid = refusal.says.iter().filter(|says| !run.output.iter().any(|line| line.contains(says.as_str())));
        problems.extend(unsaid.map(|says| format!("agentmon did not say {says:?}")));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{End, Kernel, Refusal, Report, Skip, problems};

    fn kernel(supports: &[&str], refuses: Option<Refusal>) -> Kernel {
        let supports = supports.iter().map(ToString::to_string).collect();
        let text = String::new;
        Kernel {
            name: text(),
            suite: text(),
            package: text(),
            version: text(),
            sha256: text(),
            series: text(),
            cmdline: text(),
            supports,
            refuses,
        }
    }

    fn report(log: &str) -> Report {
        let mut report = Report::default();
        report.hear(format!("vm: kernel 6\n{log}").as_bytes());
        report
    }

    /// A test that passes after saying something.
    fn passing(said: &str) -> String {
        format!("vm: begin k::a\n{said}\ntest result: ok. 1 passed; 0 failed\nvm: end k::a 0 1\nvm: end of plan\n")
    }

    fn found(log: &str, skips: &[Skip]) -> Vec<String> {
        problems(&kernel(&[], None), skips, "", End::Regular, &report(log))
    }

    fn skip(test: &str) -> Skip {
        Skip { kernels: Vec::new(), test: test.to_owned(), reason: "no x".to_owned() }
    }

    #[test]
    fn a_pass_has_no_problem() {
        assert_eq!(found(&passing(""), &[]), [""; 0]);
        assert_eq!(found(&passing("skipped: a: no x here"), &[skip("a")]), [""; 0]);
    }

    #[test]
    fn undeclared_skips_and_declared_ones_that_do_not_happen_are_problems() {
        assert!(found(&passing("skipped: a: no x"), &[])[0].contains("not declared: no x"));
        assert!(found(&passing("skipped: a: no y"), &[skip("a")])[0].contains("not declared: no y"));
        assert!(found(&passing(""), &[skip("a")])[0].contains("did not happen"));
        assert!(found(&passing(""), &[skip("of_no_test")])[0].contains("did not happen"));
    }

    #[test]
    fn a_filter_excuses_only_the_skips_it_leaves_out() {
        let with = |filter| problems(&kernel(&[], None), &[skip("b")], filter, End::Regular, &report(&passing("")));
        assert_eq!(with("a"), [""; 0]);
        assert_eq!(with("b").len(), 1);
    }

    #[test]
    fn failures_and_empty_runs_are_problems() {
        assert!(found("vm: begin k::a\nvm: end k::a 101 1\nvm: end of plan\n", &[])[0].contains("k::a failed (exit status 101)"));
        assert_eq!(found("vm: end of plan\n", &[]), ["no test ran"]);
    }

    #[test]
    fn a_machine_that_does_not_come_to_its_end_has_a_problem() {
        let cut = report("vm: begin k::a\n");
        let crash = End::Crash(std::os::unix::process::ExitStatusExt::from_raw(0));
        assert!(problems(&kernel(&[], None), &[], "", crash, &cut)[0].contains("stopped during k::a"));
        assert_eq!(problems(&kernel(&[], None), &[], "", End::TimeOver, &cut), ["its time was over during k::a"]);
        assert!(problems(&kernel(&[], None), &[], "", End::Regular, &cut)[0].contains("plan"));
        assert_eq!(problems(&kernel(&["btf"], None), &[], "", End::TimeOver, &Report::default()).len(), 1);
    }

    #[test]
    fn features_are_exactly_those_declared() {
        let heard = report(&format!("vm: feature b\n{}", passing("")));
        let found = problems(&kernel(&["a"], None), &[], "", End::Regular, &heard);
        assert_eq!(found, ["the feature a is declared, and not there", "the feature b is there, and not declared"]);
    }

    #[test]
    fn a_refusal_has_its_status_and_its_words() {
        let refusal = || Some(Refusal { exit: 125, says: vec!["bpf_loop".to_owned()] });
        let run = |said: &str, code: i32| report(&format!("vm: begin refusal\n{said}\nvm: end refusal {code} 1\nvm: end of plan\n"));
        let found = |report| problems(&kernel(&[], refusal()), &[], "", End::Regular, &report);
        assert_eq!(found(run("error: no bpf_loop", 125)), [""; 0]);
        assert!(found(run("error: no bpf_loop", 0))[0].contains("exit status 0"));
        assert!(found(run("panicked", 125))[0].contains("did not say"));
        assert_eq!(found(report("vm: end of plan\n")), ["agentmon was not started"]);
    }
}
