//! Dates, times and timestamps to text, and the offset of a time zone at a moment. Calendar
//! arithmetic is done on integers here because a formatter that parses a pattern for each value
//! would cost more than all other cells of the row.

use std::str::FromStr;

use arrow_array::timezone::Tz;
use chrono::{DateTime, Offset, TimeZone};

use super::buf::Buf;
use super::digits;
use crate::error::{Error, Result};
use crate::options::{Fraction, OffsetStyle, ValueOptions};

pub(crate) const DAY_SECONDS: i64 = 86_400;
const NANOS: i64 = 1_000_000_000;

/// Year, month, day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
#[inline(always)]
pub(crate) fn civil(day: i64) -> (i64, u32, u32) {
    // Days are counted from 0000-03-01, so that the leap day ends the year.
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097) as u32;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (era * 400 + i64::from(year_of_era) + i64::from(month <= 2), month, day_of_month)
}

/// Writes `YYYY-MM-DD`; years outside 0000 to 9999 get a sign, as ISO 8601 asks.
#[inline(always)]
pub(crate) fn date(out: &mut Buf, day: i64) {
    let (year, month, day) = civil(day);
    if (0..=9999).contains(&year) {
        let word = digits::eight(year as u64 * 10_000 + u64::from(month * 100 + day));
        let dash = u64::from(b'-');
        let first =
            (word & 0xFFFF_FFFF) | (dash << 32) | (((word >> 32) & 0xFFFF) << 40) | (dash << 56);
        let room = out.room(16);
        room[..8].copy_from_slice(&first.to_le_bytes());
        room[8..10].copy_from_slice(&((word >> 48) as u16).to_le_bytes());
        out.advance(10);
    } else {
        out.byte(if year < 0 { b'-' } else { b'+' });
        let year = year.unsigned_abs();
        if year < 10_000 {
            digits::padded(out, year, 4);
        } else {
            digits::unsigned(out, year);
        }
        out.byte(b'-');
        digits::padded(out, u64::from(month), 2);
        out.byte(b'-');
        digits::padded(out, u64::from(day), 2);
    }
}

/// Writes `HH:MM:SS` and the fraction that the style asks for.
#[inline(always)]
pub(crate) fn time(out: &mut Buf, second_of_day: u32, nanos: u32, style: Fraction) {
    let (hours, minutes, seconds) =
        (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    let word = digits::eight(u64::from(hours * 10_000 + minutes * 100 + seconds)) >> 16;
    let colon = u64::from(b':');
    let text = (word & 0xFFFF)
        | (colon << 16)
        | (((word >> 16) & 0xFFFF) << 24)
        | (colon << 40)
        | ((word >> 32) << 48);
    out.room(16)[..8].copy_from_slice(&text.to_le_bytes());
    out.advance(8);
    let width = match style {
        Fraction::Seconds => 0,
        Fraction::Millis => 3,
        Fraction::Micros => 6,
        Fraction::Nanos => 9,
        Fraction::AsNeeded if nanos == 0 => 0,
        Fraction::AsNeeded if nanos.is_multiple_of(1_000_000) => 3,
        Fraction::AsNeeded if nanos.is_multiple_of(1_000) => 6,
        Fraction::AsNeeded => 9,
    };
    if width > 0 {
        out.byte(b'.');
        digits::padded(out, u64::from(nanos) / digits::POW10[9 - width], width);
    }
}

/// How many of a unit make a second, for Arrow's four units.
pub(crate) fn per_second(unit: arrow_schema::TimeUnit) -> i64 {
    match unit {
        arrow_schema::TimeUnit::Second => 1,
        arrow_schema::TimeUnit::Millisecond => 1_000,
        arrow_schema::TimeUnit::Microsecond => 1_000_000,
        arrow_schema::TimeUnit::Nanosecond => NANOS,
    }
}

/// Splits a count of units into whole seconds and nanoseconds.
#[inline(always)]
pub(crate) fn split(value: i64, per_second: i64) -> (i64, u32) {
    // Constant divisors: a 64-bit division by a variable costs more than the digits.
    let (seconds, rest) = match per_second {
        1 => (value, 0),
        1_000 => (value.div_euclid(1_000), value.rem_euclid(1_000) * 1_000_000),
        1_000_000 => (value.div_euclid(1_000_000), value.rem_euclid(1_000_000) * 1_000),
        _ => (value.div_euclid(NANOS), value.rem_euclid(NANOS)),
    };
    (seconds, rest as u32)
}

/// The rule that turns a moment into a wall clock.
#[derive(Debug)]
pub(crate) enum Zone {
    /// No zone: the value is a wall clock already and is written without an offset.
    Wall,
    /// Always the same offset, in seconds east of UTC.
    Fixed(i64),
    /// A zone with transitions, and what is known of some of its days.
    Named(Tz, Box<[DayOffset; DAYS_KEPT]>),
}

/// Days remembered per column and chunk; one entry is 16 bytes.
const DAYS_KEPT: usize = 256;

#[derive(Debug, Clone, Copy)]
pub(crate) struct DayOffset {
    day: i64,
    seconds: i64,
}

impl Zone {
    /// The rule for a column. `column` is the zone of its type; the option of the same name wins
    /// over it, and a column without a zone stays a wall clock unless the options call it UTC.
    pub(crate) fn resolve(column: Option<&str>, options: &ValueOptions) -> Result<Self> {
        if column.is_none() && !options.timestamps.naive_is_utc {
            return Ok(Self::Wall);
        }
        match options.timestamps.zone.as_deref().or(column) {
            None => Ok(Self::Fixed(0)),
            Some(name) => Self::parse(name),
        }
    }

    /// Reads an IANA name, `Z`, `UTC` or an offset such as `+02:00`.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        if matches!(name, "UTC" | "utc" | "Z" | "Etc/UTC" | "GMT" | "+00:00" | "+0000") {
            return Ok(Self::Fixed(0));
        }
        let tz = Tz::from_str(name).map_err(|_| Error::Zone { zone: name.to_owned() })?;
        if name.starts_with(['+', '-']) {
            return Ok(Self::Fixed(offset_at(&tz, 0)));
        }
        let unknown = DayOffset { day: i64::MIN, seconds: 0 };
        Ok(Self::Named(tz, Box::new([unknown; DAYS_KEPT])))
    }

    /// Offset in seconds east of UTC at a moment.
    #[inline(always)]
    pub(crate) fn offset(&mut self, seconds: i64) -> i64 {
        match self {
            Self::Wall => 0,
            Self::Fixed(offset) => *offset,
            Self::Named(tz, days) => {
                let day = seconds.div_euclid(DAY_SECONDS);
                let slot = &mut days[day as usize % DAYS_KEPT];
                if slot.day == day {
                    return slot.seconds;
                }
                // A day that begins and ends with the same offset has it throughout: no zone
                // changes twice within one day. Other days are asked for every value.
                let start = day.saturating_mul(DAY_SECONDS);
                let first = offset_at(tz, start);
                if first == offset_at(tz, start.saturating_add(DAY_SECONDS - 1)) {
                    *slot = DayOffset { day, seconds: first };
                    return first;
                }
                offset_at(tz, seconds)
            }
        }
    }
}

fn offset_at(tz: &Tz, seconds: i64) -> i64 {
    // Past chrono's calendar (about 262,000 years) a zone has no rule; UTC is as true as any.
    DateTime::from_timestamp(seconds, 0).map_or(0, |moment| {
        i64::from(tz.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc())
    })
}

/// Everything needed to write the timestamps of one column.
#[derive(Debug)]
pub(crate) struct Stamp {
    pub(crate) per_second: i64,
    pub(crate) zone: Zone,
    fraction: Fraction,
    offset: OffsetStyle,
    separator: u8,
}

impl Stamp {
    pub(crate) fn new(per_second: i64, zone: Zone, options: &ValueOptions) -> Self {
        Self {
            per_second,
            zone,
            fraction: options.timestamps.fraction,
            offset: options.timestamps.offset,
            separator: if options.timestamps.space { b' ' } else { b'T' },
        }
    }

    /// Wall clock of a value: day, second of the day, nanoseconds, offset in seconds.
    #[inline(always)]
    pub(crate) fn wall(&mut self, value: i64) -> (i64, u32, u32, i64) {
        let (seconds, nanos) = split(value, self.per_second);
        let offset = self.zone.offset(seconds);
        // Only values at the end of 64-bit seconds saturate: 292 billion years from now.
        let local = seconds.saturating_add(offset);
        (local.div_euclid(DAY_SECONDS), local.rem_euclid(DAY_SECONDS) as u32, nanos, offset)
    }

    #[inline(always)]
    pub(crate) fn write(&mut self, out: &mut Buf, value: i64) {
        let (day, second, nanos, offset) = self.wall(value);
        date(out, day);
        out.byte(self.separator);
        time(out, second, nanos, self.fraction);
        if !matches!(self.zone, Zone::Wall) {
            write_offset(out, offset, self.offset);
        }
    }
}

fn write_offset(out: &mut Buf, seconds: i64, style: OffsetStyle) {
    if seconds == 0 && style == OffsetStyle::Colon {
        out.byte(b'Z');
        return;
    }
    out.byte(if seconds < 0 { b'-' } else { b'+' });
    let seconds = seconds.unsigned_abs();
    digits::padded(out, seconds / 3_600, 2);
    if style != OffsetStyle::Plain {
        out.byte(b':');
    }
    digits::padded(out, seconds / 60 % 60, 2);
    // Local mean times of the nineteenth century have seconds; leaving them out would move the
    // moment.
    if !seconds.is_multiple_of(60) {
        if style != OffsetStyle::Plain {
            out.byte(b':');
        }
        digits::padded(out, seconds % 60, 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate};

    fn text(write: impl FnOnce(&mut Buf)) -> String {
        let mut out = Buf::default();
        write(&mut out);
        String::from_utf8(out.as_slice().to_vec()).unwrap()
    }

    #[test]
    fn the_calendar_agrees_with_chrono() {
        let start = NaiveDate::from_ymd_opt(-400, 1, 1).unwrap();
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for date in start.iter_days().take(365 * 2_800).step_by(3) {
            let day = (date - epoch).num_days();
            assert_eq!(civil(day), (i64::from(date.year()), date.month(), date.day()));
        }
    }

    #[test]
    fn dates_inside_and_outside_four_digits() {
        for (day, expected) in [
            (0, "1970-01-01"),
            (20_666, "2026-08-01"),
            (2_932_896, "9999-12-31"),
            (2_932_897, "+10000-01-01"),
            (-719_528, "0000-01-01"),
            (-719_529, "-0001-12-31"),
        ] {
            assert_eq!(text(|out| date(out, day)), expected);
        }
    }

    #[test]
    fn fractions_as_needed_and_as_asked() {
        let at = |nanos, style| text(|out| time(out, 3_661, nanos, style));
        assert_eq!(at(0, Fraction::AsNeeded), "01:01:01");
        assert_eq!(at(120_000_000, Fraction::AsNeeded), "01:01:01.120");
        assert_eq!(at(1_000, Fraction::AsNeeded), "01:01:01.000001");
        assert_eq!(at(1, Fraction::AsNeeded), "01:01:01.000000001");
        assert_eq!(at(999_999_999, Fraction::Millis), "01:01:01.999");
        assert_eq!(at(999_999_999, Fraction::Seconds), "01:01:01");
    }

    #[test]
    fn zones_follow_their_transitions() {
        let mut options = ValueOptions::default();
        options.timestamps.offset = OffsetStyle::Plain;
        let zone = Zone::parse("Europe/Berlin").unwrap();
        let mut stamp = Stamp::new(1, zone, &options);
        // 2026-03-29: one second before and at the change to summer time, then a cached day.
        for (value, expected) in [
            (1_774_745_999, "2026-03-29T01:59:59+0100"),
            (1_774_746_000, "2026-03-29T03:00:00+0200"),
            (1_785_542_400, "2026-08-01T02:00:00+0200"),
            (1_785_542_401, "2026-08-01T02:00:01+0200"),
        ] {
            assert_eq!(text(|out| stamp.write(out, value)), expected);
        }
        let mut utc = Stamp::new(1_000, Zone::parse("UTC").unwrap(), &ValueOptions::default());
        assert_eq!(text(|out| utc.write(out, -1)), "1969-12-31T23:59:59.999Z");
        assert!(matches!(Zone::parse("Mars/Olympus"), Err(Error::Zone { .. })));
    }

    #[test]
    fn a_cached_zone_agrees_with_the_table_everywhere() {
        let tz = Tz::from_str("Australia/Lord_Howe").unwrap();
        let mut zone = Zone::parse("Australia/Lord_Howe").unwrap();
        for step in 0..200_000i64 {
            let seconds = -2_500_000_000 + step * 30_011;
            assert_eq!(zone.offset(seconds), offset_at(&tz, seconds), "{seconds}");
        }
    }
}
