//! Names and labels of every family, and the counting.

use super::families::FAMILIES;
use super::*;
use crate::event::{AgentId, Kind};
use crate::response::{BreakerReport, Command, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The families and series of a fresh start, as a scrape shows them.
const GOLDEN: &str = include_str!("golden.txt");

fn metrics() -> Metrics {
    Metrics::new("0.1.0").unwrap()
}

fn own_lines(metrics: &Metrics) -> String {
    metrics.text().unwrap().lines().filter(|line| line.contains("agentmon_")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_text_of_a_fresh_start_is_the_golden_one() {
    let metrics = metrics();
    metrics.set_rules("d1gest", [("0c2b7b5e-5a0f-4a6e-9f59-0b8f7e3b1a11", "high")]);
    let text = own_lines(&metrics);
    if std::env::var_os("AGENTMON_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/metrics/golden.txt"), &text).unwrap();
        return;
    }
    for (line, (got, golden)) in text.lines().zip(GOLDEN.lines()).enumerate() {
        assert_eq!(got, golden, "line {}; AGENTMON_BLESS=1 writes the file anew", line + 1);
    }
    assert_eq!(text.lines().count(), GOLDEN.lines().count());
    assert!(text.lines().filter(|line| !line.starts_with('#')).count() < 500, "the budget of one node");
}

#[test]
fn every_family_of_the_table_is_there_and_no_label_is_the_agents_to_choose() {
    let metrics = metrics();
    metrics.set_rules("d", [("r", "low")]);
    metrics.hook_ok.with_label_values(&["open"]).set(1);
    let text = metrics.text().unwrap();
    let forbidden = ["pid", "path", "exe", "argv", "command", "session", "ip", "address", "container"];
    for family in FAMILIES {
        assert!(text.contains(&format!("# HELP {} ", family.name)), "{}", family.name);
        assert!(!family.labels.iter().any(|label| forbidden.contains(label)), "{}", family.name);
        assert_eq!(family.kind == FamilyKind::Counter, family.name.ends_with("_total"), "{}", family.name);
    }
}

#[test]
fn rules_start_at_zero_keep_their_count_and_go_with_a_reload() {
    let metrics = metrics();
    let counters = metrics.set_rules("one", [("a", "high"), ("b", "low")]);
    counters[0].inc();
    counters[1].inc();
    let counters = metrics.set_rules("two", [("a", "high"), ("c", "low")]);
    counters[0].inc();
    let text = own_lines(&metrics);
    let has = |line: &str| assert!(text.contains(&format!("\nagentmon_{line}\n")), "{line}\n{text}");
    has("rule_matches_total{rule=\"a\",severity=\"high\"} 2");
    has("rule_matches_total{rule=\"c\",severity=\"low\"} 0");
    has("rules_info{digest=\"two\"} 1");
    has("rules_loaded 2");
    assert!(!text.contains("rule=\"b\"") && !text.contains("\"one\""));
}

#[test]
fn rules_beyond_the_cap_share_one_series() {
    let metrics = metrics();
    let ids: Vec<String> = (0..RULES_MAX + 10).map(|number| format!("rule-{number}")).collect();
    let counters = metrics.set_rules("d", ids.iter().map(|id| (id.as_str(), "high")));
    counters.iter().for_each(IntCounter::inc);
    let text = own_lines(&metrics);
    assert!(text.contains("{rule=\"other\",severity=\"high\"} 10\n"));
    assert!(text.contains("\nagentmon_metrics_overflow_total 10\n"));
    assert_eq!(text.matches("agentmon_rule_matches_total{").count(), RULES_MAX + 1);
}

#[test]
fn what_is_counted_elsewhere_is_fetched_at_the_scrape_and_never_goes_back() {
    let metrics = metrics();
    let total = Arc::new(AtomicU64::new(5));
    let source = Arc::clone(&total);
    metrics.on_scrape(move |metrics| set_total(metrics.dropped.ring(Kind::Open), source.load(Ordering::Relaxed)));
    let line = |value: u64| format!("agentmon_events_dropped_total{{kind=\"open\",stage=\"kernel_ringbuf\"}} {value}\n");
    assert!(own_lines(&metrics).contains(&line(5)));
    total.store(8, Ordering::Relaxed);
    assert!(own_lines(&metrics).contains(&line(8)));
    total.store(2, Ordering::Relaxed);
    assert!(own_lines(&metrics).contains(&line(8)));
}

#[test]
fn a_breaker_report_counts_by_result_and_latency() {
    let metrics = metrics();
    let report = BreakerReport {
        order: 1,
        agent: AgentId(1),
        command: Command::Kill,
        outcome: Outcome::Done { verified: true },
        tasks: 3,
        survivors: Vec::new(),
        write_latency: Duration::from_micros(300),
        done_latency: Duration::from_millis(11),
        escaped: 2,
    };
    metrics.breaker.report(&report, Trigger::Rule);
    metrics.breaker.report(&BreakerReport { outcome: Outcome::Failed("x".into()), ..report }, Trigger::Operator);
    metrics.breaker.observed(Command::Freeze, Trigger::Rule);
    metrics.events.of(Kind::Exec).inc();
    let text = own_lines(&metrics);
    for line in [
        "breaker_actions_total{action=\"kill\",result=\"verified\",trigger=\"rule\"} 1",
        "breaker_actions_total{action=\"kill\",result=\"error\",trigger=\"operator\"} 1",
        "breaker_actions_total{action=\"freeze\",result=\"observed\",trigger=\"rule\"} 1",
        "breaker_latency_seconds_bucket{action=\"kill\",until=\"written\",le=\"0.0001\"} 0",
        "breaker_latency_seconds_bucket{action=\"kill\",until=\"written\",le=\"0.0005\"} 2",
        "breaker_latency_seconds_count{action=\"kill\",until=\"verified\"} 1",
        "breaker_escaped_processes_total{action=\"kill\"} 4",
        "events_total{kind=\"exec\"} 1",
    ] {
        assert!(text.contains(&format!("\nagentmon_{line}\n")), "{line}\n{text}");
    }
}
