//! The schema of an Avro file, as far as it takes to find where each value ends.
//!
//! What the library that decodes rows believes of a damaged block is not checked by it: a count that
//! is too low, a branch that is not there. So every block is walked through first, value by value,
//! and only one that holds exactly what it says is decoded.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

/// Values that take no bytes, such as nulls, in one block: there is no other bound on them.
const EMPTY_MAX: usize = 1_000_000;
/// Types within types.
const DEPTH_MAX: usize = 64;

/// How a value is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(usize),
    Array(Arc<Self>),
    Map(Arc<Self>),
    Union(Vec<Arc<Self>>),
    Record(Vec<Arc<Self>>),
}

/// The schema of a file.
#[derive(Debug)]
pub(super) struct FileShape {
    /// How a row is written.
    pub(super) row: Shape,
    /// The names of its columns.
    pub(super) columns: Vec<String>,
    /// The columns that are UUIDs in sixteen bytes.
    pub(super) uuids: Vec<bool>,
    /// Whether a type is referred to by its name in another place than where it is described, so
    /// that no column can be taken out of the schema alone.
    pub(super) has_references: bool,
}

impl FileShape {
    /// Reads a schema.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let mut names = Names::default();
        let row = names.shape(schema, "", 0)?;
        let Shape::Record(_) = row else {
            return Err("its rows are not records".to_owned());
        };
        let fields = schema.get("fields").and_then(Value::as_array);
        let name = |field: &Value| field.get("name")?.as_str().map(ToOwned::to_owned);
        let columns = fields.into_iter().flatten().map(name).collect::<Option<Vec<_>>>();
        let uuid = |field: &Value| {
            let data_type = field.get("type");
            let branches = data_type.and_then(Value::as_array).map(Vec::as_slice);
            let mut types = branches.unwrap_or_default().iter().chain(data_type);
            types.any(|data_type| {
                is(data_type, "type", "fixed") && is(data_type, "logicalType", "uuid")
            })
        };
        Ok(Self {
            row,
            columns: columns.ok_or("a column has no name")?,
            uuids: fields.into_iter().flatten().map(uuid).collect(),
            has_references: names.referred,
        })
    }
}

fn is(schema: &Value, key: &str, value: &str) -> bool {
    schema.get(key).and_then(Value::as_str) == Some(value)
}

/// Takes the mark of a UUID from texts: a text stays as it is written, because one that is not what
/// it is said to be would fail the rows of others, too.
pub(super) fn plain_texts(schema: &mut Value) {
    if is(schema, "type", "string") && is(schema, "logicalType", "uuid") {
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("logicalType");
        }
        return;
    }
    match schema {
        Value::Array(all) => all.iter_mut().for_each(plain_texts),
        Value::Object(map) => {
            for key in ["type", "fields", "items", "values"] {
                if let Some(inner) = map.get_mut(key) {
                    plain_texts(inner);
                }
            }
        }
        _ => {}
    }
}

/// Types that were described, by their full names.
#[derive(Debug, Default)]
struct Names {
    known: HashMap<String, Arc<Shape>>,
    referred: bool,
}

impl Names {
    fn shape(&mut self, schema: &Value, space: &str, depth: usize) -> Result<Shape, String> {
        if depth > DEPTH_MAX {
            return Err("its types are too deeply nested".to_owned());
        }
        match schema {
            Value::String(name) => self.named(name, space),
            Value::Array(branches) => {
                let branches =
                    branches.iter().map(|b| self.shape(b, space, depth + 1).map(Arc::new));
                Ok(Shape::Union(branches.collect::<Result<_, _>>()?))
            }
            Value::Object(map) => self.described(map, space, depth),
            _ => Err("a type of its schema is none".to_owned()),
        }
    }

    fn named(&mut self, name: &str, space: &str) -> Result<Shape, String> {
        Ok(match name {
            "null" => Shape::Null,
            "boolean" => Shape::Boolean,
            "int" => Shape::Int,
            "long" => Shape::Long,
            "float" => Shape::Float,
            "double" => Shape::Double,
            "bytes" => Shape::Bytes,
            "string" => Shape::String,
            _ => {
                self.referred = true;
                let known = self.known.get(&full(name, space)).or_else(|| self.known.get(name));
                let known = known
                    .ok_or_else(|| format!("its type {name} is not described, or holds itself"))?;
                known.as_ref().clone()
            }
        })
    }

    fn described(
        &mut self,
        map: &Map<String, Value>,
        space: &str,
        depth: usize,
    ) -> Result<Shape, String> {
        let text = |key: &str| map.get(key).and_then(Value::as_str);
        let space = text("namespace").unwrap_or(space);
        let name = text("name").map(|name| full(name, space));
        let inner = name.as_deref().and_then(|name| name.rsplit_once('.')).map_or("", |(s, _)| s);
        let part = |key: &str| map.get(key).ok_or_else(|| format!("a type has no {key}"));
        let list = |key: &str| {
            part(key)?.as_array().ok_or_else(|| format!("the {key} of a type are no list"))
        };
        let shape = match text("type") {
            Some("record" | "error") => {
                let mut fields = Vec::new();
                for field in list("fields")? {
                    let data_type = field.get("type").ok_or("a column has no type")?;
                    fields.push(Arc::new(self.shape(data_type, inner, depth + 1)?));
                }
                Shape::Record(fields)
            }
            Some("enum") => Shape::Enum(list("symbols")?.len()),
            Some("fixed") => {
                let size = part("size")?.as_u64().and_then(|size| usize::try_from(size).ok());
                Shape::Fixed(size.ok_or("the size of a type is no number")?)
            }
            Some("array") => {
                return Ok(Shape::Array(Arc::new(self.shape(part("items")?, space, depth + 1)?)));
            }
            Some("map") => {
                return Ok(Shape::Map(Arc::new(self.shape(part("values")?, space, depth + 1)?)));
            }
            Some(other) => return self.named(other, space),
            None => return self.shape(part("type")?, space, depth + 1),
        };
        if let Some(name) = name {
            self.known.insert(name, Arc::new(shape.clone()));
        }
        Ok(shape)
    }
}

fn full(name: &str, space: &str) -> String {
    if space.is_empty() || name.contains('.') { name.to_owned() } else { format!("{space}.{name}") }
}

/// Whether a block holds exactly so many rows.
///
/// # Errors
/// What is wrong, in a few words without any of its values.
pub(super) fn check(row: &Shape, rows: usize, block: &[u8]) -> Result<(), &'static str> {
    let mut walk = Walk { rest: block, empty: 0 };
    for _ in 0..rows {
        walk.value(row)?;
    }
    if walk.rest.is_empty() { Ok(()) } else { Err("holds more than its rows") }
}

struct Walk<'a> {
    rest: &'a [u8],
    /// Values so far that took no bytes.
    empty: usize,
}

impl<'a> Walk<'a> {
    fn value(&mut self, shape: &Shape) -> Result<(), &'static str> {
        let before = self.rest.len();
        match shape {
            Shape::Null => {}
            Shape::Boolean => {
                if !matches!(self.take(1)?, [0 | 1]) {
                    return Err("holds a boolean that is neither true nor false");
                }
            }
            Shape::Int => {
                i32::try_from(self.long()?).map_err(|_| "holds a number that is no int")?;
            }
            Shape::Long => {
                self.long()?;
            }
            Shape::Float => {
                self.take(4)?;
            }
            Shape::Double => {
                self.take(8)?;
            }
            Shape::Bytes => {
                self.bytes()?;
            }
            Shape::String => {
                let text = self.bytes()?;
                std::str::from_utf8(text).map_err(|_| "holds a text that is not UTF-8")?;
            }
            Shape::Fixed(size) => {
                self.take(*size)?;
            }
            Shape::Enum(symbols) => {
                self.index(*symbols)?;
            }
            Shape::Union(branches) => {
                let branch = self.index(branches.len())?;
                self.value(&branches[branch])?;
            }
            Shape::Record(fields) => {
                for field in fields {
                    self.value(field)?;
                }
            }
            Shape::Array(items) => self.items(|walk| walk.value(items))?,
            Shape::Map(values) => self.items(|walk| {
                walk.value(&Shape::String)?;
                walk.value(values)
            })?,
        }
        if self.rest.len() == before {
            self.empty += 1;
            if self.empty > EMPTY_MAX {
                return Err("holds too many values without a byte");
            }
        }
        Ok(())
    }

    fn items(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            // A negative count is followed by the bytes of the items.
            let end = match count < 0 {
                true => {
                    let size = usize::try_from(self.long()?).map_err(|_| "is cut short")?;
                    Some(self.rest.len().checked_sub(size).ok_or("is cut short")?)
                }
                false => None,
            };
            for _ in 0..count.unsigned_abs() {
                item(self)?;
            }
            if end.is_some_and(|end| self.rest.len() != end) {
                return Err("holds a list of another size than it says");
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or("is cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let length = usize::try_from(self.long()?).map_err(|_| "is cut short")?;
        self.take(length)
    }

    fn index(&mut self, of: usize) -> Result<usize, &'static str> {
        let index = usize::try_from(self.long()?).ok().filter(|&index| index < of);
        index.ok_or("holds a choice that its schema does not have")
    }

    fn long(&mut self) -> Result<i64, &'static str> {
        let (value, length) = long(self.rest)?.ok_or("is cut short")?;
        self.rest = &self.rest[length..];
        Ok(value)
    }
}

/// A number at the beginning of some bytes, and how many of them it takes; `None` where it goes on
/// after them.
///
/// # Errors
/// Where there is no number.
pub(super) fn long(bytes: &[u8]) -> Result<Option<(i64, usize)>, &'static str> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 || at > 9 {
            return Err("holds a number that is too large");
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            // Zigzag: the lowest bit is the sign.
            let number = (value >> 1).cast_signed() ^ -((value & 1).cast_signed());
            return Ok(Some((number, at + 1)));
        }
    }
    Ok(None)
}

/// A number as [`long`] reads it.
pub(super) fn put_long(value: usize, to: &mut Vec<u8>) {
    let mut rest = (value as u64) << 1;
    while rest >= 0x80 {
        // Cannot fail because only seven bits are left.
        to.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    to.push(u8::try_from(rest).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_back() {
        for (bytes, value) in [
            (&[0x00][..], 0),
            (&[0x01], -1),
            (&[0x02], 1),
            (&[0x80, 0x01], 64),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], i64::MIN),
            (&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], i64::MAX),
        ] {
            assert_eq!(long(bytes), Ok(Some((value, bytes.len()))));
            assert_eq!(long(&bytes[..bytes.len() - 1]), Ok(None));
            if let Ok(small) = usize::try_from(value).map(|v| v.min(1 << 40)) {
                let mut written = Vec::new();
                put_long(small, &mut written);
                assert_eq!(long(&written), Ok(Some((small as i64, written.len()))));
            }
        }
        assert!(long(&[0xff; 11]).is_err());
    }

    #[test]
    fn a_block_holds_exactly_its_rows() {
        let schema = json!({"type": "record", "name": "r", "fields": [
            {"name": "a", "type": ["null", "string"]},
            {"name": "b", "type": {"type": "array", "items": "int"}},
            {"name": "c", "type": {"type": "enum", "name": "E", "symbols": ["x", "y"]}},
            {"name": "d", "type": "E"},
        ]});
        let shape = FileShape::of(&schema).expect("a schema");
        assert_eq!(shape.columns, ["a", "b", "c", "d"]);
        assert!(shape.has_references);
        let row = [2, 4, b'h', b'i', 2, 6, 0, 2, 0];
        let two = [row, row].concat();
        assert_eq!(check(&shape.row, 2, &two), Ok(()));
        assert_eq!(check(&shape.row, 1, &two), Err("holds more than its rows"));
        assert_eq!(check(&shape.row, 3, &two), Err("is cut short"));
        for (at, byte) in [(0, 4), (2, 0xff), (7, 4), (4, 1)] {
            let mut spoilt = row;
            spoilt[at] = byte;
            assert!(check(&shape.row, 1, &spoilt).is_err(), "{at}");
        }
        let nulls = FileShape::of(&json!({"type": "record", "name": "r", "fields": [
            {"name": "a", "type": {"type": "array", "items": "null"}},
        ]}));
        let mut many = Vec::new();
        put_long(usize::MAX >> 2, &mut many);
        many.push(0);
        let error = check(&nulls.expect("a schema").row, 1, &many).expect_err("too many");
        assert!(error.contains("without a byte"), "{error}");
    }

    #[test]
    fn schemas_that_cannot_be_read_are_refused() {
        for (schema, says) in [
            (json!("string"), "not records"),
            (
                json!({"type": "record", "name": "r", "fields": [{"name": "a", "type": "r"}]}),
                "itself",
            ),
            (json!({"type": "record", "name": "r"}), "no fields"),
            (json!({"type": "fixed", "name": "r", "size": "x"}), "no number"),
            (json!(7), "none"),
        ] {
            let error = FileShape::of(&schema).expect_err("it is refused");
            assert!(error.contains(says), "{error}");
        }
        let spaced = json!({"type": "record", "name": "a.b.r", "fields": [
            {"name": "x", "type": {"type": "fixed", "name": "f", "size": 2}},
            {"name": "y", "type": "a.b.f"},
            {"name": "z", "type": "f"},
        ]});
        let shape = FileShape::of(&spaced).expect("a schema");
        assert_eq!(check(&shape.row, 1, &[0; 6]), Ok(()));
    }
}
