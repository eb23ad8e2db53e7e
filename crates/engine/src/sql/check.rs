//! Limits on the tree of an SQL text, before anything else looks at it.
//!
//! The parser bounds how deep parentheses and sub-queries nest, but `1 + 1 + ...` becomes a tree
//! as deep as it is long without any nesting, and whoever walks that by recursion overflows the
//! stack. The walk here stops at the first node that is too deep.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, GroupByExpr, OrderByKind, Query, Select, SelectItem, SetExpr,
    Statement, TableFactor, Value, ValueWithSpan, Visit, Visitor, WildcardAdditionalOptions,
};
use outhaul_exports::{Error, Result, limits};

use super::allow::ALLOWED_STATEMENT;

/// Expressions inside each other, of whatever kind.
const EXPR_DEPTH_MAX: usize = limits::CHAIN_TERMS_MAX + 2 * limits::NESTING_MAX;
/// Joins of a statement.
const JOINS_MAX: usize = 30;
/// SELECTs joined by UNION and the like.
const SET_OPERANDS_MAX: usize = 100;
/// Arguments of one function.
const ARGUMENTS_MAX: usize = 200;

pub(super) fn length(text: &str) -> Result<()> {
    let most = limits::QUERY_CHARS_MAX;
    if text.len() > most * 4 || text.chars().count() > most {
        let text = format!("the SQL text is longer than {most} characters");
        return Err(Error::invalid("query", text));
    }
    Ok(())
}

/// A statement must be one query, and what stands in it within its limits.
pub(super) fn statement(statement: &Statement) -> Result<()> {
    if !matches!(statement, Statement::Query(_)) {
        return Err(Error::unsupported(ALLOWED_STATEMENT));
    }
    walk(statement, false)
}

/// A condition must not read anything but its own row.
pub(super) fn condition(condition: &Expr) -> Result<()> {
    walk(condition, true)
}

fn walk(tree: &impl Visit, rows_only: bool) -> Result<()> {
    let mut walk = Walk { rows_only, ..Walk::default() };
    match tree.visit(&mut walk) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

#[derive(Default)]
struct Walk {
    rows_only: bool,
    depth: usize,
    joins: usize,
    operands: usize,
}

fn too_many<T>(what: &str, most: usize) -> ControlFlow<Error, T> {
    ControlFlow::Break(Error::invalid("query", format!("more than {most} {what}")))
}

fn not_offered<T>(what: &str) -> ControlFlow<Error, T> {
    ControlFlow::Break(Error::unsupported(format!("{what} is not offered")))
}

impl Visitor for Walk {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        if self.rows_only {
            return not_offered("a sub-query in a condition");
        }
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return not_offered("WITH RECURSIVE");
        }
        if !query.locks.is_empty() {
            return not_offered("locking rows");
        }
        let foreign = query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty();
        if foreign {
            return not_offered("FOR, SETTINGS, FORMAT or a pipe");
        }
        if let Some(order) = &query.order_by
            && let OrderByKind::Expressions(keys) = &order.kind
            && keys.len() > limits::ORDER_BY_MAX
        {
            return too_many("keys of an order", limits::ORDER_BY_MAX);
        }
        self.set_operands(&query.body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        if select.into.is_some() {
            return not_offered("SELECT INTO");
        }
        let foreign = !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.value_table_mode.is_some();
        if foreign {
            return not_offered("a clause of another SQL dialect");
        }
        let changed = select.projection.iter().any(|item| match item {
            SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
                *options
                    != WildcardAdditionalOptions {
                        wildcard_token: options.wildcard_token.clone(),
                        ..WildcardAdditionalOptions::default()
                    }
            }
            _ => false,
        });
        if changed {
            return not_offered("* with EXCEPT, EXCLUDE, REPLACE or RENAME (name the columns)");
        }
        if select.projection.len() > limits::COLUMNS_MAX {
            return too_many("columns", limits::COLUMNS_MAX);
        }
        if let GroupByExpr::Expressions(keys, _) = &select.group_by
            && keys.len() > limits::GROUP_BY_MAX
        {
            return too_many("keys of a grouping", limits::GROUP_BY_MAX);
        }
        self.joins += select.from.len().saturating_sub(1);
        self.joins += select.from.iter().map(|table| table.joins.len()).sum::<usize>();
        if self.joins > JOINS_MAX {
            return too_many("joins", JOINS_MAX);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Error> {
        match table {
            TableFactor::Table {
                args: None,
                version: None,
                with_ordinality: false,
                json_path: None,
                sample: None,
                with_hints,
                partitions,
                index_hints,
                ..
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                ControlFlow::Continue(())
            }
            TableFactor::Derived { lateral: false, sample: None, .. } => ControlFlow::Continue(()),
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.joins += table_with_joins.joins.len();
                if self.joins > JOINS_MAX {
                    return too_many("joins", JOINS_MAX);
                }
                ControlFlow::Continue(())
            }
            _ => not_offered("a table function, LATERAL, PIVOT or a sample"),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        self.depth += 1;
        if self.depth > EXPR_DEPTH_MAX {
            return too_many("terms or levels in one expression", limits::CHAIN_TERMS_MAX);
        }
        match expr {
            Expr::BinaryOp { .. } => {
                let mut terms = 1;
                let mut next = expr;
                while let Expr::BinaryOp { left, .. } = next {
                    terms += 1;
                    if terms > limits::CHAIN_TERMS_MAX {
                        return too_many("terms in one chain", limits::CHAIN_TERMS_MAX);
                    }
                    next = left;
                }
            }
            Expr::InList { list, .. } if list.len() > limits::IN_LIST_MAX => {
                return too_many("values in one IN list", limits::IN_LIST_MAX);
            }
            Expr::Like { pattern, .. }
            | Expr::ILike { pattern, .. }
            | Expr::SimilarTo { pattern, .. } => {
                if let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) =
                    pattern.as_ref()
                    && text.len() > limits::PATTERN_BYTES_MAX
                {
                    return too_many("bytes in one pattern", limits::PATTERN_BYTES_MAX);
                }
            }
            Expr::Function(function) => {
                if let FunctionArguments::List(list) = &function.args
                    && list.args.len() > ARGUMENTS_MAX
                {
                    return too_many("arguments of one function", ARGUMENTS_MAX);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Error> {
        if matches!(value.value, Value::Placeholder(_)) {
            return not_offered("a placeholder");
        }
        ControlFlow::Continue(())
    }
}

impl Walk {
    /// Counts the SELECTs of a chain of set operations without following it by recursion.
    fn set_operands(&mut self, body: &SetExpr) -> ControlFlow<Error> {
        let mut open = vec![body];
        while let Some(next) = open.pop() {
            match next {
                SetExpr::SetOperation { left, right, .. } => open.extend([left.as_ref(), right]),
                SetExpr::Select(_) | SetExpr::Query(_) => {
                    self.operands += 1;
                    if self.operands > SET_OPERANDS_MAX {
                        return too_many("SELECTs in one statement", SET_OPERANDS_MAX);
                    }
                }
                SetExpr::Values(_) => return not_offered("VALUES"),
                SetExpr::Table(_) => return not_offered("TABLE"),
                SetExpr::Insert(_)
                | SetExpr::Update(_)
                | SetExpr::Delete(_)
                | SetExpr::Merge(_) => return not_offered("changing data"),
            }
        }
        ControlFlow::Continue(())
    }
}
