//! One moment of a database: a transaction with a consistent snapshot, which belongs to the one
//! connection that began it.
//!
//! MySQL has no way to give a snapshot to another connection, and to begin several at one moment
//! would take a lock on all tables. So everything is read over one connection, by turns.

use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Decode, MySql, Row};

use super::config::Config;
use super::connect::{Connector, Wire};
use crate::sources::database::Turns;

/// The longest time in seconds that servers take as a setting: a year.
const FOR_EVER_SECS: u32 = 31_536_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) turns: Arc<Turns<Wire>>,
    pub(super) database: String,
    pub(super) server: Server,
    pub(super) moment: Moment,
}

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    MySql,
    MariaDb,
}

/// What is known of the snapshot.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// The place in the log of changes, where the server tells; else its time.
    pub(super) id: String,
    /// The database's clock, just before.
    pub(super) at: DateTime<Utc>,
}

impl Session {
    pub(super) async fn begin(
        connector: Arc<Connector>,
        config: &Config,
    ) -> Result<Self, sqlx::Error> {
        let mut connection = connector.connect().await?;
        let asked = "SELECT CONNECTION_ID(), VERSION(), CAST(UTC_TIMESTAMP(6) AS CHAR)";
        let row = sqlx::raw_sql(asked).fetch_one(&mut connection).await?;
        let number = said(&row, 0).parse().map_err(|_| answer("a connection's number"))?;
        let server = match said(&row, 1).to_ascii_lowercase().contains("mariadb") {
            true => Server::MariaDb,
            false => Server::MySql,
        };
        let at = NaiveDateTime::parse_from_str(&said(&row, 2), "%Y-%m-%d %H:%M:%S%.f");
        let at = at.map_err(|_| answer("a time"))?.and_utc();
        for statement in settings(config, server) {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
        let begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
        sqlx::raw_sql(begin).execute(&mut connection).await?;
        let place = place_in_log(&mut connection).await?;
        let id = place.unwrap_or_else(|| format!("at {}", at.format("%Y-%m-%dT%H:%M:%S%.6fZ")));
        let database = connector.database.clone();
        let turns = Arc::new(Turns::new(Wire::new(connection, number, connector)));
        Ok(Self { turns, database, server, moment: Moment { id, at } })
    }
}

fn answer(what: &str) -> sqlx::Error {
    sqlx::Error::Protocol(format!("the server does not answer {what}"))
}

/// A text that a row holds; empty when there is none.
pub(super) fn said(row: &MySqlRow, at: usize) -> String {
    held(row, at).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

/// The bytes that a row holds, as the server sent them; `None` for a missing value.
pub(super) fn held(row: &MySqlRow, at: usize) -> Option<&[u8]> {
    // A date of zeros counts as missing for the driver, but has its bytes.
    let value = row.try_get_raw(at).ok()?;
    <&[u8] as Decode<MySql>>::decode(value).ok()
}

/// Where in the log of changes the snapshot lies; MariaDB tells, when it keeps one.
async fn place_in_log(connection: &mut MySqlConnection) -> Result<Option<String>, sqlx::Error> {
    let asked = "SHOW STATUS LIKE 'binlog\\_snapshot\\_%'";
    let rows = sqlx::raw_sql(asked).fetch_all(connection).await?;
    let find = |name: &str| {
        let row = rows.iter().find(|row| said(row, 0).eq_ignore_ascii_case(name))?;
        Some(said(row, 1)).filter(|value| !value.is_empty())
    };
    let (file, position) = (find("binlog_snapshot_file"), find("binlog_snapshot_position"));
    Ok(file.zip(position).map(|(file, position)| format!("{file}:{position}")))
}

/// Settings by which values and texts do not depend on the server's, by which no row is left out,
/// and by which a connection is not ended because its rows wait.
fn settings(config: &Config, server: Server) -> [String; 3] {
    let mut settings = vec![
        ("sql_mode", "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO'".to_owned()),
        ("time_zone", "'+00:00'".to_owned()),
        ("sql_select_limit", "18446744073709551615".to_owned()),
        ("net_write_timeout", FOR_EVER_SECS.to_string()),
        ("wait_timeout", FOR_EVER_SECS.to_string()),
        ("lock_wait_timeout", config.lock_secs.max(1).to_string()),
    ];
    match server {
        Server::MySql => {
            let millis = u64::from(config.statement_secs) * 1000;
            settings.push(("max_execution_time", millis.to_string()));
        }
        Server::MariaDb => settings.extend([
            ("max_statement_time", config.statement_secs.to_string()),
            ("idle_transaction_timeout", "0".to_owned()),
            ("idle_readonly_transaction_timeout", "0".to_owned()),
        ]),
    }
    let settings = settings.iter().map(|(key, value)| format!("SESSION {key} = {value}"));
    let settings = settings.collect::<Vec<_>>().join(", ");
    // A snapshot means nothing below this level.
    let level = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    ["SET NAMES utf8mb4".to_owned(), format!("SET {settings}"), level.to_owned()]
}
