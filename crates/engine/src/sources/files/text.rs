//! Text files: the headings of CSV, the keys of NDJSON, and what types their values look like.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use outhaul_exports::catalog::{FieldType, Object};
use outhaul_exports::{Error, Result};

use super::provider::PinnedFiles;
use crate::error::source;

/// Bytes at the beginning of a text file from which its columns are told.
const SAMPLE_BYTES: u64 = 1024 * 1024;
/// Rows of a text file from which its types are guessed.
pub(super) const SAMPLE_ROWS: usize = 1_000;

impl PinnedFiles {
    /// The headings of a text file. All its values are text at first: a value of another tenant
    /// that cannot be read as what the catalog says must not be able to fail anything here.
    pub(super) async fn csv(&self, object: &str, files: &[ObjectMeta]) -> Result<SchemaRef> {
        let mut first: Option<SchemaRef> = None;
        for file in files {
            let names = self.csv_guess(object, file, 0).await?;
            let fields = names.fields().iter();
            let schema: SchemaRef = Arc::new(Schema::new(
                fields.map(|f| Field::new(f.name(), DataType::Utf8View, true)).collect::<Vec<_>>(),
            ));
            match &first {
                None => first = Some(schema),
                Some(first) if *first == schema => {}
                Some(_) => {
                    let text = format!("object {object}: its csv files differ in their headings");
                    return Err(Error::invalid(object, text));
                }
            }
        }
        Ok(first.unwrap_or_else(|| Arc::new(Schema::empty())))
    }

    pub(super) async fn csv_guess(
        &self,
        object: &str,
        file: &ObjectMeta,
        rows: usize,
    ) -> Result<Schema> {
        let sample = self.sample(object, file).await?;
        let format = datafusion::arrow::csv::reader::Format::default().with_header(true);
        let (schema, _) = format
            .infer_schema(sample.as_slice(), Some(rows))
            .map_err(|cause| source(object, cause.into()))?;
        Ok(schema)
    }

    pub(super) async fn json(&self, object: &str, files: &[ObjectMeta]) -> Result<Schema> {
        let Some(first) = files.first() else { return Ok(Schema::empty()) };
        let sample = self.sample(object, first).await?;
        let (schema, _) = datafusion::arrow::json::reader::infer_json_schema(
            sample.as_slice(),
            Some(SAMPLE_ROWS),
        )
        .map_err(|cause| source(object, cause.into()))?;
        Ok(schema)
    }

    /// Whole lines from the beginning of a file.
    async fn sample(&self, object: &str, file: &ObjectMeta) -> Result<Vec<u8>> {
        if file.size == 0 {
            return Ok(Vec::new());
        }
        let range = Some(GetRange::Bounded(0..file.size.min(SAMPLE_BYTES)));
        let options = GetOptions { range, ..GetOptions::default() };
        let read = async { self.store.get_opts(&file.location, options).await?.bytes().await };
        let bytes = read.await.map_err(|cause| source(object, DataFusionError::from(cause)))?;
        let mut bytes = bytes.to_vec();
        if file.size > SAMPLE_BYTES
            && let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n')
        {
            bytes.truncate(end + 1);
        }
        Ok(bytes)
    }
}

/// The types with which lines of JSON are read: what the catalog says where JSON can say it, text
/// where it cannot, and what the first lines show for everything else.
pub(super) fn declare(guessed: &Schema, declared: Option<&Object>, decimal_digits: u8) -> Schema {
    let mut fields: Vec<Field> = guessed
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 | DataType::Null => Field::new(field.name(), DataType::Utf8View, true),
            other => Field::new(field.name(), other.clone(), true),
        })
        .collect();
    for wanted in declared.into_iter().flat_map(|object| &object.fields) {
        let data_type = match wanted.field_type {
            FieldType::Integer => DataType::Int64,
            FieldType::Decimal => DataType::Decimal128(38, decimal_digits.cast_signed()),
            FieldType::Float => DataType::Float64,
            FieldType::Boolean => DataType::Boolean,
            FieldType::Text | FieldType::Date | FieldType::Timestamp | FieldType::Time => {
                DataType::Utf8View
            }
            FieldType::Binary | FieldType::Json => continue,
        };
        let field = Field::new(&wanted.column, data_type, true);
        match fields.iter_mut().find(|known| *known.name() == wanted.column) {
            Some(known) => *known = field,
            None => fields.push(field),
        }
    }
    Schema::new(fields)
}
