//! The use cases over fakes, with a clock that a test moves: what a dialect's tests stand on.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use super::{FakeArtifacts, FakeFormats, FakePlanner, FakeScripts, MemoryStore, TestClock};
use crate::access::{Credential, CredentialKind, SecretHash, sha256_hex};
use crate::catalog::Catalog;
use crate::export::{Export, Failure, Outcome, Progress};
use crate::lease::{Incarnation, LeaseKey};
use crate::manifest::{Artifact, Manifest, SnapshotNote, Warning};
use crate::policy::Policy;
use crate::ports::{AccessStore, JobStore, LeaseAsk, ObjectKey};
use crate::principal::{Role, Tenant};
use crate::service::{Parts, Policies, Tenants};
use crate::session::Mark;
use crate::{ArtifactId, Clock, Exports};

/// A server without wires.
pub struct World {
    /// The time.
    pub clock: TestClock,
    /// What is remembered.
    pub store: Arc<MemoryStore>,
    /// The bytes.
    pub artifacts: Arc<FakeArtifacts>,
    /// Who was asked what.
    pub planner: Arc<FakePlanner>,
    /// The use cases.
    pub exports: Arc<Exports>,
}

impl World {
    /// A world with the sample catalog, these tenants, and one dialect under this policy.
    pub fn new(dialect: &str, policy: Policy, tenants: Vec<Tenant>) -> Self {
        Self::of(dialect, policy, tenants, super::catalog())
    }

    /// A world with another catalog.
    pub fn of(dialect: &str, policy: Policy, tenants: Vec<Tenant>, catalog: Catalog) -> Self {
        let clock = TestClock::default();
        let store = Arc::new(MemoryStore::new());
        let artifacts = Arc::new(FakeArtifacts::default());
        let planner = Arc::new(FakePlanner::default());
        let policies = Policies {
            dialects: HashMap::from([(dialect.to_owned(), policy)]),
            tenants: HashMap::new(),
        };
        let exports = Arc::new(Exports::new(Parts {
            jobs: store.clone(),
            access: store.clone(),
            outbox: store.clone(),
            sessions: store.clone(),
            can_mail: true,
            callbacks: Some(Arc::default()),
            scripts: Some(Arc::new(FakeScripts)),
            artifacts: artifacts.clone(),
            planner: planner.clone(),
            formats: Arc::new(FakeFormats),
            catalog: Arc::new(catalog),
            tenants: Arc::new(Tenants::new(tenants)),
            policies: Arc::new(policies),
            clock: Arc::new(clock.clone()),
        }));
        Self { clock, store, artifacts, planner, exports }
    }

    /// Adds a credential: for an API key `public` is not looked at.
    pub async fn add_credential(
        &self,
        audience: &str,
        tenant: &str,
        role: Role,
        kind: CredentialKind,
        public: &str,
        secret: &str,
    ) {
        let by_secret = kind == CredentialKind::ApiKey;
        let credential = Credential {
            public: if by_secret { sha256_hex(secret) } else { public.to_owned() },
            kind,
            audience: audience.to_owned(),
            tenant: tenant.into(),
            label: format!("{tenant} {role:?}"),
            role,
            secret: match kind {
                CredentialKind::Password => SecretHash::of_password(secret),
                _ => SecretHash::of(secret),
            },
            created_at: self.clock.now(),
            expires_at: None,
            revoked_at: None,
        };
        self.store.add_credential(&credential).await.expect("the public half is free");
    }

    /// Leases the next export that is due.
    pub async fn start_next(&self) -> Option<Export> {
        let ask = LeaseAsk {
            holder: Incarnation("worker".into()),
            most: 1,
            ttl: TimeDelta::seconds(15),
            now: self.clock.now(),
        };
        self.store.lease(&ask).await.expect("memory is never away").pop()
    }

    /// Tells the store how far a running export is.
    pub async fn report(&self, export: &Export, progress: Progress) {
        let now = self.clock.now();
        let until = now + TimeDelta::seconds(15);
        self.store
            .heartbeat(&lease_key(export), until, &progress, now)
            .await
            .expect("memory is never away");
    }

    /// Ends a running export without files.
    pub async fn fail(&self, export: &Export, code: &str, message: &str) -> Export {
        self.finish(export, Outcome::Failed(Failure::new(code, message))).await
    }

    /// Ends a running export.
    pub async fn finish(&self, export: &Export, outcome: Outcome) -> Export {
        self.store
            .finish(&lease_key(export), outcome, self.clock.now())
            .await
            .expect("memory is never away")
            .expect("the lease is held")
    }

    /// Ends a running export with these files: a name, a media type and the bytes of each, in the
    /// order of the queries. A name that ends in a packing's extension is not text.
    pub async fn complete(&self, export: &Export, files: &[(&str, &str, &[u8])]) -> Export {
        let lease = lease_key(export);
        let mut artifacts = Vec::new();
        for (query, (name, media_type, bytes)) in (0..).zip(files) {
            let key = ObjectKey {
                tenant: export.tenant.clone(),
                lease: lease.clone(),
                file: format!("{query}-{name}"),
            };
            self.artifacts.put(&key.path(), bytes.to_vec());
            artifacts.push(Artifact {
                id: ArtifactId::random(),
                query,
                part: None,
                key: key.path(),
                file_name: (*name).to_owned(),
                media_type: (*media_type).to_owned(),
                text: media_type.starts_with("text/"),
                rows: bytes.iter().filter(|b| **b == b'\n').count().saturating_sub(1) as u64,
                bytes: bytes.len() as u64,
                sha256: hex::encode(Sha256::digest(bytes)),
                block_crc32: Vec::new(),
                columns: Vec::new(),
            });
        }
        let rows = artifacts.iter().map(|artifact| artifact.rows).sum();
        let progress = Progress {
            rows_read: rows,
            rows_encoded: rows,
            bytes_written: artifacts.iter().map(|artifact| artifact.bytes).sum(),
            rows_estimated: Some(rows),
            queries_done: u32::try_from(artifacts.len()).unwrap_or(u32::MAX),
            part: None,
            files_done: 0,
        };
        let snapshot = SnapshotNote {
            taken_at: self.clock.now(),
            guarantee: "a test's own rows".into(),
            sources: Vec::new(),
        };
        let warnings = vec![Warning {
            code: "text_truncated".into(),
            message: "texts were cut".into(),
            count: 2,
        }];
        let mark = |_| Mark::new("main", self.clock.now(), serde_json::Value::Null);
        let known = export.spec.session.iter().flat_map(|session| &session.queries);
        let marks = known.map(|query| query.as_ref().map(mark)).collect();
        let manifest = Manifest { snapshot, artifacts, marks };
        self.finish(export, Outcome::Completed { manifest, warnings, progress }).await
    }
}

fn lease_key(export: &Export) -> LeaseKey {
    let lease = export.lease.as_ref().expect("the export runs");
    LeaseKey { export: export.id, token: lease.token.clone() }
}
