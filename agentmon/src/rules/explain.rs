//! A rule in plain words, and which parts of its condition hold for an operation.
//!
//! Read from the rule's own text again, since a compiled rule has forgotten which name a test stood under. Not for: matching
//! (`super::matcher`), which this uses for each part.

use super::Rule;
use super::category::{Categories, Category, succeeded};
use super::detection::{self, Context};
use super::expression::Expression;
use super::loader::Source;
use super::matcher::{Atom, Entry, Matcher, Scratch};
use super::placeholder::Placeholders;
use super::yaml::{self, Key, Node, Value};
use crate::event::WallClock;
use crate::process::Operation;

/// Most values of a part that are shown.
const SHOWN_MAX: usize = 12;

/// A rule in plain words.
#[derive(Debug)]
pub struct Explained {
    /// Of a detection `success`, `failure` or `any`; of a correlation what it counts.
    pub outcome: String,
    /// How the named parts go together, as the rule writes it; of a correlation how it counts.
    pub condition: String,
    /// What each name stands for.
    pub parts: Vec<Part>,
    category: Option<Category>,
    matcher: Option<Matcher>,
}

/// One test of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The detection it stands in.
    pub name: String,
    /// What it asks for.
    pub text: String,
}

/// What of a rule holds for one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whether it is of the rule's category.
    pub category: bool,
    /// Whether it had the outcome that the rule asks for.
    pub outcome: bool,
    /// By part.
    pub parts: Vec<bool>,
}

/// Explains a rule, which stands in one of these sources. `None`: it does not.
#[must_use]
pub fn explain(sources: &[Source<'_>], rule: &Rule) -> Option<Explained> {
    let mut placeholders = Placeholders::default();
    let mut found = None;
    for source in sources {
        for document in yaml::parse(source.text) {
            let Some(root) = document.root else { continue };
            placeholders_of(&root, &mut placeholders);
            let is_it = || root.get("id").and_then(Node::text).is_some_and(|id| id.eq_ignore_ascii_case(&rule.id));
            if source.name == rule.file && is_it() {
                found = Some(root);
            }
        }
    }
    let root = found?;
    match root.get("correlation") {
        Some(correlation) => Some(counting(correlation)),
        None => detecting(&root, rule, &placeholders),
    }
}

fn placeholders_of(root: &Node, placeholders: &mut Placeholders) {
    if root.get("placeholders").is_some() {
        placeholders.add(root, &mut Vec::new());
    }
}

fn counting(correlation: &Node) -> Explained {
    let said = |key: &str| correlation.get(key).map(shown).unwrap_or_default();
    let mut condition = format!("{} of {}", said("type"), said("rules"));
    for (word, key) in [(" by ", "group-by"), (" within ", "timespan"), (", when ", "condition")] {
        if correlation.get(key).is_some() {
            condition.push_str(word);
            condition.push_str(&said(key));
        }
    }
    Explained { outcome: "of what it counts".to_owned(), condition, parts: Vec::new(), category: None, matcher: None }
}

fn detecting(root: &Node, rule: &Rule, placeholders: &Placeholders) -> Option<Explained> {
    let detection = root.get("detection")?;
    let context = Context { category: rule.category, placeholders, besides: None };
    let mut parts = Vec::new();
    let mut compiled = Vec::new();
    for (key, node) in detection.entries().iter().filter(|(key, _)| key.text != "condition") {
        collect(&key.text, node, context, &mut parts, &mut compiled);
    }
    let entries = (0..).zip(&compiled).map(|(number, condition)| Entry { number, condition, filters: Vec::new() });
    let outcome = root.get("agentmon").and_then(|block| block.get("outcome")).and_then(Node::text).unwrap_or("success");
    Some(Explained {
        outcome: outcome.to_owned(),
        condition: detection.get("condition").map(shown).unwrap_or_default(),
        category: rule.category,
        matcher: Matcher::new(entries.collect(), &[]).ok(),
        parts,
    })
}

/// The parts of a named detection: the entries of a mapping, of each mapping of a list, or keywords.
fn collect(name: &str, node: &Node, context: Context<'_>, parts: &mut Vec<Part>, compiled: &mut Vec<Expression<Atom>>) {
    let mut add = |text: String, expression: Option<Expression<Atom>>| {
        parts.push(Part { name: name.to_owned(), text });
        // What cannot be compiled was an error when the rules were loaded; it holds never.
        compiled.push(expression.unwrap_or(Expression::Any(Vec::new())));
    };
    match &node.value {
        Value::Map(entries) => {
            for (key, value) in entries {
                add(test(key, value), detection::item(key, value, context, &mut Vec::new()));
            }
        }
        Value::List(nodes) if nodes.iter().any(|node| matches!(node.value, Value::Map(_))) => {
            nodes.iter().for_each(|node| collect(name, node, context, parts, compiled));
        }
        _ => add(format!("some field contains {}", shown(node)), detection::selection(node, context, &mut Vec::new())),
    }
}

/// `Image|endswith: [a, b]` as a sentence.
fn test(key: &Key, value: &Node) -> String {
    let mut words = key.text.split('|');
    let field = words.next().filter(|field| !field.is_empty()).unwrap_or("some field");
    let modifiers: Vec<&str> = words.map(plain).collect();
    let verb = if modifiers.is_empty() { "is".to_owned() } else { modifiers.join(", ") };
    let of = if value.one_or_many().len() > 1 && !key.text.contains("|all") { " one of" } else { "" };
    format!("{field} {verb}{of} {}", shown(value))
}

fn plain(modifier: &str) -> &str {
    match modifier {
        "endswith" => "ends with",
        "startswith" => "begins with",
        "re" => "matches the expression",
        "cidr" => "is in the network",
        "all" => "all of",
        "neq" => "is not",
        "cased" => "with this case",
        "gt" => "is more than",
        "gte" => "is at least",
        "lt" => "is less than",
        "lte" => "is at most",
        "fieldref" => "as the field",
        other => other,
    }
}

/// Values as a person would write them in a line.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::Map(entries) => entries.iter().map(|(key, value)| format!("{} {}", key.text, shown(value))).collect::<Vec<_>>().join(", "),
        Value::List(nodes) => {
            let mut all: Vec<String> = nodes.iter().take(SHOWN_MAX).map(shown).collect();
            if nodes.len() > SHOWN_MAX {
                all.push(format!("and {} more", nodes.len() - SHOWN_MAX));
            }
            all.join(", ")
        }
        Value::Scalar(scalar) if scalar.plain => scalar.text.clone(),
        Value::Scalar(scalar) => format!("'{}'", scalar.text),
    }
}

impl Explained {
    /// What of the rule holds for an operation; `None` of a correlation, which counts what other rules find.
    #[must_use]
    pub fn held(&self, op: &Operation<'_>, clock: WallClock) -> Option<Held> {
        let (category, matcher) = (self.category?, self.matcher.as_ref()?);
        let mut parts = vec![false; self.parts.len()];
        matcher.evaluate(op, &mut Scratch::new(clock), |number| {
            if let Some(part) = parts.get_mut(number as usize) {
                *part = true;
            }
        });
        let success = succeeded(op.event);
        let outcome = match self.outcome.as_str() {
            "any" => true,
            "failure" => !success,
            _ => success,
        };
        Some(Held { category: Categories::of(op.event).iter().any(|of| of == category), outcome, parts })
    }
}

#[cfg(test)]
mod tests {
    use super::explain;
    use crate::log::tests::sample::{clock, every_kind};
    use crate::rules::{Source, built_in, load, pack};

    const RULE: &str = "\
title: a download
id: 5c0e0000-0000-4000-8000-000000000001
logsource: { product: linux, category: process_creation }
detection:
  tool: { Image|endswith: [/curl, /wget], CommandLine|contains|all: [https, '-s'] }
  other: [{ Image: /bin/sh }, { CommandLine|re: 'x.y' }]
  condition: tool and not other
level: low
";

    #[test]
    fn a_rule_is_said_in_words_and_each_part_is_tried_on_an_event() {
        let source = Source { name: "a.yml", text: RULE };
        let loaded = load(&[source]);
        let explained = explain(&[source], &loaded.rules.rules()[0]).unwrap();
        let said: Vec<String> = explained.parts.iter().map(|part| format!("{}: {}", part.name, part.text)).collect();
        assert_eq!(
            said,
            [
                "tool: Image ends with one of /curl, /wget",
                "tool: CommandLine contains, all of https, '-s'",
                "other: Image is /bin/sh",
                "other: CommandLine matches the expression 'x.y'"
            ]
        );
        let samples = every_kind();
        let held = explained.held(&samples[0].operation(), clock()).unwrap();
        assert_eq!((held.category, held.outcome, held.parts), (true, true, vec![true, true, false, false]));
        assert!(!explained.held(&samples[1].operation(), clock()).unwrap().category, "a fork is no program");
    }

    #[test]
    fn every_rule_of_the_pack_can_be_explained() {
        for rule in built_in().rules.rules() {
            let explained = explain(pack::FILES, rule).unwrap_or_else(|| panic!("{}", rule.title));
            assert!(!explained.condition.is_empty(), "{}", rule.title);
            assert_eq!(explained.parts.is_empty(), rule.category.is_none(), "{}", rule.title);
        }
    }
}
