//! Numbers of rows: a column in front of a result, for exports that want one.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::StreamExt;
use outhaul_exports::Error;
use outhaul_exports::flow::RowStream;

/// The same rows, each behind its number, from 1.
pub(super) fn numbered(rows: RowStream, heading: &str) -> RowStream {
    let number = Field::new(heading, DataType::Int64, false);
    let fields = std::iter::once(Arc::new(number)).chain(rows.schema.fields().iter().cloned());
    let schema: SchemaRef = Arc::new(Schema::new_with_metadata(
        fields.collect::<Vec<_>>(),
        rows.schema.metadata.clone(),
    ));
    let own = schema.clone();
    let mut next = 1_i64;
    let batches = rows.batches.map(move |batch| {
        let batch = batch?;
        let count = i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(next..next + count));
        next += count;
        let columns = std::iter::once(numbers).chain(batch.columns().iter().cloned());
        RecordBatch::try_new(own.clone(), columns.collect())
            .map_err(|error| Error::internal(format!("rows cannot be numbered: {error}")))
    });
    RowStream { schema, batches: Box::pin(batches), ..rows }
}
