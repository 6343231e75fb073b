//! What is wrong with a rule file, said so that a person can go there: file, line, column, message, hint.
//!
//! Not for: deciding what happens then (the caller does).

use std::fmt;

/// How the message of a rule that is not for this monitor begins.
pub(super) const SKIPPED: &str = "skipped: ";

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The rule is loaded, but not quite as written; or it is not for this monitor.
    Warning,
    /// The rule is not loaded.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Where something stands in a file; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl Position {
    /// The start of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The position this many characters further on the same line.
    #[must_use]
    pub const fn right(self, characters: u32) -> Self {
        Self { line: self.line, column: self.column.saturating_add(characters) }
    }
}

/// One thing that is wrong with a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Whether the rule was loaded all the same.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Whether the rule was not loaded.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        matches!(self.severity, Severity::Error)
    }

    /// Whether the rule was left out because it is not for this monitor: for another product, or for lines of a log.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        self.message.starts_with(SKIPPED)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}: {}", self.file, self.line, self.column, self.severity, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A problem at a place, before it is known which file that place is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub at: Position,
    pub severity: Severity,
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    pub fn error(at: Position, message: impl Into<String>) -> Self {
        Self { at, severity: Severity::Error, message: message.into(), hint: None }
    }

    pub fn warning(at: Position, message: impl Into<String>) -> Self {
        Self { at, severity: Severity::Warning, message: message.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds "did you mean" when one of the candidates is close to what was written; else lists them, if they are few.
    pub fn suggest<'a>(self, written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        let candidates: Vec<&str> = candidates.into_iter().collect();
        match closest(written, &candidates) {
            Some(best) => self.hint(format!("did you mean `{best}`?")),
            None if !candidates.is_empty() && candidates.len() <= 12 => self.hint(format!("known: {}", candidates.join(", "))),
            None => self,
        }
    }

    pub fn in_file(self, file: &str) -> Diagnostic {
        Diagnostic {
            file: file.to_owned(),
            line: self.at.line,
            column: self.at.column,
            severity: self.severity,
            message: self.message,
            hint: self.hint,
        }
    }
}

/// The candidate nearest to what was written, if it is near enough to be meant.
pub(super) fn closest<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    // A longer text is no typo of a name, and the distance costs length times length.
    if written.len() > 64 {
        return None;
    }
    let lower = written.to_ascii_lowercase();
    let limit = match lower.len() {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    candidates
        .iter()
        .map(|candidate| (distance(&lower, &candidate.to_ascii_lowercase()), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_reads_like_a_compilers() {
        let problem = Problem::error(Position { line: 3, column: 5 }, "unknown field `Imge`").suggest("Imge", ["Image", "User"]);
        let shown = problem.in_file("rules/a.yml").to_string();
        assert_eq!(shown, "rules/a.yml:3:5: error: unknown field `Imge`\n  hint: did you mean `Image`?");
    }

    #[test]
    fn a_suggestion_is_near_or_absent() {
        assert_eq!(closest("commandline", &["CommandLine", "Comm"]), Some("CommandLine"));
        assert_eq!(closest("TargetFileName", &["TargetFilename"]), Some("TargetFilename"));
        assert_eq!(closest("EventID", &["Image", "User"]), None);
        assert_eq!(closest(&"x".repeat(100_000), &["Image"]), None);
    }
}
