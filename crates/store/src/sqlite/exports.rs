//! Exports as rows: read one, write one.

use outhaul_exports::export::Export;
use outhaul_exports::{Error, Result};
use sqlx::SqliteConnection;

use super::failure::{is_duplicate, unavailable};
use super::write::Write;
use crate::rows::{Row, Stored};

/// A statement that answers exports; what follows `FROM exports` is given.
macro_rules! select_exports {
    ($rest:literal) => {
        concat!("SELECT form, body, updated_at, lease_until, progress FROM exports ", $rest)
    };
}
pub(super) use select_exports;

/// The columns of [`select_exports`].
pub(super) type Columns = (i64, String, i64, Option<i64>, String);

/// The export of a row.
pub(super) fn read((form, body, updated_at, lease_until, progress): Columns) -> Result<Export> {
    Stored { form, body, updated_at, lease_until, progress }.read()
}

/// The exports of rows.
pub(super) fn read_all(rows: Vec<Columns>) -> Result<Vec<Export>> {
    rows.into_iter().map(read).collect()
}

/// The exports of rows, for housekeeping: one that cannot be understood must not stop the others.
pub(super) fn read_sound(rows: Vec<Columns>) -> Vec<Export> {
    let mut sound = Vec::with_capacity(rows.len());
    for row in rows {
        match read(row) {
            Ok(export) => sound.push(export),
            Err(error) => {
                tracing::error!(error = error.chain(), "a stored export cannot be read");
            }
        }
    }
    sound
}

/// Inserts a new export.
pub(super) async fn insert(write: &mut Write, export: &Export) -> Result<()> {
    let row = Row::of(export)?;
    let insert = sqlx::query(
        "INSERT INTO exports (state, running_max, due_at, cancel_requested, lease_token,
             lease_holder, lease_until, label, updated_at, files_expire_at, record_expires_at,
             progress, form, body, id, tenant, dialect, session, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    let insert = bind_changing(insert, &row)
        .bind(&row.id)
        .bind(&row.tenant)
        .bind(&row.dialect)
        .bind(row.session.as_deref())
        .bind(row.created_at);
    match write.try_execute(insert).await {
        Ok(_) => Ok(()),
        Err(error) if is_duplicate(&error) => {
            Err(Error::internal("an export of that id is stored already").with_source(error))
        }
        Err(error) => Err(unavailable(error)),
    }
}

/// Stores an export that is there already, as it is now.
pub(super) async fn update(write: &mut Write, export: &Export) -> Result<()> {
    let row = Row::of(export)?;
    let update = sqlx::query(
        "UPDATE exports SET state = ?, running_max = ?, due_at = ?, cancel_requested = ?,
             lease_token = ?, lease_holder = ?, lease_until = ?, label = ?, updated_at = ?,
             files_expire_at = ?, record_expires_at = ?, progress = ?, form = ?, body = ?
         WHERE id = ?",
    );
    let changed = write.execute(bind_changing(update, &row).bind(&row.id)).await?;
    match changed {
        1 => Ok(()),
        _ => Err(Error::internal(format!("export {} vanished in its own transaction", row.id))),
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// Binds the columns that may change, in the order in which both statements above name them.
fn bind_changing<'q>(query: Query<'q>, row: &'q Row) -> Query<'q> {
    query
        .bind(row.state)
        .bind(row.running_max)
        .bind(row.due_at)
        .bind(row.cancel_requested)
        .bind(row.lease_token.as_deref())
        .bind(row.lease_holder.as_deref())
        .bind(row.lease_until)
        .bind(row.label.as_deref())
        .bind(row.updated_at)
        .bind(row.files_expire_at)
        .bind(row.record_expires_at)
        .bind(&row.progress)
        .bind(row.form)
        .bind(&row.body)
}

/// How many exports of the tenant and dialect of `like` are queued or running: all, or those that
/// are, or are not, in a session.
async fn count_active(
    connection: &mut SqliteConnection,
    like: &Export,
    in_session: Option<bool>,
) -> Result<u32> {
    // Two counts, because each has an index of its own and their union has none.
    let count: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM exports INDEXED BY exports_queue
                 WHERE state = 'queued' AND tenant = ?1 AND dialect = ?2
                   AND (?3 IS NULL OR (session IS NOT NULL) = ?3))
              + (SELECT count(*) FROM exports INDEXED BY exports_running
                 WHERE state = 'running' AND tenant = ?1 AND dialect = ?2
                   AND (?3 IS NULL OR (session IS NOT NULL) = ?3))",
    )
    .bind(&like.tenant.0)
    .bind(&like.dialect)
    .bind(in_session)
    .fetch_one(connection)
    .await
    .map_err(unavailable)?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Refuses an export that becomes active while its policy's places are taken.
pub(super) async fn admit(connection: &mut SqliteConnection, export: &Export) -> Result<()> {
    let place = export.policy.place(export.spec.session.is_some());
    if place.most.is_none() {
        return Ok(());
    }
    let active = count_active(connection, export, place.of).await?;
    place.admit(active)
}
