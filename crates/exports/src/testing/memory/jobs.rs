//! The exports themselves.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::{KeyRow, Memory, MemoryStore};
use crate::export::{Export, Outcome, Progress, State};
use crate::lease::{Incarnation, LeaseKey};
use crate::manifest::{Artifact, Manifest};
use crate::ports::{
    Beat, Change, Event, Idempotency, Inserted, JobStore, LeaseAsk, ListFilter, NewExport,
    ObjectKey, StateCount,
};
use crate::principal::TenantId;
use crate::{ArtifactId, Error, ExportId, Result, event};

#[async_trait]
impl JobStore for MemoryStore {
    async fn insert(&self, new: NewExport) -> Result<Inserted> {
        self.write(|memory| memory.insert(new))
    }

    async fn replay(
        &self,
        tenant: &TenantId,
        key: &Idempotency,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        self.reach()?.replay(tenant, key, now)
    }

    async fn get(&self, tenant: &TenantId, id: ExportId) -> Result<Option<Export>> {
        let memory = self.reach()?;
        Ok(memory.find(tenant, id).map(|place| memory.exports[place].clone()))
    }

    async fn list(&self, filter: &ListFilter) -> Result<Vec<Export>> {
        let memory = self.reach()?;
        let mut found: Vec<_> = memory.exports.iter().filter(|e| matches(filter, e)).collect();
        found.sort_by_key(|export| std::cmp::Reverse(export.id));
        Ok(found.into_iter().take(count(filter.most)).cloned().collect())
    }

    async fn change(
        &self,
        tenant: &TenantId,
        id: ExportId,
        change: Change,
    ) -> Result<Option<Export>> {
        self.write(|memory| memory.change(tenant, id, change))
    }

    async fn remove(
        &self,
        tenant: &TenantId,
        id: ExportId,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        self.write(|memory| {
            let Some(place) = memory.find(tenant, id) else { return Ok(None) };
            if memory.exports[place].state == State::Running {
                return Err(Error::conflict("the export is running; cancel it first"));
            }
            let export = memory.exports.remove(place);
            memory.forget_messages();
            let state = event::state_when_removed(export.state);
            memory.note(&export, event::REMOVED, state, now);
            Ok(Some(export))
        })
    }

    async fn artifact(
        &self,
        tenant: &TenantId,
        id: ArtifactId,
    ) -> Result<Option<(Export, Artifact)>> {
        let memory = self.reach()?;
        for export in memory.exports.iter().filter(|export| export.tenant == *tenant) {
            let files = export.manifest.iter().flat_map(|manifest| &manifest.artifacts);
            if let Some(artifact) = files.into_iter().find(|artifact| artifact.id == id) {
                return Ok(Some((export.clone(), artifact.clone())));
            }
        }
        Ok(None)
    }

    async fn lease(&self, ask: &LeaseAsk) -> Result<Vec<Export>> {
        self.write(|memory| Ok(memory.lease(ask)))
    }

    async fn heartbeat(
        &self,
        key: &LeaseKey,
        until: DateTime<Utc>,
        progress: &Progress,
        now: DateTime<Utc>,
    ) -> Result<Beat> {
        self.write(|memory| Ok(memory.heartbeat(key, until, progress, now)))
    }

    async fn finish(
        &self,
        key: &LeaseKey,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        self.write(|memory| memory.finish(key, outcome, now))
    }

    async fn rescue(&self, now: DateTime<Utc>, dead: &[Incarnation]) -> Result<u64> {
        self.write(|memory| Ok(memory.rescue(now, dead)))
    }

    async fn expire(&self, now: DateTime<Utc>, most: u32) -> Result<Vec<Export>> {
        self.write(|memory| {
            let mut expired = Vec::new();
            for place in 0..memory.exports.len() {
                let mut export = memory.exports[place].clone();
                let before = export.state;
                export.expire(now);
                if export.state != before && expired.len() < count(most) {
                    memory.put(place, export.clone(), event::EXPIRED, now);
                    expired.push(export);
                }
            }
            Ok(expired)
        })
    }

    async fn purge(&self, now: DateTime<Utc>, most: u32) -> Result<Vec<Export>> {
        self.write(|memory| Ok(memory.purge(now, most)))
    }

    async fn is_needed(&self, object: &ObjectKey) -> Result<bool> {
        let memory = self.reach()?;
        let Some(place) = memory.find(&object.tenant, object.lease.export) else {
            return Ok(false);
        };
        let export = &memory.exports[place];
        let path = object.path();
        let files = || export.manifest.iter().flat_map(|manifest| &manifest.artifacts);
        Ok(match export.state {
            State::Running => export.is_held_by(&object.lease.token),
            State::Completed => files().any(|artifact| artifact.key == path),
            _ => false,
        })
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: u64,
        export: Option<ExportId>,
        most: u32,
    ) -> Result<Vec<Event>> {
        let memory = self.reach()?;
        let rows = memory.events.iter().filter(|row| row.tenant == *tenant);
        let events = rows.map(|row| &row.event).filter(|event| event.sequence > after);
        let wanted = events.filter(|event| export.is_none_or(|id| id == event.export));
        Ok(wanted.take(count(most)).cloned().collect())
    }

    async fn counts(&self) -> Result<Vec<StateCount>> {
        let mut counts: Vec<StateCount> = Vec::new();
        for export in &self.reach()?.exports {
            let (dialect, state) = (&export.dialect, export.state);
            match counts.iter_mut().find(|c| c.dialect == *dialect && c.state == state) {
                Some(found) => found.count += 1,
                None => counts.push(StateCount { dialect: dialect.clone(), state, count: 1 }),
            }
        }
        counts.sort_by(|a, b| (&a.dialect, a.state.name()).cmp(&(&b.dialect, b.state.name())));
        Ok(counts)
    }

    async fn stored_bytes(&self, tenant: &TenantId, dialect: &str) -> Result<u64> {
        let memory = self.reach()?;
        let of = |export: &&Export| export.tenant == *tenant && export.dialect == dialect;
        let stored = memory.exports.iter().filter(of).filter(|e| e.state == State::Completed);
        Ok(stored.filter_map(|export| export.manifest.as_ref()).map(Manifest::bytes).sum())
    }

    async fn oldest_queued(&self) -> Result<Option<DateTime<Utc>>> {
        let memory = self.reach()?;
        let first = memory.exports.iter().find(|export| export.state == State::Queued);
        Ok(first.map(|export| export.created_at))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Memory {
    fn insert(&mut self, new: NewExport) -> Result<Inserted> {
        let NewExport { export, idempotency } = new;
        if let Some(key) = &idempotency
            && let Some(first) = self.replay(&export.tenant, key, export.created_at)?
        {
            return Ok(Inserted::Replayed(first));
        }
        self.admit(&export)?;
        if self.exports.iter().any(|other| other.id == export.id) {
            return Err(Error::internal("an export of that id is stored already"));
        }
        self.enter_session(&export)?;
        if let Some(key) = idempotency {
            let place = (export.tenant.clone(), key.scope, key.key);
            let (fingerprint, expires_at) = (key.fingerprint, key.expires_at);
            self.keys.insert(place, KeyRow { export: export.id, fingerprint, expires_at });
        }
        self.note(&export, event::SUBMITTED, export.state, export.created_at);
        self.exports.push(export.clone());
        Ok(Inserted::New(export))
    }

    /// The export of the first request with that key, unless the key's time is over.
    fn replay(
        &self,
        tenant: &TenantId,
        key: &Idempotency,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        let place = (tenant.clone(), key.scope.clone(), key.key.clone());
        let Some(first) = self.keys.get(&place).filter(|row| now < row.expires_at) else {
            return Ok(None);
        };
        key.check_repeated(&first.fingerprint)?;
        let place = self.find(tenant, first.export).ok_or_else(Idempotency::export_gone)?;
        Ok(Some(self.exports[place].clone()))
    }

    fn change(
        &mut self,
        tenant: &TenantId,
        id: ExportId,
        change: Change,
    ) -> Result<Option<Export>> {
        let Some(place) = self.find(tenant, id) else { return Ok(None) };
        let before = self.exports[place].clone();
        let mut after = before.clone();
        change(&mut after)?;
        if (after.id, &after.tenant, &after.dialect) != (before.id, &before.tenant, &before.dialect)
        {
            return Err(Error::internal("a change may not move an export"));
        }
        if after.state.is_active() && !before.state.is_active() {
            self.admit(&after)?;
        }
        match event::of_change(&before, &after) {
            Some(kind) => self.put(place, after.clone(), kind, after.updated_at),
            None => {
                self.changed = after != before;
                self.exports[place] = after.clone();
            }
        }
        Ok(Some(after))
    }

    fn purge(&mut self, now: DateTime<Utc>, most: u32) -> Vec<Export> {
        let mut purged = Vec::new();
        let mut place = 0;
        while place < self.exports.len() && purged.len() < count(most) {
            let export = &self.exports[place];
            if export.record_expires_at <= now && !export.state.is_active() {
                purged.push(self.exports.remove(place));
            } else {
                place += 1;
            }
        }
        self.forget_messages();
        self.keys.retain(|_, row| now < row.expires_at);
        let exports = &self.exports;
        self.events.retain(|row| {
            let is_over = row.forget_at <= now || purged.iter().any(|e| e.id == row.event.export);
            !is_over || exports.iter().any(|export| export.id == row.event.export)
        });
        self.changed = !purged.is_empty();
        purged
    }
}

fn matches(filter: &ListFilter, export: &Export) -> bool {
    let label = || export.spec.label.as_deref().unwrap_or_default().to_lowercase();
    export.tenant == filter.tenant
        && filter.dialect.as_ref().is_none_or(|dialect| *dialect == export.dialect)
        && (filter.states.is_empty() || filter.states.contains(&export.state))
        && filter.session.as_ref().is_none_or(|name| {
            export.spec.session.as_ref().is_some_and(|session| session.name == *name)
        })
        && filter.label.as_ref().is_none_or(|part| label().contains(&part.to_lowercase()))
        && filter.before.is_none_or(|before| export.id < before)
        && filter
            .kept_at
            .is_none_or(|now| export.state.is_active() || now < export.record_expires_at)
}

fn count(most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}
