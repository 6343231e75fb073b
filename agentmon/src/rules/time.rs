//! Parts of a date: hour, week and the others, of a time written as text.
//!
//! The time is the event's own, in UTC. Not for: where it comes from (`super::value`).

use super::pattern::Order;
use super::sigma::Part;
use jiff::civil::DateTime;

/// How a part of a time compares with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeTest {
    part: Part,
    /// `None`: equal.
    order: Option<Order>,
    number: i64,
}

impl TimeTest {
    /// Whether the number can be this part of any time.
    pub fn new(part: Part, order: Option<Order>, number: i64) -> Result<Self, String> {
        let (from, until) = match part {
            Part::Minute => (0, 59),
            Part::Hour => (0, 23),
            Part::Day => (1, 31),
            Part::Week => (1, 53),
            Part::Month => (1, 12),
            Part::Year => (1970, 9999),
        };
        if !(from..=until).contains(&number) {
            return Err(format!("`{number}` is not from {from} to {until}"));
        }
        Ok(Self { part, order, number })
    }

    /// Whether a time such as `2026-11-21T18:02:53Z` passes.
    pub fn passes(self, value: &[u8]) -> bool {
        part(self.part, value).is_some_and(|found| self.order.map_or(found == self.number, |order| order.holds(&found, &self.number)))
    }
}

fn part(part: Part, value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let time: DateTime = text.strip_suffix('Z')?.parse().ok()?;
    Some(match part {
        Part::Minute => time.minute().into(),
        Part::Hour => time.hour().into(),
        Part::Day => time.day().into(),
        Part::Week => time.date().iso_week_date().week().into(),
        Part::Month => time.month().into(),
        Part::Year => time.year().into(),
    })
}

/// Writes nanoseconds since the epoch as `2026-11-21T18:02:53Z`.
pub(super) fn write(epoch_ns: u64, out: &mut impl std::fmt::Write) -> Option<()> {
    let seconds = i64::try_from(epoch_ns / 1_000_000_000).ok()?;
    let time = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_second(seconds).ok()?);
    let (date, time) = (time.date(), time.time());
    let (year, month, day) = (date.year(), date.month(), date.day());
    write!(out, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time.hour(), time.minute(), time.second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_utc_and_of_iso_weeks() {
        let mut text = String::new();
        // 2027-01-01, a Friday: of the last week of the year before.
        write(1_798_761_600_000_000_000 + 3_723_000_000_000, &mut text).unwrap();
        assert_eq!(text, "2027-01-01T01:02:03Z");
        let is = |part, number| TimeTest::new(part, None, number).unwrap().passes(text.as_bytes());
        assert!(is(Part::Year, 2027) && is(Part::Month, 1) && is(Part::Day, 1) && is(Part::Hour, 1) && is(Part::Minute, 2));
        assert!(is(Part::Week, 53) && !is(Part::Week, 1));
        assert!(TimeTest::new(Part::Hour, Some(Order::Less), 2).unwrap().passes(text.as_bytes()));
        assert!(!TimeTest::new(Part::Hour, Some(Order::MoreOrEqual), 2).unwrap().passes(text.as_bytes()));
        assert!(TimeTest::new(Part::Hour, None, 24).is_err() && TimeTest::new(Part::Month, None, 0).is_err());
    }
}
