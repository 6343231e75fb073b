//! The part of Sigma's language that a library parses: conditions, `Field|modifier` keys, wildcards.
//!
//! The only file that names `rsigma-parser`; everything else sees the types below. Why the library's evaluator is not
//! used: docs/decisions (it lowers case and allocates per matcher and event, wants UTF-8, and reports no positions).

use rsigma_parser::{ConditionExpr, Modifier as Parsed, Quantifier, SelectorPattern, SigmaString, SpecialChar, StringPart};

/// Longest condition in bytes.
const CONDITION_BYTES_MAX: usize = 4096;
/// Deepest parentheses. The library's grammar recurses before it counts, so it is counted here first.
const PARENTHESES_MAX: usize = 16;
/// Most `not` in a condition, for the same reason.
const NOTS_MAX: usize = 64;

/// A parsed condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    /// A named detection.
    Name(String),
    /// `1 of selection_*`: so many of the detections whose names match.
    Of(Count, Names),
}

/// How many of the named detections must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    All,
    AtLeast(u64),
}

/// Which detections are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names(SelectorPattern);

impl Names {
    pub fn contains(&self, name: &str) -> bool {
        self.0.matches_detection_name(name)
    }
}

/// A condition that does not parse: what is wrong, and how many characters into the text.
pub(super) struct ConditionError {
    pub message: String,
    pub offset: u32,
}

/// Parses a condition such as `selection and not 1 of filter_*`.
pub(super) fn condition(text: &str) -> Result<Condition, ConditionError> {
    let fail = |message: &str, offset| Err(ConditionError { message: message.to_owned(), offset });
    if text.len() > CONDITION_BYTES_MAX {
        return fail("the condition is longer than 4096 bytes", 0);
    }
    let mut depth = 0_usize;
    for (offset, character) in (0..).zip(text.chars()) {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' => return fail("`|` belongs to the aggregations of old Sigma versions; write a `correlation:` document", offset),
            _ => {}
        }
        if depth > PARENTHESES_MAX {
            return fail("more than 16 nested parentheses", offset);
        }
    }
    if text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').filter(|word| *word == "not").count() > NOTS_MAX {
        return fail("more than 64 times `not`", 0);
    }
    match rsigma_parser::parse_condition(text) {
        Ok(parsed) => Ok(convert(parsed)),
        Err(error) => {
            let offset = error.location().filter(|at| at.line == 1).map_or(0, |at| at.col.saturating_sub(1));
            Err(ConditionError { message: "the condition does not parse here".to_owned(), offset })
        }
    }
}

fn convert(parsed: ConditionExpr) -> Condition {
    match parsed {
        ConditionExpr::And(parts) => Condition::And(parts.into_iter().map(convert).collect()),
        ConditionExpr::Or(parts) => Condition::Or(parts.into_iter().map(convert).collect()),
        ConditionExpr::Not(part) => Condition::Not(Box::new(convert(*part))),
        ConditionExpr::Identifier(name) => Condition::Name(name),
        ConditionExpr::Selector { quantifier, pattern } => {
            let count = match quantifier {
                Quantifier::Any => Count::AtLeast(1),
                Quantifier::All => Count::All,
                Quantifier::Count(n) => Count::AtLeast(n),
            };
            Condition::Of(count, Names(pattern))
        }
    }
}

/// A modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modifier {
    Contains,
    StartsWith,
    EndsWith,
    All,
    Re,
    ReIgnoreCase,
    ReMultiline,
    ReDotAll,
    Cidr,
    Cased,
    Exists,
    Windash,
    Neq,
    Gt,
    Gte,
    Lt,
    Lte,
    Base64,
    Base64Offset,
    Utf16,
    Utf16Le,
    Utf16Be,
    Expand,
    FieldRef,
    Time(Part),
}

/// A part of a date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Minute,
    Hour,
    Day,
    /// ISO 8601, 1 to 53.
    Week,
    Month,
    Year,
}

/// Names of [`Modifier`]s, for suggestions.
pub(super) const MODIFIERS: [&str; 31] = [
    "contains",
    "startswith",
    "endswith",
    "all",
    "re",
    "i",
    "m",
    "s",
    "cidr",
    "cased",
    "exists",
    "windash",
    "neq",
    "gt",
    "gte",
    "lt",
    "lte",
    "base64",
    "base64offset",
    "utf16",
    "utf16le",
    "utf16be",
    "wide",
    "expand",
    "fieldref",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
];

/// Parses one modifier; `None` when Sigma knows none of this name.
pub(super) fn modifier(name: &str) -> Option<Modifier> {
    Some(match name.parse::<Parsed>().ok()? {
        Parsed::Contains => Modifier::Contains,
        Parsed::StartsWith => Modifier::StartsWith,
        Parsed::EndsWith => Modifier::EndsWith,
        Parsed::All => Modifier::All,
        Parsed::Re => Modifier::Re,
        Parsed::IgnoreCase => Modifier::ReIgnoreCase,
        Parsed::Multiline => Modifier::ReMultiline,
        Parsed::DotAll => Modifier::ReDotAll,
        Parsed::Cidr => Modifier::Cidr,
        Parsed::Cased => Modifier::Cased,
        Parsed::Exists => Modifier::Exists,
        Parsed::WindAsh => Modifier::Windash,
        Parsed::Neq => Modifier::Neq,
        Parsed::Gt => Modifier::Gt,
        Parsed::Gte => Modifier::Gte,
        Parsed::Lt => Modifier::Lt,
        Parsed::Lte => Modifier::Lte,
        Parsed::Base64 => Modifier::Base64,
        Parsed::Base64Offset => Modifier::Base64Offset,
        Parsed::Utf16 => Modifier::Utf16,
        Parsed::Wide => Modifier::Utf16Le,
        Parsed::Utf16be => Modifier::Utf16Be,
        Parsed::Expand => Modifier::Expand,
        Parsed::FieldRef => Modifier::FieldRef,
        Parsed::Minute => Modifier::Time(Part::Minute),
        Parsed::Hour => Modifier::Time(Part::Hour),
        Parsed::Day => Modifier::Time(Part::Day),
        Parsed::Week => Modifier::Time(Part::Week),
        Parsed::Month => Modifier::Time(Part::Month),
        Parsed::Year => Modifier::Time(Part::Year),
    })
}

/// A piece of a Sigma string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Vec<u8>),
    /// `*`
    Many,
    /// `?`
    One,
}

/// A Sigma string in pieces: `*` and `?` are wildcards unless escaped by a backslash.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let part = |part| match part {
        StringPart::Plain(text) => Piece::Text(text.into_bytes()),
        StringPart::Special(SpecialChar::WildcardMulti) => Piece::Many,
        StringPart::Special(SpecialChar::WildcardSingle) => Piece::One,
    };
    SigmaString::new(text).parts.into_iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_parse_with_precedence() {
        let name = |n: &str| Condition::Name(n.into());
        let Ok(parsed) = condition("a or b and not c") else { panic!("does not parse") };
        let b_and_not_c = Condition::And(vec![name("b"), Condition::Not(Box::new(name("c")))]);
        assert_eq!(parsed, Condition::Or(vec![name("a"), b_and_not_c]));
    }

    #[test]
    fn hostile_conditions_are_refused_not_recursed_into() {
        for text in ["(".repeat(4000), format!("{}a", "not ".repeat(1000)), "a".repeat(5000), "a | count() > 3".to_owned()] {
            assert!(condition(&text).is_err(), "{text:.20}");
        }
        assert_eq!(condition("a and (b or").err().unwrap().offset, 11);
    }

    #[test]
    fn every_modifier_that_is_suggested_is_one() {
        for name in MODIFIERS {
            assert!(modifier(name).is_some(), "{name}");
        }
        assert_eq!(modifier("contain"), None);
    }

    #[test]
    fn wildcards_are_found_and_escapes_kept() {
        assert_eq!(pieces(r"*/b?n\*"), [Piece::Many, Piece::Text(b"/b".into()), Piece::One, Piece::Text(b"n*".into())]);
    }
}
