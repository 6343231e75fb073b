//! What a correlation measured, and the numbers its condition compares with.
//!
//! Exact: a measure is a fraction, a number has at most three decimals. Not for: measuring (`super::window`).

use super::diagnostic::{Position, Problem};
use super::yaml::Node;

/// Largest number that a count is compared with: what a counter keeps grows with it.
pub(super) const THRESHOLD_MAX: i64 = 16_000;
/// Largest number that a computed value is compared with.
const NUMBER_MAX: i64 = 1_000_000_000_000_000;

/// One comparison of a correlation's condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    compare: Compare,
    thousandths: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
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

/// What was measured, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    pub numerator: i128,
    /// At least 1.
    pub denominator: i128,
}

impl Measure {
    /// So many.
    pub fn count(count: usize) -> Self {
        Self::number(i128::try_from(count).unwrap_or(i128::MAX))
    }

    /// A whole number.
    pub const fn number(number: i128) -> Self {
        Self { numerator: number, denominator: 1 }
    }

    /// For people: rounded down; 0 when it is negative.
    pub fn rounded(self) -> u64 {
        u64::try_from(self.numerator.div_euclid(self.denominator)).unwrap_or(if self.numerator < 0 { 0 } else { u64::MAX })
    }
}

impl Bound {
    /// At least so many.
    pub fn at_least(count: usize) -> Self {
        Self { compare: Compare::Gte, thousandths: i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(1000) }
    }

    /// Reads one comparison; of a `computed` value the number may have decimals.
    pub fn parse(name: &str, at: Position, value: &Node, computed: bool, problems: &mut Vec<Problem>) -> Option<Self> {
        let Some((_, compare)) = Compare::NAMES.iter().find(|(known, _)| *known == name) else {
            let known = Compare::NAMES.iter().map(|(name, _)| *name).chain(["field", "percentile"]);
            problems.push(Problem::error(at, format!("unknown comparison `{name}`")).suggest(name, known));
            return None;
        };
        let text = value.text().unwrap_or_default();
        let thousandths = if computed {
            thousandths(text)
        } else {
            text.parse::<i64>().ok().filter(|number| (0..=THRESHOLD_MAX).contains(number)).map(|number| number * 1000)
        };
        if thousandths.is_none() {
            let message = if computed {
                "not a number of at most three decimals and fifteen digits before them".to_owned()
            } else {
                format!("not a whole number from 0 to {THRESHOLD_MAX}")
            };
            problems.push(Problem::error(value.at, message));
        }
        Some(Self { compare: *compare, thousandths: thousandths? })
    }

    /// Whether a measure is within it.
    pub fn holds(self, measure: Measure) -> bool {
        let measured = measure.numerator.saturating_mul(1000);
        let bound = i128::from(self.thousandths).saturating_mul(measure.denominator);
        match self.compare {
            Compare::Gt => measured > bound,
            Compare::Gte => measured >= bound,
            Compare::Lt => measured < bound,
            Compare::Lte => measured <= bound,
            Compare::Eq => measured == bound,
            Compare::Neq => measured != bound,
        }
    }

    /// The number, rounded down.
    pub fn number(self) -> usize {
        usize::try_from(self.thousandths / 1000).unwrap_or(0)
    }
}

fn thousandths(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    if decimals.is_empty() || decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: i64 = whole.parse().ok().filter(|whole: &i64| whole.abs() <= NUMBER_MAX)?;
    let decimals: i64 = format!("{decimals:0<3}").parse().ok()?;
    Some(whole * 1000 + if text.starts_with('-') { -decimals } else { decimals })
}

/// Which measures there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Domain {
    /// Whole numbers from 1.
    From1,
    /// Whole numbers from 1 to this.
    From1To(usize),
    /// Any.
    Numbers,
}

/// Whether some measure is within all bounds.
pub(super) fn can_hold(bounds: &[Bound], domain: Domain) -> bool {
    let all = |measure| bounds.iter().all(|bound| bound.holds(measure));
    let largest = bounds.iter().map(|bound| bound.number()).max().unwrap_or(0) + 1;
    match domain {
        Domain::From1 => (1..=largest).any(|count| all(Measure::count(count))),
        Domain::From1To(most) => (1..=most).any(|count| all(Measure::count(count))),
        // At a bound, or just beside it.
        Domain::Numbers => bounds.iter().any(|bound| {
            let around = (-1..=1).map(|step| i128::from(bound.thousandths) * 2 + step);
            around.into_iter().any(|numerator| all(Measure { numerator, denominator: 2000 }))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(compare: Compare, text: &str) -> Bound {
        Bound { compare, thousandths: thousandths(text).unwrap() }
    }

    #[test]
    fn fractions_are_compared_exactly() {
        let third = Measure { numerator: 1, denominator: 3 };
        assert!(bound(Compare::Gt, "0.333").holds(third) && bound(Compare::Lt, "0.334").holds(third));
        assert!(bound(Compare::Eq, "2.5").holds(Measure { numerator: 5, denominator: 2 }));
        assert!(bound(Compare::Lt, "-0.5").holds(Measure::number(-1)) && !bound(Compare::Lt, "-1.5").holds(Measure::number(-1)));
        for text in ["", ".", "1.", "1.2345", "x", "1e3", "9999999999999999", "1.-2"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }

    #[test]
    fn bounds_that_exclude_each_other_are_found() {
        let (gt, lt, neq) = (Compare::Gt, Compare::Lt, Compare::Neq);
        assert!(
            !can_hold(&[bound(gt, "3"), bound(lt, "4")], Domain::From1) && can_hold(&[bound(gt, "3"), bound(lt, "4")], Domain::Numbers)
        );
        assert!(!can_hold(&[bound(lt, "1")], Domain::From1) && can_hold(&[bound(lt, "2")], Domain::From1));
        assert!(!can_hold(&[bound(gt, "2")], Domain::From1To(2)) && can_hold(&[bound(neq, "2")], Domain::From1To(2)));
        assert!(!can_hold(&[bound(gt, "4"), bound(lt, "4")], Domain::Numbers));
    }
}
