//! The metrics of a daemon, read with one raw GET: exact, and with nothing in them that an agent chooses.

use agentmon_tests::e2e::group::{Group, runs};
use agentmon_tests::e2e::http::get;
use agentmon_tests::e2e::node::{Node, Setup};
use agentmon_tests::e2e::rule::{CANARY, on_open};
use serde_json::json;
use std::collections::BTreeSet;

const OPENS: &str = "agentmon_events_total{kind=\"open\"}";

#[test]
fn events_are_counted_exactly_as_the_log_has_them() {
    let group = Group::new("count");
    let node = Node::watching(&Setup::of("e2e-count", &group), &group);
    let before = node.log_until_now(&group);
    let opens = |log: &agentmon_tests::e2e::events::Events| log.kinds().get("open").copied().unwrap_or(0);
    let start = node.metrics_when("metrics and log agree before", |samples| samples.whole(OPENS) == opens(&before));
    group.run("i=0; while [ $i -lt 500 ]; do : < /proc/version; i=$((i+1)); done; ls / > /dev/null; rm -f /nonexistent/file", &[]);
    let after = node.log_until_now(&group);
    let grown = opens(&after) - opens(&before);
    assert!(grown > 500, "the loop, and what the programs opened: {grown}");
    let end = node.metrics_when("metrics and log agree after", |samples| samples.whole(OPENS) == start.whole(OPENS) + grown);
    assert_eq!(end.sum("agentmon_events_dropped_total"), 0.0);

    // Every kind, once the last exits are in as well.
    let mut log = after;
    let counted = node.metrics_when("every kind agrees", |samples| {
        log.clone().kinds().iter().all(|(kind, count)| samples.whole(&format!("agentmon_events_total{{kind=\"{kind}\"}}")) >= *count)
    });
    log = node.log();
    for (kind, count) in log.kinds() {
        assert_eq!(counted.whole(&format!("agentmon_events_total{{kind=\"{kind}\"}}")), count, "{kind}");
    }
    assert_eq!(counted.sum("agentmon_events_total"), log.kinds().values().sum::<u64>() as f64);
    assert_eq!(node.stop().code, 0);
}

#[test]
fn no_label_is_the_agents_to_choose() {
    let (group, place) = (Group::new("labels"), tempfile::tempdir().expect("a directory"));
    on_open(place.path(), "canary", "alert");
    let setup = Setup { rules: format!("dirs = [\"{}\"]", place.path().display()), ..Setup::of("e2e-labels", &group) };
    let node = Node::watching(&setup, &group);
    let quiet: BTreeSet<String> = node.metrics().0.into_keys().collect();
    let canary = place.path().join("canary");
    let pid = group.run("echo x > \"$1\"; ls /usr/lib > /dev/null; /bin/true --secret-argument", &[canary.to_str().expect("a name")]);
    let _ = node.log_until_now(&group);
    let matched = format!("agentmon_rule_matches_total{{rule=\"{CANARY}\",severity=\"critical\"}}");
    let samples = node.metrics_when("the match is counted", |samples| samples.whole(&matched) == 1 && samples.whole(OPENS) > 0);
    let allowed = BTreeSet::from([
        "action", "cause", "digest", "kind", "le", "probe", "program", "queue", "result", "ring", "rule", "severity", "stage", "state",
        "trigger", "until", "version",
    ]);
    let names: BTreeSet<&str> = samples.labels().into_iter().map(|(name, _)| name).collect();
    assert!(names.is_subset(&allowed), "{:?}", names.difference(&allowed).collect::<Vec<_>>());
    let pid = pid.to_string();
    for (name, value) in samples.labels() {
        let chosen = value.contains('/')
            || value == pid
            || ["canary", "secret", "dash", "true", "e2e-labels"].iter().any(|word| value.contains(word));
        assert!(!chosen || name == "version", "{name}=\"{value}\"");
    }
    let busy: BTreeSet<String> = samples.0.into_keys().collect();
    assert_eq!(quiet, busy, "what an agent does makes no new series");
    assert_eq!(node.stop().code, 0);
}

#[test]
fn health_and_readiness_answer_and_nothing_else_does() {
    let node = Node::start(&Setup::default());
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/", 404), ("/../etc/passwd", 404)] {
        assert_eq!(get(node.port(), path).expect("an answer").0, status, "{path}");
    }
    let port = node.port();
    assert_eq!(node.stop().code, 0);
    assert!(get(port, "/healthz").is_err(), "nobody answers any more");
}

#[test]
fn agents_and_breaker_actions_are_counted() {
    let (group, place) = (Group::new("states"), tempfile::tempdir().expect("a directory"));
    on_open(place.path(), "canary", "kill");
    let setup = Setup { rules: format!("built_in = false\ndirs = [\"{}\"]", place.path().display()), ..Setup::of("e2e-states", &group) };
    let node = Node::watching(&setup, &group);
    let state = |name: &str| format!("agentmon_agents{{state=\"{name}\"}}");
    let _ = node.metrics_when("the agent runs", |samples| samples.whole(&state("running")) == 1);
    let canary = place.path().join("canary");
    let mut child = group.shell("echo x > \"$1\"; sleep 300", &[canary.to_str().expect("a name")]).spawn().expect("a shell");
    let status = child.wait().expect("a child");
    assert_eq!(status.code(), None, "it was killed: {status}");
    assert!(!runs(child.id()));
    let killed = "agentmon_breaker_actions_total{action=\"kill\",result=\"verified\",trigger=\"rule\"}";
    let samples = node.metrics_when("the kill is counted", |samples| samples.whole(killed) == 1 && samples.whole(&state("killed")) == 1);
    assert_eq!(samples.whole("agentmon_breaker_latency_seconds_count{action=\"kill\",until=\"written\"}"), 1);
    let log = node.log_with(&[("/metadata/event_code", json!("breaker.kill"))]);
    assert_eq!(log.one(&[("/metadata/event_code", json!("breaker.kill"))])["unmapped"]["cgroup"], json!(group.name()));
    assert_eq!(node.stop().code, 0);
}
