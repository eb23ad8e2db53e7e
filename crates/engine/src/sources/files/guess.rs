//! What type the values of a text column have, told from all of them.
//!
//! A type is chosen only if every value keeps all that it says: a number with a leading zero is a
//! text, as is one with more digits than a decimal of this source takes.

use chrono::Utc;
use datafusion::arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use datafusion::arrow::datatypes::{DataType, Date32Type, TimeUnit};
use outhaul_exports::catalog::FieldType;

use crate::read::{exact_decimal, is_micros};

/// What the values seen so far are. No values at all are text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Guess(Option<FieldType>);

impl Guess {
    /// Adds a value of a CSV file.
    pub(super) fn csv(&mut self, value: &str, decimal_digits: u8) {
        // What is text once stays text.
        if self.0 != Some(FieldType::Text) {
            self.add(of_text(value, decimal_digits));
        }
    }

    /// Adds a value of an NDJSON file as it is written.
    pub(super) fn json(&mut self, written: &str, decimal_digits: u8) {
        let found = match written.as_bytes().first() {
            Some(b'n') | None => return,
            Some(b't' | b'f') => FieldType::Boolean,
            Some(b'"') => FieldType::Text,
            Some(b'{' | b'[') => FieldType::Json,
            Some(_) if is_whole(written) => FieldType::Integer,
            Some(_) if exact_decimal(written, scale(decimal_digits)).is_some() => {
                FieldType::Decimal
            }
            Some(_) => FieldType::Text,
        };
        self.add(found);
    }

    fn add(&mut self, found: FieldType) {
        use FieldType::{Decimal, Integer, Json, Text};
        self.0 = Some(match (self.0, found) {
            (None, found) => found,
            (Some(known), found) if known == found => known,
            (Some(Json), _) | (_, Json) => Json,
            (Some(Integer), Decimal) | (Some(Decimal), Integer) => Decimal,
            _ => Text,
        });
    }

    pub(super) fn field_type(self) -> FieldType {
        self.0.unwrap_or(FieldType::Text)
    }

    /// The Arrow type that such a field has in a result.
    pub(super) fn data_type(self, decimal_digits: u8) -> DataType {
        match self.field_type() {
            FieldType::Integer => DataType::Int64,
            FieldType::Decimal => DataType::Decimal128(38, scale(decimal_digits)),
            FieldType::Boolean => DataType::Boolean,
            FieldType::Date => DataType::Date32,
            FieldType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            _ => DataType::Utf8View,
        }
    }
}

fn scale(decimal_digits: u8) -> i8 {
    decimal_digits.cast_signed()
}

fn of_text(value: &str, decimal_digits: u8) -> FieldType {
    if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") {
        FieldType::Boolean
    } else if is_whole(value) {
        FieldType::Integer
    } else if is_plain_number(value) && exact_decimal(value, scale(decimal_digits)).is_some() {
        FieldType::Decimal
    } else if is_date(value) {
        FieldType::Date
    } else if is_timestamp(value) {
        FieldType::Timestamp
    } else {
        FieldType::Text
    }
}

/// Digits as a number is written and in no other way: no leading zero, no sign before zero.
fn is_plain_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    all(whole)
        && all(fraction)
        && (whole == "0" || !whole.starts_with('0'))
        && (digits.len() == value.len() || digits.bytes().any(|b| (b'1'..=b'9').contains(&b)))
}

fn is_whole(value: &str) -> bool {
    !value.contains('.') && is_plain_number(value) && value.parse::<i64>().is_ok()
}

pub(super) fn is_date(value: &str) -> bool {
    let shape = value.bytes().map(|b| if b.is_ascii_digit() { b'0' } else { b });
    shape.eq(*b"0000-00-00") && Date32Type::parse(value).is_some()
}

fn is_timestamp(value: &str) -> bool {
    value.len() >= 19
        && value.is_char_boundary(10)
        && is_date(&value[..10])
        && value[10..].starts_with(['T', ' '])
        && is_micros(value)
        && string_to_datetime(&Utc, value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_guessed_only_if_it_keeps_every_value() {
        use FieldType as F;
        for (values, csv) in [
            ("", F::Text),
            ("1|2|-30", F::Integer),
            ("1|2.5", F::Decimal),
            ("01234", F::Text),
            ("1|2|01234", F::Text),
            ("0|0.5|-0.5", F::Decimal),
            ("-0", F::Text),
            ("+49", F::Text),
            ("00.5", F::Text),
            ("1e3", F::Text),
            ("0.1234567", F::Text),
            ("9223372036854775808", F::Decimal),
            ("99999999999999999999999999999999999999", F::Text),
            ("true|FALSE", F::Boolean),
            ("true|1", F::Text),
            ("2024-02-29", F::Date),
            ("2023-02-29", F::Text),
            ("2024-02-29|x", F::Text),
            ("2024-02-29T10:00:00Z|2024-02-29 10:00:00.5", F::Timestamp),
            ("2024-02-29T10:00:00.123456789Z", F::Text),
            ("2024-02-29|2024-02-29T10:00:00Z", F::Text),
            (" 1", F::Text),
            ("äääääää", F::Text),
        ] {
            let mut guess = Guess::default();
            values.split('|').filter(|v| !v.is_empty()).for_each(|value| guess.csv(value, 6));
            assert_eq!(guess.field_type(), csv, "{values}");
        }
        for (values, json) in [
            ("null", F::Text),
            ("1|null", F::Integer),
            ("1|2.5|1e3", F::Decimal),
            ("1e-9", F::Text),
            ("1|\"x\"", F::Text),
            ("true|null", F::Boolean),
            ("{}|\"x\"|1", F::Json),
            ("\"2024-01-01\"", F::Text),
        ] {
            let mut guess = Guess::default();
            values.split('|').for_each(|value| guess.json(value, 6));
            assert_eq!(guess.field_type(), json, "{values}");
        }
    }
}
