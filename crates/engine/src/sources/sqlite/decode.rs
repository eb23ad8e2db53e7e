//! From values as SQLite keeps them to cells.

use chrono::{NaiveDate, NaiveTime, Timelike};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, TypeInfo, ValueRef};

use super::types::Form;
use crate::read::exact_decimal;
use crate::sources::database::Cells;

/// A value, of whatever type it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stored<'r> {
    Whole(i64),
    Float(f64),
    Text(&'r [u8]),
    Bytes(&'r [u8]),
}

const NO_TEXT: &str = "text that is not in UTF-8";
const NO_DAY: &str = "something else than a date such as 2026-01-31";
const NO_MOMENT: &str = "something else than a time such as 2026-01-31 12:00:00";
const NO_TIME: &str = "something else than a time of day such as 12:00:00";
const NO_DECIMAL: &str = "something else than a decimal of as many digits as its type says";

/// Microseconds of a second and of a day.
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The value at a place of a row; `None` for a missing one.
pub(super) fn stored(row: &SqliteRow, at: usize) -> Result<Option<Stored<'_>>, sqlx::Error> {
    let value = row.try_get_raw(at)?;
    if value.is_null() {
        return Ok(None);
    }
    let of = value.type_info();
    let stored = match of.name() {
        "INTEGER" => <i64 as Decode<Sqlite>>::decode(value).map(Stored::Whole),
        "REAL" => <f64 as Decode<Sqlite>>::decode(value).map(Stored::Float),
        "TEXT" => <&[u8] as Decode<Sqlite>>::decode(value).map(Stored::Text),
        _ => <&[u8] as Decode<Sqlite>>::decode(value).map(Stored::Bytes),
    };
    stored.map(Some).map_err(sqlx::Error::Decode)
}

impl Stored<'_> {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Whole(_) | Self::Float(_) => 8,
            Self::Text(bytes) | Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Appends a value to the cells of its column, whose type is that of the form; else what it is that
/// has no place there.
pub(super) fn append(cells: &mut Cells, form: Form, value: Stored<'_>) -> Result<(), &'static str> {
    match (cells, form) {
        (Cells::Bool(cells), _) => cells.append_value(match value {
            Stored::Whole(0) => false,
            Stored::Whole(1) => true,
            _ => return Err("something else than 0 and 1"),
        }),
        (Cells::Whole(cells), _) => match value {
            Stored::Whole(value) => cells.append_value(value),
            _ => return Err("something else than a whole number of 64 bits"),
        },
        (Cells::Double(cells), _) => cells.append_value(float(value)?),
        (Cells::Decimal(cells), Form::Decimal { precision, scale }) => {
            cells.append_value(decimal(value, precision, scale)?);
        }
        (Cells::Date(cells), _) => {
            let days = day(text_of(value, NO_DAY)?).ok_or(NO_DAY)?;
            cells.append_value(days.try_into().map_err(|_| NO_DAY)?);
        }
        (Cells::Moment(cells), _) => {
            cells.append_value(moment(text_of(value, NO_MOMENT)?).ok_or(NO_MOMENT)?);
        }
        (Cells::Time(cells), _) => {
            cells.append_value(time(text_of(value, NO_TIME)?).ok_or(NO_TIME)?);
        }
        (Cells::Bytes(cells), _) => match value {
            Stored::Bytes(bytes) => cells.append_value(bytes),
            _ => return Err("something else than bytes"),
        },
        (Cells::Text(cells), _) => match value {
            Stored::Text(text) => {
                cells.append_value(std::str::from_utf8(text).map_err(|_| NO_TEXT)?);
            }
            Stored::Whole(value) => cells.append_value(value.to_string()),
            Stored::Float(value) => cells.append_value(format!("{value:?}")),
            Stored::Bytes(_) => return Err("bytes that are no text"),
        },
        _ => return Err("a value of a type that is not known"),
    }
    Ok(())
}

fn text_of<'r>(value: Stored<'r>, other: &'static str) -> Result<&'r str, &'static str> {
    match value {
        Stored::Text(text) => std::str::from_utf8(text).map_err(|_| NO_TEXT),
        _ => Err(other),
    }
}

/// A whole number counts where no digit of it is lost.
fn float(value: Stored<'_>) -> Result<f64, &'static str> {
    const EXACT: u64 = 1 << 53;
    match value {
        Stored::Float(value) => Ok(value),
        #[expect(clippy::cast_precision_loss, reason = "every one of 53 bits is held exactly")]
        Stored::Whole(value) if value.unsigned_abs() <= EXACT => Ok(value as f64),
        _ => Err("something else than a floating point number"),
    }
}

/// A binary number is the decimal that is written for it: the shortest that leads back to it.
fn decimal(value: Stored<'_>, precision: u8, scale: i8) -> Result<i128, &'static str> {
    let exact = match value {
        Stored::Whole(value) => exact_decimal(&value.to_string(), scale),
        Stored::Float(value) => exact_decimal(&format!("{value:?}"), scale),
        Stored::Text(text) => {
            std::str::from_utf8(text).ok().and_then(|text| exact_decimal(text.trim(), scale))
        }
        Stored::Bytes(_) => None,
    };
    // Cannot overflow because precisions are at most 38.
    let most = 10_i128.pow(precision.into());
    exact.filter(|number| number.abs() < most).ok_or(NO_DECIMAL)
}

/// Days since 1970 of `2026-01-31`.
fn day(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = digits(&text[..4])?.try_into().ok()?;
    let date = NaiveDate::from_ymd_opt(year, digits(&text[5..7])?, digits(&text[8..])?)?;
    Some(date.signed_duration_since(NaiveDate::default()).num_days())
}

/// Microseconds since 1970 of `2026-01-31`, and perhaps ` 12:00`, ` 12:00:00.5`, with a `T` instead of
/// the blank, and a zone: none, `Z`, `+02:00`. None is UTC.
fn moment(text: &str) -> Option<i64> {
    if !text.is_ascii() || text.len() < 10 {
        return None;
    }
    let (date, rest) = text.split_at(10);
    let midnight = day(date)? * DAY;
    if rest.is_empty() {
        return Some(midnight);
    }
    let clock = rest.strip_prefix([' ', 'T', 't'])?;
    let clock_ends = clock.find(['Z', 'z', '+', '-', ' ']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(clock_ends);
    Some(midnight + time(clock)? - offset(zone.trim())?)
}

/// Microseconds of an offset from UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z" | "z") {
        return Some(0);
    }
    let (sign, clock) = match zone.strip_prefix('+') {
        Some(clock) => (1, clock),
        None => (-1, zone.strip_prefix('-')?),
    };
    let (hours, minutes) = match clock.split_once(':') {
        Some((hours, minutes)) => (two(hours)?, two(minutes)?),
        None if clock.len() == 4 => (two(&clock[..2])?, two(&clock[2..])?),
        None => (two(clock)?, 0),
    };
    let within = hours < 24 && minutes < 60;
    within.then_some(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60) * SECOND)
}

/// Microseconds since midnight of `12:00`, `12:00:00` and `12:00:00.123456`.
fn time(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hour, minute) = (two(parts.next()?)?, two(parts.next()?)?);
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(second) => {
            let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
            (two(second)?, micros(fraction)?)
        }
    };
    if parts.next().is_some() {
        return None;
    }
    let time = NaiveTime::from_hms_opt(hour, minute, second)?;
    Some(i64::from(time.num_seconds_from_midnight()) * SECOND + i64::from(fraction))
}

/// Of the digits behind a point, of which no more than six may be other than zero.
fn micros(fraction: &str) -> Option<u32> {
    let (six, more) = fraction.split_at_checked(6).unwrap_or((fraction, ""));
    let exact = more.bytes().all(|byte| byte == b'0');
    if six.is_empty() { Some(0) } else { exact.then(|| digits(&format!("{six:0<6}")))? }
}

fn two(text: &str) -> Option<u32> {
    if text.len() == 2 { digits(text) } else { None }
}

fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_all_that_it_says() {
        for (text, read) in [
            ("1970-01-02", Some(DAY)),
            ("1970-01-01 00:01", Some(60 * SECOND)),
            ("1970-01-01T00:00:01Z", Some(SECOND)),
            ("1970-01-01 00:00:01.5", Some(1_500_000)),
            ("1970-01-01 02:00:00+02:00", Some(0)),
            ("1970-01-01 02:00:00 +0200", Some(0)),
            ("1969-12-31T19:00:00-05", Some(0)),
            ("1970-01-01 00:00:00.000001000", Some(1)),
            ("1970-01-01 00:00:00.0000001", None),
            ("9999-12-31 23:59:59.999999", Some(253_402_300_799_999_999)),
            ("0001-01-01", Some(-62_135_596_800 * SECOND)),
            ("1970-01-01 24:00", None),
            ("1970-02-30", None),
            ("1970-1-1", None),
            ("now", None),
            ("1970-01-01 +1:00", None),
            ("1970-01-01é", None),
        ] {
            assert_eq!(moment(text), read, "{text}");
        }
    }

    #[test]
    fn a_decimal_is_exact_or_refused() {
        for (value, read) in [
            (Stored::Float(0.1), Ok(10)),
            (Stored::Float(0.1 + 0.2), Err(NO_DECIMAL)),
            (Stored::Float(1e300), Err(NO_DECIMAL)),
            (Stored::Float(f64::INFINITY), Err(NO_DECIMAL)),
            (Stored::Whole(-7), Ok(-700)),
            (Stored::Whole(1_000_000), Err(NO_DECIMAL)),
            (Stored::Text(b"12.30"), Ok(1230)),
            (Stored::Text(b"twelve"), Err(NO_DECIMAL)),
            (Stored::Bytes(b"12"), Err(NO_DECIMAL)),
        ] {
            assert_eq!(decimal(value, 6, 2), read, "{value:?}");
        }
    }
}
