//! Rows in the binary form of `COPY` (PostgreSQL documentation, "COPY", Binary Format): each column
//! as the `recv` function of its type reads it.

use anyhow::bail;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};

/// What comes before the rows: a signature, no flags, no extension.
pub const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What comes after them.
pub const TRAILER: &[u8] = &(-1_i16).to_be_bytes();

/// Days from 1970 to 2000, where PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
/// What one digit of a `numeric` counts.
const NUMERIC_BASE: u128 = 10_000;
/// Decimal digits in it.
const NUMERIC_DIGITS: u32 = 4;
/// Sign of a `numeric` below zero.
const NUMERIC_NEGATIVE: u16 = 0x4000;

/// Appends the rows of a batch.
///
/// # Errors
/// When a column is of a type that the demo does not make.
pub fn rows(batch: &RecordBatch, out: &mut Vec<u8>) -> anyhow::Result<()> {
    let columns = batch.columns().iter().map(Column::of).collect::<anyhow::Result<Vec<_>>>()?;
    let count = i16::try_from(columns.len())?;
    for row in 0..batch.num_rows() {
        out.extend(count.to_be_bytes());
        for (column, array) in columns.iter().zip(batch.columns()) {
            if array.is_null(row) {
                out.extend((-1_i32).to_be_bytes());
                continue;
            }
            let at = out.len();
            out.extend([0; 4]);
            column.value(row, out);
            let length = i32::try_from(out.len() - at - 4)?;
            out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
    Ok(())
}

enum Column<'a> {
    Text(&'a arrow_array::StringArray),
    Whole(&'a arrow_array::Int64Array),
    Decimal(&'a arrow_array::Decimal128Array, u8),
    Boolean(&'a arrow_array::BooleanArray),
    Date(&'a arrow_array::Date32Array),
    Moment(&'a arrow_array::TimestampMicrosecondArray),
}

impl<'a> Column<'a> {
    fn of(array: &'a ArrayRef) -> anyhow::Result<Self> {
        Ok(match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Int64 => Self::Whole(array.as_primitive::<Int64Type>()),
            DataType::Decimal128(_, scale) => {
                Self::Decimal(array.as_primitive::<Decimal128Type>(), u8::try_from(*scale)?)
            }
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Moment(array.as_primitive::<TimestampMicrosecondType>())
            }
            other => bail!("the demo has no column of type {other}"),
        })
    }

    fn value(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Text(array) => out.extend(array.value(row).as_bytes()),
            Self::Whole(array) => out.extend(array.value(row).to_be_bytes()),
            Self::Decimal(array, scale) => numeric(array.value(row), *scale, out),
            Self::Boolean(array) => out.push(u8::from(array.value(row))),
            Self::Date(array) => out.extend((array.value(row) - EPOCH_DAYS).to_be_bytes()),
            Self::Moment(array) => out.extend((array.value(row) - EPOCH_MICROS).to_be_bytes()),
        }
    }
}

/// A `numeric`: how many digits of base 10,000, the power of the first one, sign, decimal digits
/// after the point, and the digits without zeros at either end.
fn numeric(units: i128, scale: u8, out: &mut Vec<u8>) {
    let sign = if units < 0 { NUMERIC_NEGATIVE } else { 0 };
    // The point stands between two digits of base 10,000.
    let padding = (NUMERIC_DIGITS - u32::from(scale) % NUMERIC_DIGITS) % NUMERIC_DIGITS;
    let fraction = (u32::from(scale) + padding) / NUMERIC_DIGITS;
    let mut rest = units.unsigned_abs() * 10_u128.pow(padding);
    let mut digits: Vec<u16> = Vec::with_capacity(8);
    let mut power = -i32::try_from(fraction).unwrap_or_default();
    while rest > 0 {
        // A remainder of 10,000 always fits.
        let digit = (rest % NUMERIC_BASE) as u16;
        rest /= NUMERIC_BASE;
        if digit != 0 || !digits.is_empty() {
            digits.push(digit);
        }
        power += 1;
    }
    let weight = if digits.is_empty() { 0 } else { power - 1 };
    // Eighteen decimal digits are few of these.
    out.extend((digits.len() as i16).to_be_bytes());
    out.extend((weight as i16).to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend(u16::from(scale).to_be_bytes());
    digits.iter().rev().for_each(|digit| out.extend(digit.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(units: i128, scale: u8) -> Vec<i16> {
        let mut bytes = Vec::new();
        numeric(units, scale, &mut bytes);
        bytes.chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]])).collect()
    }

    #[test]
    fn numbers_have_the_digits_that_postgresql_gives_them() {
        // As `select numeric_send(...)` shows them.
        for (units, scale, expected) in [
            (0, 2, vec![0, 0, 0, 2]),
            (1, 2, vec![1, -1, 0, 2, 100]),
            (100, 2, vec![1, 0, 0, 2, 1]),
            (-1_234_567, 2, vec![3, 1, 0x4000, 2, 1, 2345, 6700]),
            (1_000_000_000_000, 2, vec![1, 2, 0, 2, 100]),
            (123_456, 0, vec![2, 1, 0, 0, 12, 3456]),
            (5, 9, vec![1, -3, 0, 9, 5000]),
        ] {
            assert_eq!(parts(units, scale), expected, "{units} / 10^{scale}");
        }
    }
}
