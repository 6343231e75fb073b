//! The files that the checks look at: those git tracks, and those it would.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;

use super::source::Source;

/// A file of the repository.
#[derive(Debug)]
pub struct File {
    /// From the top folder, with slashes.
    pub path: String,
    /// The first four bytes, fewer if there are fewer.
    pub magic: Vec<u8>,
    /// Its text, if it is Rust.
    pub source: Option<Source>,
    /// Its text, if it is Markdown.
    pub page: Option<String>,
}

/// All files.
#[derive(Debug, Default)]
pub struct Tree {
    /// In git's order.
    pub files: Vec<File>,
}

impl Tree {
    /// Reads what git lists below this folder.
    pub fn of_git(root: &Path) -> Result<Self> {
        let mut git = Command::new("git");
        git.arg("-C").arg(root);
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let list = process::output(&mut git).context("cannot list the files of the repository")?;
        let mut files = Vec::new();
        for path in list.split_terminator('\0') {
            // Deleted, but not yet so in the index.
            if root.join(path).is_file() {
                files.push(read(root, path)?);
            }
        }
        Ok(Self { files })
    }

    /// The Rust files below a folder, with their paths.
    pub fn rust<'a>(&'a self, below: &'a str) -> impl Iterator<Item = (&'a str, &'a Source)> {
        self.files.iter().filter_map(move |file| {
            let source = file.source.as_ref()?;
            file.path.starts_with(below).then_some((file.path.as_str(), source))
        })
    }

    /// A tree of one Rust file, for the tests of checks.
    #[cfg(test)]
    pub fn with(path: &str, text: &str) -> Self {
        let file = File {
            path: path.to_owned(),
            magic: text.bytes().take(4).collect(),
            source: path.ends_with(".rs").then(|| Source::new(text)),
            page: path.ends_with(".md").then(|| text.to_owned()),
        };
        Self { files: vec![file] }
    }
}

fn read(root: &Path, path: &str) -> Result<File> {
    let full = root.join(path);
    let failed = || format!("cannot read {}", full.display());
    let mut magic = Vec::new();
    let file = fs::File::open(&full).with_context(failed)?;
    file.take(4).read_to_end(&mut magic).with_context(failed)?;
    let mut source = if path.ends_with(".rs") { Some(Source::new(&fs::read_to_string(&full).with_context(failed)?)) } else { None };
    if let Some(source) = source.as_mut().filter(|_| is_test_module(path)) {
        source.test.fill(true);
    }
    let page = if path.ends_with(".md") { Some(fs::read_to_string(&full).with_context(failed)?) } else { None };
    Ok(File { path: path.to_owned(), magic, source, page })
}

/// Whether a file below `src` is a test module of its own: `tests.rs`, or a file of the folder `tests`.
fn is_test_module(path: &str) -> bool {
    path.split_once("/src/").is_some_and(|(_, module)| module.split('/').any(|part| part == "tests" || part == "tests.rs"))
}
