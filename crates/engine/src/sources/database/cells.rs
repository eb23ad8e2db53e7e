//! Batches in the making: the values of columns, row by row, until there are enough of them.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryViewBuilder, BooleanBuilder, Date32Builder, Decimal128Builder,
    Decimal256Builder, Float32Builder, Float64Builder, Int64Builder, RecordBatch,
    RecordBatchOptions, StringViewBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use outhaul_exports::Error;

/// Bytes of a batch, about, where its rows are long.
const BATCH_BYTES: usize = 1024 * 1024;

/// A value for which the type of its column has no place. Never says which value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoPlace {
    pub(crate) column: String,
    /// What it is, such as `the date 0000-00-00`.
    pub(crate) what: &'static str,
}

impl NoPlace {
    /// For whoever asked for the object.
    pub(crate) fn told(&self, object: &str) -> Error {
        let Self { column, what } = self;
        Error::unavailable(format!(
            "source_data: object {object}: column {column} holds {what}, for which its type has no \
             place; declare its field as text, or correct the data"
        ))
    }
}

/// The values of one column. What a value is, its type here knows; where it comes from, it does not.
#[derive(Debug)]
pub(crate) enum Cells {
    Bool(BooleanBuilder),
    Whole(Int64Builder),
    Single(Float32Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder),
    Wide(Decimal256Builder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Moment(TimestampMicrosecondBuilder),
    Bytes(BinaryViewBuilder),
    Text(StringViewBuilder),
}

impl Cells {
    /// For a column of one of the types that databases are read as; text for every other.
    fn of(data_type: &DataType, rows: usize) -> Self {
        let of_type = data_type.clone();
        match data_type {
            DataType::Boolean => Self::Bool(BooleanBuilder::with_capacity(rows)),
            DataType::Int64 => Self::Whole(Int64Builder::with_capacity(rows)),
            DataType::Float32 => Self::Single(Float32Builder::with_capacity(rows)),
            DataType::Float64 => Self::Double(Float64Builder::with_capacity(rows)),
            DataType::Decimal128(_, _) => {
                Self::Decimal(Decimal128Builder::with_capacity(rows).with_data_type(of_type))
            }
            DataType::Decimal256(_, _) => {
                Self::Wide(Decimal256Builder::with_capacity(rows).with_data_type(of_type))
            }
            DataType::Date32 => Self::Date(Date32Builder::with_capacity(rows)),
            DataType::Time64(_) => Self::Time(Time64MicrosecondBuilder::with_capacity(rows)),
            DataType::Timestamp(_, _) => {
                let builder = TimestampMicrosecondBuilder::with_capacity(rows);
                Self::Moment(builder.with_data_type(of_type))
            }
            DataType::BinaryView => Self::Bytes(BinaryViewBuilder::with_capacity(rows)),
            _ => Self::Text(StringViewBuilder::with_capacity(rows)),
        }
    }

    /// A value that is missing.
    pub(crate) fn append_null(&mut self) {
        match self {
            Self::Bool(cells) => cells.append_null(),
            Self::Whole(cells) => cells.append_null(),
            Self::Single(cells) => cells.append_null(),
            Self::Double(cells) => cells.append_null(),
            Self::Decimal(cells) => cells.append_null(),
            Self::Wide(cells) => cells.append_null(),
            Self::Date(cells) => cells.append_null(),
            Self::Time(cells) => cells.append_null(),
            Self::Moment(cells) => cells.append_null(),
            Self::Bytes(cells) => cells.append_null(),
            Self::Text(cells) => cells.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(cells) => Arc::new(cells.finish()),
            Self::Whole(cells) => Arc::new(cells.finish()),
            Self::Single(cells) => Arc::new(cells.finish()),
            Self::Double(cells) => Arc::new(cells.finish()),
            Self::Decimal(cells) => Arc::new(cells.finish()),
            Self::Wide(cells) => Arc::new(cells.finish()),
            Self::Date(cells) => Arc::new(cells.finish()),
            Self::Time(cells) => Arc::new(cells.finish()),
            Self::Moment(cells) => Arc::new(cells.finish()),
            Self::Bytes(cells) => Arc::new(cells.finish()),
            Self::Text(cells) => Arc::new(cells.finish()),
        }
    }
}

/// Rows on their way into batches, which are bounded by rows and by bytes.
#[derive(Debug)]
pub(crate) struct Rows {
    schema: SchemaRef,
    columns: Vec<Cells>,
    rows: usize,
    bytes: usize,
    batch_rows: usize,
}

impl Rows {
    pub(crate) fn new(schema: SchemaRef, batch_rows: usize) -> Self {
        let columns = schema.fields().iter().map(|f| Cells::of(f.data_type(), batch_rows));
        let columns = columns.collect();
        Self { schema, columns, rows: 0, bytes: 0, batch_rows }
    }

    /// The columns, to each of which the row in hand gives one value.
    pub(crate) fn columns(&mut self) -> &mut [Cells] {
        &mut self.columns
    }

    /// A row of so many bytes has given its values; answers a batch when one is full.
    pub(crate) fn end_row(&mut self, bytes: usize) -> Result<Option<RecordBatch>, Error> {
        self.rows += 1;
        self.bytes += bytes;
        let full = self.rows >= self.batch_rows || self.bytes >= BATCH_BYTES;
        if full { self.batch().map(Some) } else { Ok(None) }
    }

    /// What is left at the end.
    pub(crate) fn finish(&mut self) -> Result<Option<RecordBatch>, Error> {
        if self.rows == 0 { Ok(None) } else { self.batch().map(Some) }
    }

    fn batch(&mut self) -> Result<RecordBatch, Error> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let columns = self.columns.iter_mut().map(Cells::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|cause| Error::internal("a batch is not of its schema").with_source(cause))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn a_batch_is_bounded_by_rows_and_by_bytes() {
        let schema = Arc::new(Schema::new(vec![Field::new("c", DataType::Utf8View, true)]));
        let mut rows = Rows::new(schema, 3);
        let mut sizes = Vec::new();
        for bytes in [1, 1, 1, BATCH_BYTES, 1, BATCH_BYTES / 2, 7] {
            rows.columns()[0].append_null();
            sizes.push(rows.end_row(bytes).expect("sound").map(|batch| batch.num_rows()));
        }
        assert_eq!(sizes, [None, None, Some(3), Some(1), None, None, Some(3)]);
        assert!(rows.finish().expect("sound").is_none());
    }
}
