//! One moment of a file: a connection with a read transaction, which sees the same rows until its
//! end, in WAL mode and with a rollback journal alike.
//!
//! SQLite has a way to give a snapshot to another connection, but only where it was built with it.
//! So everything is read over one connection, by turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::config::Config;
use crate::sources::database::Turns;

/// Steps of SQLite's machine between two looks at whether a statement is to end.
const STEPS: i32 = 10_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) turns: Arc<Turns<Wire>>,
    /// Whether texts are kept in UTF-8, in whose order bytes compare as letters do.
    pub(super) is_utf8: bool,
    /// The database's clock.
    pub(super) at: DateTime<Utc>,
    /// What tells this moment from others: how often the schema changed, and the pages.
    pub(super) id: String,
}

/// The connection.
pub(super) struct Wire {
    pub(super) connection: SqliteConnection,
    brake: Arc<Brake>,
    statement_time: Option<Duration>,
}

/// What ends a statement that gives no rows: looked at by the thread that runs it.
#[derive(Debug)]
struct Brake {
    pulled: AtomicBool,
    begun: Instant,
    /// Milliseconds from `begun` at which a statement has taken too long.
    end_ms: AtomicU64,
}

impl Brake {
    fn goes_on(&self) -> bool {
        !self.pulled.load(Ordering::Relaxed) && self.now_ms() < self.end_ms.load(Ordering::Relaxed)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Session {
    pub(super) async fn begin(
        target: &SqliteConnectOptions,
        config: &Config,
    ) -> Result<Self, sqlx::Error> {
        let mut connection = target.connect().await?;
        let brake = Brake {
            pulled: AtomicBool::new(false),
            begun: Instant::now(),
            end_ms: AtomicU64::new(u64::MAX),
        };
        let brake = Arc::new(brake);
        let looked_at = Arc::clone(&brake);
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(STEPS, move || looked_at.goes_on());
        drop(handle);
        sqlx::raw_sql("BEGIN DEFERRED").execute(&mut connection).await?;
        // The transaction's moment is that of its first read.
        let (version, pages): (i64, i64) = sqlx::query_as(
            "SELECT v.schema_version, p.page_count FROM pragma_schema_version v, pragma_page_count p, \
             (SELECT count(*) FROM sqlite_schema)",
        )
        .fetch_one(&mut connection)
        .await?;
        let (encoding, now): (String, String) = sqlx::query_as(
            "SELECT encoding, strftime('%Y-%m-%d %H:%M:%f', 'now') FROM pragma_encoding",
        )
        .fetch_one(&mut connection)
        .await?;
        let at = NaiveDateTime::parse_from_str(&now, "%Y-%m-%d %H:%M:%S%.f");
        let at = at.map_err(|_| sqlx::Error::Protocol("SQLite has no clock".into()))?.and_utc();
        let statement_time = Duration::from_secs(config.statement_secs.into());
        let statement_time = Some(statement_time).filter(|time| !time.is_zero());
        Ok(Self {
            turns: Arc::new(Turns::new(Wire { connection, brake, statement_time })),
            is_utf8: encoding == "UTF-8",
            at,
            id: format!(
                "schema {version}, {pages} pages, at {}",
                at.format("%Y-%m-%dT%H:%M:%S%.3fZ")
            ),
        })
    }
}

impl Wire {
    /// The connection for one statement, which has its time from now on.
    pub(super) fn begin(&mut self) -> &mut SqliteConnection {
        let end = self.statement_time.map(|time| {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            self.brake.now_ms().saturating_add(millis)
        });
        self.brake.end_ms.store(end.unwrap_or(u64::MAX), Ordering::Relaxed);
        &mut self.connection
    }

    /// Ends what is still running, and waits until it has ended. The transaction stays.
    pub(super) async fn settle(&mut self) -> Result<(), sqlx::Error> {
        self.brake.pulled.store(true, Ordering::Relaxed);
        // The connection does one thing after the other.
        let ended = self.connection.ping().await;
        self.brake.pulled.store(false, Ordering::Relaxed);
        self.brake.end_ms.store(u64::MAX, Ordering::Relaxed);
        ended
    }
}
