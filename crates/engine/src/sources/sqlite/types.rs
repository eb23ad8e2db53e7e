//! What becomes of a column of SQLite, whose values have types of their own.
//!
//! A column's declared type says what its values should be (SQLite documentation, "Datatypes In
//! SQLite"), and that is what it is read as. A value that is something else is an error; where the
//! catalog declares the field as text, every value comes as text. Where the declared type says
//! nothing, the catalog decides.

use chrono::{Days, NaiveDate};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::Operator;
use datafusion::scalar::ScalarValue;
use outhaul_exports::catalog::FieldType;

use super::sql;
use crate::sources::database::{day, moment, number};

/// A column as the file describes it.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) name: String,
    /// Such as `VARCHAR(20)`, or empty.
    pub(super) declared: String,
    pub(super) nullable: bool,
}

/// What values are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Bool,
    Whole,
    Float,
    Decimal { precision: u8, scale: i8 },
    Date,
    Time,
    Timestamp,
    Bytes,
    Text,
}

impl Form {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Whole => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Bytes => DataType::BinaryView,
            Self::Text => DataType::Utf8View,
        }
    }
}

/// How a column compares with a value in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparable {
    /// Numbers that are compared as such.
    Whole,
    /// Numbers that may be kept as binary ones: equal here is equal there, and perhaps more.
    Decimal,
    /// Texts in the order of their bytes.
    Text,
    Date,
    /// By its day, with a day more at both ends: a text may name another zone.
    Timestamp,
    Never,
}

/// A column as it is read.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) form: Form,
    comparable: Comparable,
}

/// The most digits that a decimal and the binary number next to it tell apart alike.
const DIGITS_ALIKE: usize = 15;
/// The greatest precision of Arrow's decimals of 128 bits.
const PRECISION_MAX: u8 = 38;

impl Column {
    /// How a column is read whose fields are all declared as `declared`; `None` where they differ
    /// or nothing is declared. `digits` is for decimals that do not say their scale.
    pub(super) fn of(column: &Described, declared: Option<FieldType>, digits: u8) -> Self {
        let natural = natural(&column.declared, digits);
        let form = match (natural, declared) {
            (_, Some(FieldType::Text)) => Form::Text,
            (None, declared) => said(declared, digits),
            // A number where a flag, a time or a decimal should be is what the catalog says it is.
            (Some(Form::Bool | Form::Decimal { .. }), Some(FieldType::Integer))
            | (Some(Form::Date | Form::Time | Form::Timestamp), Some(FieldType::Integer)) => {
                Form::Whole
            }
            (
                Some(Form::Decimal { .. } | Form::Date | Form::Time | Form::Timestamp),
                Some(FieldType::Float),
            ) => Form::Float,
            (Some(natural), _) => natural,
        };
        let comparable = match form {
            Form::Bool | Form::Whole => Comparable::Whole,
            Form::Decimal { .. } if natural == Some(form) => Comparable::Decimal,
            // Other columns may hold numbers, whose text is made here.
            Form::Text if has_text_affinity(&column.declared) => Comparable::Text,
            Form::Date => Comparable::Date,
            Form::Timestamp => Comparable::Timestamp,
            _ => Comparable::Never,
        };
        Self { name: column.name.clone(), form, comparable }
    }

    /// What a catalog would call a column.
    pub(super) fn field_type(column: &Described, digits: u8) -> FieldType {
        match first_word(&column.declared).as_str() {
            "JSON" => FieldType::Json,
            _ => FieldType::of(&Self::of(column, None, digits).form.data_type()),
        }
    }

    /// A comparison as SQL; see [`crate::sources::database::Compare`]. `is_utf8` tells whether texts
    /// are kept in UTF-8.
    pub(super) fn comparison(
        &self,
        op: Operator,
        value: &ScalarValue,
        is_utf8: bool,
    ) -> Option<String> {
        let name = sql::name(&self.name);
        // The column's own collation may take different texts for equal.
        let bytes = format!("{name} COLLATE BINARY");
        match self.comparable {
            Comparable::Whole => {
                let value = match value {
                    ScalarValue::Boolean(Some(value)) => i64::from(*value).to_string(),
                    value => number(value)?,
                };
                Some(format!("{name} {op} {value}"))
            }
            Comparable::Decimal => {
                let op = match op {
                    Operator::Eq | Operator::LtEq | Operator::GtEq => op,
                    Operator::Lt => Operator::LtEq,
                    Operator::Gt => Operator::GtEq,
                    _ => return None,
                };
                let value = number(value)?;
                let digits = value.bytes().filter(u8::is_ascii_digit).count();
                (digits <= DIGITS_ALIKE).then(|| format!("{name} {op} {value}"))
            }
            Comparable::Text => {
                let text = sql::text(value.try_as_str().flatten()?)?;
                let fits = is_utf8 || matches!(op, Operator::Eq | Operator::NotEq);
                fits.then(|| format!("{bytes} {op} {text}"))
            }
            Comparable::Date => Some(format!("{bytes} {op} '{}'", day(value)?)),
            Comparable::Timestamp => {
                let day = moment(value)?.date_naive();
                let (first, beyond) =
                    (day.checked_sub_days(Days::new(1))?, day.checked_add_days(Days::new(2))?);
                let within = |day: &NaiveDate| (1..=9998).contains(&chrono::Datelike::year(day));
                if !within(&first) || !within(&beyond) {
                    return None;
                }
                let (from, until) =
                    (format!("{bytes} >= '{first}'"), format!("{bytes} < '{beyond}'"));
                match op {
                    Operator::Eq => Some(format!("({from} AND {until})")),
                    Operator::Gt | Operator::GtEq => Some(from),
                    Operator::Lt | Operator::LtEq => Some(until),
                    _ => None,
                }
            }
            Comparable::Never => None,
        }
    }
}

fn first_word(declared: &str) -> String {
    let word = declared.trim_start().split(['(', ' ']).next().unwrap_or_default();
    word.to_ascii_uppercase()
}

/// Whether values are kept as texts or bytes only, whatever is written.
fn has_text_affinity(declared: &str) -> bool {
    let upper = declared.to_ascii_uppercase();
    !upper.contains("INT") && ["CHAR", "CLOB", "TEXT"].iter().any(|word| upper.contains(word))
}

/// What the declared type of a column says; `None` when it says nothing.
fn natural(declared: &str, digits: u8) -> Option<Form> {
    match first_word(declared).as_str() {
        "BOOL" | "BOOLEAN" => return Some(Form::Bool),
        "DATE" => return Some(Form::Date),
        "TIME" => return Some(Form::Time),
        "DATETIME" | "TIMESTAMP" | "TIMESTAMPTZ" => return Some(Form::Timestamp),
        "DECIMAL" | "NUMERIC" => return Some(decimal(declared, digits)),
        "JSON" | "UUID" => return Some(Form::Text),
        _ => {}
    }
    let upper = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    if has(&["INT"]) {
        Some(Form::Whole)
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Some(Form::Text)
    } else if has(&["BLOB"]) {
        Some(Form::Bytes)
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        Some(Form::Float)
    } else {
        None
    }
}

/// Of a declared type such as `DECIMAL(10, 2)`.
fn decimal(declared: &str, digits: u8) -> Form {
    let inner = declared.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    let mut numbers =
        inner.map_or("", |(inner, _)| inner).split(',').map(|n| n.trim().parse::<u8>());
    match (numbers.next(), numbers.next()) {
        (Some(Ok(precision)), None) if (1..=PRECISION_MAX).contains(&precision) => {
            Form::Decimal { precision, scale: 0 }
        }
        (Some(Ok(precision)), Some(Ok(scale)))
            if (1..=PRECISION_MAX).contains(&precision) && scale <= precision =>
        {
            Form::Decimal { precision, scale: scale.cast_signed() }
        }
        _ => Form::Decimal { precision: PRECISION_MAX, scale: digits.cast_signed() },
    }
}

/// What the catalog says of a column whose own type says nothing.
fn said(declared: Option<FieldType>, digits: u8) -> Form {
    match declared {
        Some(FieldType::Integer) => Form::Whole,
        Some(FieldType::Float) => Form::Float,
        Some(FieldType::Decimal) => {
            Form::Decimal { precision: PRECISION_MAX, scale: digits.cast_signed() }
        }
        Some(FieldType::Boolean) => Form::Bool,
        Some(FieldType::Date) => Form::Date,
        Some(FieldType::Time) => Form::Time,
        Some(FieldType::Timestamp) => Form::Timestamp,
        Some(FieldType::Binary) => Form::Bytes,
        Some(FieldType::Text | FieldType::Json) | None => Form::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(declared: &str) -> Described {
        Described { name: "a\"b".into(), declared: declared.into(), nullable: true }
    }

    #[test]
    fn a_declared_type_says_what_values_should_be() {
        let decimal = |precision, scale| Form::Decimal { precision, scale };
        for (declared, form) in [
            ("INTEGER", Form::Whole),
            ("unsigned big int", Form::Whole),
            ("VARCHAR(20)", Form::Text),
            ("nvarchar", Form::Text),
            ("boolean", Form::Bool),
            ("DATE", Form::Date),
            ("datetime", Form::Timestamp),
            ("TIMESTAMP WITH TIME ZONE", Form::Timestamp),
            ("double precision", Form::Float),
            ("DECIMAL(10, 2)", decimal(10, 2)),
            ("numeric(5)", decimal(5, 0)),
            ("NUMERIC", decimal(38, 6)),
            ("DECIMAL(60, 2)", decimal(38, 6)),
            ("BLOB", Form::Bytes),
            ("", Form::Text),
            ("ANY", Form::Text),
        ] {
            assert_eq!(Column::of(&described(declared), None, 6).form, form, "{declared}");
        }
        for (declared, by_catalog, form) in [
            ("", FieldType::Timestamp, Form::Timestamp),
            ("DATETIME", FieldType::Integer, Form::Whole),
            ("BLOB", FieldType::Text, Form::Text),
            ("TEXT", FieldType::Timestamp, Form::Text),
        ] {
            let column = Column::of(&described(declared), Some(by_catalog), 6);
            assert_eq!(column.form, form, "{declared}");
        }
    }

    #[test]
    fn a_condition_says_no_more_than_the_comparison() {
        let text = |text: &str| ScalarValue::Utf8View(Some(text.into()));
        let decimal = |n| ScalarValue::Decimal128(Some(n), 38, 6);
        let day = ScalarValue::TimestampMicrosecond(Some(0), Some("UTC".into()));
        let (eq, ne, lt) = (Operator::Eq, Operator::NotEq, Operator::Lt);
        let own = "\"a\"\"b\" COLLATE BINARY";
        for (declared, op, value, said) in [
            ("TEXT", lt, text("o'b"), Some(format!("{own} < 'o''b'"))),
            ("TEXT", eq, text("a\0"), None),
            ("", eq, text("a"), None),
            ("NUMERIC", lt, decimal(1_500_000), Some("\"a\"\"b\" <= 1.500000".to_owned())),
            ("NUMERIC", ne, decimal(1_500_000), None),
            ("NUMERIC", eq, decimal(1_234_567_890_123_456), None),
            ("DATETIME", lt, day.clone(), Some(format!("{own} < '1970-01-03'"))),
            ("DATETIME", ne, day, None),
            ("REAL", eq, ScalarValue::Float64(Some(1.0)), None),
            ("BOOLEAN", ne, ScalarValue::Boolean(Some(true)), Some("\"a\"\"b\" <> 1".to_owned())),
        ] {
            let column = Column::of(&described(declared), None, 6);
            let told = column.comparison(op, &value, true).map(|told| told.replace("!=", "<>"));
            assert_eq!(told, said, "{declared} {op}");
        }
        let column = Column::of(&described("TEXT"), None, 6);
        assert_eq!(column.comparison(lt, &text("b"), false), None);
        assert!(column.comparison(eq, &text("b"), false).is_some());
    }
}
