//! Who works on what: lease, heartbeat, finish, rescue.

use chrono::{DateTime, Utc};
use outhaul_exports::export::{Export, Outcome, Progress, State};
use outhaul_exports::lease::{Incarnation, Lease, LeaseKey};
use outhaul_exports::ports::{Beat, LeaseAsk};
use outhaul_exports::{ExportId, Result, event};
use sqlx::SqliteConnection;

use super::exports::{self, Columns, read, select_exports};
use super::failure::unavailable;
use super::write::{End, Write};
use super::{SqliteStore, events, outbox, sessions};
use crate::rows::{millis, not_before, to_json};

/// The next export to run. `lanes` hops over the queue's index from one tenant and dialect to the
/// next, so that its cost does not grow with the backlog; `heads` are their oldest exports that
/// are due and whose session is idle: only those that wait for their session are looked past. A lane whose policy lets no more run waits as a whole, which keeps its order. Of the
/// rest, the tenant that was served longest ago comes first, one that never was before all. The
/// indexes are named because a planner without statistics may choose one that grows with the past.
pub(super) const PICK: &str = "
WITH RECURSIVE lanes (tenant, dialect) AS (
    SELECT tenant, dialect FROM (
        SELECT tenant, dialect FROM exports INDEXED BY exports_queue WHERE state = 'queued'
        ORDER BY tenant, dialect LIMIT 1)
    UNION ALL
    SELECT next.tenant, next.dialect FROM lanes JOIN exports AS next ON next.sequence = coalesce(
        (SELECT sequence FROM exports INDEXED BY exports_queue
         WHERE state = 'queued' AND tenant = lanes.tenant AND dialect > lanes.dialect
         ORDER BY dialect LIMIT 1),
        (SELECT sequence FROM exports INDEXED BY exports_queue
         WHERE state = 'queued' AND tenant > lanes.tenant
         ORDER BY tenant, dialect LIMIT 1))
), heads AS (
    SELECT (SELECT sequence FROM exports AS e INDEXED BY exports_queue
            WHERE e.state = 'queued' AND e.tenant = lanes.tenant AND e.dialect = lanes.dialect
              AND e.due_at <= ?
              AND (e.session IS NULL OR NOT EXISTS (
                  SELECT 1 FROM exports AS other INDEXED BY exports_session_running
                  WHERE other.state = 'running' AND other.session IS NOT NULL
                    AND other.tenant = e.tenant AND other.dialect = e.dialect
                    AND other.session = e.session))
            ORDER BY e.sequence LIMIT 1) AS sequence
    FROM lanes
)
SELECT head.sequence FROM heads
JOIN exports AS head ON head.sequence = heads.sequence
LEFT JOIN servings ON servings.tenant = head.tenant
WHERE head.running_max IS NULL OR head.running_max > (
    SELECT count(*) FROM exports AS busy INDEXED BY exports_running
    WHERE busy.state = 'running' AND busy.tenant = head.tenant AND busy.dialect = head.dialect)
ORDER BY coalesce(servings.turn, 0), head.sequence
LIMIT 1";

impl SqliteStore {
    pub(super) async fn take_leases(&self, ask: &LeaseAsk) -> Result<Vec<Export>> {
        let mut write = self.begin().await?;
        let done = lease(&mut write, ask).await;
        match write.end(done).await {
            End::Unknown(leased, doubt) => {
                // All of them were committed, or none.
                let Some(key) = leased.first().and_then(key_of) else { return Ok(leased) };
                match self.find_by_id(key.export).await {
                    Ok(Some(found)) if found.is_held_by(&key.token) => {
                        doubt.committed();
                        Ok(leased)
                    }
                    _ => Err(doubt.refused()),
                }
            }
            end => end.known(),
        }
    }

    pub(super) async fn renew_lease(
        &self,
        key: &LeaseKey,
        until: DateTime<Utc>,
        progress: &Progress,
        now: DateTime<Utc>,
    ) -> Result<Beat> {
        let mut write = self.begin().await?;
        let done = renew(&mut write, key, until, progress, now).await;
        // After an error the worker beats again, or stops in time.
        write.end(done).await.known()
    }

    pub(super) async fn end_attempt(
        &self,
        key: &LeaseKey,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        let mut write = self.begin().await?;
        let done = finish(&mut write, key, outcome, now).await;
        match write.end(done).await {
            // Nobody else has written since: a lease that is no longer held was ended here.
            End::Unknown(done, doubt) => match self.find_by_id(key.export).await {
                Ok(Some(found)) if !found.is_held_by(&key.token) => {
                    doubt.committed();
                    Ok(done)
                }
                _ => Err(doubt.refused()),
            },
            end => end.known(),
        }
    }

    pub(super) async fn rescue_exports(
        &self,
        now: DateTime<Utc>,
        dead: &[Incarnation],
    ) -> Result<u64> {
        let mut write = self.begin().await?;
        let done = rescue(&mut write, now, dead).await;
        // A rescue is repeated all the time.
        write.end(done).await.known()
    }

    async fn find_by_id(&self, id: ExportId) -> Result<Option<Export>> {
        let mut connection = self.readers.acquire().await.map_err(unavailable)?;
        by_id(&mut connection, id).await
    }
}

fn key_of(export: &Export) -> Option<LeaseKey> {
    let token = export.lease.as_ref()?.token.clone();
    Some(LeaseKey { export: export.id, token })
}

async fn by_id(connection: &mut SqliteConnection, id: ExportId) -> Result<Option<Export>> {
    let row: Option<Columns> = sqlx::query_as(select_exports!("WHERE id = ?"))
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(unavailable)?;
    row.map(read).transpose()
}

async fn lease(write: &mut Write, ask: &LeaseAsk) -> Result<Vec<Export>> {
    let mut leased = Vec::new();
    let most = usize::try_from(ask.most).unwrap_or(usize::MAX);
    while leased.len() < most {
        let next: Option<i64> = sqlx::query_scalar(PICK)
            .bind(millis(ask.now))
            .fetch_optional(write.connection())
            .await
            .map_err(unavailable)?;
        let Some(sequence) = next else { break };
        match load_queued(write.connection(), sequence).await? {
            Ok(mut export) => {
                export.start(&ask.holder, ask.now, ask.ttl)?;
                exports::update(write, &export).await?;
                events::append(write, &export, event::STARTED, export.state, ask.now).await?;
                serve(write, &export).await?;
                leased.push(export);
            }
            Err(error) => put_aside(write, sequence, &error).await?,
        }
    }
    Ok(leased)
}

/// The export of that place; inside, the error of a row that cannot be understood.
async fn load_queued(connection: &mut SqliteConnection, sequence: i64) -> Result<Result<Export>> {
    let row: Columns = sqlx::query_as(select_exports!("WHERE sequence = ?"))
        .bind(sequence)
        .fetch_one(connection)
        .await
        .map_err(unavailable)?;
    Ok(read(row))
}

/// A row that cannot be understood must not stop those behind it: it is never due again.
async fn put_aside(write: &mut Write, sequence: i64, error: &outhaul_exports::Error) -> Result<()> {
    tracing::error!(sequence, error = error.chain(), "an export cannot be read and is put aside");
    let update = sqlx::query("UPDATE exports SET due_at = ? WHERE sequence = ?");
    write.execute(update.bind(i64::MAX).bind(sequence)).await.map(|_| ())
}

/// Notes that the export's tenant was served just now.
async fn serve(write: &mut Write, export: &Export) -> Result<()> {
    let update = sqlx::query(
        "INSERT INTO servings (tenant, turn)
         VALUES (?, (SELECT coalesce(max(turn), 0) + 1 FROM servings))
         ON CONFLICT (tenant) DO UPDATE SET turn = excluded.turn",
    );
    write.execute(update.bind(&export.tenant.0)).await.map(|_| ())
}

async fn renew(
    write: &mut Write,
    key: &LeaseKey,
    until: DateTime<Utc>,
    progress: &Progress,
    now: DateTime<Utc>,
) -> Result<Beat> {
    let update = sqlx::query(
        "UPDATE exports SET lease_until = ?, progress = ?, updated_at = ?
         WHERE id = ? AND state = 'running' AND lease_token = ?",
    )
    .bind(not_before(until))
    .bind(to_json(progress)?)
    .bind(millis(now))
    .bind(key.export.to_string())
    .bind(&key.token.0);
    if write.execute(update).await? == 0 {
        return Ok(Beat::Lost);
    }
    let cancel: bool = sqlx::query_scalar("SELECT cancel_requested FROM exports WHERE id = ?")
        .bind(key.export.to_string())
        .fetch_one(write.connection())
        .await
        .map_err(unavailable)?;
    Ok(if cancel { Beat::Cancel } else { Beat::Continue })
}

async fn finish(
    write: &mut Write,
    key: &LeaseKey,
    outcome: Outcome,
    now: DateTime<Utc>,
) -> Result<Option<Export>> {
    let Some(mut export) = by_id(write.connection(), key.export).await? else { return Ok(None) };
    if !export.is_held_by(&key.token) {
        // The first answer to this very completion may have been lost.
        let Outcome::Completed { manifest, .. } = &outcome else { return Ok(None) };
        return Ok((export.manifest.as_ref() == Some(manifest)).then_some(export));
    }
    export.finish(outcome.clone(), now);
    sessions::complete(write, &mut export, now).await?;
    exports::update(write, &export).await?;
    if export.state == State::Completed {
        publish(write, &export).await?;
    }
    let kind = event::of_finish(&outcome, export.state);
    events::append(write, &export, kind, export.state, now).await?;
    outbox::tell(write, &export, now).await?;
    Ok(Some(export))
}

/// Makes the export's files findable.
async fn publish(write: &mut Write, export: &Export) -> Result<()> {
    for artifact in export.manifest.iter().flat_map(|manifest| &manifest.artifacts) {
        let insert = sqlx::query("INSERT INTO artifacts (id, tenant, export) VALUES (?, ?, ?)")
            .bind(artifact.id.to_string())
            .bind(&export.tenant.0)
            .bind(export.id.to_string());
        write.execute(insert).await?;
    }
    Ok(())
}

async fn rescue(write: &mut Write, now: DateTime<Utc>, dead: &[Incarnation]) -> Result<u64> {
    let rows: Vec<Columns> = sqlx::query_as(select_exports!(
        "INDEXED BY exports_running WHERE state = 'running' ORDER BY sequence"
    ))
    .fetch_all(write.connection())
    .await
    .map_err(unavailable)?;
    let mut rescued = 0;
    for mut export in exports::read_sound(rows) {
        let is_over = |lease: &Lease| lease.is_over(now) || dead.contains(&lease.holder);
        let is_lost = export.lease.as_ref().is_none_or(is_over);
        if is_lost {
            export.rescue(now);
            exports::update(write, &export).await?;
            events::append(write, &export, event::of_rescue(export.state), export.state, now)
                .await?;
            outbox::tell(write, &export, now).await?;
            rescued += 1;
        }
    }
    Ok(rescued)
}
