//! Checks on `unsafe`: where it is, and that each use says why it is sound.

use super::Finding;
use super::allowed::{UNSAFE, is_allowed};
use super::source::{Source, identifiers};
use super::tree::Tree;

/// Every unsafe block, function and implementation has a `// SAFETY:` comment before it.
pub fn safety_comment(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for crate_folder in ["agentmon/", "agentmon-common/", "agentmon-ebpf/", "tests/"] {
        for (path, source) in tree.rust(crate_folder) {
            for line in unsafe_lines(source) {
                if !is_explained(source, line) {
                    let message = "unsafe without a `// SAFETY:` comment before it";
                    findings.push(Finding::new(path, line, message));
                }
            }
        }
    }
    findings
}

/// In agentmon, unsafe appears only where the allow table says why.
pub fn unsafe_place(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.rust("agentmon/src/") {
        if !is_allowed(path, UNSAFE) {
            let message = "unsafe here is not in the table in xtask/src/lint/allowed.rs";
            let lines = unsafe_lines(source).into_iter().filter(|line| !source.test[line - 1]);
            findings.extend(lines.map(|line| Finding::new(path, line, message)));
        }
    }
    findings
}

/// Lines, counted from 1, with an unsafe block, function, trait or implementation. Attributes
/// (`#[unsafe(no_mangle)]`) and types of function pointers are neither.
fn unsafe_lines(source: &Source) -> Vec<usize> {
    let is_use = |code: &str| {
        identifiers(code).any(|(at, word)| {
            let after = code[at + word.len()..].trim_start();
            word == "unsafe" && !after.starts_with('(') && !after.starts_with("fn(")
        })
    };
    let numbered = (1..).zip(&source.code);
    numbered.filter(|(_, code)| is_use(code)).map(|(line, _)| line).collect()
}

/// Looks upwards from the line over the statement's earlier lines and attributes for a comment.
fn is_explained(source: &Source, line: usize) -> bool {
    if says_why(&source.text[line - 1]) {
        return true;
    }
    let mut at = line - 1;
    while at >= 1 {
        if source.is_comment(at) {
            return comment_block(source, at).any(says_why);
        }
        if ends_something(source.code[at - 1].trim()) {
            return false;
        }
        at -= 1;
    }
    false
}

/// The comment lines from this one upwards.
fn comment_block(source: &Source, line: usize) -> impl Iterator<Item = &str> {
    let upwards = (1..=line).rev();
    upwards.take_while(|line| source.is_comment(*line)).map(|line| source.text[line - 1].as_str())
}

fn says_why(comment: &str) -> bool {
    // The second form is what rustdoc wants of an unsafe function.
    comment.contains("SAFETY:") || comment.contains("/// # Safety")
}

/// Whether the next line begins a new statement or item.
fn ends_something(code: &str) -> bool {
    let attribute = code.starts_with("#[") && code.ends_with(']');
    !attribute && (code.is_empty() || code.ends_with([';', '{', '}', ',']))
}

#[cfg(test)]
mod tests {
    use super::{Tree, safety_comment, unsafe_place};

    fn unexplained(text: &str) -> usize {
        safety_comment(&Tree::with("agentmon-ebpf/src/read.rs", text)).len()
    }

    #[test]
    fn an_explained_use_passes() {
        for text in [
            "// SAFETY: checked above.\nunsafe { f() }\n",
            "// SAFETY: long,\n// two lines.\nlet x =\n    unsafe { f() };\n",
            "// SAFETY: plain data.\n#[allow(x)]\nunsafe impl Pod for A {}\n",
            "/// Does.\n///\n/// # Safety\n/// Must.\npub unsafe fn f() {}\n",
            "x => /* SAFETY: y */ unsafe { f() },\n",
        ] {
            assert_eq!(unexplained(text), 0, "{text}");
        }
    }

    #[test]
    fn an_unexplained_use_is_found() {
        for text in [
            "unsafe { f() }\n",
            "// Because.\nunsafe { f() }\n",
            "// SAFETY: of another statement.\nlet y = 1;\nunsafe { f() }\n",
            "// SAFETY: too far.\n\nunsafe impl Pod for A {}\n",
            "fn g() {\n    unsafe { f() }\n}\n",
        ] {
            assert_eq!(unexplained(text), 1, "{text}");
        }
    }

    #[test]
    fn attributes_comments_and_function_pointers_are_no_use() {
        let text = "#[unsafe(no_mangle)]\n// unsafe\nlet x = \"unsafe\";\ntype F = unsafe fn(u8);\n";
        assert_eq!(unexplained(text), 0);
    }

    #[test]
    fn unsafe_outside_the_table_is_found() {
        let text = "// SAFETY: fine.\nunsafe { f() }\n";
        assert_eq!(unsafe_place(&Tree::with("agentmon/src/daemon.rs", text)).len(), 1);
        assert!(unsafe_place(&Tree::with("agentmon/src/sensor/pod.rs", text)).is_empty());
        assert!(unsafe_place(&Tree::with("agentmon-ebpf/src/read.rs", text)).is_empty());
    }
}
