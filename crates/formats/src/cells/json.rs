//! Values as JSON: the nested ones inside a cell of any format, and every value of `ndjson`. Scalars
//! follow the table of `cells`; numbers stand bare with all their digits, everything else in
//! quotation marks.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::embed::{Embedder, is_json};
use super::{Buf, Column, Escape, Kind, quote};
use crate::error::Result;
use crate::options::ValueOptions;

/// What the JSON of a column follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'o> {
    /// Rules of the scalars.
    pub(crate) values: &'o ValueOptions,
    /// Put numbers that a binary double would round in quotation marks: all decimals, and integers
    /// past `SAFE_INTEGER`.
    pub(crate) safe_numbers: bool,
    /// Leave members of objects out that are null.
    pub(crate) omit_nulls: bool,
}

/// The largest integer up to which a binary double holds all: 2^53 - 1 (ECMAScript,
/// `Number.MAX_SAFE_INTEGER`).
const SAFE_INTEGER: &[u8; 16] = b"9007199254740991";

/// A column, resolved once per batch.
pub(crate) struct Json<'a> {
    /// Only of nested values; a scalar's column knows its own.
    nulls: Option<&'a NullBuffer>,
    shape: Shape<'a>,
}

enum Shape<'a> {
    Bare(Column<'a>),
    Quoted(Column<'a>),
    /// Bare when finite; JSON has no number for the rest, so their texts are quoted.
    Float(Column<'a>),
    /// Bare when a binary double holds it.
    Integer(Column<'a>),
    List(Ranges<'a>, Box<Json<'a>>),
    /// Keys with their members; and whether those that are null are left out.
    Struct(Vec<(Vec<u8>, Json<'a>)>, bool),
    /// Text that is JSON itself, as it stands.
    Embedded(Column<'a>, Embedder),
    /// Keys are written as texts, as JSON wants them.
    Map(&'a [i32], Box<Column<'a>>, Box<Json<'a>>),
    /// Nested values found by an index per row.
    Indexed(Vec<usize>, Box<Json<'a>>),
}

/// Where the items of each row's list are.
pub(crate) enum Ranges<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    Fixed(usize),
}

impl<'a> Ranges<'a> {
    /// The ranges of a list of any kind and its items; `None` for anything else.
    pub(crate) fn resolve(array: &'a ArrayRef) -> Option<(Self, &'a ArrayRef)> {
        match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Some((Self::Small(list.value_offsets()), list.values()))
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                Some((Self::Large(list.value_offsets()), list.values()))
            }
            DataType::FixedSizeList(_, width) => {
                Some((Self::Fixed(*width as usize), array.as_fixed_size_list().values()))
            }
            _ => None,
        }
    }

    pub(crate) fn of(&self, row: usize) -> std::ops::Range<usize> {
        match self {
            Self::Small(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Large(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Fixed(width) => row * width..(row + 1) * width,
        }
    }
}

impl<'a> Json<'a> {
    pub(crate) fn resolve(name: &str, array: &'a ArrayRef, rules: Rules<'_>) -> Result<Self> {
        if let Some((ranges, items)) = Ranges::resolve(array) {
            let child = Self::resolve(name, items, rules)?;
            return Ok(Self { nulls: array.nulls(), shape: Shape::List(ranges, Box::new(child)) });
        }
        let shape = match array.data_type() {
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                let mut members = Vec::with_capacity(columns.len());
                for (field, column) in fields.iter().zip(columns) {
                    let mut key = Buf::default();
                    quote::quoted(&mut key, field.name().as_bytes());
                    let member = match is_json(field) {
                        false => Self::resolve(name, column, rules)?,
                        true => {
                            let column = Column::resolve(name, column, rules.values)?;
                            let shape = Shape::Embedded(column, Embedder::default());
                            Self { nulls: None, shape }
                        }
                    };
                    members.push((key.as_slice().to_vec(), member));
                }
                Shape::Struct(members, rules.omit_nulls)
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let keys = Column::resolve(name, map.keys(), rules.values)?;
                let values = Self::resolve(name, map.values(), rules)?;
                Shape::Map(map.value_offsets(), Box::new(keys), Box::new(values))
            }
            DataType::Dictionary(_, values) if values.is_nested() => {
                let (keys, values) = super::indexed(array)?;
                Shape::Indexed(keys, Box::new(Self::resolve(name, values, rules)?))
            }
            DataType::RunEndEncoded(_, values) if values.data_type().is_nested() => {
                let (keys, values) = super::indexed(array)?;
                Shape::Indexed(keys, Box::new(Self::resolve(name, values, rules)?))
            }
            _ => {
                let shape = scalar(Column::resolve(name, array, rules.values)?, rules.safe_numbers);
                return Ok(Self { nulls: None, shape });
            }
        };
        Ok(Self { nulls: array.nulls(), shape })
    }

    /// True when the row is null.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match &self.shape {
            Shape::Bare(column)
            | Shape::Quoted(column)
            | Shape::Float(column)
            | Shape::Integer(column)
            | Shape::Embedded(column, _) => column.is_null(row),
            Shape::Indexed(keys, inner) => {
                self.nulls.is_some_and(|nulls| nulls.is_null(row)) || inner.is_null(keys[row])
            }
            _ => self.nulls.is_some_and(|nulls| nulls.is_null(row)),
        }
    }

    /// Writes the value of a row.
    #[inline(always)]
    pub(crate) fn write(&mut self, row: usize, out: &mut Buf) {
        match &mut self.shape {
            Shape::Bare(column) => column.write(row, out, &mut Bare),
            Shape::Quoted(column) => quote_scalar(column, row, out),
            _ => self.write_rare(row, out),
        }
    }

    fn write_rare(&mut self, row: usize, out: &mut Buf) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return out.fixed(b"null");
        }
        match &mut self.shape {
            Shape::Float(column) => float(column, row, out),
            Shape::Integer(column) => integer(column, row, out),
            Shape::List(ranges, child) => {
                out.byte(b'[');
                for (count, at) in ranges.of(row).enumerate() {
                    separate(out, count);
                    child.write(at, out);
                }
                out.byte(b']');
            }
            Shape::Struct(members, omit_nulls) => {
                out.byte(b'{');
                let mut count = 0;
                for (key, member) in members.iter_mut() {
                    if *omit_nulls && member.is_null(row) {
                        continue;
                    }
                    separate(out, count);
                    count += 1;
                    out.slice(key);
                    out.byte(b':');
                    member.write(row, out);
                }
                out.byte(b'}');
            }
            Shape::Embedded(column, embedder) => column.write(row, out, embedder),
            Shape::Map(offsets, keys, values) => {
                out.byte(b'{');
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                for (count, at) in range.enumerate() {
                    separate(out, count);
                    out.byte(b'"');
                    keys.write(at, out, &mut Inside);
                    out.fixed(b"\":");
                    values.write(at, out);
                }
                out.byte(b'}');
            }
            Shape::Indexed(keys, inner) => inner.write(keys[row], out),
            // Written by the caller.
            Shape::Bare(column) | Shape::Quoted(column) => column.write(row, out, &mut Bare),
        }
    }
}

fn separate(out: &mut Buf, count: usize) {
    if count > 0 {
        out.byte(b',');
    }
}

/// Numbers and booleans are bare, dates and times are plain text that needs quotation marks.
fn scalar(column: Column<'_>, safe_numbers: bool) -> Shape<'_> {
    let mut kind = &column.kind;
    while let Kind::Indexed(_, inner) = kind {
        kind = &inner.kind;
    }
    match kind {
        Kind::F16(_) | Kind::F32(_) | Kind::F64(_) => Shape::Float(column),
        Kind::Date32(_)
        | Kind::Date64(_)
        | Kind::Time32(..)
        | Kind::Time64(..)
        | Kind::Stamp(..) => Shape::Quoted(column),
        Kind::I64(_) | Kind::U64(_) if safe_numbers => Shape::Integer(column),
        Kind::D32(..) | Kind::D64(..) | Kind::D128(..) | Kind::D256(..) if safe_numbers => {
            Shape::Quoted(column)
        }
        // Texts are quoted by the escaping; numbers and booleans need no quotation marks.
        _ => Shape::Bare(column),
    }
}

fn float(column: &mut Column<'_>, row: usize, out: &mut Buf) {
    let start = out.len();
    column.write(row, out, &mut Bare);
    // `NaN`, `Infinity` and `-Infinity` end like no number does.
    if matches!(out.as_slice().last(), Some(b'N' | b'y')) {
        out.truncate(start);
        quote_scalar(column, row, out);
    }
}

fn integer(column: &mut Column<'_>, row: usize, out: &mut Buf) {
    let start = out.len();
    column.write(row, out, &mut Bare);
    let text = &out.as_slice()[start..];
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if (digits.len(), digits) > (SAFE_INTEGER.len(), SAFE_INTEGER.as_slice()) {
        out.truncate(start);
        quote_scalar(column, row, out);
    }
}

/// Puts a value that has nothing to escape in quotation marks.
#[inline(always)]
fn quote_scalar(column: &mut Column<'_>, row: usize, out: &mut Buf) {
    if column.is_null(row) {
        return out.fixed(b"null");
    }
    out.byte(b'"');
    column.write(row, out, &mut Inside);
    out.byte(b'"');
}

/// Escaping for columns whose texts come through `Escape` and whose numbers stand bare.
struct Bare;

impl Escape for Bare {
    #[inline(always)]
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        quote::quoted(out, text);
    }

    #[inline(always)]
    fn null(&mut self, out: &mut Buf) {
        out.fixed(b"null");
    }
}

/// Escaping between quotation marks that the caller writes.
pub(crate) struct Inside;

impl Escape for Inside {
    #[inline(always)]
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        quote::body(out, text);
    }

    fn null(&mut self, out: &mut Buf) {
        out.fixed(b"null");
    }
}
