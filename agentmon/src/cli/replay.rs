//! `agentmon replay`: a recording through the same stages as live, and what the rules say.
//!
//! Not for: the stages (`crate::recording`), nor how a verdict looks (`super::verdict`).

use super::verdict::Told;
use super::{errors, rules};
use crate::config::OnRuleError;
use crate::recording::{self, Header, Line, Lost, ReadError, Reader};
use crate::rules::{Action, RuleSet};
use crate::view::{counted, say};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::json;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// How verdicts and rows are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One line each, for people.
    Text,
    /// One JSON object each.
    Json,
}

/// Judge a recording anew.
#[derive(Debug, Args)]
#[command(
    after_help = "A recording is made by `agentmon run --record FILE` or `agentmon daemon --record FILE`. With the rules of the live run \
    a replay gives its verdicts, one for one; nothing is carried out.\n\n\
    Examples:\n  \
    agentmon replay day.jsonl                              what the built-in rules say\n  \
    agentmon replay day.jsonl --rules site/                and those of this site\n  \
    agentmon replay day.jsonl --against rules/             what would change with the rules in rules/\n  \
    agentmon replay day.jsonl --cut RULE > RULE.fires.jsonl  a test for that rule, see `agentmon rules test`\n\n\
    Exit codes: 0 done; 2 wrong usage or rules; 5 the file is cut short or damaged, and the verdicts are those up to there; \
    6 --against: the verdicts differ."
)]
pub struct Replay {
    /// The recording.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Rules besides the built-in ones: a file or directory; may be given several times.
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Without the built-in rules.
    #[arg(long)]
    no_builtin_rules: bool,
    /// How verdicts are shown.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
    /// Show what would change with the rules in PATH instead (+ appears, - vanishes, ~ has another level or action). These are
    /// all there are then: the built-in ones do not come on top.
    #[arg(long, value_name = "PATH")]
    against: Vec<PathBuf>,
    /// Write the few lines of FILE that make this rule match, as a recording of their own.
    #[arg(long, value_name = "RULE_ID", conflicts_with_all = ["against", "output"])]
    cut: Option<String>,
    /// With --cut: the rule that the recording is about, when it is another: that of which it is a near miss.
    #[arg(long, value_name = "RULE_ID", requires = "cut")]
    about: Option<String>,
}

/// Counts of a replay, for the last line.
#[derive(Default)]
struct Counts {
    events: u64,
    agents: u64,
    /// By [`Action`].
    verdicts: [u64; Action::ALL.len()],
}

impl Replay {
    /// Runs the verb.
    pub fn run(self) -> Result<u8> {
        let set = rules::gather(!self.no_builtin_rules, &self.rules, OnRuleError::Refuse)?;
        let mut reader = open(&self.file)?;
        if let Some(id) = &self.cut {
            return self.cut(&mut reader, &set, id);
        }
        if !self.against.is_empty() {
            let other = rules::gather(false, &self.against, OnRuleError::Refuse)?;
            return self.compare(&mut reader, set, other);
        }
        self.replay(&mut reader, set)
    }

    fn replay(&self, reader: &mut Reader<BufReader<File>>, set: RuleSet) -> Result<u8> {
        let mut counts = Counts::default();
        let mut losses = Losses::new(reader.header(), &set);
        let header = reader.header().clone();
        let zone = TimeZone::system();
        let mut replay = recording::Replay::new(&header, set);
        let damage = each(reader, |number, line| {
            counts.line(&line);
            losses.line(&line);
            replay.take(number, line, |verdict| {
                for found in verdict.matches {
                    counts.verdicts[found.rule.action as usize] += 1;
                    self.show(None, &Told::new(number, &verdict.op, found, header.clock()), &zone);
                }
            });
        });
        losses.tell();
        say::err(format_args!("{}: {}", counts.seen(), counts.verdicts_text()));
        self.ended(damage, 0)
    }

    fn compare(&self, reader: &mut Reader<BufReader<File>>, ours: RuleSet, theirs: RuleSet) -> Result<u8> {
        let header = reader.header().clone();
        let zone = TimeZone::system();
        let mut losses = Losses::new(&header, &ours);
        let (mut before, mut after) = (Counts::default(), Counts::default());
        let mut replays = [recording::Replay::new(&header, ours), recording::Replay::new(&header, theirs)];
        let mut differences = 0_u64;
        let damage = each(reader, |number, line| {
            before.line(&line);
            losses.line(&line);
            let [old, new] = replays.each_mut().map(|replay| verdicts(replay, number, &line, &header));
            old.iter().for_each(|(_, told)| before.verdicts[told.rule.action as usize] += 1);
            new.iter().for_each(|(_, told)| after.verdicts[told.rule.action as usize] += 1);
            for (sign, told) in difference(&old, &new) {
                differences += 1;
                self.show(Some(&sign), told, &zone);
            }
        });
        losses.tell();
        say::err(format_args!("{}: {}", before.seen(), before.changed(&after)));
        self.ended(damage, if differences == 0 { 0 } else { errors::DIFFERENT })
    }

    /// Writes what makes a rule match to standard output.
    fn cut(&self, reader: &mut Reader<BufReader<File>>, set: &RuleSet, id: &str) -> Result<u8> {
        let mut lines = Vec::new();
        if let Some(error) = each(reader, |_, line| lines.push(line)) {
            say::err(format_args!("warning: {}: {error}", shown(&self.file)));
        }
        let (mut header, lines) = recording::cut(reader.header(), &lines, set, id).with_context(|| shown(&self.file))?;
        if let Some(about) = &self.about {
            header.about = vec![about.clone()];
        }
        for line in std::iter::once(&Line::Recording(header)).chain(&lines) {
            say::out(serde_json::to_string(line).context("a line cannot be written")?);
        }
        Ok(0)
    }

    fn show(&self, sign: Option<&Sign>, told: &Told, zone: &TimeZone) {
        match (self.output, sign) {
            (Output::Text, None) => say::out(told.text(zone)),
            (Output::Text, Some(sign)) => say::out(format_args!("{} {}{}", sign.mark, told.text(zone), sign.before)),
            (Output::Json, None) => say::out(told.json()),
            (Output::Json, Some(sign)) => say::out(json!({ "difference": sign.name, "verdict": told.json() })),
        }
    }

    /// Says what is wrong with the file; the verdicts up to there have been shown.
    fn ended(&self, damage: Option<ReadError>, code: u8) -> Result<u8> {
        match damage {
            None => Ok(code),
            Some(error) => Err(error).with_context(|| shown(&self.file)),
        }
    }
}

/// Opens a recording.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn open(file: &Path) -> Result<Reader<BufReader<File>>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", shown(file)))?;
    Reader::new(BufReader::with_capacity(1 << 18, opened)).with_context(|| shown(file))
}

/// Takes every line; gives what ended it before its time.
pub fn each(reader: &mut Reader<BufReader<File>>, mut take: impl FnMut(u64, Line)) -> Option<ReadError> {
    loop {
        match reader.line() {
            Ok(Some((number, line))) => take(number, line),
            Ok(None) => return None,
            Err(error) => return Some(error),
        }
    }
}

/// A file's name for people.
pub fn shown(file: &Path) -> String {
    crate::view::escape::escaped(file.as_os_str().as_encoded_bytes())
}

/// The verdicts of a line, each with the number of the operation among those that the line completes.
fn verdicts(replay: &mut recording::Replay, number: u64, line: &Line, header: &Header) -> Vec<(usize, Told)> {
    let mut all = Vec::new();
    let mut operation = 0;
    replay.take(number, line.clone(), |verdict| {
        let told = |found| (operation, Told::new(number, &verdict.op, found, header.clock()));
        all.extend(verdict.matches.iter().map(told));
        operation += 1;
    });
    all
}

/// How a verdict differs.
struct Sign {
    mark: char,
    name: &'static str,
    /// What it was before, of one that changes.
    before: String,
}

/// What is in one of them only, or has another level or action.
fn difference<'a>(old: &'a [(usize, Told)], new: &'a [(usize, Told)]) -> Vec<(Sign, &'a Told)> {
    let same = |a: &(usize, Told), b: &(usize, Told)| a.0 == b.0 && a.1.rule.id == b.1.rule.id;
    let mut all = Vec::new();
    for was in old {
        match new.iter().find(|is| same(was, is)) {
            None => all.push((Sign { mark: '-', name: "vanishes", before: String::new() }, &was.1)),
            Some(is) if (is.1.rule.level, is.1.rule.action) != (was.1.rule.level, was.1.rule.action) => {
                let before = format!("  (was {} {})", was.1.rule.level, was.1.rule.action);
                all.push((Sign { mark: '~', name: "changes", before }, &is.1));
            }
            Some(_) => {}
        }
    }
    let appears = |is: &&(usize, Told)| !old.iter().any(|was| same(was, is));
    all.extend(new.iter().filter(appears).map(|is| (Sign { mark: '+', name: "appears", before: String::new() }, &is.1)));
    all
}

impl Counts {
    fn line(&mut self, line: &Line) {
        match line {
            Line::Event(event) => self.events = self.events.saturating_add(event.repeated),
            Line::Agent(_) => self.agents += 1,
            _ => {}
        }
    }

    fn seen(&self) -> String {
        format!("{} of {}", counted(self.events, "event", "events"), counted(self.agents, "agent", "agents"))
    }

    fn verdicts_text(&self) -> String {
        let all: u64 = self.verdicts.iter().sum();
        let by_action = Action::ALL.into_iter().filter(|action| self.verdicts[*action as usize] > 0);
        let parts: Vec<String> = by_action.map(|action| format!("{} {action}", self.verdicts[action as usize])).collect();
        let between = if parts.is_empty() { "" } else { ": " };
        format!("{}{between}{}", counted(all, "verdict", "verdicts"), parts.join(", "))
    }

    fn changed(&self, after: &Self) -> String {
        let seen = Action::ALL.into_iter().filter(|action| self.verdicts[*action as usize] + after.verdicts[*action as usize] > 0);
        let part = |action: Action| format!("{action} {} -> {}", self.verdicts[action as usize], after.verdicts[action as usize]);
        let parts: Vec<String> = seen.map(part).collect();
        if parts.is_empty() { "no verdict by either".to_owned() } else { parts.join(", ") }
    }
}

/// What makes a replay another thing than the live run was.
struct Losses {
    other_rules: bool,
    live: u64,
    recording: u64,
    reloads: u64,
}

impl Losses {
    fn new(header: &Header, set: &RuleSet) -> Self {
        Self { other_rules: header.rules_digest != set.digest(), live: 0, recording: 0, reloads: 0 }
    }

    fn line(&mut self, line: &Line) {
        match line {
            Line::Lost(Lost { stage, count, .. }) if stage == "recording" => self.recording = self.recording.saturating_add(*count),
            Line::Lost(lost) => self.live = self.live.saturating_add(lost.count),
            Line::Rules(_) => self.reloads += 1,
            _ => {}
        }
    }

    fn tell(&self) {
        if self.other_rules {
            say::err("note: these are not the rules that the live run began with; its verdicts may have been others");
        }
        if self.reloads > 0 {
            say::err(format_args!(
                "note: the live run loaded its rules anew, {}: counting began anew",
                counted(self.reloads, "time", "times")
            ));
        }
        if self.live > 0 {
            say::err(format_args!("note: the live run lost {} itself; they are in no verdict", counted(self.live, "event", "events")));
        }
        if self.recording > 0 {
            let lost = counted(self.recording, "line is", "lines are");
            say::err(format_args!("warning: {lost} missing in the recording: the live run may have had further verdicts"));
        }
    }
}
