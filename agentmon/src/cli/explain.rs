//! `agentmon rules explain`: a rule in plain words, and what of it held for an event of a recording.
//!
//! Not for: reading rules (`crate::rules`).

use super::{errors, replay};
use crate::recording::Replay;
use crate::rules::{Explained, Held, Rule, RuleSet, explain, load};
use crate::view::escape::escaped;
use crate::view::{compact, say};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Explains every rule that is meant: by id, by its file's name, or by a part of its title.
pub fn run(meant: &str, paths: &[PathBuf], set: &RuleSet, event: Option<&str>) -> Result<u8> {
    let rules: Vec<&Rule> = set.rules().iter().map(|rule| &**rule).filter(|rule| is_meant(rule, meant)).collect();
    if rules.is_empty() {
        say::err(format_args!("error: no rule has the id, the file or a title with `{}`", escaped(meant.as_bytes())));
        say::err("  hint: agentmon rules list");
        return Ok(errors::USAGE);
    }
    let texts = load::texts(true, paths).context("cannot read the rules")?;
    let sources: Vec<_> = texts.iter().map(|(name, text)| crate::rules::Source { name, text }).collect();
    for (at, rule) in rules.into_iter().enumerate() {
        if at > 0 {
            say::out("");
        }
        let Some(explained) = explain(&sources, rule) else { bail!("{} has changed meanwhile", rule.file) };
        tell(rule, &explained, set);
        if let Some(event) = event {
            held(rule, &explained, set, event)?;
        }
    }
    Ok(0)
}

fn is_meant(rule: &Rule, meant: &str) -> bool {
    let stem = Path::new(&rule.file).file_stem().unwrap_or_default().to_string_lossy();
    let in_title = || meant.len() > 2 && rule.title.to_lowercase().contains(&meant.to_lowercase());
    rule.id == meant.to_ascii_lowercase() || rule.file == meant || stem == meant || in_title()
}

fn tell(rule: &Rule, explained: &Explained, set: &RuleSet) {
    let line = |name: &str, text: &str| {
        if !text.trim().is_empty() {
            let lines = text.trim().lines().map(|line| escaped(line.as_bytes())).collect::<Vec<_>>();
            say::out(format_args!("  {name:<15} {}", lines.join("\n                  ")));
        }
    };
    say::out(escaped(rule.title.as_bytes()));
    line("id", &rule.id);
    line("file", &format!("{}:{}", rule.file, rule.line));
    line("what for", rule.description.as_deref().unwrap_or_default());
    let categories: Vec<&str> = set.categories(rule).into_iter().map(|category| category.name()).collect();
    line("looks at", &format!("{}, outcome: {}", categories.join(", "), explained.outcome));
    line("matches when", &explained.condition);
    for part in &explained.parts {
        line("", &format!("{}: {}", part.name, part.text));
    }
    let told = if rule.reported { "" } else { "; only counted by others, not told" };
    line("then", &format!("{}, level {}, class {}{told}", rule.action, rule.level, rule.class.as_deref().unwrap_or("none")));
    line("runbook", rule.runbook.as_deref().unwrap_or_default());
    line("tags", &rule.tags.join(", "));
    line("false positives", &rule.falsepositives.join("\n"));
}

/// Says what of a rule held for the event on a line of a recording: `FILE:LINE`.
fn held(rule: &Rule, explained: &Explained, set: &RuleSet, event: &str) -> Result<()> {
    let parsed = event.rsplit_once(':').and_then(|(file, line)| Some((PathBuf::from(file), line.parse::<u64>().ok()?)));
    let (file, wanted) = parsed.with_context(|| format!("--event is FILE:LINE, not `{}`", escaped(event.as_bytes())))?;
    let mut reader = replay::open(&file)?;
    let clock = reader.header().clock();
    let mut stages = Replay::new(reader.header(), set.clone());
    let mut judged = 0;
    while let Some((number, line)) = reader.line()? {
        stages.take(number, line, |verdict| {
            if number != wanted {
                return;
            }
            judged += 1;
            say::out(format_args!("  {:<15} {}", "line", compact::summary(&verdict.op)));
            match explained.held(&verdict.op, clock) {
                Some(held) => show(explained, &held),
                None => say::out("                  a rule that counts: explain the rules it counts for a single event"),
            }
            let matched = verdict.matches.iter().any(|found| found.rule.id == rule.id);
            say::out(format_args!("  {:<15} {}", "told", if matched { "yes" } else { "no" }));
        });
        if number >= wanted {
            break;
        }
    }
    if judged == 0 {
        say::out(format_args!("  line {wanted} completes no operation: it is no event, waits for its call, or its agent is not known"));
    }
    Ok(())
}

fn show(explained: &Explained, held: &Held) {
    let mark = |holds: bool| if holds { "holds " } else { "does not" };
    say::out(format_args!("  {:<15} {:<8} the category", "", mark(held.category)));
    say::out(format_args!("  {:<15} {:<8} the outcome ({})", "", mark(held.outcome), explained.outcome));
    for (part, holds) in explained.parts.iter().zip(&held.parts) {
        say::out(format_args!("  {:<15} {:<8} {}: {}", "", mark(*holds), part.name, escaped(part.text.as_bytes())));
    }
}
