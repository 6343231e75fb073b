//! A real Prometheus scrapes a real daemon, and its linter finds nothing to complain about.
//!
//! Needs the Debian package `prometheus`; `cargo xtask test` installs it where it can.

use agentmon_tests::e2e::group::Group;
use agentmon_tests::e2e::http::{free_port, get};
use agentmon_tests::e2e::node::{Node, Setup};
use agentmon_tests::e2e::poll::eventually;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Whether a program of the package is there; says so when not.
fn is_installed(test: &str, program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: {test}: {program} is not installed (apt-get install prometheus)");
        assert!(std::env::var_os("AGENTMON_REQUIRE").is_none(), "{test} was skipped, and no skip is declared for it");
    }
    there
}

/// A Prometheus that scrapes one port every second. Dropped, it is killed.
struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    fn start(place: &Path, target: u16) -> Self {
        let config = place.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: agentmon\n    static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
        );
        std::fs::write(&config, text).expect("a file");
        let port = free_port();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display())).arg(format!("--storage.tsdb.path={}", place.join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        Self { child: command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("prometheus starts"), port }
    }

    /// The value of the only series of a query.
    fn query(&self, query: &str) -> Result<f64, String> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let (_, body) = get(self.port, &format!("/api/v1/query?query={escaped}")).map_err(|error| error.to_string())?;
        // The answer may come in chunks, whose sizes stand between.
        let json = body.find('{').and_then(|from| Some(&body[from..=body.rfind('}')?])).unwrap_or_default();
        let answer: Value = serde_json::from_str(json).map_err(|error| format!("{error}: {body}"))?;
        let [series] = answer["data"]["result"].as_array().map(Vec::as_slice).unwrap_or_default() else { return Err(body) };
        series["value"][1].as_str().and_then(|value| value.parse().ok()).ok_or(body)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // If it has ended, there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn prometheus_scrapes_the_daemon_and_answers_queries_about_it() {
    if !is_installed("prometheus_scrapes_the_daemon_and_answers_queries_about_it", "prometheus") {
        return;
    }
    let (group, place) = (Group::new("scrape"), tempfile::tempdir().expect("a directory"));
    let node = Node::watching(&Setup::of("e2e-scrape", &group), &group);
    let prometheus = Prometheus::start(place.path(), node.port());
    eventually("the target is up", || match prometheus.query("up{job=\"agentmon\"}")? {
        1.0 => Ok(()),
        other => Err(format!("up is {other}")),
    });
    group.run("i=0; while [ $i -lt 123 ]; do : < /proc/version; i=$((i+1)); done", &[]);
    let opens = node.log_until_now(&group).kinds()["open"];
    assert!(opens >= 123);
    eventually("Prometheus has the count", || match prometheus.query("agentmon_events_total{kind=\"open\"}")? {
        count if count == opens as f64 => Ok(()),
        count => Err(format!("{count} of {opens}")),
    });
    assert_eq!(node.stop().code, 0);
}

#[test]
fn promtool_has_no_complaint_about_the_metrics() {
    if !is_installed("promtool_has_no_complaint_about_the_metrics", "promtool") {
        return;
    }
    let node = Node::start(&Setup::default());
    let (_, text) = get(node.port(), "/metrics").expect("an answer");
    assert!(text.contains("# TYPE agentmon_events_total counter"), "{text}");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    promtool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("a pipe");
    let said = promtool.wait_with_output().expect("promtool");
    assert!(said.status.success() && said.stdout.is_empty() && said.stderr.is_empty(), "{said:?}");
    assert_eq!(node.stop().code, 0);
}
