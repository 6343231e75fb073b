//! Checks on what a module may name: the architecture's arrows.

use super::Finding;
use super::allowed::{IO_IN_PURE_STAGES, SERDE, is_allowed, is_at};
use super::imports::imports;
use super::source::{Source, identifiers};
use super::tree::Tree;

const SENSOR: &str = "agentmon/src/sensor";
const AYA_CRATES: &[&str] = &["aya", "aya_log", "aya_obj"];

/// Modules that are functions of their input.
const PURE: &[&str] = &["agentmon/src/rules", "agentmon/src/process", "agentmon/src/stages"];

/// Paths that do I/O or read a clock.
const IMPURE_PATHS: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::process",
];
const IMPURE_WORDS: &[&str] = &["Instant", "SystemTime", "aya", "rustix", "tokio"];

/// Outside the sensor nothing names aya. The kernel tests may.
pub fn aya_only_in_sensor(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.rust("") {
        if is_at(path, SENSOR) || path.starts_with("tests/") {
            continue;
        }
        for (line, code) in (1..).zip(&source.code) {
            if let Some((_, word)) = identifiers(code).find(|(_, word)| AYA_CRATES.contains(word)) {
                let message = format!("names `{word}`; only {SENSOR} does");
                findings.push(Finding::new(path, line, message));
            }
        }
    }
    findings
}

/// Rules and the process table do no I/O and read no clock.
pub fn pure_stages(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.rust("agentmon/src/") {
        let pure = PURE.iter().any(|module| is_at(path, module));
        if pure && !is_allowed(path, IO_IN_PURE_STAGES) {
            findings.extend(impure_lines(path, source));
        }
    }
    findings
}

fn impure_lines(path: &str, source: &Source) -> Vec<Finding> {
    let finding = |line, what: &str| Finding::new(path, line, format!("`{what}`: this stage does no I/O and reads no clock"));
    let mut findings = Vec::new();
    for (line, code) in source.production() {
        let words = identifiers(code).map(|(_, word)| word);
        findings.extend(words.filter(|word| IMPURE_WORDS.contains(word)).map(|word| finding(line, word)));
        let paths = IMPURE_PATHS.iter().filter(|path| names_path(code, path));
        findings.extend(paths.map(|path| finding(line, path)));
    }
    for import in imports(source).iter().filter(|import| !source.test[import.line - 1]) {
        let paths = IMPURE_PATHS.iter().filter(|path| names_path(&import.path, path));
        findings.extend(paths.map(|path| finding(import.line, path)));
    }
    findings
}

/// Whether code has this path as whole words.
fn names_path(code: &str, path: &str) -> bool {
    let boundary = |c: Option<char>| c.is_none_or(|c| c != '_' && !c.is_alphanumeric());
    code.match_indices(path).any(|(at, _)| boundary(code[..at].chars().next_back()) && boundary(code[at + path.len()..].chars().next()))
}

/// Only modules at a process boundary derive serde's traits.
pub fn serde_at_the_edge(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for crate_folder in ["agentmon/", "agentmon-common/"] {
        for (path, source) in tree.rust(crate_folder) {
            if is_allowed(path, SERDE) {
                continue;
            }
            for (index, code) in source.code.iter().enumerate() {
                if let Some(name) = derived_serde(code, &source.code[index..]) {
                    let message = format!("derives {name}; only modules at a process boundary do (xtask/src/lint/allowed.rs)");
                    findings.push(Finding::new(path, index + 1, message));
                }
            }
        }
    }
    findings
}

/// The serde trait in the `derive(…)` that begins on this line.
fn derived_serde(line: &str, from_here: &[String]) -> Option<&'static str> {
    let start = line.find("derive(")?;
    let attribute = from_here.join(" ");
    let list = attribute[start..].split(')').next().unwrap_or_default();
    let words: Vec<_> = identifiers(list).map(|(_, word)| word).collect();
    ["Serialize", "Deserialize"].into_iter().find(|name| words.contains(name))
}

#[cfg(test)]
mod tests {
    use super::{Tree, aya_only_in_sensor, pure_stages, serde_at_the_edge};

    #[test]
    fn aya_outside_the_sensor_is_found() {
        let text = "//! aya\nuse aya::Ebpf;\nfn f(x: &aya_log::Y) {}\n";
        let findings = aya_only_in_sensor(&Tree::with("agentmon/src/daemon.rs", text));
        let lines: Vec<_> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 3]);
        assert!(aya_only_in_sensor(&Tree::with("agentmon/src/sensor/load.rs", text)).is_empty());
        assert!(aya_only_in_sensor(&Tree::with("agentmon/src/sensor.rs", text)).is_empty());
    }

    #[test]
    fn aya_in_comments_strings_and_longer_names_is_fine() {
        let text = "// aya\nuse aya_ebpf::maps;\nlet x = \"aya\";\n";
        assert!(aya_only_in_sensor(&Tree::with("agentmon-ebpf/src/main.rs", text)).is_empty());
    }

    #[test]
    fn io_and_clocks_in_pure_stages_are_found() {
        for code in [
            "use std::fs;",
            "use std::{collections::BTreeMap, net::TcpStream};",
            "let x = std::process::id();",
            "use std::time::Instant;",
            "SystemTime::now()",
            "tokio::spawn(x)",
        ] {
            let findings = pure_stages(&Tree::with("agentmon/src/rules/matching.rs", code));
            assert!(!findings.is_empty(), "{code}");
            let findings = pure_stages(&Tree::with("agentmon/src/process.rs", code));
            assert!(!findings.is_empty(), "{code}");
        }
    }

    #[test]
    fn pure_code_tests_and_the_loader_pass() {
        let pure = "use std::collections::BTreeMap;\nuse std::net::IpAddr;\nuse crate::process::Table;\nlet fs = 1;\n";
        assert!(pure_stages(&Tree::with("agentmon/src/rules/a.rs", pure)).is_empty());
        let test = "#[cfg(test)]\nmod tests {\n  use std::fs;\n}\n";
        assert!(pure_stages(&Tree::with("agentmon/src/rules/a.rs", test)).is_empty());
        let io = "use std::fs;\n";
        assert!(pure_stages(&Tree::with("agentmon/src/rules/load.rs", io)).is_empty());
        assert!(pure_stages(&Tree::with("agentmon/src/log/file.rs", io)).is_empty());
    }

    #[test]
    fn serde_in_inner_types_is_found() {
        let text = "#[derive(Debug,\n    serde::Serialize)]\nstruct A;\n";
        assert_eq!(serde_at_the_edge(&Tree::with("agentmon/src/response.rs", text)).len(), 1);
        assert!(serde_at_the_edge(&Tree::with("agentmon/src/log/line.rs", text)).is_empty());
        let text = "#[derive(Debug)]\nstruct Serialize;\n";
        assert!(serde_at_the_edge(&Tree::with("agentmon/src/response.rs", text)).is_empty());
    }
}
