//! What names mean at a place of a text: the tables of a FROM with their columns, and the columns
//! of the SELECT that they feed.
//!
//! A name that is found is answered with the engine's text for it; the name that the client wrote
//! goes no further.

use sqlparser::ast::Ident;

use super::value::{Kind, Value, name};
use crate::zoho::names::Case;

/// The names of one SELECT.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) tables: Vec<Table>,
    /// Columns that a USING made one of two.
    pub(super) merged: Vec<Column>,
    pub(super) outputs: Vec<Output>,
    pub(super) look: Look,
}

/// A table of a FROM.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// What the query calls it: its alias alone, or its names.
    pub(super) names: Vec<String>,
    pub(super) columns: Vec<Column>,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// The display name, then other names.
    pub(super) names: Vec<String>,
    /// In the engine's SQL.
    pub(super) text: String,
    pub(super) kind: Kind,
    /// Whether `*` lists it.
    pub(super) starred: bool,
    /// Whether it is one with the column of another table, which stands for both.
    pub(super) merged: bool,
}

/// A column of a SELECT.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) heading: String,
    /// Whether the heading was chosen by the client.
    pub(super) chosen: bool,
    /// For a column as it is: what it would be called if its name alone were not clear.
    pub(super) qualified: Option<String>,
    pub(super) value: Value,
}

/// Where a bare name is looked for besides the columns of the tables.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nowhere.
    #[default]
    Columns,
    /// Then among the headings (MySQL: GROUP BY).
    ThenOutputs,
    /// First among the headings of aggregates, then as above (MySQL: HAVING).
    AggregatesFirst,
    /// First among the headings (MySQL: ORDER BY).
    OutputsFirst,
}

/// What became of a search.
#[derive(Debug)]
pub(super) enum Found {
    Value(Value),
    /// In these tables, and it is not clear which is meant.
    Several(Vec<String>),
    Nothing,
}

pub(super) fn case(written: &Ident) -> Case {
    match written.quote_style {
        Some(_) => Case::Exact,
        None => Case::Any,
    }
}

impl Table {
    pub(super) fn is(&self, written: &Ident) -> bool {
        self.names.iter().any(|name| case(written).matches(&written.value, name))
    }

    pub(super) fn title(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// The table without its columns.
    pub(super) fn clone_names(&self) -> Self {
        Self { names: self.names.clone(), columns: Vec::new() }
    }

    /// The column of that name: a first name, or else any.
    pub(super) fn column(&self, written: &Ident) -> Option<&Column> {
        let is = |name: &String| case(written).matches(&written.value, name);
        let first = self.columns.iter().find(|column| column.names.first().is_some_and(is));
        first.or_else(|| self.columns.iter().find(|column| column.names.iter().any(is)))
    }
}

impl Column {
    /// A column of a table that the engine's text calls `alias`.
    pub(super) fn of(alias: Option<&str>, names: Vec<String>, own: &str, kind: Kind) -> Self {
        let text = match alias {
            Some(alias) => format!("{}.{}", name(alias), name(own)),
            None => name(own),
        };
        Self { names, text, kind, starred: true, merged: false }
    }

    pub(super) fn title(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    pub(super) fn value(&self) -> Value {
        Value::atom(self.text.clone(), self.kind)
    }
}

impl Scope {
    /// What a bare name means here.
    pub(super) fn find(&self, written: &Ident) -> Found {
        let output = |aggregates: bool| {
            let mut outputs = self.outputs.iter();
            let found = outputs.find(|output| {
                case(written).matches(&written.value, &output.heading)
                    && (!aggregates || output.value.aggregate)
            });
            found.map(|output| output.value.clone())
        };
        let before = match self.look {
            Look::OutputsFirst => output(false),
            Look::AggregatesFirst => output(true),
            Look::Columns | Look::ThenOutputs => None,
        };
        if let Some(value) = before {
            return Found::Value(value);
        }
        match self.find_column(written) {
            Found::Nothing if self.look != Look::Columns => {
                output(false).map_or(Found::Nothing, Found::Value)
            }
            found => found,
        }
    }

    fn find_column(&self, written: &Ident) -> Found {
        let is = |name: &String| case(written).matches(&written.value, name);
        if let Some(merged) = self.merged.iter().find(|column| column.names.iter().any(is)) {
            return Found::Value(merged.value());
        }
        let found = self.tables.iter().filter_map(|table| Some((table, table.column(written)?)));
        let found: Vec<_> = found.filter(|(_, column)| !column.merged).collect();
        // A display name is meant before another table's other name.
        let shown = found.iter().filter(|(_, column)| column.names.first().is_some_and(is));
        let shown: Vec<_> = shown.collect();
        match (shown.as_slice(), found.as_slice()) {
            ([(_, column)], _) | ([], [(_, column)]) => Found::Value(column.value()),
            ([], []) => Found::Nothing,
            _ => Found::Several(found.iter().map(|(table, _)| table.title().to_owned()).collect()),
        }
    }

    /// Which of the outputs a bare name means, from 0.
    pub(super) fn output(&self, written: &Ident) -> Option<usize> {
        let mut outputs = self.outputs.iter();
        outputs.position(|output| case(written).matches(&written.value, &output.heading))
    }

    /// Every name that a client may have meant.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let tables = self.tables.iter().flat_map(|table| &table.columns);
        let columns = tables.flat_map(|column| column.names.first()).map(String::as_str);
        columns.chain(self.outputs.iter().map(|output| output.heading.as_str()))
    }
}
