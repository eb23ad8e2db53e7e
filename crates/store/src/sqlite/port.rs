//! The port `JobStore`, method by method: which file does it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use outhaul_exports::export::{Export, Outcome, Progress};
use outhaul_exports::lease::{Incarnation, LeaseKey};
use outhaul_exports::manifest::Artifact;
use outhaul_exports::ports::{
    Beat, Change, Event, Idempotency, Inserted, JobStore, LeaseAsk, ListFilter, NewExport,
    ObjectKey, StateCount,
};
use outhaul_exports::principal::TenantId;
use outhaul_exports::{ArtifactId, ExportId, Result};
use tokio::sync::watch;

use super::SqliteStore;

#[async_trait]
impl JobStore for SqliteStore {
    async fn insert(&self, new: NewExport) -> Result<Inserted> {
        self.insert_export(new).await
    }

    async fn replay(
        &self,
        tenant: &TenantId,
        key: &Idempotency,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        self.find_replay(tenant, key, now).await
    }

    async fn get(&self, tenant: &TenantId, id: ExportId) -> Result<Option<Export>> {
        self.get_export(tenant, id).await
    }

    async fn list(&self, filter: &ListFilter) -> Result<Vec<Export>> {
        self.list_exports(filter).await
    }

    async fn change(
        &self,
        tenant: &TenantId,
        id: ExportId,
        change: Change,
    ) -> Result<Option<Export>> {
        self.change_export(tenant, id, change).await
    }

    async fn remove(
        &self,
        tenant: &TenantId,
        id: ExportId,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        self.remove_export(tenant, id, now).await
    }

    async fn artifact(
        &self,
        tenant: &TenantId,
        id: ArtifactId,
    ) -> Result<Option<(Export, Artifact)>> {
        self.find_artifact(tenant, id).await
    }

    async fn lease(&self, ask: &LeaseAsk) -> Result<Vec<Export>> {
        self.take_leases(ask).await
    }

    async fn heartbeat(
        &self,
        key: &LeaseKey,
        until: DateTime<Utc>,
        progress: &Progress,
        now: DateTime<Utc>,
    ) -> Result<Beat> {
        self.renew_lease(key, until, progress, now).await
    }

    async fn finish(
        &self,
        key: &LeaseKey,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        self.end_attempt(key, outcome, now).await
    }

    async fn rescue(&self, now: DateTime<Utc>, dead: &[Incarnation]) -> Result<u64> {
        self.rescue_exports(now, dead).await
    }

    async fn expire(&self, now: DateTime<Utc>, most: u32) -> Result<Vec<Export>> {
        self.expire_exports(now, most).await
    }

    async fn purge(&self, now: DateTime<Utc>, most: u32) -> Result<Vec<Export>> {
        self.purge_exports(now, most).await
    }

    async fn is_needed(&self, object: &ObjectKey) -> Result<bool> {
        self.is_object_needed(object).await
    }

    async fn events(
        &self,
        tenant: &TenantId,
        after: u64,
        export: Option<ExportId>,
        most: u32,
    ) -> Result<Vec<Event>> {
        self.events_after(tenant, after, export, most).await
    }

    async fn counts(&self) -> Result<Vec<StateCount>> {
        self.count_states().await
    }

    async fn stored_bytes(&self, tenant: &TenantId, dialect: &str) -> Result<u64> {
        self.sum_stored_bytes(tenant, dialect).await
    }

    async fn oldest_queued(&self) -> Result<Option<DateTime<Utc>>> {
        self.oldest_queued_export().await
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
