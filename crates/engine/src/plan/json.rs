//! Which columns of a result are JSON in text: those that are nothing but a field that the catalog
//! declares as JSON, or such a field without some of its members.
//!
//! They are followed through the logical plan, by a list of steps that leave values as they are.
//! Whatever was made of such a field (a part of it, its length, a mask) is text or what else it is,
//! because nobody knows whether it still is JSON.

use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::Column as Name;
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan};

use crate::guard::Guard;

/// Says of each column of a plan whether it is JSON.
pub(crate) fn columns(plan: &LogicalPlan) -> Vec<bool> {
    (0..plan.schema().fields().len()).map(|at| is_json(plan, at)).collect()
}

fn is_json(plan: &LogicalPlan, at: usize) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let Ok(provider) = source_as_provider(&scan.source) else { return false };
            let guard = provider.downcast_ref::<Guard>();
            guard.is_some_and(|guard| guard.is_json(scan.projected_schema.field(at).name()))
        }
        LogicalPlan::Projection(node) => value(&node.expr[at], &node.input),
        LogicalPlan::Aggregate(node) => {
            node.group_expr.get(at).is_some_and(|key| value(key, &node.input))
        }
        LogicalPlan::SubqueryAlias(node) => is_json(&node.input, at),
        LogicalPlan::Filter(node) => is_json(&node.input, at),
        LogicalPlan::Sort(node) => is_json(&node.input, at),
        LogicalPlan::Limit(node) => is_json(&node.input, at),
        LogicalPlan::Distinct(Distinct::All(input)) => is_json(input, at),
        // What a window adds stands behind what goes in.
        LogicalPlan::Window(node) => {
            at < node.input.schema().fields().len() && is_json(&node.input, at)
        }
        LogicalPlan::Union(node) => node.inputs.iter().all(|input| is_json(input, at)),
        LogicalPlan::Join(node) => {
            let left = node.left.schema().fields().len();
            match node.join_type {
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                    if at < left {
                        is_json(&node.left, at)
                    } else {
                        is_json(&node.right, at - left)
                    }
                }
                JoinType::LeftSemi | JoinType::LeftAnti => is_json(&node.left, at),
                JoinType::RightSemi | JoinType::RightAnti => is_json(&node.right, at),
                JoinType::LeftMark | JoinType::RightMark => false,
            }
        }
        _ => false,
    }
}

fn value(value: &Expr, input: &LogicalPlan) -> bool {
    match value {
        Expr::Alias(alias) => self::value(&alias.expr, input),
        Expr::Column(column) => place(column, input).is_some_and(|at| is_json(input, at)),
        Expr::ScalarFunction(call) if call.name() == super::without::NAME => true,
        Expr::ScalarFunction(call) if call.name() == "coalesce" => {
            call.args.iter().all(|arg| self::value(arg, input))
        }
        _ => false,
    }
}

fn place(column: &Name, input: &LogicalPlan) -> Option<usize> {
    input.schema().maybe_index_of_column(column)
}
