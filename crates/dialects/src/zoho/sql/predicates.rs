//! Conditions: comparisons, lists, ranges, patterns, and CASE.
//!
//! What stands beside a column is read as a value of that column: `'01-Jan-2026'` beside a date is a
//! date. A literal that is no such value is refused, because a filter that silently never holds
//! would export the wrong rows.

use outhaul_exports::limits;
use sqlparser::ast::{BinaryOperator, Expr, Spanned, Value as Written, ValueWithSpan};

use super::error::{Mistake, Result};
use super::value::{Kind, Rank, Value, quoted};
use super::writer::Writer;

/// Where a literal stands beside a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// It may be equal to it.
    Equal,
    /// It may come before or after it.
    Order,
}

impl Writer<'_> {
    pub(super) fn comparison(
        &mut self,
        op: &BinaryOperator,
        left_expr: &Expr,
        right_expr: &Expr,
    ) -> Result<Value> {
        let left = self.expr(left_expr)?;
        let right = self.expr(right_expr)?;
        let beside = match op {
            BinaryOperator::Eq | BinaryOperator::NotEq | BinaryOperator::Spaceship => Beside::Equal,
            _ => Beside::Order,
        };
        let kinds = (left.kind, right.kind);
        let left = self.fitted(left, kinds.1, beside, left_expr)?;
        let right = self.fitted(right, kinds.0, beside, right_expr)?;
        self.comparable(left.kind, right.kind, left_expr)?;
        let word = match op {
            BinaryOperator::Eq => "=",
            BinaryOperator::NotEq => "<>",
            BinaryOperator::Lt => "<",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Gt => ">",
            BinaryOperator::GtEq => ">=",
            _ => "IS NOT DISTINCT FROM",
        };
        let text = format!("{} {word} {}", left.operand(), right.operand());
        Ok(Value::new(text, Rank::Compare, Kind::Boolean).made_of([&left, &right]))
    }

    /// A literal as a value of the kind that it stands beside.
    fn fitted(&self, value: Value, kind: Kind, beside: Beside, expr: &Expr) -> Result<Value> {
        if kind == Kind::Text && value.literal.is_some() && value.kind.is_number() {
            // `"Phone" = 123`: the column's text is what the client sees.
            return match beside {
                Beside::Equal => Ok(Value::of_text(&value.text)),
                Beside::Order => Err(self.refused(
                    expr,
                    "Text is compared with a number: put the number in quotes, or write \
                     cast(... as decimal(20, 4)) around the text",
                )),
            };
        }
        value.beside(kind).map_err(|text| self.refused(expr, text))
    }

    /// Refuses a comparison of values of kinds that have nothing in common.
    fn comparable(&self, left: Kind, right: Kind, expr: &Expr) -> Result<()> {
        let apart = |a: Kind, b: Kind| {
            a.is_number() && b.is_moment() || a == Kind::Boolean && (b.is_moment() || b.is_number())
        };
        if apart(left, right) || apart(right, left) {
            let text = format!("This is {}, and compared with {}", left.noun(), right.noun());
            return Err(self.refused(expr, text));
        }
        Ok(())
    }

    pub(super) fn predicate(&mut self, expr: &Expr) -> Result<Value> {
        match expr {
            Expr::IsNull(inner) => self.postfix(inner, "IS NULL", false),
            Expr::IsNotNull(inner) => self.postfix(inner, "IS NOT NULL", false),
            Expr::IsTrue(inner) => self.postfix(inner, "IS TRUE", true),
            Expr::IsNotTrue(inner) => self.postfix(inner, "IS NOT TRUE", true),
            Expr::IsFalse(inner) => self.postfix(inner, "IS FALSE", true),
            Expr::IsNotFalse(inner) => self.postfix(inner, "IS NOT FALSE", true),
            Expr::IsUnknown(inner) => self.postfix(inner, "IS UNKNOWN", true),
            Expr::IsNotUnknown(inner) => self.postfix(inner, "IS NOT UNKNOWN", true),
            Expr::IsNotDistinctFrom(left, right) => {
                self.comparison(&BinaryOperator::Spaceship, left, right)
            }
            Expr::IsDistinctFrom(left, right) => {
                let same = self.comparison(&BinaryOperator::Spaceship, left, right)?;
                let text = format!("NOT {}", same.within(Rank::Compare));
                Ok(Value::new(text, Rank::Not, Kind::Boolean).made_of([&same]))
            }
            Expr::InList { expr: inner, list, negated } => self.one_of(inner, list, *negated),
            Expr::Between { expr: inner, negated, low, high } => {
                self.between(inner, *negated, low, high)
            }
            Expr::Like { negated, any: false, expr: inner, pattern, escape_char } => {
                self.like(inner, pattern, escape_char.as_ref(), *negated, "LIKE")
            }
            Expr::ILike { negated, any: false, expr: inner, pattern, escape_char } => {
                self.like(inner, pattern, escape_char.as_ref(), *negated, "ILIKE")
            }
            Expr::RLike { negated, expr: inner, pattern, .. } => {
                self.matches(inner, pattern, *negated)
            }
            _ => self.not_offered(expr.span(), "LIKE ANY"),
        }
    }

    fn postfix(&mut self, inner: &Expr, words: &str, condition: bool) -> Result<Value> {
        let value = if condition { self.condition(inner)? } else { self.expr(inner)? };
        let text = format!("{} {words}", value.operand());
        Ok(Value::new(text, Rank::Compare, Kind::Boolean).made_of([&value]))
    }

    fn one_of(&mut self, inner: &Expr, list: &[Expr], negated: bool) -> Result<Value> {
        if list.len() > limits::IN_LIST_MAX {
            let text = format!("A list of IN has more than {} values", limits::IN_LIST_MAX);
            return Err(self.refused(inner, text));
        }
        let value = self.expr(inner)?;
        let mut parts = Vec::with_capacity(list.len() + 1);
        for expr in list {
            let item = self.expr(expr)?;
            parts.push(self.fitted(item, value.kind, Beside::Equal, expr)?);
        }
        let kind = parts.iter().map(|part| part.kind).reduce(Kind::or).unwrap_or(Kind::Unknown);
        let value = self.fitted(value, kind, Beside::Equal, inner)?;
        for (part, expr) in parts.iter().zip(list) {
            self.comparable(part.kind, value.kind, expr)?;
        }
        let items: Vec<_> = parts.iter().map(Value::operand).collect();
        let not = if negated { "NOT " } else { "" };
        let text = format!("{} {not}IN ({})", value.operand(), items.join(", "));
        parts.push(value);
        Ok(Value::new(text, Rank::Compare, Kind::Boolean).made_of(&parts))
    }

    fn between(&mut self, inner: &Expr, negated: bool, low: &Expr, high: &Expr) -> Result<Value> {
        let value = self.expr(inner)?;
        let (least, most) = (self.expr(low)?, self.expr(high)?);
        let least = self.fitted(least, value.kind, Beside::Order, low)?;
        let most = self.fitted(most, value.kind, Beside::Order, high)?;
        let value = self.fitted(value, least.kind.or(most.kind), Beside::Order, inner)?;
        self.comparable(least.kind, value.kind, low)?;
        self.comparable(most.kind, value.kind, high)?;
        let not = if negated { "NOT " } else { "" };
        let (value_text, least_text) = (value.operand(), least.operand());
        let text = format!("{value_text} {not}BETWEEN {least_text} AND {}", most.operand());
        Ok(Value::new(text, Rank::Compare, Kind::Boolean).made_of([&value, &least, &most]))
    }

    fn like(
        &mut self,
        inner: &Expr,
        pattern_expr: &Expr,
        escape: Option<&ValueWithSpan>,
        negated: bool,
        word: &str,
    ) -> Result<Value> {
        let value = self.expr(inner)?;
        let value = self.as_text(value);
        let pattern = self.expr(pattern_expr)?;
        let pattern = match (pattern.constant_text(), escape) {
            (Some(text), _) if text.len() > limits::PATTERN_BYTES_MAX => {
                let most = limits::PATTERN_BYTES_MAX;
                return Err(
                    self.refused(pattern_expr, format!("The pattern is longer than {most} bytes"))
                );
            }
            (_, None) => self.as_text(pattern),
            (Some(text), Some(escape)) => match &escape.value {
                Written::SingleQuotedString(mark) if mark.chars().count() == 1 => {
                    Value::of_text(&escaped_by_backslash(text, mark.chars().next()))
                }
                Written::SingleQuotedString(mark) if mark.is_empty() => {
                    Value::of_text(&escaped_by_backslash(text, None))
                }
                _ => return self.not_offered(escape.span, "An ESCAPE of several characters"),
            },
            (None, Some(escape)) => {
                return self.not_offered(escape.span, "ESCAPE for a pattern that is no constant");
            }
        };
        let not = if negated { "NOT " } else { "" };
        let text = format!("{} {not}{word} {}", value.operand(), pattern.operand());
        Ok(Value::new(text, Rank::Compare, Kind::Boolean).made_of([&value, &pattern]))
    }

    /// REGEXP and RLIKE.
    fn matches(&mut self, inner: &Expr, pattern_expr: &Expr, negated: bool) -> Result<Value> {
        let value = self.expr(inner)?;
        let value = self.as_text(value);
        let pattern = self.expr(pattern_expr)?;
        let Some(pattern) = pattern.constant_text() else {
            return self.not_offered(pattern_expr.span(), "A pattern that is no constant");
        };
        if pattern.len() > limits::PATTERN_BYTES_MAX {
            let text = format!("The pattern is longer than {} bytes", limits::PATTERN_BYTES_MAX);
            return Err(self.refused(pattern_expr, text));
        }
        let call = format!("regexp_like({}, {})", value.text, quoted(pattern));
        Ok(match negated {
            false => Value::atom(call, Kind::Boolean),
            true => Value::new(format!("NOT {call}"), Rank::Not, Kind::Boolean),
        }
        .made_of([&value]))
    }

    pub(super) fn case(&mut self, expr: &Expr) -> Result<Value> {
        let Expr::Case { operand, conditions, else_result, .. } = expr else {
            return self.not_offered(expr.span(), "This");
        };
        if conditions.len() > limits::CHAIN_TERMS_MAX {
            let text = format!("A CASE has more than {} branches", limits::CHAIN_TERMS_MAX);
            return self.error(Mistake::NotConvertible, expr.span(), text);
        }
        let operand = operand.as_deref().map(|of| Ok((self.expr(of)?, of))).transpose()?;
        let mut text = String::from("CASE");
        let mut parts = Vec::new();
        let mut results = Vec::new();
        for branch in conditions {
            let condition = match &operand {
                Some((operand, operand_expr)) => {
                    let value = self.expr(&branch.condition)?;
                    let value =
                        self.fitted(value, operand.kind, Beside::Equal, &branch.condition)?;
                    let operand =
                        self.fitted(operand.clone(), value.kind, Beside::Equal, operand_expr)?;
                    self.comparable(value.kind, operand.kind, &branch.condition)?;
                    let text = format!("{} = {}", operand.operand(), value.operand());
                    Value::new(text, Rank::Compare, Kind::Boolean).made_of([&operand, &value])
                }
                None => self.condition(&branch.condition)?,
            };
            parts.push(condition);
            results.push(self.expr(&branch.result)?);
        }
        let last = else_result.as_deref().map(|otherwise| self.expr(otherwise)).transpose()?;
        let branches = results.len();
        results.extend(last);
        let kind = self.common(&mut results);
        for (condition, result) in parts.iter().zip(&results) {
            text.push_str(&format!(" WHEN {} THEN {}", condition.text, result.text));
        }
        if let Some(last) = results.get(branches) {
            text.push_str(&format!(" ELSE {}", last.text));
        }
        text.push_str(" END");
        Ok(Value::atom(text, kind).made_of(parts.iter().chain(&results)))
    }

    /// Makes values of several kinds into ones of one kind, where one of them is text.
    pub(super) fn common(&self, values: &mut [Value]) -> Kind {
        let known = |value: &&Value| value.kind != Kind::Unknown;
        let kinds = values.iter().filter(known).map(|value| value.kind);
        let kind = kinds.reduce(Kind::or).unwrap_or(Kind::Unknown);
        let has = |kind: Kind| values.iter().any(|value| value.kind == kind);
        if kind == Kind::Unknown && has(Kind::Text) {
            for value in values.iter_mut().filter(|value| value.kind != Kind::Unknown) {
                *value = self.as_text(value.clone());
            }
            return Kind::Text;
        }
        kind
    }
}

/// A pattern whose marks are escaped by a backslash, from one with another mark, or none.
fn escaped_by_backslash(pattern: &str, mark: Option<char>) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == mark {
            match chars.next() {
                Some(next @ ('%' | '_' | '\\')) => out.extend(['\\', next]),
                Some(next) => out.push(next),
                None => out.push(c),
            }
        } else if c == '\\' {
            out.push_str("\\\\");
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped_by_backslash;

    #[test]
    fn patterns_keep_their_meaning_under_another_escape() {
        for (pattern, mark, written) in [
            ("50!%", Some('!'), "50\\%"),
            ("a!!b", Some('!'), "a!b"),
            ("a\\%", Some('!'), "a\\\\%"),
            ("a\\%", Some('\\'), "a\\%"),
            ("a\\_", None, "a\\\\_"),
            ("a!", Some('!'), "a!"),
        ] {
            assert_eq!(escaped_by_backslash(pattern, mark), written, "{pattern}");
        }
    }
}
