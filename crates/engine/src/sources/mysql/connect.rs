//! Connections: how one is made, and how what it does is stopped.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use outhaul_exports::Result;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};

use super::config::Config;

/// How long to try to connect.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a statement that was told to stop may take to do so.
const STOP_TIME: Duration = Duration::from_secs(10);
/// How often a connection is asked whether it is itself again.
const SETTLE_TRIES: usize = 3;

/// What makes connections to one database.
#[derive(Debug)]
pub(super) struct Connector {
    target: MySqlConnectOptions,
    /// The name of the database.
    pub(super) database: String,
}

impl Connector {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// `Invalid` for a configuration that cannot be used.
    pub(super) fn new(config: &Config) -> Result<Self> {
        let (target, database) = config.target()?;
        Ok(Self { target, database })
    }

    pub(super) async fn connect(&self) -> Result<MySqlConnection, sqlx::Error> {
        match tokio::time::timeout(CONNECT_TIME, self.target.connect()).await {
            Ok(connected) => connected,
            Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }
}

/// The connection of a snapshot. Dropping it ends what the server is doing for it.
pub(super) struct Wire {
    /// Gone when it could not be brought in order any more, and its snapshot with it.
    connection: Option<MySqlConnection>,
    stopper: Stopper,
    busy: bool,
}

impl Wire {
    /// Of a connection that the server calls by this number.
    pub(super) fn new(connection: MySqlConnection, number: u64, connector: Arc<Connector>) -> Self {
        let stopper = Stopper { connector, number };
        Self { connection: Some(connection), stopper, busy: false }
    }

    /// The connection.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn connection(&mut self) -> Result<&mut MySqlConnection, sqlx::Error> {
        self.connection.as_mut().ok_or_else(|| gone().into())
    }

    /// The connection for one statement, with what stops it. It counts as busy until
    /// [`Wire::at_rest`].
    pub(super) fn begin(&mut self) -> Result<(&mut MySqlConnection, Stopper), sqlx::Error> {
        self.busy = true;
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        Ok((connection, self.stopper.clone()))
    }

    /// The statement is over, and all its rows were read.
    pub(super) fn at_rest(&mut self) {
        self.busy = false;
    }

    /// The statement was stopped. An order to stop that came too late for it would stop the next one,
    /// so that it is given one to stop.
    pub(super) async fn settle(&mut self) {
        for _ in 0..SETTLE_TRIES {
            let Some(connection) = &mut self.connection else { return };
            if sqlx::raw_sql("DO 0").execute(connection).await.is_ok() {
                self.busy = false;
                return;
            }
        }
        self.connection = None;
    }

    /// Gives the connection up.
    pub(super) fn give_up(&mut self) {
        self.connection = None;
    }
}

fn gone() -> std::io::Error {
    std::io::ErrorKind::NotConnected.into()
}

impl Drop for Wire {
    fn drop(&mut self) {
        if !self.busy {
            return;
        }
        // Without a runtime the process is at its end, and the server notices that by itself.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let stopper = self.stopper.clone();
        runtime.spawn(async move { stopper.stop().await });
    }
}

/// What stops the statement of a connection, over another one.
#[derive(Clone)]
pub(super) struct Stopper {
    connector: Arc<Connector>,
    number: u64,
}

impl Stopper {
    async fn stop(&self) -> Result<(), sqlx::Error> {
        let mut connection = self.connector.connect().await?;
        let kill = AssertSqlSafe(format!("KILL QUERY {}", self.number));
        sqlx::raw_sql(kill).execute(&mut connection).await?;
        sqlx::Connection::close(connection).await
    }

    /// Stops a statement and reads what it still sends. Answers whether that went well.
    pub(super) async fn stop_and_drain<S, T>(&self, rows: &mut S) -> bool
    where
        S: Stream<Item = Result<T, sqlx::Error>> + Unpin,
    {
        let drained = async {
            self.stop().await?;
            // The end, or that it was stopped.
            while let Some(Ok(_)) = rows.next().await {}
            Ok::<_, sqlx::Error>(())
        };
        matches!(tokio::time::timeout(STOP_TIME, drained).await, Ok(Ok(())))
    }
}
