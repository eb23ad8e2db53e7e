//! From the predicate of a scan to conditions of SQL.
//!
//! A scan's predicate may be applied loosely: rows that do not satisfy it may still come, because
//! the barrier above the scan applies it again. So what cannot be said in SQL is left out, and what
//! is said may admit more rows, but never fewer. Only comparisons that cannot fail get here
//! (`guard` sees to that), so that it does not matter in which order a database applies them.

use std::sync::Arc;

use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal,
};
use datafusion::scalar::ScalarValue;

/// What is true of a database's comparisons.
pub(crate) trait Compare {
    /// A column, given by its place in the scan's full schema, as an operand.
    fn operand(&self, column: usize) -> String;

    /// A comparison of a column with a value that is not null, as a condition that holds wherever
    /// the comparison does. `None` when there is none.
    fn comparison(&self, column: usize, op: Operator, value: &ScalarValue) -> Option<String>;
}

/// Conditions that all hold on every row that satisfies the predicate.
pub(crate) fn conditions(predicate: &Arc<dyn PhysicalExpr>, of: &dyn Compare) -> Vec<String> {
    let mut conditions = Vec::new();
    let mut open = vec![predicate];
    while let Some(term) = open.pop() {
        match term.downcast_ref::<BinaryExpr>() {
            Some(both) if *both.op() == Operator::And => open.extend([both.right(), both.left()]),
            _ => conditions.extend(condition(term, of)),
        }
    }
    conditions
}

fn condition(term: &Arc<dyn PhysicalExpr>, of: &dyn Compare) -> Option<String> {
    if let Some(binary) = term.downcast_ref::<BinaryExpr>() {
        let (left, op, right) = (binary.left(), *binary.op(), binary.right());
        return match op {
            Operator::And => match (condition(left, of), condition(right, of)) {
                (Some(left), Some(right)) => Some(format!("({left} AND {right})")),
                (left, right) => left.or(right),
            },
            Operator::Or => {
                Some(format!("({} OR {})", condition(left, of)?, condition(right, of)?))
            }
            _ => {
                let column = left.downcast_ref::<Column>()?;
                let value = right.downcast_ref::<Literal>()?.value();
                compared(column, op, value, of)
            }
        };
    }
    if let Some(null) = term.downcast_ref::<IsNullExpr>() {
        let column = null.arg().downcast_ref::<Column>()?;
        return Some(format!("{} IS NULL", of.operand(column.index())));
    }
    if let Some(there) = term.downcast_ref::<IsNotNullExpr>() {
        let column = there.arg().downcast_ref::<Column>()?;
        return Some(format!("{} IS NOT NULL", of.operand(column.index())));
    }
    if let Some(list) = term.downcast_ref::<InListExpr>() {
        if list.negated() {
            return None;
        }
        let column = list.expr().downcast_ref::<Column>()?;
        let any = list.list().iter().map(|item| {
            let value = item.downcast_ref::<Literal>()?.value();
            compared(column, Operator::Eq, value, of)
        });
        let any = any.collect::<Option<Vec<_>>>()?;
        return Some(if any.is_empty() { never() } else { format!("({})", any.join(" OR ")) });
    }
    match term.downcast_ref::<Literal>()?.value() {
        ScalarValue::Boolean(Some(false) | None) => Some(never()),
        _ => None,
    }
}

/// A comparison with nothing holds for no row.
fn compared(
    column: &Column,
    op: Operator,
    value: &ScalarValue,
    of: &dyn Compare,
) -> Option<String> {
    if value.is_null() {
        return Some(never());
    }
    of.comparison(column.index(), op, value)
}

fn never() -> String {
    "1 = 0".to_owned()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_expr::expressions::{in_list, is_null};

    use super::*;

    /// Column 0 compares as one likes, column 1 only by equality.
    struct Two;

    impl Compare for Two {
        fn operand(&self, column: usize) -> String {
            format!("c{column}")
        }

        fn comparison(&self, column: usize, op: Operator, value: &ScalarValue) -> Option<String> {
            let fits = column == 0 || op == Operator::Eq;
            fits.then(|| format!("c{column} {op} {value}"))
        }
    }

    fn binary(
        left: &Arc<dyn PhysicalExpr>,
        op: Operator,
        right: &Arc<dyn PhysicalExpr>,
    ) -> Arc<dyn PhysicalExpr> {
        Arc::new(BinaryExpr::new(Arc::clone(left), op, Arc::clone(right)))
    }

    #[test]
    fn conditions_never_admit_fewer_rows() {
        let column = |at| Arc::new(Column::new("c", at)) as Arc<dyn PhysicalExpr>;
        let value =
            |n: Option<i64>| Arc::new(Literal::new(ScalarValue::Int64(n))) as Arc<dyn PhysicalExpr>;
        let fields = ["c", "c"].map(|name| Field::new(name, DataType::Int64, true));
        let schema = Schema::new(fields.to_vec());
        let known = binary(&column(0), Operator::Lt, &value(Some(3)));
        let unknown = binary(&column(1), Operator::Lt, &value(Some(4)));
        let list = |items| in_list(column(1), items, &false, &schema).expect("a list");
        for (predicate, said) in [
            (binary(&known, Operator::And, &unknown), vec!["c0 < 3"]),
            (binary(&known, Operator::Or, &unknown), vec![]),
            (binary(&known, Operator::Or, &known), vec!["(c0 < 3 OR c0 < 3)"]),
            (
                binary(&binary(&known, Operator::And, &unknown), Operator::Or, &known),
                vec!["(c0 < 3 OR c0 < 3)"],
            ),
            (binary(&column(0), Operator::Eq, &value(None)), vec!["1 = 0"]),
            (list(vec![value(Some(1)), value(Some(2))]), vec!["(c1 = 1 OR c1 = 2)"]),
            (is_null(column(1)).expect("a test"), vec!["c1 IS NULL"]),
        ] {
            assert_eq!(conditions(&predicate, &Two), said, "{predicate}");
        }
    }
}
