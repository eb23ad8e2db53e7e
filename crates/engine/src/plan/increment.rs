//! What changed since a mark: as a condition on the base object's rows where its source goes by
//! time, and the rows that are no longer there, out of the table that remembers them.
//!
//! Each committed change comes at least once; a condition by time also lets rows pass that did not
//! change, because a row's time is older than the moment at which others could see the row.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::logical_expr::{Expr, LogicalPlan, cast, lit};
use datafusion::scalar::ScalarValue;
use outhaul_exports::catalog::{FieldType, Object};
use outhaul_exports::query::{
    Column, Compare, Condition, Expr as Value, Literal, Protection, Select,
};
use outhaul_exports::{Error, Result};

use super::{Joins, Scope, scan};
use crate::error::planning;
use crate::guard::{Guard, mask};
use crate::sources::Since;

/// The condition on an object's rows that its source leaves to the plan; none where the source sees
/// to it, or all rows are wanted.
///
/// # Errors
/// `Unsupported` for an object whose changes have no time.
pub(crate) fn changed(object: &Object, since: Since) -> Result<Option<Condition>> {
    match since {
        Since::Scan | Since::All => Ok(None),
        Since::At(time) => by_time(object, Compare::Ge, time).map(Some),
    }
}

/// The conditions on an object's rows by the time of their last change that the query itself states.
///
/// # Errors
/// `Unsupported` for an object whose changes have no time.
pub(crate) fn window(object: &Object, select: &Select) -> Result<Option<Condition>> {
    let bound =
        |op, time: Option<DateTime<Utc>>| time.map(|time| by_time(object, op, time)).transpose();
    let from = bound(Compare::Ge, select.changed_from)?;
    Ok(both(from, bound(Compare::Lt, select.changed_until)?))
}

fn both(one: Option<Condition>, other: Option<Condition>) -> Option<Condition> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(other)),
        (one, other) => one.or(other),
    }
}

fn by_time(object: &Object, op: Compare, time: DateTime<Utc>) -> Result<Condition> {
    let name = object.updated.as_deref().ok_or_else(|| {
        Error::unsupported(format!(
            "{} cannot be exported in a session: its source tells what changed by the time of a \
             row's last change, and the catalog names no such field (updated) for it",
            object.name
        ))
    })?;
    let bound = match object.require_field(name)?.field_type {
        FieldType::Timestamp => Literal::Timestamp(time),
        // A date is the beginning of its day: what changed on the day of the mark comes again.
        FieldType::Date => Literal::Date(time.date_naive()),
        other => {
            return Err(Error::unsupported(format!(
                "{} cannot be exported in a session: the time of its last change, {name}, is a {} \
                 in the catalog and no timestamp",
                object.name,
                other.name()
            )));
        }
    };
    let updated = || Value::own(name);
    Ok(Condition::Or(vec![
        // Nobody knows when it changed: it always comes.
        Condition::IsNull { expr: updated(), negated: false },
        Condition::Compare { left: updated(), op, right: Value::Literal(bound) },
    ]))
}

/// The query with the conditions that its increment asks for.
///
/// # Errors
/// As [`window`].
pub(crate) fn narrowed(
    select: &Select,
    object: &Object,
    changed: Option<Condition>,
) -> Result<Select> {
    let condition = both(changed, window(object, select)?);
    let mut select = select.clone();
    select.filter = both(select.filter, condition);
    Ok(select)
}

/// Rows that are no longer there, in the columns of the query's result: their keys, and that they
/// were deleted. Which of them the query's conditions would have let pass is not known any more, so
/// that all come.
pub(crate) fn deleted(
    select: &Select,
    guard: &Arc<Guard>,
    since: Since,
    result: &SchemaRef,
) -> Result<LogicalPlan> {
    let joins = Joins::alone(Arc::clone(guard.object()));
    let guards = [Arc::clone(guard)];
    let mut rows = scan(guard, joins.base_alias())?;
    let object = guard.object();
    // A table of tombstones without times is read whole by a query for a time.
    let window = match object.updated {
        Some(_) => window(object, select)?,
        None => None,
    };
    if let Some(condition) = both(changed(object, since)?, window) {
        let condition = Scope::new(&joins, &guards, &rows, None).condition(&condition)?;
        rows = rows.filter(condition).map_err(planning)?;
    }
    let scope = Scope::new(&joins, &guards, &rows, None);
    let columns =
        select.columns.iter().zip(result.fields()).enumerate().map(|(at, (column, to))| {
            let value = key_only(&scope, object, column, to.data_type())?;
            Ok(value.alias(format!("c{at}")))
        });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    rows.project(columns).and_then(|rows| rows.build()).map_err(planning)
}

/// What a column shows of a row of which only the key is known.
fn key_only(scope: &Scope<'_>, object: &Object, column: &Column, to: &DataType) -> Result<Expr> {
    let value = match &column.expr {
        Value::Field(path) if path.relations.is_empty() && object.field(&path.field).is_some() => {
            scope.value(&column.expr)?
        }
        Value::IsDeleted => lit(true),
        Value::AsNumber(of) if **of == Value::IsDeleted => lit(1_i64),
        literal @ Value::Literal(_) => scope.value(literal)?,
        _ => return Ok(Expr::Literal(ScalarValue::try_from(to).map_err(planning)?, None)),
    };
    let value = match column.protection {
        Protection::Masked => mask(value).map_err(planning)?,
        Protection::Plain | Protection::Sealed => value,
    };
    Ok(cast(value, to.clone()))
}
