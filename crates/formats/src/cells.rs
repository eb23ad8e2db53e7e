//! How a value becomes text: the one table of rules behind every text format. `docs/values.md` is
//! the same table for readers.
//!
//! A `Column` is resolved once per batch: its type is matched there, and what remains per cell is
//! one jump on a small enum and the digits. Formats add only their escaping, by `Escape`. What a
//! spreadsheet shows as a number or a date is decided in `xlsx`, with the same digits.

mod buf;
pub(crate) mod digits;
pub(crate) mod embed;
pub(crate) mod json;
pub(crate) mod quote;
mod span;
pub(crate) mod time;

use arrow_array::cast::AsArray;
use arrow_array::types::{self, ArrowPrimitiveType, RunEndIndexType};
use arrow_array::{Array, ArrayRef, BooleanArray, GenericByteArray, RecordBatch, RunArray};
use arrow_buffer::{Buffer, NullBuffer, i256};
use arrow_schema::{DataType, TimeUnit};

pub use buf::Buf;

use crate::error::{Error, Result};
use crate::options::{Binary, Decimals, ValueOptions};
use time::{Stamp, Zone};

/// What a format does with text: quoting, escaping, or nothing.
pub(crate) trait Escape {
    /// Writes one text cell. The bytes are UTF-8.
    fn text(&mut self, out: &mut Buf, text: &[u8]);
    /// Writes a null.
    fn null(&mut self, out: &mut Buf);
}

/// One column of a batch, ready to be written cell by cell.
pub(crate) struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    pub(crate) kind: Kind<'a>,
}

/// The values of a column by the rule that writes them.
pub(crate) enum Kind<'a> {
    Null,
    Bool(&'a BooleanArray),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F16(&'a [<types::Float16Type as ArrowPrimitiveType>::Native]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    D32(&'a [i32], Scale),
    D64(&'a [i64], Scale),
    D128(&'a [i128], Scale),
    D256(&'a [i256], Scale),
    /// Days.
    Date32(&'a [i32]),
    /// Milliseconds; the time of day, which Arrow says is zero, is not shown.
    Date64(&'a [i64]),
    Time32(&'a [i32], i64),
    Time64(&'a [i64], i64),
    Stamp(&'a [i64], Stamp),
    Text(Texts<'a>),
    Bytes(Texts<'a>, Binary, Buf),
    /// Values found by an index per row: dictionaries and runs.
    Indexed(Vec<usize>, Box<Column<'a>>),
    /// Lists, structs and maps as JSON text.
    Json(Box<json::Json<'a>>, Buf),
    /// Durations and intervals in ISO 8601.
    Span(span::Spans<'a>, Buf),
}

/// Scale of a decimal column and whether its zeros are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) digits: i8,
    pub(crate) trim: bool,
}

/// Variable-length values in Arrow's three layouts and the fixed one.
pub(crate) enum Texts<'a> {
    Small(&'a [i32], &'a [u8]),
    Large(&'a [i64], &'a [u8]),
    View(&'a [u128], &'a [Buffer]),
    Fixed(usize, &'a [u8]),
}

impl<'a> Texts<'a> {
    /// The bytes of a row.
    #[inline(always)]
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        match self {
            Self::Small(offsets, bytes) => &bytes[offsets[row] as usize..offsets[row + 1] as usize],
            Self::Large(offsets, bytes) => &bytes[offsets[row] as usize..offsets[row + 1] as usize],
            Self::View(views, buffers) => {
                // Arrow's view layout: length in the low 32 bits; up to 12 bytes stand in the view
                // itself, longer values are found by buffer index and offset.
                let view = &views[row];
                let len = *view as u32 as usize;
                if len <= 12 {
                    &bytes_of(view)[4..4 + len]
                } else {
                    let buffer = (*view >> 64) as u32 as usize;
                    let start = (*view >> 96) as u32 as usize;
                    &buffers[buffer][start..start + len]
                }
            }
            Self::Fixed(width, bytes) => &bytes[row * width..(row + 1) * width],
        }
    }
}

/// The memory of a view. The layout of a view is defined on little-endian bytes, which is what
/// `arrow_buffer` keeps; the conversion is checked by the type of `ToByteSlice`.
#[inline(always)]
fn bytes_of(view: &u128) -> &[u8] {
    use arrow_buffer::ToByteSlice;
    view.to_byte_slice()
}

fn values<T: ArrowPrimitiveType>(array: &ArrayRef) -> &[T::Native] {
    array.as_primitive::<T>().values()
}

impl<'a> Column<'a> {
    /// Resolves one column. `name` is only for errors.
    pub(crate) fn resolve(name: &str, array: &'a ArrayRef, options: &ValueOptions) -> Result<Self> {
        let kind = Kind::resolve(name, array, options)?;
        // The values of a dictionary or a run may be null behind a valid index; the inner column
        // answers for those. A null array has no bitmap of its own.
        let nulls = match kind {
            Kind::Null => None,
            _ => array.nulls().filter(|nulls| nulls.null_count() > 0),
        };
        Ok(Self { nulls, kind })
    }

    /// Resolves all columns of a batch.
    pub(crate) fn resolve_all(batch: &'a RecordBatch, options: &ValueOptions) -> Result<Vec<Self>> {
        batch
            .columns()
            .iter()
            .zip(batch.schema_ref().fields())
            .map(|(array, field)| Self::resolve(field.name(), array, options))
            .collect()
    }

    /// True when the row is null.
    #[inline(always)]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return true;
        }
        match &self.kind {
            Kind::Null => true,
            Kind::Indexed(keys, inner) => inner.is_null(keys[row]),
            _ => false,
        }
    }

    /// Writes the cell of a row.
    #[inline(always)]
    pub(crate) fn write<E: Escape>(&mut self, row: usize, out: &mut Buf, escape: &mut E) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return escape.null(out);
        }
        match &mut self.kind {
            Kind::Text(texts) => escape.text(out, texts.get(row)),
            Kind::I64(values) => digits::signed(out, values[row]),
            Kind::I32(values) => digits::signed(out, values[row].into()),
            Kind::D128(values, scale) => decimal_128(out, values[row], *scale),
            Kind::Date32(values) => time::date(out, values[row].into()),
            Kind::Stamp(values, stamp) => stamp.write(out, values[row]),
            Kind::F64(values) => float64(out, values[row]),
            Kind::Bool(values) => boolean(out, values.value(row)),
            _ => self.write_rare(row, out, escape),
        }
    }

    fn write_rare<E: Escape>(&mut self, row: usize, out: &mut Buf, escape: &mut E) {
        match &mut self.kind {
            Kind::Null => escape.null(out),
            Kind::I8(values) => digits::signed(out, values[row].into()),
            Kind::I16(values) => digits::signed(out, values[row].into()),
            Kind::U8(values) => digits::unsigned(out, values[row].into()),
            Kind::U16(values) => digits::unsigned(out, values[row].into()),
            Kind::U32(values) => digits::unsigned(out, values[row].into()),
            Kind::U64(values) => digits::unsigned(out, values[row]),
            Kind::F16(values) => float32(out, values[row].to_f32()),
            Kind::F32(values) => float32(out, values[row]),
            Kind::D32(values, scale) => decimal_128(out, values[row].into(), *scale),
            Kind::D64(values, scale) => decimal_128(out, values[row].into(), *scale),
            Kind::D256(values, scale) => decimal_256(out, values[row], *scale),
            Kind::Date64(values) => time::date(out, values[row].div_euclid(86_400_000)),
            Kind::Time32(values, per_second) => day_time(out, values[row].into(), *per_second),
            Kind::Time64(values, per_second) => day_time(out, values[row], *per_second),
            Kind::Bytes(texts, style, scratch) => {
                scratch.clear();
                binary(scratch, texts.get(row), *style);
                escape.text(out, scratch.as_slice());
            }
            Kind::Indexed(keys, inner) => {
                let at = keys[row];
                inner.write(at, out, escape);
            }
            Kind::Json(json, scratch) => {
                scratch.clear();
                json.write(row, scratch);
                escape.text(out, scratch.as_slice());
            }
            Kind::Span(spans, scratch) => {
                scratch.clear();
                spans.write(row, scratch);
                escape.text(out, scratch.as_slice());
            }
            // The common kinds are written by the caller.
            _ => self.write(row, out, escape),
        }
    }
}

impl<'a> Kind<'a> {
    fn resolve(name: &str, array: &'a ArrayRef, options: &ValueOptions) -> Result<Self> {
        let scale =
            |digits: &i8| Scale { digits: *digits, trim: options.decimals == Decimals::Trimmed };
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Int8 => Self::I8(values::<types::Int8Type>(array)),
            DataType::Int16 => Self::I16(values::<types::Int16Type>(array)),
            DataType::Int32 => Self::I32(values::<types::Int32Type>(array)),
            DataType::Int64 => Self::I64(values::<types::Int64Type>(array)),
            DataType::UInt8 => Self::U8(values::<types::UInt8Type>(array)),
            DataType::UInt16 => Self::U16(values::<types::UInt16Type>(array)),
            DataType::UInt32 => Self::U32(values::<types::UInt32Type>(array)),
            DataType::UInt64 => Self::U64(values::<types::UInt64Type>(array)),
            DataType::Float16 => Self::F16(values::<types::Float16Type>(array)),
            DataType::Float32 => Self::F32(values::<types::Float32Type>(array)),
            DataType::Float64 => Self::F64(values::<types::Float64Type>(array)),
            DataType::Decimal32(_, s) => Self::D32(values::<types::Decimal32Type>(array), scale(s)),
            DataType::Decimal64(_, s) => Self::D64(values::<types::Decimal64Type>(array), scale(s)),
            DataType::Decimal128(_, s) => {
                Self::D128(values::<types::Decimal128Type>(array), scale(s))
            }
            DataType::Decimal256(_, s) => {
                Self::D256(values::<types::Decimal256Type>(array), scale(s))
            }
            DataType::Date32 => Self::Date32(values::<types::Date32Type>(array)),
            DataType::Date64 => Self::Date64(values::<types::Date64Type>(array)),
            DataType::Time32(unit) => {
                let values = match unit {
                    TimeUnit::Second => values::<types::Time32SecondType>(array),
                    _ => values::<types::Time32MillisecondType>(array),
                };
                Self::Time32(values, time::per_second(*unit))
            }
            DataType::Time64(unit) => {
                let values = match unit {
                    TimeUnit::Microsecond => values::<types::Time64MicrosecondType>(array),
                    _ => values::<types::Time64NanosecondType>(array),
                };
                Self::Time64(values, time::per_second(*unit))
            }
            DataType::Timestamp(unit, zone) => {
                let zone = Zone::resolve(zone.as_deref(), options)?;
                let stamp = Stamp::new(time::per_second(*unit), zone, options);
                Self::Stamp(timestamps(array, *unit), stamp)
            }
            DataType::Utf8 => Self::Text(small(array.as_string::<i32>())),
            DataType::LargeUtf8 => Self::Text(large(array.as_string::<i64>())),
            DataType::Utf8View => {
                let array = array.as_string_view();
                Self::Text(Texts::View(array.views(), array.data_buffers()))
            }
            DataType::Binary => {
                Self::Bytes(small(array.as_binary::<i32>()), options.binary, Buf::default())
            }
            DataType::LargeBinary => {
                Self::Bytes(large(array.as_binary::<i64>()), options.binary, Buf::default())
            }
            DataType::BinaryView => {
                let array = array.as_binary_view();
                let texts = Texts::View(array.views(), array.data_buffers());
                Self::Bytes(texts, options.binary, Buf::default())
            }
            DataType::FixedSizeBinary(width) => {
                let texts =
                    Texts::Fixed(*width as usize, array.as_fixed_size_binary().value_data());
                Self::Bytes(texts, options.binary, Buf::default())
            }
            DataType::Dictionary(_, _) | DataType::RunEndEncoded(_, _) => {
                let (keys, values) = indexed(array)?;
                Self::Indexed(keys, Box::new(Column::resolve(name, values, options)?))
            }
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(_, _)
            | DataType::Struct(_)
            | DataType::Map(_, _) => {
                let rules = json::Rules { values: options, safe_numbers: false, omit_nulls: false };
                Self::Json(Box::new(json::Json::resolve(name, array, rules)?), Buf::default())
            }
            DataType::Duration(unit) => {
                Self::Span(span::Spans::durations(array, *unit), Buf::default())
            }
            DataType::Interval(unit) => {
                Self::Span(span::Spans::intervals(array, *unit), Buf::default())
            }
            other => {
                return Err(Error::ColumnType {
                    column: name.to_owned(),
                    data_type: other.to_string(),
                });
            }
        })
    }
}

/// The index of each row's value, and the values, of a dictionary or of runs.
pub(crate) fn indexed(array: &ArrayRef) -> Result<(Vec<usize>, &ArrayRef)> {
    let DataType::RunEndEncoded(ends, _) = array.data_type() else {
        let dictionary = array.as_any_dictionary();
        // A dictionary without values has only null rows, whose keys are never looked at.
        let keys = match dictionary.values().len() {
            0 => vec![0; array.len()],
            _ => dictionary.normalized_keys(),
        };
        return Ok((keys, dictionary.values()));
    };
    match ends.data_type() {
        DataType::Int16 => runs::<types::Int16Type>(array),
        DataType::Int32 => runs::<types::Int32Type>(array),
        _ => runs::<types::Int64Type>(array),
    }
}

fn runs<R: RunEndIndexType>(array: &ArrayRef) -> Result<(Vec<usize>, &ArrayRef)> {
    let wrong = || Error::Usage("a run array is not of its own type");
    let runs = array.as_any().downcast_ref::<RunArray<R>>().ok_or_else(wrong)?;
    Ok(((0..array.len()).map(|row| runs.get_physical_index(row)).collect(), runs.values()))
}

/// Refuses a schema that has a type without a rule, so that the export fails before its first row.
pub(crate) fn check_types(schema: &arrow_schema::Schema, options: &ValueOptions) -> Result<()> {
    for field in schema.fields() {
        let empty = arrow_array::new_empty_array(field.data_type());
        Column::resolve(field.name(), &empty, options)?;
    }
    Ok(())
}

fn timestamps(array: &ArrayRef, unit: TimeUnit) -> &[i64] {
    match unit {
        TimeUnit::Second => values::<types::TimestampSecondType>(array),
        TimeUnit::Millisecond => values::<types::TimestampMillisecondType>(array),
        TimeUnit::Microsecond => values::<types::TimestampMicrosecondType>(array),
        TimeUnit::Nanosecond => values::<types::TimestampNanosecondType>(array),
    }
}

fn small<T: types::ByteArrayType<Offset = i32>>(array: &GenericByteArray<T>) -> Texts<'_> {
    Texts::Small(array.value_offsets(), array.value_data())
}

fn large<T: types::ByteArrayType<Offset = i64>>(array: &GenericByteArray<T>) -> Texts<'_> {
    Texts::Large(array.value_offsets(), array.value_data())
}

#[inline(always)]
fn boolean(out: &mut Buf, value: bool) {
    if value {
        out.fixed(b"true");
    } else {
        out.fixed(b"false");
    }
}

/// Shortest text that reads back as the same number.
#[inline]
pub(crate) fn float64(out: &mut Buf, value: f64) {
    if value.is_finite() {
        out.slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        not_finite(out, value.is_nan(), value < 0.0);
    }
}

/// Shortest text that reads back as the same 32-bit number.
#[inline]
pub(crate) fn float32(out: &mut Buf, value: f32) {
    if value.is_finite() {
        out.slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        not_finite(out, value.is_nan(), value < 0.0);
    }
}

fn not_finite(out: &mut Buf, nan: bool, negative: bool) {
    out.slice(match (nan, negative) {
        (true, _) => b"NaN",
        (false, true) => b"-Infinity",
        (false, false) => b"Infinity",
    });
}

/// Writes an unscaled 128-bit decimal exactly.
#[inline(always)]
pub(crate) fn decimal_128(out: &mut Buf, value: i128, scale: Scale) {
    let magnitude = value.unsigned_abs();
    if let (Ok(small), 0..) = (u64::try_from(magnitude), scale.digits) {
        digits::decimal_u64(out, value < 0, small, scale.digits as usize, scale.trim);
    } else {
        decimal_wide(out, value < 0, magnitude.to_string(), scale);
    }
}

/// Writes an unscaled 256-bit decimal exactly.
pub(crate) fn decimal_256(out: &mut Buf, value: i256, scale: Scale) {
    if let Some(value) = value.to_i128() {
        return decimal_128(out, value, scale);
    }
    let text = value.to_string();
    let magnitude = text.trim_start_matches('-').to_owned();
    decimal_wide(out, text.len() != magnitude.len(), magnitude, scale);
}

#[cold]
fn decimal_wide(out: &mut Buf, negative: bool, mut magnitude: String, scale: Scale) {
    if negative {
        out.byte(b'-');
    }
    if scale.digits < 0 {
        // A negative scale counts zeros in front of the point.
        if magnitude != "0" {
            magnitude.push_str(&"0".repeat(usize::from(scale.digits.unsigned_abs())));
        }
        out.slice(magnitude.as_bytes());
    } else {
        digits::decimal_text(out, &mut magnitude, scale.digits as usize, scale.trim);
    }
}

fn day_time(out: &mut Buf, value: i64, per_second: i64) {
    let (seconds, nanos) = time::split(value, per_second);
    let second_of_day = seconds.rem_euclid(time::DAY_SECONDS) as u32;
    time::time(out, second_of_day, nanos, crate::options::Fraction::AsNeeded);
}

fn binary(out: &mut Buf, bytes: &[u8], style: Binary) {
    match style {
        Binary::Base64 => {
            use base64::Engine as _;
            let room = out.room(bytes.len().div_ceil(3) * 4);
            // Cannot fail because the room is as long as padded base64 gets.
            let written =
                base64::engine::general_purpose::STANDARD.encode_slice(bytes, room).unwrap_or(0);
            out.advance(written);
        }
        Binary::Hex => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            for byte in bytes {
                out.fixed(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
