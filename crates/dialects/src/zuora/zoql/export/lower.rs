//! A query tree to the neutral query, clause by clause.
//!
//! Names are looked up by [`super::names`], conditions checked by [`super::conditions`]; here is
//! what concerns the query as a whole: the columns and their headings, and the rule that a grouped
//! query selects nothing but groups and aggregates.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use outhaul_exports::catalog::{Catalog, FieldType};
use outhaul_exports::limits::COLUMNS_MAX;
use outhaul_exports::query::{self, Select};

use super::ast::{Condition, Expr, Item, Name, Operand, Query};

use super::parser::parse;
use crate::zuora::zoql::scope::{Found, Scope, Typed, has_order, type_name};
use crate::zuora::zoql::{Language, Position, Zones, ZoqlError, ZoqlErrorKind};

type Result<T> = std::result::Result<T, ZoqlError>;

/// Reads a query, resolves it against what the tenant may export, and checks it.
///
/// Relative dates are counted from `now`.
/// Sensitive columns come back masked; whoever holds the tenant's key may turn
/// [`query::Protection::Masked`] into [`query::Protection::Sealed`].
///
/// # Errors
/// The first thing that is wrong with the query, with its kind, a sentence, line and column.
pub fn compile(
    text: &str,
    catalog: &Catalog,
    now: DateTime<Utc>,
    zones: impl Into<Zones>,
) -> Result<Select> {
    let query = parse(text)?;
    let base = Scope::base(catalog, &query.source)?;
    let (zones, language) = (zones.into(), Language::Export);
    let scope = Scope { catalog, base, now, zones, language, strict_dates: false };
    let mut select = Select::of(&scope.base.name);
    let columns = columns(&scope, &query.items)?;
    if let Some(filter) = &query.filter {
        select.filter = Some(scope.condition(filter, "WHERE", 0)?);
    }
    for expr in &query.group_by {
        let typed = scope.searched(expr, "GROUP BY")?;
        groupable(expr, &typed)?;
        select.group_by.push(typed.expr);
    }
    if let Some(having) = &query.having {
        select.having = Some(scope.condition(having, "HAVING", 0)?);
    }
    for order in &query.order_by {
        let typed = scope
            .searched(&order.expr, "ORDER BY")
            .map_err(|error| explain_alias(error, &query, &order.expr))?;
        groupable(&order.expr, &typed)?;
        select.order_by.push(query::OrderBy { expr: typed.expr, descending: order.descending });
    }
    if let Some(limit) = query.limit {
        select.offset = limit.skip;
        select.limit = Some(limit.rows);
    }
    check_grouping(&scope, &query, &columns, &select)?;
    select.columns = columns.into_iter().map(|(_, column)| column).collect();
    Ok(select)
}

/// The columns, each with the place of the item that it comes from.
fn columns(scope: &Scope<'_>, items: &[Item]) -> Result<Vec<(Position, query::Column)>> {
    let mut columns = Vec::new();
    let mut aliases = HashSet::new();
    for item in items {
        let at = place(item);
        match item {
            Item::All(_) => {
                // All that describe lists with the context export (Zuora documentation, "Export
                // ZOQL"), so also those that the catalog leaves out of its own star.
                let fields = scope.base.fields.iter().map(|field| scope.own(field));
                columns.extend(fields.map(|found| (at, Typed::from(found).column())));
            }
            Item::AllOf(name) => {
                let (object, relations, label) = scope.object(name)?;
                columns.extend(object.fields.iter().map(|field| {
                    let path =
                        query::Path { relations: relations.clone(), field: field.name.clone() };
                    let label = format!("{label}.{}", field.name);
                    (at, Typed::from(Found { field, path, label }).column())
                }));
            }
            Item::Column { expr, alias } => {
                let mut column = scope.selected(expr)?.column();
                // An alias that says what the heading says anyway is ignored, case and all.
                let alias = alias.as_ref().filter(|a| !a.value.eq_ignore_ascii_case(&column.label));
                if let Some(alias) = alias {
                    check_alias(&mut aliases, alias)?;
                    column.label.clone_from(&alias.value);
                }
                columns.push((at, column));
            }
        }
        if columns.len() > COLUMNS_MAX {
            let message = format!("The query selects more than {COLUMNS_MAX} columns");
            return Err(ZoqlError::new(ZoqlErrorKind::Limit, at, message));
        }
    }
    Ok(columns)
}

fn check_alias(seen: &mut HashSet<String>, alias: &Name) -> Result<()> {
    if seen.insert(alias.value.to_lowercase()) {
        return Ok(());
    }
    // Byte for byte the text of Zuora's documentation.
    let message = format!("Duplicate column aliases {} were defined.", alias.value);
    Err(ZoqlError::new(ZoqlErrorKind::DuplicateAlias, alias.at, message))
}

fn place(item: &Item) -> Position {
    match item {
        Item::All(star) => star.at,
        Item::AllOf(name) => name.at,
        Item::Column { expr, .. } => expr.at,
    }
}

/// Groups and orders are made of values that can be told apart and compared.
fn groupable(expr: &Expr, typed: &Typed) -> Result<()> {
    if has_order(typed.field_type) || typed.field_type == FieldType::Boolean {
        return Ok(());
    }
    let message = format!(
        "{} is a {} and can be neither grouped nor sorted by",
        typed.label,
        type_name(typed.field_type)
    );
    Err(ZoqlError::new(ZoqlErrorKind::Type, expr.at, message))
}

/// An alias only names a column; people try to sort by it.
fn explain_alias(mut error: ZoqlError, query: &Query, expr: &Expr) -> ZoqlError {
    let written = expr.value.to_string();
    let is_alias = query.items.iter().any(|item| match item {
        Item::Column { alias: Some(alias), .. } => alias.value.eq_ignore_ascii_case(&written),
        _ => false,
    });
    if error.kind == ZoqlErrorKind::NoSuchField && is_alias {
        error.message = format!(
            "There is no field named {written} (an alias only names a column: repeat the field or \
             function itself)"
        );
    }
    error
}

/// In a grouped query, all but the arguments of aggregates must be grouped.
fn check_grouping(
    scope: &Scope<'_>,
    query: &Query,
    columns: &[(Position, query::Column)],
    select: &Select,
) -> Result<()> {
    let grouped = !select.group_by.is_empty()
        || select.having.is_some()
        || columns.iter().any(|(_, column)| column.expr.has_aggregate())
        || select.order_by.iter().any(|order| order.expr.has_aggregate());
    if !grouped {
        return Ok(());
    }
    let fits = |expr: &query::Expr| expr.has_aggregate() || select.group_by.contains(expr);
    if let Some((at, _)) = columns.iter().find(|(_, column)| !fits(&column.expr)) {
        // Byte for byte the text of Zuora's documentation.
        let message = "One or more columns in the SELECT statement does not appear in the GROUP BY \
                       statement.";
        return Err(ZoqlError::new(ZoqlErrorKind::Grouping, *at, message));
    }
    for (order, written) in select.order_by.iter().zip(&query.order_by) {
        if !fits(&order.expr) {
            return Err(not_grouped(&written.expr, "ORDER BY"));
        }
    }
    let mut compared = Vec::new();
    query.having.iter().for_each(|having| expressions(having, &mut compared));
    for expr in compared {
        if !fits(&scope.searched(expr, "HAVING")?.expr) {
            return Err(not_grouped(expr, "HAVING"));
        }
    }
    Ok(())
}

fn not_grouped(expr: &Expr, clause: &str) -> ZoqlError {
    let message = format!(
        "{} in {clause} is neither an aggregate nor in GROUP BY: add it there or use an aggregate",
        expr.value
    );
    ZoqlError::new(ZoqlErrorKind::Grouping, expr.at, message)
}

/// Every expression of a tree of conditions, whose depth the parser has bounded.
fn expressions<'a>(condition: &'a Condition, found: &mut Vec<&'a Expr>) {
    match condition {
        Condition::And(terms) | Condition::Or(terms) => {
            terms.iter().for_each(|term| expressions(term, found));
        }
        Condition::Not(inner) => expressions(inner, found),
        Condition::Compare { left, right, .. } => {
            found.push(left);
            if let Operand::Expr(right) = right {
                found.push(right);
            }
        }
        Condition::Like { expr, .. } | Condition::IsNull { expr, .. } => found.push(expr),
    }
}
