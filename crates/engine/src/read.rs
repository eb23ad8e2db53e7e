//! From a column as its source has it to the type that the catalog declares.
//!
//! A value that is not what the catalog says is an error that names the object and the field, and
//! never the value. Where nothing has to be converted, nothing is: a column that is already right
//! passes as it is.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use outhaul_exports::catalog::FieldType;

use crate::error::Fault;

/// What must happen to a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reading {
    /// Nothing.
    AsIs,
    /// A conversion to this type.
    To(DataType),
    /// It cannot be read as that; the text says why.
    Never(&'static str),
}

/// How a column of a physical type is read as a declared type. `text_scale` is the number of
/// digits after the point of decimals that are read from text.
pub(crate) fn reading(from: &DataType, declared: FieldType, text_scale: u8) -> Reading {
    let to = match declared {
        FieldType::Text => DataType::Utf8View,
        FieldType::Integer => DataType::Int64,
        FieldType::Decimal => match decimal(from, text_scale) {
            Some(to) => to,
            None => return Reading::Never("is no exact number; declare it as float"),
        },
        FieldType::Float => match from {
            DataType::Float16 | DataType::Float32 => return Reading::AsIs,
            _ => DataType::Float64,
        },
        FieldType::Boolean => DataType::Boolean,
        FieldType::Date => DataType::Date32,
        FieldType::Timestamp => timestamp(from),
        FieldType::Time => match from {
            DataType::Time32(_) | DataType::Time64(_) => return Reading::AsIs,
            _ => DataType::Time64(TimeUnit::Microsecond),
        },
        FieldType::Binary => match from {
            DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
                return Reading::AsIs;
            }
            _ => DataType::BinaryView,
        },
        FieldType::Json if from.is_nested() => return Reading::AsIs,
        FieldType::Json => DataType::Utf8View,
    };
    let number_from_moment = to.is_numeric() && from.is_temporal();
    if *from == to {
        Reading::AsIs
    } else if can_cast_types(from, &to) && !number_from_moment {
        Reading::To(to)
    } else {
        Reading::Never("is of a type that cannot be read as what the catalog declares")
    }
}

fn decimal(from: &DataType, text_scale: u8) -> Option<DataType> {
    match from {
        DataType::Decimal128(_, _) => Some(from.clone()),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            Some(DataType::Decimal128(*precision, *scale))
        }
        DataType::Decimal256(_, scale) => Some(DataType::Decimal128(38, *scale)),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Some(DataType::Decimal128(38, text_scale.cast_signed()))
        }
        DataType::Dictionary(_, inner) => decimal(inner, text_scale),
        integer if integer.is_integer() => Some(DataType::Decimal128(20, 0)),
        _ => None,
    }
}

/// Moments are shown in UTC, in microseconds unless the source has nanoseconds.
fn timestamp(from: &DataType) -> DataType {
    let unit = match from {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => TimeUnit::Nanosecond,
        _ => TimeUnit::Microsecond,
    };
    DataType::Timestamp(unit, Some("UTC".into()))
}

/// The conversion of one field, as a function of the plan.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReadField {
    object: String,
    field: String,
    wanted: &'static str,
    to: DataType,
    signature: Signature,
}

impl ReadField {
    pub(crate) fn function(
        object: &str,
        field: &str,
        wanted: FieldType,
        to: DataType,
    ) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(Self {
            object: object.to_owned(),
            field: field.to_owned(),
            wanted: wanted.name(),
            to,
            signature: Signature::any(1, Volatility::Immutable),
        }))
    }

    fn fault(&self) -> Fault {
        Fault::Value { object: self.object.clone(), field: self.field.clone(), wanted: self.wanted }
    }

    fn read(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let values = match values.data_type() {
            DataType::Dictionary(_, inner) => {
                strict(values, inner)?.ok_or_else(|| self.fault().carried())?
            }
            _ => Arc::clone(values),
        };
        let is_text =
            matches!(values.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let values = if is_text && self.to != DataType::Utf8View {
            let text = strict(&values, &DataType::Utf8View)?;
            let text = text.ok_or_else(|| self.fault().carried())?;
            let text = trimmed(text.as_string_view());
            if let DataType::Decimal128(_, scale) = self.to
                && text.iter().flatten().any(|text| !is_decimal(text, scale))
            {
                return Err(self.fault().carried());
            }
            Arc::new(text)
        } else {
            values
        };
        strict(&values, &self.to)?.ok_or_else(|| self.fault().carried())
    }
}

impl ScalarUDFImpl for ReadField {
    fn name(&self) -> &'static str {
        "read_field"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(self.read(&arrays.remove(0))?))
    }
}

/// Converts; `None` when a value that is there could not be converted.
fn strict(values: &ArrayRef, to: &DataType) -> Result<Option<ArrayRef>> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let converted = cast_with_options(values, to, &options)?;
    Ok((converted.logical_null_count() == values.logical_null_count()).then_some(converted))
}

/// Text without blanks around it; nothing left is no value.
fn trimmed(text: &StringViewArray) -> StringViewArray {
    text.iter().map(|text| text.map(str::trim).filter(|text| !text.is_empty())).collect()
}

/// Whether text is a decimal number whose digits all fit: conversion alone would round.
fn is_decimal(text: &str, scale: i8) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let all = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    all && digits.len() > usize::from(digits.contains('.'))
        && fraction.len() <= usize::try_from(scale).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_in_text_keeps_every_digit_or_is_refused() {
        for (text, scale, fits) in [
            ("1", 0, true),
            ("-1.50", 1, true),
            ("1.505", 2, false),
            ("", 2, false),
            (".", 2, false),
            (".5", 2, true),
            ("1e3", 2, false),
        ] {
            assert_eq!(is_decimal(text, scale), fits, "{text}");
        }
    }

    #[test]
    fn binary_floating_point_is_no_decimal() {
        assert!(matches!(reading(&DataType::Float64, FieldType::Decimal, 6), Reading::Never(_)));
        assert_eq!(reading(&DataType::Utf8View, FieldType::Text, 6), Reading::AsIs);
    }
}
