//! Functions of dates and times. All calendars are read in UTC.

use sqlparser::ast::{DataType, Expr, Spanned, TypedString, Value as Written};

use super::super::error::{Mistake, Result, shown};
use super::super::value::{Kind, Rank, Value, moment, quoted};
use super::super::writer::Writer;
use super::Call;

/// Units of an INTERVAL: MySQL's word, the engine's word, how many of them one is, whether it is a
/// part of a day, and its seconds where it has a fixed length.
const UNITS: &[(&str, &str, i64, bool, Option<i64>)] = &[
    ("second", "SECOND", 1, true, Some(1)),
    ("minute", "MINUTE", 1, true, Some(60)),
    ("hour", "HOUR", 1, true, Some(3_600)),
    ("day", "DAY", 1, false, Some(86_400)),
    ("week", "DAY", 7, false, Some(604_800)),
    ("month", "MONTH", 1, false, None),
    ("quarter", "MONTH", 3, false, None),
    ("year", "MONTH", 12, false, None),
];

/// The most units that a date is moved by.
const UNITS_MAX: i64 = 1_000_000;

impl Writer<'_> {
    pub(super) fn date_function(&mut self, call: &Call<'_>) -> Result<Option<Value>> {
        let part = |part: &str, value: &Value| format!("date_part('{part}', {})", value.text);
        let integer =
            |text: String, value: &Value| Value::atom(text, Kind::Integer).made_of([value]);
        Ok(Some(match call.name.as_str() {
            name @ ("year" | "quarter" | "month" | "day") => {
                let value = self.one_moment(call)?;
                integer(part(name, &value), &value)
            }
            "dayofmonth" => {
                let value = self.one_moment(call)?;
                integer(part("day", &value), &value)
            }
            "dayofyear" => {
                let value = self.one_moment(call)?;
                integer(part("doy", &value), &value)
            }
            name @ ("hour" | "minute" | "second") => {
                call.count(self, 1, 1)?;
                let value = self.expr(call.args[0])?;
                let value = self.as_timestamp(value, call.args[0])?;
                integer(part(name, &value), &value)
            }
            // Sunday is 1.
            "dayofweek" => {
                let value = self.one_moment(call)?;
                integer(format!("({} + 1)", part("dow", &value)), &value)
            }
            // Monday is 0.
            "weekday" => {
                let value = self.one_moment(call)?;
                integer(format!("(({} + 6) % 7)", part("dow", &value)), &value)
            }
            "weekofyear" => {
                let value = self.one_moment(call)?;
                integer(part("week", &value), &value)
            }
            "week" => self.week(call)?,
            "dayname" | "monthname" => {
                let value = self.one_moment(call)?;
                let form = if call.name == "dayname" { "%A" } else { "%B" };
                Value::atom(format!("to_char({}, '{form}')", value.text), Kind::Text)
                    .made_of([&value])
            }
            "date" => {
                call.count(self, 1, 1)?;
                let value = self.expr(call.args[0])?;
                self.as_date(value, call.args[0])?
            }
            "timestamp" => {
                call.count(self, 1, 1)?;
                let value = self.expr(call.args[0])?;
                self.as_timestamp(value, call.args[0])?
            }
            "last_day" => {
                let value = self.one_moment(call)?;
                let text = format!(
                    "CAST(date_trunc('month', {}) + INTERVAL '1 MONTH' - INTERVAL '1 DAY' AS DATE)",
                    value.text
                );
                Value::atom(text, Kind::Date).made_of([&value])
            }
            "now" | "sysdate" | "current_timestamp" | "localtimestamp" | "utc_timestamp" => {
                call.count(self, 0, 0)?;
                Value::atom("now()", Kind::Timestamp)
            }
            "curdate" | "current_date" | "utc_date" => {
                call.count(self, 0, 0)?;
                Value::atom("current_date()", Kind::Date)
            }
            "datediff" => {
                call.count(self, 2, 2)?;
                let mut days = Vec::new();
                for expr in &call.args {
                    let value = self.expr(expr)?;
                    days.push(self.as_date(value, expr)?);
                }
                let [later, earlier] = [&days[0].text, &days[1].text];
                let text = format!("((to_unixtime({later}) - to_unixtime({earlier})) / 86400)");
                Value::atom(text, Kind::Integer).made_of(&days)
            }
            "date_add" | "adddate" | "date_sub" | "subdate" => {
                call.count(self, 2, 2)?;
                let value = self.expr(call.args[0])?;
                self.shifted(value, call.args[1], call.name.contains("sub"))?
            }
            "timestampdiff" => self.difference(call)?,
            "unix_timestamp" => {
                call.count(self, 0, 1)?;
                match call.args.first() {
                    None => Value::atom("to_unixtime(now())", Kind::Integer),
                    Some(_) => {
                        let value = self.one_moment(call)?;
                        integer(format!("to_unixtime({})", value.text), &value)
                    }
                }
            }
            "from_unixtime" => {
                call.count(self, 1, 1)?;
                let value = self.expr(call.args[0])?;
                let value = self.as_number(value, call.args[0])?;
                let text = format!("from_unixtime(CAST({} AS BIGINT))", value.text);
                Value::atom(text, Kind::Timestamp).made_of([&value])
            }
            "date_format" => {
                call.count(self, 2, 2)?;
                let value = self.expr(call.args[0])?;
                let value = self.as_timestamp(value, call.args[0])?;
                let (form, _) = self.date_form(call, call.args[1])?;
                Value::atom(format!("to_char({}, {})", value.text, quoted(&form)), Kind::Text)
                    .made_of([&value])
            }
            "str_to_date" => {
                call.count(self, 2, 2)?;
                let value = self.expr(call.args[0])?;
                let value = self.as_text(value);
                let (form, has_time) = self.date_form(call, call.args[1])?;
                let (function, kind) = if has_time {
                    ("to_timestamp", Kind::Timestamp)
                } else {
                    ("to_date", Kind::Date)
                };
                Value::atom(format!("{function}({}, {})", value.text, quoted(&form)), kind)
                    .made_of([&value])
            }
            _ => return Ok(None),
        }))
    }

    fn one_moment(&mut self, call: &Call<'_>) -> Result<Value> {
        call.count(self, 1, 1)?;
        let value = self.expr(call.args[0])?;
        self.as_moment(value, call.args[0])
    }

    fn as_moment(&self, value: Value, expr: &Expr) -> Result<Value> {
        let value = value.beside(Kind::Timestamp).map_err(|text| self.refused(expr, text))?;
        match value.kind {
            Kind::Date | Kind::Timestamp | Kind::Unknown => Ok(value),
            Kind::Text => {
                let text = format!("CAST({} AS TIMESTAMP)", value.text);
                Ok(Value::atom(text, Kind::Timestamp).made_of([&value]))
            }
            kind => {
                let text = format!("A date is expected here, and this is {}", kind.noun());
                Err(self.refused(expr, text))
            }
        }
    }

    pub(super) fn as_date(&self, value: Value, expr: &Expr) -> Result<Value> {
        let value = value.beside(Kind::Date).map_err(|text| self.refused(expr, text))?;
        match value.kind {
            Kind::Date => Ok(value),
            Kind::Timestamp | Kind::Unknown | Kind::Text => {
                let text = format!("CAST({} AS DATE)", value.text);
                Ok(Value::atom(text, Kind::Date).made_of([&value]))
            }
            _ => self.as_moment(value, expr),
        }
    }

    pub(super) fn as_timestamp(&self, value: Value, expr: &Expr) -> Result<Value> {
        let value = self.as_moment(value, expr)?;
        match value.kind {
            Kind::Timestamp => Ok(value),
            _ => {
                let text = format!("CAST({} AS TIMESTAMP)", value.text);
                Ok(Value::atom(text, Kind::Timestamp).made_of([&value]))
            }
        }
    }

    /// `DATE '2026-09-01'` and the like.
    pub(super) fn typed(&self, typed: &TypedString) -> Result<Value> {
        let Written::SingleQuotedString(text) = &typed.value.value else {
            return self.not_offered(typed.value.span, "This literal");
        };
        let read = moment(text);
        let read = read
            .map_err(|text| self.language.error(Mistake::NotConvertible, typed.value.span, text))?;
        let text = match (&typed.data_type, read.kind) {
            (DataType::Date, Kind::Timestamp) => format!("CAST({} AS DATE)", read.text),
            (DataType::Timestamp(..) | DataType::Datetime(_), Kind::Date) => {
                format!("CAST({} AS TIMESTAMP)", read.text)
            }
            (DataType::Date | DataType::Timestamp(..) | DataType::Datetime(_), _) => {
                return Ok(read);
            }
            (other, _) => {
                let what = format!("A literal of the type {}", shown(&other.to_string()));
                return self.not_offered(typed.value.span, &what);
            }
        };
        let kind = if read.kind == Kind::Date { Kind::Timestamp } else { Kind::Date };
        Ok(Value::atom(text, kind))
    }

    /// MySQL's week in its mode 0: it begins with Sunday, and the days before the first are in week
    /// 0. Its mode 3 is that of ISO 8601.
    fn week(&mut self, call: &Call<'_>) -> Result<Value> {
        call.count(self, 1, 2)?;
        let value = self.expr(call.args[0])?;
        let value = self.as_moment(value, call.args[0])?;
        let mode = match call.args.get(1) {
            None => Some(0),
            Some(expr) => self.expr(expr)?.constant_integer(),
        };
        let text = match mode {
            Some(0) => {
                format!("((date_part('doy', {0}) + 6 - date_part('dow', {0})) / 7)", value.text)
            }
            Some(3) => format!("date_part('week', {})", value.text),
            _ => {
                let text = "of the modes, 0 and 3 are offered";
                return Err(self.wrong_constant(call.args[1], "week", text));
            }
        };
        Ok(Value::atom(text, Kind::Integer).made_of([&value]))
    }

    /// A date that is moved by an INTERVAL, or by days.
    pub(in crate::zoho::sql) fn shifted(
        &mut self,
        value: Value,
        by: &Expr,
        back: bool,
    ) -> Result<Value> {
        // The date stands elsewhere, but who reads the error sees what it is added to.
        let value = self.as_moment(value, by)?;
        let (count, unit) = match by {
            Expr::Interval(interval) => {
                let plain = interval.leading_precision.is_none()
                    && interval.last_field.is_none()
                    && interval.fractional_seconds_precision.is_none();
                let unit = interval.leading_field.as_ref().map(ToString::to_string);
                let Some(unit) = unit.filter(|_| plain) else {
                    return self.not_offered(by.span(), "An INTERVAL of several units");
                };
                (interval.value.as_ref(), unit.to_ascii_lowercase())
            }
            days => (days, "day".to_owned()),
        };
        let number = self.expr(count)?.constant_integer();
        let Some(number) = number.filter(|number| number.abs() <= UNITS_MAX) else {
            let text = format!("the number must be a constant whole number of at most {UNITS_MAX}");
            return Err(self.wrong_constant(count, "INTERVAL", &text));
        };
        let known =
            UNITS.iter().find(|known| unit == known.0 || unit.strip_suffix('s') == Some(known.0));
        let Some((_, word, times, part_of_day, _)) = known else {
            let what = format!("The unit {}", shown(&unit));
            return self.not_offered(by.span(), &what);
        };
        let value = if *part_of_day { self.as_timestamp(value, count)? } else { value };
        let number = number * times * if back { -1 } else { 1 };
        let text = format!("{} + INTERVAL '{number} {word}'", value.within(Rank::Add));
        Ok(Value::new(text, Rank::Add, value.kind).made_of([&value]))
    }

    /// `timestampdiff(unit, from, to)`: whole units, cut towards zero.
    fn difference(&mut self, call: &Call<'_>) -> Result<Value> {
        call.count(self, 3, 3)?;
        let unit = match call.args[0] {
            Expr::Identifier(unit) => unit.value.to_ascii_lowercase(),
            other => {
                return Err(self.wrong_constant(
                    other,
                    "timestampdiff",
                    "the first is a unit, such as DAY",
                ));
            }
        };
        let known = UNITS.iter().find(|known| known.0 == unit);
        let Some((_, _, times, _, seconds)) = known else {
            let what = format!("The unit {}", shown(&unit));
            return self.not_offered(call.args[0].span(), &what);
        };
        let mut ends = Vec::new();
        for expr in &call.args[1..] {
            let value = self.expr(expr)?;
            ends.push(self.as_timestamp(value, expr)?);
        }
        let [from, to] = [&ends[0].text, &ends[1].text];
        let text = match seconds {
            Some(1) => format!("(to_unixtime({to}) - to_unixtime({from}))"),
            Some(seconds) => format!("((to_unixtime({to}) - to_unixtime({from})) / {seconds})"),
            None => {
                let month =
                    |x: &str| format!("date_part('year', {x}) * 12 + date_part('month', {x})");
                let rest =
                    |x: &str| format!("to_unixtime({x}) - to_unixtime(date_trunc('month', {x}))");
                let months = format!("{} - ({})", month(to), month(from));
                let (rest_from, rest_to) = (rest(from), rest(to));
                let (from, to) = (ends[0].operand(), ends[1].operand());
                format!(
                    "((CASE WHEN {to} >= {from} AND {rest_to} < {rest_from} THEN {months} - 1 \
                     WHEN {to} < {from} AND {rest_to} > {rest_from} THEN {months} + 1 \
                     ELSE {months} END) / {times})"
                )
            }
        };
        Ok(Value::atom(text, Kind::Integer).made_of(&ends))
    }

    /// MySQL's marks of a date's form in those of the engine, and whether there is a time in it.
    fn date_form(&mut self, call: &Call<'_>, expr: &Expr) -> Result<(String, bool)> {
        let form = self.expr(expr)?;
        let Some(form) = form.constant_text() else {
            return Err(self.wrong_constant(expr, &call.name, "the form must be a constant"));
        };
        let mut out = String::with_capacity(form.len());
        let mut has_time = false;
        let mut chars = form.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let Some(mark) = chars.next() else {
                return Err(self.wrong_constant(expr, &call.name, "the form ends with %"));
            };
            let known = FORMS.iter().find(|(known, _)| *known == mark);
            match known {
                Some((_, engine)) => {
                    has_time |= "HhIiklrSsTpf".contains(mark);
                    out.push_str(engine);
                }
                // MySQL's rule: any other character stands for itself.
                None if !mark.is_ascii_alphabetic() => out.push(mark),
                None => {
                    let text = format!("%{mark} is not offered");
                    return Err(self.wrong_constant(expr, &call.name, &text));
                }
            }
        }
        Ok((out, has_time))
    }
}

/// Marks of a date's form: MySQL's and the engine's.
const FORMS: &[(char, &str)] = &[
    ('a', "%a"),
    ('b', "%b"),
    ('c', "%-m"),
    ('d', "%d"),
    ('e', "%-d"),
    ('f', "%6f"),
    ('H', "%H"),
    ('h', "%I"),
    ('I', "%I"),
    ('i', "%M"),
    ('j', "%j"),
    ('k', "%-H"),
    ('l', "%-I"),
    ('M', "%B"),
    ('m', "%m"),
    ('p', "%p"),
    ('r', "%I:%M:%S %p"),
    ('S', "%S"),
    ('s', "%S"),
    ('T', "%H:%M:%S"),
    ('U', "%U"),
    ('v', "%V"),
    ('W', "%A"),
    ('w', "%w"),
    ('x', "%G"),
    ('Y', "%Y"),
    ('y', "%y"),
    ('%', "%%"),
];
