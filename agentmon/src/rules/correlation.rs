//! The `correlation:` part of a document: what is looked for, how it is grouped, when it is too much.
//!
//! Not for: finding the rules it names (`super::resolve`), the windows (`super::window`) and their bounds per agent
//! (`super::groups`).

use super::bound::{self, Bound, Measure};
use super::diagnostic::{Position, Problem};
use super::document::{self, Outcomes, required, word};
use super::expression::Expression;
use super::field::Field;
use super::sigma;
use super::yaml::{Node, Value};
use crate::event::{Event, flags};

/// Longest timespan: seven days.
const TIMESPAN_NS_MAX: u64 = 7 * 24 * 3600 * 1_000_000_000;
/// Most rules of one correlation.
pub(super) const RULES_MAX: usize = 64;

const KEYS: [&str; 7] = ["type", "rules", "group-by", "timespan", "condition", "generate", "aliases"];

/// What a correlation looks for within its timespan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// So many events.
    EventCount,
    /// So many different values.
    ValueCount,
    /// Numbers whose sum is such.
    ValueSum,
    /// Numbers whose mean is such.
    ValueAvg,
    /// Numbers of which so many percent are at most such.
    ValuePercentile(u8),
    /// All of several rules.
    Temporal,
    /// All of several rules, in their order.
    TemporalOrdered,
}

impl Kind {
    const NAMES: [&str; 8] =
        ["event_count", "value_count", "value_sum", "value_avg", "value_percentile", "value_median", "temporal", "temporal_ordered"];

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "event_count" => Self::EventCount,
            "value_count" => Self::ValueCount,
            "value_sum" => Self::ValueSum,
            "value_avg" => Self::ValueAvg,
            "value_percentile" | "value_median" => Self::ValuePercentile(50),
            "temporal" => Self::Temporal,
            "temporal_ordered" => Self::TemporalOrdered,
            _ => return None,
        })
    }

    /// Whether it computes with the numbers of one field.
    pub const fn is_numeric(self) -> bool {
        matches!(self, Self::ValueSum | Self::ValueAvg | Self::ValuePercentile(_))
    }

    /// Whether it is about which rules matched, not about how much there was.
    pub const fn is_temporal(self) -> bool {
        matches!(self, Self::Temporal | Self::TemporalOrdered)
    }
}

pub(super) type Names = Vec<(String, Position)>;

/// A name for fields that are called differently in the events of different rules.
#[derive(Debug)]
pub(super) struct Alias {
    pub name: String,
    pub at: Position,
    /// Rule, where that stands, field, where that stands.
    pub fields: Vec<(String, Position, String, Position)>,
}

/// A correlation whose rules are still names. One that is not sound is here to be checked further.
#[derive(Debug)]
pub(super) struct Parsed {
    pub kind: Kind,
    pub rules: Names,
    /// Names of fields or aliases, checked once the rules and so their categories are known.
    pub group_by: Names,
    /// What is counted, or computed with.
    pub values: Names,
    pub aliases: Vec<Alias>,
    pub timespan_ns: u64,
    /// How long it is silent for a group after it was told.
    pub suppress_ns: u64,
    pub condition: Option<Condition<String>>,
    /// Where the condition stands.
    pub condition_at: Position,
    pub generate: bool,
    /// Which of the matches count.
    pub outcomes: Outcomes,
    /// Whether nothing is wrong with it so far.
    pub sound: bool,
}

/// When a correlation holds.
#[derive(Clone, Debug)]
pub(super) enum Condition<R> {
    /// When what was measured is within these bounds.
    Bounds(Vec<Bound>),
    /// When such of its rules matched.
    Rules(Expression<R>),
}

/// A correlation ready to be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Correlation {
    /// Number of the rule it is.
    pub rule: u32,
    pub kind: Kind,
    /// By position in `rules`.
    pub members: Vec<Member>,
    pub timespan_ns: u64,
    pub suppress_ns: u64,
    pub condition: Condition<usize>,
    pub outcomes: Outcomes,
    /// How many entries of a counter decide the condition: one more than the largest number it compares with.
    pub keep: usize,
}

/// What a correlation looks at in the events of one of its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub group_by: Vec<Field>,
    pub values: Vec<Field>,
}

impl Correlation {
    /// Whether the condition holds for what was measured, and for the rules that matched, as a bit set by position.
    pub fn holds(&self, measure: Measure, matched: u64) -> bool {
        match &self.condition {
            Condition::Bounds(bounds) => bounds.iter().all(|bound| bound.holds(measure)),
            Condition::Rules(expression) => expression.holds(&mut |rule| matched & (1 << rule) != 0),
        }
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
}

/// Reads the mapping under `correlation`.
pub(super) fn parse(node: &Node, generate: Option<&Node>, meta: Option<&document::Meta>, problems: &mut Vec<Problem>) -> Parsed {
    let before = problems.len();
    for (key, _) in node.entries() {
        if !KEYS.contains(&key.text.as_str()) {
            problems.push(Problem::error(key.at, format!("unknown key `{}` in `correlation`", key.text)).suggest(&key.text, KEYS));
        }
    }
    let kind = word(node, "type", &Kind::NAMES, problems).and_then(|name| Kind::from_name(&name));
    if node.get("type").is_none() {
        let _ = required(node, "type", problems);
    }
    let timespan_ns = timespan(node, problems).unwrap_or(0);
    let mut parsed = Parsed {
        kind: kind.unwrap_or(Kind::EventCount),
        rules: names(node, "rules", problems),
        group_by: names(node, "group-by", problems),
        values: Vec::new(),
        aliases: aliases(node, problems),
        timespan_ns,
        suppress_ns: meta.and_then(|meta| meta.suppress_ns).unwrap_or(timespan_ns),
        condition: None,
        condition_at: node.get("condition").map_or(node.at, |condition| condition.at),
        generate: is_generated(node, generate, problems),
        // Everything that its rules match, unless it says otherwise.
        outcomes: meta.and_then(|meta| meta.outcomes).unwrap_or(Outcomes::Any),
        sound: false,
    };
    if parsed.rules.is_empty() {
        problems.push(Problem::error(node.at, "`rules` is missing in `correlation`"));
    } else if parsed.rules.len() > RULES_MAX {
        problems.push(Problem::error(node.at, format!("a correlation has at most {RULES_MAX} rules")));
    } else if parsed.kind.is_temporal() && parsed.rules.len() < 2 {
        problems.push(Problem::error(node.at, "a sequence in time needs at least two rules"));
    }
    condition(node, kind, &mut parsed, problems);
    parsed.sound = problems[before..].iter().all(|problem| problem.severity < super::Severity::Error);
    parsed
}

fn is_generated(node: &Node, generate: Option<&Node>, problems: &mut Vec<Problem>) -> bool {
    match generate.or_else(|| node.get("generate")).map(|node| (node.text(), node.at)) {
        None | Some((Some("false"), _)) => false,
        Some((Some("true"), _)) => true,
        Some((_, at)) => {
            problems.push(Problem::error(at, "`generate` is `true` or `false`"));
            false
        }
    }
}

/// A duration such as `500ms`, `10s` or `7d`, in nanoseconds.
pub(super) fn duration_ns(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit_ns = match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3600 * 1_000_000_000,
        "d" => 24 * 3600 * 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ns).filter(|ns| *ns <= TIMESPAN_NS_MAX)
}

fn timespan(node: &Node, problems: &mut Vec<Problem>) -> Option<u64> {
    let text = required(node, "timespan", problems)?;
    let timespan = duration_ns(&text).filter(|ns| *ns > 0);
    if timespan.is_none() {
        let problem = Problem::error(node.get("timespan")?.at, format!("`{text}` is not a timespan"));
        problems.push(problem.hint("a number and ms, s, m, h or d; seven days at most"));
    }
    timespan
}

fn condition(node: &Node, kind: Option<Kind>, parsed: &mut Parsed, problems: &mut Vec<Problem>) {
    let temporal = parsed.kind.is_temporal();
    match node.get("condition").map(|condition| (condition, &condition.value)) {
        // All of the rules.
        None if temporal => parsed.condition = Some(Condition::Bounds(Vec::new())),
        Some((condition, Value::Map(_))) => bounds(node, condition, kind, parsed, problems),
        Some((condition, Value::Scalar(_))) if parsed.kind == Kind::Temporal => {
            match sigma::condition(condition.text().unwrap_or_default()) {
                Ok(found) => parsed.condition = Some(Condition::Rules(matched(&found, condition, &parsed.rules, problems))),
                Err(error) => {
                    problems
                        .push(Problem::error(condition.at.right(error.offset), error.message).hint("for example: rule_a and not rule_b"));
                }
            }
        }
        _ => {
            let hint = "for example: condition: {gte: 100}";
            problems.push(Problem::error(parsed.condition_at, "a correlation needs a `condition` that is a mapping").hint(hint));
        }
    }
}

/// A condition over the rules, by the names that the correlation gives them.
fn matched(condition: &sigma::Condition, node: &Node, rules: &Names, problems: &mut Vec<Problem>) -> Expression<String> {
    let mut all = |parts: &[sigma::Condition]| parts.iter().map(|part| matched(part, node, rules, problems)).collect();
    match condition {
        sigma::Condition::And(parts) => Expression::All(all(parts)),
        sigma::Condition::Or(parts) => Expression::Any(all(parts)),
        sigma::Condition::Not(part) => Expression::Not(Box::new(matched(part, node, rules, problems))),
        sigma::Condition::Name(name) => {
            if !rules.iter().any(|(rule, _)| rule == name) {
                let problem = Problem::error(node.at, format!("`{name}` is not among the correlation's `rules`"));
                problems.push(problem.suggest(name, rules.iter().map(|(rule, _)| rule.as_str())));
            }
            Expression::Atom(name.clone())
        }
        sigma::Condition::Of(count, names) => {
            let found: Vec<_> =
                rules.iter().filter(|(rule, _)| names.contains(rule)).map(|(rule, _)| Expression::Atom(rule.clone())).collect();
            let wanted = match count {
                sigma::Count::All => found.len(),
                sigma::Count::AtLeast(wanted) => usize::try_from(*wanted).unwrap_or(usize::MAX),
            };
            if wanted == 0 || wanted > found.len() {
                problems.push(Problem::error(node.at, format!("{wanted} of {} rules can never hold", found.len())));
            }
            Expression::AtLeast(wanted, found)
        }
    }
}

fn bounds(node: &Node, condition: &Node, kind: Option<Kind>, parsed: &mut Parsed, problems: &mut Vec<Problem>) {
    let mut bounds = Vec::new();
    let before = problems.len();
    for (key, value) in condition.entries() {
        match key.text.as_str() {
            "field" => parsed.values = names(condition, "field", problems),
            "percentile" => percentile(value, parsed, problems),
            name => bounds.extend(Bound::parse(name, key.at, value, parsed.kind.is_numeric(), problems)),
        }
    }
    if bounds.is_empty() && problems.len() == before {
        let hint = "for example: condition: {gte: 100}";
        problems.push(Problem::error(condition.at, "the condition compares with nothing").hint(hint));
    }
    let Some(kind) = kind else { return };
    let is_median = node.get("type").and_then(Node::text) == Some("value_median");
    if let Some(percentile) = condition.get("percentile").filter(|_| is_median) {
        problems.push(Problem::error(percentile.at, "the median is the percentile 50"));
    }
    let needs_field = kind == Kind::ValueCount || kind.is_numeric();
    match &parsed.values[..] {
        [] if needs_field => {
            let hint = "for example: condition: {gte: 100, field: TargetFilename}";
            problems.push(Problem::error(condition.at, "this type needs a `field` in its condition").hint(hint));
        }
        [(_, at), ..] if !needs_field => problems.push(Problem::error(*at, "this type counts events or rules, not a `field`")),
        [_, (_, at), ..] if kind.is_numeric() => problems.push(Problem::error(*at, "one `field` only can be computed with")),
        _ => {}
    }
    if matches!(kind, Kind::ValuePercentile(_)) && condition.get("percentile").is_none() && !is_median {
        let problem = Problem::error(condition.at, "which percentile? The condition of a `value_percentile` must say `percentile`");
        problems.push(
            problem.hint("for example: condition: {gte: 1000, percentile: 95, field: traffic.bytes_out}; or the type `value_median`"),
        );
    }
    let domain = match kind {
        Kind::EventCount | Kind::ValueCount => bound::Domain::From1,
        Kind::Temporal | Kind::TemporalOrdered => bound::Domain::From1To(parsed.rules.len()),
        _ => bound::Domain::Numbers,
    };
    if problems.len() == before && !bound::can_hold(&bounds, domain) {
        problems.push(Problem::error(condition.at, "the condition can never hold"));
    }
    if kind == Kind::TemporalOrdered && (1..parsed.rules.len()).any(|fewer| bounds.iter().all(|bound| bound.holds(Measure::count(fewer)))) {
        let message = format!("an ordered sequence is of all its {} rules: leave the condition out", parsed.rules.len());
        problems.push(Problem::error(condition.at, message));
    }
    parsed.condition = Some(Condition::Bounds(bounds));
}

fn percentile(value: &Node, parsed: &mut Parsed, problems: &mut Vec<Problem>) {
    match (value.text().and_then(|text| text.parse::<u8>().ok()).filter(|percent| *percent <= 100), parsed.kind) {
        (Some(percent), Kind::ValuePercentile(_)) => parsed.kind = Kind::ValuePercentile(percent),
        (None, _) => problems.push(Problem::error(value.at, "not a whole number from 0 to 100")),
        (Some(_), _) => problems.push(Problem::error(value.at, "`percentile` belongs to the type `value_percentile`")),
    }
}

fn aliases(node: &Node, problems: &mut Vec<Problem>) -> Vec<Alias> {
    let Some(aliases) = node.get("aliases") else { return Vec::new() };
    let mapping = |node: &Node, problems: &mut Vec<Problem>| {
        if !matches!(node.value, Value::Map(_)) {
            problems
                .push(Problem::error(node.at, format!("must be a mapping, not {}", node.noun())).hint("aliases: {name: {rule: Field}}"));
        }
    };
    mapping(aliases, problems);
    let mut found = Vec::new();
    for (key, fields) in aliases.entries() {
        mapping(fields, problems);
        if Field::from_name(&key.text).is_some() {
            problems.push(Problem::error(key.at, format!("`{}` is the name of a field: an alias needs another", key.text)));
        }
        let fields = fields.entries().iter().filter_map(|(rule, field)| match field.text() {
            Some(name) => Some((rule.text.clone(), rule.at, name.to_owned(), field.at)),
            None => {
                problems.push(Problem::error(field.at, "the name of a field is missing"));
                None
            }
        });
        found.push(Alias { name: key.text.clone(), at: key.at, fields: fields.collect() });
    }
    found
}

fn names(node: &Node, key: &str, problems: &mut Vec<Problem>) -> Names {
    let texts = document::texts(node, key, problems);
    let at = node.get(key).map(Node::one_or_many).unwrap_or_default();
    texts.into_iter().zip(at.iter().map(|node| node.at)).collect()
}
