//! The condition of a rule as a tree over tests.
//!
//! Not for: parsing conditions (`super::sigma`) or evaluating them quickly (`super::matcher`).

/// A Boolean expression over atoms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression<A> {
    All(Vec<Expression<A>>),
    Any(Vec<Expression<A>>),
    AtLeast(usize, Vec<Expression<A>>),
    Not(Box<Expression<A>>),
    Atom(A),
}

impl<A> Expression<A> {
    /// Whether it holds when its atoms hold as `atom` says.
    pub fn holds(&self, atom: &mut impl FnMut(&A) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(atom)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(atom)),
            Self::AtLeast(wanted, parts) => {
                let mut holding = 0;
                *wanted == 0
                    || parts.iter().any(|part| {
                        holding += usize::from(part.holds(atom));
                        holding >= *wanted
                    })
            }
            Self::Not(part) => !part.holds(atom),
            Self::Atom(a) => atom(a),
        }
    }

    /// The same expression over other atoms.
    pub fn map<B>(self, atom: &mut impl FnMut(A) -> B) -> Expression<B> {
        let mut all = |parts: Vec<Self>| parts.into_iter().map(|part| part.map(atom)).collect();
        match self {
            Self::All(parts) => Expression::All(all(parts)),
            Self::Any(parts) => Expression::Any(all(parts)),
            Self::AtLeast(wanted, parts) => Expression::AtLeast(wanted, all(parts)),
            Self::Not(part) => Expression::Not(Box::new(part.map(atom))),
            Self::Atom(a) => Expression::Atom(atom(a)),
        }
    }

    /// Visits every atom.
    pub fn each<'a>(&'a self, visit: &mut impl FnMut(&'a A)) {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => parts.iter().for_each(|part| part.each(visit)),
            Self::Not(part) => part.each(visit),
            Self::Atom(a) => visit(a),
        }
    }

    /// Atoms of which at least one must hold for the whole to hold, if there are such; the cheapest set by `cost`.
    /// `cost` says what an atom costs as a trigger, `None` when it cannot be one.
    pub fn triggers(&self, cost: &impl Fn(&A) -> Option<u64>) -> Option<(u64, Vec<&A>)> {
        match self {
            Self::All(parts) => parts.iter().filter_map(|part| part.triggers(cost)).min_by_key(|(cost, _)| *cost),
            Self::AtLeast(0, _) => None,
            // Of N that must hold, one must hold.
            Self::Any(parts) | Self::AtLeast(_, parts) => {
                let mut union = (0, Vec::new());
                for part in parts {
                    let (cost, atoms) = part.triggers(cost)?;
                    union.0 += cost;
                    union.1.extend(atoms);
                }
                Some(union)
            }
            Self::Not(_) => None,
            Self::Atom(a) => cost(a).map(|cost| (cost, vec![a])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Expression::{All, Any, AtLeast, Atom, Not};

    #[test]
    fn holds_is_boolean_algebra() {
        let e = All(vec![Atom(1), Any(vec![Atom(2), Not(Box::new(Atom(3)))]), AtLeast(2, vec![Atom(4), Atom(5), Atom(6)])]);
        let holds = |set: &[i32]| e.holds(&mut |a| set.contains(a));
        assert!(holds(&[1, 2, 4, 6]) && holds(&[1, 4, 5]) && holds(&[1, 2, 3, 5, 6]));
        assert!(!holds(&[1, 3, 4, 5]) && !holds(&[1, 2, 4]) && !holds(&[2, 4, 5]));
    }

    #[test]
    fn triggers_are_necessary() {
        let cost = |a: &i32| (*a < 10).then_some(1);
        let e = All(vec![Atom(11), Any(vec![Atom(1), Atom(2)]), Any(vec![Atom(3), Atom(12)])]);
        assert_eq!(e.triggers(&cost).unwrap().1, [&1, &2]);
        assert_eq!(Not(Box::new(Atom(1))).triggers(&cost), None);
        assert_eq!(Any(vec![Atom(1), Not(Box::new(Atom(2)))]).triggers(&cost), None);
    }
}
