//! What a job exports: the rows and columns of a view, or of a statement.

use std::sync::Arc;

use outhaul_exports::catalog::{Field, Object};
use outhaul_exports::query::{Column, Expr, Protection, Query, Select};
use outhaul_exports::{Error, ErrorKind};

use super::App;
use super::auth::Caller;
use super::config::QueryTable;
use super::error::Trouble;
use super::names::Case;
use super::request::Config;
use super::sql::{self, Saved};
use super::views::{Shown, View};
use super::wanted::{self, Format, Wanted};

/// What is exported.
pub struct Subject {
    /// The query.
    pub query: Query,
    /// The name of what it shows.
    pub title: String,
    /// What that is.
    pub description: String,
    /// The code of what only the engine finds wrong with it.
    engine_code: u16,
}

impl Subject {
    /// The rows of a view that satisfy its criteria, with the columns that are wanted.
    ///
    /// # Errors
    /// 8015 for a column, 733x and 7327 for the criteria.
    pub fn of_view(
        app: &App,
        caller: &Caller,
        view: &View<'_>,
        wanted: &Wanted,
    ) -> Result<Self, Trouble> {
        match view.of {
            Shown::Table(object) => Self::of_table(app, caller, object, wanted),
            Shown::Query(table) => Self::of_query_table(app, caller, table, wanted),
        }
    }

    fn of_table(
        app: &App,
        caller: &Caller,
        object: &Arc<Object>,
        wanted: &Wanted,
    ) -> Result<Self, Trouble> {
        let mut select = Select::of(&object.name);
        select.columns = columns(app, object, wanted)?;
        if let Some(text) = &wanted.criteria {
            let catalog = app.exports.catalog(&caller.who)?;
            let criteria = sql::criteria(text, object, catalog, &app.names);
            select.where_sql = Some(criteria.map_err(|error| Trouble::in_query(&error))?);
        }
        Ok(Self {
            query: Query::Select(Box::new(select)),
            title: app.names.object(object).to_owned(),
            description: String::new(),
            engine_code: 7327,
        })
    }

    fn of_query_table(
        app: &App,
        caller: &Caller,
        table: &QueryTable,
        wanted: &Wanted,
    ) -> Result<Self, Trouble> {
        let found = sql::saved_view(
            &table.name,
            wanted.columns.as_deref(),
            wanted.criteria.as_deref(),
            app.exports.catalog(&caller.who)?,
            &app.names,
            &saved(caller),
        );
        Ok(Self {
            query: found.map_err(|error| Trouble::in_query(&error))?.query,
            title: table.name.clone(),
            description: table.description.clone(),
            engine_code: 7327,
        })
    }

    /// The rows of the statement in CONFIG, whose tables may be narrowed.
    ///
    /// # Errors
    /// 8504 and 8077 to 8080 for CONFIG, 74xx for the statement, 7571 and 7836 for a table's filter.
    pub fn of_statement(app: &App, caller: &Caller, config: &Config) -> Result<Self, Trouble> {
        let text = wanted::statement(config)?;
        let catalog = app.exports.catalog(&caller.who)?;
        let views = View::all(caller, catalog, &app.names);
        let mut filters = Vec::new();
        for (id, criteria) in wanted::table_filters(config)? {
            let view = views.iter().find(|view| view.id.to_string() == id).ok_or_else(|| {
                Trouble::unknown_view_filtered(format!("There is no view {id} in this workspace"))
            })?;
            filters.push((view.name.to_owned(), criteria));
        }
        let saved = saved(caller);
        let statement = sql::statement_with(text, catalog, &app.names, &saved, &filters);
        let statement = statement.map_err(|error| Trouble::in_query(&error))?;
        if let Some((name, _)) = filters.iter().find(|(name, _)| !statement.tables.contains(name)) {
            let text = format!("The statement does not use the view \"{name}\" of a filter");
            return Err(Trouble::view_not_involved(text));
        }
        Ok(Self {
            query: statement.query,
            title: "Query".to_owned(),
            description: String::new(),
            engine_code: 7403,
        })
    }

    /// What is wrong with a job of this, by the code of its query where the query is what is wrong.
    pub fn refused(&self, error: Error) -> Trouble {
        match error.kind() {
            ErrorKind::Invalid { field } if matches!(field.as_str(), "query" | "where") => {
                Trouble::of_query(self.engine_code, error.public())
            }
            ErrorKind::Unsupported => Trouble::of_query(self.engine_code, error.public()),
            _ => error.into(),
        }
    }
}

/// The saved queries of the caller's workspace.
pub fn saved(caller: &Caller) -> Vec<Saved<'_>> {
    let tables = caller.org.query_tables.iter();
    tables.map(|table| (table.name.as_str(), table.sql.as_str())).collect()
}

/// The columns of a table that are wanted: those that are named, in their order, else all but the
/// hidden ones and those with personal data, each of which CONFIG may ask for.
fn columns(app: &App, object: &Object, wanted: &Wanted) -> Result<Vec<Column>, Trouble> {
    let html = wanted.format == Format::Html;
    let hidden = wanted.hidden.unwrap_or(app.settings.show_hidden_columns && !html);
    let fields: Vec<&Field> = match &wanted.columns {
        None => {
            let shown = |field: &&Field| {
                (hidden || !field.optional) && (wanted.personal || !field.sensitive)
            };
            object.fields.iter().filter(shown).collect()
        }
        Some(names) => {
            let field = |name: &String| {
                app.names.find_field(object, name, Case::Exact).ok_or_else(|| {
                    let known = object.fields.iter().map(|field| app.names.field(object, field));
                    Trouble::no_column(sql::no_column(name, known))
                })
            };
            names.iter().map(field).collect::<Result<_, _>>()?
        }
    };
    let column = |field: &Field| Column {
        label: app.names.field(object, field).to_owned(),
        expr: Expr::own(&field.name),
        protection: if field.sensitive { Protection::Masked } else { Protection::Plain },
    };
    Ok(fields.into_iter().map(column).collect())
}
