//! `use` declarations: their paths one by one, and the check against globs.

use super::Finding;
use super::source::Source;
use super::tree::Tree;

/// A path that a file imports.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    /// Line of the `use`, counted from 1.
    pub line: usize,
    /// As in `std::fs::File`; a glob ends in `*`.
    pub path: String,
}

/// Every imported path: `use std::{fs, net::Ipv4Addr};` counts as two.
pub fn imports(source: &Source) -> Vec<Import> {
    let mut found = Vec::new();
    for (index, line) in source.code.iter().enumerate() {
        if !is_use(line) {
            continue;
        }
        let statement = source.code[index..].join(" ");
        let start = statement.find("use ").map_or(0, |at| at + "use ".len());
        let end = statement.find(';').unwrap_or(statement.len());
        if start <= end {
            let mut paths = Vec::new();
            expand("", &statement[start..end], &mut paths);
            let line = index + 1;
            found.extend(paths.into_iter().map(|path| Import { line, path }));
        }
    }
    found
}

/// No `use …::*`, but `super::*` in a test module.
pub fn no_glob(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.rust("") {
        for import in imports(source).iter().filter(|import| import.path.ends_with('*')) {
            let in_test = source.test[import.line - 1] && import.path == "super::*";
            if !in_test {
                let message = format!("glob import {}: name what is used", import.path);
                findings.push(Finding::new(path, import.line, message));
            }
        }
    }
    findings
}

fn is_use(line: &str) -> bool {
    let line = line.trim_start();
    let visibility = line.strip_prefix("pub").map_or(line, |rest| {
        let rest = rest.trim_start();
        match rest.strip_prefix('(') {
            Some(scope) => scope.split_once(')').map_or(rest, |(_, rest)| rest),
            None => rest,
        }
    });
    visibility.trim_start().starts_with("use ")
}

/// Writes out a use tree.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    for branch in split_at_top_commas(tree) {
        let branch = branch.trim();
        match branch.split_once('{') {
            Some((head, rest)) => {
                let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
                expand(&format!("{prefix}{}", head.trim()), inner, paths);
            }
            None if branch.is_empty() => {}
            None => {
                let name = branch.split(" as ").next().unwrap_or(branch);
                paths.push(format!("{prefix}{}", name.trim()));
            }
        }
    }
}

fn split_at_top_commas(tree: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::{Source, Tree, imports, no_glob};

    fn paths(text: &str) -> Vec<String> {
        imports(&Source::new(text)).into_iter().map(|import| import.path).collect()
    }

    #[test]
    fn use_trees_are_written_out() {
        assert_eq!(paths("use std::fs;"), ["std::fs"]);
        assert_eq!(
            paths("pub(crate) use std::{fs::{self, File}, io as i,\n net::*};"),
            ["std::fs::self", "std::fs::File", "std::io", "std::net::*"]
        );
        assert!(paths("// use a::b;\nlet user = 1;").is_empty());
    }

    #[test]
    fn a_glob_is_found() {
        let findings = no_glob(&Tree::with("a.rs", "use a::b;\nuse a::{b, c::*};\n"));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
        assert_eq!(no_glob(&Tree::with("a.rs", "pub use a::*;")).len(), 1);
        assert_eq!(no_glob(&Tree::with("a.rs", "use super::*;")).len(), 1);
    }

    #[test]
    fn a_test_module_may_import_its_parent() {
        let text = "#[cfg(test)]\nmod tests {\n  use super::*;\n}\n";
        assert!(no_glob(&Tree::with("a.rs", text)).is_empty());
    }
}
