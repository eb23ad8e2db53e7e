//! From the rows of a binary COPY to batches.
//!
//! The server sends one message for each row, the first with a header before it and the last with
//! a mark that there are no more (PostgreSQL documentation, "COPY", "Binary Format", and
//! "Message Flow", "COPY Operations"). A row is a count of fields, and of each field its length and
//! its bytes; a length of -1 is a missing value.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryViewBuilder, BooleanBuilder, Date32Builder, Decimal128Builder,
    Decimal256Builder, Float32Builder, Float64Builder, Int64Builder, RecordBatch,
    RecordBatchOptions, StringViewBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::SchemaRef;

use super::number::{self, Numeric};
use super::types::{Column, Form};

/// Bytes of a batch, about, where its rows are long.
const BATCH_BYTES: usize = 512 * 1024;

/// What the stream begins with: the signature, flags, and the length of an extension of the header.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
const HEADER_BYTES: usize = 19;

/// Days and microseconds from the first day of 1970 to that of 2000, where PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// Why rows cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    /// What the server sends is not what its documentation says.
    #[error("the server does not send rows as it should")]
    Protocol,
    /// A value for which the column's type has no place; the column and what it is.
    #[error("column {column} holds {what}")]
    Value { column: String, what: &'static str },
}

/// Rows on their way into batches.
pub(super) struct Decoder {
    schema: SchemaRef,
    columns: Vec<(String, Builder)>,
    rows: usize,
    bytes: usize,
    batch_rows: usize,
    begun: bool,
}

impl Decoder {
    /// For columns that are asked for in this order.
    pub(super) fn new<'a>(
        schema: SchemaRef,
        columns: impl IntoIterator<Item = &'a Column>,
        batch_rows: usize,
    ) -> Self {
        let columns =
            columns.into_iter().map(|c| (c.name.clone(), Builder::of(c.form, batch_rows)));
        let columns = columns.collect();
        Self { schema, columns, rows: 0, bytes: 0, batch_rows, begun: false }
    }

    /// Takes a message; answers a batch when one is full.
    pub(super) fn take(&mut self, mut message: &[u8]) -> Result<Option<RecordBatch>, Wrong> {
        if !self.begun {
            let header = message.split_at_checked(HEADER_BYTES).ok_or(Wrong::Protocol)?;
            if !header.0.starts_with(SIGNATURE) || header.0[SIGNATURE.len()..] != [0; 8] {
                return Err(Wrong::Protocol);
            }
            (self.begun, message) = (true, header.1);
        }
        while !message.is_empty() {
            let whole = message.len();
            let Some(rest) = self.row(message)? else { return Ok(None) };
            self.rows += 1;
            self.bytes += whole - rest.len();
            message = rest;
        }
        let full = self.rows >= self.batch_rows || self.bytes >= BATCH_BYTES;
        if full { self.batch().map(Some) } else { Ok(None) }
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> Result<Option<RecordBatch>, Wrong> {
        self.begun = false;
        if self.rows == 0 { Ok(None) } else { self.batch().map(Some) }
    }

    /// Reads one row and answers what follows it; `None` at the end of all rows.
    fn row<'m>(&mut self, message: &'m [u8]) -> Result<Option<&'m [u8]>, Wrong> {
        let (count, mut rest) = message.split_first_chunk().ok_or(Wrong::Protocol)?;
        let count = i16::from_be_bytes(*count);
        if count == -1 {
            return Ok(None);
        }
        if usize::try_from(count) != Ok(self.columns.len()) {
            return Err(Wrong::Protocol);
        }
        for (name, column) in &mut self.columns {
            let (length, after) = rest.split_first_chunk().ok_or(Wrong::Protocol)?;
            rest = match usize::try_from(i32::from_be_bytes(*length)) {
                Err(_) => {
                    column.append_null();
                    after
                }
                Ok(length) => {
                    let (value, after) = after.split_at_checked(length).ok_or(Wrong::Protocol)?;
                    column.append(value).map_err(|wrong| wrong.of(name))?;
                    after
                }
            };
        }
        Ok(Some(rest))
    }

    fn batch(&mut self) -> Result<RecordBatch, Wrong> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let columns = self.columns.iter_mut().map(|(_, column)| column.finish()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|_| Wrong::Protocol)
    }
}

/// Why a value cannot be read.
enum Unread {
    Malformed,
    /// What it is that has no place.
    NoPlace(&'static str),
}

impl Unread {
    fn of(self, column: &str) -> Wrong {
        match self {
            Self::Malformed => Wrong::Protocol,
            Self::NoPlace(what) => Wrong::Value { column: column.to_owned(), what },
        }
    }
}

/// The values of one column.
enum Builder {
    Bool(BooleanBuilder),
    Int2(Int64Builder),
    Int4(Int64Builder),
    Int8(Int64Builder),
    Unsigned(Int64Builder),
    Float4(Float32Builder),
    Float8(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Wide(Decimal256Builder, u8, i8),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Uuid(StringViewBuilder),
    Bytes(BinaryViewBuilder),
    Text(StringViewBuilder),
    Jsonb(StringViewBuilder),
}

impl Builder {
    fn of(form: Form, rows: usize) -> Self {
        let data_type = form.data_type();
        match form {
            Form::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            Form::Whole(2) => Self::Int2(Int64Builder::with_capacity(rows)),
            Form::Whole(4) => Self::Int4(Int64Builder::with_capacity(rows)),
            Form::Whole(_) => Self::Int8(Int64Builder::with_capacity(rows)),
            Form::Unsigned => Self::Unsigned(Int64Builder::with_capacity(rows)),
            Form::Float4 => Self::Float4(Float32Builder::with_capacity(rows)),
            Form::Float8 => Self::Float8(Float64Builder::with_capacity(rows)),
            Form::Decimal { precision, scale } => {
                let builder = Decimal128Builder::with_capacity(rows).with_data_type(data_type);
                Self::Decimal(builder, precision, scale)
            }
            Form::Wide { precision, scale } => {
                let builder = Decimal256Builder::with_capacity(rows).with_data_type(data_type);
                Self::Wide(builder, precision, scale)
            }
            Form::Date => Self::Date(Date32Builder::with_capacity(rows)),
            Form::Time => Self::Time(Time64MicrosecondBuilder::with_capacity(rows)),
            Form::Timestamp => {
                let builder = TimestampMicrosecondBuilder::with_capacity(rows);
                Self::Timestamp(builder.with_data_type(data_type))
            }
            Form::Uuid => Self::Uuid(StringViewBuilder::with_capacity(rows)),
            Form::Bytes => Self::Bytes(BinaryViewBuilder::with_capacity(rows)),
            Form::Text => Self::Text(StringViewBuilder::with_capacity(rows)),
            Form::Jsonb => Self::Jsonb(StringViewBuilder::with_capacity(rows)),
        }
    }

    fn append_null(&mut self) {
        match self {
            Self::Bool(builder) => builder.append_null(),
            Self::Int2(builder)
            | Self::Int4(builder)
            | Self::Int8(builder)
            | Self::Unsigned(builder) => builder.append_null(),
            Self::Float4(builder) => builder.append_null(),
            Self::Float8(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::Wide(builder, ..) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::Bytes(builder) => builder.append_null(),
            Self::Uuid(builder) | Self::Text(builder) | Self::Jsonb(builder) => {
                builder.append_null();
            }
        }
    }

    #[inline]
    fn append(&mut self, value: &[u8]) -> Result<(), Unread> {
        match self {
            Self::Bool(builder) => builder.append_value(exactly::<1>(value)? != [0]),
            Self::Int2(builder) => builder.append_value(i16::from_be_bytes(exactly(value)?).into()),
            Self::Int4(builder) => builder.append_value(i32::from_be_bytes(exactly(value)?).into()),
            Self::Int8(builder) => builder.append_value(i64::from_be_bytes(exactly(value)?)),
            Self::Unsigned(builder) => {
                builder.append_value(u32::from_be_bytes(exactly(value)?).into());
            }
            Self::Float4(builder) => builder.append_value(f32::from_be_bytes(exactly(value)?)),
            Self::Float8(builder) => builder.append_value(f64::from_be_bytes(exactly(value)?)),
            Self::Decimal(builder, precision, scale) => {
                let number = Numeric::read(value).ok_or(Unread::Malformed)?;
                let number = number.decimal(*precision, *scale).map_err(Unread::NoPlace)?;
                builder.append_value(number);
            }
            Self::Wide(builder, precision, scale) => {
                let number = Numeric::read(value).ok_or(Unread::Malformed)?;
                let number = number.wide(*precision, *scale).map_err(Unread::NoPlace)?;
                builder.append_value(number);
            }
            Self::Date(builder) => builder.append_value(date(exactly(value)?)?),
            Self::Time(builder) => builder.append_value(time(exactly(value)?)?),
            Self::Timestamp(builder) => builder.append_value(timestamp(exactly(value)?)?),
            Self::Uuid(builder) => {
                builder.append_value(number::uuid(&exactly(value)?, &mut [0; 36]));
            }
            Self::Bytes(builder) => builder.append_value(value),
            Self::Text(builder) => builder.append_value(text(value)?),
            Self::Jsonb(builder) => match value.split_first() {
                Some((1, rest)) => builder.append_value(text(rest)?),
                _ => return Err(Unread::Malformed),
            },
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Int2(builder)
            | Self::Int4(builder)
            | Self::Int8(builder)
            | Self::Unsigned(builder) => Arc::new(builder.finish()),
            Self::Float4(builder) => Arc::new(builder.finish()),
            Self::Float8(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, ..) => Arc::new(builder.finish()),
            Self::Wide(builder, ..) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => Arc::new(builder.finish()),
            Self::Uuid(builder) | Self::Text(builder) | Self::Jsonb(builder) => {
                Arc::new(builder.finish())
            }
        }
    }
}

fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], Unread> {
    value.try_into().map_err(|_| Unread::Malformed)
}

fn text(value: &[u8]) -> Result<&str, Unread> {
    let wrong = Unread::NoPlace("text that is not in UTF-8");
    std::str::from_utf8(value).map_err(|_| wrong)
}

fn date(value: [u8; 4]) -> Result<i32, Unread> {
    match i32::from_be_bytes(value) {
        i32::MIN | i32::MAX => Err(Unread::NoPlace("the date infinity")),
        days => days.checked_add(EPOCH_DAYS).ok_or(Unread::Malformed),
    }
}

fn time(value: [u8; 8]) -> Result<i64, Unread> {
    match i64::from_be_bytes(value) {
        DAY_MICROS => Err(Unread::NoPlace("the time 24:00:00")),
        micros => Ok(micros),
    }
}

fn timestamp(value: [u8; 8]) -> Result<i64, Unread> {
    match i64::from_be_bytes(value) {
        i64::MIN | i64::MAX => Err(Unread::NoPlace("the moment infinity")),
        micros => micros.checked_add(EPOCH_MICROS).ok_or(Unread::NoPlace("a moment too far away")),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::{Field, Int64Type, Schema};
    use outhaul_exports::catalog::FieldType;

    use super::*;
    use crate::sources::postgres::types::Described;

    fn decoder(builtin: &str, batch_rows: usize) -> Decoder {
        let described = Described {
            name: "c".into(),
            shown: builtin.into(),
            nullable: true,
            comment: None,
            builtin: Some(builtin.into()),
            type_name: builtin.into(),
            type_kind: b'b',
            category: b'S',
            modifier: -1,
            deterministic: true,
        };
        let column = Column::of(&described, None::<FieldType>, 2);
        let field = Field::new("c", column.form.data_type(), true);
        Decoder::new(Arc::new(Schema::new(vec![field])), [&column], batch_rows)
    }

    fn row(value: &[u8]) -> Vec<u8> {
        let length = i32::try_from(value.len()).expect("short").to_be_bytes();
        [&[0, 1], length.as_slice(), value].concat()
    }

    fn header() -> Vec<u8> {
        [SIGNATURE.as_slice(), &[0; 8]].concat()
    }

    #[test]
    fn rows_become_batches_of_the_size_asked_for() {
        let mut decoder = decoder("int8", 2);
        let first = [header(), row(&7_i64.to_be_bytes())].concat();
        assert_eq!(decoder.take(&first).expect("read"), None);
        let null = [0, 1, 0xff, 0xff, 0xff, 0xff];
        let batch = decoder.take(&null).expect("read").expect("two rows");
        let values: Vec<_> = batch.column(0).as_primitive::<Int64Type>().iter().collect();
        assert_eq!(values, [Some(7), None]);
        assert_eq!(decoder.take(&[0xff, 0xff]).expect("the end"), None);
        assert_eq!(decoder.finish().expect("nothing left"), None);
    }

    #[test]
    fn what_is_not_rows_is_refused() {
        for message in [
            b"PGCOPY".to_vec(),
            [b"QGCOPY\n\xff\r\n\0".as_slice(), &[0; 8]].concat(),
            [header(), vec![0, 2]].concat(),
            [header(), vec![0]].concat(),
            [header(), vec![0, 1, 0, 0, 0, 9, 1]].concat(),
            [header(), row(&[1])].concat(),
        ] {
            let mut decoder = decoder("int8", 2);
            assert_eq!(decoder.take(&message), Err(Wrong::Protocol), "{message:?}");
        }
    }

    #[test]
    fn a_value_without_a_place_is_named_by_its_column() {
        for (builtin, value, what) in [
            ("date", i32::MAX.to_be_bytes().to_vec(), "the date infinity"),
            ("timestamptz", i64::MIN.to_be_bytes().to_vec(), "the moment infinity"),
            ("time", DAY_MICROS.to_be_bytes().to_vec(), "the time 24:00:00"),
            ("numeric", vec![0, 0, 0, 0, 0xC0, 0, 0, 0], "NaN"),
            ("text", vec![0xff], "text that is not in UTF-8"),
        ] {
            let wrong = decoder(builtin, 2).take(&[header(), row(&value)].concat());
            let told = Wrong::Value { column: "c".into(), what };
            assert_eq!(wrong, Err(told), "{builtin}");
        }
    }
}
