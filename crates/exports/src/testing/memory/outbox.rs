//! Messages that tell of exports' ends.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Memory, MemoryStore};
use crate::export::{Export, State};
use crate::notice::{self, Message, MessageState};
use crate::ports::{Outbox, TakeMessages};
use crate::principal::TenantId;
use crate::{ExportId, Result};

#[async_trait]
impl Outbox for MemoryStore {
    async fn take(&self, ask: &TakeMessages) -> Result<Vec<Message>> {
        self.write(|memory| {
            let is_due = |m: &&mut Message| {
                m.state == MessageState::Waiting && m.kind.name() == ask.kind && m.due_at <= ask.now
            };
            let mut due: Vec<_> = memory.messages.iter_mut().filter(is_due).collect();
            due.sort_by_key(|message| message.due_at);
            due.truncate(usize::try_from(ask.most).unwrap_or(usize::MAX));
            let taken = due.into_iter().map(|message| {
                message.due_at = ask.now + ask.ttl;
                message.attempts += 1;
                message.clone()
            });
            let taken: Vec<_> = taken.collect();
            memory.changed = !taken.is_empty();
            Ok(taken)
        })
    }

    async fn sent(&self, message: &Message, now: DateTime<Utc>) -> Result<bool> {
        self.write(|memory| {
            let Some(found) = memory.waiting(message) else { return Ok(false) };
            found.state = MessageState::Sent;
            found.last_error = None;
            found.ended_at = Some(now);
            found.report = message.report.clone().or_else(|| found.report.take());
            memory.changed = true;
            Ok(true)
        })
    }

    async fn failed(
        &self,
        message: &Message,
        error: &str,
        next: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        self.write(|memory| {
            let held = memory.waiting(message).filter(|found| found.attempts == message.attempts);
            let Some(found) = held else { return Ok(false) };
            found.last_error = Some(notice::short_error(error));
            found.report = message.report.clone().or_else(|| found.report.take());
            match next {
                Some(next) => found.due_at = next,
                None => {
                    found.state = MessageState::GivenUp;
                    found.ended_at = Some(now);
                }
            }
            memory.changed = true;
            Ok(true)
        })
    }

    async fn messages(&self, tenant: &TenantId, export: ExportId) -> Result<Vec<Message>> {
        let memory = self.reach()?;
        let of_it = |m: &&Message| m.export == export && m.tenant == *tenant;
        Ok(memory.messages.iter().filter(of_it).cloned().collect())
    }
}

impl Memory {
    fn waiting(&mut self, message: &Message) -> Option<&mut Message> {
        let same = |m: &&mut Message| m.id == message.id && m.state == MessageState::Waiting;
        self.messages.iter_mut().find(same)
    }

    /// Makes and drops messages for an export that has gone from `before` to another state.
    pub(super) fn tell(&mut self, before: State, export: &Export, now: DateTime<Utc>) {
        if before == export.state {
            return;
        }
        self.messages.retain(|m| m.export != export.id || m.state != MessageState::Waiting);
        self.messages.extend(notice::of_end(export, now));
    }

    /// Forgets the messages of exports that are not there any more.
    pub(super) fn forget_messages(&mut self) {
        let exports = &self.exports;
        self.messages.retain(|m| exports.iter().any(|export| export.id == m.export));
    }
}
