//! Trees of conditions, and fields beside fields.
//!
//! What a field beside a value means is the same in both languages, and is said there.

use outhaul_exports::catalog::FieldType;
use outhaul_exports::limits::NESTING_MAX;
use outhaul_exports::query;

use super::ast::{Comparison, Condition, Operand};
use crate::zuora::zoql::chains::{self, Chain};
use crate::zuora::zoql::comparisons::compare;
use crate::zuora::zoql::scope::{Scope, Typed, type_name};
use crate::zuora::zoql::{Position, ZoqlError, ZoqlErrorKind};

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
                    Operand::Literal(value) => self.with_literal(left.at, typed, *op, value),
                    Operand::Expr(right) => {
                        let other = self.searched(right, clause)?;
                        self.with_expr(left.at, typed, *op, other)
                    }
                }
            }
            Condition::Like { expr, negated, pattern } => {
                shallow(expr.at, depth)?;
                self.like(expr.at, self.searched(expr, clause)?, pattern, *negated)
            }
            Condition::IsNull { expr, negated } => {
                shallow(expr.at, depth)?;
                let expr = self.searched(expr, clause)?.expr;
                Ok(query::Condition::IsNull { expr, negated: *negated })
            }
        }
    }

    fn with_expr(
        &self,
        at: Position,
        left: Typed,
        op: Comparison,
        right: Typed,
    ) -> Result<query::Condition> {
        self.check_operator(at, op, &left)?;
        self.check_operator(at, op, &right)?;
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
