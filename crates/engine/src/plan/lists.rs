//! Lists of related rows, each as a plan of its own: its rows in the order of the key by which the
//! base object's rows find them. Both sides are sorted by that key, which spills where it must, and
//! what is joined is done row by row ([`crate::nest`]); no list of a whole table is ever in memory.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Column as Name;
use datafusion::logical_expr::{Expr, LogicalPlan, cast};
use outhaul_exports::catalog::POSITION;
use outhaul_exports::query::{DeletedRows, RelatedList, Select};
use outhaul_exports::{Error, Result};

use super::paths::Listed;
use super::{Scope, json_columns, rows, unchecked};
use crate::error::planning;
use crate::guard::{Guard, join_name};

/// The rows of one list.
#[derive(Debug)]
pub(crate) struct ListPlan {
    /// The heading of the list.
    pub(crate) label: String,
    /// The members of its documents, then the key by which they are found, ascending.
    pub(crate) plan: LogicalPlan,
    /// The names of the members.
    pub(crate) names: Vec<String>,
    /// Which members are JSON in text.
    pub(crate) json: Vec<bool>,
}

/// The column of the query's result by which lists are found: what it is ordered by.
pub(super) fn key(select: &Select, scope: &Scope<'_>) -> Result<Option<Expr>> {
    if select.lists.is_empty() {
        return Ok(None);
    }
    let order = select.order_by.first().ok_or_else(|| unchecked("lists without an order"))?;
    Ok(Some(scope.value(&order.expr)?.alias("key")))
}

/// The plans of a query's lists, whose keys have this type.
pub(super) fn plans(
    select: &Select,
    joins: &super::Joins,
    guards: &[Arc<Guard>],
    key: &DataType,
) -> Result<Vec<ListPlan>> {
    let deleted = select.deleted_rows();
    let lists = select.lists.iter().zip(joins.listed(guards));
    lists.map(|(list, (listed, guards))| plan(list, listed, guards, deleted, key)).collect()
}

/// Whether values of the one type are the same in the other, and in the same order.
fn same_values(one: &DataType, other: &DataType) -> bool {
    let plain = |data_type: &DataType| match data_type {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    };
    let (one, other) = (plain(one), plain(other));
    let text =
        |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    one == other
        || (text(&one) && text(&other))
        || (one.is_signed_integer() && other == DataType::Int64)
}

fn plan(
    list: &RelatedList,
    listed: &Listed,
    guards: &[Arc<Guard>],
    deleted: DeletedRows,
    key: &DataType,
) -> Result<ListPlan> {
    let joins = &listed.joins;
    // A query for deleted rows only asks this of its base object.
    let deleted = if deleted == DeletedRows::Only { DeletedRows::Include } else { deleted };
    let found = rows(deleted, joins, guards)?;
    let (_, there) = listed.relation.columns.first().ok_or_else(|| unchecked("no columns"))?;
    let there = Expr::Column(Name::new(Some(joins.base_alias()), join_name(there)));
    let found = found.filter(there.clone().is_not_null()).map_err(planning)?;
    let scope = Scope::new(joins, guards, &found, None);
    let found_type = scope.type_of(&there)?;
    if !same_values(&found_type, key) {
        let text = format!(
            "relation {}: its columns are of the types {found_type} and {key}, by which no list can be \
             found",
            listed.relation.name
        );
        return Err(Error::unsupported(text));
    }
    let there = if found_type == *key { there } else { cast(there, key.clone()) };
    let object = guards[0].object();
    let position = object.fields.iter().find(|field| field.column == POSITION);
    let order = match position {
        Some(position) => vec![&position.name],
        None => object.key.iter().collect(),
    };
    let order = order
        .into_iter()
        .map(|name| Expr::Column(Name::new(Some(joins.base_alias()), name)).sort(true, false));
    let order: Vec<_> = std::iter::once(there.clone().sort(true, false)).chain(order).collect();
    let columns = list.columns.iter().enumerate();
    let columns = columns.map(|(at, column)| Ok(scope.column(column)?.alias(format!("c{at}"))));
    let mut columns = columns.collect::<Result<Vec<_>>>()?;
    columns.push(there.alias("key"));
    let sorted = found.sort(order).map_err(planning)?;
    let plan = sorted.project(columns).map_err(planning)?.build().map_err(planning)?;
    Ok(ListPlan {
        label: list.label.clone(),
        json: json_columns(&plan),
        names: list.columns.iter().map(|column| column.label.clone()).collect(),
        plan,
    })
}
