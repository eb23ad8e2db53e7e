//! Conditions of a query: operators and literals checked against the types of the fields.
//!
//! A literal means what the field beside it is: `'2020-04-01'` beside a datetime is a whole day,
//! beside a text it is a text. A literal that cannot be read as what the field is, is an error;
//! a condition is never dropped.

use chrono::{DateTime, NaiveDate, Utc};
use outhaul_exports::catalog::FieldType;
use outhaul_exports::limits::{NESTING_MAX, PATTERN_BYTES_MAX};
use outhaul_exports::query::{self, Compare};

use super::ast::{Comparison, Condition, Expr, Literal, Located, Name, Operand};
use super::chains::{self, Chain};
use super::names::{Scope, Typed, has_order, type_name};
use crate::zuora::zoql::error::shown;
use crate::zuora::zoql::literal::{self, Moment};
use crate::zuora::zoql::{Position, ZoqlError, ZoqlErrorKind};

/// The most `%` in one pattern, where neighbours count as one.
const WILDCARDS_MAX: usize = 100;

type Result<T> = std::result::Result<T, ZoqlError>;

impl Scope<'_> {
    /// A tree of conditions, `depth` below the top.
    pub fn condition(
        &self,
        condition: &Condition,
        clause: &str,
        depth: usize,
    ) -> Result<query::Condition> {
        let all = |terms: &[Condition]| {
            let depth = depth + chains::levels(terms.len());
            terms.iter().map(|term| self.condition(term, clause, depth)).collect::<Result<_>>()
        };
        match condition {
            Condition::And(terms) => Ok(chains::joined(Chain::And, all(terms)?)),
            Condition::Or(terms) => Ok(chains::joined(Chain::Or, all(terms)?)),
            Condition::Not(inner) => {
                let inner = self.condition(inner, clause, depth + 1)?;
                Ok(query::Condition::Not(Box::new(inner)))
            }
            Condition::Compare { left, op, right } => {
                let typed = self.searched(left, clause)?;
                // A day beside a datetime becomes a range, which is one level more.
                let range = usize::from(typed.field_type == FieldType::Timestamp);
                shallow(left.at, depth + range)?;
                match right {
                    Operand::Literal(value) => self.with_literal(left, typed, *op, value),
                    Operand::Expr(right) => {
                        let other = self.searched(right, clause)?;
                        self.with_expr(left.at, typed, *op, other)
                    }
                }
            }
            Condition::Like { expr, negated, pattern } => {
                shallow(expr.at, depth)?;
                let typed = self.searched(expr, clause)?;
                if typed.field_type != FieldType::Text {
                    return Err(no_operator(expr.at, "like", &typed));
                }
                Ok(query::Condition::Like {
                    expr: typed.expr,
                    pattern: like_pattern(pattern)?,
                    negated: *negated,
                    ignore_case: false,
                })
            }
            Condition::IsNull { expr, negated } => {
                shallow(expr.at, depth)?;
                let expr = self.searched(expr, clause)?.expr;
                Ok(query::Condition::IsNull { expr, negated: *negated })
            }
        }
    }

    fn with_literal(
        &self,
        left: &Expr,
        typed: Typed,
        op: Comparison,
        value: &Located<Literal>,
    ) -> Result<query::Condition> {
        check_operator(left.at, op, &typed)?;
        let right = match (typed.field_type, &value.value) {
            (FieldType::Text, Literal::Text(text)) => query::Literal::Text(text.clone()),
            (FieldType::Boolean, Literal::Boolean(truth)) => query::Literal::Boolean(*truth),
            (FieldType::Boolean, Literal::Text(text)) if text.eq_ignore_ascii_case("true") => {
                query::Literal::Boolean(true)
            }
            (FieldType::Boolean, Literal::Text(text)) if text.eq_ignore_ascii_case("false") => {
                query::Literal::Boolean(false)
            }
            (number, Literal::Number(digits) | Literal::Text(digits)) if number.is_numeric() => {
                exact_number(digits).ok_or_else(|| misfit(&typed, value, "1500 or -0.25"))?
            }
            (FieldType::Date | FieldType::Timestamp, Literal::Text(text)) => {
                let moment = literal::read(text, self.now, self.zones.literals)
                    .map_err(|why| ZoqlError::new(ZoqlErrorKind::Value, value.at, why))?;
                return Ok(self.with_moment(typed, op, moment));
            }
            (other, _) => {
                let example = match other {
                    FieldType::Boolean => "true or false",
                    FieldType::Date => "'2024-04-01', in single quotes",
                    FieldType::Timestamp => "'2024-04-01T00:00:00Z', in single quotes",
                    _ => "'text', in single quotes",
                };
                return Err(misfit(&typed, value, example));
            }
        };
        Ok(compare(typed.expr, op, query::Expr::Literal(right)))
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

    fn with_expr(
        &self,
        at: Position,
        left: Typed,
        op: Comparison,
        right: Typed,
    ) -> Result<query::Condition> {
        check_operator(at, op, &left)?;
        check_operator(at, op, &right)?;
        let (left_type, right_type) = (left.field_type, right.field_type);
        if left_type == right_type || (left_type.is_numeric() && right_type.is_numeric()) {
            return Ok(compare(left.expr, op, right.expr));
        }
        let day = |typed: Typed| self.part(query::DatePart::Date, typed.expr);
        match (left_type, right_type) {
            (FieldType::Date, FieldType::Timestamp) => Ok(compare(left.expr, op, day(right))),
            (FieldType::Timestamp, FieldType::Date) => Ok(compare(day(left), op, right.expr)),
            _ => {
                let message = format!(
                    "{} is a {} and {} is a {}: they cannot be compared",
                    left.label,
                    type_name(left_type),
                    right.label,
                    type_name(right_type)
                );
                Err(ZoqlError::new(ZoqlErrorKind::Type, at, message))
            }
        }
    }
}

/// Deep trees exhaust the stacks of those who walk them later.
fn shallow(at: Position, depth: usize) -> Result<()> {
    if depth <= NESTING_MAX {
        return Ok(());
    }
    let message = format!(
        "AND, OR and NOT are nested more than {NESTING_MAX} deep here: write the condition flatter"
    );
    Err(ZoqlError::new(ZoqlErrorKind::Limit, at, message))
}

/// Booleans are only equal or not; values that no literal can be written for, not even that.
fn check_operator(at: Position, op: Comparison, typed: &Typed) -> Result<()> {
    let fits = match typed.field_type {
        FieldType::Boolean => matches!(op, Comparison::Equal | Comparison::NotEqual),
        FieldType::Time => false,
        other => has_order(other),
    };
    if fits { Ok(()) } else { Err(no_operator(at, op.symbol(), typed)) }
}

fn no_operator(at: Position, operator: &str, typed: &Typed) -> ZoqlError {
    let (name, operators) = match typed.field_type {
        FieldType::Text => ("text", "=, !=, <, <=, >, >=, like, is null"),
        FieldType::Boolean => ("boolean", "=, != and is null"),
        FieldType::Time | FieldType::Binary | FieldType::Json => {
            (type_name(typed.field_type), "is null and is not null")
        }
        other => (type_name(other), "=, !=, <, <=, >, >= and is null"),
    };
    let message =
        format!("{operator} does not work on {}, which is a {name}: use {operators}", typed.label);
    ZoqlError::new(ZoqlErrorKind::Type, at, message)
}

fn misfit(typed: &Typed, value: &Located<Literal>, example: &str) -> ZoqlError {
    let message = format!(
        "{} is a {} and cannot be compared with {}: write a value such as {example}",
        typed.label,
        type_name(typed.field_type),
        shown(&value.value.to_string())
    );
    ZoqlError::new(ZoqlErrorKind::Type, value.at, message)
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

fn compare(left: query::Expr, op: Comparison, right: query::Expr) -> query::Condition {
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
