//! The `correlation:` part of a document: what is counted, how it is grouped, when it is too much.
//!
//! Not for: the counting itself (`super::window`) and its bounds per agent (`super::groups`).

use super::detection::known_field;
use super::diagnostic::{Position, Problem};
use super::document::{Outcomes, required, word};
use super::field::Field;
use super::yaml::{Node, Value};
use super::{Category, document};
use crate::event::{Event, flags};

/// Largest number a condition may compare with: what a counter keeps grows with it.
pub(super) const THRESHOLD_MAX: u64 = 16_000;
/// Longest timespan: seven days.
const TIMESPAN_NS_MAX: u64 = 7 * 24 * 3600 * 1_000_000_000;

const KEYS: [&str; 7] = ["type", "rules", "group-by", "timespan", "condition", "generate", "aliases"];
const LATER: [&str; 6] = ["temporal", "temporal_ordered", "value_sum", "value_avg", "value_percentile", "value_median"];

/// A correlation whose rules are still names. One that is not sound is here to be checked further.
#[derive(Debug)]
pub(super) struct Parsed {
    pub rules: Vec<(String, Position)>,
    /// Names of fields, checked once the rules and so their categories are known.
    pub group_by: Vec<(String, Position)>,
    /// What distinct values are counted of; none: every event counts.
    pub values: Vec<(String, Position)>,
    pub timespan_ns: u64,
    pub bounds: Vec<Bound>,
    pub generate: bool,
    /// Which of the matches count.
    pub outcomes: Outcomes,
    /// Whether nothing is wrong with it so far.
    pub sound: bool,
}

/// A correlation ready to count.
#[derive(Clone, Debug)]
pub(super) struct Correlation {
    /// Number of the rule it is.
    pub rule: u32,
    pub group_by: Vec<Field>,
    pub values: Vec<Field>,
    pub timespan_ns: u64,
    pub bounds: Vec<Bound>,
    pub outcomes: Outcomes,
}

/// One comparison of a correlation's condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub compare: Compare,
    pub number: u64,
}

/// How a count compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Gt,
    Gte,
    Lt,
    Lte,
    Eq,
    Neq,
}

impl Compare {
    const NAMES: [(&'static str, Self); 6] =
        [("gt", Self::Gt), ("gte", Self::Gte), ("lt", Self::Lt), ("lte", Self::Lte), ("eq", Self::Eq), ("neq", Self::Neq)];
}

impl Correlation {
    /// Whether a count meets the condition.
    pub fn holds(&self, count: u64) -> bool {
        self.bounds.iter().all(|Bound { compare, number }| match compare {
            Compare::Gt => count > *number,
            Compare::Gte => count >= *number,
            Compare::Lt => count < *number,
            Compare::Lte => count <= *number,
            Compare::Eq => count == *number,
            Compare::Neq => count != *number,
        })
    }

    /// Whether an operation that its rules matched counts. What came of a request to an io_uring is not known: `success` is what
    /// certainly happened.
    pub fn counts(&self, event: &Event) -> bool {
        match self.outcomes {
            Outcomes::Success => !event.has(flags::SUBMITTED),
            Outcomes::Submitted => event.has(flags::SUBMITTED),
            Outcomes::Any | Outcomes::Failure => true,
        }
    }

    /// Whether another one groups and counts by the same fields.
    pub fn looks_at_the_same(&self, other: &Self) -> bool {
        self.group_by == other.group_by && self.values == other.values
    }

    /// How many entries decide the condition: one more than the largest number it compares with.
    pub fn keep(&self) -> usize {
        let largest = self.bounds.iter().map(|bound| bound.number).max().unwrap_or(0);
        usize::try_from(largest.min(THRESHOLD_MAX)).unwrap_or(0) + 1
    }
}

/// Reads the mapping under `correlation`.
pub(super) fn parse(node: &Node, generate: Option<&Node>, outcomes: Outcomes, problems: &mut Vec<Problem>) -> Parsed {
    let before = problems.len();
    for (key, value) in node.entries() {
        if !KEYS.contains(&key.text.as_str()) {
            problems.push(Problem::error(key.at, format!("unknown key `{}` in `correlation`", key.text)).suggest(&key.text, KEYS));
        }
        if key.text == "aliases" {
            problems.push(Problem::error(value.at, "`aliases` are not supported in this build"));
        }
    }
    let kind = kind(node, problems);
    let timespan_ns = timespan(node, problems);
    let (bounds, values) = condition(node, problems);
    match (kind.as_deref(), &values[..]) {
        (Some("value_count"), []) => {
            let hint = "for example: condition: {gte: 100, field: TargetFilename}";
            problems.push(Problem::error(node.at, "`value_count` needs a `field` in its condition").hint(hint));
        }
        (Some("event_count"), [(_, at), ..]) => problems.push(Problem::error(*at, "`event_count` counts events, not a `field`")),
        _ => {}
    }
    let rules = names(node, "rules", problems);
    if rules.is_empty() {
        problems.push(Problem::error(node.at, "`rules` is missing in `correlation`"));
    }
    let group_by = names(node, "group-by", problems);
    let generate = match generate.or_else(|| node.get("generate")).map(|node| (node.text(), node.at)) {
        None | Some((Some("false"), _)) => false,
        Some((Some("true"), _)) => true,
        Some((_, at)) => {
            problems.push(Problem::error(at, "`generate` is `true` or `false`"));
            false
        }
    };
    let sound = problems[before..].iter().all(|problem| problem.severity < super::Severity::Error);
    Parsed { rules, group_by, values, timespan_ns: timespan_ns.unwrap_or(0), bounds, generate, outcomes, sound }
}

fn kind(node: &Node, problems: &mut Vec<Problem>) -> Option<String> {
    let kind = required(node, "type", problems)?;
    if LATER.contains(&kind.as_str()) {
        problems.push(Problem::error(node.get("type")?.at, format!("correlations of type `{kind}` are not supported in this build")));
        return None;
    }
    word(node, "type", &["event_count", "value_count"], problems)
}

fn timespan(node: &Node, problems: &mut Vec<Problem>) -> Option<u64> {
    let text = required(node, "timespan", problems)?;
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit_ns: Option<u64> = match unit {
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60 * 1_000_000_000),
        "h" => Some(3600 * 1_000_000_000),
        "d" => Some(24 * 3600 * 1_000_000_000),
        _ => None,
    };
    let timespan = number.parse::<u64>().ok().zip(unit_ns).and_then(|(number, unit)| number.checked_mul(unit));
    match timespan.filter(|ns| (1..=TIMESPAN_NS_MAX).contains(ns)) {
        Some(ns) => Some(ns),
        None => {
            let problem = Problem::error(node.get("timespan")?.at, format!("`{text}` is not a timespan"));
            problems.push(problem.hint("a number and ms, s, m, h or d; seven days at most"));
            None
        }
    }
}

type Names = Vec<(String, Position)>;

fn condition(node: &Node, problems: &mut Vec<Problem>) -> (Vec<Bound>, Names) {
    let mut bounds = Vec::new();
    let mut values = Vec::new();
    let hint = "for example: condition: {gte: 100}";
    let Some(condition) = node.get("condition").filter(|condition| matches!(condition.value, Value::Map(_))) else {
        let at = node.get("condition").map_or(node.at, |condition| condition.at);
        problems.push(Problem::error(at, "a correlation needs a `condition` that is a mapping").hint(hint));
        return (bounds, values);
    };
    for (key, value) in condition.entries() {
        if key.text == "field" {
            values = names(condition, "field", problems);
            continue;
        }
        let Some((_, compare)) = Compare::NAMES.iter().find(|(name, _)| *name == key.text) else {
            let known = Compare::NAMES.iter().map(|(name, _)| *name).chain(["field"]);
            problems.push(Problem::error(key.at, format!("unknown comparison `{}`", key.text)).suggest(&key.text, known));
            continue;
        };
        match value.text().and_then(|text| text.parse().ok()).filter(|number| *number <= THRESHOLD_MAX) {
            Some(number) => bounds.push(Bound { compare: *compare, number }),
            None => problems.push(Problem::error(value.at, format!("not a whole number from 0 to {THRESHOLD_MAX}"))),
        }
    }
    if bounds.is_empty() {
        problems.push(Problem::error(condition.at, "the condition compares with nothing").hint(hint));
    }
    (bounds, values)
}

fn names(node: &Node, key: &str, problems: &mut Vec<Problem>) -> Names {
    let texts = document::texts(node, key, problems);
    let at = node.get(key).map(Node::one_or_many).unwrap_or_default();
    texts.into_iter().zip(at.iter().map(|node| node.at)).collect()
}

/// Fields by name; each must exist in every category that is counted.
pub(super) fn fields(names: &Names, categories: &[Category], problems: &mut Vec<Problem>) -> Vec<Field> {
    let mut fields = Vec::new();
    for (name, at) in names {
        let found: Result<Vec<Field>, Problem> = categories.iter().map(|category| known_field(name, *at, *category)).collect();
        match found {
            Ok(found) => fields.extend(found.first()),
            Err(problem) => problems.push(problem),
        }
    }
    fields
}
