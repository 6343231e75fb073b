//! Verdicts of a replay as people and programs see them. Not for: coming to them (`crate::recording`).

use crate::event::WallClock;
use crate::process::Operation;
use crate::rules::{Match, Rule};
use crate::view::compact;
use crate::view::escape::escaped;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use std::sync::Arc;

/// One rule that matched one operation.
#[derive(Clone, Debug)]
pub struct Told {
    /// The line of the recording.
    pub line: u64,
    /// The rule.
    pub rule: Arc<Rule>,
    /// Of a correlation what it counted.
    pub count: Option<u64>,
    epoch_ns: u64,
    timestamp_ns: u64,
    agent: (Arc<str>, Arc<str>),
    kind: &'static str,
    operation: &'static str,
    pid: u32,
    summary: String,
}

impl Told {
    /// What a rule says of an operation.
    pub fn new(line: u64, op: &Operation<'_>, found: &Match, clock: WallClock) -> Self {
        Self {
            line,
            rule: Arc::clone(&found.rule),
            count: found.count,
            epoch_ns: clock.epoch_ns(op.event.timestamp_ns),
            timestamp_ns: op.event.timestamp_ns,
            agent: (Arc::clone(&op.agent.name), Arc::clone(&op.agent.session)),
            kind: op.event.kind().name(),
            operation: op.event.operation,
            pid: op.event.process.tgid,
            summary: compact::summary(op),
        }
    }

    /// For people.
    pub fn text(&self, zone: &TimeZone) -> String {
        let Self { rule, summary, line, .. } = self;
        let time = self.time().to_zoned(zone.clone()).strftime("%H:%M:%S");
        let count = self.count.map(|count| format!(" ({count})")).unwrap_or_default();
        format!(
            "{time}.{:03} {:<8} {:<7} {}/{}  {}{count} [{}]  {summary}  line {line}",
            self.epoch_ns / 1_000_000 % 1000,
            rule.level.name(),
            rule.action.name(),
            escaped(self.agent.0.as_bytes()),
            escaped(self.agent.1.chars().take(4).collect::<String>().as_bytes()),
            escaped(rule.title.as_bytes()),
            rule.class.as_deref().unwrap_or("-"),
        )
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        let rule = &self.rule;
        json!({
            "line": self.line,
            "time": self.time().to_string(),
            "timestamp_ns": self.timestamp_ns,
            "agent": { "name": &*self.agent.0, "session": &*self.agent.1 },
            "rule": {
                "id": rule.id, "title": rule.title, "level": rule.level.name(), "class": rule.class, "action": rule.action.name(),
                "file": rule.file,
            },
            "count": self.count,
            "event": { "kind": self.kind, "operation": self.operation, "pid": self.pid, "summary": self.summary },
        })
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.epoch_ns)).unwrap_or_default()
    }
}
