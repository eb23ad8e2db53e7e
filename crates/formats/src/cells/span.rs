//! Durations and intervals as ISO 8601. Parts are signed one by one, as PostgreSQL does it, because
//! a month and a day have no common sign: `P1Y-2M3DT4H5M6.5S`.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types;
use arrow_buffer::{IntervalDayTime, IntervalMonthDayNano};
use arrow_schema::{IntervalUnit, TimeUnit};

use super::{Buf, digits, time, values};

const NANOS: i64 = 1_000_000_000;

/// The values of a column of durations or intervals.
pub(crate) enum Spans<'a> {
    /// A count and how many make a second.
    Duration(&'a [i64], i64),
    YearMonth(&'a [i32]),
    DayTime(&'a [IntervalDayTime]),
    MonthDayNano(&'a [IntervalMonthDayNano]),
}

impl<'a> Spans<'a> {
    pub(crate) fn durations(array: &'a ArrayRef, unit: TimeUnit) -> Self {
        let counts = match unit {
            TimeUnit::Second => values::<types::DurationSecondType>(array),
            TimeUnit::Millisecond => values::<types::DurationMillisecondType>(array),
            TimeUnit::Microsecond => values::<types::DurationMicrosecondType>(array),
            TimeUnit::Nanosecond => values::<types::DurationNanosecondType>(array),
        };
        Self::Duration(counts, time::per_second(unit))
    }

    pub(crate) fn intervals(array: &'a ArrayRef, unit: IntervalUnit) -> Self {
        match unit {
            IntervalUnit::YearMonth => {
                Self::YearMonth(array.as_primitive::<types::IntervalYearMonthType>().values())
            }
            IntervalUnit::DayTime => {
                Self::DayTime(array.as_primitive::<types::IntervalDayTimeType>().values())
            }
            IntervalUnit::MonthDayNano => {
                Self::MonthDayNano(array.as_primitive::<types::IntervalMonthDayNanoType>().values())
            }
        }
    }

    /// Writes the value of a row.
    pub(crate) fn write(&self, row: usize, out: &mut Buf) {
        match self {
            Self::Duration(counts, per_second) => {
                // Only seconds: how long a day is, a duration does not know.
                let (count, unit) = (counts[row], *per_second);
                out.fixed(b"PT");
                seconds(out, count < 0, count.unsigned_abs() / unit as u64, {
                    (count.unsigned_abs() % unit as u64) * (NANOS / unit) as u64
                });
            }
            Self::YearMonth(values) => interval(out, values[row].into(), 0, 0),
            Self::DayTime(values) => {
                let value = values[row];
                interval(out, 0, value.days.into(), i64::from(value.milliseconds) * 1_000_000);
            }
            Self::MonthDayNano(values) => {
                let value = values[row];
                interval(out, value.months.into(), value.days.into(), value.nanoseconds);
            }
        }
    }
}

fn interval(out: &mut Buf, months: i64, days: i64, nanos: i64) {
    let start = out.len();
    out.byte(b'P');
    for (count, unit) in [(months / 12, b'Y'), (months % 12, b'M'), (days, b'D')] {
        part(out, count, unit);
    }
    if nanos != 0 {
        out.byte(b'T');
        let whole = nanos / NANOS;
        part(out, whole / 3_600, b'H');
        part(out, whole / 60 % 60, b'M');
        let rest = nanos % (60 * NANOS);
        if rest != 0 {
            let rest_nanos = rest.unsigned_abs();
            seconds(out, rest < 0, rest_nanos / NANOS as u64, rest_nanos % NANOS as u64);
        }
    }
    if out.len() == start + 1 {
        out.fixed(b"T0S");
    }
}

fn part(out: &mut Buf, count: i64, unit: u8) {
    if count != 0 {
        digits::signed(out, count);
        out.byte(unit);
    }
}

fn seconds(out: &mut Buf, negative: bool, whole: u64, nanos: u64) {
    if negative {
        out.byte(b'-');
    }
    digits::unsigned(out, whole);
    if nanos > 0 {
        out.byte(b'.');
        digits::padded(out, nanos, 9);
        digits::trim_zeros(out);
    }
    out.byte(b'S');
}
