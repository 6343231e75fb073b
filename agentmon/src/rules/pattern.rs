//! Tests on the bytes of one field: texts, wildcards, regular expressions, networks, numbers.
//!
//! Case is folded for ASCII letters only: paths are bytes, and folding more would make two different files one.
//! Not for: which rule needs which test (`super::detection`), finding them quickly (`super::matcher`).

use super::field::Field;
use super::sigma::Piece;
use super::time::TimeTest;
use super::value as field_value;
use regex::bytes::{Regex, RegexBuilder};
use std::net::IpAddr;

/// Largest compiled regular expression, bytes; also the most that its cache may grow to.
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// Where a text must stand in the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Anywhere,
    Start,
    End,
    Whole,
}

/// A text without wildcards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Literal {
    pub text: Vec<u8>,
    pub place: Place,
    pub cased: bool,
}

impl Literal {
    /// Whether an occurrence, found without regard to case, is one that counts.
    pub fn confirms(&self, value: &[u8], start: usize, end: usize) -> bool {
        let placed = match self.place {
            Place::Anywhere => true,
            Place::Start => start == 0,
            Place::End => end == value.len(),
            Place::Whole => start == 0 && end == value.len(),
        };
        placed && (!self.cased || value.get(start..end) == Some(&*self.text))
    }
}

/// A text with wildcards, matched against the whole value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Glob {
    /// What stands between the `*`; `None` is a `?`.
    segments: Vec<Vec<Option<u8>>>,
    cased: bool,
}

impl Glob {
    fn new(pieces: &[Piece], cased: bool) -> Self {
        let mut segments = vec![Vec::new()];
        for piece in pieces {
            match (piece, segments.last_mut()) {
                (Piece::Many, _) => segments.push(Vec::new()),
                (Piece::One, Some(segment)) => segment.push(None),
                (Piece::Text(text), Some(segment)) => segment.extend(text.iter().map(|byte| Some(*byte))),
                (_, None) => {}
            }
        }
        Self { segments, cased }
    }

    /// Whether case matters.
    pub const fn is_cased(&self) -> bool {
        self.cased
    }

    /// The longest text that every matching value contains.
    pub fn longest_text(&self) -> Vec<u8> {
        let runs = self.segments.iter().flat_map(|segment| segment.split(Option::is_none));
        let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
        longest.iter().copied().flatten().collect()
    }

    /// Whether the whole value matches. The leftmost place of each segment is as good as any other.
    pub fn matches(&self, value: &[u8]) -> bool {
        let [first, middle @ .., last] = &self.segments[..] else {
            let only = self.segments.first().map_or(&[][..], |segment| segment);
            return only.len() == value.len() && self.stands(only, value);
        };
        if value.len() < first.len() + last.len() || !self.stands(first, value) {
            return false;
        }
        let (mut rest, end) = value[first.len()..].split_at(value.len() - first.len() - last.len());
        for segment in middle {
            if segment.is_empty() {
                continue;
            }
            let Some(at) = rest.windows(segment.len()).position(|window| self.stands(segment, window)) else { return false };
            rest = &rest[at + segment.len()..];
        }
        self.stands(last, end)
    }

    /// Whether the value begins with this segment; the caller has checked that it is long enough or does not care.
    fn stands(&self, segment: &[Option<u8>], value: &[u8]) -> bool {
        segment.len() <= value.len()
            && segment.iter().zip(value).all(|(wanted, byte)| match wanted {
                None => true,
                Some(wanted) if self.cased => wanted == byte,
                Some(wanted) => wanted.eq_ignore_ascii_case(byte),
            })
    }
}

/// An IPv4 or IPv6 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Parses `10.0.0.0/8`, `fe80::/10` or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(longest), |bits| bits.parse().ok())?;
        (bits <= longest).then_some(Self { address, bits })
    }

    fn contains(self, other: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let drop = width - u32::from(self.bits);
            a.checked_shr(drop).unwrap_or(0) == b.checked_shr(drop).unwrap_or(0)
        };
        match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

/// How a number compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

impl Order {
    /// Whether `a` stands so to `b`.
    pub fn holds<T: Ord>(self, a: &T, b: &T) -> bool {
        match self {
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::More => a > b,
            Self::MoreOrEqual => a >= b,
        }
    }
}

/// Another field of the same event, and where its value must stand in this one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reference {
    pub other: Field,
    pub place: Place,
    pub cased: bool,
}

impl Reference {
    /// Whether the values of the two fields stand so to each other.
    pub fn relates(self, value: &[u8], other: &[u8]) -> bool {
        let same = |window: &[u8]| if self.cased { window == other } else { window.eq_ignore_ascii_case(other) };
        placed(self.place, other.len(), value, same)
    }
}

/// A test on the value of one field.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Literal(Literal),
    Glob(Glob),
    Regex(Regex),
    Network(Network),
    Number(Order, i128),
    Time(TimeTest),
    /// Of this field and another; only the matcher sees both.
    Reference(Reference),
    /// There is a value.
    Present,
}

impl Test {
    /// A text that may have wildcards, to be found at this place.
    pub fn text(mut pieces: Vec<Piece>, place: Place, cased: bool) -> Self {
        // `*` at an end is a place, not a wildcard.
        if matches!(place, Place::Anywhere | Place::End) {
            pieces.insert(0, Piece::Many);
        }
        if matches!(place, Place::Anywhere | Place::Start) {
            pieces.push(Piece::Many);
        }
        let open_start = matches!(pieces.first(), Some(Piece::Many));
        let open_end = pieces.len() > 1 && matches!(pieces.last(), Some(Piece::Many));
        let middle = &pieces[usize::from(open_start)..pieces.len() - usize::from(open_end)];
        let place = match (open_start, open_end) {
            (true, true) => Place::Anywhere,
            (true, false) => Place::End,
            (false, true) => Place::Start,
            (false, false) => Place::Whole,
        };
        match middle {
            [] if place == Place::Whole => Self::Glob(Glob::new(&[], cased)),
            [] => Self::Present,
            [Piece::Text(text)] => Self::Literal(Literal { text: text.clone(), place, cased }),
            _ => Self::Glob(Glob::new(&pieces, cased)),
        }
    }

    /// A comparison with a number. Values are whole, so one with decimals becomes the next whole one.
    pub fn number(order: Order, text: &str) -> Option<Self> {
        if let Ok(number) = text.parse::<i128>() {
            return Some(Self::Number(order, number));
        }
        let number = text.parse::<f64>().ok().filter(|number| number.abs() < 1e18)?;
        Some(match order {
            Order::More | Order::MoreOrEqual if number.fract() != 0.0 => Self::Number(Order::More, number.floor() as i128),
            Order::Less | Order::LessOrEqual if number.fract() != 0.0 => Self::Number(Order::Less, number.ceil() as i128),
            order => Self::Number(order, number as i128),
        })
    }

    /// A regular expression, with the size of what it compiles to bounded.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn regex(text: &str, ignore_case: bool, multi_line: bool, dot_all: bool) -> Result<Self, String> {
        let build = |unicode| {
            RegexBuilder::new(text)
                .unicode(unicode)
                .case_insensitive(ignore_case)
                .multi_line(multi_line)
                .dot_matches_new_line(dot_all)
                .size_limit(REGEX_BYTES_MAX)
                .dfa_size_limit(REGEX_BYTES_MAX)
                .nest_limit(32)
                .build()
        };
        // Bytes first: `.` must not stop at what is not UTF-8. Expressions with Unicode classes need the other mode.
        match build(false) {
            Err(regex::Error::Syntax(_)) => build(true),
            other => other,
        }
        .map(Self::Regex)
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => format!("the regular expression compiles to more than {limit} bytes"),
            error => {
                // The library draws a picture over several lines; the last one says it in words.
                let text = error.to_string();
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
        })
    }

    /// Whether a value passes.
    pub fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::Literal(literal) => literal_passes(literal, value),
            Self::Glob(glob) => glob.matches(value),
            Self::Regex(regex) => regex.is_match(value),
            Self::Network(network) => field_value::address(value).is_some_and(|address| network.contains(address)),
            Self::Number(order, number) => {
                let value = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i128>().ok());
                value.is_some_and(|value| order.holds(&value, number))
            }
            Self::Time(time) => time.passes(value),
            // What the other field holds is not known here.
            Self::Reference(_) => false,
            Self::Present => true,
        }
    }
}

/// The plain meaning of a literal; the matcher finds literals all at once instead.
fn literal_passes(literal: &Literal, value: &[u8]) -> bool {
    let same = |window: &[u8]| {
        if literal.cased { window == literal.text } else { window.eq_ignore_ascii_case(&literal.text) }
    };
    placed(literal.place, literal.text.len(), value, same)
}

/// Whether bytes that are the `same` as a text of this length stand at this place of the value.
fn placed(place: Place, length: usize, value: &[u8], same: impl Fn(&[u8]) -> bool) -> bool {
    match place {
        Place::Anywhere => value.windows(length.max(1)).any(same),
        Place::Start => value.get(..length).is_some_and(same),
        Place::End => value.len().checked_sub(length).is_some_and(|at| same(&value[at..])),
        Place::Whole => same(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sigma::pieces;

    fn text(pattern: &str, place: Place) -> Test {
        Test::text(pieces(pattern), place, false)
    }

    #[test]
    fn wildcards_match_the_whole_value() {
        let cases: [(&str, &[u8], bool); 12] = [
            ("*/rm", b"/usr/bin/rm", true),
            ("*/rm", b"/usr/bin/rmdir", false),
            ("/etc/*", b"/ETC/passwd", true),
            ("*secret*", b"/a/Secrets/b", true),
            ("/home/*/.ssh/id_*", b"/home/u/.ssh/id_rsa", true),
            ("/home/*/.ssh/id_*", b"/home/u/ssh/id_rsa", false),
            ("a?c", b"abc", true),
            ("a?c", b"ac", false),
            ("a*bc*bc", b"abcbc", true),
            ("a*bc*bc", b"abc", false),
            ("*", b"", true),
            ("a*a", b"a", false),
        ];
        for (pattern, value, expected) in cases {
            assert_eq!(text(pattern, Place::Whole).passes(value), expected, "{pattern} {value:?}");
        }
    }

    #[test]
    fn wildcards_inside_other_places() {
        assert!(text("a*c", Place::Anywhere).passes(b"xxaBCxx"));
        assert!(text("a*c", Place::End).passes(b"xxabc"));
        assert!(!text("a*c", Place::End).passes(b"xxabcx"));
        assert!(text("a*c", Place::Start).passes(b"abcx"));
        assert!(text("", Place::Anywhere).passes(b""));
        assert!(text("", Place::Whole).passes(b"") && !text("", Place::Whole).passes(b"x"));
    }

    #[test]
    fn networks_contain_what_they_should() {
        let contains = |network: &str, address: &str| Test::Network(Network::parse(network).unwrap()).passes(address.as_bytes());
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "8.8.8.8") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("fe80::/10", "fe80::1") && !contains("fe80::/10", "2001::1"));
        assert!(contains("169.254.169.254", "169.254.169.254") && contains("::/0", "::1"));
        assert!(Network::parse("10.0.0.0/33").is_none() && Network::parse("x/8").is_none());
    }

    #[test]
    fn regular_expressions_are_bounded_and_see_bytes() {
        assert!(Test::regex(r"a.*b", false, false, false).unwrap().passes(b"a\xff\xfeb"));
        assert!(Test::regex(r"\p{L}+x", false, false, false).is_ok());
        assert!(Test::regex(r"(?:(?:\w{100}){100}){100}", false, false, false).unwrap_err().contains("more than"));
        assert!(!Test::regex(r"(", false, false, false).unwrap_err().contains('\n'));
        assert!(Test::regex(r"(?=x)", false, false, false).unwrap_err().contains("look-around"));
    }
}
