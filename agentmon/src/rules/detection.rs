//! The `detection:` part of a rule, compiled into an expression over tests.
//!
//! Every name is checked here: fields against the category, modifiers, names in the condition. Not for: evaluating.

use super::category::Category;
use super::diagnostic::{Position, Problem};
use super::expression::Expression;
use super::field::Field;
use super::matcher::Atom;
use super::pattern::{Network, Order, Place, Test};
use super::sigma::{self, Condition, Count, Modifier};
use super::yaml::{Key, Node, Value};

/// Most tests that a rule's condition may expand to: a detection counts each time it is named.
const TESTS_MAX: usize = 10_000;

type Compiled = Expression<Atom>;

/// Compiles it. `None` when the problems say why not: all of them, a part that is wrong does not hide the others. Without a
/// category, which is a mistake of its own, a field may be one of any.
pub(super) fn compile(detection: &Node, category: Option<Category>, problems: &mut Vec<Problem>) -> Option<Compiled> {
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
            _ => {
                let expression = selection(node, category, problems);
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
    match any.len() {
        1 => any.pop(),
        _ => Some(Expression::Any(any)),
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
fn resolve(node: &Node, named: &mut [Named<'_>], budget: &mut usize, problems: &mut Vec<Problem>) -> Option<Compiled> {
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
            (problems.len() == before).then_some(built)
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

/// One named detection: a mapping (all hold) or a list of mappings (one holds).
fn selection(node: &Node, category: Option<Category>, problems: &mut Vec<Problem>) -> Option<Compiled> {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            // Every entry is compiled even after a bad one, so that all problems are told at once.
            let parts: Vec<_> = entries.iter().map(|(key, value)| item(key, value, category, problems)).collect();
            parts.into_iter().collect::<Option<Vec<_>>>().map(Expression::All)
        }
        Value::List(nodes) if !nodes.is_empty() => {
            let parts: Vec<_> = nodes.iter().map(|node| selection(node, category, problems)).collect();
            parts.into_iter().collect::<Option<Vec<_>>>().map(Expression::Any)
        }
        Value::Scalar(scalar) if !scalar.is_null() => {
            let message = "keywords without a field are not supported: an operation has fields, not a line of text";
            problems.push(Problem::error(node.at, message).hint("for example: CommandLine|contains: …"));
            None
        }
        _ => {
            problems.push(Problem::error(node.at, "an empty detection matches nothing"));
            None
        }
    }
}

/// `Field|modifier: value` or a list of values.
fn item(key: &Key, node: &Node, category: Option<Category>, problems: &mut Vec<Problem>) -> Option<Compiled> {
    let mut names = key.text.split('|');
    let name = names.next().unwrap_or_default();
    let field = match category {
        Some(category) => known_field(name, key.at, category),
        None => any_field(name, key.at, Field::ALL.iter().copied()),
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
    let tests: Vec<_> = values.iter().map(|value| how.test(tested, value).map_err(|problem| problems.push(problem)).ok()).collect();
    let (tests, field) = tests.into_iter().collect::<Option<Vec<_>>>().zip(field)?;
    let together = if how.all { Expression::All(tests) } else { Expression::Any(tests) };
    let present = Expression::Atom(Atom { field, test: Test::Present });
    Some(if how.negated { Expression::All(vec![present, Expression::Not(Box::new(together))]) } else { together })
}

/// The field of this name, if events of the category carry it.
pub(super) fn known_field(name: &str, at: Position, category: Category) -> Result<Field, Problem> {
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

/// What the modifiers say about how values are compared.
#[derive(Default)]
struct How {
    kind: Option<Modifier>,
    all: bool,
    cased: bool,
    windash: bool,
    negated: bool,
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
}

impl How {
    fn parse<'a>(names: impl Iterator<Item = &'a str>, key: &Key, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let mut how = Self::default();
        let mut at = key.at.right(u32::try_from(key.text.split('|').next().unwrap_or_default().chars().count()).unwrap_or(0));
        for name in names {
            at = at.right(1);
            match sigma::modifier(name) {
                Err(true) => problems.push(Problem::error(at, format!("the modifier `{name}` is not supported"))),
                Err(false) => problems.push(Problem::error(at, format!("unknown modifier `{name}`")).suggest(name, sigma::MODIFIERS)),
                Ok(Modifier::All) => how.all = true,
                Ok(Modifier::Cased) => how.cased = true,
                Ok(Modifier::Windash) => how.windash = true,
                Ok(Modifier::Neq) => how.negated = true,
                Ok(Modifier::ReIgnoreCase) => how.ignore_case = true,
                Ok(Modifier::ReMultiline) => how.multi_line = true,
                Ok(Modifier::ReDotAll) => how.dot_all = true,
                Ok(kind) if how.kind.is_none() => how.kind = Some(kind),
                Ok(_) => problems.push(Problem::error(at, format!("`{name}` cannot follow another comparison"))),
            }
            at = at.right(u32::try_from(name.chars().count()).unwrap_or(0));
        }
        if (how.ignore_case || how.multi_line || how.dot_all) && how.kind != Some(Modifier::Re) {
            problems.push(Problem::error(key.at, "`i`, `m` and `s` are flags of `re`"));
        }
        (problems.len() == before).then_some(how)
    }

    fn test(&self, field: Field, node: &Node) -> Result<Compiled, Problem> {
        let atom = |test| Expression::Atom(Atom { field, test });
        let Some(text) = node.text() else {
            return match (&node.value, self.kind) {
                (Value::Scalar(_), None) => Ok(Expression::Not(Box::new(atom(Test::Present)))),
                _ => Err(Problem::error(node.at, format!("a value must be a single value, not {}", node.noun()))),
            };
        };
        let fail = |message: String| Problem::error(node.at, message);
        let place = match self.kind {
            None => Place::Whole,
            Some(Modifier::Contains) => Place::Anywhere,
            Some(Modifier::StartsWith) => Place::Start,
            Some(Modifier::EndsWith) => Place::End,
            Some(Modifier::Re) => {
                return Test::regex(text, self.ignore_case, self.multi_line, self.dot_all).map(atom).map_err(fail);
            }
            Some(Modifier::Cidr) => {
                let network = Network::parse(text).ok_or_else(|| fail(format!("`{text}` is not a network such as 10.0.0.0/8")))?;
                return Ok(atom(Test::Network(network)));
            }
            Some(Modifier::Exists) => {
                return match text {
                    "true" => Ok(atom(Test::Present)),
                    "false" => Ok(Expression::Not(Box::new(atom(Test::Present)))),
                    _ => Err(fail(format!("`exists` is `true` or `false`, not `{text}`"))),
                };
            }
            Some(modifier) => {
                let number = text.parse().map_err(|_| fail(format!("`{text}` is not a whole number")))?;
                return Ok(atom(Test::Number(order(modifier), number)));
            }
        };
        let texts = if self.windash { dashes(text) } else { vec![text.to_owned()] };
        let mut tests: Vec<Compiled> = texts.iter().map(|text| atom(Test::text(sigma::pieces(text), place, self.cased))).collect();
        match (tests.len(), tests.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => Ok(Expression::Any(tests.into_iter().chain(last).collect())),
        }
    }
}

fn order(modifier: Modifier) -> Order {
    match modifier {
        Modifier::Lt => Order::Less,
        Modifier::Lte => Order::LessOrEqual,
        Modifier::Gt => Order::More,
        _ => Order::MoreOrEqual,
    }
}

/// The text with every dash that begins an option written in each of the ways some programs accept.
fn dashes(text: &str) -> Vec<String> {
    ['-', '/', '–', '—', '―']
        .into_iter()
        .map(|dash| {
            let mut before = ' ';
            text.chars()
                .map(|character| {
                    let option = matches!(character, '-' | '/') && before.is_whitespace();
                    before = character;
                    if option { dash } else { character }
                })
                .collect()
        })
        .collect()
}
