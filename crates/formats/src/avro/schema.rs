//! The Avro schema of a row. Which logical type stands for which of Arrow's is decided here;
//! `values` writes what is declared.

use std::collections::HashSet;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::options::ValueOptions;

/// Name of the record that a row is.
const ROW: &str = "Row";

/// Digits of the widest decimal that is written.
const DIGITS_MAX: i16 = 76;

/// The schema as JSON.
pub(super) fn schema(schema: &Schema, options: &ValueOptions) -> Result<Value> {
    let fields: Vec<_> = schema.fields().iter().map(AsRef::as_ref).collect();
    let mut writer = Writer { options, column: "", records: HashSet::new() };
    let fields = fields
        .iter()
        .zip(field_names(fields.iter().map(|field| field.name().as_str())))
        .map(|(field, name)| {
            writer.column = field.name();
            writer.field(field, &name, ROW)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(json!({ "type": "record", "name": ROW, "fields": fields }))
}

struct Writer<'a> {
    options: &'a ValueOptions,
    /// The heading of the column, for errors.
    column: &'a str,
    /// Names of records, which a schema may define once.
    records: HashSet<String>,
}

impl Writer<'_> {
    fn field(&mut self, field: &Field, name: &str, record: &str) -> Result<Value> {
        let data_type = self.nullable(field.data_type(), &format!("{record}_{name}"))?;
        Ok(match field.name() == name {
            true => json!({ "name": name, "type": data_type }),
            false => json!({ "name": name, "type": data_type, "doc": field.name() }),
        })
    }

    fn nullable(&mut self, data_type: &DataType, path: &str) -> Result<Value> {
        Ok(match self.data_type(data_type, path)? {
            null if null == "null" => null,
            data_type => json!(["null", data_type]),
        })
    }

    fn data_type(&mut self, data_type: &DataType, path: &str) -> Result<Value> {
        use DataType as T;
        Ok(match data_type {
            T::Null => json!("null"),
            T::Boolean => json!("boolean"),
            T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 => json!("int"),
            T::Int64 | T::UInt32 => json!("long"),
            T::UInt64 => decimal(20, 0),
            T::Float16 | T::Float32 => json!("float"),
            T::Float64 => json!("double"),
            T::Decimal32(precision, scale)
            | T::Decimal64(precision, scale)
            | T::Decimal128(precision, scale)
            | T::Decimal256(precision, scale) => {
                // Avro knows no negative scale: the zeros become digits.
                let digits = i16::from(*precision) - i16::from(*scale).min(0);
                if digits > DIGITS_MAX {
                    return Err(self.refuse(data_type));
                }
                decimal(digits, (*scale).max(0))
            }
            T::Date32 | T::Date64 => json!({ "type": "int", "logicalType": "date" }),
            T::Time32(_) => json!({ "type": "int", "logicalType": "time-millis" }),
            T::Time64(_) => json!({ "type": "long", "logicalType": "time-micros" }),
            T::Timestamp(_, None) if !self.options.timestamps.naive_is_utc => {
                json!({ "type": "long", "logicalType": "local-timestamp-micros" })
            }
            T::Timestamp(..) => json!({ "type": "long", "logicalType": "timestamp-micros" }),
            T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Duration(_) | T::Interval(_) => {
                json!("string")
            }
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => json!("bytes"),
            T::List(item) | T::LargeList(item) | T::FixedSizeList(item, _) => {
                json!({ "type": "array", "items": self.nullable(item.data_type(), path)? })
            }
            T::Struct(fields) => {
                let name = unused(path, |name| !self.records.contains(name));
                self.records.insert(name.clone());
                let names = field_names(fields.iter().map(|field| field.name().as_str()));
                let fields = fields
                    .iter()
                    .zip(names)
                    .map(|(field, field_name)| self.field(field, &field_name, &name))
                    .collect::<Result<Vec<_>>>()?;
                json!({ "type": "record", "name": name, "fields": fields })
            }
            T::Map(entries, _) => match entries.data_type() {
                T::Struct(parts) if parts.len() == 2 => {
                    json!({ "type": "map", "values": self.nullable(parts[1].data_type(), path)? })
                }
                _ => return Err(self.refuse(data_type)),
            },
            T::Dictionary(_, values) => self.data_type(values, path)?,
            T::RunEndEncoded(_, values) => self.data_type(values.data_type(), path)?,
            _ => return Err(self.refuse(data_type)),
        })
    }

    fn refuse(&self, data_type: &DataType) -> Error {
        Error::ColumnType { column: self.column.to_owned(), data_type: data_type.to_string() }
    }
}

fn decimal(precision: i16, scale: i8) -> Value {
    json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale })
}

/// Units of a stored time in those of the declared one: what a value is multiplied with, or, when
/// negative, divided by.
pub(super) fn time_factor(unit: TimeUnit, micros: bool) -> i64 {
    match (unit, micros) {
        (TimeUnit::Second, true) => 1_000_000,
        (TimeUnit::Second, false) | (TimeUnit::Millisecond, true) => 1_000,
        (TimeUnit::Nanosecond, true) => -1_000,
        _ => 1,
    }
}

/// A name for each heading: the heading itself where Avro allows it, else the nearest that it does,
/// all different.
fn field_names<'a>(headings: impl Iterator<Item = &'a str>) -> Vec<String> {
    let headings: Vec<_> = headings.collect();
    // Headings that are names already keep theirs, wherever they stand.
    let mut taken: HashSet<String> = HashSet::new();
    let kept: Vec<bool> = headings
        .iter()
        .map(|heading| is_name(heading) && taken.insert((*heading).to_owned()))
        .collect();
    let mut names = Vec::with_capacity(headings.len());
    for (heading, kept) in headings.iter().zip(kept) {
        names.push(match kept {
            true => (*heading).to_owned(),
            false => {
                let name = unused(&name_of(heading), |name| !taken.contains(name));
                taken.insert(name.clone());
                name
            }
        });
    }
    names
}

/// The name, or else the name with the first number that makes it a new one.
fn unused(name: &str, is_free: impl Fn(&str) -> bool) -> String {
    if is_free(name) {
        return name.to_owned();
    }
    let mut number = 2_u64;
    loop {
        let numbered = format!("{name}_{number}");
        if is_free(&numbered) {
            return numbered;
        }
        number += 1;
    }
}

/// Whether it is a name (Avro specification, "Names").
fn is_name(text: &str) -> bool {
    !text.is_empty() && text == name_of(text)
}

fn name_of(heading: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut name: String = heading.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_become_names_that_differ() {
        let names = |headings: &[&str]| field_names(headings.iter().copied());
        assert_eq!(
            names(&["Account.Name", "Account_Name", "id", "1st", "", "ü", "a-b", "a b", "a_b"]),
            ["Account_Name_2", "Account_Name", "id", "_1st", "_", "__2", "a_b_2", "a_b_3", "a_b"]
        );
        assert_eq!(names(&["x", "x", "x_2", "X", "x"]), ["x", "x_3", "x_2", "X", "x_4"]);
        assert_eq!(names(&["ü", "\"quoted\"", "_"]), ["__2", "_quoted_", "_"]);
    }

    #[test]
    fn decimals_that_no_reader_holds_are_refused() {
        let of = |data_type| {
            let schema_of = Schema::new(vec![Field::new("d", data_type, true)]);
            schema(&schema_of, &ValueOptions::default())
        };
        let wide = of(DataType::Decimal128(38, -38)).unwrap();
        assert_eq!(wide["fields"][0]["type"][1]["precision"], 76);
        assert_eq!(wide["fields"][0]["type"][1]["scale"], 0);
        let error = of(DataType::Decimal128(38, -39)).unwrap_err().to_string();
        assert!(error.contains("column \"d\": type Decimal128(38, -39)"), "{error}");
    }
}
