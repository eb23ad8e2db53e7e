//! Where exports are remembered, who may ask for them, and which messages about them wait: the
//! ports `JobStore`, `AccessStore` and `Outbox` on a database.
//!
//! What a call answered with success is on disk. Every change is one short transaction, and none
//! is ever open while anything but the database is waited for. The rules themselves (which state
//! follows which, who is admitted) are in `exports`; this room applies them, counts exactly, and
//! keeps two of them from happening at once. It knows no HTTP, no vendor and no file.
//!
//! Where to look:
//! * [`open_exclusive`], [`open_shared`] and [`open_unchanged`]: the way in;
//! * `rows`: the stored form of an export;
//! * `sqlite/`: the store in one file, a topic per file; `migrations/sqlite/` has its tables;
//! * `tests/it/conformance/`: what every store must do, run by this one and by the one in memory.
//!
//! A store on a database server gets a folder next to `sqlite/` with the same files, and its
//! migrations the same numbers.

mod address;
mod error;
mod rows;
mod sqlite;

use std::sync::Arc;

use outhaul_exports::ports::{AccessStore, JobStore, Outbox, SessionStore};

use address::Address;
pub use error::Error;
use sqlite::SqliteStore;

/// An open store.
#[derive(Clone)]
pub struct Store {
    sqlite: Arc<SqliteStore>,
}

impl Store {
    /// Where exports are remembered.
    pub fn jobs(&self) -> Arc<dyn JobStore> {
        Arc::clone(&self.sqlite) as Arc<dyn JobStore>
    }

    /// Where credentials, tokens and links are remembered.
    pub fn access(&self) -> Arc<dyn AccessStore> {
        Arc::clone(&self.sqlite) as Arc<dyn AccessStore>
    }

    /// Where messages about exports wait.
    pub fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::clone(&self.sqlite) as Arc<dyn Outbox>
    }

    /// Where sessions are remembered.
    pub fn sessions(&self) -> Arc<dyn SessionStore> {
        Arc::clone(&self.sqlite) as Arc<dyn SessionStore>
    }

    /// Reads the whole store and answers what is wrong with it: nothing, for a sound one.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be read.
    pub async fn check(&self) -> outhaul_exports::Result<Vec<String>> {
        self.sqlite.check().await
    }

    /// Ends the work in hand and closes the store. Calls after it are answered `Unavailable`.
    pub async fn close(&self) {
        self.sqlite.close().await;
    }
}

/// Opens a store for a server: nobody else may serve it until this process ends. Creates it where
/// there is none, and brings an older one up to date.
///
/// The address is `sqlite:PATH`, or a path alone.
///
/// # Errors
/// See [`Error`]; every text says what to do.
pub async fn open_exclusive(address: &str) -> Result<Store, Error> {
    let Address::Sqlite(path) = address.parse()?;
    Ok(Store { sqlite: Arc::new(SqliteStore::open_exclusive(&path).await?) })
}

/// Opens a store for a command that may run while a server serves it, such as one that adds a
/// credential. Creates it where there is none; an older one is brought up to date only when nobody
/// serves it.
///
/// # Errors
/// As [`open_exclusive`].
pub async fn open_shared(address: &str) -> Result<Store, Error> {
    let Address::Sqlite(path) = address.parse()?;
    Ok(Store { sqlite: Arc::new(SqliteStore::open_shared(&path).await?) })
}

/// Opens a store that is there to look at it, also while a server serves it. An older one is not
/// brought up to date.
///
/// # Errors
/// As [`open_exclusive`]; [`Error::Older`] for an older one, whoever serves it.
pub async fn open_unchanged(address: &str) -> Result<Store, Error> {
    let Address::Sqlite(path) = address.parse()?;
    Ok(Store { sqlite: Arc::new(SqliteStore::open_unchanged(&path).await?) })
}
