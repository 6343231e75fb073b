//! Checks on files as such: names, sizes, first lines, and what lies at the top.

use std::path::Path;

use super::source::Source;
use super::tree::Tree;
use super::{Finding, Severity};

/// What the top folder may hold, beside dotfiles.
const TOP_LEVEL: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "agentmon",
    "agentmon-common",
    "agentmon-ebpf",
    "clippy.toml",
    "deny.toml",
    "docs",
    "rules",
    "rustfmt.toml",
    "tests",
    "xtask",
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["common", "handler", "handlers", "helper", "helpers", "manager", "misc", "util", "utils"];

const WARN_LINES: usize = 400;
const MOST_LINES: usize = 600;

/// The first bytes of programs and object files, and of archives of them.
const BINARY_MAGIC: &[&[u8]] = &[b"\x7fELF", b"!<ar"];

/// A Rust file begins with a `//!` paragraph, after `#!` attributes if any.
pub fn file_purpose(tree: &Tree) -> Vec<Finding> {
    tree.rust("")
        .filter(|(_, source)| !has_purpose(source))
        .map(|(path, _)| Finding::new(path, 1, "no `//!` paragraph that says what this is for"))
        .collect()
}

fn has_purpose(source: &Source) -> bool {
    let mut numbered = source.text.iter().map(|line| line.trim()).enumerate();
    let Some((index, line)) = numbered.find(|(_, line)| line.starts_with("//!")) else {
        return false;
    };
    let before = source.code[..index].join(" ");
    let only_attributes = before.trim().is_empty() || (before.trim().starts_with("#![") && !before.contains([';', '{']));
    only_attributes && line.len() > "//!".len()
}

/// No file or folder of source is named after nothing.
pub fn file_name(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _) in tree.rust("") {
        let parts = Path::new(path).with_extension("");
        let empty = parts.iter().filter_map(|part| part.to_str());
        if let Some(name) = empty.into_iter().find(|part| EMPTY_NAMES.contains(part)) {
            let message = format!("`{name}` says nothing: name it after what is inside");
            findings.push(Finding::new(path, 1, message));
        }
    }
    findings
}

/// No Rust file is too long to be read.
pub fn file_size(tree: &Tree) -> Vec<Finding> {
    let long = tree.rust("").filter(|(_, source)| source.text.len() > WARN_LINES);
    let finding = |path: &str, lines: usize| Finding {
        severity: if lines > MOST_LINES { Severity::Error } else { Severity::Warning },
        ..Finding::new(path, lines, format!("{lines} lines: split it"))
    };
    long.map(|(path, source)| finding(path, source.text.len())).collect()
}

/// The top folder holds what it should, and nothing else.
pub fn top_level(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let top = file.path.split('/').next().unwrap_or_default();
        if !top.starts_with('.') && !TOP_LEVEL.contains(&top) {
            findings.push(Finding::new(&file.path, 1, format!("`{top}` does not belong at the top")));
        }
    }
    findings
}

/// No programs or objects in the repository.
pub fn no_binaries(tree: &Tree) -> Vec<Finding> {
    let binary = tree.files.iter().filter(|file| BINARY_MAGIC.iter().any(|magic| file.magic.starts_with(magic)));
    binary.map(|file| Finding::new(&file.path, 1, "a binary: build it from source")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Severity, Tree, file_name, file_purpose, file_size, no_binaries, top_level};

    #[test]
    fn a_file_without_a_purpose_is_found() {
        assert_eq!(file_purpose(&Tree::with("a.rs", "fn main() {}\n")).len(), 1);
        assert_eq!(file_purpose(&Tree::with("a.rs", "//!\nfn main() {}\n")).len(), 1);
        assert_eq!(file_purpose(&Tree::with("a.rs", "")).len(), 1);
        assert_eq!(file_purpose(&Tree::with("a.rs", "use a::b;\n//! Is.\n")).len(), 1);
        assert!(file_purpose(&Tree::with("a.rs", "//! Is.\n")).is_empty());
        let attributes = "#![no_std]\n#![allow(\n    x,\n)]\n\n//! Is.\n";
        assert!(file_purpose(&Tree::with("a.rs", attributes)).is_empty());
    }

    #[test]
    fn empty_names_are_found() {
        assert_eq!(file_name(&Tree::with("agentmon/src/utils.rs", "")).len(), 1);
        assert_eq!(file_name(&Tree::with("tests/common/mod.rs", "")).len(), 1);
        assert!(file_name(&Tree::with("agentmon-common/src/lib.rs", "")).is_empty());
    }

    #[test]
    fn long_files_are_found() {
        let severity = |lines: usize| {
            let findings = file_size(&Tree::with("a.rs", &"x\n".repeat(lines)));
            findings.first().map(|finding| finding.severity)
        };
        assert_eq!(severity(400), None);
        assert_eq!(severity(401), Some(Severity::Warning));
        assert_eq!(severity(601), Some(Severity::Error));
    }

    #[test]
    fn strangers_at_the_top_are_found() {
        assert_eq!(top_level(&Tree::with("notes.txt", "")).len(), 1);
        assert_eq!(top_level(&Tree::with("scripts/a.sh", "")).len(), 1);
        assert!(top_level(&Tree::with(".ci/run", "")).is_empty());
        assert!(top_level(&Tree::with("agentmon/src/lib.rs", "")).is_empty());
    }

    #[test]
    fn binaries_are_found() {
        assert_eq!(no_binaries(&Tree::with("tests/a", "\u{7f}ELF…")).len(), 1);
        assert!(no_binaries(&Tree::with("tests/a", "text")).is_empty());
    }
}
