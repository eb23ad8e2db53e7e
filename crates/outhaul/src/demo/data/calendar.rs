//! Dates of the demo. They are fixed, so that the data never depends on the day it is made.

use super::world::Row;

/// 1 October 2023, when the first invoices were written, in days since 1970.
pub const START: i32 = 19_631;
/// 1 December 2025, when the events begin, in days since 1970.
pub const EVENTS_START: i32 = 20_423;
/// Days with events: the last one is 10 February 2026.
pub const EVENTS_DAYS: u64 = 72;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// First days of the months from [`START`] on, in days after it; further ones follow by 31.
const MONTHS: [i32; 27] = [
    0, 31, 61, 92, 123, 152, 183, 213, 244, 274, 305, 336, 366, 397, 427, 458, 489, 517, 548, 578,
    609, 639, 670, 701, 731, 762, 792,
];

/// The first day of the month that is `month` months after the first invoices.
pub fn month_start(month: usize) -> i32 {
    let last = MONTHS.len() - 1;
    let beyond = i32::try_from(month.saturating_sub(last)).unwrap_or(0);
    START + MONTHS[month.min(last)] + beyond * 31
}

/// The day an account was opened: within the two years before the first invoices.
pub fn opened(account: &Row) -> i32 {
    START - 1 - small(account.pick(70, 730))
}

/// The day of an invoice.
pub fn invoice_day(row: &Row) -> i32 {
    let invoice = row.invoice();
    month_start(invoice.month()) + bill_cycle_day(&invoice.account()) - 1
}

/// The day of the month on which an account is billed.
pub fn bill_cycle_day(account: &Row) -> i32 {
    1 + small(account.pick(71, 28))
}

/// A moment of that day.
pub fn moment_of(row: &Row, day: i32) -> i64 {
    let second = row.pick(72, DAY.cast_unsigned());
    i64::from(day) * DAY + second.cast_signed()
}

/// A moment up to 90 days after the row was made; for half of the rows it is the same moment.
pub fn changed_after(row: &Row, made: i64) -> i64 {
    if row.chance(73, 50) {
        return made;
    }
    made + row.pick(74, 90 * DAY.cast_unsigned()).cast_signed()
}

/// A number that is small by its making.
pub fn small(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
