//! A statement that reads a table, during its turn on the connection that holds the moment.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use futures::{Stream, StreamExt};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Executor};

use super::decode::{append, stored};
use super::failure::failure;
use super::session::Wire;
use super::types::Column;
use crate::sources::database::{NoPlace, Outlet, Reader, Rows, Stop};

/// What to read.
pub(super) struct Statement {
    /// Whose rows they are, for texts.
    pub(super) object: String,
    pub(super) query: String,
    pub(super) columns: Arc<[Column]>,
    pub(super) schema: SchemaRef,
    pub(super) batch_rows: usize,
}

#[async_trait]
impl Reader<Wire> for Statement {
    async fn read(&self, wire: &mut Wire, outlet: &mut Outlet) -> Result<(), Stop> {
        let query = sqlx::query(AssertSqlSafe(self.query.clone())).persistent(false);
        let mut rows = wire.begin().fetch(query);
        let end = self.rows(&mut rows, outlet).await;
        drop(rows);
        wire.settle().await.map_err(|cause| self.broken(cause))?;
        end
    }
}

impl Statement {
    fn broken(&self, cause: sqlx::Error) -> Stop {
        failure(&format!("object {}", self.object), cause).into()
    }

    async fn rows<S>(&self, rows: &mut S, outlet: &mut Outlet) -> Result<(), Stop>
    where
        S: Stream<Item = Result<SqliteRow, sqlx::Error>> + Unpin + Send,
    {
        let mut batches = Rows::new(Arc::clone(&self.schema), self.batch_rows);
        loop {
            let row = tokio::select! {
                biased;
                row = rows.next() => row,
                () = outlet.unheard() => return Err(Stop::Unheard),
            };
            let Some(row) = row else { break };
            let row = row.map_err(|cause| self.broken(cause))?;
            if let Some(batch) = self.row(&row, &mut batches)? {
                outlet.put(batch).await?;
            }
        }
        match batches.finish()? {
            Some(batch) => outlet.put(batch).await,
            None => Ok(()),
        }
    }

    fn row(&self, row: &SqliteRow, batches: &mut Rows) -> Result<Option<RecordBatch>, Stop> {
        let mut bytes = 0;
        for (at, (cells, column)) in batches.columns().iter_mut().zip(&*self.columns).enumerate() {
            let Some(value) = stored(row, at).map_err(|cause| self.broken(cause))? else {
                cells.append_null();
                continue;
            };
            bytes += value.bytes();
            append(cells, column.form, value)
                .map_err(|what| NoPlace { column: column.name.clone(), what }.told(&self.object))?;
        }
        Ok(batches.end_row(bytes)?)
    }
}
