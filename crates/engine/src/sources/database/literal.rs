//! Values in the form that all dialects of SQL share.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use datafusion::scalar::ScalarValue;

/// A whole or decimal number with all its digits.
pub(crate) fn number(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Int64(Some(value)) => Some(value.to_string()),
        ScalarValue::Decimal128(Some(value), _, scale) => pointed(&value.to_string(), *scale),
        ScalarValue::Decimal256(Some(value), _, scale) => pointed(&value.to_string(), *scale),
        _ => None,
    }
}

/// The digits of a whole number with a point before the last `scale` of them.
fn pointed(digits: &str, scale: i8) -> Option<String> {
    let scale = usize::try_from(scale).ok()?;
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    Some(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// A date whose year has four digits.
pub(crate) fn day(value: &ScalarValue) -> Option<NaiveDate> {
    let ScalarValue::Date32(Some(days)) = value else { return None };
    let days = chrono::TimeDelta::try_days(i64::from(*days))?;
    let date = DateTime::UNIX_EPOCH.date_naive().checked_add_signed(days)?;
    (1..=9999).contains(&date.year()).then_some(date)
}

/// A moment in UTC whose year has four digits.
pub(crate) fn moment(value: &ScalarValue) -> Option<DateTime<Utc>> {
    let ScalarValue::TimestampMicrosecond(Some(micros), Some(zone)) = value else { return None };
    let moment = DateTime::from_timestamp_micros(*micros)?;
    ((1..=9999).contains(&moment.year()) && &**zone == "UTC").then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_all_their_digits() {
        for (value, written) in [
            (ScalarValue::Decimal128(Some(-5), 10, 2), Some("-0.05")),
            (ScalarValue::Decimal128(Some(1234), 10, 0), Some("1234")),
            (ScalarValue::Int64(Some(i64::MIN)), Some("-9223372036854775808")),
            (ScalarValue::Int64(None), None),
            (ScalarValue::Float64(Some(0.1)), None),
        ] {
            assert_eq!(number(&value).as_deref(), written, "{value:?}");
        }
    }

    #[test]
    fn what_has_no_year_of_four_digits_is_not_written() {
        let moment_of =
            |micros| moment(&ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())));
        assert_eq!(
            day(&ScalarValue::Date32(Some(0))).map(|d| d.to_string()).as_deref(),
            Some("1970-01-01")
        );
        assert_eq!(day(&ScalarValue::Date32(Some(-800_000))), None);
        assert_eq!(moment_of(0), Some(DateTime::UNIX_EPOCH));
        assert_eq!(moment_of(i64::MAX), None);
    }
}
