//! Whether a condition can hold at all: a rule that never fires is a mistake, not a rule.
//!
//! A search that gives up soon: what it calls impossible is impossible; what it does not may still be. Not for:
//! evaluating (`super::matcher`).

use super::audit::AuditField;
use super::expression::Expression;
use super::field::Field;
use super::matcher::Atom;
use super::pattern::{Literal, Order, Place, Test};

/// Most steps of the search.
const STEPS_MAX: usize = 20_000;
/// Most choices within each other: each is a frame on the stack.
const DEPTH_MAX: usize = 200;

type Condition = Expression<Atom>;

/// Whether it may hold for some event.
pub(super) fn satisfiable(condition: &Condition) -> bool {
    let mut search = Search { steps: STEPS_MAX, depth: 0, assumed: Vec::new() };
    search.run(vec![(condition, true)])
}

struct Search<'a> {
    steps: usize,
    depth: usize,
    /// Atoms that are taken to hold, or not to.
    assumed: Vec<(&'a Atom, bool)>,
}

impl<'a> Search<'a> {
    /// Whether all of these can hold, or not hold, beside what is assumed.
    fn run(&mut self, mut wanted: Vec<(&'a Condition, bool)>) -> bool {
        let assumed = self.assumed.len();
        while let Some((condition, holds)) = wanted.pop() {
            self.steps = self.steps.saturating_sub(1);
            if self.steps == 0 {
                return true;
            }
            match (condition, holds) {
                (Expression::Not(part), holds) => wanted.push((part, !holds)),
                (Expression::All(parts), true) => wanted.extend(parts.iter().map(|part| (part, true))),
                (Expression::Any(parts), false) => wanted.extend(parts.iter().map(|part| (part, false))),
                (Expression::Any(parts), true) | (Expression::All(parts), false) => return self.one_of(parts, holds, &wanted, assumed),
                // Which of them hold is left open.
                (Expression::AtLeast(..), _) => {}
                (Expression::Atom(atom), holds) => {
                    if self.assumed.iter().any(|(other, other_holds)| excludes(atom, holds, other, *other_holds)) {
                        self.assumed.truncate(assumed);
                        return false;
                    }
                    self.assumed.push((atom, holds));
                }
            }
        }
        self.assumed.truncate(assumed);
        true
    }

    fn one_of(&mut self, parts: &'a [Condition], holds: bool, rest: &[(&'a Condition, bool)], assumed: usize) -> bool {
        // What is left is copied for each choice.
        self.steps = self.steps.saturating_sub(rest.len() / 16);
        if self.depth >= DEPTH_MAX {
            return true;
        }
        self.depth += 1;
        let found = parts.iter().any(|part| {
            let mut wanted = rest.to_vec();
            wanted.push((part, holds));
            self.run(wanted)
        });
        self.depth -= 1;
        self.assumed.truncate(assumed);
        found
    }
}

/// Whether two atoms cannot hold, or not hold, at once.
fn excludes(a: &Atom, a_holds: bool, b: &Atom, b_holds: bool) -> bool {
    // That stands for many fields.
    if a.field != b.field || a.field == Field::Audit(AuditField::Unknowable) {
        return false;
    }
    match (a_holds, b_holds) {
        (true, true) => values_exclude(&a.test, &b.test) || values_exclude(&b.test, &a.test),
        (true, false) => implies(&a.test, &b.test),
        (false, true) => implies(&b.test, &a.test),
        (false, false) => false,
    }
}

/// The value that a test asks for, when it asks for one whole value.
fn whole(test: &Test) -> Option<&Literal> {
    match test {
        Test::Literal(literal) if literal.place == Place::Whole => Some(literal),
        _ => None,
    }
}

/// Whether a test says the same of a value in whatever case.
const fn ignores_case(test: &Test) -> bool {
    match test {
        Test::Literal(literal) => !literal.cased,
        Test::Glob(glob) => !glob.is_cased(),
        Test::Network(_) | Test::Number(..) | Test::Time(_) | Test::Present => true,
        Test::Regex(_) | Test::Reference(_) => false,
    }
}

fn values_exclude(a: &Test, b: &Test) -> bool {
    match (a, b) {
        (Test::Number(order, number), Test::Number(other_order, other)) => match (order, other_order) {
            (Order::Less | Order::LessOrEqual, Order::More | Order::MoreOrEqual) => {
                let most = if *order == Order::Less { number - 1 } else { *number };
                let least = if *other_order == Order::More { other + 1 } else { *other };
                most < least
            }
            _ => false,
        },
        _ => whole(a).is_some_and(|literal| decides(literal, b) && !b.passes(&literal.text)),
    }
}

/// Whether one test passing means that the other does.
fn implies(a: &Test, b: &Test) -> bool {
    let same = match (a, b) {
        (Test::Literal(a), Test::Literal(b)) => literal_implies(a, b),
        (Test::Glob(a), Test::Glob(b)) => a == b,
        (Test::Network(a), Test::Network(b)) => a == b,
        (Test::Number(order, a), Test::Number(other, b)) => order == other && a == b,
        (Test::Time(a), Test::Time(b)) => a == b,
        (Test::Reference(a), Test::Reference(b)) => a == b,
        _ => false,
    };
    same || matches!(b, Test::Present) || whole(a).is_some_and(|literal| decides(literal, b) && b.passes(&literal.text))
}

/// Whether a value with one text at its place has the other at its own.
fn literal_implies(a: &Literal, b: &Literal) -> bool {
    let placed = b.place == Place::Anywhere || a.place == Place::Whole || (a.place == b.place && b.place != Place::Whole);
    placed && (a.cased || !b.cased) && Test::Literal(b.clone()).passes(&a.text)
}

/// Whether a whole value says what another test says of it.
const fn decides(literal: &Literal, test: &Test) -> bool {
    !matches!(test, Test::Reference(_)) && (literal.cased || ignores_case(test))
}

#[cfg(test)]
mod tests {
    use crate::rules::tests::support::rule;
    use crate::rules::{Source, load};

    fn can_hold(detection: &str) -> bool {
        let text = rule("process_creation", detection);
        let loaded = load(&[Source { name: "r", text: &text }]);
        let never = loaded.diagnostics.iter().filter(|found| found.message.contains("can never hold")).count();
        assert_eq!(never, loaded.diagnostics.len(), "{:?}", loaded.diagnostics);
        never == 0
    }

    #[test]
    fn conditions_that_exclude_themselves_are_found() {
        for detection in [
            "s: {Image: /bin/a}\ncondition: s and not s",
            "s: {Image: /bin/a}\nf: {Image|endswith: /A}\ncondition: s and not f",
            "a: {Image: /bin/a}\nb: {Image: /bin/b}\ncondition: all of them",
            "s:\n  Image|all: [/bin/a, /bin/b]\ncondition: s",
            "s: {Argc|gt: 3, Argc|lt: 4}\ncondition: s",
            "s: {Script: null, Script|contains: x}\ncondition: s",
            "a: {Image: [/a, /b]}\nb: {Image: [/c, /d]}\ncondition: a and b",
            "a: {Image|endswith: /abc}\nb: {Image|endswith: C}\ncondition: a and not b",
            "a: {Image|contains: abc}\nb: {Image|contains: b}\ncondition: a and not b",
            "a: {Image|re: x}\nb: {Image|exists: false}\ncondition: a and b",
        ] {
            assert!(!can_hold(detection), "{detection}");
        }
    }

    #[test]
    fn conditions_that_can_hold_are_left_alone() {
        for detection in [
            "s: {Image: /bin/a}\nf: {Image|endswith|cased: /A}\ncondition: s and not f",
            "a: {Image: [/a, /b]}\nb: {Image: [/b, /c]}\ncondition: a and b",
            "s: {Argc|gt: 3, Argc|lt: 5}\ncondition: s",
            "a: {Image|contains: x}\nb: {Image|contains: y}\ncondition: a and not b",
            "a: {Image|contains: abc}\nb: {Image|endswith: c}\ncondition: a and not b",
            "a: {Image|startswith: abc}\nb: {Image|endswith: c}\ncondition: a and not b",
            "a: {Image|contains: abc}\nb: {Image|contains|cased: b}\ncondition: a and not b",
            "a: {Image|re: x}\nb: {Image|re|i: x}\ncondition: b and not a",
            "a: {Image|contains: x}\nb: {Image|contains: y}\nc: {Image: /z}\ncondition: 2 of them",
        ] {
            assert!(can_hold(detection), "{detection}");
        }
    }
}
