//! From the neutral query to a logical plan, by expressions only: no SQL text is ever made.
//!
//! The steps, in order: the base object's rows; one left join for each relation that a path
//! follows; joins with related rows that conditions ask for; the conditions; groups; the order; the range; the columns. Names inside a plan are
//! ours (`base`, `r1`, `c0`), because the customer's headings may repeat.

mod condition;
mod exists;
pub(crate) mod increment;
mod json;
mod lists;
mod number;
mod paths;
mod value;
mod without;

use std::sync::Arc;

use datafusion::catalog::default_table_source::DefaultTableSource;
use datafusion::common::{Column as Name, DFSchema};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder};
use outhaul_exports::query::{Aggregate, Column, DeletedRows, Expr as Value, Protection, Select};
use outhaul_exports::{Error, Result};

use crate::barrier::ROW;
use crate::error::planning;
use crate::guard::{DELETED, Guard, join_name, mask};
use crate::session::Width;
use crate::stream::Counted;

pub(crate) use json::columns as json_columns;
pub(crate) use lists::ListPlan;
pub(crate) use paths::Joins;

/// A logical plan and what is known about its result.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    /// The headings.
    pub(crate) labels: Vec<String>,
    /// Which columns are JSON in text.
    pub(crate) json: Vec<bool>,
    pub(crate) width: Width,
    pub(crate) estimated_rows: Option<u64>,
    /// A last column counts the base object's rows, by which the result is checked: each of them
    /// stands in it once.
    pub(crate) counted: Option<Counted>,
    /// Lists of related rows that follow the columns of the plan. The column after those that have
    /// headings is then the one by which they are found.
    pub(crate) lists: Vec<ListPlan>,
}

/// Plans a query that was checked against the catalog. `guards` are the base object and the
/// joined objects, in the order of `joins`. `more` is a further condition over the base object.
pub(crate) fn plan(
    select: &Select,
    joins: &Joins,
    guards: &[Arc<Guard>],
    more: Option<Expr>,
) -> Result<Planned> {
    let deleted = select.deleted_rows();
    let rows = rows(deleted, joins, guards)?;
    let terms = exists::terms(select.filter.as_ref());
    let rows = exists::joined(rows, &terms, deleted, joins, guards)?;
    let scope = Scope::new(joins, guards, &rows, None);
    let mut conditions: Vec<Expr> = more.into_iter().collect();
    for term in terms.into_iter().filter(|term| !exists::is_exists(term)) {
        conditions.push(scope.condition(term)?);
    }
    let rows = match condition::all(conditions) {
        Some(condition) => rows.filter(condition).map_err(planning)?,
        None => rows,
    };
    let aggregate = select.is_aggregate() || select.having.is_some();
    let (rows, groups) = if aggregate {
        let (rows, groups) = grouped(select, joins, guards, rows)?;
        (rows, Some(groups))
    } else {
        (rows, None)
    };
    let scope = Scope::new(joins, guards, &rows, groups);
    let counted = (!aggregate && leads_to_several(joins, guards)).then_some({
        if select.order_by.is_empty() { Counted::InOrder } else { Counted::AnyOrder }
    });
    let row = || Expr::Column(Name::new(Some(joins.base_alias()), ROW));
    let mut rows = rows;
    if let Some(having) = &select.having {
        rows = rows.filter(scope.condition(having)?).map_err(planning)?;
    }
    if !select.order_by.is_empty() {
        let keys = select.order_by.iter().map(|key| {
            // Nulls are the greatest: last when ascending, first when descending.
            Ok(scope.value(&key.expr)?.sort(!key.descending, key.descending))
        });
        rows = rows.sort(keys.collect::<Result<Vec<_>>>()?).map_err(planning)?;
    } else if counted.is_some() || (!aggregate && joins.is_joined() && joined_here(guards)) {
        // The base object's rows arrive in this order and the joins can keep it: the optimizer
        // takes the sort away again, and has to see to it that the joins do keep it.
        rows = rows.sort([row().sort(true, false)]).map_err(planning)?;
    }
    if select.offset > 0 || select.limit.is_some() {
        let most = |n: u64| usize::try_from(n).unwrap_or(usize::MAX >> 1);
        rows = rows.limit(most(select.offset), select.limit.map(most)).map_err(planning)?;
    }
    let columns = select.columns.iter().enumerate().map(|(at, column)| {
        let value = scope.column(column)?;
        Ok(value.alias(format!("c{at}")))
    });
    let mut columns = columns.collect::<Result<Vec<_>>>()?;
    let key = lists::key(select, &scope)?;
    columns.extend(key.clone());
    if counted.is_some() {
        columns.push(row());
    }
    let plan = rows.project(columns).map_err(planning)?;
    let plan = plan.build().map_err(planning)?;
    // What is sealed is JSON no longer when it is written.
    let sealed = select.columns.iter().map(|column| column.protection == Protection::Sealed);
    let json = json_columns(&plan).into_iter().zip(sealed).map(|(json, sealed)| json && !sealed);
    let json = json.collect();
    Ok(Planned {
        plan,
        json,
        labels: select.columns.iter().map(|column| column.label.clone()).collect(),
        // A sort in one piece spills by itself; sorted parts would be merged by an operator that
        // holds a part's whole batches in memory and cannot spill.
        width: if aggregate { Width::Threads } else { Width::One },
        estimated_rows: estimate(select, aggregate, guards),
        counted,
        lists: match key {
            Some(key) => lists::plans(select, joins, guards, &scope.type_of(&key)?)?,
            None => Vec::new(),
        },
    })
}

/// Whether a relation of the query may lead to several rows, for all that its source knows.
fn leads_to_several(joins: &Joins, guards: &[Arc<Guard>]) -> bool {
    joins.joined().iter().zip(&guards[1..]).any(|(join, guard)| {
        let columns: Vec<_> =
            join.relation.columns.iter().map(|(_, there)| there.as_str()).collect();
        !guard.table().is_unique(&columns)
    })
}

/// Whether the objects are joined here and not by a database, which answers in an order of its own.
fn joined_here(guards: &[Arc<Guard>]) -> bool {
    guards.iter().any(|guard| guard.remote().is_none())
}

/// How many rows to expect: said only where nothing but the range narrows the base object's rows.
fn estimate(select: &Select, aggregate: bool, guards: &[Arc<Guard>]) -> Option<u64> {
    if aggregate || select.filter.is_some() || select.where_sql.is_some() || select.is_increment() {
        return None;
    }
    let rows = guards.first()?.rows_at_most()?.saturating_sub(select.offset);
    Some(select.limit.map_or(rows, |limit| rows.min(limit)))
}

/// The base object's rows, with what its relations lead to. `mode` is one that
/// [`Select::deleted_rows`] answers.
fn rows(mode: DeletedRows, joins: &Joins, guards: &[Arc<Guard>]) -> Result<LogicalPlanBuilder> {
    let deleted = |guard: &Guard, alias: &str| {
        let known = guard.object().deleted_column.is_some();
        known.then(|| Expr::Column(Name::new(Some(alias), DELETED)))
    };
    let base = &guards[0];
    let mut rows = scan(base, joins.base_alias())?;
    rows = match (mode, deleted(base, joins.base_alias())) {
        (DeletedRows::Include, _) | (DeletedRows::Exclude | DeletedRows::InIncrements, None) => {
            rows
        }
        (DeletedRows::Exclude | DeletedRows::InIncrements, Some(deleted)) => {
            rows.filter(deleted.is_not_true()).map_err(planning)?
        }
        (DeletedRows::Only, Some(deleted)) => rows.filter(deleted).map_err(planning)?,
        (DeletedRows::Only, None) => {
            rows.filter(datafusion::logical_expr::lit(false)).map_err(planning)?
        }
    };
    for (join, guard) in joins.joined().iter().zip(&guards[1..]) {
        let mut target = scan(guard, &join.alias)?;
        if mode == DeletedRows::Exclude
            && let Some(deleted) = deleted(guard, &join.alias)
        {
            target = target.filter(deleted.is_not_true()).map_err(planning)?;
        }
        let (mut there, mut here) = (Vec::new(), Vec::new());
        for (own, other) in &join.relation.columns {
            here.push(Name::new(Some(join.parent.as_str()), join_name(own)));
            there.push(Name::new(Some(join.alias.as_str()), join_name(other)));
        }
        // The target is on the left, where a hash join builds its table: it is the smaller side,
        // and the base object's rows stream through in their order.
        let rest = rows.build().map_err(planning)?;
        rows = target.join(rest, JoinType::Right, (there, here), None).map_err(planning)?;
    }
    Ok(rows)
}

fn scan(guard: &Arc<Guard>, alias: &str) -> Result<LogicalPlanBuilder> {
    let source = Arc::new(DefaultTableSource::new(Arc::clone(guard) as _));
    LogicalPlanBuilder::scan(alias, source, None).map_err(planning)
}

/// What stands in a plan above its groups.
#[derive(Debug)]
struct Groups {
    /// The keys, as `g0`, `g1` and so on.
    keys: Vec<Value>,
    /// The aggregates, as `a0`, `a1` and so on.
    aggregates: Vec<Value>,
}

fn grouped(
    select: &Select,
    joins: &Joins,
    guards: &[Arc<Guard>],
    rows: LogicalPlanBuilder,
) -> Result<(LogicalPlanBuilder, Groups)> {
    let mut aggregates = Vec::new();
    paths::for_each_value(select, &mut |value| {
        if matches!(value, Value::Aggregate { .. }) && !aggregates.contains(value) {
            aggregates.push(value.clone());
        }
    });
    if aggregates.is_empty() && select.group_by.is_empty() {
        aggregates.push(Value::Aggregate { function: Aggregate::Count, distinct: false, of: None });
    }
    let scope = Scope::new(joins, guards, &rows, None);
    let mut inputs = Vec::new();
    let mut keys = Vec::new();
    for (at, key) in select.group_by.iter().enumerate() {
        inputs.push(scope.value(key)?.alias(format!("g{at}")));
        keys.push(named("g", at));
    }
    let mut calls = Vec::new();
    for (at, aggregate) in aggregates.iter().enumerate() {
        let Value::Aggregate { function, distinct, of } = aggregate else { continue };
        let input = match of {
            Some(of) => {
                inputs.push(scope.value(of)?.alias(format!("x{at}")));
                named("x", at)
            }
            None => datafusion::logical_expr::lit(1_i64),
        };
        calls.push(value::aggregate(*function, *distinct, input).alias(format!("a{at}")));
    }
    let rows = if inputs.is_empty() { rows } else { rows.project(inputs).map_err(planning)? };
    let rows = rows.aggregate(keys, calls).map_err(planning)?;
    Ok((rows, Groups { keys: select.group_by.clone(), aggregates }))
}

fn named(letter: &str, at: usize) -> Expr {
    Expr::Column(Name::new_unqualified(format!("{letter}{at}")))
}

/// Where values are looked up while a plan is made.
struct Scope<'a> {
    joins: &'a Joins,
    guards: &'a [Arc<Guard>],
    schema: Arc<DFSchema>,
    groups: Option<Groups>,
}

impl<'a> Scope<'a> {
    fn new(
        joins: &'a Joins,
        guards: &'a [Arc<Guard>],
        rows: &LogicalPlanBuilder,
        groups: Option<Groups>,
    ) -> Self {
        Self { joins, guards, schema: Arc::clone(rows.schema()), groups }
    }

    fn column(&self, column: &Column) -> Result<Expr> {
        let value = self.value(&column.expr)?;
        match column.protection {
            Protection::Masked => mask(value).map_err(planning),
            // What is sealed leaves as it is; it is encrypted where the file is written.
            Protection::Plain | Protection::Sealed => Ok(value),
        }
    }
}

/// Something that the check of the query must have refused.
fn unchecked(what: &str) -> Error {
    Error::internal(format!("a query that was not checked: {what}"))
}
