//! Values of `where` as fixed values of the neutral query, by the type of their property.
//!
//! Nothing is guessed: a value of another type is an error, never a comparison that silently holds
//! for no row. Dates are ISO texts (Medable documentation, "Query operators").

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use outhaul_exports::catalog::FieldType;
use outhaul_exports::query::Literal;
use serde_json::{Number, Value};

use super::error::shown;
use super::properties::End;
use crate::kit::json::kind_of;

/// Digits that a number may have.
const DIGITS_MAX: usize = 38;

/// A value that is compared with a field; null is [`Literal::Null`].
///
/// # Errors
/// The reason, for a value that is not of the field's type.
pub(super) fn literal(end: &End<'_>, value: &Value) -> Result<Literal, String> {
    let field_type = end.field.field_type;
    let wanted = |wanted: &str| Err(format!("{wanted} is expected, not {}", kind_of(value)));
    match (field_type, value) {
        (_, Value::Null) => Ok(Literal::Null),
        (FieldType::Time | FieldType::Binary | FieldType::Json, _) => Err(format!(
            "a {} can only be asked for by $exists or compared with null",
            field_type.name()
        )),
        (FieldType::Text, Value::String(text)) => Ok(Literal::Text(sound(text)?)),
        (FieldType::Text, _) => wanted("a text"),
        (FieldType::Boolean, Value::Bool(value)) => Ok(Literal::Boolean(*value)),
        (FieldType::Boolean, _) => wanted("true or false"),
        (FieldType::Date, Value::String(text)) => match day(text) {
            Some(day) => Ok(Literal::Date(day)),
            None => moment(text).map(Literal::Timestamp),
        },
        (FieldType::Timestamp, Value::String(text)) => match day(text) {
            Some(day) => Ok(Literal::Timestamp(day.and_time(NaiveTime::MIN).and_utc())),
            None => moment(text).map(Literal::Timestamp),
        },
        (FieldType::Date | FieldType::Timestamp, _) => wanted("a date as an ISO text"),
        (_, Value::Number(value)) => number(value),
        // An id is a text on the wire, whatever the key is.
        (_, Value::String(text)) if end.id => match text.parse::<i64>() {
            Ok(id) if id.to_string() == *text => Ok(Literal::Integer(id)),
            _ => Err(format!("\"{}\" is no id: ids are whole numbers here", shown(text))),
        },
        _ => wanted("a number"),
    }
}

fn number(value: &Number) -> Result<Literal, String> {
    if let Some(whole) = value.as_i64() {
        return Ok(Literal::Integer(whole));
    }
    let text = match (value.as_u64(), value.as_f64()) {
        (Some(whole), _) => whole.to_string(),
        // Without an exponent.
        (None, Some(float)) => format!("{float}"),
        (None, None) => return Err("this number is out of range".to_owned()),
    };
    if text.bytes().filter(u8::is_ascii_digit).count() > DIGITS_MAX {
        return Err(format!("a number has at most {DIGITS_MAX} digits"));
    }
    Ok(Literal::Decimal(text))
}

/// A text that a field can hold.
pub(super) fn sound(text: &str) -> Result<String, String> {
    match text.contains('\0') {
        true => Err("a NUL character stands in the text: no field can hold it".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn day(text: &str) -> Option<NaiveDate> {
    // The parser alone would take `2026-1-5` and a sign too.
    let digits = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    digits.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let read = DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc());
    read.map_err(|_| {
        format!(
            "\"{}\" is no ISO date: write 2026-01-31, or 2026-01-31T13:45:00.000Z with its zone",
            shown(text)
        )
    })
}
