//! Arrow's schema as Parquet's: the columns with the way in which each travels, and the message type
//! of the file.
//!
//! Arrow's own schema goes into the file's metadata too, in its plainest form: readers that know
//! Arrow learn from it the zone in which moments are shown, and that JSON is text, which Polars
//! takes for bytes otherwise.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use parquet::basic::{LogicalType, Repetition};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::KeyValue;
use parquet::schema::types::{Type, TypePtr};

use super::carry::Carry;
use crate::error::{Error, Result};

/// Arrow's canonical extension type of JSON texts, and where a field names its extension type
/// (Arrow documentation, "Canonical extension types").
const EXTENSION_NAME: &str = "ARROW:extension:name";
const EXTENSION_JSON: &str = "arrow.json";

/// A column of the file.
#[derive(Debug)]
pub(super) struct ParquetColumn {
    /// Its schema as it travels, of this one field.
    pub(super) schema: SchemaRef,
    /// Its schema in Parquet, of this one field.
    pub(super) root: TypePtr,
    pub(super) carry: Carry,
}

impl ParquetColumn {
    pub(super) fn field(&self) -> &Field {
        self.schema.field(0)
    }
}

/// The columns of a schema.
///
/// # Errors
/// `Schema` when there are none, names repeat, or a struct is empty; `ColumnType` for what the
/// format cannot hold.
pub(super) fn columns(schema: &Schema) -> Result<Vec<ParquetColumn>> {
    if schema.fields().is_empty() {
        return refuse("there is no column to write; select at least one".into());
    }
    check_names("two columns", schema.fields().iter().map(|field| field.name().as_str()))?;
    schema.fields().iter().map(|field| column(field)).collect()
}

/// The message type of a file with these columns.
///
/// # Errors
/// `Schema` never for columns that `columns` made.
pub(super) fn root(columns: &[ParquetColumn]) -> Result<TypePtr> {
    let fields = columns.iter().flat_map(|column| column.root.get_fields()).cloned().collect();
    let root = Type::group_type_builder("schema").with_fields(fields).build();
    root.map(Arc::new).map_err(|why| Error::Schema { format: "parquet", problem: why.to_string() })
}

/// The Arrow schema of a file with these columns, as its metadata has it. `zone` is where moments
/// are shown; without one it is the zone of the column.
pub(super) fn arrow_schema(columns: &[ParquetColumn], zone: Option<&str>) -> KeyValue {
    let fields: Vec<_> = columns.iter().map(|column| plain(column.field(), zone)).collect();
    let schema = Schema::new(fields);
    KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(&schema))
}

/// The field without what concerns memory alone, named as the format names it, and without
/// metadata, whose order is not always the same.
fn plain(field: &Field, zone: Option<&str>) -> Field {
    let child = |name: &str, field: &Field| plain(&field.clone().with_name(name), zone);
    let data_type = match field.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Decimal32(digits, scale) | DataType::Decimal64(digits, scale) => {
            DataType::Decimal128(*digits, *scale)
        }
        DataType::Timestamp(unit, Some(own)) => {
            let zone = zone.unwrap_or(own);
            // Not all readers take an offset for a zone.
            let is_name = zone.starts_with(|letter: char| letter.is_ascii_alphabetic());
            DataType::Timestamp(*unit, Some(if is_name { zone } else { "UTC" }.into()))
        }
        DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _) => {
            DataType::List(Arc::new(child("element", of)))
        }
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| child(field.name(), field)).collect())
        }
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let pair = vec![child("key", &pair[0]), child("value", &pair[1])];
                let entries = Field::new("key_value", DataType::Struct(pair.into()), false);
                DataType::Map(Arc::new(entries), *sorted)
            }
            _ => field.data_type().clone(),
        },
        same => same.clone(),
    };
    Field::new(field.name(), data_type, field.is_nullable())
}

fn column(field: &Field) -> Result<ParquetColumn> {
    check_nested(field.name(), field.data_type())?;
    let (travels, carry) = Carry::plan(field);
    let type_refused = || Error::ColumnType {
        column: field.name().clone(),
        data_type: field.data_type().to_string(),
    };
    let schema = Arc::new(Schema::new(vec![travels]));
    // With its names of the inner fields of lists and maps, which the format prescribes.
    let converter = ArrowSchemaConverter::new().with_coerce_types(true);
    let descriptor = converter.convert(&schema).map_err(|_| type_refused())?;
    let made = descriptor.root_schema_ptr();
    let fields = made.get_fields().iter().zip(schema.fields());
    let marked: ParquetResult<_> =
        fields.map(|(made, field)| with_json(made, field)).collect::<ParquetResult<Vec<_>>>();
    let marked = marked.map_err(|_| type_refused())?;
    let root = Type::group_type_builder("schema").with_fields(marked).build();
    Ok(ParquetColumn { root: Arc::new(root.map_err(|_| type_refused())?), schema, carry })
}

fn refuse<T>(problem: String) -> Result<T> {
    Err(Error::Schema { format: "parquet", problem })
}

fn check_names<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return refuse(format!(
                "{what} are called \"{name}\", and readers find columns by their names; give one \
                 of them another name"
            ));
        }
    }
    Ok(())
}

/// Refuses what the format has no way to say in the fields below a column.
fn check_nested(column: &str, data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Struct(fields) => {
            if fields.is_empty() {
                return refuse(format!(
                    "column \"{column}\" has a struct without fields, which the format does not \
                     know; leave it out of the query"
                ));
            }
            let names = fields.iter().map(|field| field.name().as_str());
            check_names(&format!("two fields in column \"{column}\""), names)?;
            fields.iter().try_for_each(|field| check_nested(column, field.data_type()))
        }
        DataType::FixedSizeList(_, 0) => refuse(format!(
            "column \"{column}\" has lists of the fixed length 0, which the format does not know; \
             leave it out of the query"
        )),
        DataType::List(of)
        | DataType::LargeList(of)
        | DataType::FixedSizeList(of, _)
        | DataType::Map(of, _)
        | DataType::RunEndEncoded(_, of) => check_nested(column, of.data_type()),
        DataType::Dictionary(_, values) => check_nested(column, values),
        _ => Ok(()),
    }
}

/// The type with the texts marked as JSON whose fields say that they are.
fn with_json(made: &TypePtr, field: &Field) -> ParquetResult<TypePtr> {
    let again = |fields: Vec<TypePtr>| group(made, fields).map(Arc::new);
    let inside: &[_] = if made.is_group() { made.get_fields() } else { &[] };
    match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if is_json(field) => {
            Type::primitive_type_builder(made.name(), made.get_physical_type())
                .with_repetition(made.get_basic_info().repetition())
                .with_logical_type(Some(LogicalType::Json))
                .build()
                .map(Arc::new)
        }
        DataType::Struct(fields) => {
            let marked = inside.iter().zip(fields).map(|(made, field)| with_json(made, field));
            again(marked.collect::<ParquetResult<_>>()?)
        }
        // Both have a repeated group in between: `list` and `key_value`.
        DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _) => {
            let Some(list) = inside.first() else { return Ok(made.clone()) };
            let of = with_json(&list.get_fields()[0], of)?;
            again(vec![Arc::new(group(list, vec![of])?)])
        }
        DataType::Map(entries, _) => {
            let (Some(pairs), DataType::Struct(fields)) = (inside.first(), entries.data_type())
            else {
                return Ok(made.clone());
            };
            let marked = pairs.get_fields().iter().zip(fields);
            let marked = marked.map(|(made, field)| with_json(made, field));
            again(vec![Arc::new(group(pairs, marked.collect::<ParquetResult<_>>()?)?)])
        }
        _ => Ok(made.clone()),
    }
}

fn is_json(field: &Field) -> bool {
    field.metadata().get(EXTENSION_NAME).is_some_and(|name| name == EXTENSION_JSON)
}

/// The group with other fields.
fn group(made: &Type, fields: Vec<TypePtr>) -> ParquetResult<Type> {
    let info = made.get_basic_info();
    let repetition = if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED };
    Type::group_type_builder(made.name())
        .with_fields(fields)
        .with_repetition(repetition)
        .with_logical_type(info.logical_type_ref().cloned())
        .build()
}
