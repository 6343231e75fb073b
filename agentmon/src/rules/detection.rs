//! The `detection:` part of a rule, compiled into an expression over tests.
//!
//! Every name is checked here: fields against the category, modifiers, names in the condition. Not for: evaluating.

use super::audit::{self, AuditField};
use super::category::Category;
use super::diagnostic::{Position, Problem};
use super::expression::Expression;
use super::field::Field;
use super::matcher::Atom;
use super::modifiers::{How, Target};
use super::pattern::Test;
use super::placeholder::Placeholders;
use super::satisfiable::satisfiable;
use super::sigma::{self, Condition, Count};
use super::yaml::{Key, Node, Value};

/// Most tests that a rule's condition may expand to: a detection counts each time it is named.
const TESTS_MAX: usize = 10_000;

type Compiled = Expression<Atom>;

/// What a detection is compiled for.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// Without one, which is a mistake of its own, a field may be one of any.
    pub category: Option<Category>,
    pub placeholders: &'a Placeholders,
    /// A key beside the detections that is none: `rules` of a filter.
    pub besides: Option<&'a str>,
}

impl Context<'_> {
    /// The fields in which keywords are looked for: all but the time, which is no word of the event.
    fn keyword_fields(&self) -> Vec<Field> {
        let Some(category) = self.category else { return vec![Field::Image] };
        if category == Category::Auditd {
            return vec![Field::Audit(AuditField::Line)];
        }
        Field::ALL.iter().copied().filter(|field| field.is_in(category) && *field != Field::EventTime).collect()
    }
}

/// A detection and its condition, compiled.
pub(super) struct Detection {
    pub expression: Compiled,
    /// Whether the condition is made of what must not hold, and only of that: `not selection`.
    pub negative: Option<bool>,
}

/// Compiles it. `None` when the problems say why not: all of them, a part that is wrong does not hide the others.
pub(super) fn compile(detection: &Node, context: Context<'_>, problems: &mut Vec<Problem>) -> Option<Detection> {
    if !matches!(detection.value, Value::Map(_)) {
        problems.push(Problem::error(detection.at, format!("`detection` must be a mapping, not {}", detection.noun())));
        return None;
    }
    let mut sound = true;
    let mut named = Vec::new();
    let mut condition = None;
    for (key, node) in detection.entries() {
        match key.text.as_str() {
            "condition" => condition = Some(node),
            "timeframe" => {
                problems.push(Problem::error(key.at, "`timeframe` belongs to old Sigma versions; write a `correlation:` document"));
                sound = false;
            }
            name if context.besides == Some(name) => {}
            _ => {
                let expression = selection(node, context, problems);
                sound &= expression.is_some();
                // Its name is one all the same, so that the condition can be checked.
                named.push(Named::new(key, expression.unwrap_or(Expression::Any(Vec::new()))));
            }
        }
    }
    let Some(condition) = condition else {
        problems.push(Problem::error(detection.at, "`condition` is missing in `detection`"));
        return None;
    };
    let mut budget = TESTS_MAX;
    let resolved: Vec<_> = condition.one_or_many().iter().map(|node| resolve(node, &mut named, &mut budget, problems)).collect();
    if resolved.is_empty() {
        problems.push(Problem::error(condition.at, "the condition is empty"));
        return None;
    }
    let mut any = resolved.into_iter().collect::<Option<Vec<_>>>()?;
    for Named { key, .. } in named.iter().filter(|named| !named.used) {
        problems.push(Problem::warning(key.at, format!("the condition does not use `{}`", key.text)));
    }
    if !sound {
        return None;
    }
    let negative = match &any[..] {
        [(_, negative)] => *negative,
        _ => None,
    };
    let expression = if any.len() == 1 { any.pop()?.0 } else { Expression::Any(any.into_iter().map(|(built, _)| built).collect()) };
    if !satisfiable(&expression) {
        problems.push(Problem::error(condition.at, "the condition can never hold: what it asks for excludes itself"));
        return None;
    }
    Some(Detection { expression, negative })
}

/// Whether a condition only says what must not hold (`not a and not b`: yes), only what must (no), or both (neither).
fn negative(condition: &Condition) -> Option<bool> {
    match condition {
        Condition::Not(_) => Some(true),
        Condition::Name(_) | Condition::Of(..) => Some(false),
        Condition::And(parts) | Condition::Or(parts) => {
            let first = negative(parts.first()?)?;
            parts.iter().all(|part| negative(part) == Some(first)).then_some(first)
        }
    }
}

struct Named<'a> {
    key: &'a Key,
    expression: Compiled,
    tests: usize,
    used: bool,
}

impl<'a> Named<'a> {
    fn new(key: &'a Key, expression: Compiled) -> Self {
        let mut tests = 0;
        expression.each(&mut |_| tests += 1);
        Self { key, expression, tests, used: false }
    }

    /// A copy for the condition, if that does not grow beyond its bound.
    fn take(&mut self, budget: &mut usize, at: Position) -> Result<Compiled, Problem> {
        self.used = true;
        match budget.checked_sub(self.tests) {
            Some(rest) => *budget = rest,
            None => return Err(Problem::error(at, format!("the condition expands to more than {TESTS_MAX} tests"))),
        }
        Ok(self.expression.clone())
    }
}

/// Puts the named detections into a condition.
fn resolve(node: &Node, named: &mut [Named<'_>], budget: &mut usize, problems: &mut Vec<Problem>) -> Option<(Compiled, Option<bool>)> {
    let Some(text) = node.text() else {
        problems.push(Problem::error(node.at, format!("`condition` must be a text, not {}", node.noun())));
        return None;
    };
    // In a quoted or folded text an offset says nothing about the line.
    let verbatim = matches!(&node.value, Value::Scalar(scalar) if scalar.verbatim);
    let at = |offset: u32| if verbatim { node.at.right(offset) } else { node.at };
    match sigma::condition(text) {
        Err(error) => {
            let hint = "for example: selection and not 1 of filter_*";
            problems.push(Problem::error(at(error.offset), error.message).hint(hint));
            None
        }
        Ok(condition) => {
            let before = problems.len();
            let place = |name: &str| {
                let byte = word_at(text, name).unwrap_or(0);
                let offset = text[..byte].chars().count();
                at(u32::try_from(offset).unwrap_or(0))
            };
            let built = build(&condition, named, budget, &place, problems);
            (problems.len() == before).then(|| (built, negative(&condition)))
        }
    }
}

/// Where a name stands in a condition, as a whole word.
fn word_at(text: &str, name: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut found = text.match_indices(name).map(|(at, _)| at);
    found.find(|at| !text[..*at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part))
}

/// What is wrong with it goes to `problems`; what is built then is of no use.
fn build(
    condition: &Condition,
    named: &mut [Named<'_>],
    budget: &mut usize,
    at: &impl Fn(&str) -> Position,
    problems: &mut Vec<Problem>,
) -> Compiled {
    let nothing = || Expression::Any(Vec::new());
    let mut take = |found: &mut Named<'_>, at, problems: &mut Vec<Problem>| match found.take(budget, at) {
        Ok(expression) => expression,
        Err(problem) => {
            problems.push(problem);
            nothing()
        }
    };
    match condition {
        Condition::And(parts) => Expression::All(parts.iter().map(|part| build(part, named, budget, at, problems)).collect()),
        Condition::Or(parts) => Expression::Any(parts.iter().map(|part| build(part, named, budget, at, problems)).collect()),
        Condition::Not(part) => Expression::Not(Box::new(build(part, named, budget, at, problems))),
        Condition::Name(name) => {
            if let Some(found) = named.iter_mut().find(|named| named.key.text == *name) {
                return take(found, at(name), problems);
            }
            let names: Vec<&str> = named.iter().map(|named| named.key.text.as_str()).collect();
            problems.push(Problem::error(at(name), format!("no detection is called `{name}`")).suggest(name, names));
            nothing()
        }
        Condition::Of(count, names) => {
            let found = named.iter_mut().filter(|named| names.contains(&named.key.text));
            let parts: Vec<Compiled> = found.map(|found| take(found, at("of"), problems)).collect();
            let wanted = match count {
                Count::All => parts.len(),
                Count::AtLeast(wanted) => usize::try_from(*wanted).unwrap_or(usize::MAX),
            };
            if parts.is_empty() {
                problems.push(Problem::error(at("of"), "no detection has such a name"));
            } else if wanted == 0 || wanted > parts.len() {
                problems.push(Problem::error(at("of"), format!("{wanted} of {} detections can never hold", parts.len())));
            }
            match count {
                Count::All => Expression::All(parts),
                Count::AtLeast(1) => Expression::Any(parts),
                Count::AtLeast(_) => Expression::AtLeast(wanted, parts),
            }
        }
    }
}

/// One named detection: a mapping (all hold), a list (one holds), or a keyword.
pub(super) fn selection(node: &Node, context: Context<'_>, problems: &mut Vec<Problem>) -> Option<Compiled> {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            // Every entry is compiled even after a bad one, so that all problems are told at once.
            let parts: Vec<_> = entries.iter().map(|(key, value)| item(key, value, context, problems)).collect();
            parts.into_iter().collect::<Option<Vec<_>>>().map(Expression::All)
        }
        Value::List(nodes) if !nodes.is_empty() => {
            let parts: Vec<_> = nodes.iter().map(|node| selection(node, context, problems)).collect();
            parts.into_iter().collect::<Option<Vec<_>>>().map(Expression::Any)
        }
        Value::Scalar(scalar) if !scalar.is_null() => {
            let target = Target { fields: &context.keyword_fields(), keyword: true };
            How::default().test(target, node, context.placeholders, problems).map_err(|problem| problems.push(problem)).ok()
        }
        _ => {
            problems.push(Problem::error(node.at, "an empty detection matches nothing"));
            None
        }
    }
}

/// `Field|modifier: value` or a list of values; without a field, keywords.
pub(super) fn item(key: &Key, node: &Node, context: Context<'_>, problems: &mut Vec<Problem>) -> Option<Compiled> {
    let mut names = key.text.split('|');
    let name = names.next().unwrap_or_default();
    let keyword = name.is_empty() && key.text.starts_with('|');
    let field = if keyword {
        Ok(Field::Image)
    } else {
        match context.category {
            Some(category) => known_field(name, key.at, category),
            None => any_field(name, key.at, Field::ALL.iter().copied()),
        }
    };
    let field = field.map_err(|problem| problems.push(problem)).ok();
    let how = How::parse(names, key, problems);
    let values = node.one_or_many();
    if values.is_empty() {
        problems.push(Problem::error(node.at, "an empty list matches nothing"));
        return None;
    }
    // Of an unknown field the values are checked as any field's would be.
    let (how, tested) = (how?, field.unwrap_or(Field::Image));
    let misfit = match field {
        Some(_) if keyword => (!how.fits_keywords()).then(|| "keywords are texts: this comparison needs a field".to_owned()),
        Some(field) => how.misfit(field),
        None => None,
    };
    if let Some(message) = misfit {
        problems.push(Problem::error(key.at, message));
        return None;
    }
    let keywords;
    let target = if keyword {
        keywords = context.keyword_fields();
        Target { fields: &keywords, keyword }
    } else {
        Target { fields: &[tested], keyword }
    };
    let tests: Vec<_> = values
        .iter()
        .map(|value| {
            if how.refers()
                && let (Some(category), Some(text)) = (context.category, value.text())
            {
                known_field(text, value.at, category).map_err(|problem| problems.push(problem)).ok()?;
            }
            how.test(target, value, context.placeholders, problems).map_err(|problem| problems.push(problem)).ok()
        })
        .collect();
    let (tests, field) = tests.into_iter().collect::<Option<Vec<_>>>().zip(field)?;
    if let Field::Audit(field) = field
        && !keyword
    {
        for (test, value) in tests.iter().zip(values) {
            audit::judge(name, field, test, value.at, problems);
        }
    }
    let together = if how.all { Expression::All(tests) } else { Expression::Any(tests) };
    Some(match (how.negated, keyword) {
        (false, _) => together,
        (true, true) => Expression::Not(Box::new(together)),
        // An absent field is not different from anything.
        (true, false) => {
            let present = Expression::Atom(Atom { field, test: Test::Present });
            Expression::All(vec![present, Expression::Not(Box::new(together))])
        }
    })
}

/// The field of this name, if events of the category carry it.
pub(super) fn known_field(name: &str, at: Position, category: Category) -> Result<Field, Problem> {
    if category == Category::Auditd && audit::unknowable(name).is_some() {
        return Ok(Field::Audit(AuditField::Unknowable));
    }
    let field = any_field(name, at, Field::ALL.iter().copied().filter(|field| field.is_in(category)))?;
    if field.is_in(category) {
        return Ok(field);
    }
    let carriers: Vec<&str> = field.categories().iter().map(|category| category.name()).collect();
    let message = format!("{} events have no field `{name}`", category.name());
    Err(Problem::error(at, message).hint(format!("it is a field of {}", carriers.join(", "))))
}

/// The field of this name, whoever carries it; `candidates` may have been meant.
fn any_field(name: &str, at: Position, candidates: impl Iterator<Item = Field>) -> Result<Field, Problem> {
    if name.is_empty() {
        return Err(Problem::error(at, "a field name is missing before `|`"));
    }
    Field::from_name(name).ok_or_else(|| Problem::error(at, format!("unknown field `{name}`")).suggest(name, candidates.map(Field::name)))
}
