//! From a column as its source has it to the type that the catalog declares.
//!
//! Nothing is rounded, cut or guessed on the way. [`target`] lists which types can be read as which
//! without a loss; every other pair is refused before a row is read. Where the values decide, such
//! as a whole number that may or may not fit, a value that would lose something is an error that
//! names the object and the field, and never the value. A column that is already right passes as
//! it is.

mod text;

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, StringViewArray,
};
use datafusion::arrow::compute::kernels::cmp::not_distinct;
use datafusion::arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Float64Type, TimeUnit};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use outhaul_exports::catalog::FieldType;

use self::text::{day, float, whole};
pub(crate) use self::text::{exact_decimal, is_micros};
use crate::error::Fault;

/// What must happen to a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reading {
    /// Nothing.
    AsIs,
    /// A conversion to this type.
    To(DataType),
    /// It cannot be read as that; the text says why, and what to do.
    Never(String),
}

/// How a column of a physical type is read as a declared type. `text_scale` is the number of
/// digits after the point of decimals that are read from text.
pub(crate) fn reading(from: &DataType, declared: FieldType, text_scale: u8) -> Reading {
    if let DataType::Dictionary(_, inner) = from {
        return match reading(inner, declared, text_scale) {
            Reading::AsIs => Reading::To(inner.as_ref().clone()),
            other => other,
        };
    }
    match target(from, declared, text_scale) {
        Some(to) if to == *from => Reading::AsIs,
        Some(to) if can_cast_types(from, &to) => Reading::To(to),
        _ => {
            let own = format!("{:?}", FieldType::of(from)).to_lowercase();
            let from = if from.is_nested() { "a nested type".into() } else { from.to_string() };
            let wanted = declared.name();
            Reading::Never(format!(
                "is of type {from} in the source, which cannot be read as a {wanted} without a \
                 loss or a guess; declare the field as {own}, or convert the column where it is made"
            ))
        }
    }
}

/// The families of types between which readings are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// No values at all: readable as everything.
    Nothing,
    Boolean,
    Whole,
    Float,
    Decimal,
    Text,
    Binary,
    Date,
    Moment,
    Time,
    Span,
    Nested,
}

impl Family {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Self::Nothing,
            DataType::Boolean => Self::Boolean,
            whole if whole.is_integer() => Self::Whole,
            float if float.is_floating() => Self::Float,
            DataType::Decimal32(_, _)
            | DataType::Decimal64(_, _)
            | DataType::Decimal128(_, _)
            | DataType::Decimal256(_, _) => Self::Decimal,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::Binary,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(_, _) => Self::Moment,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Duration(_) | DataType::Interval(_) => Self::Span,
            _ => Self::Nested,
        }
    }
}

/// Every pair that loses nothing, or of which each value tells whether it would: the type that a
/// column is read as. `None` is every other pair.
fn target(from: &DataType, declared: FieldType, text_scale: u8) -> Option<DataType> {
    use Family as F;
    let family = Family::of(from);
    let is = |of: &[Family]| family == F::Nothing || of.contains(&family);
    match declared {
        FieldType::Text => (family != F::Nested).then_some(DataType::Utf8View),
        FieldType::Integer => {
            is(&[F::Whole, F::Boolean, F::Decimal, F::Float, F::Text]).then_some(DataType::Int64)
        }
        // A binary floating point number is no exact number, whatever its digits look like.
        FieldType::Decimal => decimal(from, text_scale),
        FieldType::Float => match from {
            DataType::Float16 | DataType::Float32 => Some(from.clone()),
            _ => is(&[F::Float, F::Whole, F::Decimal, F::Text]).then_some(DataType::Float64),
        },
        FieldType::Boolean => is(&[F::Boolean, F::Whole, F::Text]).then_some(DataType::Boolean),
        FieldType::Date => is(&[F::Date, F::Moment, F::Text]).then_some(DataType::Date32),
        FieldType::Timestamp => is(&[F::Moment, F::Date, F::Text]).then_some(timestamp(from)),
        FieldType::Time => match family {
            F::Time => Some(from.clone()),
            _ => is(&[F::Text]).then_some(DataType::Time64(TimeUnit::Microsecond)),
        },
        FieldType::Binary => match family {
            F::Binary => Some(from.clone()),
            _ => is(&[F::Text]).then_some(DataType::BinaryView),
        },
        FieldType::Json if from.is_nested() => Some(from.clone()),
        FieldType::Json => is(&[F::Text, F::Boolean, F::Whole, F::Decimal, F::Binary])
            .then_some(DataType::Utf8View),
    }
}

fn decimal(from: &DataType, text_scale: u8) -> Option<DataType> {
    match from {
        DataType::Decimal128(_, _) => Some(from.clone()),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            Some(DataType::Decimal128(*precision, *scale))
        }
        DataType::Decimal256(_, scale) => {
            (*scale <= 38).then_some(DataType::Decimal128(38, *scale))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            Some(DataType::Decimal128(38, text_scale.cast_signed()))
        }
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

    fn refused(&self, wanted: &'static str) -> DataFusionError {
        Fault::Value { object: self.object.clone(), field: self.field.clone(), wanted }.carried()
    }

    fn read(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let strict = |values: &ArrayRef, to: &DataType| {
            strict(values, to)?.ok_or_else(|| self.refused(self.wanted))
        };
        let values = match values.data_type() {
            DataType::Dictionary(_, inner) => strict(values, inner)?,
            _ => Arc::clone(values),
        };
        let family = Family::of(values.data_type());
        match (family, &self.to) {
            (Family::Text, DataType::Utf8View | DataType::BinaryView) => strict(&values, &self.to),
            (Family::Text, _) => {
                let text = strict(&values, &DataType::Utf8View)?;
                self.read_text(&trimmed(text.as_string_view()))
            }
            (Family::Float, DataType::Int64) => {
                let values = strict(&values, &DataType::Float64)?;
                let values = values.as_primitive::<Float64Type>();
                let whole: Option<Int64Array> = every(values.iter(), whole_float);
                Ok(Arc::new(whole.ok_or_else(|| self.refused(self.wanted))?))
            }
            _ => {
                let converted = strict(&values, &self.to)?;
                let lossy = matches!(
                    (family, &self.to),
                    (Family::Decimal, DataType::Int64 | DataType::Float64)
                        | (Family::Whole, DataType::Float64 | DataType::Boolean)
                        | (Family::Moment | Family::Date, DataType::Date32)
                );
                if lossy && !same(&values, &converted)? {
                    return Err(self.refused(match &self.to {
                        DataType::Float64 => "number that a float holds without rounding",
                        DataType::Date32 => "date without a time of day",
                        _ => self.wanted,
                    }));
                }
                Ok(converted)
            }
        }
    }

    /// Text is read by what it says, and only where all of it can be kept.
    fn read_text(&self, text: &StringViewArray) -> Result<ArrayRef> {
        let refused = || self.refused(self.wanted);
        Ok(match &self.to {
            DataType::Int64 => {
                let whole: Option<Int64Array> = every(text.iter(), whole);
                Arc::new(whole.ok_or_else(refused)?)
            }
            DataType::Float64 => {
                let floats: Option<Float64Array> = every(text.iter(), float);
                Arc::new(floats.ok_or_else(refused)?)
            }
            DataType::Decimal128(precision, scale) => {
                let exact = |text: &str| exact_decimal(text, *scale);
                let exact: Option<Decimal128Array> = every(text.iter(), exact);
                let exact = exact.ok_or_else(|| {
                    self.refused("decimal of at most `decimal_digits` digits after the point")
                })?;
                Arc::new(exact.with_precision_and_scale(*precision, *scale)?)
            }
            DataType::Date32 => {
                let days: Option<StringViewArray> = every(text.iter(), day);
                let days = days.ok_or_else(|| self.refused("date without a time of day"))?;
                let days: ArrayRef = Arc::new(days);
                strict(&days, &self.to)?.ok_or_else(refused)?
            }
            to => {
                let fine = matches!(to, DataType::Timestamp(_, _) | DataType::Time64(_))
                    && !text.iter().flatten().all(is_micros);
                if fine {
                    return Err(self.refused(match to {
                        DataType::Timestamp(_, _) => "timestamp in whole microseconds",
                        _ => "time of day in whole microseconds",
                    }));
                }
                let text: ArrayRef = Arc::new(text.clone());
                strict(&text, to)?.ok_or_else(refused)?
            }
        })
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

/// Whether values come back as they were from what they were converted to.
fn same(values: &ArrayRef, converted: &ArrayRef) -> Result<bool> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let back = cast_with_options(converted, values.data_type(), &options)?;
    Ok(not_distinct(values, &back)?.true_count() == values.len())
}

/// Every value read in one way; `None` when one of them cannot be.
fn every<T, U, A: FromIterator<Option<U>>>(
    values: impl Iterator<Item = Option<T>>,
    read: impl Fn(T) -> Option<U>,
) -> Option<A> {
    let read = |value: Option<T>| match value {
        Some(value) => read(value).map(Some),
        None => Some(None),
    };
    values.map(read).collect()
}

fn whole_float(value: f64) -> Option<i64> {
    // The bounds are powers of two, so that they are exact; the upper one is too large by one.
    let bound = 2.0_f64.powi(63);
    (value.fract() == 0.0 && value >= -bound && value < bound).then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> Vec<DataType> {
        use DataType as D;
        use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
        vec![
            D::Boolean,
            D::Int8,
            D::Int64,
            D::UInt64,
            D::Float32,
            D::Float64,
            D::Decimal128(10, 2),
            D::Decimal256(50, 2),
            D::Utf8View,
            D::BinaryView,
            D::Date32,
            D::Date64,
            D::Timestamp(Second, None),
            D::Timestamp(Nanosecond, Some("Europe/Berlin".into())),
            D::Time32(Millisecond),
            D::Time64(Microsecond),
            D::Duration(Microsecond),
            D::new_list(D::Int64, true),
        ]
    }

    #[test]
    fn what_cannot_be_read_without_a_loss_is_refused_when_it_is_bound() {
        use FieldType as F;
        let all = [
            (
                F::Text,
                "bool int int int float float dec dec text bin date date ts ts time time span",
            ),
            (F::Integer, "bool int int int float float dec dec text"),
            (F::Decimal, "int int int dec dec text"),
            (F::Float, "int int int float float dec dec text"),
            (F::Boolean, "bool int int int text"),
            (F::Date, "text date date ts ts"),
            (F::Timestamp, "text date date ts ts"),
            (F::Time, "text time time"),
            (F::Binary, "text bin"),
            (F::Json, "bool int int int dec dec text bin nested"),
        ];
        for (declared, readable) in all {
            let found: Vec<_> = types()
                .iter()
                .filter(|from| !matches!(reading(from, declared, 6), Reading::Never(_)))
                .map(|from| match Family::of(from) {
                    Family::Nothing => "null",
                    Family::Boolean => "bool",
                    Family::Whole => "int",
                    Family::Float => "float",
                    Family::Decimal => "dec",
                    Family::Text => "text",
                    Family::Binary => "bin",
                    Family::Date => "date",
                    Family::Moment => "ts",
                    Family::Time => "time",
                    Family::Span => "span",
                    Family::Nested => "nested",
                })
                .collect();
            assert_eq!(found.join(" "), readable, "{declared:?}");
        }
        assert_eq!(reading(&DataType::Utf8View, F::Text, 6), Reading::AsIs);
        assert_eq!(reading(&DataType::Null, F::Date, 6), Reading::To(DataType::Date32));
        let Reading::Never(why) = reading(&DataType::Int64, F::Timestamp, 6) else {
            panic!("a number is no moment");
        };
        assert!(why.contains("Int64") && why.contains("declare the field as integer"), "{why}");
    }

    #[test]
    fn a_value_is_read_whole_or_refused() {
        use DataType as D;
        use TimeUnit::{Microsecond, Nanosecond};
        let day = 86_400_000_000_i64;
        let utc = |unit| D::Timestamp(unit, Some("UTC".into()));
        for (from, value, declared, read) in [
            (D::Float64, "1.0", FieldType::Integer, Some("1")),
            (D::Float64, "-0.0", FieldType::Integer, Some("0")),
            (D::Float64, "1.9", FieldType::Integer, None),
            (D::Float64, "9223372036854775808", FieldType::Integer, None),
            (D::Float64, "NaN", FieldType::Integer, None),
            (D::Decimal128(10, 2), "2.00", FieldType::Integer, Some("2")),
            (D::Decimal128(10, 2), "2.99", FieldType::Integer, None),
            (D::UInt64, "18446744073709551615", FieldType::Integer, None),
            (D::UInt64, "18446744073709551615", FieldType::Decimal, Some("18446744073709551615")),
            (D::Int64, "1", FieldType::Boolean, Some("true")),
            (D::Int64, "7", FieldType::Boolean, None),
            (D::Int64, "9007199254740992", FieldType::Float, Some("9007199254740992.0")),
            (D::Int64, "9007199254740993", FieldType::Float, None),
            (D::Int64, "9223372036854775807", FieldType::Float, None),
            (D::Decimal128(38, 2), "0.10", FieldType::Float, Some("0.1")),
            (D::Decimal128(38, 2), "123456789012345678.91", FieldType::Float, None),
            (utc(Microsecond), "2024-01-01T00:00:00Z", FieldType::Date, Some("2024-01-01")),
            (utc(Microsecond), "2024-01-01T10:00:00Z", FieldType::Date, None),
            (utc(Nanosecond), "1969-12-31T23:59:59.999999999Z", FieldType::Date, None),
            (D::Utf8, "2024-01-01", FieldType::Date, Some("2024-01-01")),
            (D::Utf8, "2024-01-01T00:00:00Z", FieldType::Date, Some("2024-01-01")),
            (D::Utf8, "2024-01-01T23:59:59", FieldType::Date, None),
            (D::Utf8, "2024-01-01T00:00:00+02:00", FieldType::Date, None),
            (
                D::Utf8,
                "2024-01-01T10:00:00.123456000+01:00",
                FieldType::Timestamp,
                Some("2024-01-01T09:00:00.123456Z"),
            ),
            (D::Utf8, "2024-01-01T10:00:00.123456789Z", FieldType::Timestamp, None),
            (D::Utf8, "10:00:00.1234567", FieldType::Time, None),
            (D::Utf8, "10:00:00.25", FieldType::Time, Some("10:00:00.250")),
            (D::Utf8, "1.9", FieldType::Integer, None),
            (D::Utf8, " 7.0 ", FieldType::Integer, Some("7")),
            (D::Utf8, "2.9999999", FieldType::Decimal, None),
            (D::Utf8, "2.5", FieldType::Decimal, Some("2.500000")),
            (D::Utf8, "", FieldType::Integer, Some("")),
        ] {
            let text: ArrayRef = Arc::new(StringViewArray::from(vec![value]));
            let column = strict(&text, &from).expect("a type").expect("a value");
            let Reading::To(to) = reading(&from, declared, 6) else {
                panic!("{from} {declared:?}")
            };
            let function = ReadField {
                object: "O".into(),
                field: "F".into(),
                wanted: declared.name(),
                to,
                signature: Signature::any(1, Volatility::Immutable),
            };
            let found = function.read(&column);
            let Some(read) = read else {
                let error = crate::error::running(found.expect_err(value));
                let text = error.to_string();
                assert!(text.contains("field F") && !text.contains(value), "{text}");
                continue;
            };
            let found = found.expect(value);
            let shown = datafusion::arrow::util::display::array_value_to_string(&found, 0);
            assert_eq!(shown.expect("it is shown"), read, "{value}");
        }
        let far: ArrayRef =
            Arc::new(datafusion::arrow::array::TimestampSecondArray::from(vec![i64::MAX / day]));
        assert!(strict(&far, &utc(Microsecond)).expect("a type").is_some());
    }
}
