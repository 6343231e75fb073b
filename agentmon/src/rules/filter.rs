//! Filters: documents that suppress matches of rules that stand elsewhere; a site's allow-list.
//!
//! What a filter's detections describe is suppressed, whether its condition says `selection`, as the specification's
//! example does, or `not selection`, as pySigma reads it. One that says both at once could mean either, and is an
//! error. Not for: evaluating (`super::matcher`).

use super::category::Category;
use super::detection::{self, Context};
use super::diagnostic::{Position, Problem};
use super::document::{self, required};
use super::expression::Expression;
use super::matcher::Atom;
use super::placeholder::Placeholders;
use super::yaml::{Node, Value};

/// A filter whose rules are still names.
#[derive(Debug)]
pub(super) struct Filter {
    pub category: Category,
    /// `None`: every rule of the category.
    pub rules: Option<Vec<(String, Position)>>,
    /// What is suppressed.
    pub suppressed: Expression<Atom>,
    /// Where it begins.
    pub at: Position,
}

/// Reads a filter; `None` when the problems say why not.
pub(super) fn parse(
    document: &Node,
    category: Option<Category>,
    placeholders: &Placeholders,
    problems: &mut Vec<Problem>,
) -> Option<Filter> {
    let before = problems.len();
    document::unknown_keys(document, problems);
    let _ = required(document, "title", problems);
    let node = document.get("filter")?;
    let rules = rules(node, problems);
    let context = Context { category, placeholders, besides: Some("rules") };
    let detection = detection::compile(node, context, problems)?;
    let Some(negative) = detection.negative else {
        let at = node.get("condition").map_or(node.at, |condition| condition.at);
        let problem = Problem::error(at, "not clear what this filter suppresses: its condition says both what holds and what does not");
        problems.push(problem.hint("what is suppressed in one pair of parentheses: not (selection and not exception)"));
        return None;
    };
    let suppressed = if negative { Expression::Not(Box::new(detection.expression)) } else { detection.expression };
    let sound = problems[before..].iter().all(|problem| problem.severity < super::Severity::Error);
    let category = category.filter(|_| sound)?;
    Some(Filter { category, rules, suppressed, at: document.at })
}

fn rules(node: &Node, problems: &mut Vec<Problem>) -> Option<Vec<(String, Position)>> {
    let Some(rules) = node.get("rules") else {
        problems.push(Problem::error(node.at, "`rules` is missing in `filter`").hint("ids or names of rules, or `any`"));
        return None;
    };
    if matches!(&rules.value, Value::Scalar(_)) && rules.text() == Some("any") {
        return None;
    }
    let texts = document::texts(node, "rules", problems);
    if texts.is_empty() {
        problems.push(Problem::error(rules.at, "a filter of no rule").hint("ids or names of rules, or `any`"));
    }
    Some(texts.into_iter().zip(rules.one_or_many().iter().map(|rule| rule.at)).collect())
}
