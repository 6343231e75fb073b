//! The modifiers of one entry of a detection, and the tests that its values become with them.
//!
//! What cannot stand together, and what could never match, is an error here. Not for: the shape of detections
//! (`super::detection`), encodings (`super::encoding`).

use super::diagnostic::Problem;
use super::encoding::Encoding;
use super::expression::Expression;
use super::field::Field;
use super::matcher::Atom;
use super::pattern::{Network, Order, Place, Reference, Test};
use super::placeholder::Placeholders;
use super::sigma::{self, Modifier, Part, Piece};
use super::time::TimeTest;
use super::yaml::{Key, Node, Value};

type Compiled = Expression<Atom>;

/// What the modifiers say about how values are compared.
#[derive(Default)]
pub(super) struct How {
    /// In the order in which they are applied.
    encodings: Vec<Encoding>,
    /// The comparison, with its name: at most one.
    kind: Option<(Kind, String)>,
    part: Option<Part>,
    /// All values must match, not one.
    pub all: bool,
    /// None may match.
    pub negated: bool,
    cased: bool,
    expand: bool,
    reference: bool,
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Place(Place),
    Re,
    Cidr,
    Exists,
    Order(Order),
}

impl How {
    /// Reads them from a key; `None` when something is wrong with them.
    pub fn parse<'a>(names: impl Iterator<Item = &'a str>, key: &Key, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let mut how = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        let mut at = key.at.right(u32::try_from(key.text.split('|').next().unwrap_or_default().chars().count()).unwrap_or(0));
        for name in names {
            at = at.right(1);
            if seen.contains(&name) {
                problems.push(Problem::error(at, format!("`{name}` stands twice")));
                at = at.right(u32::try_from(name.chars().count()).unwrap_or(0));
                continue;
            }
            seen.push(name);
            match sigma::modifier(name) {
                None => problems.push(Problem::error(at, format!("unknown modifier `{name}`")).suggest(name, sigma::MODIFIERS)),
                Some(modifier) => {
                    if let Err(message) = how.take(modifier, name) {
                        problems.push(Problem::error(at, message));
                    }
                }
            }
            at = at.right(u32::try_from(name.chars().count()).unwrap_or(0));
        }
        how.check(key, problems);
        (problems.len() == before).then_some(how)
    }

    fn take(&mut self, modifier: Modifier, name: &str) -> Result<(), String> {
        match modifier {
            Modifier::All => self.all = true,
            Modifier::Cased => self.cased = true,
            Modifier::Neq => self.negated = true,
            Modifier::Expand => self.expand = true,
            Modifier::FieldRef => self.reference = true,
            Modifier::ReIgnoreCase => self.ignore_case = true,
            Modifier::ReMultiline => self.multi_line = true,
            Modifier::ReDotAll => self.dot_all = true,
            Modifier::Time(_) if self.part.is_some() => return Err(format!("`{name}` cannot follow another part of a time")),
            Modifier::Time(part) => self.part = Some(part),
            Modifier::Windash => return self.encode(Encoding::Windash),
            Modifier::Utf16 => return self.encode(Encoding::Utf16),
            Modifier::Utf16Le => return self.encode(Encoding::Utf16Le),
            Modifier::Utf16Be => return self.encode(Encoding::Utf16Be),
            Modifier::Base64 => return self.encode(Encoding::Base64),
            Modifier::Base64Offset => return self.encode(Encoding::Base64Offset),
            Modifier::Contains => return self.compare(Kind::Place(Place::Anywhere), name),
            Modifier::StartsWith => return self.compare(Kind::Place(Place::Start), name),
            Modifier::EndsWith => return self.compare(Kind::Place(Place::End), name),
            Modifier::Re => return self.compare(Kind::Re, name),
            Modifier::Cidr => return self.compare(Kind::Cidr, name),
            Modifier::Exists => return self.compare(Kind::Exists, name),
            Modifier::Gt => return self.compare(Kind::Order(Order::More), name),
            Modifier::Gte => return self.compare(Kind::Order(Order::MoreOrEqual), name),
            Modifier::Lt => return self.compare(Kind::Order(Order::Less), name),
            Modifier::Lte => return self.compare(Kind::Order(Order::LessOrEqual), name),
        }
        Ok(())
    }

    fn encode(&mut self, encoding: Encoding) -> Result<(), String> {
        if let Some((_, name)) = &self.kind {
            // `contains` puts wildcards around the text, which have no encoding; of dashes the order does not matter.
            if encoding != Encoding::Windash {
                return Err(format!("`{}` must stand before `{name}`", encoding.name()));
            }
            self.encodings.insert(0, encoding);
        } else {
            self.encodings.push(encoding);
        }
        Ok(())
    }

    fn compare(&mut self, kind: Kind, name: &str) -> Result<(), String> {
        if self.kind.is_some() {
            return Err(format!("`{name}` cannot follow another comparison"));
        }
        self.kind = Some((kind, name.to_owned()));
        Ok(())
    }

    /// What cannot stand together.
    fn check(&self, key: &Key, problems: &mut Vec<Problem>) {
        let kind = self.kind.as_ref().map(|(kind, _)| *kind);
        let named = self.kind.as_ref().map_or("", |(_, name)| name);
        let mut fail = |message: String| problems.push(Problem::error(key.at, message));
        if (self.ignore_case || self.multi_line || self.dot_all) && kind != Some(Kind::Re) {
            fail("`i`, `m` and `s` are flags of `re`".to_owned());
        }
        let is_text = matches!(kind, None | Some(Kind::Place(_)));
        if let Some(encoding) = self.encodings.first().filter(|_| !is_text || self.reference || self.part.is_some()) {
            let with = if self.reference { "fieldref" } else { named };
            fail(format!("`{}` changes texts: it has no meaning with `{with}`", encoding.name()));
        }
        if self.reference && (!is_text || self.expand || self.part.is_some()) {
            fail(format!("`fieldref` compares two fields: it has no meaning with `{}`", if self.expand { "expand" } else { named }));
        }
        if self.part.is_some() && !matches!(kind, None | Some(Kind::Order(_))) {
            fail(format!("a part of a time is a number: it has no meaning with `{named}`"));
        }
        if self.expand && kind == Some(Kind::Re) {
            fail("`expand` has no meaning with `re`: the values of placeholders are texts, not expressions".to_owned());
        }
        if kind == Some(Kind::Exists) && (self.negated || self.expand || self.cased) {
            fail("`exists` stands alone".to_owned());
        }
    }

    /// Whether the comparison can be made with keywords, which have no field.
    pub fn fits_keywords(&self) -> bool {
        let is_text = matches!(self.kind, None | Some((Kind::Place(_) | Kind::Re, _)));
        is_text && !self.reference && self.part.is_none()
    }

    /// The test of one value on a field; of a keyword, on one of all fields.
    ///
    /// # Errors
    /// When the value does not fit the comparison, or could never match.
    pub fn test(
        &self,
        target: Target<'_>,
        node: &Node,
        placeholders: &Placeholders,
        problems: &mut Vec<Problem>,
    ) -> Result<Compiled, Problem> {
        let field = target.fields.first().copied().unwrap_or(Field::Image);
        let Some(text) = node.text() else {
            return match &node.value {
                Value::Scalar(_) if self.kind.is_none() && !target.keyword => Ok(absent(field)),
                _ => Err(Problem::error(node.at, format!("a value must be a single value, not {}", node.noun()))),
            };
        };
        if !self.expand {
            return self.test_text(target, text, node, problems);
        }
        let texts = placeholders.expand(text, node.at)?;
        texts.iter().map(|text| self.test_text(target, text, node, problems)).collect::<Result<Vec<_>, _>>().map(any)
    }

    fn test_text(&self, target: Target<'_>, text: &str, node: &Node, problems: &mut Vec<Problem>) -> Result<Compiled, Problem> {
        let fail = |message: String| Problem::error(node.at, message);
        let field = target.fields.first().copied().unwrap_or(Field::Image);
        let atom =
            |test: Test| any(target.fields.iter().map(|field| Expression::Atom(Atom { field: *field, test: test.clone() })).collect());
        if self.reference {
            return self.reference(field, text, node).map(atom);
        }
        let kind = self.kind.as_ref().map(|(kind, _)| *kind);
        if let Some(part) = self.part {
            let number = text.parse().map_err(|_| fail(format!("`{text}` is not a whole number")))?;
            let order = if let Some(Kind::Order(order)) = kind { Some(order) } else { None };
            return TimeTest::new(part, order, number).map(Test::Time).map(atom).map_err(fail);
        }
        let place = match kind {
            None if target.keyword || self.encodings.contains(&Encoding::Base64Offset) => Place::Anywhere,
            None => Place::Whole,
            Some(Kind::Place(place)) => place,
            Some(Kind::Re) => {
                return Test::regex(text, self.ignore_case, self.multi_line, self.dot_all).map(atom).map_err(fail);
            }
            Some(Kind::Cidr) => {
                let network = Network::parse(text).ok_or_else(|| fail(format!("`{text}` is not a network such as 10.0.0.0/8")))?;
                return Ok(atom(Test::Network(network)));
            }
            Some(Kind::Exists) => {
                return match text {
                    "true" => Ok(atom(Test::Present)),
                    "false" => Ok(absent(field)),
                    _ => Err(fail(format!("`exists` is `true` or `false`, not `{text}`"))),
                };
            }
            Some(Kind::Order(order)) => {
                return Test::number(order, text).map(atom).ok_or_else(|| fail(format!("`{text}` is not a number")));
            }
        };
        if target.keyword && text.chars().all(|c| c == '*') {
            return Err(fail("an empty keyword is in every event".to_owned()));
        }
        let tests = self.encoded(text).map_err(fail)?;
        if tests.iter().flatten().any(|piece| matches!(piece, Piece::Text(text) if text.contains(&0))) && field != Field::TargetSocket {
            let problem = Problem::warning(node.at, "never matches: the text has zero bytes, which no path or argument can hold");
            problems.push(problem.hint("UTF-16 occurs within Base64: `utf16le|base64offset|contains`"));
        }
        Ok(any(tests.into_iter().map(|pieces| atom(Test::text(pieces, place, self.cased))).collect()))
    }

    /// The text and its encodings.
    fn encoded(&self, text: &str) -> Result<Vec<Vec<Piece>>, String> {
        let mut variants = vec![sigma::pieces(text)];
        for encoding in &self.encodings {
            let encoded: Result<Vec<_>, _> = variants.iter().map(|variant| encoding.apply(variant)).collect();
            variants = encoded?.into_iter().flatten().collect();
        }
        Ok(variants)
    }

    fn reference(&self, field: Field, text: &str, node: &Node) -> Result<Test, Problem> {
        let other = Field::from_name(text).ok_or_else(|| {
            Problem::error(node.at, format!("unknown field `{text}`")).suggest(text, Field::ALL.iter().copied().map(Field::name))
        })?;
        if other == field {
            return Err(Problem::error(node.at, format!("`{text}` refers to itself")));
        }
        let place = if let Some((Kind::Place(place), _)) = self.kind { place } else { Place::Whole };
        Ok(Test::Reference(Reference { other, place, cased: self.cased }))
    }

    /// What is wrong with comparing a field so.
    pub fn misfit(&self, field: Field) -> Option<String> {
        let kind = self.kind.as_ref();
        match kind {
            _ if self.part.is_some() && field != Field::EventTime => {
                Some(format!("`{}` is no time: the time of an event is `EventTime`", field.name()))
            }
            Some((Kind::Order(_), name)) if self.part.is_none() && !field.is_number() => {
                Some(format!("`{name}` compares numbers, which `{}` is not", field.name()))
            }
            Some((Kind::Cidr, _)) if !field.is_address() => Some(format!("`cidr` compares addresses, which `{}` is not", field.name())),
            _ => None,
        }
    }

    /// The field a value refers to, to be checked against the category.
    pub const fn refers(&self) -> bool {
        self.reference
    }
}

/// What a value is compared with: one field, or each of all when it is a keyword.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub fields: &'a [Field],
    pub keyword: bool,
}

fn absent(field: Field) -> Compiled {
    Expression::Not(Box::new(Expression::Atom(Atom { field, test: Test::Present })))
}

fn any(mut tests: Vec<Compiled>) -> Compiled {
    match tests.len() {
        1 => tests.remove(0),
        _ => Expression::Any(tests),
    }
}
