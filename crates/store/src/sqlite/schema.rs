//! The tables, and how an older store gets them.
//!
//! Each migration is one transaction together with the number it leads to, so that a process that
//! is killed in the middle leaves the store as it was.

use std::path::Path;

use sqlx::SqliteConnection;

use crate::Error;

/// In order; the place in the list, counted from 1, is the store's form after it.
const MIGRATIONS: [&str; 6] = [
    include_str!("../../migrations/sqlite/0001_exports.sql"),
    include_str!("../../migrations/sqlite/0002_link_key.sql"),
    include_str!("../../migrations/sqlite/0003_outbox.sql"),
    include_str!("../../migrations/sqlite/0004_sessions.sql"),
    include_str!("../../migrations/sqlite/0005_session_of_export.sql"),
    include_str!("../../migrations/sqlite/0006_report_of_message.sql"),
];

/// "Outh": marks the file as ours.
const APPLICATION_ID: i64 = 0x4f75_7468;

/// The form that this version works with.
fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Checks that the file is ours, and answers its form; 0 for an empty file.
pub(super) async fn form(connection: &mut SqliteConnection, path: &Path) -> Result<i64, Error> {
    let database = |source| Error::Database { path: path.to_owned(), source };
    let row: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id),
                (SELECT user_version FROM pragma_user_version),
                (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(connection)
    .await
    .map_err(database)?;
    match row {
        (APPLICATION_ID, form, _) if form > known() => {
            Err(Error::Newer { path: path.to_owned(), found: form, known: known() })
        }
        (APPLICATION_ID, form, _) => Ok(form),
        (0, 0, 0) => Ok(0),
        _ => Err(Error::Foreign { path: path.to_owned() }),
    }
}

/// Whether a store of that form needs [`upgrade`].
pub(super) fn needs_upgrade(form: i64) -> bool {
    form < known()
}

/// The error for a store that needs an upgrade while somebody uses it.
pub(super) fn older(path: &Path, form: i64) -> Error {
    Error::Older { path: path.to_owned(), found: form, known: known() }
}

/// Brings the tables up to date.
pub(super) async fn upgrade(
    connection: &mut SqliteConnection,
    path: &Path,
    form: i64,
) -> Result<(), Error> {
    let database = |source| Error::Database { path: path.to_owned(), source };
    let done = usize::try_from(form).unwrap_or(usize::MAX);
    for (place, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let next = place + 1;
        let whole = format!(
            "BEGIN IMMEDIATE; {migration}
             PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {next}; COMMIT;"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(whole))
            .execute(&mut *connection)
            .await
            .map_err(database)?;
        tracing::info!(form = next, "the store's tables are up to date");
    }
    Ok(())
}
