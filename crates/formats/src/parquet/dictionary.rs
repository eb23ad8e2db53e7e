//! Whether a column is worth a dictionary. A dictionary makes columns of few values small; for a
//! column of many it costs a look-up per value, to be thrown away when it grows too large. A sample
//! of the rows tells which it is. It is taken by the place of the rows alone, so that a file is the
//! same whoever encodes it.

use std::collections::HashSet;

use arrow_array::{Array, ArrayRef};

use crate::cells::{Buf, Column, Escape};
use crate::error::Result;
use crate::options::ValueOptions;

/// Rows that are looked at.
const SAMPLE_ROWS: usize = 1_024;

/// How often each value has to come again, on average, for a dictionary to pay.
const REPEATS_WANTED: f64 = 4.0;

/// Decides for the arrays of one column of a row group.
pub(super) fn is_worthwhile(
    name: &str,
    arrays: &[ArrayRef],
    values: &ValueOptions,
) -> Result<bool> {
    let rows: usize = arrays.iter().map(Array::len).sum();
    let step = rows.div_ceil(SAMPLE_ROWS).max(1);
    let mut seen: HashSet<Vec<u8>> = HashSet::with_capacity(SAMPLE_ROWS);
    let (mut looked_at, mut sampled, mut next) = (0_usize, 0_usize, 0);
    let mut text = Buf::default();
    for array in arrays {
        let mut column = Column::resolve(name, array, values)?;
        while next < array.len() {
            looked_at += 1;
            if !column.is_null(next) {
                sampled += 1;
                text.clear();
                column.write(next, &mut text, &mut Sample);
                if !seen.contains(text.as_slice()) {
                    seen.insert(text.as_slice().to_vec());
                }
            }
            next += step;
        }
        next -= array.len();
    }
    if seen.is_empty() {
        return Ok(true);
    }
    let values = rows as f64 * sampled as f64 / looked_at as f64;
    let distinct = distinct_of_all(seen.len() as f64, sampled as f64, values);
    Ok(distinct * REPEATS_WANTED <= values)
}

/// Estimates the distinct values of all rows from those of a sample: the number that would show so
/// many different ones, were all equally frequent.
fn distinct_of_all(seen: f64, sampled: f64, values: f64) -> f64 {
    let shown_by = |distinct: f64| distinct * (1.0 - (-sampled / distinct).exp());
    let (mut low, mut high) = (seen.max(1.0), values.max(1.0));
    if shown_by(high) <= seen {
        return high;
    }
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        match shown_by(middle) < seen {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

/// What tells two values apart.
struct Sample;

impl Escape for Sample {
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        // Long texts that begin alike are different ones, as good as always.
        out.slice(&text[..text.len().min(64)]);
        out.slice(&text.len().to_le_bytes());
    }

    fn null(&mut self, _: &mut Buf) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};

    use super::*;

    fn worthwhile(values: impl Iterator<Item = i64>) -> bool {
        let array: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        let parts: Vec<ArrayRef> = (0..array.len())
            .step_by(1_000)
            .map(|at| array.slice(at, 1_000.min(array.len() - at)))
            .collect();
        is_worthwhile("n", &parts, &ValueOptions::default()).unwrap()
    }

    #[test]
    fn few_values_are_and_many_are_not() {
        let noise = |row: i64| (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let of = |distinct: u64| (0..120_000).map(move |row| (noise(row) % distinct) as i64);
        assert!(worthwhile(of(1)));
        assert!(worthwhile(of(2_500)));
        assert!(worthwhile(of(10_000)));
        assert!(!worthwhile(of(200_000)));
        assert!(!worthwhile(0..120_000));
        assert!(!worthwhile((0..120_000).map(|row| row / 4)), "each value in one place");
    }

    #[test]
    fn nulls_do_not_count() {
        let texts: StringArray = (0..50_000).map(|row| (row % 7 == 0).then_some("x")).collect();
        let array: ArrayRef = Arc::new(texts);
        assert!(is_worthwhile("t", &[array], &ValueOptions::default()).unwrap());
        let none: ArrayRef = Arc::new(StringArray::new_null(50_000));
        assert!(is_worthwhile("t", &[none], &ValueOptions::default()).unwrap());
    }
}
