//! The tables of `cargo xtask vm`: what there is, and what came of it.

use std::fmt::Write as _;
use std::time::Duration;

use super::matrix::{HOST, Matrix};

/// What came of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All as declared.
    Passed,
    /// What is not as declared.
    Failed(Vec<String>),
    /// Why it could not be booted.
    NotTried(String),
}

/// One kernel.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What it calls itself.
    pub release: String,
    /// The result.
    pub outcome: Outcome,
    /// Tests that ran; none where nobody counted.
    pub tests: Option<usize>,
    /// Tests that were skipped, as declared or not.
    pub skips: usize,
    /// From its download to its end.
    pub time: Duration,
}

/// The table at the end.
pub fn results(rows: &[Row]) -> String {
    let mut lines = vec![["kernel", "release", "result", "run", "skipped", "seconds"].map(str::to_owned).to_vec()];
    for row in rows {
        let result = match &row.outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed(problems) => format!("FAILED ({})", problems.len()),
            Outcome::NotTried(_) => "NOT TRIED".to_owned(),
        };
        let tests = row.tests.map_or("-".to_owned(), |tests| tests.to_string());
        let seconds = row.time.as_secs().to_string();
        lines.push(vec![row.name.clone(), row.release.clone(), result, tests, row.skips.to_string(), seconds]);
    }
    aligned(&lines)
}

/// What can be named on the command line.
pub fn list(matrix: &Matrix) -> String {
    let mut lines = vec![["kernel", "suite", "package", "version", "what it must do"].map(str::to_owned).to_vec()];
    for kernel in &matrix.kernels {
        let must = match &kernel.refuses {
            Some(refusal) => format!("be refused: exit status {}", refusal.exit),
            None => format!("pass the tests; has {}", kernel.supports.iter().map(String::as_str).collect::<Vec<_>>().join(" ")),
        };
        lines.push(vec![kernel.name.clone(), kernel.suite.clone(), kernel.package.clone(), kernel.version.clone(), must]);
    }
    let host = [HOST, "-", "-", "-", "what `cargo xtask test` does, without a virtual machine"];
    lines.push(host.map(str::to_owned).to_vec());
    aligned(&lines)
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(row, "{cell:<width$}  ");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Matrix, Outcome, Row, list, results};
    use std::time::Duration;

    #[test]
    fn every_kernel_has_a_row_with_its_result() {
        let row = |outcome| Row {
            name: "6.1".to_owned(),
            release: String::new(),
            outcome,
            tests: Some(3),
            skips: 1,
            time: Duration::from_secs(70),
        };
        let text = results(&[row(Outcome::Passed), row(Outcome::Failed(vec![String::new(); 2])), row(Outcome::NotTried(String::new()))]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["6.1", "passed", "3", "1", "70"]);
        assert!(lines[2].contains("FAILED (2)") && lines[3].contains("NOT TRIED"), "{text}");
    }

    #[test]
    fn the_list_has_every_kernel_and_the_host() {
        let matrix = Matrix::read().unwrap();
        let text = list(&matrix);
        assert!(matrix.kernels.iter().all(|kernel| text.contains(&kernel.version)), "{text}");
        assert!(text.lines().last().unwrap().starts_with("host"), "{text}");
    }
}
