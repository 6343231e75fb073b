//! Everything the engine says about what happened: log lines, live lines, the summary.
//!
//! Lines are formatted on the engine's thread, after the response, and handed on in chunks; one formatted line serves
//! the log and the JSON screen. Nothing here waits. Not for: what a line looks like (`crate::log`, `crate::view`).

use super::screen::{Screen, ScreenMode};
use super::tally::Counts;
use crate::config::Mode;
use crate::event::{Kind, WallClock};
use crate::log::{
    BreakerView, Chunk, Counters, FindingView, Format, Host, Lifecycle, LogHandle, LogWriter, Loss, MatchView, ProcessRef, Segment,
    StateView, WriterConfig,
};
use crate::process::{Agent, Operation};
use crate::response::Command;
use crate::rules::{Action, Match};
use crate::view::{Compact, Summary};
use agentmon_common::rings::{self, URGENT};
use anyhow::Context;
use bytes::Bytes;
use std::sync::Arc;

/// Bytes of lines that are gathered before they are handed on while the engine is busy.
const CHUNK_BYTES: usize = 64 * 1024;

/// Where lines go.
pub struct Outputs {
    /// Present when anything wants JSON.
    json: Option<Json>,
    compact: Option<(Compact, Vec<u8>)>,
    log: Option<(LogHandle, LogWriter)>,
    screen: Option<Screen>,
    summary: Option<Summary>,
    screen_dropped: u64,
    /// Lines that the log had no room for, by kind number.
    left_out: Counts,
    segment: Segment,
    mode: Mode,
}

struct Json {
    format: Format,
    lines: Vec<u8>,
    /// Sequence number of the first line in `lines`.
    first: u64,
}

/// What is left when the outputs are closed.
#[derive(Default)]
pub struct Closed {
    /// What the run did.
    pub summary: Option<Summary>,
    /// What the log did.
    pub log: Option<Arc<Counters>>,
    /// Live lines that were dropped since they were last asked for.
    pub screen_dropped: u64,
}

impl Outputs {
    /// Opens the log and starts the threads.
    pub fn open(
        log: Option<WriterConfig>,
        screen: Option<ScreenMode>,
        summary: bool,
        mode: Mode,
        host: &Host,
        clock: WallClock,
    ) -> anyhow::Result<Self> {
        let wants_json = log.is_some() || screen == Some(ScreenMode::Json);
        let json = wants_json.then(|| Json { format: Format::new(host, clock), lines: Vec::new(), first: 0 });
        let compact = match screen {
            Some(ScreenMode::Compact { colour, all }) => Some((Compact::new(clock, colour, all), Vec::new())),
            Some(ScreenMode::Json) | None => None,
        };
        Ok(Self {
            json,
            compact,
            segment: log.as_ref().map(|config| config.segment.clone()).unwrap_or_default(),
            log: log.map(LogWriter::start).transpose()?,
            screen: screen.map(|_| Screen::start()).transpose().context("cannot start the screen thread")?,
            summary: summary.then(Summary::new),
            screen_dropped: 0,
            left_out: Counts::default(),
            mode,
        })
    }

    /// What the log has done so far.
    pub fn log_counters(&self) -> Option<Arc<Counters>> {
        self.log.as_ref().map(|(_, writer)| writer.counters())
    }

    /// Live lines dropped because their reader was too far behind, since the last call.
    pub fn take_screen_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.screen_dropped)
    }

    /// Lines of operations that were left out because the log was crowded, by kind number, since the last call.
    pub fn take_left_out(&mut self) -> Counts {
        std::mem::take(&mut self.left_out)
    }

    /// An operation and the rules that matched it. Where lines crowd, those that no rule matched and that are not of the
    /// critical kinds, or failed, are left out, and counted: a flood of them leaves room for the others.
    pub fn operation(&mut self, op: &Operation<'_>, matches: &[Match]) {
        let is_critical = rings::of(op.event.kind() as u16) == URGENT && op.event.outcome.0 >= 0;
        let may_go = matches.is_empty() && !is_critical;
        let views: Vec<MatchView<'_>> = matches.iter().map(|found| view(found, self.mode)).collect();
        if may_go && self.is_json_crowded() {
            self.leave_out(op.event.kind());
        } else if let Some(json) = &mut self.json {
            json.write(|format, out| {
                let event = format.next_sequence();
                format.operation(op, &views, out);
                views.iter().filter(|view| view.count.is_some()).for_each(|view| finding(format, op, view, event, out));
            });
        }
        if let Some((compact, out)) = &mut self.compact {
            if may_go && self.screen.as_ref().is_some_and(Screen::is_crowded) {
                self.screen_dropped += 1;
            } else {
                compact.operation(op, &views, out);
            }
        }
        if let Some(summary) = &mut self.summary {
            summary.operation(op, &views);
        }
        if self.buffered() > CHUNK_BYTES {
            self.flush();
        }
    }

    /// Of lines that go to the log and the screen the log decides.
    fn is_json_crowded(&self) -> bool {
        match (&self.log, &self.screen) {
            (Some((handle, _)), _) => handle.is_crowded(),
            (None, Some(screen)) => self.json.is_some() && screen.is_crowded(),
            (None, None) => false,
        }
    }

    fn leave_out(&mut self, kind: Kind) {
        if let Some((handle, _)) = &self.log {
            handle.left_out();
            self.left_out.0[kind as usize] += 1;
        }
        if self.screen.is_some() && self.compact.is_none() {
            self.screen_dropped += 1;
        }
    }

    /// What the breaker did.
    pub fn breaker(&mut self, breaker: &BreakerView<'_>) {
        if let Some(json) = &mut self.json {
            json.write(|format, out| format.breaker(breaker, out));
        }
        match &mut self.compact {
            Some((compact, out)) => compact.breaker(breaker, out),
            None => warn(breaker),
        }
        if let Some(summary) = &mut self.summary {
            summary.breaker(breaker);
        }
        self.flush();
    }

    /// An agent that somebody else froze or let go on.
    pub fn state(&mut self, found: &StateView<'_>) {
        if let Some(json) = &mut self.json {
            json.write(|format, out| format.state(found, out));
        }
        if let Some((compact, out)) = &mut self.compact {
            compact.state(found, out);
        }
        self.flush();
    }

    /// An agent of which living processes were forgotten.
    pub fn forgotten(&mut self, timestamp_ns: u64, agent: &Agent, processes: u64) {
        if let Some(json) = &mut self.json {
            json.write(|format, out| format.forgotten(timestamp_ns, agent, processes, out));
        }
    }

    /// Events that were lost.
    pub fn gap(&mut self, timestamp_ns: u64, losses: &[Loss]) {
        if let Some(json) = &mut self.json {
            json.write(|format, out| format.gap(timestamp_ns, losses, out));
        }
        if let Some((compact, out)) = &mut self.compact {
            compact.gap(timestamp_ns, losses, out);
        }
    }

    /// What became of the monitor itself.
    pub fn lifecycle(&mut self, timestamp_ns: u64, life: &Lifecycle<'_>) {
        if let Some(json) = &mut self.json {
            json.write(|format, out| format.lifecycle(timestamp_ns, life, out));
        }
    }

    /// What the next file of the log says about the rules.
    pub fn rules_changed(&mut self, digest: &str) {
        if let Some((_, writer)) = &self.log {
            self.segment.rules_digest = digest.to_owned();
            writer.set_segment(self.segment.clone());
        }
    }

    /// Asks the log to open its file anew.
    pub fn reopen(&self) {
        if let Some((_, writer)) = &self.log {
            writer.reopen();
        }
    }

    fn buffered(&self) -> usize {
        self.json.as_ref().map_or(0, |json| json.lines.len()) + self.compact.as_ref().map_or(0, |(_, out)| out.len())
    }

    /// Hands on what was gathered.
    pub fn flush(&mut self) {
        if let Some(json) = &mut self.json
            && !json.lines.is_empty()
        {
            let chunk = json.take();
            let bytes = chunk.bytes.clone();
            let lines = chunk.lines();
            if let Some((handle, writer)) = &mut self.log {
                writer.counters().truncated_lines.store(json.format.shortened(), std::sync::atomic::Ordering::Relaxed);
                handle.send(chunk);
            }
            if self.compact.is_none() {
                send(self.screen.as_ref(), bytes, lines, &mut self.screen_dropped);
            }
        }
        if let Some((_, out)) = &mut self.compact
            && !out.is_empty()
        {
            let lines = out.iter().filter(|b| **b == b'\n').count() as u64;
            send(self.screen.as_ref(), Bytes::from(std::mem::take(out)), lines, &mut self.screen_dropped);
        }
    }

    /// Writes everything and ends the threads.
    pub fn close(mut self) -> Closed {
        self.flush();
        let screen_dropped = self.screen_dropped + self.screen.take().map_or(0, Screen::stop);
        let log = self.log.take().map(|(handle, writer)| {
            drop(handle);
            writer.stop()
        });
        Closed { summary: self.summary, log, screen_dropped }
    }
}

impl Json {
    fn write(&mut self, line: impl FnOnce(&mut Format, &mut Vec<u8>)) {
        if self.lines.is_empty() {
            self.first = self.format.next_sequence();
        }
        line(&mut self.format, &mut self.lines);
    }

    fn take(&mut self) -> Chunk {
        let sequences = self.first..self.format.next_sequence();
        Chunk { bytes: Bytes::from(std::mem::take(&mut self.lines)), sequences }
    }
}

fn send(screen: Option<&Screen>, bytes: Bytes, lines: u64, dropped: &mut u64) {
    if let Some(screen) = screen
        && !screen.send(bytes)
    {
        *dropped += lines;
    }
}

/// A rule that counts has found something: a record of its own beside the event that completed it.
fn finding(format: &mut Format, op: &Operation<'_>, rule: &MatchView<'_>, event: u64, out: &mut Vec<u8>) {
    let message = format!("{}: {} by {}/{}", rule.title, rule.count.unwrap_or_default(), op.agent.name, op.agent.session);
    let view = FindingView {
        timestamp_ns: op.event.timestamp_ns,
        agent: op.agent,
        rule: *rule,
        message: &message,
        process: Some(ProcessRef { key: op.event.process, execs: op.process.execs }),
        related: &[event],
    };
    format.finding(&view, out);
}

/// Says what the breaker did where no compact lines do: whoever waits for a frozen agent must know what it waits for.
fn warn(breaker: &BreakerView<'_>) {
    let agent = breaker.agent;
    let then = match breaker.action {
        Command::Freeze => format!(": agentmon thaw {0}, or agentmon kill {0}", agent.session),
        Command::Thaw | Command::Kill => String::new(),
    };
    tracing::warn!("{} of {}/{} by {}: {}{then}", breaker.action.name(), agent.name, agent.session, breaker.by, breaker.reason);
}

/// A match as lines show it.
fn view(found: &Match, mode: Mode) -> MatchView<'_> {
    let rule = &*found.rule;
    MatchView {
        id: &rule.id,
        title: &rule.title,
        level: rule.level as u8 + 1,
        class: rule.class.as_deref(),
        action: rule.action.name(),
        observed: mode == Mode::Observe && !matches!(rule.action, Action::Log | Action::Alert),
        tags: &rule.tags,
        count: found.count,
    }
}

#[cfg(test)]
mod tests {
    use super::Outputs;
    use crate::config::Mode;
    use crate::event::Kind;
    use crate::log::tests::sample::{clock, every_kind};
    use crate::log::{Host, Segment, WriterConfig};
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    const REMOVALS: u64 = 40_000;
    const EXECS: u64 = 200;

    #[test]
    fn a_flood_of_removals_takes_no_execution_out_of_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let host = Host { hostname: "node-17".to_owned(), boot_id: "0f3c9d6e-4b1a-4f0c".to_owned(), run: 7 };
        // The thread sleeps for a second, so that the queue fills.
        let config = WriterConfig {
            queue_bytes: 4 << 20,
            flush_bytes: 64 << 20,
            flush_interval: Duration::from_secs(1),
            ..WriterConfig::new(path.clone(), host.clone(), Segment::default())
        };
        let mut outputs = Outputs::open(Some(config), None, false, Mode::Enforce, &host, clock()).unwrap();
        let samples = every_kind();
        let of = |kind: Kind| samples.iter().find(|sample| sample.event.kind() == kind).unwrap();
        for number in 0..REMOVALS {
            outputs.operation(&of(Kind::Unlink).operation(), &[]);
            if number % (REMOVALS / EXECS) == 0 {
                outputs.operation(&of(Kind::Exec).operation(), &[]);
            }
        }
        let left_out = outputs.take_left_out();
        let log = outputs.close().log.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let count = |kind: Kind| text.matches(&format!("\"event_code\":\"{}\"", of(kind).event.operation)).count() as u64;
        assert!(left_out.0[Kind::Unlink as usize] > 0, "the log was never crowded");
        assert_eq!(count(Kind::Exec), EXECS);
        assert_eq!(count(Kind::Unlink) + left_out.0[Kind::Unlink as usize], REMOVALS);
        assert_eq!(log.dropped_lines.load(Ordering::Relaxed), left_out.0.iter().sum::<u64>(), "and nothing else was");
    }
}
