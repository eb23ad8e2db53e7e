//! What is over: files, records, keys, events; and the counts for metrics.

use chrono::{DateTime, Utc};
use outhaul_exports::export::{Export, State};
use outhaul_exports::ports::{ObjectKey, StateCount};
use outhaul_exports::principal::TenantId;
use outhaul_exports::{Error, Result, event};

use super::exports::{self, Columns, select_exports};
use super::failure::unavailable;
use super::write::Write;
use super::{SqliteStore, events, outbox};
use crate::rows::{millis, moment};

/// The most keys, and the most events, that one purge forgets: others wait while it writes.
const FORGOTTEN_MAX: u32 = 10_000;

impl SqliteStore {
    pub(super) async fn expire_exports(
        &self,
        now: DateTime<Utc>,
        most: u32,
    ) -> Result<Vec<Export>> {
        let mut write = self.begin().await?;
        let done = expire(&mut write, now, most).await;
        // Files that were marked and not deleted, because the answer was lost, are orphans.
        write.end(done).await.known()
    }

    pub(super) async fn purge_exports(&self, now: DateTime<Utc>, most: u32) -> Result<Vec<Export>> {
        let mut write = self.begin().await?;
        let done = purge(&mut write, now, most).await;
        write.end(done).await.known()
    }

    pub(super) async fn is_object_needed(&self, object: &ObjectKey) -> Result<bool> {
        let Some(export) = self.get_export(&object.tenant, object.lease.export).await? else {
            return Ok(false);
        };
        let path = object.path();
        let mut files = export.manifest.iter().flat_map(|manifest| &manifest.artifacts);
        Ok(match export.state {
            State::Running => export.is_held_by(&object.lease.token),
            State::Completed => files.any(|artifact| artifact.key == path),
            State::Queued | State::Failed | State::Cancelled | State::Expired => false,
        })
    }

    pub(super) async fn count_states(&self) -> Result<Vec<StateCount>> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT dialect, state, count(*) FROM exports INDEXED BY exports_counts
             GROUP BY dialect, state ORDER BY dialect, state",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(unavailable)?;
        let count = |(dialect, state, count): (String, String, i64)| {
            let bad = || Error::internal(format!("a stored export has the state {state:?}"));
            let state = State::from_name(&state).ok_or_else(bad)?;
            Ok(StateCount { dialect, state, count: u64::try_from(count).unwrap_or(0) })
        };
        rows.into_iter().map(count).collect()
    }

    pub(super) async fn sum_stored_bytes(&self, tenant: &TenantId, dialect: &str) -> Result<u64> {
        // The index narrows it to exports whose files are there; of these, a tenant's are few.
        let sum: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(json_extract(artifact.value, '$.bytes')), 0)
             FROM exports INDEXED BY exports_list, json_each(body, '$.manifest.artifacts') AS artifact
             WHERE tenant = ? AND dialect = ? AND state = 'completed'",
        )
        .bind(&tenant.0)
        .bind(dialect)
        .fetch_one(&self.readers)
        .await
        .map_err(unavailable)?;
        Ok(u64::try_from(sum).unwrap_or_default())
    }

    pub(super) async fn oldest_queued_export(&self) -> Result<Option<DateTime<Utc>>> {
        let created: Option<i64> = sqlx::query_scalar(
            "SELECT created_at FROM exports WHERE sequence =
                 (SELECT min(sequence) FROM exports INDEXED BY exports_queue
                  WHERE state = 'queued')",
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(unavailable)?;
        created.map(moment).transpose()
    }
}

async fn expire(write: &mut Write, now: DateTime<Utc>, most: u32) -> Result<Vec<Export>> {
    let rows: Vec<Columns> = sqlx::query_as(select_exports!(
        "INDEXED BY exports_files WHERE state = 'completed' AND files_expire_at <= ?
         ORDER BY sequence LIMIT ?"
    ))
    .bind(millis(now))
    .bind(most)
    .fetch_all(write.connection())
    .await
    .map_err(unavailable)?;
    let mut expired = exports::read_sound(rows);
    for export in &mut expired {
        export.expire(now);
        exports::update(write, export).await?;
        outbox::drop_untrue(write, export).await?;
        events::append(write, export, event::EXPIRED, export.state, now).await?;
    }
    Ok(expired)
}

async fn purge(write: &mut Write, now: DateTime<Utc>, most: u32) -> Result<Vec<Export>> {
    let over: Vec<i64> = sqlx::query_scalar(
        "SELECT sequence FROM exports INDEXED BY exports_records
         WHERE record_expires_at <= ? AND state NOT IN ('queued', 'running')
         ORDER BY sequence LIMIT ?",
    )
    .bind(millis(now))
    .bind(most)
    .fetch_all(write.connection())
    .await
    .map_err(unavailable)?;
    let mut purged = Vec::new();
    for sequence in over {
        // One that cannot be read goes too, unanswered: its files are orphans then.
        purged.extend(exports::read_sound(row_at(write, sequence).await?));
        let events = sqlx::query(
            "DELETE FROM events WHERE export = (SELECT id FROM exports WHERE sequence = ?)",
        );
        write.execute(events.bind(sequence)).await?;
        let export = sqlx::query("DELETE FROM exports WHERE sequence = ?");
        write.execute(export.bind(sequence)).await?;
    }
    forget_keys(write, now).await?;
    forget_events(write, now).await?;
    Ok(purged)
}

async fn row_at(write: &mut Write, sequence: i64) -> Result<Vec<Columns>> {
    sqlx::query_as(select_exports!("WHERE sequence = ?"))
        .bind(sequence)
        .fetch_all(write.connection())
        .await
        .map_err(unavailable)
}

async fn forget_keys(write: &mut Write, now: DateTime<Utc>) -> Result<()> {
    let delete = sqlx::query(
        "DELETE FROM idempotency_keys WHERE (tenant, scope, key) IN (
             SELECT tenant, scope, key FROM idempotency_keys WHERE expires_at <= ? LIMIT ?)",
    );
    write.execute(delete.bind(millis(now)).bind(FORGOTTEN_MAX)).await.map(|_| ())
}

/// Forgets the events of exports that were deleted, once their records' time would be over.
async fn forget_events(write: &mut Write, now: DateTime<Utc>) -> Result<()> {
    let delete = sqlx::query(
        "DELETE FROM events WHERE sequence IN (
             SELECT sequence FROM events WHERE forget_at <= ?
               AND NOT EXISTS (SELECT 1 FROM exports WHERE exports.id = events.export)
             LIMIT ?)",
    );
    write.execute(delete.bind(millis(now)).bind(FORGOTTEN_MAX)).await.map(|_| ())
}
