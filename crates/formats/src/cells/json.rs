//! Nested values as JSON text: lists, structs and maps inside one cell. Scalars follow the table
//! of `cells`; numbers stand bare with all their digits, everything else in quotation marks.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::{Buf, Column, Escape, Kind};
use crate::error::Result;
use crate::options::ValueOptions;

/// A nested column, resolved once per batch.
pub(crate) struct Json<'a> {
    nulls: Option<&'a NullBuffer>,
    shape: Shape<'a>,
}

enum Shape<'a> {
    Bare(Column<'a>),
    Quoted(Column<'a>),
    /// Bare when finite; JSON has no number for the rest, so their texts are quoted.
    Float(Column<'a>),
    List(Ranges<'a>, Box<Json<'a>>),
    Struct(Vec<(Vec<u8>, Json<'a>)>),
    /// Keys are written as texts, as JSON wants them.
    Map(&'a [i32], Box<Column<'a>>, Box<Json<'a>>),
}

enum Ranges<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    Fixed(usize),
}

impl Ranges<'_> {
    fn of(&self, row: usize) -> std::ops::Range<usize> {
        match self {
            Self::Small(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Large(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Fixed(width) => row * width..(row + 1) * width,
        }
    }
}

impl<'a> Json<'a> {
    pub(crate) fn resolve(name: &str, array: &'a ArrayRef, options: &ValueOptions) -> Result<Self> {
        let shape = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let child = Self::resolve(name, list.values(), options)?;
                Shape::List(Ranges::Small(list.value_offsets()), Box::new(child))
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                let child = Self::resolve(name, list.values(), options)?;
                Shape::List(Ranges::Large(list.value_offsets()), Box::new(child))
            }
            DataType::FixedSizeList(_, width) => {
                let child = Self::resolve(name, array.as_fixed_size_list().values(), options)?;
                Shape::List(Ranges::Fixed(*width as usize), Box::new(child))
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                let mut members = Vec::with_capacity(columns.len());
                for (field, column) in fields.iter().zip(columns) {
                    let mut key = Buf::default();
                    quoted(&mut key, field.name().as_bytes());
                    members.push((key.as_slice().to_vec(), Self::resolve(name, column, options)?));
                }
                Shape::Struct(members)
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let keys = Column::resolve(name, map.keys(), options)?;
                let values = Self::resolve(name, map.values(), options)?;
                Shape::Map(map.value_offsets(), Box::new(keys), Box::new(values))
            }
            _ => scalar(Column::resolve(name, array, options)?),
        };
        Ok(Self { nulls: array.nulls(), shape })
    }

    /// Writes the value of a row.
    pub(crate) fn write(&mut self, row: usize, out: &mut Buf) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return out.fixed(b"null");
        }
        match &mut self.shape {
            Shape::Bare(column) => column.write(row, out, &mut Bare),
            Shape::Quoted(column) if column.is_null(row) => out.fixed(b"null"),
            Shape::Quoted(column) => quote_scalar(column, row, out),
            Shape::Float(column) => float(column, row, out),
            Shape::List(ranges, child) => {
                out.byte(b'[');
                for (count, at) in ranges.of(row).enumerate() {
                    separate(out, count);
                    child.write(at, out);
                }
                out.byte(b']');
            }
            Shape::Struct(members) => {
                out.byte(b'{');
                for (count, (key, member)) in members.iter_mut().enumerate() {
                    separate(out, count);
                    out.slice(key);
                    out.byte(b':');
                    member.write(row, out);
                }
                out.byte(b'}');
            }
            Shape::Map(offsets, keys, values) => {
                out.byte(b'{');
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                for (count, at) in range.enumerate() {
                    separate(out, count);
                    quote_scalar(keys, at, out);
                    out.byte(b':');
                    values.write(at, out);
                }
                out.byte(b'}');
            }
        }
    }
}

fn separate(out: &mut Buf, count: usize) {
    if count > 0 {
        out.byte(b',');
    }
}

/// Numbers and booleans are bare, dates and times are plain text that needs quotation marks.
fn scalar(column: Column<'_>) -> Shape<'_> {
    let kind = match &column.kind {
        Kind::Indexed(_, inner) => &inner.kind,
        kind => kind,
    };
    match kind {
        Kind::F16(_) | Kind::F32(_) | Kind::F64(_) => Shape::Float(column),
        Kind::Date32(_)
        | Kind::Date64(_)
        | Kind::Time32(..)
        | Kind::Time64(..)
        | Kind::Stamp(..) => Shape::Quoted(column),
        // Texts are quoted by the escaping; numbers and booleans need no quotation marks.
        _ => Shape::Bare(column),
    }
}

fn float(column: &mut Column<'_>, row: usize, out: &mut Buf) {
    let start = out.len();
    column.write(row, out, &mut Bare);
    if out.as_slice()[start..].ends_with(b"N") || out.as_slice()[start..].ends_with(b"y") {
        out.truncate(start);
        quote_scalar(column, row, out);
    }
}

/// Escaping for columns whose texts come through `Escape` and whose numbers stand bare.
struct Bare;

impl Escape for Bare {
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        quoted(out, text);
    }

    fn null(&mut self, out: &mut Buf) {
        out.fixed(b"null");
    }
}

/// No escaping: the text goes through `quoted` afterwards.
struct Plain;

impl Escape for Plain {
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        out.slice(text);
    }

    fn null(&mut self, out: &mut Buf) {
        out.fixed(b"null");
    }
}

fn quote_scalar(column: &mut Column<'_>, row: usize, out: &mut Buf) {
    let mut text = Buf::default();
    column.write(row, &mut text, &mut Plain);
    quoted(out, text.as_slice());
}

/// Writes a JSON string.
pub(crate) fn quoted(out: &mut Buf, text: &[u8]) {
    out.byte(b'"');
    for &byte in text {
        match byte {
            b'"' => out.fixed(b"\\\""),
            b'\\' => out.fixed(b"\\\\"),
            b'\n' => out.fixed(b"\\n"),
            b'\r' => out.fixed(b"\\r"),
            b'\t' => out.fixed(b"\\t"),
            0..0x20 => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.fixed(b"\\u00");
                out.byte(DIGITS[usize::from(byte >> 4)]);
                out.byte(DIGITS[usize::from(byte & 15)]);
            }
            _ => out.byte(byte),
        }
    }
    out.byte(b'"');
}
