//! How rows and bytes travel between the rooms.

use std::pin::Pin;

use arrow_array::RecordBatch;
use arrow_schema::extension::{EXTENSION_TYPE_METADATA_KEY, EXTENSION_TYPE_NAME_KEY};
use arrow_schema::{DataType, Field, SchemaRef};
use bytes::Bytes;
use futures::Stream;

use crate::Result;
use crate::manifest::Warning;

/// Batches of rows, in the order of the result.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// Bytes of an artifact.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Name of Arrow's canonical extension type for JSON in text.
const JSON_EXTENSION: &str = "arrow.json";

/// Marks a column of text as one of JSON values, as Arrow's canonical extension types have it.
#[must_use]
pub fn marked_as_json(field: Field) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(EXTENSION_TYPE_NAME_KEY.to_owned(), JSON_EXTENSION.to_owned());
    metadata.insert(EXTENSION_TYPE_METADATA_KEY.to_owned(), String::new());
    field.with_metadata(metadata)
}

/// Whether the texts of a column are JSON values.
pub fn is_json_text(field: &Field) -> bool {
    let text =
        matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    text && field.metadata().get(EXTENSION_TYPE_NAME_KEY).is_some_and(|name| name == JSON_EXTENSION)
}

/// The rows of one query.
pub struct RowStream {
    /// Columns of the result; field names are the output labels. Text of JSON values is marked
    /// (see [`is_json_text`]), here and in each batch.
    pub schema: SchemaRef,
    /// How many rows are expected, where the source can tell.
    pub estimated_rows: Option<u64>,
    /// What the reader of the rows must know, as far as it is known before the first.
    pub warnings: Vec<Warning>,
    /// The rows.
    pub batches: BatchStream,
}
