//! `agentmon rules coverage`: by class and rule, which hooks its operations come from, and whether they are told before or after
//! their effect.
//!
//! Not for: whether a hook reports anything (`agentmon doctor`); with `--look` that is asked once.

use super::doctor;
use crate::canary::{Findings, Sight};
use crate::cgroup::Mount;
use crate::event::Kind;
use crate::rules::{Category, Rule, RuleSet};
use crate::sensor::programs::source;
use crate::sensor::{PathHook, check_capabilities};
use crate::view::escape::escaped;
use crate::view::say;
use anyhow::Result;
use serde_json::json;
use std::collections::BTreeSet;

/// What this host was found to report.
#[derive(Default)]
struct Host {
    findings: Option<Findings>,
    hooks: Vec<PathHook>,
}

/// Prints a row for each rule and kind of operation that it is about.
pub fn run(set: &RuleSet, look: bool, as_json: bool) -> Result<u8> {
    let host = if look { Host::look()? } else { Host::default() };
    let mut rules: Vec<&Rule> = set.rules().iter().map(|rule| &**rule).filter(|rule| rule.reported).collect();
    rules.sort_by_key(|rule| (rule.class.clone(), rule.file.clone(), rule.line));
    if !as_json {
        say::out(format_args!(
            "{:<21} {:<13} {:<7} {:<18} {:<14} {:<7} {:<8} RULE; HOOKS",
            "CLASS", "LEVEL", "ACTION", "CATEGORY", "KIND", "TOLD", "HERE"
        ));
    }
    for rule in rules {
        for category in set.categories(rule) {
            for kind in category.kinds() {
                host.row(rule, category, *kind, as_json);
            }
        }
    }
    if !as_json {
        say::err(
            "TOLD: before or after the effect; exec: before the first instruction of the program. What a rule orders always follows some",
        );
        say::err("milliseconds later: this version refuses nothing. HERE: whether the probe reports on this host; - without --look.");
        untouched(set);
    }
    Ok(0)
}

impl Host {
    fn look() -> Result<Self> {
        check_capabilities()?;
        let (findings, hooks) = doctor::find_out(&Mount::find()?)?;
        Ok(Self { findings: Some(findings), hooks })
    }

    fn row(&self, rule: &Rule, category: Category, kind: Kind, as_json: bool) {
        let source = source(kind, &self.hooks);
        let here = self.findings.as_ref().map(|findings| findings.of(kind).map_or("untried", Sight::name));
        let class = rule.class.as_deref();
        if as_json {
            return say::out(json!({
                "class": class, "rule": { "id": rule.id, "title": rule.title, "file": rule.file }, "level": rule.level.name(),
                "action": rule.action.name(), "category": category.name(), "kind": kind.name(), "hooks": source.hooks,
                "not_seen": source.blind_to, "told": told(kind), "here": here,
            }));
        }
        say::out(format_args!(
            "{:<21} {:<13} {:<7} {:<18} {:<14} {:<7} {:<8} {}; {}",
            class.unwrap_or("-"),
            rule.level.name(),
            rule.action.name(),
            category.name(),
            kind.name(),
            told(kind),
            here.unwrap_or("-"),
            escaped(rule.title.as_bytes()),
            source.hooks
        ));
    }
}

/// When an operation of a kind is told. A call is told at its exit, when it is done; a program when it is about to begin; a signal, a
/// use of a capability, a packet while the kernel is still about it.
const fn told(kind: Kind) -> &'static str {
    match kind {
        Kind::Exec | Kind::Signal | Kind::Capability | Kind::IoUring | Kind::Resolved | Kind::Dns => "before",
        _ => "after",
    }
}

/// Categories that no rule asks for.
fn untouched(set: &RuleSet) {
    let asked: BTreeSet<Category> = set.rules().iter().flat_map(|rule| set.categories(rule)).collect();
    let rest: Vec<&str> =
        Category::OF_OPERATIONS.iter().filter(|category| !asked.contains(category)).map(|category| category.name()).collect();
    if !rest.is_empty() {
        say::err(format_args!("no rule asks for: {}", rest.join(", ")));
    }
}
