//! `agentmon rules`: what is loaded, and whether files are right. Also loads rules for the verbs that use them.

use crate::config::OnRuleError;
use crate::rules::RuleSet;
use crate::rules::load::{self, BadRules, Gathered};
use crate::view::say;
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
    /// List the rules: level, action, class, title.
    List {
        /// Directories or files with rules besides the built-in ones.
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
}

impl Rules {
    /// Runs the verb.
    pub fn run(self) -> Result<u8> {
        match self.verb {
            RulesVerb::Check { paths, each } => check(&paths, each)?,
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

fn check(paths: &[PathBuf], each: bool) -> Result<()> {
    let gathered = load::gather(paths.is_empty(), paths);
    let skipped = gathered.diagnostics.iter().filter(|diagnostic| diagnostic.is_skipped()).count();
    if each {
        for rule in gathered.rules.rules() {
            say::out(format_args!("{}:{}: usable: {}", rule.file, rule.line, rule.title));
        }
    }
    let rules = judge(gathered, OnRuleError::Refuse)?;
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
