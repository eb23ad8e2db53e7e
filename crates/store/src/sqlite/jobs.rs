//! The exports themselves: insert, look, change, remove.

use chrono::{DateTime, Utc};
use outhaul_exports::export::{Export, State};
use outhaul_exports::manifest::Artifact;
use outhaul_exports::ports::{Change, Idempotency, Inserted, ListFilter, NewExport};
use outhaul_exports::principal::TenantId;
use outhaul_exports::{ArtifactId, Error, ExportId, Result, event};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::SqliteStore;
use super::exports::{self, Columns, read, read_all, select_exports};
use super::failure::unavailable;
use super::write::{End, Write};
use crate::rows::{fold, millis, not_before};

impl SqliteStore {
    pub(super) async fn insert_export(&self, new: NewExport) -> Result<Inserted> {
        let mut write = self.begin().await?;
        let done = insert(&mut write, &new).await;
        match write.end(done).await {
            End::Unknown(done, doubt) => {
                match self.get_export(&new.export.tenant, new.export.id).await {
                    Ok(Some(_)) => {
                        doubt.committed();
                        Ok(done)
                    }
                    _ => Err(doubt.refused()),
                }
            }
            end => end.known(),
        }
    }

    pub(super) async fn find_replay(
        &self,
        tenant: &TenantId,
        key: &Idempotency,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        let mut connection = self.readers.acquire().await.map_err(unavailable)?;
        replay(&mut connection, tenant, key, now).await
    }

    pub(super) async fn get_export(
        &self,
        tenant: &TenantId,
        id: ExportId,
    ) -> Result<Option<Export>> {
        let mut connection = self.readers.acquire().await.map_err(unavailable)?;
        load(&mut connection, tenant, id).await
    }

    pub(super) async fn list_exports(&self, filter: &ListFilter) -> Result<Vec<Export>> {
        let mut query = QueryBuilder::<Sqlite>::new(match filter.session {
            None => select_exports!("INDEXED BY exports_list WHERE tenant = "),
            Some(_) => select_exports!("WHERE session IS NOT NULL AND tenant = "),
        });
        query.push_bind(&filter.tenant.0);
        if let Some(session) = &filter.session {
            query.push(" AND session = ").push_bind(session);
        }
        if let Some(dialect) = &filter.dialect {
            query.push(" AND dialect = ").push_bind(dialect);
        }
        if !filter.states.is_empty() {
            query.push(" AND state IN (");
            let mut names = query.separated(", ");
            for state in &filter.states {
                names.push_bind(state.name());
            }
            query.push(")");
        }
        if let Some(part) = &filter.label {
            // Not LIKE: a label may hold its wildcards.
            query.push(" AND instr(coalesce(label, ''), ").push_bind(fold(part)).push(") > 0");
        }
        if let Some(before) = filter.before {
            query.push(" AND id < ").push_bind(before.to_string());
        }
        if let Some(now) = filter.kept_at {
            query
                .push(" AND (state IN ('queued', 'running') OR record_expires_at > ")
                .push_bind(millis(now))
                .push(")");
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(filter.most);
        let rows: Vec<Columns> =
            query.build_query_as().fetch_all(&self.readers).await.map_err(unavailable)?;
        read_all(rows)
    }

    pub(super) async fn change_export(
        &self,
        tenant: &TenantId,
        id: ExportId,
        change: Change,
    ) -> Result<Option<Export>> {
        let mut write = self.begin().await?;
        let done = apply(&mut write, tenant, id, change).await;
        match write.end(done).await {
            End::Unknown(done, doubt) => match self.get_export(tenant, id).await {
                Ok(found) if found == done => {
                    doubt.committed();
                    Ok(done)
                }
                _ => Err(doubt.refused()),
            },
            end => end.known(),
        }
    }

    pub(super) async fn remove_export(
        &self,
        tenant: &TenantId,
        id: ExportId,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        let mut write = self.begin().await?;
        let done = remove(&mut write, tenant, id, now).await;
        match write.end(done).await {
            End::Unknown(done, doubt) => match self.get_export(tenant, id).await {
                Ok(None) => {
                    doubt.committed();
                    Ok(done)
                }
                _ => Err(doubt.refused()),
            },
            end => end.known(),
        }
    }

    pub(super) async fn find_artifact(
        &self,
        tenant: &TenantId,
        id: ArtifactId,
    ) -> Result<Option<(Export, Artifact)>> {
        let row: Option<Columns> = sqlx::query_as(select_exports!(
            "WHERE id = (SELECT export FROM artifacts WHERE id = ?1 AND tenant = ?2)
             AND tenant = ?2"
        ))
        .bind(id.to_string())
        .bind(&tenant.0)
        .fetch_optional(&self.readers)
        .await
        .map_err(unavailable)?;
        let Some(export) = row.map(read).transpose()? else { return Ok(None) };
        let mut files = export.manifest.iter().flat_map(|manifest| &manifest.artifacts);
        let found = files.find(|artifact| artifact.id == id).cloned();
        Ok(found.map(|artifact| (export, artifact)))
    }
}

/// The tenant's export of that id.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    id: ExportId,
) -> Result<Option<Export>> {
    let row: Option<Columns> = sqlx::query_as(select_exports!("WHERE id = ? AND tenant = ?"))
        .bind(id.to_string())
        .bind(&tenant.0)
        .fetch_optional(connection)
        .await
        .map_err(unavailable)?;
    row.map(read).transpose()
}

async fn insert(write: &mut Write, new: &NewExport) -> Result<Inserted> {
    let NewExport { export, idempotency } = new;
    if let Some(key) = idempotency
        && let Some(first) =
            replay(write.connection(), &export.tenant, key, export.created_at).await?
    {
        return Ok(Inserted::Replayed(first));
    }
    exports::admit(write.connection(), export).await?;
    super::sessions::enter(write, export).await?;
    exports::insert(write, export).await?;
    if let Some(key) = idempotency {
        remember_key(write, export, key).await?;
    }
    super::events::append(write, export, event::SUBMITTED, export.state, export.created_at).await?;
    Ok(Inserted::New(export.clone()))
}

/// The export that the first request with this key created, if there was one.
async fn replay(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    key: &Idempotency,
    now: DateTime<Utc>,
) -> Result<Option<Export>> {
    let first: Option<(String, String)> = sqlx::query_as(
        "SELECT fingerprint, export FROM idempotency_keys
         WHERE tenant = ? AND scope = ? AND key = ? AND expires_at > ?",
    )
    .bind(&tenant.0)
    .bind(&key.scope)
    .bind(&key.key)
    .bind(millis(now))
    .fetch_optional(&mut *connection)
    .await
    .map_err(unavailable)?;
    let Some((fingerprint, id)) = first else { return Ok(None) };
    key.check_repeated(&fingerprint)?;
    let id = id.parse().map_err(|e| Error::internal("a stored key's export").with_source(e))?;
    let found = load(connection, tenant, id).await?;
    found.map(Some).ok_or_else(Idempotency::export_gone)
}

async fn remember_key(write: &mut Write, export: &Export, key: &Idempotency) -> Result<()> {
    // A key whose time is over may be there still, until the purge.
    let insert = sqlx::query(
        "INSERT OR REPLACE INTO idempotency_keys
             (tenant, scope, key, fingerprint, export, expires_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&export.tenant.0)
    .bind(&key.scope)
    .bind(&key.key)
    .bind(&key.fingerprint)
    .bind(export.id.to_string())
    .bind(not_before(key.expires_at));
    write.execute(insert).await.map(|_| ())
}

async fn apply(
    write: &mut Write,
    tenant: &TenantId,
    id: ExportId,
    change: Change,
) -> Result<Option<Export>> {
    let Some(before) = load(write.connection(), tenant, id).await? else { return Ok(None) };
    let mut after = before.clone();
    change(&mut after)?;
    if after == before {
        return Ok(Some(after));
    }
    if (after.id, &after.tenant, &after.dialect) != (before.id, &before.tenant, &before.dialect) {
        return Err(Error::internal("a change may not move an export"));
    }
    if after.state.is_active() && !before.state.is_active() {
        exports::admit(write.connection(), &after).await?;
    }
    exports::update(write, &after).await?;
    super::outbox::drop_untrue(write, &after).await?;
    if let Some(kind) = event::of_change(&before, &after) {
        super::events::append(write, &after, kind, after.state, after.updated_at).await?;
    }
    Ok(Some(after))
}

async fn remove(
    write: &mut Write,
    tenant: &TenantId,
    id: ExportId,
    now: DateTime<Utc>,
) -> Result<Option<Export>> {
    let Some(export) = load(write.connection(), tenant, id).await? else { return Ok(None) };
    if export.state == State::Running {
        return Err(Error::conflict("the export is running; cancel it first"));
    }
    write.execute(sqlx::query("DELETE FROM exports WHERE id = ?").bind(id.to_string())).await?;
    let state = event::state_when_removed(export.state);
    super::events::append(write, &export, event::REMOVED, state, now).await?;
    Ok(Some(export))
}
