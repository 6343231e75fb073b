//! Mistakes in the configuration, each with the place it stands at and what to do about it.
//!
//! Not for: finding them (`validate`, and toml with serde).

use crate::cgroup::Shown;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One mistake. Displayed as `FILE:LINE:COLUMN: MESSAGE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key it is about, with its section (`log.max_bytes`), where there is one.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", Shown::new(&self.file), self.line, self.column, self.message)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", Shown::new(file))]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It has mistakes; at least one.
    #[error("{}", diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid {
        /// All that were found, in the order of the file.
        diagnostics: Vec<Diagnostic>,
    },
}

impl ConfigError {
    pub(super) fn invalid(mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        Self::Invalid { diagnostics }
    }
}

/// The text that offsets refer to.
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// A mistake at a place.
    pub(super) fn at(&self, span: &Range<usize>, message: String, hint: Option<String>) -> Diagnostic {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let column = before.lines().last().filter(|_| !before.ends_with('\n')).map_or(0, |line| line.chars().count()) + 1;
        let line = before.matches('\n').count() + 1;
        let file = self.file.to_owned();
        Diagnostic { file, line, column, key: self.key(line), message, hint }
    }

    /// What serde and toml say, in our words where we know better.
    pub(super) fn explain(&self, error: &toml::de::Error) -> Diagnostic {
        let said = error.message();
        let span = error.span().unwrap_or(0..0);
        let mut found = self.at(&span, String::new(), None);
        let (message, hint) = if let Some((unknown, known)) = unknown(said, "unknown field `") {
            found.key = None;
            let header = self.text.lines().nth(found.line - 1).is_some_and(|line| line.trim_start().starts_with('['));
            match self.section(found.line) {
                _ if header => (format!("unknown section `{}`", unknown.escape_debug()), suggest(unknown, &known, "sections")),
                Some(section) => (format!("unknown key `{}` in {section}", unknown.escape_debug()), suggest(unknown, &known, "keys")),
                None => (format!("unknown key `{}` at the top", unknown.escape_debug()), suggest(unknown, &known, "keys")),
            }
        } else if let Some((unknown, known)) = unknown(said, "unknown variant `") {
            let key = found.key.as_ref().map_or_else(String::new, |key| format!("`{key}`: "));
            (format!("{key}unknown value `{}`", unknown.escape_debug()), suggest(unknown, &known, "values"))
        } else {
            let key = found.key.as_ref().filter(|_| said.starts_with("invalid ")).map_or_else(String::new, |key| format!("`{key}`: "));
            (format!("{key}{}", said.trim().replace('\n', "; ")), None)
        };
        Diagnostic { message, hint, ..found }
    }

    /// The header above a line, as typed: `[log]`, `[[agent]]`.
    fn section(&self, line: usize) -> Option<&str> {
        let above: Vec<&str> = self.text.lines().take(line).collect();
        let is_header = |line: &&str| line.starts_with('[') && line.ends_with(']');
        above.into_iter().rev().map(|line| line.split('#').next().unwrap_or_default().trim()).find(is_header)
    }

    /// The key assigned on a line, with its section.
    fn key(&self, line: usize) -> Option<String> {
        let (key, _) = self.text.lines().nth(line - 1)?.split_once('=')?;
        let section = self.section(line).map(|section| section.trim_matches(['[', ']']));
        Some(section.map_or_else(|| key.trim().to_owned(), |section| format!("{section}.{}", key.trim())))
    }
}

/// serde's sentence: "unknown field `x`, expected one of `a`, `b`".
fn unknown<'a>(said: &'a str, begin: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let (unknown, expected) = said.trim().strip_prefix(begin)?.rsplit_once("`, expected ")?;
    Some((unknown, expected.split('`').skip(1).step_by(2).collect()))
}

fn suggest(unknown: &str, known: &[&str], what: &str) -> Option<String> {
    let close = known.iter().map(|name| (strsim::damerau_levenshtein(unknown, name), name)).min()?;
    let near = close.0 <= 2.max(unknown.chars().count() / 3);
    Some(if near { format!("did you mean `{}`?", close.1) } else { format!("known {what}: {}", known.join(", ")) })
}
