//! Values as Avro's binary encoding (Avro specification, "Binary Encoding"): whole numbers as
//! zig-zag varints, decimals as the shortest two's complement, every value behind the branch of its
//! union with null.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{NullBuffer, i256};
use arrow_schema::{DataType, TimeUnit};

use super::schema::time_factor;
use crate::cells::json::Ranges;
use crate::cells::{self, Buf, Column, Escape, Kind, Scale};
use crate::error::{Error, Result};
use crate::options::ValueOptions;

/// Branches of a union with null, as they are written.
const NULL: u8 = 0;
const VALUE: u8 = 2;

const DAY_MILLIS: i64 = 86_400_000;

/// What is to be told about the values written.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// A time was finer than a microsecond.
    pub(super) cut: bool,
    /// A value does not fit what is declared.
    pub(super) outside: bool,
}

/// A column, resolved once per batch.
pub(super) struct Node<'a> {
    nulls: Option<&'a NullBuffer>,
    shape: Shape<'a>,
}

enum Shape<'a> {
    /// The type of nulls has no bytes.
    Nothing,
    Scalar(Column<'a>),
    List(Ranges<'a>, Box<Node<'a>>),
    Struct(Vec<Node<'a>>),
    Map(&'a [i32], Box<Column<'a>>, Box<Node<'a>>),
    /// Values found by an index per row.
    Indexed(Vec<usize>, Box<Node<'a>>),
}

impl<'a> Node<'a> {
    /// Resolves one column. `name` is only for errors.
    pub(super) fn resolve(name: &str, array: &'a ArrayRef, options: &ValueOptions) -> Result<Self> {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        if let Some((ranges, items)) = Ranges::resolve(array) {
            let items = Self::resolve(name, items, options)?;
            return Ok(Self { nulls, shape: Shape::List(ranges, Box::new(items)) });
        }
        let shape = match array.data_type() {
            DataType::Null => Shape::Nothing,
            DataType::Struct(_) => {
                let columns = array.as_struct().columns().iter();
                let members = columns.map(|column| Self::resolve(name, column, options));
                Shape::Struct(members.collect::<Result<_>>()?)
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let keys = Column::resolve(name, map.keys(), options)?;
                let values = Self::resolve(name, map.values(), options)?;
                Shape::Map(map.value_offsets(), Box::new(keys), Box::new(values))
            }
            DataType::Dictionary(_, _) | DataType::RunEndEncoded(_, _) => {
                let (keys, values) = cells::indexed(array)?;
                let values = Self::resolve(name, values, options)?;
                match values.shape {
                    Shape::Nothing => Shape::Nothing,
                    _ => Shape::Indexed(keys, Box::new(values)),
                }
            }
            _ => Shape::Scalar(Column::resolve(name, array, options)?),
        };
        Ok(Self { nulls, shape })
    }

    /// Writes the value of a row.
    #[inline(always)]
    pub(super) fn write(&mut self, row: usize, out: &mut Buf, notes: &mut Notes) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            if !matches!(self.shape, Shape::Nothing) {
                out.byte(NULL);
            }
            return;
        }
        match &mut self.shape {
            Shape::Scalar(column) => {
                out.byte(VALUE);
                scalar(column, row, out, notes);
            }
            _ => self.write_rare(row, out, notes),
        }
    }

    fn write_rare(&mut self, row: usize, out: &mut Buf, notes: &mut Notes) {
        match &mut self.shape {
            Shape::Nothing => {}
            Shape::Scalar(column) => scalar(column, row, out, notes),
            Shape::Indexed(keys, inner) => inner.write(keys[row], out, notes),
            Shape::Struct(members) => {
                out.byte(VALUE);
                for member in members {
                    member.write(row, out, notes);
                }
            }
            Shape::List(ranges, items) => {
                out.byte(VALUE);
                let range = ranges.of(row);
                begin_items(out, range.len());
                for at in range {
                    items.write(at, out, notes);
                }
                out.byte(0);
            }
            Shape::Map(offsets, keys, values) => {
                out.byte(VALUE);
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                begin_items(out, range.len());
                let mut key = Buf::default();
                for at in range {
                    key.clear();
                    keys.write(at, &mut key, &mut Plain);
                    bytes(out, key.as_slice());
                    values.write(at, out, notes);
                }
                out.byte(0);
            }
        }
    }
}

/// Lists and maps are blocks of a count and the items, up to a block of none.
fn begin_items(out: &mut Buf, count: usize) {
    if count > 0 {
        long(out, count as i64);
    }
}

/// Texts as they are.
struct Plain;

impl Escape for Plain {
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        out.slice(text);
    }

    /// Keys are not null.
    fn null(&mut self, _: &mut Buf) {}
}

#[inline(always)]
fn scalar(column: &mut Column<'_>, row: usize, out: &mut Buf, notes: &mut Notes) {
    match &mut column.kind {
        Kind::Text(texts) => bytes(out, texts.get(row)),
        Kind::I64(values) => long(out, values[row]),
        Kind::I32(values) => long(out, values[row].into()),
        Kind::D128(values, scale) => decimal(out, values[row], *scale),
        Kind::Date32(values) => long(out, values[row].into()),
        Kind::Stamp(values, stamp) => moment(out, values[row], stamp.per_second, notes),
        Kind::F64(values) => out.fixed(&values[row].to_le_bytes()),
        Kind::Bool(values) => out.byte(u8::from(values.value(row))),
        _ => scalar_rare(column, row, out, notes),
    }
}

fn scalar_rare(column: &mut Column<'_>, row: usize, out: &mut Buf, notes: &mut Notes) {
    match &mut column.kind {
        Kind::I8(values) => long(out, values[row].into()),
        Kind::I16(values) => long(out, values[row].into()),
        Kind::U8(values) => long(out, values[row].into()),
        Kind::U16(values) => long(out, values[row].into()),
        Kind::U32(values) => long(out, values[row].into()),
        Kind::U64(values) => unscaled(out, values[row].into()),
        Kind::F16(values) => out.fixed(&values[row].to_f32().to_le_bytes()),
        Kind::F32(values) => out.fixed(&values[row].to_le_bytes()),
        Kind::D32(values, scale) => decimal(out, values[row].into(), *scale),
        Kind::D64(values, scale) => decimal(out, values[row].into(), *scale),
        Kind::D256(values, scale) => decimal_256(out, values[row], *scale),
        Kind::Date64(values) => {
            let day = values[row].div_euclid(DAY_MILLIS);
            notes.outside |= i32::try_from(day).is_err();
            long(out, day);
        }
        Kind::Time32(values, per_second) => {
            long(out, i64::from(values[row]) * time_factor(unit(*per_second), false));
        }
        Kind::Time64(values, per_second) => moment(out, values[row], *per_second, notes),
        Kind::Bytes(values, _, _) => bytes(out, values.get(row)),
        Kind::Span(spans, scratch) => {
            scratch.clear();
            spans.write(row, scratch);
            bytes(out, scratch.as_slice());
        }
        // Nested and indexed values are nodes of their own, and the common kinds are written by the
        // caller.
        _ => notes.outside = true,
    }
}

fn unit(per_second: i64) -> TimeUnit {
    match per_second {
        1 => TimeUnit::Second,
        1_000 => TimeUnit::Millisecond,
        1_000_000 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// Microseconds of a moment or a time of day.
#[inline(always)]
fn moment(out: &mut Buf, value: i64, per_second: i64, notes: &mut Notes) {
    if per_second == 1_000_000 {
        return long(out, value);
    }
    let micros = match time_factor(unit(per_second), true) {
        factor @ 1.. => value.checked_mul(factor),
        factor => {
            notes.cut |= value % factor != 0;
            Some(value.div_euclid(-factor))
        }
    };
    notes.outside |= micros.is_none();
    long(out, micros.unwrap_or_default());
}

/// A whole number, zig-zag and seven bits a byte.
#[inline(always)]
pub(super) fn long(out: &mut Buf, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    if rest < 0x80 {
        return out.byte(rest as u8);
    }
    let room = out.room(10);
    let mut len = 0;
    while rest >= 0x80 {
        room[len] = rest as u8 | 0x80;
        rest >>= 7;
        len += 1;
    }
    room[len] = rest as u8;
    out.advance(len + 1);
}

/// Texts and bytes: their length and they themselves.
#[inline(always)]
pub(super) fn bytes(out: &mut Buf, bytes: &[u8]) {
    long(out, bytes.len() as i64);
    out.slice(bytes);
}

#[inline(always)]
fn decimal(out: &mut Buf, value: i128, scale: Scale) {
    if scale.digits < 0 {
        return decimal_256(out, i256::from_i128(value), scale);
    }
    unscaled(out, value);
}

/// The shortest two's complement, its first byte the highest.
#[inline(always)]
fn unscaled(out: &mut Buf, value: i128) {
    // All bits that differ from the sign's, and one of the sign's own.
    if let Ok(value) = i64::try_from(value) {
        let len = (64 - (value ^ (value >> 63)).leading_zeros()) as usize / 8 + 1;
        let room = out.room(16);
        room[0] = (len * 2) as u8;
        room[1..9].copy_from_slice(&(value << (64 - 8 * len)).to_be_bytes());
        return out.advance(len + 1);
    }
    let len = (128 - (value ^ (value >> 127)).leading_zeros()) as usize / 8 + 1;
    bytes(out, &value.to_be_bytes()[16 - len..]);
}

fn decimal_256(out: &mut Buf, value: i256, scale: Scale) {
    let zeros = u32::from(scale.digits.min(0).unsigned_abs());
    // Cannot wrap because the schema has no decimal of more than 76 digits.
    let value = value.wrapping_mul(i256::from_i128(10).wrapping_pow(zeros));
    let all = value.to_be_bytes();
    let sign = if value.is_negative() { 0xFF } else { 0 };
    let mut from = all.iter().position(|byte| *byte != sign).unwrap_or(31);
    if (all[from] ^ sign) & 0x80 != 0 {
        from -= 1;
    }
    bytes(out, &all[from..]);
}

/// The error of a value that `Notes::outside` is about.
pub(super) fn outside(column: &str, row: u64) -> Error {
    Error::Value {
        column: column.to_owned(),
        row: row + 1,
        problem: "the date or time lies outside of what Avro holds (290,000 years around 1970); \
                  filter the row, cast the column to text, or use another format"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Buf)) -> Vec<u8> {
        let mut out = Buf::default();
        write(&mut out);
        out.as_slice().to_vec()
    }

    #[test]
    fn whole_numbers_are_zig_zag_varints() {
        // The examples of the specification, and the ends.
        for (value, wanted) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (8_192, &[0x80, 0x80, 0x01]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ] {
            assert_eq!(written(|out| long(out, value)), wanted, "{value}");
        }
    }

    #[test]
    fn decimals_are_the_shortest_twos_complement_in_every_width() {
        let plain = Scale { digits: 2, trim: false };
        let mut values = vec![0, 1, -1, i128::MAX, i128::MIN, 10_i128.pow(38) - 1];
        for bits in 0..127 {
            let power = 1_i128 << bits;
            values.extend([power - 1, power, power + 1, -power, -power - 1, 1 - power]);
        }
        for value in values {
            let narrow = written(|out| decimal(out, value, plain));
            let wide = written(|out| decimal_256(out, i256::from_i128(value), plain));
            assert_eq!(narrow, wide, "{value}");
            let (len, digits) = narrow.split_first().unwrap();
            assert_eq!(usize::from(*len), digits.len() * 2, "{value}");
            let sign = if digits[0] & 0x80 == 0 { 0 } else { -1 };
            let back = digits.iter().fold(sign, |all, byte| (all << 8) | i128::from(*byte));
            assert_eq!(back, value);
            let redundant =
                digits.len() > 1 && matches!((digits[0], digits[1] & 0x80), (0, 0) | (0xFF, 0x80));
            assert!(!redundant, "{value}: {digits:x?}");
        }
        let tens = Scale { digits: -3, trim: false };
        assert_eq!(written(|out| decimal(out, -7, tens)), written(|out| unscaled(out, -7_000)));
    }
}
