//! Sessions: made by the insertion of their first export, moved by an acknowledgement or by an
//! export's end, each in the transaction of the export's own change.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use outhaul_exports::export::Export;
use outhaul_exports::ports::SessionStore;
use outhaul_exports::principal::TenantId;
use outhaul_exports::session::{self, Session};
use outhaul_exports::{Error, ExportId, Result};
use sqlx::SqliteConnection;

use super::failure::unavailable;
use super::write::Write;
use super::{SqliteStore, exports, jobs};
use crate::rows::{from_json, to_json};

/// The form of the body that is written.
const FORM: i64 = 1;

type Columns = (i64, String);

fn read((form, body): Columns) -> Result<Session> {
    if form != FORM {
        return Err(Error::internal(format!("a stored session has the unknown form {form}")));
    }
    from_json(&body)
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn session(
        &self,
        tenant: &TenantId,
        dialect: &str,
        name: &str,
    ) -> Result<Option<Session>> {
        let mut connection = self.readers.acquire().await.map_err(unavailable)?;
        load(&mut connection, tenant, dialect, name).await
    }

    async fn sessions(&self, tenant: &TenantId, dialect: &str) -> Result<Vec<Session>> {
        let rows: Vec<Columns> = sqlx::query_as(
            "SELECT form, body FROM sessions WHERE tenant = ? AND dialect = ? ORDER BY name",
        )
        .bind(&tenant.0)
        .bind(dialect)
        .fetch_all(&self.readers)
        .await
        .map_err(unavailable)?;
        rows.into_iter().map(read).collect()
    }

    async fn acknowledge(
        &self,
        tenant: &TenantId,
        export: ExportId,
        now: DateTime<Utc>,
    ) -> Result<Option<(Export, Session)>> {
        let mut write = self.begin().await?;
        let done = acknowledge(&mut write, tenant, export, now).await;
        // Whoever asks again after an error is answered the same.
        write.end(done).await.known()
    }

    async fn remove_session(&self, tenant: &TenantId, dialect: &str, name: &str) -> Result<bool> {
        let mut write = self.begin().await?;
        let delete =
            sqlx::query("DELETE FROM sessions WHERE tenant = ? AND dialect = ? AND name = ?")
                .bind(&tenant.0)
                .bind(dialect)
                .bind(name);
        let done = write.execute(delete).await.map(|removed| removed > 0);
        write.end(done).await.known()
    }
}

async fn load(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    dialect: &str,
    name: &str,
) -> Result<Option<Session>> {
    let row: Option<Columns> = sqlx::query_as(
        "SELECT form, body FROM sessions WHERE tenant = ? AND dialect = ? AND name = ?",
    )
    .bind(&tenant.0)
    .bind(dialect)
    .bind(name)
    .fetch_optional(connection)
    .await
    .map_err(unavailable)?;
    row.map(read).transpose()
}

/// The session of the export's, as the transaction sees it.
async fn of_export(write: &mut Write, export: &Export) -> Result<Option<Session>> {
    let Some(at) = &export.spec.session else { return Ok(None) };
    load(write.connection(), &export.tenant, &export.dialect, &at.name).await
}

/// What a new export does to its session.
pub(super) async fn enter(write: &mut Write, export: &Export) -> Result<()> {
    if export.spec.session.is_none() {
        return Ok(());
    }
    let found = of_export(write, export).await?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions WHERE tenant = ?")
        .bind(&export.tenant.0)
        .fetch_one(write.connection())
        .await
        .map_err(unavailable)?;
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let Some(fresh) = session::enter(export, found.as_ref(), count)? else { return Ok(()) };
    let insert = sqlx::query(
        "INSERT INTO sessions (tenant, dialect, name, id, generation, form, body)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&fresh.tenant.0)
    .bind(&fresh.dialect)
    .bind(&fresh.name)
    .bind(fresh.id.to_string())
    .bind(generation(&fresh)?)
    .bind(FORM)
    .bind(to_json(&fresh)?);
    write.execute(insert).await.map(|_| ())
}

/// What an export that ended does to its session.
pub(super) async fn complete(
    write: &mut Write,
    export: &mut Export,
    now: DateTime<Utc>,
) -> Result<()> {
    let before = of_export(write, export).await?;
    let mut after = before.clone();
    if session::complete(export, after.as_mut(), now)? {
        store(write, before, after).await?;
    }
    Ok(())
}

async fn acknowledge(
    write: &mut Write,
    tenant: &TenantId,
    export: ExportId,
    now: DateTime<Utc>,
) -> Result<Option<(Export, Session)>> {
    let Some(mut export) = jobs::load(write.connection(), tenant, export).await? else {
        return Ok(None);
    };
    let before = of_export(write, &export).await?;
    let mut after = before.clone();
    if session::acknowledge(&mut export, after.as_mut(), now)? {
        exports::update(write, &export).await?;
        store(write, before, after.clone()).await?;
    }
    let lost = || Error::internal("an export was acknowledged without a session");
    Ok(Some((export, after.ok_or_else(lost)?)))
}

/// Stores a session that moved, if it is still where it moved from.
async fn store(write: &mut Write, before: Option<Session>, after: Option<Session>) -> Result<()> {
    let (Some(before), Some(after)) = (before, after) else {
        return Err(Error::internal("a session moved that was not there"));
    };
    let update = sqlx::query(
        "UPDATE sessions SET generation = ?, form = ?, body = ? WHERE id = ? AND generation = ?",
    )
    .bind(generation(&after)?)
    .bind(FORM)
    .bind(to_json(&after)?)
    .bind(before.id.to_string())
    .bind(generation(&before)?);
    match write.execute(update).await? {
        1 => Ok(()),
        _ => Err(Error::internal("a session vanished in its own transaction")),
    }
}

fn generation(session: &Session) -> Result<i64> {
    i64::try_from(session.generation)
        .map_err(|e| Error::internal("a session's generation is too large").with_source(e))
}
