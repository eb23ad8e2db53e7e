//! What may stand in a logical plan made from SQL text. Everything else is refused, also what
//! nobody has thought of yet.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::{Expr, LogicalPlan};
use outhaul_exports::{Error, Result, limits};

use crate::error::{planning, said};
use crate::functions;
use crate::session::Width;

/// The refusal of everything that is no query.
pub(super) const ALLOWED_STATEMENT: &str = "only a single SELECT statement is offered";

/// Bytes of a constant that a function puts into its result once for each match.
const REPLACEMENT_BYTES_MAX: usize = 256;
/// Bytes of a constant pattern.
const PATTERN_BYTES_MAX: usize = limits::PATTERN_BYTES_MAX;
/// Functions inside each other whose result can be longer than their arguments.
const GROWING_DEPTH_MAX: usize = 3;

/// Refuses a plan with anything in it that is not on the list.
pub(super) fn plan(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        self::node(node).map_err(said)?;
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                self::expr(expr).map_err(said)?;
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map(|_| ())
    .map_err(planning)
}

fn node(node: &LogicalPlan) -> Result<()> {
    let columns = node.schema().fields().len();
    match node {
        // What joins put side by side is narrowed again; what a query selects is its own wish.
        LogicalPlan::Projection(_) if columns > limits::COLUMNS_MAX => {
            let text = format!("more than {} columns", limits::COLUMNS_MAX);
            Err(Error::invalid("query", text))
        }
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Distinct(_) => Ok(()),
        LogicalPlan::Repartition(_)
        | LogicalPlan::Statement(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_) => Err(Error::unsupported(ALLOWED_STATEMENT)),
    }
}

/// Refuses an expression that is not on the list; what is inside it is visited on its own.
pub(super) fn expr(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Alias(_)
        | Expr::Column(_)
        | Expr::Literal(_, _)
        | Expr::BinaryExpr(_)
        | Expr::Like(_)
        | Expr::SimilarTo(_)
        | Expr::Not(_)
        | Expr::IsNotNull(_)
        | Expr::IsNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Negative(_)
        | Expr::Between(_)
        | Expr::Case(_)
        | Expr::Cast(_)
        | Expr::TryCast(_)
        | Expr::AggregateFunction(_)
        | Expr::WindowFunction(_)
        | Expr::InList(_)
        | Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::SetComparison(_)
        | Expr::ScalarSubquery(_)
        | Expr::GroupingSet(_)
        | Expr::OuterReferenceColumn(_, _) => Ok(()),
        Expr::ScalarFunction(function) if functions::is_offered(&function.func) => {
            arguments(function.name(), &function.args, expr)
        }
        // Made of the planner's own syntax, such as `{'a': 1}`.
        Expr::ScalarFunction(function) => {
            Err(Error::unsupported(format!("{} is not offered", function.name())))
        }
        other => Err(Error::unsupported(format!("{} is not offered", other.variant_name()))),
    }
}

/// Constants that make a result much larger than what goes in.
fn arguments(name: &str, args: &[Expr], whole: &Expr) -> Result<()> {
    match name {
        "replace" | "regexp_replace" => {
            let wrong = |text: &str| Err(Error::unsupported(format!("{name}: {text}")));
            let Some(pattern) = args.get(1).and_then(constant) else {
                return wrong("the text that is looked for must be a constant");
            };
            let Some(replacement) = args.get(2).and_then(constant) else {
                return wrong("the text that is put in must be a constant");
            };
            if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
                return wrong("the text that is looked for is empty or too long");
            }
            if replacement.len() > REPLACEMENT_BYTES_MAX {
                return wrong("the text that is put in is longer than 256 bytes");
            }
            if growing_depth(whole) > GROWING_DEPTH_MAX {
                return wrong("too many of these functions are inside each other");
            }
            Ok(())
        }
        "regexp_like" | "regexp_count" | "regexp_instr" => match args.get(1).and_then(constant) {
            Some(pattern) if pattern.len() <= PATTERN_BYTES_MAX => Ok(()),
            _ => {
                let text = format!("{name}: the pattern must be a constant of at most 4096 bytes");
                Err(Error::unsupported(text))
            }
        },
        _ => Ok(()),
    }
}

fn constant(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        Expr::Cast(cast) => constant(&cast.expr),
        _ => None,
    }
}

fn growing_depth(expr: &Expr) -> usize {
    let inside = |args: &[Expr]| args.iter().map(growing_depth).max().unwrap_or(0);
    match expr {
        Expr::ScalarFunction(function) => {
            let grows = matches!(function.name(), "replace" | "regexp_replace");
            usize::from(grows) + inside(&function.args)
        }
        Expr::Cast(cast) => growing_depth(&cast.expr),
        Expr::Alias(alias) => growing_depth(&alias.expr),
        _ => 0,
    }
}

/// One partition for what only reads, filters, projects and sorts one object, so that the order
/// stays, and a sort spills by itself: sorted parts would be merged by an operator that cannot.
pub(super) fn width(plan: &LogicalPlan) -> Width {
    let mut width = Width::One;
    let seen: DfResult<_> = plan.apply_with_subqueries(|node| {
        Ok(match node {
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::TableScan(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::EmptyRelation(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_) => TreeNodeRecursion::Continue,
            _ => {
                width = Width::Threads;
                TreeNodeRecursion::Stop
            }
        })
    });
    debug_assert!(seen.is_ok(), "the visit itself cannot fail");
    width
}

/// Whether an expression can be evaluated row by row, without looking at other rows.
pub(super) fn by_row(expr: &Expr) -> DfResult<()> {
    expr.apply(|inside| match inside {
        Expr::AggregateFunction(_)
        | Expr::WindowFunction(_)
        | Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::SetComparison(_)
        | Expr::ScalarSubquery(_) => Err(DataFusionError::Plan(
            "a condition can only use the fields of its own row".to_owned(),
        )),
        _ => Ok(TreeNodeRecursion::Continue),
    })
    .map(|_| ())
}

#[cfg(test)]
mod tests {
    use datafusion::functions::string::expr_fn::replace;
    use datafusion::logical_expr::lit;
    use datafusion::scalar::ScalarValue;

    use super::*;

    #[test]
    fn a_function_that_grows_needs_small_constants() {
        let column = || Expr::Literal(ScalarValue::Utf8(None), None);
        for (expr, allowed) in [
            (replace(column(), lit("a"), lit("bb")), true),
            (replace(column(), lit(""), lit("b")), false),
            (replace(column(), lit("a"), lit("b".repeat(257))), false),
            (replace(column(), column(), lit("b")), false),
        ] {
            assert_eq!(super::expr(&expr).is_ok(), allowed, "{expr}");
        }
    }
}
