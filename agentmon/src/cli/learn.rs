//! `agentmon learn`: lists for the configuration, proposed from a recorded session.
//!
//! Shows; writes nothing. Not for: what goes on which list (`crate::allow`).

use super::replay::{each, open, shown};
use super::rules;
use crate::allow::Learned;
use crate::config::OnRuleError;
use crate::recording;
use crate::view::{counted, say};
use anyhow::{Context, Result};
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Propose lists for the configuration from a recorded session.
#[derive(Debug, Args)]
#[command(
    after_help = "A recording is made by `agentmon run --record FILE` or `agentmon daemon --record FILE`. Shown is what the agents did \
    beyond the lists they had, as lines to add (+) to agentmon.toml, one by one, by somebody who has read them: what an agent did is not \
    what it may do. What a rule of level high matched is never proposed.\n\n\
    Exit codes: 0 done; 2 wrong usage or rules; 5 the file is cut short or damaged, and the lines are those up to there."
)]
pub struct Learn {
    /// The recording.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Rules besides the built-in ones: a file or directory; may be given several times.
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
}

impl Learn {
    /// Runs the verb.
    pub fn run(self) -> Result<u8> {
        let set = rules::gather(true, &self.rules, OnRuleError::Refuse)?;
        let mut reader = open(&self.file)?;
        let header = reader.header().clone();
        let mut replay = recording::Replay::new(&header, set);
        let mut agents: BTreeMap<String, Learned> = BTreeMap::new();
        let damage = each(&mut reader, |number, line| {
            replay.take(number, line, |verdict| {
                agents.entry(verdict.op.agent.name.to_string()).or_default().see(&verdict.op, verdict.matches);
            });
        });
        for (name, learned) in &agents {
            show(name, learned);
        }
        match damage {
            None => Ok(0),
            Some(error) => Err(error).with_context(|| shown(&self.file)),
        }
    }
}

/// The lines to add for one agent.
fn show(name: &str, learned: &Learned) {
    say::out(format_args!(" [[agent]]\n name = \"{name}\""));
    for (key, entries) in learned.lists() {
        say::out(format_args!(" {key} = ["));
        entries.iter().for_each(|entry| say::out(format_args!("+    \"{entry}\",")));
        say::out(" ]");
    }
    if learned.refused > 0 {
        let refused = counted(learned.refused, "operation", "operations");
        say::err(format_args!("{name}: not proposed, as a rule of level high matched: {refused} (agentmon replay shows them)"));
    }
    if learned.unlisted > 0 {
        let unlisted = counted(learned.unlisted, "operation", "operations");
        say::err(format_args!("{name}: not proposed, as no entry can say it, or the list would be too long: {unlisted}"));
    }
}
