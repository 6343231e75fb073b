//! Checks on the metrics agentmon exports: their names and their labels.

use super::Finding;
use super::allowed::is_at;
use super::source::string_literals;
use super::tree::Tree;

const MODULE: &str = "agentmon/src/metrics";
const PREFIX: &str = "agentmon_";

/// How metric names end; a literal that ends like this is one.
const ENDINGS: &[&str] = &["_total", "_seconds", "_bytes", "_ratio", "_info", "_usage"];

/// What must never be a label: an agent chooses the values, or there is no end of them.
const UNBOUNDED: &[&str] = &[
    "addr",
    "address",
    "argv",
    "cgroup",
    "cmdline",
    "comm",
    "command",
    "container",
    "container_id",
    "cwd",
    "exe",
    "executable",
    "file",
    "filename",
    "host",
    "hostname",
    "ip",
    "path",
    "pid",
    "port",
    "ppid",
    "session",
    "session_id",
    "tgid",
    "tid",
    "uid",
    "url",
    "user",
];

/// Names match `^agentmon_[a-z0-9_]+$`; labels are bounded.
pub fn names_and_labels(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.rust("agentmon/src/") {
        if !is_at(path, MODULE) {
            continue;
        }
        for (index, line) in source.uncommented.iter().enumerate() {
            if source.test[index] {
                continue;
            }
            let problems = string_literals(line).filter_map(problem);
            findings.extend(problems.map(|message| Finding::new(path, index + 1, message)));
        }
    }
    findings
}

fn problem(literal: &str) -> Option<String> {
    if UNBOUNDED.contains(&literal) {
        return Some(format!("`{literal}` as a label has no bound"));
    }
    let is_name_byte = |byte: u8| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_word = !literal.is_empty() && !literal.contains(char::is_whitespace);
    let is_name = is_word && (literal.starts_with(PREFIX) || ENDINGS.iter().any(|ending| literal.ends_with(ending)));
    let is_good = literal.len() > PREFIX.len() && literal.starts_with(PREFIX) && literal.bytes().all(is_name_byte);
    (is_name && !is_good).then(|| format!("metric `{literal}` must match ^{PREFIX}[a-z0-9_]+$"))
}

#[cfg(test)]
mod tests {
    use super::{Tree, names_and_labels};

    fn findings(text: &str) -> usize {
        names_and_labels(&Tree::with("agentmon/src/metrics/families.rs", text)).len()
    }

    #[test]
    fn good_names_and_labels_pass() {
        assert_eq!(findings(r#"Opts::new("agentmon_events_total", "Events by kind."), &["kind"]"#), 0);
        assert_eq!(findings(r#"// "pid""#), 0);
    }

    #[test]
    fn bad_names_are_found() {
        assert_eq!(findings(r#"Opts::new("events_total", "Events.")"#), 1);
        assert_eq!(findings(r#"Opts::new("agentmon_Events", "Events.")"#), 1);
        assert_eq!(findings(r#"Opts::new("agentmon_", "Events.")"#), 1);
    }

    #[test]
    fn unbounded_labels_are_found() {
        assert_eq!(findings(r#"&["kind", "pid"]"#), 1);
        let elsewhere = Tree::with("agentmon/src/log.rs", r#"&["pid"]"#);
        assert!(names_and_labels(&elsewhere).is_empty());
    }
}
