//! What a rule of the auditd view may ask for: of what auditd knows and this monitor cannot give it is said that it never
//! holds, of what nobody knows that it is a mistake.
//!
//! Not for: fields of categories (`crate::rules::field`).

use super::field::AuditField;
use super::names::{BY_PROGRAMS, OF_KERNEL, UNKNOWABLE};
use super::records::{CREATE, DELETE, NORMAL, RecordType};
use crate::rules::diagnostic::{Position, Problem, closest};
use crate::rules::expression::Expression;
use crate::rules::matcher::Atom;
use crate::rules::pattern::{Literal, Place, Test};
use agentmon_common::syscalls::untold::UNTOLD;
use agentmon_common::syscalls::{NAMES, PER_ABI, is_sender, op, sender_name};

/// How the message begins that a part of a rule cannot hold here.
const NEVER: &str = "never holds: ";

/// Why a field that auditd has is in no record of this view.
pub(in crate::rules) fn unknowable(name: &str) -> Option<&'static str> {
    UNKNOWABLE.iter().find(|(_, names)| names.contains(&name)).map(|(why, _)| *why)
}

/// Says of a comparison of the field of this name what cannot hold, or is a mistake.
pub(in crate::rules) fn judge(name: &str, field: AuditField, tests: &Expression<Atom>, at: Position, problems: &mut Vec<Problem>) {
    // That it is absent does hold.
    if field == AuditField::Unknowable && !matches!(tests, Expression::Not(_)) {
        let why = unknowable(name).unwrap_or_default();
        problems.push(Problem::warning(at, format!("{NEVER}`{name}` is in no record: {why}")));
    }
    tests.each(&mut |atom| {
        if !possible(field, &atom.test) {
            problems.push(impossible(field, &atom.test, at));
        }
    });
}

/// Why no record can match: what was said of the rule's parts.
pub(in crate::rules) fn why_never(problems: &[Problem]) -> String {
    let mut reasons: Vec<&str> = problems.iter().filter_map(|problem| problem.message.strip_prefix(NEVER)).collect();
    // Each of several values says the same of its field.
    reasons.dedup();
    if reasons.is_empty() { "no single record has all the fields that it asks for".to_owned() } else { reasons.join("; ") }
}

/// Whether some record may pass a test of this field.
pub(super) fn possible(field: AuditField, test: &Test) -> bool {
    matches!(test, Test::Reference(_)) || given(field).is_none_or(|mut values| values.any(|value| test.passes(value.as_bytes())))
}

/// The same in records of one type: the arguments of a call are hexadecimal numbers.
pub(super) fn possible_in(record: RecordType, field: AuditField, test: &Test) -> bool {
    match (record, field, test) {
        (RecordType::Syscall, AuditField::Argument(_), Test::Literal(literal)) => literal.text.iter().all(u8::is_ascii_hexdigit),
        _ => possible(field, test),
    }
}

/// The values of a field, where they can be told beforehand.
fn given(field: AuditField) -> Option<Box<dyn Iterator<Item = &'static str>>> {
    Some(match field {
        AuditField::Type => Box::new(RecordType::ALL.into_iter().map(RecordType::name)),
        AuditField::Nametype => Box::new([NORMAL, CREATE, DELETE].into_iter()),
        AuditField::Success => Box::new(["yes", "no"].into_iter()),
        AuditField::Arch => Box::new(["c000003e", "40000003"].into_iter()),
        AuditField::Syscall => Box::new(calls()),
        _ => return None,
    })
}

/// The system calls that events name.
fn calls() -> impl Iterator<Item = &'static str> {
    let rows = NAMES.into_iter().enumerate().filter(|(number, _)| *number != usize::from(op::NONE)).map(|(_, name)| name);
    let senders = (0..PER_ABI as u16).filter(|number| is_sender(false, (*number).into())).filter_map(|number| sender_name(false, number));
    rows.filter(|name| *name != "none").chain(senders)
}

/// What a field may have in auditd and not here, with the reason.
fn not_given(field: AuditField) -> Vec<(&'static str, &'static str)> {
    let each = |why, names: &'static [&'static str]| names.iter().map(move |name| (*name, why));
    match field {
        AuditField::Type => {
            each("other programs write it", BY_PROGRAMS).chain(each("this monitor has nothing to make it of", OF_KERNEL)).collect()
        }
        AuditField::Nametype => each("only files that are acted on have records here", &["PARENT", "UNKNOWN"]).collect(),
        AuditField::Syscall => UNTOLD.iter().flat_map(|untold| untold.calls.iter().map(|(_, name)| (*name, untold.why))).collect(),
        _ => Vec::new(),
    }
}

fn impossible(field: AuditField, test: &Test, at: Position) -> Problem {
    let name = field.name();
    let known = not_given(field);
    if let Some((value, why)) = known.iter().find(|(value, _)| test.passes(value.as_bytes())) {
        return Problem::warning(at, format!("{NEVER}no record has `{name}: {value}`: {why}"));
    }
    let values: Vec<&str> = given(field).into_iter().flatten().chain(known.iter().map(|(value, _)| *value)).collect();
    let Test::Literal(Literal { text, place: Place::Whole, .. }) = test else {
        return Problem::error(at, format!("no `{name}` of auditd is such"));
    };
    let text = String::from_utf8_lossy(text);
    let problem = Problem::error(at, format!("unknown value `{text}` of `{name}`"));
    match closest(&text, &values) {
        Some(_) => problem.suggest(&text, values),
        None => problem.suggest(&text, given(field).into_iter().flatten()),
    }
}
