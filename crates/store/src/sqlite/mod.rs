//! The store in one SQLite file: one connection that writes, a few that read.
//!
//! SQLite lets one connection write at a time, so this room has one and queues for it; every write
//! begins with `BEGIN IMMEDIATE`, because a transaction that reads first and writes later is
//! refused at once when another came between. The file is in write-ahead-log mode with full
//! synchronisation: a commit that was answered survives a power cut. Readers never wait.

mod access;
mod events;
mod exports;
mod failure;
mod housekeeping;
mod jobs;
mod leases;
mod links;
mod open;
mod outbox;
mod port;
mod schema;
mod sessions;
#[cfg(test)]
mod tests;
mod write;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use outhaul_exports::Result;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, watch};

use failure::unavailable;

/// A store in one SQLite file.
pub(crate) struct SqliteStore {
    writer: Arc<Mutex<Writer>>,
    options: SqliteConnectOptions,
    readers: SqlitePool,
    changes: watch::Sender<u64>,
    /// Held as long as a server uses the store.
    _lock: Option<File>,
    #[cfg(test)]
    fault: std::sync::Mutex<Option<write::Fault>>,
}

/// The one connection that writes.
enum Writer {
    /// Nobody writes.
    Idle(SqliteConnection),
    /// The last write ended badly, or was given up: its connection is gone, and with it whatever
    /// it had not committed.
    Gone,
    /// The store is closed.
    Closed,
}

impl SqliteStore {
    /// Opens the store for a server.
    pub(crate) async fn open_exclusive(path: &Path) -> Result<Self, crate::Error> {
        let lock = open::lock_for_server(path).await?;
        let (options, connection) = open::connect(path, open::Upgrade::Yes).await?;
        Ok(Self::over(options, connection, Some(lock)))
    }

    /// Opens the store next to a server.
    pub(crate) async fn open_shared(path: &Path) -> Result<Self, crate::Error> {
        // Whoever gets the lock is alone with the store while its tables are made; it is given
        // back at once.
        let alone = open::try_lock(path)?;
        let upgrade = if alone.is_some() { open::Upgrade::Yes } else { open::Upgrade::No };
        let (options, connection) = open::connect(path, upgrade).await?;
        drop(alone);
        Ok(Self::over(options, connection, None))
    }

    /// Opens the store to look at it.
    pub(crate) async fn open_unchanged(path: &Path) -> Result<Self, crate::Error> {
        let (options, connection) = open::connect(path, open::Upgrade::No).await?;
        Ok(Self::over(options, connection, None))
    }

    fn over(
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        lock: Option<File>,
    ) -> Self {
        Self {
            writer: Arc::new(Mutex::new(Writer::Idle(connection))),
            readers: open::readers(&options),
            options,
            changes: watch::Sender::new(0),
            _lock: lock,
            #[cfg(test)]
            fault: std::sync::Mutex::default(),
        }
    }

    /// What is wrong with the file.
    pub(crate) async fn check(&self) -> Result<Vec<String>> {
        let found: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check")
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)?;
        let mut wrong: Vec<_> =
            found.into_iter().map(|(text,)| text).filter(|text| text != "ok").collect();
        let orphans: Vec<(String,)> =
            sqlx::query_as("SELECT \"table\" FROM pragma_foreign_key_check")
                .fetch_all(&self.readers)
                .await
                .map_err(unavailable)?;
        wrong.extend(orphans.into_iter().map(|(table,)| format!("{table} refers to nothing")));
        Ok(wrong)
    }

    /// Closes the store after the work in hand.
    pub(crate) async fn close(&self) {
        let mut writer = self.writer.lock().await;
        let last = std::mem::replace(&mut *writer, Writer::Closed);
        self.readers.close().await;
        if let Writer::Idle(connection) = last
            && let Err(error) = sqlx::Connection::close(connection).await
        {
            tracing::warn!(%error, "the store did not close cleanly; nothing is lost");
        }
    }
}
