//! What becomes of each of MySQL's types: how a column is asked for, and what it is read as.
//!
//! Values are sent in the binary form of prepared statements, in which a float has all its digits.
//! A date that is in no calendar, a time of more than a day or a flag that is neither 0 nor 1 is an
//! error; where the catalog declares the field as text, MySQL's own text is asked for.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::Operator;
use datafusion::scalar::ScalarValue;
use outhaul_exports::catalog::FieldType;

use super::sql;
use crate::sources::database::moment;

/// A column of a table as `information_schema` describes it.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) name: String,
    /// Such as `bigint`.
    pub(super) type_name: String,
    /// Such as `bigint(20) unsigned`.
    pub(super) shown: String,
    pub(super) nullable: bool,
    pub(super) comment: Option<String>,
    /// Of numbers.
    pub(super) precision: u8,
    pub(super) scale: u8,
    /// Of texts.
    pub(super) charset: String,
    /// Whether only JSON may stand in it, as text.
    pub(super) is_document: bool,
}

impl Described {
    fn is_unsigned(&self) -> bool {
        self.shown.contains("unsigned")
    }

    /// Bits of a `bit` column.
    fn bits(&self) -> u8 {
        self.precision.max(1)
    }
}

/// How the bytes of a value are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A number that is 0 or 1.
    Bool,
    /// Of 1, 2, 4 or 8 bytes.
    Signed,
    /// The same without a sign. 8 bytes become a decimal.
    Unsigned,
    Unsigned64,
    /// An unsigned number of 8 bytes that the catalog declares to be an integer.
    Unsigned63,
    Float4,
    Float8,
    /// Digits and scale, at most 38.
    Decimal {
        precision: u8,
        scale: i8,
    },
    /// The same, at most 65.
    Wide {
        precision: u8,
        scale: i8,
    },
    Date,
    Time,
    Timestamp,
    /// Of as many bytes as are needed, the highest first; 1 is a flag, 64 become a decimal.
    Bit1,
    Bits,
    Bits64,
    Bytes,
    Text,
}

impl Form {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Bool | Self::Bit1 => DataType::Boolean,
            Self::Signed | Self::Unsigned | Self::Unsigned63 | Self::Bits => DataType::Int64,
            Self::Unsigned64 | Self::Bits64 => DataType::Decimal128(20, 0),
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Wide { precision, scale } => DataType::Decimal256(precision, scale),
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
    /// As here, for every operator.
    Always,
    /// The same, for moments that a `timestamp` can hold.
    Timestamp,
    /// A text: what is equal here is equal there too, and perhaps more, whatever the collation.
    Text(Letters),
    /// As the text that it is asked for as: the same.
    AsText,
    /// Equality with a well-formed one.
    Uuid,
    Never,
}

/// Which letters a text of a column may have. A comparison with others is an error there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    All,
    /// Those of 16 bits.
    Basic,
    Ascii,
}

/// A column as it is read.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// What is asked for, over the table's columns.
    pub(super) asked: String,
    pub(super) form: Form,
    comparable: Comparable,
}

/// The greatest precision of Arrow's decimals of 128 bits.
const PRECISION_MAX: u8 = 38;

impl Column {
    /// How a column is read whose fields are all declared as `declared`; `None` where they differ
    /// or nothing is declared.
    pub(super) fn of(column: &Described, declared: Option<FieldType>) -> Self {
        let quoted = sql::name(&column.name);
        let (form, comparable) = natural(column);
        let as_it_is = |form, comparable| Self {
            name: column.name.clone(),
            asked: quoted.clone(),
            form,
            comparable,
        };
        let as_text = |asked, comparable| Self {
            name: column.name.clone(),
            asked,
            form: Form::Text,
            comparable,
        };
        match (form, declared) {
            (Form::Bool, Some(FieldType::Integer | FieldType::Decimal | FieldType::Float)) => {
                as_it_is(Form::Signed, comparable)
            }
            (Form::Unsigned64, Some(FieldType::Integer)) => as_it_is(Form::Unsigned63, comparable),
            // What may hold a value that has a text and no place in its type.
            (
                Form::Bool
                | Form::Decimal { .. }
                | Form::Wide { .. }
                | Form::Date
                | Form::Time
                | Form::Timestamp,
                Some(FieldType::Text),
            ) => as_text(format!("CAST({quoted} AS CHAR)"), Comparable::AsText),
            _ if is_shape(column) => as_text(format!("ST_AsText({quoted})"), Comparable::Never),
            _ => as_it_is(form, comparable),
        }
    }

    /// What a catalog would call a column.
    pub(super) fn field_type(column: &Described) -> FieldType {
        match column.type_name.as_str() {
            "json" => FieldType::Json,
            _ if column.is_document => FieldType::Json,
            _ => FieldType::of(&natural(column).0.data_type()),
        }
    }

    /// A comparison as SQL; see [`crate::sources::database::Compare`].
    pub(super) fn comparison(&self, op: Operator, value: &ScalarValue) -> Option<String> {
        let name = sql::name(&self.name);
        let text = || value.try_as_str().flatten();
        let is_equality = op == Operator::Eq;
        match self.comparable {
            Comparable::Always => Some(format!("{name} {op} {}", sql::literal(value)?)),
            Comparable::Timestamp => {
                let year = chrono::Datelike::year(&moment(value)?);
                let held = (1971..=2037).contains(&year);
                held.then(|| sql::literal(value).map(|value| format!("{name} {op} {value}")))?
            }
            Comparable::Text(letters) if is_equality => {
                let text = text()?;
                let fits = match letters {
                    Letters::All => true,
                    Letters::Basic => text.chars().all(|letter| u32::from(letter) <= 0xFFFF),
                    Letters::Ascii => text.is_ascii(),
                };
                // The text of an enum that holds none of its values is none that one can ask for.
                (fits && !text.is_empty()).then(|| format!("{name} = {}", sql::text(text)))
            }
            Comparable::AsText if is_equality => {
                Some(format!("{} = {}", self.asked, sql::text(text()?)))
            }
            Comparable::Uuid if is_equality => Some(match text()? {
                uuid if is_uuid(uuid) => format!("{name} = '{uuid}'"),
                _ => "1 = 0".to_owned(),
            }),
            _ => None,
        }
    }
}

/// As the server writes them; the text decides what is equal here.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Points, lines and the like.
fn is_shape(column: &Described) -> bool {
    matches!(
        column.type_name.as_str(),
        "geometry"
            | "point"
            | "linestring"
            | "polygon"
            | "multipoint"
            | "multilinestring"
            | "multipolygon"
            | "geometrycollection"
            | "geomcollection"
    )
}

/// What a column is read as, and how it compares.
fn natural(column: &Described) -> (Form, Comparable) {
    use Comparable as C;
    match column.type_name.as_str() {
        // The one width that means something: how MySQL writes `boolean`.
        "tinyint" if column.shown == "tinyint(1)" => (Form::Bool, C::Always),
        "bigint" if column.is_unsigned() => (Form::Unsigned64, C::Always),
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" if column.is_unsigned() => {
            (Form::Unsigned, C::Always)
        }
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => (Form::Signed, C::Always),
        // Compared with a number below 100 it is another year.
        "year" => (Form::Unsigned, C::Never),
        "float" => (Form::Float4, C::Never),
        "double" => (Form::Float8, C::Never),
        "decimal" => (decimal(column.precision, column.scale), C::Always),
        "date" => (Form::Date, C::Always),
        "time" => (Form::Time, C::Never),
        // Without a zone: the clock of UTC.
        "datetime" => (Form::Timestamp, C::Always),
        "timestamp" => (Form::Timestamp, C::Timestamp),
        "bit" => match column.bits() {
            1 => (Form::Bit1, C::Always),
            64 => (Form::Bits64, C::Always),
            _ => (Form::Bits, C::Always),
        },
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            (Form::Bytes, C::Never)
        }
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => {
            (Form::Text, letters(&column.charset).map_or(C::Never, C::Text))
        }
        "uuid" => (Form::Text, C::Uuid),
        _ => (Form::Text, C::Never),
    }
}

/// Which letters can be compared with texts of a character set.
fn letters(charset: &str) -> Option<Letters> {
    match charset {
        "utf8mb4" | "utf16" | "utf16le" | "utf32" => Some(Letters::All),
        "utf8" | "utf8mb3" | "ucs2" => Some(Letters::Basic),
        // No others are sure to have them where ASCII has them.
        "ascii" | "latin1" | "latin2" | "cp1250" | "cp1251" | "cp1252" => Some(Letters::Ascii),
        _ => None,
    }
}

fn decimal(precision: u8, scale: u8) -> Form {
    let scale = scale.cast_signed();
    match precision {
        ..=PRECISION_MAX => Form::Decimal { precision, scale },
        _ => Form::Wide { precision, scale },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(shown: &str, charset: &str) -> Described {
        let type_name = shown.split(['(', ' ']).next().unwrap_or_default();
        Described {
            name: "Weird `name`".into(),
            type_name: type_name.into(),
            shown: shown.into(),
            nullable: true,
            comment: None,
            precision: 10,
            scale: 2,
            charset: charset.into(),
            is_document: false,
        }
    }

    #[test]
    fn a_condition_says_no_more_than_the_comparison() {
        let text = |text: &str| ScalarValue::Utf8View(Some(text.into()));
        let whole = |n| ScalarValue::Int64(Some(n));
        let at = |seconds: i64| {
            ScalarValue::TimestampMicrosecond(Some(seconds * 1_000_000), Some("UTC".into()))
        };
        let name = "`Weird ``name```";
        let (eq, ne, lt) = (Operator::Eq, Operator::NotEq, Operator::Lt);
        for (shown, charset, op, value, said) in [
            ("varchar(9)", "utf8mb4", eq, text("o'b☃𝄞"), Some(format!("{name} = 'o''b☃𝄞'"))),
            ("varchar(9)", "utf8mb4", ne, text("b"), None),
            ("varchar(9)", "utf8mb4", lt, text("b"), None),
            ("varchar(9)", "utf8mb3", eq, text("☃"), Some(format!("{name} = '☃'"))),
            ("varchar(9)", "utf8mb3", eq, text("𝄞"), None),
            ("varchar(9)", "latin1", eq, text("é"), None),
            ("varchar(9)", "sjis", eq, text("a"), None),
            ("int(11)", "", lt, whole(-5), Some(format!("{name} < -5"))),
            ("year(4)", "", eq, whole(5), None),
            ("float", "", eq, ScalarValue::Float32(Some(1.0)), None),
            ("tinyint(1)", "", eq, ScalarValue::Boolean(Some(true)), Some(format!("{name} = 1"))),
            ("timestamp", "", lt, at(4_000_000_000), None),
            ("uuid", "", eq, text("nonsense"), Some("1 = 0".to_owned())),
            ("inet6", "", eq, text("::1"), None),
        ] {
            let column = Column::of(&described(shown, charset), None);
            assert_eq!(column.comparison(op, &value), said, "{shown} {op}");
        }
    }

    #[test]
    fn what_the_catalog_declares_decides_where_a_type_has_two_faces() {
        for (shown, declared, form, asked) in [
            ("tinyint(1)", None, Form::Bool, "`c`"),
            ("tinyint(1)", Some(FieldType::Integer), Form::Signed, "`c`"),
            ("tinyint(1)", Some(FieldType::Text), Form::Text, "CAST(`c` AS CHAR)"),
            ("tinyint(4)", None, Form::Signed, "`c`"),
            ("tinyint(1) unsigned", None, Form::Unsigned, "`c`"),
            ("bigint(20) unsigned", None, Form::Unsigned64, "`c`"),
            ("bigint unsigned", Some(FieldType::Integer), Form::Unsigned63, "`c`"),
            ("date", Some(FieldType::Text), Form::Text, "CAST(`c` AS CHAR)"),
            ("date", Some(FieldType::Timestamp), Form::Date, "`c`"),
            ("point", None, Form::Text, "ST_AsText(`c`)"),
        ] {
            let described = Described { name: "c".into(), ..described(shown, "") };
            let column = Column::of(&described, declared);
            assert_eq!((column.form, column.asked.as_str()), (form, asked), "{shown}");
        }
        assert_eq!(decimal(38, 30), Form::Decimal { precision: 38, scale: 30 });
        assert_eq!(decimal(65, 0), Form::Wide { precision: 65, scale: 0 });
    }
}
