//! Names and values as PostgreSQL's SQL writes them.

use datafusion::scalar::ScalarValue;

/// A name, quoted.
pub(super) fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text, quoted; `None` for one that no database of this kind can hold. The setting
/// `standard_conforming_strings` is on, so that a backslash is a backslash.
pub(super) fn text(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| format!("'{}'", text.replace('\'', "''")))
}

/// A value without its type; `None` for one that cannot be written exactly.
pub(super) fn literal(value: &ScalarValue) -> Option<String> {
    Some(match value {
        ScalarValue::Boolean(Some(value)) => format!("'{value}'"),
        ScalarValue::Int64(Some(value)) => format!("'{value}'"),
        ScalarValue::Decimal128(Some(value), _, scale) => {
            format!("'{}'", decimal(value.to_string(), *scale)?)
        }
        ScalarValue::Decimal256(Some(value), _, scale) => {
            format!("'{}'", decimal(value.to_string(), *scale)?)
        }
        ScalarValue::Date32(Some(days)) => {
            let days = chrono::TimeDelta::try_days(i64::from(*days))?;
            let date = chrono::DateTime::UNIX_EPOCH.date_naive().checked_add_signed(days)?;
            // Years are written with four digits; others would need an era.
            let year = chrono::Datelike::year(&date);
            (1..=9999).contains(&year).then(|| format!("'{date}'"))?
        }
        ScalarValue::TimestampMicrosecond(Some(micros), Some(zone)) if &**zone == "UTC" => {
            let moment = chrono::DateTime::from_timestamp_micros(*micros)?;
            let year = chrono::Datelike::year(&moment);
            let moment = moment.format("%Y-%m-%d %H:%M:%S%.6f");
            // A zone is ignored by a column that has none, and UTC is what is meant there.
            (1..=9999).contains(&year).then(|| format!("'{moment}+00'"))?
        }
        _ => return None,
    })
}

/// The digits of a whole number with a point before the last `scale` of them.
fn decimal(digits: String, scale: i8) -> Option<String> {
    let scale = usize::try_from(scale).ok()?;
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits.to_owned()),
        None => ("", digits),
    };
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    Some(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_exactly_or_not_at_all() {
        let moment = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
        for (value, written) in [
            (ScalarValue::Decimal128(Some(-5), 10, 2), Some("'-0.05'")),
            (ScalarValue::Decimal128(Some(1234), 10, 0), Some("'1234'")),
            (ScalarValue::Boolean(Some(true)), Some("'true'")),
            (ScalarValue::Date32(Some(0)), Some("'1970-01-01'")),
            (ScalarValue::Date32(Some(-800_000)), None),
            (moment(1_500_000), Some("'1970-01-01 00:00:01.500000+00'")),
            (moment(i64::MAX), None),
            (ScalarValue::Float64(Some(0.1)), None),
            (ScalarValue::Int64(None), None),
        ] {
            assert_eq!(literal(&value).as_deref(), written, "{value:?}");
        }
    }
}
