//! One write: a transaction on the one connection that writes.
//!
//! A write that is dropped before its end (its caller went away) takes its connection with it, and
//! SQLite rolls it back; the next write opens a new one.

use std::time::Duration;

use outhaul_exports::{Error, Result};
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{ConnectOptions, Sqlite, SqliteConnection};
use tokio::sync::{OwnedMutexGuard, watch};

use super::failure::unavailable;
use super::{SqliteStore, Writer};

/// How long a call waits for its turn to write.
const WRITER_WAIT: Duration = Duration::from_secs(20);

/// A transaction that was begun.
pub(super) struct Write {
    connection: SqliteConnection,
    /// Where the connection goes back to.
    place: OwnedMutexGuard<Writer>,
    changes: watch::Sender<u64>,
    changed: bool,
    #[cfg(test)]
    fault: Option<Fault>,
}

/// How a transaction ended.
pub(super) enum End<T> {
    /// Committed, and on disk.
    Done(T),
    /// Nothing was stored.
    Refused(Error),
    /// The database did not answer the commit: only looking tells whether it happened. What would
    /// have been answered, and the right to look before anybody else writes.
    Unknown(T, Doubt),
}

/// A commit whose end is not known. While it lives, nobody else writes.
pub(super) struct Doubt {
    error: Error,
    changes: watch::Sender<u64>,
    _alone: OwnedMutexGuard<Writer>,
}

impl SqliteStore {
    /// Begins a write, when it is its turn.
    pub(super) async fn begin(&self) -> Result<Write> {
        let turn = tokio::time::timeout(WRITER_WAIT, self.writer.clone().lock_owned()).await;
        let Ok(mut place) = turn else {
            return Err(Error::unavailable("the store is busy; try again"));
        };
        let mut connection = match std::mem::replace(&mut *place, Writer::Gone) {
            Writer::Idle(connection) => connection,
            Writer::Gone => self.options.connect().await.map_err(unavailable)?,
            Writer::Closed => {
                *place = Writer::Closed;
                return Err(Error::unavailable("the store is closed"));
            }
        };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.map_err(unavailable)?;
        Ok(Write {
            connection,
            place,
            changes: self.changes.clone(),
            changed: false,
            #[cfg(test)]
            fault: self.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(),
        })
    }
}

impl Write {
    /// The connection, to read what the transaction sees.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Runs a statement that changes rows; answers how many.
    pub(super) async fn execute(
        &mut self,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<u64> {
        self.try_execute(query).await.map_err(unavailable)
    }

    /// As [`Write::execute`], for a caller who knows what an error means.
    pub(super) async fn try_execute(
        &mut self,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<u64, sqlx::Error> {
        let done = query.execute(&mut self.connection).await?.rows_affected();
        self.changed |= done > 0;
        Ok(done)
    }

    /// Commits when `done` is good, else rolls back.
    pub(super) async fn end<T>(self, done: Result<T>) -> End<T> {
        match done {
            Ok(done) => self.commit(done).await,
            Err(error) => {
                self.roll_back().await;
                End::Refused(error)
            }
        }
    }

    async fn commit<T>(mut self, done: T) -> End<T> {
        match self.send_commit().await {
            Ok(()) => {
                *self.place = Writer::Idle(self.connection);
                if self.changed {
                    self.changes.send_modify(|n| *n += 1);
                }
                End::Done(done)
            }
            Err(error) => {
                // A commit that failed may have left the transaction open; its connection is given
                // up either way.
                let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
                let Self { connection, place, changes, .. } = self;
                let _ = sqlx::Connection::close(connection).await;
                End::Unknown(done, Doubt { error: unavailable(error), changes, _alone: place })
            }
        }
    }

    #[cfg(not(test))]
    async fn send_commit(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut self.connection).await.map(|_| ())
    }

    async fn roll_back(mut self) {
        match sqlx::query("ROLLBACK").execute(&mut self.connection).await {
            Ok(_) => *self.place = Writer::Idle(self.connection),
            // SQLite rolls back by itself after some errors (a full disk), and says so here.
            Err(error) => tracing::debug!(%error, "the writing connection is given up"),
        }
    }
}

impl<T> End<T> {
    /// The answer, for a call whose caller looks again by itself after an error.
    pub(super) fn known(self) -> Result<T> {
        match self {
            Self::Done(done) => Ok(done),
            Self::Refused(error) | Self::Unknown(_, Doubt { error, .. }) => Err(error),
        }
    }
}

impl Doubt {
    /// The commit happened after all.
    pub(super) fn committed(self) {
        self.changes.send_modify(|n| *n += 1);
    }

    /// The commit did not happen.
    pub(super) fn refused(self) -> Error {
        self.error
    }
}

/// A fault that a test plants in the next commit.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It happens, and its answer is lost.
    LoseAnswer,
    /// It does not happen, and its answer is lost.
    LoseCommit,
}

#[cfg(test)]
impl Write {
    async fn send_commit(&mut self) -> Result<(), sqlx::Error> {
        let statement = match self.fault {
            Some(Fault::LoseCommit) => "ROLLBACK",
            _ => "COMMIT",
        };
        sqlx::query(statement).execute(&mut self.connection).await?;
        match self.fault {
            Some(_) => Err(sqlx::Error::WorkerCrashed),
            None => Ok(()),
        }
    }
}
