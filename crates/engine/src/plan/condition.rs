//! Conditions of the neutral query as expressions.

use datafusion::arrow::datatypes::{DECIMAL256_MAX_PRECISION, DataType};
use datafusion::logical_expr::expr::Like;
use datafusion::logical_expr::{Expr, Operator, binary_expr, cast, lit};
use outhaul_exports::Result;
use outhaul_exports::query::{Compare, Condition, Expr as Value, Literal};

use super::number::Number;
use super::value::{literal, moment, text};
use super::{Scope, unchecked};
use crate::error::planning;

impl Scope<'_> {
    pub(super) fn condition(&self, condition: &Condition) -> Result<Expr> {
        match condition {
            Condition::Compare { left, op, right } => self.comparison(left, *op, right),
            Condition::In { expr, list, negated } => self.one_of(expr, list, *negated),
            Condition::IsNull { expr, negated } => {
                let value = self.value(expr)?;
                Ok(if *negated { value.is_not_null() } else { value.is_null() })
            }
            Condition::Like { expr, pattern, negated, ignore_case } => {
                let value = Box::new(self.value(expr)?);
                let pattern = Box::new(text(pattern));
                Ok(Expr::Like(Like::new(*negated, value, pattern, None, *ignore_case)))
            }
            Condition::And(terms) => Ok(all(self.terms(terms)?).unwrap_or_else(|| lit(true))),
            Condition::Or(terms) => {
                Ok(balanced(self.terms(terms)?, Operator::Or).unwrap_or_else(|| lit(false)))
            }
            Condition::Not(inner) => Ok(Expr::Not(Box::new(self.condition(inner)?))),
            Condition::Exists { relation, filter, negated } => {
                self.is_found(relation, filter.as_deref(), *negated)
            }
        }
    }

    fn terms(&self, terms: &[Condition]) -> Result<Vec<Expr>> {
        terms.iter().map(|term| self.condition(term)).collect()
    }

    fn comparison(&self, left: &Value, op: Compare, right: &Value) -> Result<Expr> {
        if let Some(number) = number(right)? {
            return self.with_number(left, op, number);
        }
        if let Some(number) = number(left)? {
            return self.with_number(right, swapped(op), number);
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        let (from, to) = (self.type_of(&left)?, self.type_of(&right)?);
        let (left, right) = alike(left, &from, right, &to)?;
        Ok(compare(left, op, right))
    }

    fn with_number(&self, value: &Value, op: Compare, number: Number) -> Result<Expr> {
        let value = self.value(value)?;
        let data_type = self.type_of(&value)?;
        match number.compare(value.clone(), op, &data_type) {
            Some(expr) => expr.map_err(planning),
            None => Ok(compare(value, op, Expr::Literal(number.literal(), None))),
        }
    }

    fn one_of(&self, value: &Value, list: &[Literal], negated: bool) -> Result<Expr> {
        let value = self.value(value)?;
        let mut data_type = self.type_of(&value)?;
        let mut value = value;
        if data_type == DataType::Date32 && list.iter().any(|l| matches!(l, Literal::Timestamp(_)))
        {
            data_type = moment();
            value = cast(value, data_type.clone());
        }
        let mut values = Vec::with_capacity(list.len());
        for item in list {
            let found = match item {
                Literal::Integer(_) | Literal::Decimal(_) if data_type.is_numeric() => {
                    // What the column cannot hold is equal to nothing in it.
                    number(&Value::Literal(item.clone()))?.and_then(|n| n.of_type(&data_type))
                }
                item => Some(literal(item)?.cast_to(&data_type).map_err(planning)?),
            };
            values.extend(found.map(|value| Expr::Literal(value, None)));
        }
        if values.is_empty() {
            let known = value.is_not_null();
            let never = datafusion::logical_expr::when(known, lit(negated)).end();
            return never.map_err(planning);
        }
        Ok(value.in_list(values, negated))
    }
}

fn number(value: &Value) -> Result<Option<Number>> {
    match value {
        Value::Literal(Literal::Integer(value)) => Ok(Some(Number::whole(*value))),
        Value::Literal(Literal::Decimal(text)) => Number::parse(text).map(Some),
        _ => Ok(None),
    }
}

/// Brings two values that may be compared to one type, without losing anything of either.
fn alike(left: Expr, from: &DataType, right: Expr, to: &DataType) -> Result<(Expr, Expr)> {
    if from == to || from.is_null() || to.is_null() {
        return Ok((left, right));
    }
    let common = match (from, to) {
        (DataType::Date32, DataType::Timestamp(_, _)) => to.clone(),
        (DataType::Timestamp(_, _), DataType::Date32) => from.clone(),
        // One has more digits of a second than the other.
        (DataType::Timestamp(a, zone), DataType::Timestamp(b, _)) => {
            DataType::Timestamp(*a.max(b), zone.clone())
        }
        (a, b) if a.is_floating() || b.is_floating() => DataType::Float64,
        (a, b) if a.is_numeric() && b.is_numeric() => {
            DataType::Decimal256(DECIMAL256_MAX_PRECISION, scale(a).max(scale(b)))
        }
        _ if is_text(from) && is_text(to) => DataType::Utf8View,
        (a, b) => return Err(unchecked(&format!("{a} is compared with {b}"))),
    };
    Ok((convert(left, &common)?, convert(right, &common)?))
}

fn convert(value: Expr, to: &DataType) -> Result<Expr> {
    match value {
        Expr::Literal(value, _) => Ok(Expr::Literal(value.cast_to(to).map_err(planning)?, None)),
        value => Ok(cast(value, to.clone())),
    }
}

fn scale(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
        _ => 0,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn swapped(op: Compare) -> Compare {
    match op {
        Compare::Eq => Compare::Eq,
        Compare::Ne => Compare::Ne,
        Compare::Lt => Compare::Gt,
        Compare::Le => Compare::Ge,
        Compare::Gt => Compare::Lt,
        Compare::Ge => Compare::Le,
    }
}

pub(super) fn compare(left: Expr, op: Compare, right: Expr) -> Expr {
    let op = match op {
        Compare::Eq => Operator::Eq,
        Compare::Ne => Operator::NotEq,
        Compare::Lt => Operator::Lt,
        Compare::Le => Operator::LtEq,
        Compare::Gt => Operator::Gt,
        Compare::Ge => Operator::GtEq,
    };
    binary_expr(left, op, right)
}

/// All of them; `None` for none.
pub(super) fn all(terms: Vec<Expr>) -> Option<Expr> {
    balanced(terms, Operator::And)
}

/// Joins terms as a balanced tree: depth is what overflows stacks, not length.
fn balanced(mut terms: Vec<Expr>, op: Operator) -> Option<Expr> {
    while terms.len() > 1 {
        let mut pairs = Vec::with_capacity(terms.len().div_ceil(2));
        let mut rest = terms.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => binary_expr(left, op, right),
                None => left,
            });
        }
        terms = pairs;
    }
    terms.pop()
}
