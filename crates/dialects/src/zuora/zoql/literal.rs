//! Dates and datetimes as queries write them: as text in quotes.
//!
//! Zuora documentation, "Export ZOQL": `'2020-04-01'` is a whole day; `'2020-04-01T08:30:00Z'` a
//! moment, in the tenant's zone where none is given; `'today - 1 month'` a day and
//! `'now + 2 hours (America/New_York)'` a moment relative to the time of the query. Clients also
//! send `'2020-04-01T00:00:00 (+00:00)'`.
//!
//! Zuora documentation, "ZOQL": days and moments only, and a zone only as an offset.
//!
//! Zuora is known to drop a comparison whose literal it cannot read, and to answer with the whole
//! table. That is not copied: whatever is not one of these forms is refused with the reason.

use chrono::{
    DateTime, Datelike, Days, FixedOffset, LocalResult, Months, NaiveDate, NaiveDateTime,
    NaiveTime, Offset, TimeDelta, TimeZone, Utc,
};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::error::shown;

/// The largest number in a relative literal, in any unit.
const AMOUNT_MAX: u32 = 999_999;

/// The farthest offset from UTC, in minutes (18 hours, the bound of ISO 8601 readers in the JVM).
const OFFSET_MINUTES_MAX: u32 = 18 * 60;

/// What a literal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A point in time.
    Instant(DateTime<Utc>),
    /// A day's length, mostly of a calendar day: every moment from `from` until just before `until`.
    Day {
        /// The day; of one that was moved by hours, that on which it begins.
        date: NaiveDate,
        /// Its beginning in the zone that applies.
        from: DateTime<Utc>,
        /// The beginning of the next day.
        until: DateTime<Utc>,
    },
}

/// A zone, named or at a fixed distance from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

/// Reads a literal, at the time `now`, for a tenant who lives in `zone`.
///
/// # Errors
/// A sentence that says what is wrong with the text and which forms there are.
pub fn read(text: &str, now: DateTime<Utc>, zone: Tz) -> Result<Moment, String> {
    let zone = Zone::Named(zone);
    let read = if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        relative(text, now, zone)
    } else {
        absolute(text, zone, true)
    };
    read.map_err(|why| {
        format!(
            "'{}' is not a date or datetime: {why}. Write 'YYYY-MM-DD', \
             'YYYY-MM-DDThh:mm:ss+00:00' or a relative form such as 'today - 7 days'",
            shown(text)
        )
    })
}

/// Reads a literal of ZOQL, for a tenant who lives in `zone`.
///
/// # Errors
/// A sentence that says what is wrong with the text and which forms there are.
pub fn read_plain(text: &str, zone: Tz) -> Result<Moment, String> {
    let word = Cursor { rest: text }.word();
    let relative = ["now", "today"].iter().any(|known| word.eq_ignore_ascii_case(known));
    let read = if relative {
        Err("ZOQL has no relative dates, only queries of type zoqlexport do".to_owned())
    } else {
        absolute(text, Zone::Named(zone), false)
    };
    read.map_err(|why| {
        format!(
            "'{}' is not a date or datetime: {why}. Write 'YYYY-MM-DD' or \
             'YYYY-MM-DDThh:mm:ss+00:00'",
            shown(text)
        )
    })
}

/// `YYYY-MM-DD`, or that and `Thh:mm[:ss[.fff]]` and possibly a zone, also in brackets if those are
/// allowed.
fn absolute(text: &str, tenant: Zone, brackets: bool) -> Result<Moment, String> {
    let mut cursor = Cursor { rest: text };
    let date = cursor.date()?;
    if cursor.rest.is_empty() {
        return day(date, tenant);
    }
    if cursor.rest.starts_with([' ', 't'])
        && cursor.rest[1..].starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("between the day and the time stands a capital T".to_owned());
    }
    if !cursor.take("T") {
        return Err(format!(
            "after the day, '{}' is neither a time nor the end; a day has no zone",
            shown(cursor.rest)
        ));
    }
    let time = cursor.time()?;
    let offset = cursor.offset()?;
    let bracketed = if brackets { cursor.bracketed_zone()? } else { None };
    let zone = match (offset, bracketed) {
        (Some(_), Some(_)) => return Err("it names two zones".to_owned()),
        (one, other) => one.or(other).unwrap_or(tenant),
    };
    cursor.end()?;
    Ok(Moment::Instant(zone.instant(date.and_time(time))?))
}

/// `now` or `today`, possibly an amount, possibly a zone.
fn relative(text: &str, now: DateTime<Utc>, tenant: Zone) -> Result<Moment, String> {
    let mut cursor = Cursor { rest: text };
    let word = cursor.word();
    let today = word.eq_ignore_ascii_case("today");
    if !today && !word.eq_ignore_ascii_case("now") {
        return Err("it begins with neither a year nor 'now' nor 'today'".to_owned());
    }
    let amount = cursor.amount()?;
    let zone = cursor.bracketed_zone()?.unwrap_or(tenant);
    cursor.end()?;
    let local = zone.local(now);
    let Some((ahead, amount, unit)) = amount else {
        return if today { day(local.date(), zone) } else { Ok(Moment::Instant(now)) };
    };
    let too_far = || "it lies outside the years 1 to 9999".to_owned();
    if let Some(seconds) = unit.seconds() {
        let distance = TimeDelta::seconds(i64::from(amount) * seconds);
        let moved = |at: DateTime<Utc>| {
            let moved = match ahead {
                true => at.checked_add_signed(distance),
                false => at.checked_sub_signed(distance),
            };
            moved.filter(|moved| in_years(moved.date_naive())).ok_or_else(too_far)
        };
        return match (today, day(local.date(), zone)?) {
            // The whole day moves, and is as long as it was.
            (true, Moment::Day { from, until, .. }) => {
                let (from, until) = (moved(from)?, moved(until)?);
                Ok(Moment::Day { date: zone.local(from).date(), from, until })
            }
            _ => Ok(Moment::Instant(moved(now)?)),
        };
    }
    let date = unit
        .shift(local.date(), ahead, amount)
        .filter(|date| in_years(*date))
        .ok_or_else(too_far)?;
    if today {
        day(date, zone)
    } else {
        Ok(Moment::Instant(zone.instant(date.and_time(local.time()))?))
    }
}

fn in_years(date: NaiveDate) -> bool {
    (1..=9999).contains(&date.year())
}

fn day(date: NaiveDate, zone: Zone) -> Result<Moment, String> {
    let next = date.succ_opt().ok_or("it lies outside the years 1 to 9999")?;
    let from = zone.instant(date.and_time(NaiveTime::MIN))?;
    let until = zone.instant(next.and_time(NaiveTime::MIN))?;
    Ok(Moment::Day { date, from, until })
}

/// The calendar day of a moment, for a comparison with a date.
pub fn day_of(instant: DateTime<Utc>, zone: Tz) -> NaiveDate {
    Zone::Named(zone).local(instant).date()
}

impl Zone {
    fn local(self, instant: DateTime<Utc>) -> NaiveDateTime {
        match self {
            Self::Named(zone) => instant.with_timezone(&zone).naive_local(),
            Self::Fixed(offset) => instant.with_timezone(&offset).naive_local(),
        }
    }

    /// The moment at which clocks show `local`: the first of two when they go back; and when they
    /// skip it, what they would have shown had they not gone forward.
    fn instant(self, local: NaiveDateTime) -> Result<DateTime<Utc>, String> {
        let too_far = || "it lies outside the years 1 to 9999".to_owned();
        let offset = match self {
            Self::Fixed(offset) => offset,
            Self::Named(zone) => match zone.offset_from_local_datetime(&local) {
                LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => offset.fix(),
                LocalResult::None => {
                    // Zones change their clocks months apart, so the day before is surely before
                    // this change, whatever the distance to UTC.
                    let before = local.checked_sub_days(Days::new(2)).ok_or_else(too_far)?;
                    zone.offset_from_utc_datetime(&before).fix()
                }
            },
        };
        local.checked_sub_offset(offset).map(|utc| utc.and_utc()).ok_or_else(too_far)
    }

    /// What stands between brackets: an offset, the name of a zone, or the city in one.
    fn named(name: &str) -> Result<Self, String> {
        if name.starts_with(['+', '-']) {
            let mut cursor = Cursor { rest: name };
            let zone = cursor.offset()?;
            cursor.end()?;
            return zone.ok_or_else(|| format!("'{}' is not a zone", shown(name)));
        }
        if name.eq_ignore_ascii_case("Z") {
            return Ok(Self::Named(Tz::UTC));
        }
        if let Some(zone) = TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name)) {
            return Ok(Self::Named(*zone));
        }
        let city = name.replace(' ', "_");
        let ends_in_city = |zone: &&Tz| {
            zone.name().rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&city))
        };
        let mut found = TZ_VARIANTS.iter().filter(ends_in_city);
        let Some(first) = found.next() else {
            return Err(format!(
                "there is no zone '{}'; write one such as (America/Los_Angeles) or (-08:00)",
                shown(name)
            ));
        };
        match found.find(|other| !same_clock(**other, *first)) {
            None => Ok(Self::Named(*first)),
            Some(other) => Err(format!(
                "'{}' may be {} or {}: write the whole name",
                shown(name),
                first.name(),
                other.name()
            )),
        }
    }
}

/// Whether two names stand for the same clock today: old names of a zone live on as links.
fn same_clock(a: Tz, b: Tz) -> bool {
    (2000..2030).flat_map(|year| [(year, 1), (year, 7)]).all(|(year, month)| {
        let noon =
            NaiveDate::from_ymd_opt(year, month, 1).and_then(|date| date.and_hms_opt(12, 0, 0));
        noon.is_none_or(|noon| {
            a.offset_from_utc_datetime(&noon).fix() == b.offset_from_utc_datetime(&noon).fix()
        })
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    fn of(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        match word.strip_suffix('s').unwrap_or(&word) {
            "second" => Some(Self::Second),
            "minute" => Some(Self::Minute),
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            "week" => Some(Self::Week),
            "month" => Some(Self::Month),
            "year" => Some(Self::Year),
            _ => None,
        }
    }

    /// Its length, for the units that have one; days do not, since clocks change.
    fn seconds(self) -> Option<i64> {
        match self {
            Self::Second => Some(1),
            Self::Minute => Some(60),
            Self::Hour => Some(3600),
            _ => None,
        }
    }

    /// Moves by whole days, weeks, months or years; the 31st becomes the last day of a shorter
    /// month.
    fn shift(self, date: NaiveDate, ahead: bool, amount: u32) -> Option<NaiveDate> {
        let (days, months) = match self {
            Self::Week => (u64::from(amount) * 7, 0),
            Self::Month => (0, amount),
            Self::Year => (0, amount.checked_mul(12)?),
            _ => (u64::from(amount), 0),
        };
        if ahead {
            date.checked_add_days(Days::new(days))?.checked_add_months(Months::new(months))
        } else {
            date.checked_sub_days(Days::new(days))?.checked_sub_months(Months::new(months))
        }
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Exactly that many digits, as a number.
    fn digits(&mut self, count: usize, what: &str) -> Result<u32, String> {
        let digits = self.rest.get(..count).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        let digits = digits.ok_or_else(|| format!("the {what} needs {count} digits"))?;
        self.rest = &self.rest[count..];
        digits.parse().map_err(|_| format!("the {what} is too large"))
    }

    fn date(&mut self) -> Result<NaiveDate, String> {
        let year = self.digits(4, "year")?;
        let shape = "a day is written YYYY-MM-DD";
        if !self.take("-") {
            return Err(shape.to_owned());
        }
        let month = self.digits(2, "month")?;
        if !self.take("-") {
            return Err(shape.to_owned());
        }
        let day = self.digits(2, "day")?;
        // Four digits always fit; the year 0000 is the one that has none.
        let date = i32::try_from(year).ok().filter(|year| *year > 0);
        date.and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
            .ok_or_else(|| format!("there is no day {year:04}-{month:02}-{day:02}"))
    }

    fn time(&mut self) -> Result<NaiveTime, String> {
        let hour = self.digits(2, "hour")?;
        if !self.take(":") {
            return Err("a time is written hh:mm:ss".to_owned());
        }
        let minute = self.digits(2, "minute")?;
        let second = if self.take(":") { self.digits(2, "second")? } else { 0 };
        let nanos = if self.take(".") { self.fraction()? } else { 0 };
        NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)
            .ok_or_else(|| format!("there is no time {hour:02}:{minute:02}:{second:02}"))
    }

    /// The digits after the seconds, as nanoseconds.
    fn fraction(&mut self) -> Result<u32, String> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=9).contains(&count) {
            return Err("a fraction of a second has 1 to 9 digits".to_owned());
        }
        let value = self.digits(count, "fraction of a second")?;
        Ok((count..9).fold(value, |nanos, _| nanos * 10))
    }

    /// `Z`, `+hh:mm`, `+hhmm`, or nothing.
    fn offset(&mut self) -> Result<Option<Zone>, String> {
        if self.take("Z") {
            return Ok(Some(Zone::Named(Tz::UTC)));
        }
        let east = self.take("+");
        if !east && !self.take("-") {
            return Ok(None);
        }
        let hours = self.digits(2, "hour of the zone")?;
        self.take(":");
        let minutes = self.digits(2, "minute of the zone")?;
        let all = hours * 60 + minutes;
        if minutes > 59 || all > OFFSET_MINUTES_MAX {
            let sign = if east { '+' } else { '-' };
            return Err(format!("there is no zone {sign}{hours:02}:{minutes:02}"));
        }
        // Cannot fail because 18 hours are fewer than 24, and fit.
        let seconds = i32::try_from(all * 60).unwrap_or(0);
        let offset =
            if east { FixedOffset::east_opt(seconds) } else { FixedOffset::west_opt(seconds) };
        Ok(offset.map(Zone::Fixed))
    }

    /// Blanks and a zone in brackets, or nothing.
    fn bracketed_zone(&mut self) -> Result<Option<Zone>, String> {
        let Some(inside) = self.rest.trim_start_matches(' ').strip_prefix('(') else {
            return Ok(None);
        };
        let (name, rest) = inside.split_once(')').ok_or("the bracket is never closed")?;
        self.rest = rest;
        Zone::named(name.trim_matches(' ')).map(Some)
    }

    /// `+ n unit` or `- n unit`, or nothing.
    fn amount(&mut self) -> Result<Option<(bool, u32, Unit)>, String> {
        let start = self.rest;
        self.blanks();
        let ahead = self.take("+");
        if !ahead && !self.take("-") {
            self.rest = start;
            return Ok(None);
        }
        self.blanks();
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return Err("after the sign stands a whole number".to_owned());
        }
        let amount = self.rest[..count].parse::<u32>().ok().filter(|n| *n <= AMOUNT_MAX);
        let amount = amount.ok_or_else(|| format!("its number is above {AMOUNT_MAX}"))?;
        self.rest = &self.rest[count..];
        self.blanks();
        let word = self.word();
        let unit = Unit::of(word).ok_or_else(|| {
            format!(
                "'{}' is not a unit: use seconds, minutes, hours, days, weeks, months or years",
                shown(word)
            )
        })?;
        Ok(Some((ahead, amount, unit)))
    }

    fn end(&self) -> Result<(), String> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(format!("'{}' at its end is too much", shown(self.rest)))
    }
}

#[cfg(test)]
mod tests;
