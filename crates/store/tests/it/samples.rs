//! What the tests begin with: stores, exports, moments, outcomes.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use outhaul_exports::export::{Export, Failure, Outcome, Progress};
use outhaul_exports::lease::{Incarnation, LeaseKey};
use outhaul_exports::manifest::{Artifact, Manifest, SnapshotNote};
use outhaul_exports::ports::{
    AccessStore, Idempotency, Inserted, JobStore, LeaseAsk, ListFilter, NewExport, ObjectKey,
    Outbox, SessionStore,
};
use outhaul_exports::principal::TenantId;
use outhaul_exports::testing::{self, MemoryStore};
use outhaul_exports::{ArtifactId, Result};
use outhaul_store::Store;

/// A store under test, with the folder it is in.
#[derive(Clone)]
pub struct Stores {
    pub jobs: Arc<dyn JobStore>,
    pub access: Arc<dyn AccessStore>,
    pub outbox: Arc<dyn Outbox>,
    pub sessions: Arc<dyn SessionStore>,
    _folder: Option<Arc<tempfile::TempDir>>,
}

impl Stores {
    pub fn memory() -> Self {
        let store = Arc::new(MemoryStore::new());
        Self {
            jobs: store.clone(),
            access: store.clone(),
            outbox: store.clone(),
            sessions: store,
            _folder: None,
        }
    }

    pub async fn sqlite() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let store = open(folder.path()).await;
        Self { _folder: Some(folder), ..Self::over(&store) }
    }

    pub fn over(store: &Store) -> Self {
        Self {
            jobs: store.jobs(),
            access: store.access(),
            outbox: store.outbox(),
            sessions: store.sessions(),
            _folder: None,
        }
    }
}

/// Opens the store of a folder as a server does.
pub async fn open(folder: &std::path::Path) -> Store {
    let address = format!("sqlite:{}", folder.join("store.db").display());
    outhaul_store::open_exclusive(&address).await.expect("a sound store")
}

/// So many seconds after noon.
pub fn at(seconds: i64) -> DateTime<Utc> {
    testing::noon() + TimeDelta::seconds(seconds)
}

pub fn tenant(id: &str) -> TenantId {
    TenantId::from(id)
}

/// A queued export without limits.
pub fn free(tenant: &str, seconds: i64) -> Export {
    let mut export = testing::export(tenant, at(seconds));
    export.policy.active_max = None;
    export
}

/// A queued export of a dialect and its limits.
pub fn limited(tenant: &str, dialect: &str, active: u32, running: Option<u32>) -> Export {
    let mut export = testing::export(tenant, at(0));
    export.dialect = dialect.to_owned();
    export.policy.active_max = Some(active);
    export.policy.running_max = running;
    export
}

pub fn new(export: Export) -> NewExport {
    NewExport { export, idempotency: None }
}

pub fn with_key(export: Export, key: &str, fingerprint: &str) -> NewExport {
    let idempotency = Idempotency {
        scope: "POST /exports".to_owned(),
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
        expires_at: export.created_at + TimeDelta::hours(24),
    };
    NewExport { export, idempotency: Some(idempotency) }
}

/// Inserts an export that must be accepted.
pub async fn put(stores: &Stores, export: Export) -> Result<Export> {
    match stores.jobs.insert(new(export)).await? {
        Inserted::New(export) | Inserted::Replayed(export) => Ok(export),
    }
}

pub fn ask(holder: &Incarnation, most: u32, seconds: i64) -> LeaseAsk {
    let ttl = TimeDelta::seconds(15);
    LeaseAsk { holder: holder.clone(), most, ttl, now: at(seconds) }
}

/// Leases one export, which must be there.
pub async fn lease_one(stores: &Stores, seconds: i64) -> (Export, LeaseKey) {
    let mut leased = lease(stores, 1, seconds).await;
    leased.pop().expect("an export is due")
}

pub async fn lease(stores: &Stores, most: u32, seconds: i64) -> Vec<(Export, LeaseKey)> {
    let leased = stores.jobs.lease(&ask(&Incarnation::random(), most, seconds)).await;
    let with_key = |export: Export| {
        let key = key_of(&export);
        (export, key)
    };
    leased.expect("the store answers").into_iter().map(with_key).collect()
}

pub fn key_of(export: &Export) -> LeaseKey {
    let lease = export.lease.as_ref().expect("it runs");
    LeaseKey { export: export.id, token: lease.token.clone() }
}

pub fn object(export: &Export, key: &LeaseKey) -> ObjectKey {
    ObjectKey { tenant: export.tenant.clone(), lease: key.clone(), file: "0".to_owned() }
}

/// A completed attempt with one file.
pub fn completed(export: &Export, key: &LeaseKey) -> Outcome {
    let artifact = Artifact {
        id: ArtifactId::random(),
        query: 0,
        part: None,
        key: object(export, key).path(),
        file_name: "Invoice.csv".to_owned(),
        media_type: "text/csv".to_owned(),
        text: true,
        rows: 3,
        bytes: 30,
        sha256: "00".repeat(32),
        block_crc32: vec![7],
        columns: Vec::new(),
    };
    let snapshot =
        SnapshotNote { taken_at: at(0), guarantee: "one moment".to_owned(), sources: Vec::new() };
    let manifest = Manifest { snapshot, artifacts: vec![artifact], marks: Vec::new() };
    let progress = Progress { rows_read: 3, rows_encoded: 3, ..Progress::default() };
    Outcome::Completed { manifest, warnings: Vec::new(), progress }
}

pub fn failed() -> Outcome {
    Outcome::Failed(Failure::new("source_error", "the source answered something else"))
}

pub fn retry() -> Outcome {
    Outcome::Retry(Failure::new("source_away", "the source is away"))
}

pub fn all_of(tenant: &str) -> ListFilter {
    ListFilter {
        tenant: TenantId::from(tenant),
        dialect: None,
        states: Vec::new(),
        session: None,
        label: None,
        before: None,
        kept_at: None,
        most: 1_000,
    }
}

/// Everything that the store answers about a tenant, to see that nothing changed.
pub async fn picture(stores: &Stores, tenant: &str) -> String {
    let exports = stores.jobs.list(&all_of(tenant)).await.expect("the store answers");
    let events = stores.jobs.events(&TenantId::from(tenant), 0, None, 10_000).await;
    format!("{exports:#?}\n{:#?}", events.expect("the store answers"))
}

/// The kinds of all events of a tenant, in order.
pub async fn kinds(stores: &Stores, tenant: &str) -> Vec<String> {
    let events = stores.jobs.events(&TenantId::from(tenant), 0, None, 10_000).await;
    events.expect("the store answers").into_iter().map(|event| event.kind).collect()
}
