//! A statement that reads a table, during its turn on the connection that holds the snapshot.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use futures::{Stream, StreamExt};
use outhaul_exports::Error;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Executor};

use super::connect::Wire;
use super::decode::{Unread, append};
use super::failure::failure;
use super::session::held;
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
        let (connection, stopper) = wire.begin().map_err(|cause| self.broken(cause))?;
        let mut rows = connection.fetch(sqlx::query(AssertSqlSafe(self.query.clone())));
        let end = self.rows(&mut rows, outlet).await;
        match end {
            Ok(()) => {
                drop(rows);
                wire.at_rest();
            }
            // What the server says ends its statement.
            Err(End::Broken(_)) => {
                drop(rows);
                wire.settle().await;
            }
            Err(_) => {
                let stopped = stopper.stop_and_drain(&mut rows).await;
                drop(rows);
                if stopped {
                    wire.settle().await;
                } else {
                    wire.give_up();
                }
            }
        }
        end.map_err(|end| match end {
            End::Stopped(stop) => stop,
            End::Broken(cause) => self.broken(cause),
        })
    }
}

/// Why a statement did not come to its end.
enum End {
    /// By us, while the server goes on.
    Stopped(Stop),
    Broken(sqlx::Error),
}

impl Statement {
    fn broken(&self, cause: sqlx::Error) -> Stop {
        failure(&format!("object {}", self.object), cause).into()
    }

    async fn rows<S>(&self, rows: &mut S, outlet: &mut Outlet) -> Result<(), End>
    where
        S: Stream<Item = Result<MySqlRow, sqlx::Error>> + Unpin + Send,
    {
        let mut batches = Rows::new(Arc::clone(&self.schema), self.batch_rows);
        loop {
            let row = tokio::select! {
                biased;
                row = rows.next() => row,
                () = outlet.unheard() => return Err(End::Stopped(Stop::Unheard)),
            };
            let Some(row) = row else { break };
            let full = self.row(&row.map_err(End::Broken)?, &mut batches);
            if let Some(batch) = full.map_err(|error| End::Stopped(error.into()))? {
                outlet.put(batch).await.map_err(End::Stopped)?;
            }
        }
        // From here on the server has nothing more to say.
        let rest = batches.finish().map_err(|error| End::Stopped(error.into()))?;
        match rest {
            Some(batch) => outlet.put(batch).await.map_err(End::Stopped),
            None => Ok(()),
        }
    }

    fn row(
        &self,
        row: &MySqlRow,
        batches: &mut Rows,
    ) -> Result<Option<datafusion::arrow::array::RecordBatch>, Error> {
        let mut bytes = 0;
        for (at, (cells, column)) in batches.columns().iter_mut().zip(&*self.columns).enumerate() {
            let Some(value) = held(row, at) else {
                cells.append_null();
                continue;
            };
            bytes += value.len();
            append(cells, column.form, value).map_err(|unread| self.unread(unread, column))?;
        }
        batches.end_row(bytes)
    }

    fn unread(&self, unread: Unread, column: &Column) -> Error {
        let object = &self.object;
        match unread {
            Unread::NoPlace(what) => NoPlace { column: column.name.clone(), what }.told(object),
            Unread::Malformed => Error::unavailable(format!(
                "source_data: object {object}: its database sends values of column {} that cannot be \
                 read",
                column.name
            )),
        }
    }
}
