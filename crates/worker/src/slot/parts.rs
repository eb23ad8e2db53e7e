//! Where one query's rows are cut into the parts that become files.
//!
//! Rows are taken batch by batch, and a batch is cut at the border of a part; nothing is held but
//! the rest of one batch. Days must come in their order, or a day would be two files: rows that
//! come back to an earlier one end the attempt.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use chrono::{Days, NaiveDate};
use futures::StreamExt;
use outhaul_exports::flow::BatchStream;
use outhaul_exports::spec::Split;
use outhaul_exports::{Error, Result};

/// The part of rows that have no day. It comes last, as nulls do in an order.
const UNDATED: &str = "undated";

/// A query's rows, one part after the other.
pub(super) struct PartReader {
    batches: BatchStream,
    split: Option<Split>,
    /// What was read of the next part already.
    rest: Option<RecordBatch>,
    at: At,
}

/// Which part is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The only one.
    Whole,
    /// The one of this number, counted from 1, with room for so many rows.
    Rows { number: u64, room: u64 },
    /// The one of this day; before the first row, none.
    Day(Option<Day>),
}

/// Days since 1970; nothing is later than any day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Day {
    Of(i64),
    Undated,
}

impl PartReader {
    /// The parts of a result. The first one is there even when no row is.
    ///
    /// # Errors
    /// What the source says about its first rows.
    pub(super) async fn of(batches: BatchStream, split: Option<Split>) -> Result<Self> {
        let at = match split {
            None => At::Whole,
            Some(Split::Rows(room) | Split::FullRows(room)) => At::Rows { number: 1, room },
            Some(Split::Day(_)) => At::Day(None),
        };
        let mut parts = Self { batches, split, rest: None, at };
        parts.fill().await?;
        parts.enter_day()?;
        Ok(parts)
    }

    /// What the part is called that is being read; nothing for a whole result.
    pub(super) fn name(&self) -> Option<String> {
        match self.at {
            At::Whole | At::Day(None) => None,
            At::Rows { number, .. } => Some(number.to_string()),
            At::Day(Some(day)) => Some(day.name()),
        }
    }

    /// The next rows of the part; `None` at its end.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.fill().await?;
        let Some(batch) = self.rest.take() else { return Ok(None) };
        let rows = batch.num_rows();
        let own = match (&mut self.at, self.split) {
            (At::Rows { room, .. }, _) => {
                let own = usize::try_from(*room).unwrap_or(usize::MAX).min(rows);
                *room -= own as u64;
                own
            }
            (At::Day(Some(day)), Some(Split::Day(column))) => days(&batch, column)?.run_of(*day),
            _ => rows,
        };
        if own < rows {
            self.rest = Some(batch.slice(own, rows - own));
        }
        Ok((own > 0).then(|| batch.slice(0, own)))
    }

    /// Goes on to the next part; whether there is one.
    pub(super) async fn another(&mut self) -> Result<bool> {
        self.fill().await?;
        if self.rest.is_none() {
            return Ok(false);
        }
        if let (At::Rows { number, room }, Some(Split::Rows(rows))) = (&mut self.at, self.split) {
            *number += 1;
            *room = rows;
        }
        self.enter_day()?;
        Ok(true)
    }

    /// Sees to it that the next row is at hand, where there is one.
    async fn fill(&mut self) -> Result<()> {
        while self.rest.is_none() {
            let Some(batch) = self.batches.next().await.transpose()? else { break };
            self.rest = Some(batch).filter(|batch| batch.num_rows() > 0);
        }
        Ok(())
    }

    /// Makes the day of the next row the part that is being read.
    fn enter_day(&mut self) -> Result<()> {
        let (At::Day(current), Some(Split::Day(column)), Some(batch)) =
            (&mut self.at, self.split, &self.rest)
        else {
            return Ok(());
        };
        let next = days(batch, column)?.of(0);
        if current.is_some_and(|current| next <= current) {
            return Err(Error::internal("rows that are split by day do not come in their order"));
        }
        *current = Some(next);
        Ok(())
    }
}

impl Day {
    fn name(self) -> String {
        let Self::Of(days) = self else { return UNDATED.to_owned() };
        let distance = Days::new(days.unsigned_abs());
        let date = match days {
            0.. => NaiveDate::default().checked_add_days(distance),
            _ => NaiveDate::default().checked_sub_days(distance),
        };
        date.map_or_else(|| UNDATED.to_owned(), |date| date.to_string())
    }
}

/// The days of a column of dates or moments.
struct DayColumn<'a> {
    column: &'a dyn Array,
    values: Values<'a>,
    per_day: i64,
}

enum Values<'a> {
    Days(&'a [i32]),
    Moments(&'a [i64]),
}

fn days(batch: &RecordBatch, column: usize) -> Result<DayColumn<'_>> {
    const DAY: i64 = 86_400;
    let wrong = || Error::internal("the column that rows are split by has no days");
    let column = batch.columns().get(column).ok_or_else(wrong)?;
    let (values, per_day) = match column.data_type() {
        DataType::Date32 => (Values::Days(column.as_primitive::<Date32Type>().values()), 1),
        DataType::Timestamp(unit, _) => {
            let (values, per_second) = match unit {
                TimeUnit::Second => (column.as_primitive::<TimestampSecondType>().values(), 1),
                TimeUnit::Millisecond => {
                    (column.as_primitive::<TimestampMillisecondType>().values(), 1_000)
                }
                TimeUnit::Microsecond => {
                    (column.as_primitive::<TimestampMicrosecondType>().values(), 1_000_000)
                }
                TimeUnit::Nanosecond => {
                    (column.as_primitive::<TimestampNanosecondType>().values(), 1_000_000_000)
                }
            };
            (Values::Moments(values), DAY * per_second)
        }
        _ => return Err(wrong()),
    };
    Ok(DayColumn { column, values, per_day })
}

impl DayColumn<'_> {
    fn of(&self, row: usize) -> Day {
        if self.column.is_null(row) {
            return Day::Undated;
        }
        Day::Of(match self.values {
            Values::Days(days) => i64::from(days[row]),
            Values::Moments(moments) => moments[row].div_euclid(self.per_day),
        })
    }

    /// How many rows at the beginning are of that day.
    fn run_of(&self, day: Day) -> usize {
        (0..self.column.len()).take_while(|row| self.of(*row) == day).count()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Date32Array, Int32Array, TimestampMicrosecondArray};
    use futures::stream;

    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn rows(column: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([("at", column, true)]).expect("one column")
    }

    fn moments(values: &[Option<i64>]) -> RecordBatch {
        rows(Arc::new(TimestampMicrosecondArray::from(values.to_vec()).with_timezone("UTC")))
    }

    /// The names of the parts, each with the rows of its batches.
    async fn parts(batches: Vec<RecordBatch>, split: Option<Split>) -> Result<String> {
        let batches = stream::iter(batches.into_iter().map(Ok)).boxed();
        let mut reader = PartReader::of(batches, split).await?;
        let mut found = Vec::new();
        loop {
            let name = reader.name().unwrap_or_else(|| "-".to_owned());
            let mut counts = Vec::new();
            while let Some(batch) = reader.next().await? {
                counts.push(batch.num_rows().to_string());
            }
            found.push(format!("{name}: {}", counts.join("+")));
            if !reader.another().await? {
                return Ok(found.join(", "));
            }
        }
    }

    #[tokio::test]
    async fn results_are_cut_where_a_part_ends() -> Result<()> {
        let numbers = |count: i32| rows(Arc::new(Int32Array::from_iter_values(0..count)));
        let days = |days: &[i32]| rows(Arc::new(Date32Array::from(days.to_vec())));
        let (by_rows, by_day) = (Some(Split::Rows(100)), Some(Split::Day(0)));
        let cases = [
            (vec![], None, "-: "),
            (vec![numbers(3), numbers(0), numbers(4)], None, "-: 3+4"),
            (vec![], by_rows, "1: "),
            (vec![numbers(0)], by_rows, "1: "),
            (vec![numbers(100)], by_rows, "1: 100"),
            (vec![numbers(99), numbers(2)], by_rows, "1: 99+1, 2: 1"),
            (vec![numbers(250), numbers(50)], by_rows, "1: 100, 2: 100, 3: 50+50"),
            (vec![], by_day, "-: "),
            (
                vec![days(&[0, 0, 1, 3]), days(&[3])],
                by_day,
                "1970-01-01: 2, 1970-01-02: 1, 1970-01-04: 1+1",
            ),
            (
                vec![moments(&[Some(-1), Some(0), Some(DAY - 1)]), moments(&[Some(DAY), None])],
                by_day,
                "1969-12-31: 1, 1970-01-01: 2, 1970-01-02: 1, undated: 1",
            ),
        ];
        for (batches, split, expected) in cases {
            assert_eq!(parts(batches, split).await?, expected);
        }
        Ok(())
    }

    #[tokio::test]
    async fn days_that_come_back_and_columns_without_days_are_refused() {
        let day = Some(Split::Day(0));
        let unordered = vec![moments(&[Some(DAY)]), moments(&[Some(0)])];
        assert!(parts(unordered, day).await.is_err());
        assert!(parts(vec![rows(Arc::new(Int32Array::from(vec![1])))], day).await.is_err());
        assert!(parts(vec![moments(&[Some(0)])], Some(Split::Day(7))).await.is_err());
    }
}
