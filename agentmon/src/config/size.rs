//! Sizes as people type them: `16777216`, `"16MiB"`, `"2 GB"`.
//!
//! Not for: which sizes make sense where (`validate`).

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use std::fmt;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

const EXPECTED: &str = "a size such as 16777216 or \"16MiB\" (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)";
#[rustfmt::skip]
const UNITS: [(&str, u64); 10] = [
    ("", 1), ("B", 1),
    ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
    ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
];

fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A size in the largest unit that divides it.
pub(super) fn shown(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fitting = units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    fitting.map_or_else(|| format!("{bytes} B"), |(unit, name)| format!("{} {name}", bytes / unit))
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sizes)
    }
}

struct Sizes;

impl Visitor<'_> for Sizes {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Bytes, E> {
        u64::try_from(number).map(Bytes).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Bytes, E> {
        Ok(Bytes(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
        parse(text).map(Bytes).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, shown};

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units_and_nothing_else() {
        for (text, bytes) in
            [("0", 0), ("17", 17), ("64MiB", 64 << 20), ("2 GB", 2_000_000_000), ("1 B", 1), ("16777215TiB", 16_777_215 << 40)]
        {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "1mib", "1 M", "16777216TiB", "99999999999999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!([16 << 20, 1000, 3 << 10].map(shown), ["16 MiB", "1000 B", "3 KiB"]);
    }
}
