//! Commits whose answer is lost: what the caller is told is what happened. And what else only
//! the inside can show: what a failure means, how a statement finds its rows.

use chrono::TimeDelta;
use outhaul_exports::export::{Export, Failure, Outcome};
use outhaul_exports::lease::{Incarnation, LeaseKey};
use outhaul_exports::ports::{Change, Inserted, JobStore, LeaseAsk, NewExport};
use outhaul_exports::{ErrorKind, testing};

use super::SqliteStore;
use super::write::Fault::{self, LoseAnswer, LoseCommit};

async fn store() -> (SqliteStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open_exclusive(&folder.path().join("store.db")).await;
    (store.expect("a new store"), folder)
}

impl SqliteStore {
    fn plant(&self, fault: Fault) {
        *self.fault.lock().expect("no test panics with it") = Some(fault);
    }

    async fn submit(&self) -> outhaul_exports::Result<Export> {
        let export = testing::export("acme", testing::noon());
        match self.insert(NewExport { export, idempotency: None }).await? {
            Inserted::New(export) | Inserted::Replayed(export) => Ok(export),
        }
    }

    async fn start(&self) -> outhaul_exports::Result<(Export, LeaseKey)> {
        let (holder, ttl) = (Incarnation::random(), TimeDelta::seconds(15));
        let leased = self.lease(&LeaseAsk { holder, most: 1, ttl, now: testing::noon() }).await?;
        let export = leased.into_iter().next().expect("one is due");
        let token = export.lease.clone().expect("it runs").token;
        let key = LeaseKey { export: export.id, token };
        Ok((export, key))
    }

    async fn stored(&self, export: &Export) -> Option<Export> {
        self.get(&export.tenant, export.id).await.expect("the store answers")
    }
}

#[track_caller]
fn is_unavailable<T: std::fmt::Debug>(answer: outhaul_exports::Result<T>) {
    assert_eq!(answer.expect_err("it was not stored").kind(), &ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_insert_is_looked_up() {
    let (store, _folder) = store().await;
    let mut changes = store.changes();
    store.plant(LoseAnswer);
    let export = store.submit().await.expect("it was committed");
    assert_eq!(store.stored(&export).await, Some(export.clone()));
    assert!(changes.has_changed().expect("the store is open"));
    changes.mark_unchanged();
    store.plant(LoseCommit);
    is_unavailable(store.submit().await);
    assert!(!changes.has_changed().expect("the store is open"));
    assert_eq!(store.counts().await.expect("the store answers")[0].count, 1);
}

#[tokio::test]
async fn a_lease_is_looked_up() {
    let (store, _folder) = store().await;
    let export = store.submit().await.expect("the store answers");
    store.plant(LoseCommit);
    is_unavailable(store.start().await);
    assert_eq!(store.stored(&export).await, Some(export));
    store.plant(LoseAnswer);
    let (leased, _) = store.start().await.expect("it was committed");
    assert_eq!(store.stored(&leased).await, Some(leased));
}

#[tokio::test]
async fn a_finish_is_looked_up_by_its_token() {
    let failure = || Failure::new("code", "message");
    let outcomes = [Outcome::Released, Outcome::Retry(failure()), Outcome::Failed(failure())];
    for outcome in outcomes {
        let (store, _folder) = store().await;
        store.submit().await.expect("the store answers");
        let (leased, key) = store.start().await.expect("one is due");
        store.plant(LoseCommit);
        is_unavailable(store.finish(&key, outcome.clone(), testing::noon()).await);
        assert_eq!(store.stored(&leased).await.as_ref(), Some(&leased));
        store.plant(LoseAnswer);
        let ended = store.finish(&key, outcome.clone(), testing::noon()).await;
        let ended = ended.expect("it was committed");
        assert!(ended.is_some());
        assert_eq!(store.stored(&leased).await, ended);
        // A lost lease stays lost, answered or not.
        store.plant(LoseAnswer);
        let late = store.finish(&key, outcome, testing::noon()).await;
        assert_eq!(late.expect("nothing was to be stored"), None);
        assert_eq!(store.stored(&leased).await, ended);
    }
}

#[tokio::test]
async fn a_change_and_a_removal_are_looked_up() {
    let (store, _folder) = store().await;
    let export = store.submit().await.expect("the store answers");
    let (tenant, id, now) = (&export.tenant, export.id, testing::noon());
    let cancel = || -> Change { Box::new(move |export| export.cancel(now)) };
    store.plant(LoseCommit);
    is_unavailable(store.change(tenant, id, cancel()).await);
    assert_eq!(store.stored(&export).await.as_ref(), Some(&export));
    store.plant(LoseAnswer);
    let changed = store.change(tenant, id, cancel()).await.expect("it was committed");
    assert_eq!(store.stored(&export).await, changed);

    store.plant(LoseCommit);
    is_unavailable(store.remove(tenant, id, now).await);
    assert_eq!(store.stored(&export).await, changed);
    store.plant(LoseAnswer);
    assert_eq!(store.remove(tenant, id, now).await.expect("it was committed"), changed);
    assert_eq!(store.stored(&export).await, None);
}

#[tokio::test]
async fn a_locked_store_is_unavailable_and_heals() {
    let (store, folder) = store().await;
    let path = folder.path().join("store.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut other = sqlx::ConnectOptions::connect(&options).await.expect("the file is there");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("nobody writes");
    is_unavailable(store.submit().await);
    assert!(store.counts().await.expect("reading goes on").is_empty());
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("it was begun");
    store.submit().await.expect("nobody else writes");
}

#[tokio::test]
async fn what_may_pass_is_unavailable_and_the_rest_is_ours() {
    let (store, _folder) = store().await;
    let cases = [
        ("DELETE FROM exports", "read-only"),
        ("SELECT nonsense FROM exports", "internal"),
        ("SELECT abs(-9223372036854775808)", "internal"),
    ];
    for (statement, word) in cases {
        let error = sqlx::query(statement).execute(&store.readers).await;
        let error = super::unavailable(error.expect_err("readers may not, or nobody can"));
        assert!(error.public().contains(word), "{statement}: {error}");
        // The cause is for the log, not for the customer.
        assert!(!error.public().contains("nonsense") && error.chain().contains(": "), "{error:?}");
    }
    store.close().await;
    assert!(store.counts().await.expect_err("it is closed").is_transient());
}

/// A statement that walks over all exports would become slower with every export there is.
#[tokio::test]
async fn the_pick_walks_over_indexes_alone() {
    let (store, _folder) = store().await;
    let explain = format!("EXPLAIN QUERY PLAN {}", super::leases::PICK);
    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(explain))
        .bind(0)
        .fetch_all(&store.readers)
        .await
        .expect("it is a statement");
    let steps: Vec<_> = plan.into_iter().map(|(.., step)| step).collect();
    let queue = steps.iter().filter(|step| step.contains("INDEX exports_queue")).count();
    let running = steps.iter().filter(|step| step.contains("INDEX exports_running")).count();
    assert_eq!((queue, running), (4, 1), "{steps:#?}");
    // The one scan stops at its first row.
    let walks = steps.iter().filter(|step| step.starts_with("SCAN exports")).count();
    assert_eq!(walks, 1, "{steps:#?}");
}
