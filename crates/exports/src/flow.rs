//! How rows and bytes travel between the rooms.

use std::pin::Pin;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::Stream;

use crate::Result;

/// Batches of rows, in the order of the result.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// Bytes of an artifact.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// The rows of one query.
pub struct RowStream {
    /// Columns of the result; field names are the output labels.
    pub schema: SchemaRef,
    /// How many rows are expected, where the source can tell.
    pub estimated_rows: Option<u64>,
    /// The rows.
    pub batches: BatchStream,
}
