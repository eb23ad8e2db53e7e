//! Zoho Analytics' criteria and its SQL: text in, a neutral query out.
//!
//! Both are parsed with a library's SQL parser, walked node by node over a list of what is offered,
//! and written anew in the SQL that the engine reads, with every name replaced by one of the
//! catalog's (Zoho Analytics API v2, "Filter criteria" and "Query tables"). The text of a client
//! is never pasted into another one. Where the documentation is silent, MySQL's manual decides: the
//! vendor calls its SQL compatible with it.
//!
//! What differs from MySQL: names in double quotes are case-sensitive, text is compared with regard
//! to case, a backslash in text is a backslash, and what would be read as 0 or as null with a
//! warning (text that is no number or date) is an error.
//!
//! Nothing here plans or runs a query. What only the engine can know (a column that must be grouped,
//! a type that fits no function) is its to refuse.

pub mod error;
mod from;
mod functions;
mod headings;
mod language;
mod predicates;
mod query;
mod scope;
#[cfg(test)]
mod tests;
mod value;
mod writer;

use outhaul_exports::catalog::{Catalog, Object};
use outhaul_exports::limits;
use outhaul_exports::query::Query;
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

use self::error::{Language, Mistake, Place, Result};
use self::language::Tokens;
use self::query::{Made, Naming};
use self::scope::{Column, Scope, Table};
use self::value::name;
use self::writer::{World, Writer};
use super::names::DisplayNames;

pub use self::error::SqlError;

/// The longest criteria or statement, in characters (Zoho Analytics API v2, "Export data").
pub const CHARACTERS_MAX: usize = 100_000;

/// A saved query: its name, and its statement.
pub type Saved<'a> = (&'a str, &'a str);

/// A statement that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The query for the engine.
    pub query: Query,
    /// The headings of its columns.
    pub columns: Vec<String>,
    /// The tables and saved queries that it reads, by their display names, each once.
    pub tables: Vec<String>,
}

/// Reads a criteria over the rows of an object: a condition for `Select::where_sql`.
///
/// # Errors
/// 7331 for what cannot be read, 7330 for a column and 7332 for a table that is not known, 7543 for
/// a column of another table, 7333 for an aggregate, and 7327 for what is not offered or not
/// convertible.
pub fn criteria(
    text: &str,
    object: &Object,
    catalog: &Catalog,
    names: &DisplayNames,
) -> Result<String> {
    let world = World { catalog, names, saved: &[] };
    let writer = Writer::new(Language::Criteria, world, &[]);
    let columns = writer.object_columns(object, None).into_iter().zip(&object.fields);
    // A value that nobody may see cannot be asked for either.
    let columns = columns.filter(|(_, field)| !field.sensitive).map(|(column, _)| column);
    let titles = [names.object(object), &object.name, &object.plural].map(ToOwned::to_owned);
    condition_over(text, world, Table { names: titles.to_vec(), columns: columns.collect() })
}

fn condition_over(text: &str, world: World<'_>, table: Table) -> Result<String> {
    let language = Language::Criteria;
    let tokens = Tokens::of(text, language)?;
    let expr = tokens.expression()?;
    let mut writer = Writer::new(language, world, &[]);
    writer.scopes.push(Scope { tables: vec![table], ..Scope::default() });
    let condition = writer.condition(&expr)?;
    accepted(condition.text, language, |parser| parser.parse_expr().map(drop))
}

/// Reads a SELECT statement. `saved` are the queries that may be named like tables.
///
/// # Errors
/// 7403 for what cannot be read, 7401 for what is not offered, 7407 for a column of the result and
/// 7408 for another one that is not known, 7409 for a table that is not known, 7433 for two columns
/// of one name, and 7835 for a statement without a table.
pub fn statement(
    text: &str,
    catalog: &Catalog,
    names: &DisplayNames,
    saved: &[Saved<'_>],
) -> Result<Statement> {
    statement_with(text, catalog, names, saved, &[])
}

/// Reads a SELECT statement whose tables are narrowed first: `criteria` are pairs of a table's or
/// saved query's display name and a criteria that its rows must satisfy.
///
/// # Errors
/// As [`statement`], and as [`criteria`] for the criteria.
pub fn statement_with(
    text: &str,
    catalog: &Catalog,
    names: &DisplayNames,
    saved: &[Saved<'_>],
    criteria: &[(String, String)],
) -> Result<Statement> {
    let language = Language::Statement;
    let tokens = Tokens::of(text, language)?;
    let query = tokens.query()?;
    let world = World { catalog, names, saved };
    let mut writer = Writer::new(language, world, criteria);
    let made = writer.sourced(&tokens, |writer| writer.query(&query, Naming::Headings))?;
    if writer.tables.is_empty() {
        return Err(language.error(Mistake::NoTable, Place::START, "The statement names no table"));
    }
    finished(writer, made.text, made.columns)
}

/// Reads the export of a saved query as a view: these of its columns, or all, and the rows that
/// satisfy a criteria.
///
/// # Errors
/// As [`statement`] for the saved query, 7409 for one that is not known, 8015 for a column that it
/// does not have, and as [`criteria`].
pub fn saved_view(
    saved_name: &str,
    columns: Option<&[String]>,
    criteria: Option<&str>,
    catalog: &Catalog,
    names: &DisplayNames,
    saved: &[Saved<'_>],
) -> Result<Statement> {
    let language = Language::Statement;
    let world = World { catalog, names, saved };
    let mut writer = Writer::new(language, world, &[]);
    let Some(at) = saved.iter().position(|(name, _)| *name == saved_name) else {
        let text = format!("There is no query table \"{}\"", error::shown(saved_name));
        return Err(language.error(Mistake::Table, Place::START, text));
    };
    let named = writer.saved_query(at, &sqlparser::ast::Ident::new(saved_name))?;
    let all = named.columns.iter().enumerate().map(|(at, made)| {
        Column::of(Some("t"), vec![made.heading.clone()], &format!("c{}", at + 1), made.kind)
    });
    let all: Vec<_> = all.collect();
    let mut chosen = Vec::new();
    for wanted in columns.unwrap_or_default() {
        let Some(column) = all.iter().find(|column| column.title() == wanted) else {
            let message = no_column(wanted, all.iter().map(Column::title));
            return Err(SqlError { code: 8015, message, line: 1, column: 1 });
        };
        chosen.push(column);
    }
    if columns.is_none() {
        chosen.extend(&all);
    }
    let items = chosen.iter().map(|column| format!("{} AS {}", column.text, name(column.title())));
    let items: Vec<_> = items.collect();
    let mut text =
        format!("SELECT {} FROM {} AS {}", items.join(", "), name(&named.own), name("t"));
    if let Some(criteria) = criteria {
        let table = Table { names: vec![saved_name.to_owned()], columns: all.clone() };
        text.push_str(&format!(" WHERE {}", condition_over(criteria, world, table)?));
    }
    let made = |column: &&Column| Made { heading: column.title().to_owned(), kind: column.kind };
    let made = chosen.iter().map(made).collect();
    writer.tables.insert(0, saved_name.to_owned());
    finished(writer, text, made)
}

/// The sentence for a column that a view does not have, with the nearest of those that it has.
pub fn no_column<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = error::candidates(wanted, known);
    let near = near.strip_prefix(": did").map(|names| format!(" Did{names}")).unwrap_or_default();
    format!("The column {} is not present in this view.{near}", error::shown(wanted))
}

fn finished(writer: Writer<'_>, text: String, columns: Vec<Made>) -> Result<Statement> {
    let text = match writer.definitions.is_empty() {
        true => text,
        false => format!("WITH {} {text}", writer.definitions.join(", ")),
    };
    let text = accepted(text, Language::Statement, |parser| parser.parse_query().map(drop))?;
    let columns = columns.into_iter().map(|made| made.heading).collect();
    Ok(Statement { query: Query::Sql { text }, columns, tables: writer.tables })
}

/// A written text, if the engine will read it: within its length and its nesting.
fn accepted(
    text: String,
    language: Language,
    parse: impl FnOnce(&mut Parser<'_>) -> std::result::Result<(), sqlparser::parser::ParserError>,
) -> Result<String> {
    let most = limits::QUERY_CHARS_MAX;
    if text.len() > 4 * most || text.chars().count() > most {
        let text = format!("The query is longer than {most} characters when it is written out");
        return Err(language.error(Mistake::NotConvertible, Place::START, text));
    }
    let parsed = Parser::new(&GenericDialect {})
        .with_recursion_limit(limits::NESTING_MAX)
        .try_with_sql(&text)
        .and_then(|mut parser| {
            parse(&mut parser)?;
            parser.expect_token(&sqlparser::tokenizer::Token::EOF).map(drop)
        });
    match parsed {
        Ok(()) => Ok(text),
        Err(cause) => {
            tracing::debug!(%cause, "a query that was written cannot be read");
            let text = "The query nests too deep when it is written out";
            Err(language.error(Mistake::NotConvertible, Place::START, text))
        }
    }
}
