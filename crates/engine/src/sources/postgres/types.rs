//! What becomes of each of PostgreSQL's types: how a column is asked for, and what it is read as.
//!
//! A type that Arrow has is sent in its binary form and decoded. Every other one is asked for as
//! the text that PostgreSQL itself writes for it (under fixed settings, see `session`), and arrays
//! and rows as JSON. A moment or a number that its Arrow type cannot hold, such as `infinity`, is an
//! error; where the catalog declares the field as text, PostgreSQL's own text is asked for.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::Operator;
use datafusion::scalar::ScalarValue;
use outhaul_exports::catalog::FieldType;

use super::sql;

/// A column of a table as the system's tables describe it, domains taken away.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) name: String,
    /// As PostgreSQL shows it, such as `numeric(10,2)`.
    pub(super) shown: String,
    pub(super) nullable: bool,
    pub(super) comment: Option<String>,
    /// Name of the type, `None` for one that does not come with PostgreSQL.
    pub(super) builtin: Option<String>,
    /// `pg_type.typname`.
    pub(super) type_name: String,
    /// `pg_type.typtype`: `e` for an enum, `c` for a row type and so on.
    pub(super) type_kind: u8,
    /// `pg_type.typcategory`: `A` for an array.
    pub(super) category: u8,
    pub(super) modifier: i32,
    /// Whether equal texts are the same bytes.
    pub(super) deterministic: bool,
}

/// How the bytes of a value are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Bool,
    /// Of 2, 4 or 8 bytes; all become 64 bits.
    Whole(u8),
    /// `oid`: 4 bytes without a sign.
    Unsigned,
    Float4,
    Float8,
    /// Digits and scale of the result, at most 38.
    Decimal {
        precision: u8,
        scale: i8,
    },
    /// The same, at most 76.
    Wide {
        precision: u8,
        scale: i8,
    },
    Date,
    Time,
    Timestamp,
    Uuid,
    Bytes,
    Text,
    /// Text after a byte with a version.
    Jsonb,
}

impl Form {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Whole(_) | Self::Unsigned => DataType::Int64,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Wide { precision, scale } => DataType::Decimal256(precision, scale),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Bytes => DataType::BinaryView,
            Self::Uuid | Self::Text | Self::Jsonb => DataType::Utf8View,
        }
    }
}

/// How a column compares with a value in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparable {
    /// As here, for every operator.
    Always,
    /// Text: as here for equality, and in the order of bytes when asked for.
    Text,
    /// What is equal here is equal there too, and perhaps more.
    Equal,
    /// As the text that it is asked for as, for equality.
    AsText,
    /// `uuid`: equality with a well-formed one.
    Uuid,
    Never,
}

/// A column as it is read.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    asked: Asked,
    pub(super) form: Form,
    comparable: Comparable,
    /// The type that a value is written as in a condition.
    literal: &'static str,
}

/// What is asked for of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Its value.
    Value,
    /// Its text.
    Text,
    /// The text of its value as JSON.
    Json,
}

/// The greatest precision of Arrow's decimals of 128 bits.
const PRECISION_MAX: u8 = 38;
/// The same of 256 bits.
const WIDE_PRECISION_MAX: u16 = 76;

impl Column {
    /// How a column is read whose fields are all declared as `declared`; `None` where they differ
    /// or nothing is declared. `digits` is for numbers that do not say their scale.
    pub(super) fn of(column: &Described, declared: Option<FieldType>, digits: u8) -> Self {
        let (form, comparable, literal) = natural(column, digits);
        let name = || column.name.clone();
        let natural = |form, asked| Self { name: name(), asked, form, comparable, literal };
        let cast = |asked, comparable| Self {
            name: name(),
            asked,
            form: Form::Text,
            comparable,
            literal: "text",
        };
        let text = declared == Some(FieldType::Text);
        match form {
            // What may hold a value that has a text and no place in its type.
            Some(
                Form::Decimal { .. }
                | Form::Wide { .. }
                | Form::Date
                | Form::Time
                | Form::Timestamp,
            ) if text => cast(Asked::Text, Comparable::AsText),
            Some(form) if column.builtin.as_deref() == Some("bpchar") => natural(form, Asked::Text),
            Some(form) => natural(form, Asked::Value),
            None if is_nested(column) && !text => cast(Asked::Json, Comparable::Never),
            None => cast(Asked::Text, Comparable::AsText),
        }
    }

    /// What is asked for, of the column as it is called in the statement.
    pub(super) fn asked(&self, column: &str) -> String {
        match self.asked {
            Asked::Value => column.to_owned(),
            Asked::Text => format!("{column}::text"),
            Asked::Json => format!("to_json({column})::text"),
        }
    }

    /// What a catalog would call a column.
    pub(super) fn field_type(column: &Described) -> FieldType {
        let json = matches!(column.builtin.as_deref(), Some("json" | "jsonb"));
        if json || is_nested(column) {
            return FieldType::Json;
        }
        match natural(column, 0).0 {
            Some(form) => FieldType::of(&form.data_type()),
            None => FieldType::Text,
        }
    }

    /// A comparison as SQL; see [`crate::sources::database::Compare`].
    pub(super) fn comparison(&self, op: Operator, value: &ScalarValue) -> Option<String> {
        let equality = op == Operator::Eq;
        let name = sql::name(&self.name);
        let text = value.try_as_str().flatten();
        match self.comparable {
            Comparable::Always => {
                let value = sql::literal(value)?;
                Some(format!("{name} {op} {value}::{}", self.literal))
            }
            Comparable::Text if equality || op == Operator::NotEq => {
                Some(format!("{name} {op} {}", sql::text(text?)?))
            }
            Comparable::Text => Some(format!("{name} {op} {} COLLATE \"C\"", sql::text(text?)?)),
            Comparable::Equal if equality => Some(format!("{name} = {}", sql::text(text?)?)),
            Comparable::AsText if equality => Some(format!("{name}::text = {}", sql::text(text?)?)),
            Comparable::Uuid if equality => Some(match text? {
                uuid if is_uuid(uuid) => format!("{name} = '{uuid}'"),
                _ => "1 = 0".to_owned(),
            }),
            _ => None,
        }
    }

    /// Whether the database compares and orders its values as is done here, text in the order of
    /// its bytes where that is asked for.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self.comparable, Comparable::Always | Comparable::Text)
    }

    /// A column of a query's own, that no table has.
    pub(super) fn computed(name: &str, form: Form) -> Self {
        Self {
            name: name.to_owned(),
            asked: Asked::Value,
            form,
            comparable: Comparable::Never,
            literal: "text",
        }
    }
}

/// As this program writes them; the text decides what is equal here.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn is_nested(column: &Described) -> bool {
    column.category == b'A' || column.type_kind == b'c'
}

/// The form of a type that is decoded, how it compares, and how its values are written.
fn natural(column: &Described, digits: u8) -> (Option<Form>, Comparable, &'static str) {
    use Comparable as C;
    if column.type_kind == b'e' {
        return (Some(Form::Text), C::AsText, "text");
    }
    let text = if column.deterministic { C::Text } else { C::Equal };
    let (form, comparable, literal) = match column.builtin.as_deref() {
        Some("bool") => (Form::Bool, C::Always, "bool"),
        Some("int2") => (Form::Whole(2), C::Always, "int8"),
        Some("int4") => (Form::Whole(4), C::Always, "int8"),
        Some("int8") => (Form::Whole(8), C::Always, "int8"),
        Some("oid") => (Form::Unsigned, C::Never, "oid"),
        Some("float4") => (Form::Float4, C::Never, "float4"),
        Some("float8") => (Form::Float8, C::Never, "float8"),
        Some("numeric") => match numeric(column.modifier, digits) {
            Some(form) => (form, C::Always, "numeric"),
            None => return (None, C::Never, "text"),
        },
        Some("date") => (Form::Date, C::Always, "date"),
        Some("time") => (Form::Time, C::Never, "time"),
        Some("timestamptz") => (Form::Timestamp, C::Always, "timestamptz"),
        // Without a zone: the clock of UTC.
        Some("timestamp") => (Form::Timestamp, C::Always, "timestamp"),
        Some("uuid") => (Form::Uuid, C::Uuid, "uuid"),
        Some("bytea") => (Form::Bytes, C::Never, "bytea"),
        Some("text" | "varchar" | "name") => (Form::Text, text, "text"),
        // Blanks at its end mean nothing to it, and are not read.
        Some("bpchar") => (Form::Text, C::Equal, "text"),
        Some("json" | "xml") => (Form::Text, C::Never, "text"),
        Some("jsonb") => (Form::Jsonb, C::Never, "text"),
        None if column.type_name == "citext" => (Form::Text, C::Equal, "text"),
        _ => return (None, C::AsText, "text"),
    };
    (Some(form), comparable, literal)
}

/// The form of a numeric; `None` when no decimal can hold its digits.
fn numeric(modifier: i32, digits: u8) -> Option<Form> {
    if modifier < 4 {
        return Some(Form::Decimal { precision: PRECISION_MAX, scale: digits.cast_signed() });
    }
    let packed = (modifier - 4).cast_unsigned();
    // Eleven bits with a sign.
    let scale = i32::from(i16::try_from(packed & 0x7ff).ok()?);
    let scale = if scale >= 0x400 { scale - 0x800 } else { scale };
    let precision = i32::try_from(packed >> 16).ok()?;
    // A scale below zero means zeros before the point, one above the precision zeros behind it.
    let precision = if scale < 0 { precision - scale } else { precision.max(scale) };
    let scale = i8::try_from(scale.max(0)).ok()?;
    let precision = u16::try_from(precision).ok()?;
    if precision <= u16::from(PRECISION_MAX) {
        return Some(Form::Decimal { precision: u8::try_from(precision).ok()?, scale });
    }
    (precision <= WIDE_PRECISION_MAX && scale <= 76)
        .then_some(Form::Wide { precision: u8::try_from(precision).ok()?, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(builtin: &str, modifier: i32) -> Described {
        Described {
            name: "Weird \"name\"".into(),
            shown: builtin.into(),
            nullable: true,
            comment: None,
            builtin: Some(builtin.into()),
            type_name: builtin.into(),
            type_kind: b'b',
            category: b'S',
            modifier,
            deterministic: true,
        }
    }

    fn typmod(precision: i32, scale: i32) -> i32 {
        ((precision << 16) | (scale & 0x7ff)) + 4
    }

    #[test]
    fn a_numeric_is_read_in_the_smallest_decimal_that_holds_it() {
        for (modifier, form) in [
            (-1, Some(Form::Decimal { precision: 38, scale: 6 })),
            (typmod(10, 2), Some(Form::Decimal { precision: 10, scale: 2 })),
            (typmod(38, 38), Some(Form::Decimal { precision: 38, scale: 38 })),
            (typmod(5, -2), Some(Form::Decimal { precision: 7, scale: 0 })),
            (typmod(3, 5), Some(Form::Decimal { precision: 5, scale: 5 })),
            (typmod(39, 0), Some(Form::Wide { precision: 39, scale: 0 })),
            (typmod(76, 30), Some(Form::Wide { precision: 76, scale: 30 })),
            (typmod(77, 0), None),
            (typmod(1000, 500), None),
        ] {
            assert_eq!(numeric(modifier, 6), form, "{modifier}");
        }
    }

    #[test]
    fn a_condition_says_no_more_than_the_comparison() {
        let text = |text: &str| ScalarValue::Utf8View(Some(text.into()));
        let whole = ScalarValue::Int64(Some(-5));
        for (builtin, op, value, said) in [
            ("text", Operator::Eq, text("o'b"), Some(r#""Weird ""name""" = 'o''b'"#)),
            ("text", Operator::Lt, text("b"), Some(r#""Weird ""name""" < 'b' COLLATE "C""#)),
            ("text", Operator::Eq, text("a\0"), None),
            ("bpchar", Operator::NotEq, text("b"), None),
            ("int4", Operator::GtEq, whole, Some(r#""Weird ""name""" >= '-5'::int8"#)),
            ("float8", Operator::Eq, ScalarValue::Float64(Some(1.0)), None),
            ("uuid", Operator::Eq, text("nonsense"), Some("1 = 0")),
            ("inet", Operator::Eq, text("::1"), Some(r#""Weird ""name"""::text = '::1'"#)),
            ("inet", Operator::Lt, text("::1"), None),
        ] {
            let column = Column::of(&described(builtin, -1), None, 6);
            assert_eq!(column.comparison(op, &value).as_deref(), said, "{builtin} {op}");
        }
    }

    #[test]
    fn what_has_no_place_in_its_type_can_be_had_as_text() {
        let column = |declared| Column::of(&described("timestamptz", -1), declared, 6);
        assert_eq!(column(Some(FieldType::Text)).form, Form::Text);
        assert_eq!(column(Some(FieldType::Timestamp)).form, Form::Timestamp);
        assert_eq!(column(None).form, Form::Timestamp);
    }
}
