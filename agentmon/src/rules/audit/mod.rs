//! The auditd view: operations as the records that auditd would write of them, for rules of `service: auditd`.
//!
//! Each record is an event of its own to a rule, as a line of the audit log is. Rules are compiled once for each type of
//! record in which they can match at all, so that records nobody asks for cost nothing. Not for: rules of a category.

mod field;
mod given;
mod names;
mod records;
mod value;

pub use field::AuditField;
pub(super) use given::{judge, unknowable, why_never};
pub(super) use records::Record;
pub(super) use value::{line, value};

use super::expression::Expression;
use super::field::Field;
use super::matcher::{Atom, Entry, Matcher, Scratch};
use super::satisfiable::satisfiable;
use crate::process::Operation;
use aho_corasick::BuildError;
use records::RecordType;

type Condition = Expression<Atom>;

/// The rules of the auditd view, by the type of the record in which they can match.
#[derive(Debug)]
pub(super) struct View {
    matchers: [Option<Matcher>; RecordType::ALL.len()],
}

impl View {
    /// Compiles rules, and those of the filters that they ask for. `None` without rules.
    ///
    /// # Errors
    /// When the texts together are more than an automaton can hold.
    pub fn new(rules: &[Entry<'_>], filters: &[Condition]) -> Result<Option<Self>, BuildError> {
        let mut matchers = [const { None }; RecordType::ALL.len()];
        for (record, matcher) in RecordType::ALL.into_iter().zip(&mut matchers) {
            let conditions: Vec<Condition> = rules.iter().map(|rule| within(rule.condition, record)).collect();
            let entries = rules.iter().zip(&conditions).filter(|(_, condition)| !never(condition));
            let entries: Vec<Entry<'_>> =
                entries.map(|(rule, condition)| Entry { number: rule.number, condition, filters: rule.filters.clone() }).collect();
            if !entries.is_empty() {
                *matcher = Some(Matcher::new(entries, filters)?);
            }
        }
        Ok(matchers.iter().any(Option::is_some).then_some(Self { matchers }))
    }

    /// Calls `matched` with the number of every rule that matches one of the operation's records, for each of them.
    pub fn evaluate(&self, operation: &Operation<'_>, scratch: &mut Scratch, mut matched: impl FnMut(u32)) {
        for (of, matcher) in RecordType::ALL.into_iter().zip(&self.matchers) {
            let Some(matcher) = matcher else { continue };
            for record in records::of(of, operation) {
                scratch.look_at(record);
                matcher.evaluate(operation, scratch, &mut matched);
            }
        }
    }
}

/// The records of an operation, each with the fields that auditd itself would put there.
#[cfg(test)]
pub(super) fn shown(operation: &Operation<'_>) -> Vec<(Record, Vec<AuditField>)> {
    let records = RecordType::ALL.into_iter().flat_map(|of| records::of(of, operation).collect::<Vec<_>>());
    let all = || (0..AuditField::COUNT).map(AuditField::at);
    let of_calls = |field: &AuditField| RecordType::ALL.into_iter().all(|record| field.is_in(record));
    let shown = |of, field: &AuditField| field.is_in(of) && (of == RecordType::Syscall || *field == AuditField::Type || !of_calls(field));
    records.map(|record| (record, all().filter(|field| shown(record.of, field)).collect())).collect()
}

/// Whether some record may match the condition.
pub(super) fn can_match(condition: &Condition) -> bool {
    RecordType::ALL.into_iter().any(|record| satisfiable(&within(condition, record)))
}

/// What is left of a condition in records of one type, where their type and the fields they do not have are decided.
fn within(condition: &Condition, record: RecordType) -> Condition {
    let each = |parts: &[Condition]| parts.iter().map(|part| within(part, record)).collect::<Vec<_>>();
    match condition {
        Expression::All(parts) => {
            let parts = each(parts);
            if parts.iter().any(never) { constant(false) } else { Expression::All(without(parts, always)) }
        }
        Expression::Any(parts) => {
            let parts = each(parts);
            if parts.iter().any(always) { constant(true) } else { Expression::Any(without(parts, never)) }
        }
        Expression::AtLeast(wanted, parts) => {
            let parts = each(parts);
            let wanted = wanted.saturating_sub(parts.iter().filter(|part| always(part)).count());
            let parts = without(without(parts, always), never);
            if wanted == 0 || wanted > parts.len() { constant(wanted == 0) } else { Expression::AtLeast(wanted, parts) }
        }
        Expression::Not(part) => match within(part, record) {
            part if always(&part) => constant(false),
            part if never(&part) => constant(true),
            part => Expression::Not(Box::new(part)),
        },
        Expression::Atom(atom) => match decided(atom, record) {
            Some(holds) => constant(holds),
            None => Expression::Atom(atom.clone()),
        },
    }
}

/// Whether a test holds in every record of a type (yes), in none (no), or in some.
fn decided(atom: &Atom, record: RecordType) -> Option<bool> {
    let Field::Audit(field) = atom.field else { return None };
    if field == AuditField::Type {
        return Some(atom.test.passes(record.name().as_bytes()));
    }
    (!field.is_in(record) || !given::possible_in(record, field, &atom.test)).then_some(false)
}

fn without(parts: Vec<Condition>, which: impl Fn(&Condition) -> bool) -> Vec<Condition> {
    parts.into_iter().filter(|part| !which(part)).collect()
}

const fn constant(holds: bool) -> Condition {
    if holds { Expression::All(Vec::new()) } else { Expression::Any(Vec::new()) }
}

fn always(condition: &Condition) -> bool {
    matches!(condition, Expression::All(parts) if parts.is_empty())
}

fn never(condition: &Condition) -> bool {
    matches!(condition, Expression::Any(parts) if parts.is_empty())
}
