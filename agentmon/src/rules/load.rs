//! Rule files from a directory: the only place of the rules that reads anything.

use super::diagnostic::{Diagnostic, Position, Problem};
use super::yaml::FILE_BYTES_MAX;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Most bytes of all files of a directory together.
pub const DIRECTORY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most files of a directory.
pub const FILES_MAX: usize = 4096;

/// What stands in a directory.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Names, as the user knows them, and texts, sorted by name.
    pub files: Vec<(String, String)>,
    /// Files that could not be read, are too large, or are not UTF-8.
    pub diagnostics: Vec<Diagnostic>,
}

impl Files {
    /// The files as sources for [`load`](super::load()).
    #[must_use]
    pub fn sources(&self) -> Vec<super::Source<'_>> {
        self.files.iter().map(|(name, text)| super::Source { name, text }).collect()
    }
}

/// Deepest directory below the one that is named.
const DEPTH_MAX: usize = 8;

/// Reads every `*.yml` and `*.yaml` in a directory and those below it. Names that begin with a dot are left out, as editors
/// and ConfigMaps use them for files that are not meant; links to directories are not followed.
///
/// # Errors
/// When a directory cannot be read. A file that cannot is a diagnostic.
pub fn read_dir(dir: &Path) -> io::Result<Files> {
    let mut paths = Vec::new();
    let mut dirs = vec![(dir.to_owned(), 0)];
    while let Some((dir, depth)) = dirs.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let path = entry.path();
            let is_yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type()?.is_dir() && depth < DEPTH_MAX {
                dirs.push((path, depth + 1));
            } else if is_yaml {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let mut files = Files::default();
    let mut total = 0;
    for (number, path) in paths.into_iter().enumerate() {
        let name = path.display().to_string();
        let outcome = match read(&path) {
            _ if number >= FILES_MAX => Err(format!("not read: the directory has more than {FILES_MAX} rule files")),
            Ok(text) if total + text.len() > DIRECTORY_BYTES_MAX => {
                Err(format!("not read: the directory's rule files have more than {DIRECTORY_BYTES_MAX} bytes together"))
            }
            outcome => outcome,
        };
        match outcome {
            Ok(text) => {
                total += text.len();
                files.files.push((name, text));
            }
            Err(message) => files.diagnostics.push(Problem::error(Position::START, message).in_file(&name)),
        }
    }
    Ok(files)
}

fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: io::Error| format!("cannot be read: {error}");
    // A FIFO would be waited for, a device never end.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(format!("the file is larger than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
}

/// Rules with mistakes where none are allowed. What is wrong is in the diagnostics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mistakes in the rules: {mistakes}")]
pub struct BadRules {
    /// How many.
    pub mistakes: usize,
}

/// Rule files or directories that cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot read rules from {}", .0.iter().map(|(path, why)| format!("{}: {why}", path.display())).collect::<Vec<_>>().join("; "))]
pub struct UnreadableRules(
    /// Which, and why; at least one.
    pub Vec<(PathBuf, io::Error)>,
);

/// Everything that was found, right and wrong.
#[derive(Debug)]
pub struct Gathered {
    /// The good rules.
    pub rules: super::RuleSet,
    /// What is wrong with the others.
    pub diagnostics: Vec<Diagnostic>,
    /// Paths that cannot be read, and why.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

impl Gathered {
    /// The rules. The diagnostics are the caller's to show, before.
    ///
    /// # Errors
    /// When a path could not be read: nobody knows which rules are missing.
    pub fn readable(self) -> Result<super::RuleSet, UnreadableRules> {
        if self.unreadable.is_empty() { Ok(self.rules) } else { Err(UnreadableRules(self.unreadable)) }
    }

    /// How many mistakes there are in what could be read.
    #[must_use]
    pub fn mistakes(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count()
    }
}

/// The built-in rules, if wanted, and those of files and directories.
#[must_use]
pub fn gather(built_in: bool, paths: &[PathBuf]) -> Gathered {
    let mut files = Files::default();
    let mut unreadable = Vec::new();
    for path in paths {
        match read_path(path) {
            Ok(found) => {
                files.files.extend(found.files);
                files.diagnostics.extend(found.diagnostics);
            }
            Err(error) => unreadable.push((path.clone(), error)),
        }
    }
    let pack = if built_in { super::pack::FILES } else { &[] };
    let sources: Vec<super::Source<'_>> = pack.iter().copied().chain(files.sources()).collect();
    let loaded = super::load(&sources);
    let mut diagnostics = files.diagnostics;
    diagnostics.extend(loaded.diagnostics);
    diagnostics.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    let skipped: BTreeSet<&str> = diagnostics.iter().filter(|found| found.is_error()).map(|found| found.file.as_str()).collect();
    let rules = loaded.rules.with_skipped(skipped.len());
    Gathered { rules, diagnostics, unreadable }
}

/// The names and texts of the built-in rules, if wanted, and of files and directories: what [`gather`] loads.
///
/// # Errors
/// When a path cannot be read.
pub fn texts(built_in: bool, paths: &[PathBuf]) -> io::Result<Vec<(String, String)>> {
    let pack = if built_in { super::pack::FILES } else { &[] };
    let mut all: Vec<(String, String)> = pack.iter().map(|source| (source.name.to_owned(), source.text.to_owned())).collect();
    for path in paths {
        all.extend(read_path(path)?.files);
    }
    Ok(all)
}

fn read_path(path: &Path) -> io::Result<Files> {
    if fs::metadata(path)?.is_dir() {
        return read_dir(path);
    }
    let name = path.display().to_string();
    Ok(match read(path) {
        Ok(text) => Files { files: vec![(name, text)], diagnostics: Vec::new() },
        Err(message) => Files { files: Vec::new(), diagnostics: vec![Problem::error(Position::START, message).in_file(&name)] },
    })
}
