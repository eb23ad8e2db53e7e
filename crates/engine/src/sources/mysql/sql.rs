//! Names and values as MySQL's SQL writes them, under the settings of `session`.

use datafusion::scalar::ScalarValue;

use crate::sources::database::{day, moment, number};

/// A name, quoted.
pub(super) fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text, quoted.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            '\0' => quoted.push_str("\\0"),
            letter => quoted.push(letter),
        }
    }
    quoted.push('\'');
    quoted
}

/// A value that is no text; `None` for one that cannot be written exactly.
pub(super) fn literal(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Boolean(Some(value)) => Some(u8::from(*value).to_string()),
        ScalarValue::Date32(_) => Some(format!("DATE'{}'", day(value)?)),
        ScalarValue::TimestampMicrosecond(..) => {
            Some(format!("TIMESTAMP'{}'", moment(value)?.format("%Y-%m-%d %H:%M:%S%.6f")))
        }
        _ => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_where_it_ends() {
        assert_eq!(text("o'b\\"), r"'o''b\\'");
        assert_eq!(text("\0\n☃"), "'\\0\n☃'");
        assert_eq!(name("a`b"), "`a``b`");
    }

    #[test]
    fn values_are_written_exactly_or_not_at_all() {
        let moment = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
        for (value, written) in [
            (ScalarValue::Boolean(Some(true)), Some("1")),
            (ScalarValue::Int64(Some(-7)), Some("-7")),
            (ScalarValue::Decimal128(Some(-5), 10, 2), Some("-0.05")),
            (ScalarValue::Date32(Some(0)), Some("DATE'1970-01-01'")),
            (moment(1_500_000), Some("TIMESTAMP'1970-01-01 00:00:01.500000'")),
            (moment(i64::MAX), None),
            (ScalarValue::Float64(Some(0.1)), None),
        ] {
            assert_eq!(literal(&value).as_deref(), written, "{value:?}");
        }
    }
}
