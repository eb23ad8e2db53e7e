//! From what the decoder of Avro gives to what the rest of the engine takes.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, StringViewBuilder, UnionArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{
    Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder,
};
use datafusion::error::{DataFusionError, Result};

/// What becomes of a decoded column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing.
    AsIs,
    /// A text, or a choice of an enumeration, becomes a view of a text.
    Text,
    /// A UUID of sixteen bytes becomes text.
    Uuid,
    /// What no format of ours can hold becomes JSON in text: choices between types, and what is
    /// made of them.
    Json,
}

impl Form {
    pub(super) fn of(field: &Field, uuid: bool) -> Self {
        match field.data_type() {
            DataType::FixedSizeBinary(16) if uuid => Self::Uuid,
            DataType::Dictionary(_, _) | DataType::Utf8 => Self::Text,
            nested if nested.is_nested() && !is_plain(nested) => Self::Json,
            _ => Self::AsIs,
        }
    }

    pub(super) fn data_type(self, decoded: &DataType) -> DataType {
        match self {
            Self::AsIs => decoded.clone(),
            Self::Text | Self::Uuid | Self::Json => DataType::Utf8View,
        }
    }

    /// The column in that form.
    pub(super) fn apply(self, field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Self::AsIs => Ok(Arc::clone(column)),
            Self::Text => Ok(cast(column, &DataType::Utf8View)?),
            Self::Uuid => {
                let column = column.as_fixed_size_binary_opt().ok_or_else(unexpected)?;
                Ok(uuids(column))
            }
            Self::Json => json(field, column),
        }
    }
}

fn unexpected() -> DataFusionError {
    DataFusionError::Internal("a decoded column is of another type than its schema".into())
}

/// Nested types of which every part is a type that files are written of.
fn is_plain(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => fields.iter().all(|field| is_plain(field.data_type())),
        DataType::List(item) => is_plain(item.data_type()),
        DataType::Map(entries, _) => is_plain(entries.data_type()),
        DataType::Null
        | DataType::Dictionary(_, _)
        | DataType::Union(_, _)
        | DataType::Interval(_)
        | DataType::FixedSizeBinary(_) => false,
        simple => !simple.is_nested(),
    }
}

fn uuids(column: &FixedSizeBinaryArray) -> ArrayRef {
    let mut texts = StringViewBuilder::with_capacity(column.len());
    let mut text = String::with_capacity(36);
    for value in column {
        texts.append_option(value.map(|value| {
            text.clear();
            for (at, byte) in value.iter().enumerate() {
                if matches!(at, 4 | 6 | 8 | 10) {
                    text.push('-');
                }
                for digit in [byte >> 4, byte & 15] {
                    text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
                }
            }
            &text
        }));
    }
    Arc::new(texts.finish())
}

/// Each value as JSON.
fn json(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef> {
    let options =
        EncoderOptions::default().with_explicit_nulls(true).with_encoder_factory(Arc::new(Choices));
    let mut encoder = make_encoder(field, column.as_ref(), &options)?;
    let mut texts = StringViewBuilder::with_capacity(column.len());
    let mut text = Vec::new();
    for row in 0..column.len() {
        text.clear();
        if !encoder.is_null(row) {
            encoder.encode(row, &mut text);
        }
        let text = std::str::from_utf8(&text).map_err(|_| unexpected())?;
        // A choice may be null without its column saying so.
        texts.append_option(Some(text).filter(|text| !matches!(*text, "" | "null")));
    }
    Ok(Arc::new(texts.finish()))
}

/// Writes choices between types: the value alone, without the name of its type.
#[derive(Debug)]
struct Choices;

impl EncoderFactory for Choices {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        options: &'a EncoderOptions,
    ) -> std::result::Result<Option<NullableEncoder<'a>>, ArrowError> {
        let Some(union) = array.as_any().downcast_ref::<UnionArray>() else { return Ok(None) };
        let DataType::Union(fields, _) = array.data_type() else { return Ok(None) };
        let mut branches = Vec::new();
        for (id, field) in fields.iter() {
            branches.push((id, make_encoder(field, union.child(id).as_ref(), options)?));
        }
        Ok(Some(NullableEncoder::new(Box::new(Choice { union, branches }), None)))
    }
}

struct Choice<'a> {
    union: &'a UnionArray,
    branches: Vec<(i8, NullableEncoder<'a>)>,
}

impl Encoder for Choice<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let (id, at) = (self.union.type_id(row), self.union.value_offset(row));
        match self.branches.iter_mut().find(|(branch, _)| *branch == id) {
            Some((_, branch)) if !branch.is_null(at) => branch.encode(at, out),
            _ => out.extend_from_slice(b"null"),
        }
    }
}
