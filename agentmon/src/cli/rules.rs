//! `agentmon rules`: what is loaded, and whether files are right. Also loads rules for the verbs that use them.

use super::errors::FAILED;
use super::replay::Output;
use super::{bench, coverage, explain};
use crate::config::OnRuleError;
use crate::recording::beside::{self, Tested};
use crate::rules::RuleSet;
use crate::rules::load::{self, BadRules, Gathered};
use crate::view::escape::escaped;
use crate::view::{counted, say};
use anyhow::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Look at the rules.
#[derive(Debug, Args)]
pub struct Rules {
    #[command(subcommand)]
    verb: RulesVerb,
}

#[derive(Debug, Subcommand)]
enum RulesVerb {
    /// Check rule files; says what is wrong, with file, line and column.
    Check {
        /// Directories or files with rules (*.yml, *.yaml); without any, the built-in rules.
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Also say of each rule that it is usable.
        #[arg(long)]
        each: bool,
    },
    /// Try rules against the recordings beside them: those they must match, and those they must not.
    #[command(after_help = TEST_HELP)]
    Test {
        /// Directories or files with rules; without any, the directory `rules` here.
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// A rule without a recording that it must match and one that it must not is a failure.
        #[arg(long)]
        require: bool,
    },
    /// Say in plain words what a rule looks for and what follows.
    Explain {
        /// A rule: its id, the name of its file, or a part of its title.
        #[arg(value_name = "RULE")]
        rule: String,
        /// Directories or files with rules besides the built-in ones.
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Also say which parts of the condition held for the event on this line of a recording.
        #[arg(long, value_name = "FILE:LINE")]
        event: Option<String>,
    },
    /// Say for each rule where its operations come from, and whether they are told before or after their effect.
    Coverage {
        /// Directories or files with rules besides the built-in ones.
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Also find out which probes report on this host, as `agentmon doctor` does (root).
        #[arg(long)]
        look: bool,
        /// How rows are shown.
        #[arg(short, long, value_enum, default_value = "text")]
        output: Output,
    },
    /// Measure how long the rules take for the events of a recording, on one core.
    Bench {
        /// The recording.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Rules besides the built-in ones: a file or directory; may be given several times.
        #[arg(long, value_name = "PATH")]
        rules: Vec<PathBuf>,
        /// Without the built-in rules.
        #[arg(long)]
        no_builtin_rules: bool,
        /// How the result is shown.
        #[arg(short, long, value_enum, default_value = "text")]
        output: Output,
    },
    /// List the rules: level, action, class, title.
    List {
        /// Directories or files with rules besides the built-in ones.
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
}

const TEST_HELP: &str = "\
Beside rules/NAME.yml stand rules/tests/NAME.fires.jsonl, which its rules must match, and rules/tests/NAME.near.jsonl, as near a \
miss as there can be; further ones are called NAME.fires-2.jsonl and so on. A header with \"about\": [ID] names the rules that \
a recording is about.

To make one, do the thing once and cut out what the rule needs:
  agentmon run --observe --record all.jsonl -- sh -c '…'
  agentmon replay all.jsonl --cut RULE_ID > rules/tests/NAME.fires.jsonl

Exit codes: 0 all is as it must be; 1 a rule is not; 2 wrong rules; 5 a recording is damaged.";

impl Rules {
    /// Runs the verb.
    pub fn run(self) -> Result<u8> {
        match self.verb {
            RulesVerb::Check { paths, each } => check(&paths, each)?,
            RulesVerb::Test { paths, require } => return test(paths, require),
            RulesVerb::Explain { rule, paths, event } => {
                return explain::run(&rule, &paths, &gather(true, &paths, OnRuleError::Skip)?, event.as_deref());
            }
            RulesVerb::Coverage { paths, look, output } => {
                return coverage::run(&gather(true, &paths, OnRuleError::Skip)?, look, output == Output::Json);
            }
            RulesVerb::Bench { file, rules, no_builtin_rules, output } => {
                return bench::run(&file, &gather(!no_builtin_rules, &rules, OnRuleError::Refuse)?, output == Output::Json);
            }
            RulesVerb::List { paths } => {
                for rule in gather(true, &paths, OnRuleError::Skip)?.rules().iter().filter(|rule| rule.reported) {
                    let class = rule.class.as_deref().unwrap_or("-");
                    say::out(format_args!("{:<13} {:<7} {:<22} {}", rule.level.name(), rule.action.name(), class, rule.title));
                }
            }
        }
        Ok(0)
    }
}

fn test(mut paths: Vec<PathBuf>, require: bool) -> Result<u8> {
    if paths.is_empty() {
        paths.push(PathBuf::from("rules"));
    }
    let tested = beside::run(&gather(false, &paths, OnRuleError::Refuse)?)?;
    let (mut failed, mut without) = (0_u64, 0_u64);
    for Tested { rule, fires, near, failures } in &tested {
        let is_whole = *fires > 0 && *near > 0;
        let state = match (failures.is_empty(), is_whole) {
            (false, _) => "FAILED",
            (true, true) => "ok",
            (true, false) if *fires + *near > 0 => "half",
            (true, false) => "none",
        };
        failed += u64::from(!failures.is_empty());
        without += u64::from(failures.is_empty() && !is_whole);
        say::out(format_args!("{state:<6} fires {fires}, near {near}  {}  {}", rule.file, escaped(rule.title.as_bytes())));
        failures.iter().for_each(|failure| say::out(format_args!("       {failure}")));
    }
    let all = counted(tested.len() as u64, "rule", "rules");
    say::err(format_args!("{all}: {failed} failed, {without} without both a match and a near miss"));
    Ok(if failed > 0 || (require && without > 0) { FAILED } else { 0 })
}

fn check(paths: &[PathBuf], each: bool) -> Result<()> {
    let gathered = load::gather(paths.is_empty(), paths);
    let skipped = gathered.diagnostics.iter().filter(|diagnostic| diagnostic.is_skipped()).count();
    if each {
        for rule in gathered.rules.rules() {
            say::out(format_args!("{}:{}: usable: {}", rule.file, rule.line, rule.title));
        }
    }
    let rules = judge(gathered, OnRuleError::Refuse)?;
    if rules.is_empty() && skipped == 0 {
        anyhow::bail!("there are no rules (files are called *.yml or *.yaml)");
    }
    let not_for_us = if skipped == 0 { String::new() } else { format!(", {skipped} are not for this monitor") };
    say::out(format_args!("{} rules are right{not_for_us}; digest {}", rules.len(), rules.digest()));
    Ok(())
}

/// The built-in rules and those of `paths`. What is wrong is printed; with [`OnRuleError::Skip`] the rest is used.
///
/// # Errors
/// When a path cannot be read, or a rule is wrong and none may be skipped.
pub fn gather(built_in: bool, paths: &[PathBuf], on_error: OnRuleError) -> Result<RuleSet> {
    judge(load::gather(built_in, paths), on_error)
}

/// Says what is wrong, and hands out what may be used.
fn judge(gathered: Gathered, on_error: OnRuleError) -> Result<RuleSet> {
    for diagnostic in &gathered.diagnostics {
        say::err(diagnostic);
    }
    let errors = gathered.mistakes();
    let rules = gathered.readable()?;
    if errors > 0 && on_error == OnRuleError::Refuse {
        return Err(BadRules { mistakes: errors }.into());
    }
    if errors > 0 {
        say::err(format_args!("warning: rules with mistakes are not used; {} others are", rules.len()));
    }
    Ok(rules)
}
