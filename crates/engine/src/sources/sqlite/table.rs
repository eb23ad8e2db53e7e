//! A table at one moment: what a scan of it asks the database for.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use outhaul_exports::session::Mark;

use super::read::Statement;
use super::session::Session;
use super::sql;
use super::types::Column;
use crate::sources::database::{Compare, StatementExec, conditions, in_turn};
use crate::sources::{ScanAsk, Since, Table};

/// See the module.
pub(super) struct SqliteTable {
    pub(super) source: String,
    pub(super) session: Arc<Session>,
    pub(super) object: String,
    /// Its name in the file.
    pub(super) table: String,
    pub(super) columns: Vec<Column>,
    pub(super) schema: SchemaRef,
    pub(super) decimal_digits: u8,
    /// How far an increment reaches back.
    pub(super) overlap: TimeDelta,
}

impl std::fmt::Debug for SqliteTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqliteTable({})", self.table)
    }
}

/// The schema of columns as they are read.
pub(super) fn schema_of(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| Field::new(&column.name, column.form.data_type(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

impl Compare for SqliteTable {
    fn operand(&self, column: usize) -> String {
        sql::name(&self.columns[column].name)
    }

    fn comparison(&self, column: usize, op: Operator, value: &ScalarValue) -> Option<String> {
        self.columns[column].comparison(op, value, self.session.is_utf8)
    }
}

impl SqliteTable {
    fn query(&self, ask: &ScanAsk) -> String {
        let columns = ask.columns.iter().map(|&at| sql::name(&self.columns[at].name));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let conditions: Vec<_> = ask.pruning.iter().flat_map(|p| conditions(p, self)).collect();
        let filter = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        format!("SELECT {columns} FROM main.{}{filter}", sql::name(&self.table))
    }
}

#[async_trait]
impl Table for SqliteTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn text_scale(&self) -> u8 {
        self.decimal_digits
    }

    fn since(&self, mark: &Mark) -> outhaul_exports::Result<Since> {
        Ok(Since::reaching_back(mark, self.overlap))
    }

    fn scan(&self, ask: &ScanAsk) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = Arc::new(self.schema.project(&ask.columns)?);
        let statement = Arc::new(Statement {
            object: self.object.clone(),
            query: self.query(ask),
            columns: ask.columns.iter().map(|&at| self.columns[at].clone()).collect(),
            schema: Arc::clone(&schema),
            batch_rows: ask.batch_rows,
        });
        let (session, heading) = (Arc::clone(&self.session), Arc::clone(&schema));
        let shown = statement.query.clone();
        let open = move |context: &_| {
            let (statement, heading) = (Arc::clone(&statement), Arc::clone(&heading));
            in_turn(&session.turns, statement, heading, context)
        };
        Ok(Arc::new(StatementExec::with_context(&self.source, shown, schema, open)))
    }
}
