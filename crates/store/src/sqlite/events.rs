//! What happened, one row for every transition, written in the transition's own transaction.

use chrono::{DateTime, Utc};
use outhaul_exports::export::{Export, State};
use outhaul_exports::ports::Event;
use outhaul_exports::principal::TenantId;
use outhaul_exports::{Error, ExportId, Result};

use super::SqliteStore;
use super::failure::unavailable;
use super::write::Write;
use crate::rows::{millis, moment, not_before};

/// Appends an event about the export.
pub(super) async fn append(
    write: &mut Write,
    export: &Export,
    kind: &str,
    state: State,
    at: DateTime<Utc>,
) -> Result<()> {
    let insert = sqlx::query(
        "INSERT INTO events (tenant, export, at, state, kind, forget_at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&export.tenant.0)
    .bind(export.id.to_string())
    .bind(millis(at))
    .bind(state.name())
    .bind(kind)
    .bind(not_before(export.record_expires_at));
    write.execute(insert).await.map(|_| ())
}

type Row = (i64, i64, String, String, String);

impl SqliteStore {
    pub(super) async fn events_after(
        &self,
        tenant: &TenantId,
        after: u64,
        export: Option<ExportId>,
        most: u32,
    ) -> Result<Vec<Event>> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let query = match export {
            None => sqlx::query_as(
                "SELECT sequence, at, export, state, kind FROM events
                 INDEXED BY events_tenant WHERE tenant = ? AND sequence > ?
                 ORDER BY sequence LIMIT ?",
            )
            .bind(&tenant.0),
            Some(export) => sqlx::query_as(
                "SELECT sequence, at, export, state, kind FROM events
                 INDEXED BY events_export WHERE export = ? AND tenant = ? AND sequence > ?
                 ORDER BY sequence LIMIT ?",
            )
            .bind(export.to_string())
            .bind(&tenant.0),
        };
        let rows: Vec<Row> =
            query.bind(after).bind(most).fetch_all(&self.readers).await.map_err(unavailable)?;
        rows.into_iter().map(read).collect()
    }
}

fn read((sequence, at, export, state, kind): Row) -> Result<Event> {
    let bad = |what: &str| Error::internal(format!("a stored event has a bad {what}"));
    Ok(Event {
        sequence: u64::try_from(sequence).map_err(|_| bad("sequence"))?,
        at: moment(at)?,
        export: export.parse().map_err(|_| bad("export"))?,
        state: State::from_name(&state).ok_or_else(|| bad("state"))?,
        kind,
    })
}
