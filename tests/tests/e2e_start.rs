//! `agentmon daemon` that cannot start as it is told: exit codes, places, suggestions.

use agentmon_tests::e2e::group::Group;
use agentmon_tests::e2e::node::{Node, Setup, Stopped};
use agentmon_tests::e2e::rule::{CANARY, broken, on_open};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn refused(setup: &Setup) -> Stopped {
    let stopped = Node::spawn(setup).ended();
    assert!(stopped.log.lines().is_empty(), "it wrote a log");
    stopped
}

#[test]
fn a_broken_rule_file_is_refused_with_its_place() {
    let rules = tempfile::tempdir().expect("a directory");
    broken(rules.path());
    on_open(rules.path(), "canary", "alert");
    let said = refused(&Setup { rules: format!("dirs = [\"{}\"]", rules.path().display()), ..Setup::default() });
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(
        said.stderr.contains("broken.yml:8:24: error: unknown modifier `endwith`\n  hint: did you mean `endswith`?"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.lines().any(|line| line.starts_with("error: ")), "{}", said.stderr);
}

#[test]
fn a_broken_rule_file_is_left_out_when_the_configuration_says_skip() {
    let (rules, place) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    broken(rules.path());
    on_open(rules.path(), "canary", "alert");
    let group = Group::new("skip");
    let rules = format!("built_in = false\ndirs = [\"{}\"]\non_error = \"skip\"", rules.path().display());
    let node = Node::watching(&Setup { rules, ..Setup::of("e2e-skip", &group) }, &group);
    assert!(node.stderr().contains("broken.yml:8:24: error: unknown modifier"), "{}", node.stderr());
    let canary = place.path().join("canary");
    group.run(": > \"$1\"", &[canary.to_str().expect("a name")]);
    let log = node.log_until_now(&group);
    assert_eq!(log.one(&[("/file/path", json!(canary))])["policy"]["uid"], CANARY, "the good rule works");
    let metrics = node.metrics();
    assert_eq!((metrics.whole("agentmon_rules_loaded"), metrics.whole("agentmon_rules_skipped")), (1, 1));
    assert_eq!(node.stop().code, 0);
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_a_suggestion() {
    let said = refused(&Setup { log: "max_byte = \"1MiB\"".to_owned(), ..Setup::default() });
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(
        said.stderr.contains("agentmon.toml:3:1: unknown key `max_byte` in [log]\n  hint: did you mean `max_bytes`?"),
        "{}",
        said.stderr
    );
}

#[test]
fn every_mistake_of_a_configuration_is_told_at_once() {
    let log = "max_bytes = \"1KiB\"".to_owned();
    let kernel = Some("ring_bytes = \"3MiB\"".to_owned());
    let said = refused(&Setup { log, kernel, ..Setup::default() });
    assert_eq!(said.code, 2, "{}", said.stderr);
    for wanted in ["agentmon.toml:3:", "`log.max_bytes`", "`kernel.ring_bytes`", "  hint: take 2"] {
        assert!(said.stderr.contains(wanted), "no {wanted:?} in {}", said.stderr);
    }
}

#[test]
fn a_missing_configuration_is_told() {
    let said = agentmon_tests::e2e::binary::order(&["daemon", "--config", "/no/such/agentmon.toml"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.starts_with("error: cannot read /no/such/agentmon.toml: No such file"), "{said:?}");
}

#[test]
fn a_log_directory_that_is_missing_or_cannot_be_written_is_told_with_its_path() {
    let open = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(open.path(), std::fs::Permissions::from_mode(0o777)).expect("permissions");
    // Root may write everywhere but here.
    let cases = [
        (
            PathBuf::from("/no/such/directory"),
            "cannot open the log /no/such/directory/events.jsonl: No such file",
            "  hint: create the directory",
        ),
        (PathBuf::from("/proc/self"), "cannot open the log /proc/self/events.jsonl", "  hint: "),
        (open.path().to_owned(), "refuse to write the log to ", "  hint: use a directory that only root can write to"),
    ];
    for (log_dir, error, hint) in cases {
        let said = refused(&Setup { log_dir: Some(log_dir), ..Setup::default() });
        assert_eq!(said.code, 1, "{}", said.stderr);
        assert!(said.stderr.contains(&format!("error: {error}")) && said.stderr.contains(hint), "{}", said.stderr);
    }
}
