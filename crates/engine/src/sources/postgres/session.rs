//! One moment of a database: a transaction that holds a snapshot, and connections that share it.
//!
//! The first connection begins a read-only transaction, exports its snapshot and then waits, so that
//! every other connection of the run sees the same rows, however late it comes (PostgreSQL
//! documentation, "Snapshot Synchronization Functions"). Settings are made inside transactions only,
//! so that a pooler that gives each transaction a connection of its own does no harm.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Client;

use super::config::Config;
use super::connect::{Connector, Wire};

/// The oldest version that is read: it has the functions for snapshots.
const VERSION_MIN: i32 = 130_000;
/// The first version that finds a range of a table's blocks without reading the rest, and that
/// notices in mid-statement that its client has gone.
pub(super) const VERSION_RANGES: i32 = 140_000;

/// Why a moment cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the database cannot be asked")]
    Database(#[from] tokio_postgres::Error),
    #[error("the server is of version {0}; 13 is the oldest that is read")]
    TooOld(i32),
    #[error("the server answers something else than it was asked")]
    Answer,
}

/// See the module.
pub(super) struct Session {
    connector: Arc<Connector>,
    /// The transaction that holds the snapshot; also where small questions are asked.
    holder: Wire,
    /// Connections that wait for the next range.
    idle: Mutex<Vec<Wire>>,
    /// Connections that one may have beyond the first of each scan.
    extra: Arc<Semaphore>,
    /// What a connection is told when its transaction has begun.
    settings: String,
    exported: String,
    pub(super) moment: Snapshot,
    pub(super) version: i32,
    /// Bytes of a block of a table.
    pub(super) block_bytes: i64,
}

/// What is known of the snapshot.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    /// `pg_current_snapshot()`, such as `742:745:742,743`.
    pub(super) id: String,
    /// The oldest transaction that was still running: all before it are over.
    pub(super) oldest: u64,
    /// The first transaction that had not begun.
    pub(super) next: u64,
    /// The database's clock.
    pub(super) at: DateTime<Utc>,
    /// Which cluster and database it is, as far as one may know: numbers of transactions mean
    /// something only there.
    pub(super) database: String,
}

impl Session {
    pub(super) async fn begin(connector: Arc<Connector>, config: &Config) -> Result<Self, Lost> {
        let holder = connector.connect().await?;
        let client = &holder.client;
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let version = text(client, "SHOW server_version_num").await?;
        let version: i32 = version.parse().map_err(|_| Lost::Answer)?;
        if version < VERSION_MIN {
            return Err(Lost::TooOld(version));
        }
        let settings = settings(config, version);
        client.batch_execute(&settings).await?;
        let exported = text(client, "SELECT pg_catalog.pg_export_snapshot()").await?;
        let moment = Snapshot::of(client).await?;
        let block_bytes = text(client, "SHOW block_size").await?;
        let block_bytes = block_bytes.parse().map_err(|_| Lost::Answer)?;
        let extra = usize::from(config.connections.saturating_sub(1));
        Ok(Self {
            connector,
            holder,
            idle: Mutex::default(),
            extra: Arc::new(Semaphore::new(extra)),
            settings,
            exported,
            moment,
            version,
            block_bytes,
        })
    }

    /// Where small questions are asked, one after the other.
    pub(super) fn client(&self) -> &Client {
        &self.holder.client
    }

    /// The right to one more connection than a scan's first; `None` when all are in use.
    pub(super) fn one_more(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.extra).try_acquire_owned().ok()
    }

    /// A connection that sees the snapshot: one that waits, or a new one.
    ///
    /// # Errors
    /// When none can be made, or the snapshot is no longer held.
    pub(super) async fn wire(&self) -> Result<Wire, tokio_postgres::Error> {
        let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(wire) = waiting.filter(|wire| !wire.client.is_closed()) {
            return Ok(wire);
        }
        let wire = self.connector.connect().await?;
        // The name of a snapshot is made by the server, of digits and hyphens.
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{}'; {}",
            self.exported, self.settings
        );
        wire.client.batch_execute(&begin).await?;
        Ok(wire)
    }

    /// Gives back a connection whose statement has ended well.
    pub(super) fn give_back(&self, wire: Wire) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(wire);
    }
}

impl Snapshot {
    async fn of(client: &Client) -> Result<Self, Lost> {
        let row = client
            .query_one(
                "SELECT s::text, pg_catalog.pg_snapshot_xmin(s)::text, \
                        pg_catalog.pg_snapshot_xmax(s)::text, pg_catalog.clock_timestamp(), \
                        d.oid::text \
                 FROM pg_catalog.pg_current_snapshot() AS s, pg_catalog.pg_database AS d \
                 WHERE d.datname = pg_catalog.current_database()",
                &[],
            )
            .await?;
        let number = |at| row.get::<_, &str>(at).parse().map_err(|_| Lost::Answer);
        // Not everybody may ask; a savepoint keeps the refusal from ending the transaction.
        client.batch_execute("SAVEPOINT s").await?;
        let system = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";
        let system = text(client, system).await.unwrap_or_default();
        client.batch_execute("ROLLBACK TO SAVEPOINT s; RELEASE SAVEPOINT s").await?;
        Ok(Self {
            id: row.get(0),
            oldest: number(1)?,
            next: number(2)?,
            at: row.get(3),
            database: format!("{system}/{}", row.get::<_, &str>(4)),
        })
    }
}

async fn text(client: &Client, query: &str) -> Result<String, Lost> {
    let row = client.query_one(query, &[]).await?;
    row.try_get(0).map_err(Lost::from)
}

/// Settings by which a column's text does not depend on the server's, and by which nothing waits or
/// runs for ever.
fn settings(config: &Config, version: i32) -> String {
    let mut settings = vec![
        ("client_encoding", "UTF8".to_owned()),
        ("DateStyle", "ISO".to_owned()),
        ("IntervalStyle", "iso_8601".to_owned()),
        ("TimeZone", "UTC".to_owned()),
        ("bytea_output", "hex".to_owned()),
        ("extra_float_digits", "1".to_owned()),
        ("standard_conforming_strings", "on".to_owned()),
        ("search_path", "pg_catalog".to_owned()),
        // A range that is read again must give its rows in the same order.
        ("synchronize_seqscans", "off".to_owned()),
        // Rows are wanted as fast as all of them come, not the first ones.
        ("cursor_tuple_fraction", "1".to_owned()),
        ("idle_in_transaction_session_timeout", "0".to_owned()),
        ("statement_timeout", format!("{}s", config.statement_secs)),
        ("lock_timeout", format!("{}s", config.lock_secs)),
    ];
    if version >= VERSION_RANGES {
        settings.push(("client_connection_check_interval", "500ms".to_owned()));
    }
    let settings = settings.iter().map(|(key, value)| format!("SET LOCAL {key} = '{value}'"));
    settings.collect::<Vec<_>>().join("; ")
}
