//! Literals by example: what they mean, and why they are refused.

use super::*;

const NOW: &str = "2024-03-31T22:15:30Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a good instant")
}

fn read_in(text: &str, zone: Tz) -> Result<Moment, String> {
    read(text, at(NOW), zone)
}

fn instant(text: &str, zone: Tz) -> String {
    match read_in(text, zone) {
        Ok(Moment::Instant(instant)) => {
            instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
        }
        other => format!("{other:?}"),
    }
}

fn range(text: &str, zone: Tz) -> String {
    match read_in(text, zone) {
        Ok(Moment::Day { date, from, until }) => {
            format!("{date}: {} {}", from.format("%dT%H:%M"), until.format("%dT%H:%M"))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn moments() {
    let la = Tz::America__Los_Angeles;
    for (text, zone, expected) in [
        ("2020-04-01T08:30", Tz::UTC, "2020-04-01T08:30:00Z"),
        ("2020-04-01T08:30:01.25", Tz::UTC, "2020-04-01T08:30:01.250Z"),
        ("2020-04-01T08:30:00Z", la, "2020-04-01T08:30:00Z"),
        ("2020-04-01T08:30:00", la, "2020-04-01T15:30:00Z"),
        ("2020-04-01T00:00:00-07:00", Tz::UTC, "2020-04-01T07:00:00Z"),
        ("2020-04-01T00:00:00+0530", Tz::UTC, "2020-03-31T18:30:00Z"),
        ("2020-04-01T00:00:00 (+00:00)", la, "2020-04-01T00:00:00Z"),
        ("2020-04-01T00:00:00 (Los Angeles)", Tz::UTC, "2020-04-01T07:00:00Z"),
        ("2020-04-01T00:00:00(america/new_york)", Tz::UTC, "2020-04-01T04:00:00Z"),
        ("2020-04-01T00:00:00 (Buenos Aires)", Tz::UTC, "2020-04-01T03:00:00Z"),
        ("2020-02-29T23:59:59.999999999Z", la, "2020-02-29T23:59:59.999999999Z"),
        // Clocks went forward at 02:00 on 10 March and back at 02:00 on 3 November 2024.
        ("2024-03-10T02:30:00", la, "2024-03-10T10:30:00Z"),
        ("2024-11-03T01:30:00", la, "2024-11-03T08:30:00Z"),
        ("now", la, NOW),
        ("NOW - 90 minutes", la, "2024-03-31T20:45:30Z"),
        ("now-1second", la, "2024-03-31T22:15:29Z"),
        ("now + 1 hour (+09:00)", la, "2024-03-31T23:15:30Z"),
        ("now - 1 month", Tz::UTC, "2024-02-29T22:15:30Z"),
        ("now - 1 Years", Tz::UTC, "2023-03-31T22:15:30Z"),
        // In Berlin it is already 1 April, an hour after the clocks went forward.
        ("now - 1 day (Europe/Berlin)", Tz::UTC, "2024-03-30T23:15:30Z"),
        ("now - 2 weeks", la, "2024-03-17T22:15:30Z"),
    ] {
        assert_eq!(instant(text, zone), expected, "{text}");
    }
}

#[test]
fn days() {
    let la = Tz::America__Los_Angeles;
    for (text, zone, expected) in [
        ("2020-04-01", Tz::UTC, "2020-04-01: 01T00:00 02T00:00"),
        ("2020-04-01", la, "2020-04-01: 01T07:00 02T07:00"),
        ("2024-03-10", la, "2024-03-10: 10T08:00 11T07:00"),
        // Midnight itself was skipped here.
        ("2018-11-04", Tz::America__Sao_Paulo, "2018-11-04: 04T03:00 05T02:00"),
        ("today", la, "2024-03-31: 31T07:00 01T07:00"),
        ("today", Tz::Asia__Tokyo, "2024-04-01: 31T15:00 01T15:00"),
        ("today (Tokyo)", la, "2024-04-01: 31T15:00 01T15:00"),
        ("today - 1 month", Tz::UTC, "2024-02-29: 29T00:00 01T00:00"),
        // The day moves as a whole.
        ("today - 3 hours", Tz::UTC, "2024-03-30: 30T21:00 31T21:00"),
        ("today + 90 minutes", Tz::UTC, "2024-03-31: 31T01:30 01T01:30"),
        ("today-60seconds (-08:00)", Tz::UTC, "2024-03-30: 31T07:59 01T07:59"),
        ("today - 24 hours", Tz::UTC, "2024-03-30: 30T00:00 31T00:00"),
        ("today + 1 week (-08:00)", Tz::UTC, "2024-04-07: 07T08:00 08T08:00"),
        ("Today-1 year", Tz::UTC, "2023-03-31: 31T00:00 01T00:00"),
    ] {
        assert_eq!(range(text, zone), expected, "{text}");
    }
}

#[test]
fn what_is_no_date_is_refused_with_the_reason() {
    for (text, reason) in [
        ("", "the year needs 4 digits"),
        ("5", "the year needs 4 digits"),
        ("2015-02-30", "there is no day 2015-02-30"),
        ("2015-13-01", "there is no day 2015-13-01"),
        ("2015-2-3", "the month needs 2 digits"),
        ("2015/02/03", "a day is written YYYY-MM-DD"),
        ("0000-01-01", "there is no day 0000-01-01"),
        ("10000-01-01", "a day is written YYYY-MM-DD"),
        ("-2020-01-01", "the year needs 4 digits"),
        ("2020-04-01 00:00:00", "between the day and the time stands a capital T"),
        ("2020-04-01t00:00:00", "between the day and the time stands a capital T"),
        ("2020-04-01T24:00:00", "there is no time 24:00:00"),
        ("2020-04-01T23:60", "there is no time 23:60:00"),
        ("2020-04-01T23:59:60", "there is no time 23:59:60"),
        ("2020-04-01T08", "a time is written hh:mm:ss"),
        ("2020-04-01T08:30:00.", "a fraction of a second has 1 to 9 digits"),
        ("2020-04-01T08:30:00+25:00", "there is no zone +25:00"),
        ("2020-04-01T08:30:00-08:61", "there is no zone -08:61"),
        ("2020-04-01T08:30:00+8", "the hour of the zone needs 2 digits"),
        ("2020-04-01T08:30:00Z (+00:00)", "it names two zones"),
        ("2020-04-01T08:30:00 (Atlantis)", "there is no zone 'Atlantis'"),
        ("2020-04-01T08:30:00 (West)", "write the whole name"),
        ("2020-04-01T08:30:00 (+00:00", "the bracket is never closed"),
        ("2020-04-01T08:30:00Zz", "'z' at its end is too much"),
        ("2008-09-12Z", "a day has no zone"),
        ("2020-04-01 (+00:00)", "a day has no zone"),
        ("2020-04-01\u{a0}", "neither a time nor the end"),
        ("yesterday", "neither a year nor 'now' nor 'today'"),
        ("now -", "after the sign stands a whole number"),
        ("now - days", "after the sign stands a whole number"),
        ("now - 5 fortnights", "'fortnights' is not a unit"),
        ("now - 1.5 days", "'' is not a unit"),
        ("now - 1000000 days", "above 999999"),
        ("now - 99999999999999999999 days", "above 999999"),
        ("now + 999999 years", "outside the years 1 to 9999"),
        ("today - 999999 weeks", "outside the years 1 to 9999"),
        ("today - 3 fortnights", "is not a unit"),
        ("today tomorrow", "' tomorrow' at its end is too much"),
    ] {
        let error = read_in(text, Tz::UTC).expect_err(text);
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn the_first_and_the_last_day_have_bounds() {
    for zone in [Tz::UTC, Tz::Pacific__Kiritimati, Tz::Pacific__Pago_Pago] {
        for text in ["0001-01-01", "9999-12-31"] {
            assert!(matches!(read_in(text, zone), Ok(Moment::Day { .. })), "{text} {zone}");
        }
    }
}
