//! `CONFIG`: the one parameter of every call, a JSON object in the query or in a form.
//!
//! Numbers and booleans may stand as texts, and words in any case, as clients send them. Keys that
//! are not known are passed over, unless the operator wants them refused (Zoho Analytics API v2,
//! "Export data").

use serde_json::{Map, Value};

use super::error::Trouble;
use crate::kit::json::{kind_of, parse_object, shown};
use crate::kit::query::pairs;

/// Characters of CONFIG for a view.
pub const VIEW_CHARS_MAX: usize = 100_000;
/// Characters of CONFIG for a statement.
pub const SQL_CHARS_MAX: usize = 200_000;

/// A CONFIG that is an object.
#[derive(Debug, Clone, Default)]
pub struct Config(Map<String, Value>);

impl Config {
    /// The text of 8504.
    pub const MISSING: &str = "The parameter CONFIG is not proper(Has not been sent or is less than \
                               required count)";

    /// The parameter of that query string, or form; `None` when it is absent or empty. `most` is
    /// how many characters it may have.
    ///
    /// # Errors
    /// 8080 for what is no JSON object, 8507 for one that is too long.
    pub fn of_query(query: Option<&str>, most: usize) -> Result<Option<Self>, Trouble> {
        let given = pairs(query.unwrap_or_default());
        let given = given.map_err(|error| Trouble::bad_config(error.to_string()))?;
        let mut values = given.iter().filter(|(name, _)| name == "CONFIG").map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(Trouble::bad_config("CONFIG stands more than once")),
            (Some(text), None) if text.trim().is_empty() => Ok(None),
            (Some(text), None) => Self::parse(text, most).map(Some),
        }
    }

    /// Of the keys that an older call has as parameters of their own.
    pub fn of_keys(keys: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        Self(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    fn parse(text: &str, most: usize) -> Result<Self, Trouble> {
        let count = text.chars().count();
        if count > most {
            let text = format!("CONFIG has {count} characters, at most {most} are allowed");
            return Err(Trouble::too_long(text));
        }
        let map = parse_object(text.as_bytes()).map_err(|error| {
            Trouble::bad_config(format!("CONFIG is not a JSON object: {error}"))
        })?;
        Ok(Self(map))
    }

    /// Whether it has no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The value of a key; absent when null.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A text; absent when empty.
    ///
    /// # Errors
    /// 8516.
    pub fn text(&self, key: &str) -> Result<Option<&str>, Trouble> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(other) => Err(of_type(key, "a text", other)),
        }
    }

    /// A text of at most so many characters; absent when empty.
    ///
    /// # Errors
    /// 8516, and 8507 for one that is too long.
    pub fn text_within(&self, key: &str, most: usize) -> Result<Option<&str>, Trouble> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let count = text.chars().count();
        match count > most {
            true => Err(Trouble::too_long(format!("{key} has {count} characters, at most {most}"))),
            false => Ok(Some(text)),
        }
    }

    /// A list; absent when there is none.
    ///
    /// # Errors
    /// 8516.
    pub fn list(&self, key: &str) -> Result<Option<&[Value]>, Trouble> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(of_type(key, "a list", other)),
        }
    }

    /// A flag.
    ///
    /// # Errors
    /// 8516.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, Trouble> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(other) => Err(of_type(key, "true or false", other)),
        }
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// 8516.
    pub fn number(&self, key: &str) -> Result<Option<u64>, Trouble> {
        self.value(key).map(|value| whole(key, value)).transpose()
    }

    /// A list of them.
    ///
    /// # Errors
    /// 8516.
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<u64>>, Trouble> {
        let Some(list) = self.list(key)? else { return Ok(None) };
        list.iter().map(|value| whole(key, value)).collect::<Result<_, _>>().map(Some)
    }

    /// One number of a few: its place among them.
    ///
    /// # Errors
    /// 8119 naming what is allowed.
    pub fn choice(
        &self,
        key: &str,
        allowed: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, Trouble> {
        let Some(number) = self.number(key)? else { return Ok(None) };
        if allowed.contains(&number) {
            return Ok(Some(number));
        }
        let all: Vec<_> = allowed.map(|n| n.to_string()).collect();
        Err(not_allowed(key, &number.to_string(), &all.join(", ")))
    }

    /// A length in inches, from 0 to 1.
    ///
    /// # Errors
    /// 7801.
    pub fn inches(&self, key: &str) -> Result<Option<f64>, Trouble> {
        let inches = match self.value(key) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        match inches.filter(|inches| (0.0..=1.0).contains(inches)) {
            Some(inches) => Ok(Some(inches)),
            None => Err(Trouble::margin(format!("{key} must be a number of inches from 0 to 1"))),
        }
    }
}

/// A value of another type than the key's.
pub fn of_type(key: &str, wanted: &str, found: &Value) -> Trouble {
    let found = match found {
        Value::String(text) => shown(text),
        other => kind_of(other).to_owned(),
    };
    Trouble::bad_type(format!("The attribute {key} must be {wanted}, not {found}"))
}

/// A value that is none of the key's.
pub fn not_allowed(key: &str, value: &str, allowed: &str) -> Trouble {
    let value: String = value.chars().take(100).collect();
    Trouble::bad_value(format!(
        "Invalid value {value} given for the attribute {key}. Allowed values are {allowed}"
    ))
}

fn whole(key: &str, value: &Value) -> Result<u64, Trouble> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| of_type(key, "a whole number", value))
}
