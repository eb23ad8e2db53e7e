//! A job store between a worker and the one that all share, which can be cut off: what a worker
//! sees that was stopped, or whose network broke.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

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
use outhaul_exports::testing::MemoryStore;
use outhaul_exports::{ArtifactId, Error, ExportId, Result};
use tokio::sync::watch;

pub struct CutStore {
    inner: Arc<MemoryStore>,
    /// Whether calls wait, and which.
    pub cut: watch::Sender<Cut>,
    /// Attempts whose end has had to wait.
    pub held_up: watch::Sender<HashSet<LeaseKey>>,
    /// How often the end of an attempt was told and came through.
    pub told: AtomicU32,
    /// How often it was refused.
    pub refused: AtomicU32,
    /// How often the end of an attempt is stored and its answer lost.
    pub lose_answers: AtomicU32,
    /// Whether leases are given.
    pub leases: AtomicBool,
    /// An export whose row cannot be understood.
    pub unreadable: Mutex<Option<ExportId>>,
    quiet: watch::Sender<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Nothing,
    /// The ends of attempts, and renewals from then on, as of a process that was stopped there.
    Ends,
    Everything,
}

impl CutStore {
    pub fn over(inner: Arc<MemoryStore>) -> Self {
        Self {
            inner,
            cut: watch::Sender::new(Cut::Nothing),
            held_up: watch::Sender::default(),
            told: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            lose_answers: AtomicU32::new(0),
            leases: AtomicBool::new(true),
            unreadable: Mutex::default(),
            quiet: watch::Sender::new(0),
        }
    }

    async fn pass(&self, end_of: Option<&LeaseKey>) {
        let open = |cut: &Cut| match cut {
            Cut::Nothing => true,
            Cut::Ends => end_of.is_none(),
            Cut::Everything => false,
        };
        let mut cut = self.cut.subscribe();
        if open(&cut.borrow()) {
            return;
        }
        self.held_up.send_modify(|all| all.extend(end_of.cloned()));
        let _ = cut.wait_for(open).await;
    }
}

#[async_trait]
impl JobStore for CutStore {
    async fn insert(&self, new: NewExport) -> Result<Inserted> {
        self.inner.insert(new).await
    }
    async fn replay(
        &self,
        tenant: &TenantId,
        key: &Idempotency,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        self.inner.replay(tenant, key, now).await
    }
    async fn get(&self, tenant: &TenantId, id: ExportId) -> Result<Option<Export>> {
        self.pass(None).await;
        self.inner.get(tenant, id).await
    }
    async fn list(&self, filter: &ListFilter) -> Result<Vec<Export>> {
        self.inner.list(filter).await
    }
    async fn change(
        &self,
        tenant: &TenantId,
        id: ExportId,
        change: Change,
    ) -> Result<Option<Export>> {
        self.inner.change(tenant, id, change).await
    }
    async fn remove(
        &self,
        tenant: &TenantId,
        id: ExportId,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        self.inner.remove(tenant, id, now).await
    }
    async fn artifact(
        &self,
        tenant: &TenantId,
        id: ArtifactId,
    ) -> Result<Option<(Export, Artifact)>> {
        self.inner.artifact(tenant, id).await
    }
    async fn lease(&self, ask: &LeaseAsk) -> Result<Vec<Export>> {
        self.pass(None).await;
        if !self.leases.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        self.inner.lease(ask).await
    }
    async fn heartbeat(
        &self,
        key: &LeaseKey,
        until: DateTime<Utc>,
        progress: &Progress,
        now: DateTime<Utc>,
    ) -> Result<Beat> {
        self.pass(None).await;
        self.inner.heartbeat(key, until, progress, now).await
    }
    async fn finish(
        &self,
        key: &LeaseKey,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        self.pass(Some(key)).await;
        let done = self.inner.finish(key, outcome, now).await?;
        let count = if done.is_some() { &self.told } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        let lose = |n: u32| n.checked_sub(1);
        if self.lose_answers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lose).is_ok() {
            return Err(Error::unavailable("the connection broke"));
        }
        Ok(done)
    }
    async fn rescue(&self, now: DateTime<Utc>, dead: &[Incarnation]) -> Result<u64> {
        self.inner.rescue(now, dead).await
    }
    async fn expire(&self, now: DateTime<Utc>, most: u32) -> Result<Vec<Export>> {
        self.inner.expire(now, most).await
    }
    async fn purge(&self, now: DateTime<Utc>, most: u32) -> Result<Vec<Export>> {
        self.inner.purge(now, most).await
    }
    async fn is_needed(&self, object: &ObjectKey) -> Result<bool> {
        if *self.unreadable.lock().expect("nobody panicked") == Some(object.lease.export) {
            return Err(Error::internal("a stored export cannot be read"));
        }
        self.inner.is_needed(object).await
    }
    async fn events(
        &self,
        tenant: &TenantId,
        after: u64,
        export: Option<ExportId>,
        most: u32,
    ) -> Result<Vec<Event>> {
        self.inner.events(tenant, after, export, most).await
    }
    async fn counts(&self) -> Result<Vec<StateCount>> {
        self.inner.counts().await
    }
    async fn stored_bytes(&self, tenant: &TenantId, dialect: &str) -> Result<u64> {
        self.inner.stored_bytes(tenant, dialect).await
    }
    async fn oldest_queued(&self) -> Result<Option<DateTime<Utc>>> {
        self.inner.oldest_queued().await
    }
    fn changes(&self) -> watch::Receiver<u64> {
        match *self.cut.borrow() {
            Cut::Everything => self.quiet.subscribe(),
            _ => self.inner.changes(),
        }
    }
}
