//! In which type a column travels. Most Arrow types are Parquet types; the others are written in the
//! nearest type that keeps every value, and what has none is written as text, by the rules of
//! `cells`, with a warning.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date64Type, Int16Type, Int32Type, Int64Type, RunEndIndexType};
use arrow_array::{
    Array, ArrayRef, Date32Array, FixedSizeListArray, LargeListArray, ListArray, MapArray,
    RunArray, StructArray, UInt64Array,
};
use arrow_cast::CastOptions;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, TimeUnit};

use crate::cells::{Buf, Column, Escape};
use crate::error::{Error, Result};
use crate::options::ValueOptions;

/// Most digits of a decimal that all readers keep exactly; past them some read a float.
const DECIMAL_DIGITS_MAX: i16 = 38;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// What is done to the arrays of a field before they are encoded.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Carry {
    /// Nothing.
    Same,
    /// Arrow's own conversion, which keeps every value or fails.
    Cast(DataType),
    /// Milliseconds of whole days become days.
    Days,
    /// The text of `cells`.
    Text,
    /// The values that a dictionary or runs stand for, carried in their turn.
    Unpack(Box<Carry>),
    List(FieldRef, Box<Carry>),
    LargeList(FieldRef, Box<Carry>),
    FixedSizeList(FieldRef, i32, Box<Carry>),
    Struct(Fields, Vec<Carry>),
    Map(FieldRef, bool, Vec<Carry>),
}

impl Carry {
    /// How the arrays of a field travel, and the field that they then have.
    pub(super) fn plan(field: &Field) -> (Field, Self) {
        let (data_type, carry) = Self::of(field.data_type());
        // Whatever a field of nothing says, its values are nulls.
        let nullable = field.is_nullable() || data_type == DataType::Null;
        (field.clone().with_data_type(data_type).with_nullable(nullable), carry)
    }

    fn of(data_type: &DataType) -> (DataType, Self) {
        let cast = |to: DataType| (to.clone(), Self::Cast(to));
        match data_type {
            // Readers that know half floats are few, and every half float is a float.
            DataType::Float16 => cast(DataType::Float32),
            DataType::Decimal32(digits, scale)
            | DataType::Decimal64(digits, scale)
            | DataType::Decimal128(digits, scale)
            | DataType::Decimal256(digits, scale) => Self::decimal(data_type, *digits, *scale),
            DataType::Date64 => (DataType::Date32, Self::Days),
            // The format counts no whole seconds.
            DataType::Time32(TimeUnit::Second) => cast(DataType::Time32(TimeUnit::Millisecond)),
            DataType::Timestamp(TimeUnit::Second, zone) => {
                cast(DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))
            }
            DataType::FixedSizeBinary(0) => cast(DataType::Binary),
            DataType::Duration(_) | DataType::Interval(_) => (DataType::Utf8, Self::Text),
            DataType::Dictionary(_, values) => Self::unpack(values),
            DataType::RunEndEncoded(_, values) => Self::unpack(values.data_type()),
            DataType::List(of) => {
                let (of, carry) = Self::child(of);
                Self::nested(DataType::List(of.clone()), [carry], |[carry]| Self::List(of, carry))
            }
            DataType::LargeList(of) => {
                let (of, carry) = Self::child(of);
                Self::nested(DataType::LargeList(of.clone()), [carry], |[carry]| {
                    Self::LargeList(of, carry)
                })
            }
            DataType::FixedSizeList(of, width) => {
                let (of, carry) = Self::child(of);
                Self::nested(DataType::FixedSizeList(of.clone(), *width), [carry], |[carry]| {
                    Self::FixedSizeList(of, *width, carry)
                })
            }
            DataType::Struct(fields) => {
                let (fields, carries) = Self::children(fields);
                match carries.iter().all(|carry| *carry == Self::Same) {
                    true => (data_type.clone(), Self::Same),
                    false => (DataType::Struct(fields.clone()), Self::Struct(fields, carries)),
                }
            }
            DataType::Map(entries, sorted) => Self::map(data_type, entries, *sorted),
            same => (same.clone(), Self::Same),
        }
    }

    /// A list; the same when its values are.
    fn nested(
        data_type: DataType,
        [carry]: [Self; 1],
        wrap: impl FnOnce([Box<Self>; 1]) -> Self,
    ) -> (DataType, Self) {
        match carry {
            Self::Same => (data_type, Self::Same),
            carry => (data_type, wrap([Box::new(carry)])),
        }
    }

    fn child(field: &FieldRef) -> (FieldRef, Self) {
        let (field, carry) = Self::plan(field);
        (Arc::new(field), carry)
    }

    fn children(fields: &Fields) -> (Fields, Vec<Self>) {
        let (fields, carries): (Vec<_>, Vec<_>) = fields.iter().map(Self::child).unzip();
        (fields.into(), carries)
    }

    fn map(data_type: &DataType, entries: &FieldRef, sorted: bool) -> (DataType, Self) {
        let DataType::Struct(fields) = entries.data_type() else {
            return (data_type.clone(), Self::Same);
        };
        let (fields, carries) = Self::children(fields);
        if carries.iter().all(|carry| *carry == Self::Same) {
            return (data_type.clone(), Self::Same);
        }
        let entries = entries.as_ref().clone().with_data_type(DataType::Struct(fields));
        let entries = Arc::new(entries);
        (DataType::Map(entries.clone(), sorted), Self::Map(entries, sorted, carries))
    }

    fn unpack(values: &DataType) -> (DataType, Self) {
        let (data_type, carry) = Self::of(values);
        (data_type, Self::Unpack(Box::new(carry)))
    }

    /// The format knows no negative scale.
    fn decimal(data_type: &DataType, digits: u8, scale: i8) -> (DataType, Self) {
        let (digits, scale) = (i16::from(digits), i16::from(scale));
        let wanted = digits - scale.min(0);
        if wanted > DECIMAL_DIGITS_MAX {
            return (DataType::Utf8, Self::Text);
        }
        if wanted == digits && !matches!(data_type, DataType::Decimal256(..)) {
            return (data_type.clone(), Self::Same);
        }
        // Cannot be cut: both are at most 38 here.
        let to = DataType::Decimal128(wanted as u8, scale.max(0) as i8);
        (to.clone(), Self::Cast(to))
    }

    /// True when texts stand for values of another type, here or below.
    pub(super) fn has_text(&self) -> bool {
        match self {
            Self::Text => true,
            Self::Same | Self::Cast(_) | Self::Days => false,
            Self::Unpack(carry)
            | Self::List(_, carry)
            | Self::LargeList(_, carry)
            | Self::FixedSizeList(_, _, carry) => carry.has_text(),
            Self::Struct(_, carries) | Self::Map(_, _, carries) => {
                carries.iter().any(Self::has_text)
            }
        }
    }

    /// The array as it travels.
    ///
    /// # Errors
    /// `Convert` when a value cannot be kept.
    pub(super) fn apply(
        &self,
        name: &str,
        array: &ArrayRef,
        values: &ValueOptions,
    ) -> Result<ArrayRef> {
        let failed = |source: ArrowError| Error::Convert { column: name.to_owned(), source };
        let child = |carry: &Self, array: &ArrayRef| carry.apply(name, array, values);
        Ok(match self {
            Self::Same => array.clone(),
            Self::Cast(to) => {
                let options = CastOptions { safe: false, ..CastOptions::default() };
                arrow_cast::cast_with_options(array, to, &options).map_err(failed)?
            }
            Self::Days => days(array),
            Self::Text => texts(name, array, values)?,
            Self::Unpack(carry) => child(carry, &unpacked(array).map_err(failed)?)?,
            Self::List(of, carry) => {
                let list = array.as_list::<i32>();
                let items = child(carry, list.values())?;
                let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
                Arc::new(ListArray::try_new(of.clone(), offsets, items, nulls).map_err(failed)?)
            }
            Self::LargeList(of, carry) => {
                let list = array.as_list::<i64>();
                let items = child(carry, list.values())?;
                let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
                let list = LargeListArray::try_new(of.clone(), offsets, items, nulls);
                Arc::new(list.map_err(failed)?)
            }
            Self::FixedSizeList(of, width, carry) => {
                let list = array.as_fixed_size_list();
                let items = child(carry, list.values())?;
                let nulls = list.nulls().cloned();
                let list = FixedSizeListArray::try_new_with_length(
                    of.clone(),
                    *width,
                    items,
                    nulls,
                    list.len(),
                );
                Arc::new(list.map_err(failed)?)
            }
            Self::Struct(fields, carries) => {
                Arc::new(structs(name, array.as_struct(), fields, carries, values)?)
            }
            Self::Map(entries, sorted, carries) => {
                let map = array.as_map();
                let DataType::Struct(fields) = entries.data_type() else {
                    return Err(Error::Usage("a map has entries that are no struct"));
                };
                let items = structs(name, map.entries(), fields, carries, values)?;
                let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
                let map = MapArray::try_new(entries.clone(), offsets, items, nulls, *sorted);
                Arc::new(map.map_err(failed)?)
            }
        })
    }
}

fn structs(
    name: &str,
    array: &StructArray,
    fields: &Fields,
    carries: &[Carry],
    values: &ValueOptions,
) -> Result<StructArray> {
    let columns = array.columns().iter().zip(carries);
    let columns: Vec<_> =
        columns.map(|(column, carry)| carry.apply(name, column, values)).collect::<Result<_>>()?;
    StructArray::try_new(fields.clone(), columns, array.nulls().cloned())
        .map_err(|source| Error::Convert { column: name.to_owned(), source })
}

fn days(array: &ArrayRef) -> ArrayRef {
    let millis = array.as_primitive::<Date64Type>();
    // Days outside of 32 bits are six million years away; Arrow's own kernels wrap there as well.
    let days: Date32Array = millis.unary(|value| value.div_euclid(MILLIS_PER_DAY) as i32);
    Arc::new(days)
}

/// The values of a dictionary or of runs, one for each row.
fn unpacked(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        return arrow_select::take::take(dictionary.values(), dictionary.keys(), None);
    }
    match array.data_type() {
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => unpacked_runs::<Int16Type>(array),
            DataType::Int32 => unpacked_runs::<Int32Type>(array),
            _ => unpacked_runs::<Int64Type>(array),
        },
        _ => Ok(array.clone()),
    }
}

fn unpacked_runs<R: RunEndIndexType>(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let wrong = || ArrowError::CastError("a run array is not of its own type".to_owned());
    let runs = array.as_any().downcast_ref::<RunArray<R>>().ok_or_else(wrong)?;
    let places = (0..runs.len()).map(|row| runs.get_physical_index(row) as u64);
    let places = UInt64Array::from_iter_values(places);
    arrow_select::take::take(runs.values(), &places, None)
}

/// The values as `cells` writes them.
fn texts(name: &str, array: &ArrayRef, values: &ValueOptions) -> Result<ArrayRef> {
    let mut column = Column::resolve(name, array, values)?;
    let mut texts = StringBuilder::new();
    let mut text = Buf::default();
    for row in 0..array.len() {
        if column.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        column.write(row, &mut text, &mut Plain);
        texts.append_value(String::from_utf8_lossy(text.as_slice()));
    }
    Ok(Arc::new(texts.finish()))
}

/// Texts as they are.
struct Plain;

impl Escape for Plain {
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        out.slice(text);
    }

    fn null(&mut self, _: &mut Buf) {}
}
