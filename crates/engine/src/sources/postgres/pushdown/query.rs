//! A query of SQL while it is put together.

use super::super::types::Form;

/// A value of a query: SQL text that means something within it, and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub(super) sql: String,
    pub(super) form: Form,
    pub(super) same: Same,
}

/// Where the database's own operators do exactly what this program's do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Same {
    /// Nowhere: it can only be passed on.
    Nowhere,
    /// In telling equal from different, and so in groups.
    Equality,
    /// In order too; text in that of its bytes.
    Order,
}

impl Value {
    /// As something to compare or sort by.
    pub(super) fn ordered(&self) -> String {
        match self.form {
            Form::Text => format!("{} COLLATE \"C\"", self.sql),
            _ => self.sql.clone(),
        }
    }
}

/// The clauses of one SELECT.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) columns: Vec<Value>,
    pub(super) from: String,
    pub(super) filter: Vec<String>,
    /// The keys; groups without keys are one group.
    pub(super) groups: Option<Vec<String>>,
    pub(super) order: Vec<String>,
    pub(super) offset: usize,
    pub(super) limit: Option<usize>,
}

impl Query {
    /// All rows of something that can stand in FROM.
    pub(super) fn of(from: String, columns: Vec<Value>) -> Self {
        Self {
            columns,
            from,
            filter: Vec::new(),
            groups: None,
            order: Vec::new(),
            offset: 0,
            limit: None,
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.offset > 0 || self.limit.is_some()
    }

    /// The statement. `column` says how each column is written.
    pub(super) fn text(&self, column: impl Fn(usize, &Value) -> String) -> String {
        let columns: Vec<_> =
            self.columns.iter().enumerate().map(|(at, v)| column(at, v)).collect();
        let mut text = format!("SELECT {} FROM {}", columns.join(", "), self.from);
        if !self.filter.is_empty() {
            text += &format!(" WHERE {}", self.filter.join(" AND "));
        }
        match &self.groups {
            Some(keys) if keys.is_empty() => {}
            Some(keys) => text += &format!(" GROUP BY {}", keys.join(", ")),
            None => {}
        }
        if !self.order.is_empty() {
            text += &format!(" ORDER BY {}", self.order.join(", "));
        }
        if let Some(limit) = self.limit {
            text += &format!(" LIMIT {limit}");
        }
        if self.offset > 0 {
            text += &format!(" OFFSET {}", self.offset);
        }
        text
    }

    /// The query as something that can stand in FROM, and the names of its columns there.
    pub(super) fn nested(self, name: &str) -> (String, Vec<Value>) {
        let text = self.text(|at, value| format!("{} AS c{at}", value.sql));
        let columns = self.columns.into_iter().enumerate();
        let columns = columns.map(|(at, value)| Value { sql: format!("{name}.c{at}"), ..value });
        (format!("({text}) AS {name}"), columns.collect())
    }
}
