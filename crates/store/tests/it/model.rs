//! Random histories, told to the store in memory and to the one in a file: both must answer every
//! question alike.

use chrono::TimeDelta;
use outhaul_exports::access::Link;
use outhaul_exports::export::{Export, Failure, Outcome, Progress, State};
use outhaul_exports::lease::{Incarnation, LeaseKey, LeaseToken};
use outhaul_exports::manifest::{Artifact, Manifest, SnapshotNote};
use outhaul_exports::ports::{Change, Idempotency, Inserted, ListFilter, NewExport, ObjectKey};
use outhaul_exports::{ArtifactId, ErrorKind, Result};
use proptest::prelude::*;

use crate::samples::*;

/// Something that happens. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    Insert {
        tenant: usize,
        dialect: usize,
        active: Option<u32>,
        running: Option<u32>,
        delay: Option<i64>,
        key: Option<(u8, u8)>,
    },
    Lease {
        holder: usize,
        most: u32,
    },
    Beat {
        lease: usize,
        rows: u64,
    },
    Finish {
        lease: usize,
        outcome: usize,
    },
    Cancel(usize),
    Retry(usize),
    Remove(usize),
    Rescue(Option<usize>),
    Expire(u32),
    Purge(u32),
    AddLink {
        tenant: usize,
        file: usize,
        life: i64,
        most: u32,
    },
    RenewLink(usize, i64),
    RevokeLink(usize),
    PurgeAccess,
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let limit = || proptest::option::of(1..4u32);
    let key = proptest::option::of((0..3u8, 0..2u8));
    let delay = proptest::option::weighted(0.2, 1..30i64);
    let insert = (0..3usize, 0..2usize, limit(), limit(), delay, key).prop_map(
        |(tenant, dialect, active, running, delay, key)| Step::Insert {
            tenant,
            dialect,
            active,
            running,
            delay,
            key,
        },
    );
    let any = any::<usize>;
    prop_oneof![
        6 => insert,
        5 => (0..2usize, 0..4u32).prop_map(|(holder, most)| Step::Lease { holder, most }),
        2 => (any(), 0..99u64).prop_map(|(lease, rows)| Step::Beat { lease, rows }),
        5 => (any(), 0..6usize).prop_map(|(lease, outcome)| Step::Finish { lease, outcome }),
        2 => any().prop_map(Step::Cancel),
        2 => any().prop_map(Step::Retry),
        1 => any().prop_map(Step::Remove),
        1 => proptest::option::of(0..2usize).prop_map(Step::Rescue),
        1 => (0..3u32).prop_map(Step::Expire),
        1 => (0..3u32).prop_map(Step::Purge),
        2 => (0..3usize, 0..2usize, 1..60i64, 1..4u32)
            .prop_map(|(tenant, file, life, most)| Step::AddLink { tenant, file, life, most }),
        1 => (any(), 1..60i64).prop_map(|(link, life)| Step::RenewLink(link, life)),
        1 => any().prop_map(Step::RevokeLink),
        1 => Just(Step::PurgeAccess),
        3 => prop_oneof![Just(1), Just(7), Just(20), Just(60), Just(200)].prop_map(Step::Pass),
    ]
}

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];
const DIALECTS: [&str; 2] = ["narrow", "alone"];

/// Both stores, and what is known about them.
struct World {
    memory: Stores,
    sqlite: Stores,
    now: i64,
    holders: [Incarnation; 2],
    exports: Vec<Export>,
    /// Every lease there ever was: its export, and its key in each store.
    leases: Vec<(Export, LeaseKey, LeaseKey)>,
    files: Vec<(ArtifactId, ObjectKey)>,
    links: Vec<Link>,
    artifacts: [ArtifactId; 2],
}

impl World {
    async fn new() -> Self {
        Self {
            memory: Stores::memory(),
            sqlite: Stores::sqlite().await,
            now: 0,
            holders: [Incarnation::random(), Incarnation::random()],
            exports: Vec::new(),
            leases: Vec::new(),
            files: Vec::new(),
            links: Vec::new(),
            artifacts: [ArtifactId::random(), ArtifactId::random()],
        }
    }

    async fn take(&mut self, step: Step) {
        let (memory, sqlite) = (self.memory.clone(), self.sqlite.clone());
        let (m, s) = (&memory.jobs, &sqlite.jobs);
        let now = at(self.now);
        match step {
            Step::Insert { tenant, dialect, active, running, delay, key } => {
                let new = self.draw(tenant, dialect, (active, running), delay, key);
                self.exports.push(new.export.clone());
                alike(plain(m.insert(new.clone()).await), plain(s.insert(new).await));
            }
            Step::Lease { holder, most } => self.lease(holder, most).await,
            Step::Beat { lease, rows } => {
                let Some((_, a, b)) = self.choose_lease(lease) else { return };
                let progress = Progress { rows_read: rows, ..Progress::default() };
                let until = now + TimeDelta::seconds(15);
                alike(
                    m.heartbeat(&a, until, &progress, now).await,
                    s.heartbeat(&b, until, &progress, now).await,
                );
            }
            Step::Finish { lease, outcome } => {
                let Some((export, a, b)) = self.choose_lease(lease) else { return };
                let outcome = self.outcome(outcome, &export);
                let ended = m.finish(&a, outcome.clone(), now).await;
                alike(plain(ended), plain(s.finish(&b, outcome, now).await));
            }
            Step::Cancel(which) => {
                self.change(which, move || Box::new(move |export| export.cancel(now))).await;
            }
            Step::Retry(which) => {
                self.change(which, move || Box::new(move |export| export.retry(now))).await;
            }
            Step::Remove(which) => {
                let Some(export) = choose(&self.exports, which) else { return };
                let (tenant, id) = (&export.tenant, export.id);
                alike(
                    plain(m.remove(tenant, id, now).await),
                    plain(s.remove(tenant, id, now).await),
                );
            }
            Step::Rescue(dead) => {
                let dead = dead.map(|one| std::slice::from_ref(&self.holders[one]));
                let dead = dead.unwrap_or_default();
                alike(m.rescue(now, dead).await, s.rescue(now, dead).await);
            }
            Step::Expire(most) => {
                alike(plain(m.expire(now, most).await), plain(s.expire(now, most).await));
            }
            Step::Purge(most) => {
                alike(plain(m.purge(now, most).await), plain(s.purge(now, most).await));
            }
            Step::Pass(seconds) => self.now += seconds,
            other => self.take_link(other).await,
        }
    }

    async fn take_link(&mut self, step: Step) {
        let (memory, sqlite) = (self.memory.clone(), self.sqlite.clone());
        let (m, s) = (&memory.access, &sqlite.access);
        let now = at(self.now);
        match step {
            Step::AddLink { tenant, file, life, most } => {
                let link = Link {
                    hash: format!("h{}", self.links.len()),
                    tenant: TENANTS[tenant].into(),
                    artifact: self.artifacts[file],
                    created_at: now,
                    expires_at: now + TimeDelta::seconds(life),
                    revoked_at: None,
                };
                alike(m.add_link(&link, most).await, s.add_link(&link, most).await);
                self.links.push(link);
            }
            Step::RenewLink(which, life) => {
                let Some(link) = choose(&self.links, which) else { return };
                let until = now + TimeDelta::seconds(life);
                alike(
                    m.renew_link(&link.tenant, &link.hash, until, now).await,
                    s.renew_link(&link.tenant, &link.hash, until, now).await,
                );
            }
            Step::RevokeLink(which) => {
                let Some(link) = choose(&self.links, which) else { return };
                alike(
                    m.revoke_link(&link.tenant, &link.hash, now).await,
                    s.revoke_link(&link.tenant, &link.hash, now).await,
                );
            }
            Step::PurgeAccess => alike(m.purge_access(now).await, s.purge_access(now).await),
            _ => unreachable!("the other steps are about exports"),
        }
    }

    fn draw(
        &self,
        tenant: usize,
        dialect: usize,
        (active, running): (Option<u32>, Option<u32>),
        delay: Option<i64>,
        key: Option<(u8, u8)>,
    ) -> NewExport {
        let mut export = free(TENANTS[tenant], self.now);
        export.dialect = DIALECTS[dialect].to_owned();
        export.policy.active_max = active;
        export.policy.running_max = running;
        export.policy.file_kept_secs = 100;
        export.record_expires_at = at(self.now + 300);
        export.not_before = delay.map(|seconds| at(self.now + seconds));
        let idempotency = key.map(|(key, fingerprint)| Idempotency {
            scope: "POST /exports".to_owned(),
            key: key.to_string(),
            fingerprint: fingerprint.to_string(),
            expires_at: at(self.now + 150),
        });
        NewExport { export, idempotency }
    }

    async fn lease(&mut self, holder: usize, most: u32) {
        let ask = ask(&self.holders[holder], most, self.now);
        let a = self.memory.jobs.lease(&ask).await.expect("the store answers");
        let b = self.sqlite.jobs.lease(&ask).await.expect("the store answers");
        for (a, b) in a.iter().zip(&b) {
            self.leases.push((a.clone(), key_of(a), key_of(b)));
        }
        alike(plain(Ok(a)), plain(Ok(b)));
    }

    async fn change(&self, which: usize, change: impl Fn() -> Change) {
        let Some(export) = choose(&self.exports, which) else { return };
        let (tenant, id) = (&export.tenant, export.id);
        let a = self.memory.jobs.change(tenant, id, change()).await;
        alike(plain(a), plain(self.sqlite.jobs.change(tenant, id, change()).await));
    }

    fn choose_lease(&self, which: usize) -> Option<(Export, LeaseKey, LeaseKey)> {
        // Late leases are likelier to be held still.
        let late = self.leases.len().saturating_sub(4);
        choose(&self.leases[late..], which).cloned()
    }

    fn outcome(&mut self, which: usize, export: &Export) -> Outcome {
        let failure = || Failure::new("code", "message");
        match which {
            0 => Outcome::Failed(failure()),
            1 => Outcome::Retry(failure()),
            2 => Outcome::Crashed(failure()),
            3 => Outcome::Cancelled,
            4 => Outcome::Released,
            _ => self.completed(export),
        }
    }

    /// Completed, with the same manifest for both stores; their tokens differ.
    fn completed(&mut self, export: &Export) -> Outcome {
        let lease = LeaseKey { export: export.id, token: LeaseToken("token".to_owned()) };
        let file = self.files.len().to_string();
        let object = ObjectKey { tenant: export.tenant.clone(), lease, file };
        let artifact = Artifact {
            id: ArtifactId::random(),
            query: 0,
            part: None,
            key: object.path(),
            file_name: "Invoice.csv".to_owned(),
            media_type: "text/csv".to_owned(),
            text: true,
            rows: 3,
            bytes: 30,
            sha256: "00".repeat(32),
            block_crc32: vec![7],
            columns: Vec::new(),
        };
        self.files.push((artifact.id, object));
        let snapshot = SnapshotNote {
            taken_at: at(0),
            guarantee: "one moment".to_owned(),
            sources: Vec::new(),
        };
        let manifest = Manifest { snapshot, artifacts: vec![artifact], marks: Vec::new() };
        Outcome::Completed { manifest, warnings: Vec::new(), progress: Progress::default() }
    }

    /// Asks both everything.
    async fn compare(&self) {
        let (m, s) = (&self.memory.jobs, &self.sqlite.jobs);
        alike(m.counts().await, s.counts().await);
        alike(m.oldest_queued().await, s.oldest_queued().await);
        for name in TENANTS {
            for dialect in ["native", "narrow", "alone"] {
                let owner = tenant(name);
                alike(m.stored_bytes(&owner, dialect).await, s.stored_bytes(&owner, dialect).await);
            }
            let filters = [
                ListFilter { most: 3, ..all_of(name) },
                ListFilter { states: vec![State::Queued, State::Expired], ..all_of(name) },
                ListFilter { dialect: Some("narrow".to_owned()), ..all_of(name) },
                ListFilter { before: self.exports.first().map(|e| e.id), ..all_of(name) },
                ListFilter { kept_at: Some(at(self.now)), ..all_of(name) },
            ];
            for filter in filters {
                alike(plain(m.list(&filter).await), plain(s.list(&filter).await));
            }
            let tenant = tenant(name);
            alike(m.events(&tenant, 3, None, 9_999).await, s.events(&tenant, 3, None, 9_999).await);
        }
    }

    /// Asks both what would be too much after each step.
    async fn compare_at_the_end(&self) {
        let (m, s) = (&self.memory.jobs, &self.sqlite.jobs);
        for export in &self.exports {
            let (tenant, id) = (&export.tenant, export.id);
            alike(plain(m.get(tenant, id).await), plain(s.get(tenant, id).await));
            let of_one = m.events(tenant, 0, Some(id), 99).await;
            alike(of_one, s.events(tenant, 0, Some(id), 99).await);
        }
        for (file, object) in &self.files {
            for name in TENANTS {
                let tenant = tenant(name);
                let found = m.artifact(&tenant, *file).await.map(|found| found.map(|f| f.1));
                alike(found, s.artifact(&tenant, *file).await.map(|found| found.map(|f| f.1)));
            }
            alike(m.is_needed(object).await, s.is_needed(object).await);
        }
        for (export, a, b) in &self.leases {
            let (a, b) = (object(export, a), object(export, b));
            alike(m.is_needed(&a).await, s.is_needed(&b).await);
        }
        let (m, s) = (&self.memory.access, &self.sqlite.access);
        for link in &self.links {
            alike(m.link(&link.hash).await, s.link(&link.hash).await);
            let (tenant, now) = (&link.tenant, at(self.now));
            let live = m.links(tenant, link.artifact, now).await;
            alike(live, s.links(tenant, link.artifact, now).await);
        }
    }
}

fn choose<T>(among: &[T], which: usize) -> Option<&T> {
    (!among.is_empty()).then(|| &among[which % among.len()])
}

/// Fails unless both answers are the same, or errors of the same kind.
#[track_caller]
fn alike<T: PartialEq + std::fmt::Debug>(memory: Result<T>, sqlite: Result<T>) {
    let kind = |e: outhaul_exports::Error| -> (ErrorKind, String) {
        (e.kind().clone(), e.public().to_owned())
    };
    assert_eq!(memory.map_err(kind), sqlite.map_err(kind));
}

/// Answers without their tokens, which are random.
trait Plain {
    fn plain(self) -> Self;
}

impl Plain for Export {
    fn plain(mut self) -> Self {
        if let Some(lease) = &mut self.lease {
            lease.token = LeaseToken("token".to_owned());
        }
        self
    }
}

impl Plain for Inserted {
    fn plain(self) -> Self {
        match self {
            Self::New(export) => Self::New(export.plain()),
            Self::Replayed(export) => Self::Replayed(export.plain()),
        }
    }
}

impl Plain for Option<Export> {
    fn plain(self) -> Self {
        self.map(Plain::plain)
    }
}

impl Plain for Vec<Export> {
    fn plain(self) -> Self {
        self.into_iter().map(Plain::plain).collect()
    }
}

fn plain<T: Plain>(answer: Result<T>) -> Result<T> {
    answer.map(Plain::plain)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn both_stores_tell_the_same_story(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut world = World::new().await;
            for step in steps {
                world.take(step).await;
                world.compare().await;
            }
            world.compare_at_the_end().await;
        });
    }
}
