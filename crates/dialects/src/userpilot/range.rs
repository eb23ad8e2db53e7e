//! `from` and `to`: the moments between which events were inserted.
//!
//! The first is included and the second is not; a bare date in `to` means that whole day, in UTC.
//! (Userpilot's pages say "ISO 8601" and no more; public scripts send bare dates.)

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use super::error::Trouble;

/// A range of moments, the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The first moment that is not in it any more.
    pub to: DateTime<Utc>,
}

impl Range {
    /// The range of a request. What is left out comes from `default_days` and the present moment.
    ///
    /// # Errors
    /// 422 naming the member: a text that is no date, an end before the beginning, more than
    /// `days_max` days.
    pub fn read(
        from: Option<&str>,
        to: Option<&str>,
        default_days: u32,
        days_max: u32,
        now: DateTime<Utc>,
    ) -> Result<Self, Trouble> {
        let span = TimeDelta::days(default_days.into());
        let to = to.map(|text| moment("to", text, true)).transpose()?;
        let from = match from {
            Some(text) => moment("from", text, false)?,
            None => to.unwrap_or(now).checked_sub_signed(span).ok_or_else(|| out_of_range("to"))?,
        };
        let to = to.unwrap_or(now);
        if from >= to {
            return Err(Trouble::wrong("from", "from must be before to"));
        }
        if to - from > TimeDelta::days(days_max.into()) {
            let text = format!("the range from `from` to `to` has at most {days_max} days");
            return Err(Trouble::wrong("to", text));
        }
        Ok(Self { from, to })
    }

    /// The calendar days, in UTC, that it touches.
    pub fn days(&self) -> Vec<String> {
        // The end is not included: a range that ends at midnight does not touch that day.
        let last = (self.to - TimeDelta::nanoseconds(1)).date_naive();
        let days = self.from.date_naive().iter_days().take_while(|day| *day <= last);
        days.map(|day| day.to_string()).collect()
    }
}

/// A moment as people write it: a date, or a date and time with or without an offset. The end of a
/// range that is a bare date is the beginning of the day after.
fn moment(field: &str, text: &str, end: bool) -> Result<DateTime<Utc>, Trouble> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    // A shape that chrono would also read with blanks and signs in it is no ISO 8601.
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | '.');
    if text.chars().all(plain) {
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d")
            && text.len() == 10
        {
            let date = if end { date.checked_add_days(Days::new(1)) } else { Some(date) };
            let date = date.ok_or_else(|| out_of_range(field))?;
            return Ok(date.and_time(chrono::NaiveTime::MIN).and_utc());
        }
        for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
            if let Ok(moment) = NaiveDateTime::parse_from_str(text, form)
                && text.as_bytes().get(10) == Some(&b'T')
            {
                return Ok(moment.and_utc());
            }
        }
    }
    let shown: String = text.chars().take(40).filter(|c| !c.is_control()).collect();
    Err(Trouble::wrong(
        field,
        format!("{field} is no date: write 2026-01-31, or 2026-01-31T12:00:00Z, not \"{shown}\""),
    ))
}

fn out_of_range(field: &str) -> Trouble {
    Trouble::wrong(field, format!("{field} is too far away"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-03-01T12:00:00Z").expect("it is a moment").to_utc()
    }

    fn read(from: Option<&str>, to: Option<&str>) -> Option<(String, String)> {
        let range = Range::read(from, to, 30, 366, now()).ok()?;
        let shown = |at: DateTime<Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        Some((shown(range.from), shown(range.to)))
    }

    #[test]
    fn ranges_are_read_or_refused() {
        let cases = [
            (None, None, Some(("2026-01-30T12:00:00Z", "2026-03-01T12:00:00Z"))),
            (Some("2026-02-01"), None, Some(("2026-02-01T00:00:00Z", "2026-03-01T12:00:00Z"))),
            (None, Some("2026-01-31"), Some(("2026-01-02T00:00:00Z", "2026-02-01T00:00:00Z"))),
            (
                Some("2026-01-01"),
                Some("2026-01-01"),
                Some(("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")),
            ),
            (
                Some("2026-01-01T01:00:00+02:00"),
                Some("2026-01-01T00:00:00.5Z"),
                Some(("2025-12-31T23:00:00Z", "2026-01-01T00:00:00.500Z")),
            ),
            (
                Some("2026-01-01T01:00"),
                Some("2026-01-01T02:00:00"),
                Some(("2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z")),
            ),
            (
                Some("2030-01-01"),
                Some("2030-01-02"),
                Some(("2030-01-01T00:00:00Z", "2030-01-03T00:00:00Z")),
            ),
            (Some("2026-01-02"), Some("2026-01-01"), None),
            (Some("2026-01-02T00:00:00Z"), Some("2026-01-02T00:00:00Z"), None),
            (Some("2025-02-30"), None, None),
            (Some("1735689600"), None, None),
            (Some("1735689600000"), None, None),
            (Some(""), None, None),
            (Some(" 2026-01-01"), None, None),
            (Some("2026-1-1"), None, None),
            (Some("+2026-01-01"), None, None),
            (Some("2026-01-01T25:00:00Z"), None, None),
            (Some("yesterday"), None, None),
            (Some("1926-01-01"), Some("2026-01-01"), None),
            (None, Some("0001-01-01"), Some(("0000-12-03T00:00:00Z", "0001-01-02T00:00:00Z"))),
            (None, Some("9999-12-31"), Some(("9999-12-02T00:00:00Z", "10000-01-01T00:00:00Z"))),
        ];
        for (from, to, expected) in cases {
            let expected = expected.map(|(from, to): (&str, &str)| (from.into(), to.into()));
            let found = read(from, to);
            let found = found.map(|(from, to)| (from, to.trim_start_matches('+').to_owned()));
            assert_eq!(found, expected, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn days_end_with_the_last_moment() {
        let days = |from, to| Range::read(Some(from), Some(to), 30, 366, now()).map(|r| r.days());
        let days = |from, to| days(from, to).ok().map(|days| days.join(" "));
        assert_eq!(days("2026-02-28", "2026-03-01").as_deref(), Some("2026-02-28 2026-03-01"));
        let midnight = "2026-01-02T00:00:00Z";
        assert_eq!(days("2026-01-01", midnight).as_deref(), Some("2026-01-01"));
        assert_eq!(days("2026-01-01", "2026-12-31").map(|days| days.len()), Some(365 * 11 - 1));
    }
}
