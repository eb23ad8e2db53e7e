//! From values as MySQL sends them to cells.
//!
//! The form is that of prepared statements (MySQL documentation, "Binary Protocol Resultset"):
//! numbers are little-endian, decimals are text, dates and times are a length and as many of their
//! parts as are not zero.

use chrono::NaiveDate;
use datafusion::arrow::datatypes::i256;

use super::types::Form;
use crate::sources::database::Cells;

/// Why a value cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is not what its type says.
    Malformed,
    /// What it is that has no place in its type.
    NoPlace(&'static str),
}

const ZERO_DATE: Unread = Unread::NoPlace("the date 0000-00-00");
const PART_DATE: Unread = Unread::NoPlace("a date without a month or a day");
const NO_DATE: Unread = Unread::NoPlace("a date that is in no calendar");
const NO_TIME: Unread = Unread::NoPlace("a time below zero, or of a day or more");
const NO_FLAG: Unread = Unread::NoPlace("a number other than 0 and 1");
const NO_INTEGER: Unread = Unread::NoPlace("a number of more than 63 bits");

/// Microseconds of an hour, a minute, a second.
const UNITS: [i64; 3] = [3_600_000_000, 60_000_000, 1_000_000];

/// Appends a value to the cells of its column, whose type is that of the form.
pub(super) fn append(cells: &mut Cells, form: Form, value: &[u8]) -> Result<(), Unread> {
    match (cells, form) {
        (Cells::Bool(cells), Form::Bool) => cells.append_value(match signed(value)? {
            0 => false,
            1 => true,
            _ => return Err(NO_FLAG),
        }),
        (Cells::Bool(cells), Form::Bit1) => cells.append_value(bits(value)? != 0),
        (Cells::Whole(cells), Form::Signed) => cells.append_value(signed(value)?),
        (Cells::Whole(cells), Form::Unsigned | Form::Unsigned63) => {
            cells.append_value(unsigned(value)?.try_into().map_err(|_| NO_INTEGER)?);
        }
        (Cells::Whole(cells), Form::Bits) => {
            cells.append_value(bits(value)?.try_into().map_err(|_| NO_INTEGER)?);
        }
        (Cells::Decimal(cells), Form::Unsigned64) => cells.append_value(unsigned(value)?.into()),
        (Cells::Decimal(cells), Form::Bits64) => cells.append_value(bits(value)?.into()),
        (Cells::Single(cells), _) => cells.append_value(f32::from_le_bytes(exactly(value)?)),
        (Cells::Double(cells), _) => cells.append_value(f64::from_le_bytes(exactly(value)?)),
        (Cells::Decimal(cells), Form::Decimal { scale, .. }) => {
            let digits = digits(value, scale)?;
            cells.append_value(digits.parse().map_err(|_| Unread::Malformed)?);
        }
        (Cells::Wide(cells), Form::Wide { scale, .. }) => {
            let digits = digits(value, scale)?;
            cells.append_value(i256::from_string(&digits).ok_or(Unread::Malformed)?);
        }
        (Cells::Date(cells), _) => {
            let since = date(value)?.0.signed_duration_since(NaiveDate::default());
            cells.append_value(since.num_days().try_into().map_err(|_| Unread::Malformed)?);
        }
        (Cells::Moment(cells), _) => {
            let (date, micros) = date(value)?;
            let since = date.signed_duration_since(NaiveDate::default());
            // Cannot fail because a date of four digits is within 300,000 years of 1970.
            let days = since.num_microseconds().ok_or(Unread::Malformed)?;
            cells.append_value(days + micros);
        }
        (Cells::Time(cells), _) => cells.append_value(time(value)?),
        (Cells::Bytes(cells), _) => cells.append_value(value),
        (Cells::Text(cells), _) => {
            let wrong = Unread::NoPlace("text that is not in UTF-8");
            cells.append_value(std::str::from_utf8(value).map_err(|_| wrong)?);
        }
        _ => return Err(Unread::Malformed),
    }
    Ok(())
}

fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], Unread> {
    value.try_into().map_err(|_| Unread::Malformed)
}

fn signed(value: &[u8]) -> Result<i64, Unread> {
    Ok(match value.len() {
        1 => i8::from_le_bytes(exactly(value)?).into(),
        2 => i16::from_le_bytes(exactly(value)?).into(),
        4 => i32::from_le_bytes(exactly(value)?).into(),
        _ => i64::from_le_bytes(exactly(value)?),
    })
}

fn unsigned(value: &[u8]) -> Result<u64, Unread> {
    Ok(match value.len() {
        1 => u8::from_le_bytes(exactly(value)?).into(),
        2 => u16::from_le_bytes(exactly(value)?).into(),
        4 => u32::from_le_bytes(exactly(value)?).into(),
        _ => u64::from_le_bytes(exactly(value)?),
    })
}

fn bits(value: &[u8]) -> Result<u64, Unread> {
    let room = 8_usize.checked_sub(value.len()).ok_or(Unread::Malformed)?;
    let mut all = [0; 8];
    all[room..].copy_from_slice(value);
    Ok(u64::from_be_bytes(all))
}

/// The digits of a decimal with so many behind its point, without the point.
fn digits(value: &[u8], scale: i8) -> Result<String, Unread> {
    let text = std::str::from_utf8(value).map_err(|_| Unread::Malformed)?;
    let (before, after) = text.split_once('.').unwrap_or((text, ""));
    // A view may show fewer digits than it says it has.
    let missing = usize::try_from(scale).ok().and_then(|scale| scale.checked_sub(after.len()));
    Ok(format!("{before}{after}{}", "0".repeat(missing.ok_or(Unread::Malformed)?)))
}

/// A date, and the microseconds of its day.
fn date(value: &[u8]) -> Result<(NaiveDate, i64), Unread> {
    let (length, parts) = value.split_first().ok_or(Unread::Malformed)?;
    if usize::from(*length) != parts.len() || !matches!(parts.len(), 0 | 4 | 7 | 11) {
        return Err(Unread::Malformed);
    }
    if parts.iter().all(|part| *part == 0) {
        return Err(ZERO_DATE);
    }
    let year = u16::from_le_bytes([parts[0], parts[1]]);
    let (month, day) = (parts[2], parts[3]);
    if month == 0 || day == 0 {
        return Err(PART_DATE);
    }
    let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into()).ok_or(NO_DATE)?;
    Ok((date, of_day(&parts[4..])?))
}

/// Hours, minutes, seconds and perhaps microseconds.
fn of_day(parts: &[u8]) -> Result<i64, Unread> {
    let clock = parts.iter().zip(UNITS).map(|(part, unit)| i64::from(*part) * unit);
    let fraction = match parts.get(3..) {
        Some(fraction) if !fraction.is_empty() => u32::from_le_bytes(exactly(fraction)?),
        _ => 0,
    };
    Ok(clock.sum::<i64>() + i64::from(fraction))
}

/// Microseconds since midnight.
fn time(value: &[u8]) -> Result<i64, Unread> {
    let (length, parts) = value.split_first().ok_or(Unread::Malformed)?;
    if usize::from(*length) != parts.len() || !matches!(parts.len(), 0 | 8 | 12) {
        return Err(Unread::Malformed);
    }
    let Some((head, clock)) = parts.split_first_chunk::<5>() else { return Ok(0) };
    // A sign, and days in four bytes.
    if *head != [0; 5] {
        return Err(NO_TIME);
    }
    of_day(clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_one_of_the_calendar_or_refused() {
        for (sent, read) in [
            (&[0][..], Err(ZERO_DATE)),
            (&[4, 0, 0, 0, 0], Err(ZERO_DATE)),
            (&[4, 0xE8, 7, 0, 5], Err(PART_DATE)),
            (&[4, 0xE8, 7, 5, 0], Err(PART_DATE)),
            (&[4, 0xE8, 7, 2, 30], Err(NO_DATE)),
            (&[4, 0xB2, 7, 1, 2], Ok(("1970-01-02", 0))),
            (&[7, 0x0F, 0x27, 12, 31, 23, 59, 59], Ok(("9999-12-31", 86_399_000_000))),
            (&[11, 0xB2, 7, 1, 1, 0, 0, 1, 7, 0, 0, 0], Ok(("1970-01-01", 1_000_007))),
            (&[5, 0xB2, 7, 1, 1], Err(Unread::Malformed)),
            (&[5, 0xB2, 7, 1, 1, 1], Err(Unread::Malformed)),
            (&[], Err(Unread::Malformed)),
        ] {
            let told = date(sent).map(|(date, micros)| (date.to_string(), micros));
            let read = read.map(|(date, micros)| (date.to_owned(), micros));
            assert_eq!(told, read, "{sent:?}");
        }
    }

    #[test]
    fn a_time_is_one_of_a_day_or_refused() {
        for (sent, read) in [
            (&[0][..], Ok(0)),
            (&[8, 0, 0, 0, 0, 0, 23, 59, 59], Ok(86_399_000_000)),
            (&[12, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0], Ok(3_723_000_004)),
            (&[8, 1, 0, 0, 0, 0, 1, 0, 0], Err(NO_TIME)),
            (&[8, 0, 34, 0, 0, 0, 22, 59, 59], Err(NO_TIME)),
            (&[8, 0], Err(Unread::Malformed)),
        ] {
            assert_eq!(time(sent), read, "{sent:?}");
        }
    }

    #[test]
    fn digits_stay_as_many_as_they_are() {
        assert_eq!(digits(b"-12.50", 2).as_deref(), Ok("-1250"));
        assert_eq!(digits(b"12.5", 3).as_deref(), Ok("12500"));
        assert_eq!(digits(b"7", 0).as_deref(), Ok("7"));
        assert_eq!(digits(b"7.25", 1), Err(Unread::Malformed));
        assert_eq!(bits(&[1, 0]), Ok(256));
        assert_eq!(bits(&[0; 9]), Err(Unread::Malformed));
    }
}
