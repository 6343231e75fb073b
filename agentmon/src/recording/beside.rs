//! Tests beside rules: recordings in `tests/` next to a rule file, which its rules must match, or must not.
//!
//! `NAME.fires.jsonl` for `NAME.yml` makes its rules match, `NAME.near.jsonl` is as near a miss as there can be; further ones are
//! called `NAME.fires-2.jsonl` and so on. The header's `about` names the rules that one is about: all of them must match; without it
//! one rule of the file must. Not for: showing what came of it (`crate::cli`).

use super::{Line, ReadError, Reader, Replay};
use crate::rules::{Rule, RuleSet};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why tests could not be run.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// A directory or file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A recording is damaged.
    #[error("{}: {source}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: ReadError,
    },
    /// A file that is no test of any rule: a misspelt name must not mean that it is never run.
    #[error("{}: {why}", path.display())]
    Stray {
        /// Which.
        path: PathBuf,
        /// What would make it one.
        why: String,
    },
}

/// What is known of a rule.
#[derive(Clone, Debug)]
pub struct Tested {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Recordings that it must match, and does.
    pub fires: u32,
    /// Recordings that it must not match, and does not.
    pub near: u32,
    /// What did not come out as it must.
    pub failures: Vec<String>,
}

/// Runs every test beside the files of these rules; gives what came out for each rule that is told.
///
/// # Errors
/// When a test cannot be read, or belongs to no rule.
pub fn run(rules: &RuleSet) -> Result<Vec<Tested>, TestError> {
    let told = rules.rules().iter().filter(|rule| rule.reported);
    let mut all: Vec<Tested> = told.map(|rule| Tested { rule: Arc::clone(rule), fires: 0, near: 0, failures: Vec::new() }).collect();
    for test in find(&all)? {
        test.run(rules, &mut all)?;
    }
    Ok(all)
}

/// A recording beside a rule file.
struct Test {
    path: PathBuf,
    /// The rule file.
    of: String,
    fires: bool,
}

/// Every test in the directories of tests beside these rules' files.
fn find(rules: &[Tested]) -> Result<Vec<Test>, TestError> {
    let mut stems: BTreeMap<PathBuf, BTreeMap<String, String>> = BTreeMap::new();
    for file in rules.iter().map(|tested| &tested.rule.file).collect::<BTreeSet<_>>() {
        let path = Path::new(file);
        let (Some(directory), Some(stem)) = (path.parent(), path.file_stem()) else { continue };
        stems.entry(directory.join("tests")).or_default().insert(stem.to_string_lossy().into_owned(), file.clone());
    }
    let mut tests = Vec::new();
    for (directory, stems) in stems {
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(|source| TestError::Io { path: directory.clone(), source })?,
        };
        for entry in entries {
            let path = entry.map_err(|source| TestError::Io { path: directory.clone(), source })?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                tests.extend(Test::named(path, &stems)?);
            }
        }
    }
    tests.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(tests)
}

/// Whether the rules of this name stand where the test belongs.
fn has_rules(test: &Path, stem: &str) -> bool {
    let rules = test.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    ["yml", "yaml"].iter().any(|extension| rules.join(format!("{stem}.{extension}")).is_file())
}

impl Test {
    /// What the name of a file says. `None`: it is of rules that were not asked for.
    fn named(path: PathBuf, stems: &BTreeMap<String, String>) -> Result<Option<Self>, TestError> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (stem, kind) = name.rsplit_once('.').unwrap_or((&name, ""));
        let kind = kind.split_once('-').map_or(kind, |(kind, _)| kind);
        let fires = match kind {
            "fires" => true,
            "near" => false,
            _ => return Err(TestError::Stray { path, why: "a test is called NAME.fires.jsonl or NAME.near.jsonl".to_owned() }),
        };
        match stems.get(stem) {
            Some(of) => Ok(Some(Self { of: of.clone(), fires, path })),
            None if has_rules(&path, stem) => Ok(None),
            None => Err(TestError::Stray { why: format!("there are no rules called {stem}.yml"), path }),
        }
    }

    fn run(&self, rules: &RuleSet, all: &mut [Tested]) -> Result<(), TestError> {
        let (about, matched) = self.replay(rules)?;
        let mine: Vec<&mut Tested> = all.iter_mut().filter(|tested| tested.rule.file == self.of).collect();
        if let Some(id) = about.iter().find(|id| !mine.iter().any(|tested| tested.rule.id == **id)) {
            let why = format!("it is about rule {}, which is not told by {}", id.escape_debug(), self.of);
            return Err(TestError::Stray { path: self.path.clone(), why });
        }
        let one_did = mine.iter().any(|tested| matched.contains_key(&tested.rule.id));
        for tested in mine {
            let named = about.contains(&tested.rule.id);
            match (self.fires, matched.get(&tested.rule.id)) {
                (true, Some(_)) => tested.fires += 1,
                // Of several rules in a file one may be meant, unless they are named.
                (true, None) if named || (about.is_empty() && !one_did) => {
                    tested.failures.push(format!("{}: does not match", self.path.display()));
                }
                (false, Some(line)) if named || about.is_empty() => {
                    tested.failures.push(format!("{}:{line}: matches, and must not", self.path.display()));
                }
                (false, None) if named || about.is_empty() => tested.near += 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// The ids that the recording is about, and those that match with the line of their first match.
    fn replay(&self, rules: &RuleSet) -> Result<(Vec<String>, BTreeMap<String, u64>), TestError> {
        let damaged = |source| TestError::Damaged { path: self.path.clone(), source };
        let file = File::open(&self.path).map_err(|source| TestError::Io { path: self.path.clone(), source })?;
        let mut reader = Reader::new(BufReader::new(file)).map_err(damaged)?;
        let header = reader.header().clone();
        let mut replay = Replay::new(&header, rules.clone());
        let mut matched = BTreeMap::new();
        while let Some((number, line)) = reader.line().map_err(damaged)? {
            debug_assert!(!matches!(line, Line::Recording(_)), "the reader allows one header");
            replay.take(number, line, |verdict| {
                for found in verdict.matches {
                    matched.entry(found.rule.id.clone()).or_insert(number);
                }
            });
        }
        Ok((header.about, matched))
    }
}
