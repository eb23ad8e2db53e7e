//! What a comparison of a field with a value means: operators and literals checked against types.
//!
//! A literal means what the field beside it is: `'2020-04-01'` beside a datetime is a whole day,
//! beside a text it is a text. A literal that cannot be read as what the field is, is an error;
//! a condition is never dropped.

use chrono::{DateTime, NaiveDate, Utc};
use outhaul_exports::catalog::FieldType;
use outhaul_exports::limits::PATTERN_BYTES_MAX;
use outhaul_exports::query::{self, Compare};

use super::ast::{Comparison, Literal, Located, Name};
use super::error::shown;
use super::literal::{self, Moment};
use super::scope::{Scope, Typed, has_order, type_name};
use super::{Language, Position, ZoqlError, ZoqlErrorKind};

/// The most `%` in one pattern, where neighbours count as one.
const WILDCARDS_MAX: usize = 100;

type Result<T> = std::result::Result<T, ZoqlError>;

impl Scope<'_> {
    /// A field, or what is made of one, beside a value; the left side stands at `at`.
    pub fn with_literal(
        &self,
        at: Position,
        typed: Typed,
        op: Comparison,
        value: &Located<Literal>,
    ) -> Result<query::Condition> {
        self.check_operator(at, op, &typed)?;
        // Only Export ZOQL quotes what is no text.
        let quotes_all = self.language == Language::Export;
        let right = match (typed.field_type, &value.value) {
            (FieldType::Text, Literal::Text(text)) => query::Literal::Text(text.clone()),
            (FieldType::Boolean, Literal::Boolean(truth)) => query::Literal::Boolean(*truth),
            (FieldType::Boolean, Literal::Text(text))
                if quotes_all && text.eq_ignore_ascii_case("true") =>
            {
                query::Literal::Boolean(true)
            }
            (FieldType::Boolean, Literal::Text(text))
                if quotes_all && text.eq_ignore_ascii_case("false") =>
            {
                query::Literal::Boolean(false)
            }
            (number, Literal::Number(digits)) if number.is_numeric() => {
                exact_number(digits).ok_or_else(|| self.misfit(&typed, value))?
            }
            (number, Literal::Text(digits)) if quotes_all && number.is_numeric() => {
                exact_number(digits).ok_or_else(|| self.misfit(&typed, value))?
            }
            (
                FieldType::Date | FieldType::Timestamp,
                Literal::Text(text) | Literal::Moment(text),
            ) => {
                let moment = self.moment(&typed, text, value.at)?;
                return Ok(self.with_moment(typed, op, moment));
            }
            _ => return Err(self.misfit(&typed, value)),
        };
        Ok(compare(typed.expr, op, query::Expr::Literal(right)))
    }

    /// The day or moment that a literal beside a date or datetime means.
    fn moment(&self, beside: &Typed, text: &str, at: Position) -> Result<Moment> {
        let wrong = |why| ZoqlError::new(ZoqlErrorKind::Value, at, why);
        let zone = self.zones.literals;
        if self.language == Language::Export {
            return literal::read(text, self.now, zone).map_err(wrong);
        }
        let moment = literal::read_plain(text, zone).map_err(wrong)?;
        match (beside.field_type, moment) {
            (FieldType::Date, Moment::Instant(_)) if self.strict_dates => Err(wrong(format!(
                "{} is a date and cannot be compared with the datetime '{}': write a day such as \
                 '2015-02-28'",
                beside.label,
                shown(text)
            ))),
            (FieldType::Timestamp, Moment::Day { .. }) if self.strict_dates => Err(wrong(format!(
                "{} is a datetime and cannot be compared with the date '{}': write a datetime such \
                 as '2015-02-28T00:00:00'",
                beside.label,
                shown(text)
            ))),
            _ => Ok(moment),
        }
    }

    /// A day is the range from its first moment to the next day's; a date is compared with the
    /// day that a moment falls on.
    fn with_moment(&self, typed: Typed, op: Comparison, moment: Moment) -> query::Condition {
        if typed.field_type == FieldType::Date {
            let date = match moment {
                Moment::Day { date, .. } => date,
                Moment::Instant(instant) => literal::day_of(instant, self.zones.literals),
            };
            return compare(typed.expr, op, date_literal(date));
        }
        match moment {
            Moment::Instant(instant) => compare(typed.expr, op, instant_literal(instant)),
            Moment::Day { from, until, .. } => in_day(typed.expr, op, from, until),
        }
    }

    /// Booleans are only equal or not; values that no literal can be written for, not even that.
    pub fn check_operator(&self, at: Position, op: Comparison, typed: &Typed) -> Result<()> {
        let fits = match typed.field_type {
            FieldType::Boolean => matches!(op, Comparison::Equal | Comparison::NotEqual),
            FieldType::Time => false,
            other => has_order(other),
        };
        if fits { Ok(()) } else { Err(self.no_operator(at, op.symbol(), typed)) }
    }

    fn no_operator(&self, at: Position, operator: &str, typed: &Typed) -> ZoqlError {
        let zoql = self.language == Language::Zoql;
        let operators = match typed.field_type {
            FieldType::Text if zoql => "=, !=, <, <=, >, >= and like",
            FieldType::Text => "=, !=, <, <=, >, >=, like, is null",
            FieldType::Boolean if zoql => "= and !=",
            FieldType::Boolean => "=, != and is null",
            FieldType::Time | FieldType::Binary | FieldType::Json if zoql => "= null and != null",
            FieldType::Time | FieldType::Binary | FieldType::Json => "is null and is not null",
            _ if zoql => "=, !=, <, <=, > and >=",
            _ => "=, !=, <, <=, >, >= and is null",
        };
        let message = format!(
            "{operator} does not work on {}, which is a {}: use {operators}",
            typed.label,
            type_name(typed.field_type)
        );
        ZoqlError::new(ZoqlErrorKind::Type, at, message)
    }

    fn misfit(&self, typed: &Typed, value: &Located<Literal>) -> ZoqlError {
        let example = match typed.field_type {
            FieldType::Boolean => "true or false",
            FieldType::Date => "'2024-04-01', in single quotes",
            FieldType::Timestamp => "'2024-04-01T00:00:00Z', in single quotes",
            number if number.is_numeric() => "1500 or -0.25",
            _ => "'text', in single quotes",
        };
        let needless = self.language == Language::Zoql
            && !example.starts_with('\'')
            && matches!(value.value, Literal::Text(_));
        let message = format!(
            "{} is a {} and cannot be compared with {}: write a value such as {example}{}",
            typed.label,
            type_name(typed.field_type),
            shown(&value.value.written(self.language)),
            if needless { ", without quotes" } else { "" }
        );
        ZoqlError::new(ZoqlErrorKind::Type, value.at, message)
    }

    /// A text beside a pattern; the left side stands at `at`.
    pub fn like(
        &self,
        at: Position,
        typed: Typed,
        pattern: &Name,
        negated: bool,
    ) -> Result<query::Condition> {
        if typed.field_type != FieldType::Text {
            return Err(self.no_operator(at, "like", &typed));
        }
        let pattern = like_pattern(pattern)?;
        Ok(query::Condition::Like { expr: typed.expr, pattern, negated, ignore_case: false })
    }
}

/// Digits with a sign and a point where they are wanted, and nothing else; never rounded.
fn exact_number(text: &str) -> Option<query::Literal> {
    const DIGITS_MAX: usize = 38;
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || unsigned.len() > DIGITS_MAX + 1 {
        return None;
    }
    if unsigned.bytes().filter(u8::is_ascii_digit).count() > DIGITS_MAX {
        return None;
    }
    Some(match text.parse::<i64>() {
        Ok(number) => query::Literal::Integer(number),
        Err(_) => query::Literal::Decimal(text.to_owned()),
    })
}

/// The pattern for the neutral query, whose backslash escapes; here it is a character like others.
fn like_pattern(pattern: &Name) -> Result<String> {
    let mut out = String::with_capacity(pattern.value.len());
    let mut wildcards = 0;
    for c in pattern.value.chars() {
        match c {
            '%' if out.ends_with('%') => {}
            '%' => {
                wildcards += 1;
                out.push('%');
            }
            '\\' => out.push_str("\\\\"),
            other => out.push(other),
        }
    }
    if wildcards > WILDCARDS_MAX || out.len() > PATTERN_BYTES_MAX {
        let message = format!(
            "The pattern is too long: at most {PATTERN_BYTES_MAX} bytes and {WILDCARDS_MAX} \
             separate '%' are allowed"
        );
        return Err(ZoqlError::new(ZoqlErrorKind::Limit, pattern.at, message));
    }
    Ok(out)
}

fn in_day(
    expr: query::Expr,
    op: Comparison,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> query::Condition {
    let one = |op: Compare, bound: DateTime<Utc>, expr: query::Expr| query::Condition::Compare {
        left: expr,
        op,
        right: instant_literal(bound),
    };
    match op {
        Comparison::Equal => query::Condition::And(vec![
            one(Compare::Ge, from, expr.clone()),
            one(Compare::Lt, until, expr),
        ]),
        Comparison::NotEqual => query::Condition::Or(vec![
            one(Compare::Lt, from, expr.clone()),
            one(Compare::Ge, until, expr),
        ]),
        Comparison::Less => one(Compare::Lt, from, expr),
        Comparison::LessOrEqual => one(Compare::Lt, until, expr),
        Comparison::Greater => one(Compare::Ge, until, expr),
        Comparison::GreaterOrEqual => one(Compare::Ge, from, expr),
    }
}

/// `left op right` in the neutral query.
pub(super) fn compare(left: query::Expr, op: Comparison, right: query::Expr) -> query::Condition {
    let op = match op {
        Comparison::Equal => Compare::Eq,
        Comparison::NotEqual => Compare::Ne,
        Comparison::Less => Compare::Lt,
        Comparison::LessOrEqual => Compare::Le,
        Comparison::Greater => Compare::Gt,
        Comparison::GreaterOrEqual => Compare::Ge,
    };
    query::Condition::Compare { left, op, right }
}

fn date_literal(date: NaiveDate) -> query::Expr {
    query::Expr::Literal(query::Literal::Date(date))
}

fn instant_literal(instant: DateTime<Utc>) -> query::Expr {
    query::Expr::Literal(query::Literal::Timestamp(instant))
}
