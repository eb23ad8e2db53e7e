//! SQL text over the catalog's objects: parsed once, checked as a tree, bound to the catalog, and
//! planned. Nothing here ever makes text again.
//!
//! The order matters. The tree is checked before anything walks it without a bound (`check`);
//! names are bound before the planner sees them, so that it can resolve nothing but what the
//! catalog offers (`names`, `context`); the logical plan is compared with a list of what may stand
//! in one before it is optimized, because the optimizer evaluates constants (`allow`).

mod allow;
mod check;
mod condition;
mod context;
mod names;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::prelude::SQLOptions;
use datafusion::sql::planner::{NullOrdering, ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use outhaul_exports::catalog::{Catalog, Object, hint};
use outhaul_exports::{Error, ErrorKind, Result, limits};

use crate::error::planning;
use crate::guard::Guard;
use crate::plan::{Planned, json_columns};
use allow::{ALLOWED_STATEMENT, width};
use context::Offered;

pub(crate) use condition::condition;

/// A statement that was read and checked, and the objects that it names.
#[derive(Debug)]
pub(crate) struct Parsed {
    statement: Statement,
    /// The objects, by the name under which the statement now asks for them.
    objects: Vec<Arc<Object>>,
    /// The heading of each column, where the text says it.
    labels: Option<Vec<String>>,
    text: String,
}

impl Parsed {
    /// The objects that must be offered to it.
    pub(crate) fn objects(&self) -> &[Arc<Object>] {
        &self.objects
    }
}

/// Reads SQL text and binds its names.
pub(crate) fn parse(text: &str, catalog: &Catalog) -> Result<Parsed> {
    check::length(text)?;
    let mut statements = parser(text)?.parse_statements().map_err(unreadable)?;
    if statements.len() != 1 {
        return Err(Error::unsupported(ALLOWED_STATEMENT));
    }
    // Cannot fail because there is exactly one.
    let mut statement = statements.remove(0);
    check::statement(&statement)?;
    let bound = names::bind(&mut statement, catalog)?;
    Ok(Parsed { statement, objects: bound.objects, labels: bound.labels, text: text.to_owned() })
}

fn parser(text: &str) -> Result<Parser<'_>> {
    Parser::new(&GenericDialect {})
        .with_recursion_limit(limits::NESTING_MAX)
        .try_with_sql(text)
        .map_err(unreadable)
}

fn unreadable(cause: datafusion::sql::sqlparser::parser::ParserError) -> Error {
    use datafusion::sql::sqlparser::parser::ParserError;
    match cause {
        ParserError::RecursionLimitExceeded => {
            let text = format!("the SQL text nests deeper than {} levels", limits::NESTING_MAX);
            Error::invalid("query", text)
        }
        cause => planning(DataFusionError::SQL(Box::new(cause), None)),
    }
}

fn options() -> ParserOptions {
    ParserOptions::new()
        // A number with a point is a decimal, and exact.
        .with_parse_float_as_decimal(true)
        .with_map_string_types_to_utf8view(true)
        .with_default_null_ordering(NullOrdering::NullsMax)
}

/// Makes a logical plan of a parsed statement. `guards` are its objects, in their order.
pub(crate) fn plan(
    parsed: Parsed,
    guards: &[Arc<Guard>],
    session: &SessionState,
) -> Result<Planned> {
    let Parsed { statement, objects, labels, text } = parsed;
    let offered = Offered::new(session, guards);
    let planner = SqlToRel::new_with_options(&offered, options());
    let plan = planner
        .sql_statement_to_plan(statement)
        .map_err(|cause| in_their_words(cause, &objects, &text))?;
    let options =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(&plan).map_err(|_| Error::unsupported(ALLOWED_STATEMENT))?;
    allow::plan(&plan)?;
    let names = plan.schema().fields().iter().map(|field| field.name().clone());
    let labels = labels.filter(|labels| labels.len() == plan.schema().fields().len());
    let labels = labels.unwrap_or_else(|| {
        let canonical = canonical(&objects);
        names.map(|name| canonical.get(&name).cloned().unwrap_or(name)).collect()
    });
    let (width, json) = (width(&plan), json_columns(&plan));
    Ok(Planned {
        plan,
        labels,
        json,
        width,
        estimated_rows: None,
        counted: None,
        lists: Vec::new(),
    })
}

/// Names of fields as the catalog writes them, by how the planner sees them.
fn canonical(objects: &[Arc<Object>]) -> HashMap<String, String> {
    let fields = objects.iter().rev().flat_map(|object| &object.fields);
    fields.map(|field| (field.name.to_ascii_lowercase(), field.name.clone())).collect()
}

/// The planner sees names in lower case; the customer wrote them in some other.
fn in_their_words(cause: DataFusionError, objects: &[Arc<Object>], text: &str) -> Error {
    let DataFusionError::SchemaError(schema, _) = cause.find_root() else {
        return planning(cause);
    };
    let SchemaError::FieldNotFound { field, .. } = schema.as_ref() else {
        return planning(cause);
    };
    let written = |name: &str| {
        let at = text.to_ascii_lowercase().find(name);
        at.and_then(|at| text.get(at..at + name.len())).unwrap_or(name).to_owned()
    };
    let name = match &field.relation {
        Some(relation) => format!("{}.{}", written(relation.table()), written(&field.name)),
        None => written(&field.name),
    };
    let known = objects.iter().flat_map(|object| &object.fields).map(|field| field.name.as_str());
    let hint = hint(&field.name, known);
    Error::new(
        ErrorKind::UnknownField { name: name.clone() },
        format!("there is no field named {name}{hint}"),
    )
}
