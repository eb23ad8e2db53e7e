//! Messages that tell of exports' ends: written with the end itself, then taken, sent, given up.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use outhaul_exports::export::Export;
use outhaul_exports::notice::{self, Message, MessageState};
use outhaul_exports::ports::{Outbox, TakeMessages};
use outhaul_exports::principal::TenantId;
use outhaul_exports::{Error, ExportId, Result};

use super::SqliteStore;
use super::failure::unavailable;
use super::write::Write;
use crate::rows::{from_json, millis, moment, not_before, to_json};

macro_rules! message_columns {
    () => {
        "id, export, tenant, what, created_at, due_at, attempts, state, last_error, ended_at, report"
    };
}

type Text = Option<String>;
type Columns = (String, String, String, String, i64, i64, i64, String, Text, Option<i64>, Text);

/// Writes the messages that tell of the end to which the export has come in this transaction.
pub(super) async fn tell(write: &mut Write, export: &Export, now: DateTime<Utc>) -> Result<()> {
    for message in notice::of_end(export, now) {
        let insert = sqlx::query(
            "INSERT INTO messages
                 (id, export, tenant, kind, what, created_at, due_at, attempts, state)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(message.id.to_string())
        .bind(message.export.to_string())
        .bind(&message.tenant.0)
        .bind(message.kind.name())
        .bind(to_json(&message.kind)?)
        .bind(millis(message.created_at))
        .bind(not_before(message.due_at))
        .bind(i64::from(message.attempts))
        .bind(message.state.name());
        write.execute(insert).await?;
    }
    Ok(())
}

/// Drops the messages that wait, when the export is in a state that none of them tells of.
pub(super) async fn drop_untrue(write: &mut Write, export: &Export) -> Result<()> {
    if notice::is_told(export.state) {
        return Ok(());
    }
    let delete = sqlx::query("DELETE FROM messages WHERE export = ? AND state = 'waiting'");
    write.execute(delete.bind(export.id.to_string())).await.map(|_| ())
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn take(&self, ask: &TakeMessages) -> Result<Vec<Message>> {
        // Asked for all the time, and mostly in vain: a writer would be kept from its work.
        if !self.has_due(ask).await? {
            return Ok(Vec::new());
        }
        let mut write = self.begin().await?;
        let done = take(&mut write, ask).await;
        // What was taken by an answer that is lost is due again when its lease is over.
        write.end(done).await.known()
    }

    async fn sent(&self, message: &Message, now: DateTime<Utc>) -> Result<bool> {
        let update = sqlx::query(
            "UPDATE messages SET state = 'sent', last_error = NULL, ended_at = ?,
                 report = coalesce(?, report)
             WHERE id = ? AND state = 'waiting'",
        );
        let report = message.report.as_ref().map(to_json).transpose()?;
        self.settle(update.bind(millis(now)).bind(report).bind(message.id.to_string())).await
    }

    async fn failed(
        &self,
        message: &Message,
        error: &str,
        next: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let state = if next.is_some() { MessageState::Waiting } else { MessageState::GivenUp };
        let update = sqlx::query(
            "UPDATE messages SET state = ?, last_error = ?, due_at = coalesce(?, due_at),
                 ended_at = ?, report = coalesce(?, report)
             WHERE id = ? AND state = 'waiting' AND attempts = ?",
        )
        .bind(state.name())
        .bind(notice::short_error(error))
        .bind(next.map(not_before))
        .bind(next.is_none().then(|| millis(now)))
        .bind(message.report.as_ref().map(to_json).transpose()?)
        .bind(message.id.to_string())
        .bind(i64::from(message.attempts));
        self.settle(update).await
    }

    async fn messages(&self, tenant: &TenantId, export: ExportId) -> Result<Vec<Message>> {
        let rows: Vec<Columns> = sqlx::query_as(concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE export = ? AND tenant = ? ORDER BY sequence"
        ))
        .bind(export.to_string())
        .bind(&tenant.0)
        .fetch_all(&self.readers)
        .await
        .map_err(unavailable)?;
        rows.into_iter().map(read).collect()
    }
}

impl SqliteStore {
    async fn has_due(&self, ask: &TakeMessages) -> Result<bool> {
        let due: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM messages INDEXED BY messages_due
             WHERE state = 'waiting' AND kind = ? AND due_at <= ? LIMIT 1",
        )
        .bind(ask.kind)
        .bind(millis(ask.now))
        .fetch_optional(&self.readers)
        .await
        .map_err(unavailable)?;
        Ok(due.is_some())
    }

    async fn settle(
        &self,
        update: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<bool> {
        let mut write = self.begin().await?;
        let done = write.execute(update).await;
        // One whose end was not stored is sent again, under its own id.
        Ok(write.end(done).await.known()? > 0)
    }
}

async fn take(write: &mut Write, ask: &TakeMessages) -> Result<Vec<Message>> {
    let due: Vec<i64> = sqlx::query_scalar(
        "SELECT sequence FROM messages INDEXED BY messages_due
         WHERE state = 'waiting' AND kind = ? AND due_at <= ?
         ORDER BY due_at, sequence LIMIT ?",
    )
    .bind(ask.kind)
    .bind(millis(ask.now))
    .bind(ask.most)
    .fetch_all(write.connection())
    .await
    .map_err(unavailable)?;
    let mut taken = Vec::with_capacity(due.len());
    for sequence in due {
        let update = sqlx::query(
            "UPDATE messages SET attempts = attempts + 1, due_at = ? WHERE sequence = ?",
        );
        write.execute(update.bind(not_before(ask.now + ask.ttl)).bind(sequence)).await?;
        match read_at(write, sequence).await? {
            Ok(message) => taken.push(message),
            Err(error) => {
                // Left in its place it would be taken again and again.
                tracing::error!(sequence, error = error.chain(), "a message cannot be read");
                let delete = sqlx::query("DELETE FROM messages WHERE sequence = ?");
                write.execute(delete.bind(sequence)).await?;
            }
        }
    }
    Ok(taken)
}

/// The message of that place; inside, the error of a row that cannot be understood.
async fn read_at(write: &mut Write, sequence: i64) -> Result<Result<Message>> {
    let row: Columns =
        sqlx::query_as(concat!("SELECT ", message_columns!(), " FROM messages WHERE sequence = ?"))
            .bind(sequence)
            .fetch_one(write.connection())
            .await
            .map_err(unavailable)?;
    Ok(read(row))
}

fn read(row: Columns) -> Result<Message> {
    let (
        id,
        export,
        tenant,
        what,
        created_at,
        due_at,
        attempts,
        state,
        last_error,
        ended_at,
        report,
    ) = row;
    let bad = |what: &str| Error::internal(format!("a stored message has a bad {what}"));
    Ok(Message {
        id: id.parse().map_err(|_| bad("id"))?,
        export: export.parse().map_err(|_| bad("export"))?,
        tenant: TenantId(tenant),
        kind: from_json(&what)?,
        created_at: moment(created_at)?,
        due_at: moment(due_at)?,
        attempts: u32::try_from(attempts).map_err(|_| bad("count of attempts"))?,
        state: MessageState::from_name(&state).ok_or_else(|| bad("state"))?,
        last_error,
        ended_at: ended_at.map(moment).transpose()?,
        report: report.as_deref().map(from_json).transpose()?,
    })
}
