//! A value that was written: its text in the engine's SQL, and what is known of it.
//!
//! Nothing here resolves a name. Literals stay open until it is known what they stand beside: the
//! same `'2026-09-01'` is a date beside a date, and text beside text.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use outhaul_exports::catalog::FieldType;

use super::error::shown;

/// What the values of an expression are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Decimal,
    Float,
    Boolean,
    Date,
    Timestamp,
    /// Null, or nothing that is known.
    Unknown,
}

impl From<FieldType> for Kind {
    fn from(of: FieldType) -> Self {
        match of {
            FieldType::Text | FieldType::Json => Self::Text,
            FieldType::Integer => Self::Integer,
            FieldType::Decimal => Self::Decimal,
            FieldType::Float => Self::Float,
            FieldType::Boolean => Self::Boolean,
            FieldType::Date => Self::Date,
            FieldType::Timestamp => Self::Timestamp,
            FieldType::Time | FieldType::Binary => Self::Unknown,
        }
    }
}

impl Kind {
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal | Self::Float)
    }

    pub(super) fn is_moment(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp)
    }

    /// Of values that are some of one kind and some of another.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (one, same) if one == same => one,
            (Self::Integer, Self::Decimal) | (Self::Decimal, Self::Integer) => Self::Decimal,
            (Self::Float, number) | (number, Self::Float) if number.is_number() => Self::Float,
            (Self::Date, Self::Timestamp) | (Self::Timestamp, Self::Date) => Self::Timestamp,
            _ => Self::Unknown,
        }
    }

    /// What it is called in a sentence.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer | Self::Decimal | Self::Float => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date",
            Self::Timestamp => "a date with a time",
            Self::Unknown => "of an unknown kind",
        }
    }
}

/// How closely an expression holds together; those further down bind more tightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Or,
    And,
    Not,
    Compare,
    Add,
    Multiply,
    Sign,
    Atom,
}

/// A literal as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    /// Digits, perhaps with a sign, a point and an exponent.
    Number(String),
    Null,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) rank: Rank,
    pub(super) kind: Kind,
    pub(super) literal: Option<Literal>,
    /// Whether an aggregate stands in it.
    pub(super) aggregate: bool,
}

impl Value {
    /// A call, a name, or what stands in brackets.
    pub(super) fn atom(text: impl Into<String>, kind: Kind) -> Self {
        Self::new(text, Rank::Atom, kind)
    }

    pub(super) fn new(text: impl Into<String>, rank: Rank, kind: Kind) -> Self {
        Self { text: text.into(), rank, kind, literal: None, aggregate: false }
    }

    pub(super) fn null() -> Self {
        Self { literal: Some(Literal::Null), ..Self::atom("NULL", Kind::Unknown) }
    }

    pub(super) fn of_text(text: &str) -> Self {
        Self {
            literal: Some(Literal::Text(text.to_owned())),
            ..Self::atom(quoted(text), Kind::Text)
        }
    }

    /// A number whose digits are known to be some.
    pub(super) fn of_number(digits: &str) -> Self {
        let kind = match digits {
            whole if whole.bytes().all(|b| b.is_ascii_digit() || b == b'-') => Kind::Integer,
            _ => Kind::Decimal,
        };
        let rank = if digits.starts_with('-') { Rank::Sign } else { Rank::Atom };
        let literal = Some(Literal::Number(digits.to_owned()));
        Self { literal, ..Self::new(digits, rank, kind) }
    }

    /// With what is known of the values that it was made of.
    pub(super) fn made_of<'a>(mut self, parts: impl IntoIterator<Item = &'a Self>) -> Self {
        self.aggregate |= parts.into_iter().any(|part| part.aggregate);
        self
    }

    /// Its text where something of that rank, or a tighter one, may stand.
    pub(super) fn within(&self, rank: Rank) -> String {
        if self.rank < rank { format!("({})", self.text) } else { self.text.clone() }
    }

    /// Its text as an operand of a comparison.
    pub(super) fn operand(&self) -> String {
        self.within(Rank::Add)
    }

    pub(super) fn constant_text(&self) -> Option<&str> {
        match &self.literal {
            Some(Literal::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is written as one, in quotes or not.
    pub(super) fn constant_integer(&self) -> Option<i64> {
        match &self.literal {
            Some(Literal::Text(text) | Literal::Number(text)) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The literal as a value of a kind that it stands beside; other values as they are.
    ///
    /// # Errors
    /// A sentence, for a literal that is no value of that kind.
    pub(super) fn beside(self, kind: Kind) -> Result<Self, String> {
        let Some(literal) = &self.literal else { return Ok(self) };
        match (literal, kind) {
            (Literal::Text(text), Kind::Date | Kind::Timestamp) => moment(text),
            (Literal::Text(text), Kind::Integer | Kind::Decimal | Kind::Float) => {
                number(text.trim())
                    .map(|digits| Self::of_number(&digits))
                    .ok_or_else(|| format!("'{}' is no number", shown(text)))
            }
            (Literal::Text(text) | Literal::Number(text), Kind::Boolean) => {
                let known = [("true", true), ("1", true), ("yes", true)];
                let unknown = [("false", false), ("0", false), ("no", false)];
                let words = known.iter().chain(&unknown);
                let found = words.into_iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
                match found {
                    Some((_, true)) => Ok(Self::atom("TRUE", Kind::Boolean)),
                    Some((_, false)) => Ok(Self::atom("FALSE", Kind::Boolean)),
                    None => Err(format!("'{}' is neither true nor false", shown(text))),
                }
            }
            (Literal::Number(digits), Kind::Date | Kind::Timestamp) => Err(format!(
                "{} is no date: write it as '2026-09-01' or '01-Sep-2026'",
                shown(digits)
            )),
            _ => Ok(self),
        }
    }
}

/// A name in the engine's SQL.
pub(super) fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Text in the engine's SQL.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The digits of a number as the engine reads them.
pub(super) fn number(text: &str) -> Option<String> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let all = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !all(whole) || !all(part) || whole.len() + part.len() == 0 {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let mut out = format!("{sign}{whole}");
    if !part.is_empty() {
        out = format!("{out}.{part}");
    }
    if let Some(exponent) = exponent {
        let exponent: i16 = exponent.parse().ok()?;
        out = format!("{out}e{exponent}");
    }
    Some(out)
}

/// A date or a date with a time, from any of the forms that are known.
///
/// The documentation shows `'01-Jan-2026'`, exported files hold `01 Jan, 2026 00:00:00`, and scripts
/// send `'2026-09-01'`. `01/02/2026` means two days and is refused.
pub(super) fn moment(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let unclear = || {
        format!(
            "'{}' is no date: write it as '2026-09-01', '2026-09-01 10:00:00' or '01-Sep-2026'",
            shown(text)
        )
    };
    if let Some(date) = date(text) {
        return Ok(Value::atom(format!("DATE '{}'", date.format("%Y-%m-%d")), Kind::Date));
    }
    let (date, time) = match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(moment) => (moment.naive_utc().date(), moment.naive_utc().time()),
        Err(_) => split_moment(text).ok_or_else(unclear)?,
    };
    let moment = NaiveDateTime::new(date, time);
    let text = format!("TIMESTAMP '{}'", moment.format("%Y-%m-%d %H:%M:%S%.f"));
    Ok(Value::atom(text, Kind::Timestamp))
}

fn date(text: &str) -> Option<NaiveDate> {
    // `%B` reads short names of months too. A year has four digits, here and in the engine.
    const FORMS: [&str; 6] =
        ["%Y-%m-%d", "%Y/%m/%d", "%d-%B-%Y", "%d %B, %Y", "%d %B %Y", "%B %d, %Y"];
    if text.len() > 40 {
        return None;
    }
    let read = |form: &&str| NaiveDate::parse_from_str(text, form).ok();
    let found = FORMS.iter().find_map(read)?;
    let year = chrono::Datelike::year(&found);
    (1000..=9999).contains(&year).then_some(found)
}

/// A date, a blank or a `T`, and a time.
fn split_moment(text: &str) -> Option<(NaiveDate, NaiveTime)> {
    const FORMS: [&str; 4] = ["%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p"];
    if text.len() > 60 {
        return None;
    }
    let ends = text.char_indices().filter(|(_, c)| *c == ' ' || *c == 'T');
    ends.map(|(at, _)| at).find_map(|at| {
        let date = date(text[..at].trim())?;
        let time = text[at + 1..].trim();
        let time = FORMS.iter().find_map(|form| NaiveTime::parse_from_str(time, form).ok())?;
        // A leap second is no moment of the engine's.
        (chrono::Timelike::nanosecond(&time) < 1_000_000_000).then_some((date, time))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_the_forms_that_clients_send() {
        for (text, written) in [
            ("01-Jan-2026", Ok("DATE '2026-01-01'")),
            ("1-january-2026", Ok("DATE '2026-01-01'")),
            ("2026-09-01", Ok("DATE '2026-09-01'")),
            ("01 Jan, 2026 10:20:30", Ok("TIMESTAMP '2026-01-01 10:20:30'")),
            ("2026-09-01 10:00:00", Ok("TIMESTAMP '2026-09-01 10:00:00'")),
            ("2026-09-01 10:00", Ok("TIMESTAMP '2026-09-01 10:00:00'")),
            ("2026-09-01T10:00:00.25Z", Ok("TIMESTAMP '2026-09-01 10:00:00.250'")),
            ("2026-09-01T10:00:00+02:00", Ok("TIMESTAMP '2026-09-01 08:00:00'")),
            ("01-Jan-2026 04:30 PM", Ok("TIMESTAMP '2026-01-01 16:30:00'")),
            ("01/02/2026", Err(())),
            ("2026-02-30", Err(())),
            ("26-02-01", Err(())),
            ("", Err(())),
            ("T", Err(())),
            ("today", Err(())),
        ] {
            let found = moment(text).map(|value| value.text).map_err(drop);
            assert_eq!(found, written.map(ToOwned::to_owned), "{text}");
        }
    }

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        for (text, digits) in [
            ("12", Some("12")),
            ("-12.50", Some("-12.50")),
            (".5", Some("0.5")),
            ("5.", Some("5")),
            ("1e5", Some("1e5")),
            ("", None),
            (".", None),
            ("-", None),
            ("--1", None),
            ("1 2", None),
            ("0x1F", None),
            ("1e", None),
            ("1_000", None),
        ] {
            assert_eq!(number(text).as_deref(), digits, "{text}");
        }
    }
}
