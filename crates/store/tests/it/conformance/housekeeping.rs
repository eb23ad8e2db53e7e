//! Published files, and what is over: expire, purge, orphans; events.

use chrono::TimeDelta;
use outhaul_exports::ArtifactId;
use outhaul_exports::export::{Export, Outcome, State};
use outhaul_exports::lease::LeaseKey;
use outhaul_exports::ports::{Inserted, ObjectKey};

use crate::samples::*;

cases! {
    a_file_is_found_once_it_is_published_and_by_its_tenant_alone,
    an_object_is_needed_while_it_is_written_and_while_it_is_offered,
    files_expire_in_time_and_records_stay,
    records_go_in_time_unless_they_are_active,
    a_file_of_a_slow_export_is_there_until_its_time,
    keys_go_in_time,
    events_are_told_in_order_to_their_tenant,
    events_of_a_deleted_export_go_with_its_record_time,
}

fn files(outcome: &Outcome) -> Vec<ArtifactId> {
    match outcome {
        Outcome::Completed { manifest, .. } => manifest.artifacts.iter().map(|a| a.id).collect(),
        _ => Vec::new(),
    }
}

/// A completed export with its lease's key and its file.
async fn complete(stores: &Stores, tenant: &str) -> anyhow::Result<(Export, LeaseKey, ArtifactId)> {
    let export = put(stores, free(tenant, 0)).await?;
    let (_, key) = lease_one(stores, 1).await;
    let outcome = completed(&export, &key);
    let file = files(&outcome)[0];
    let export = stores.jobs.finish(&key, outcome, at(2)).await?.expect("it is held");
    Ok((export, key, file))
}

async fn a_file_is_found_once_it_is_published_and_by_its_tenant_alone(
    stores: Stores,
) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let (_, key) = lease_one(&stores, 1).await;
    let outcome = completed(&export, &key);
    let file = files(&outcome)[0];
    assert!(stores.jobs.artifact(&tenant("acme"), file).await?.is_none());
    let done = stores.jobs.finish(&key, outcome, at(2)).await?.expect("it is held");
    let (found, artifact) =
        stores.jobs.artifact(&tenant("acme"), file).await?.expect("it is published");
    assert_eq!((found, artifact.id), (done.clone(), file));
    assert!(stores.jobs.artifact(&tenant("globex"), file).await?.is_none());
    assert!(stores.jobs.artifact(&tenant("acme"), ArtifactId::random()).await?.is_none());
    // Its owner still learns that it was there, when its time is over; not when it was deleted.
    stores.jobs.expire(done.files_expire_at.expect("it is completed"), 10).await?;
    let (expired, _) = stores.jobs.artifact(&tenant("acme"), file).await?.expect("it was there");
    assert_eq!(expired.state, State::Expired);
    stores.jobs.remove(&tenant("acme"), done.id, at(3)).await?;
    assert!(stores.jobs.artifact(&tenant("acme"), file).await?.is_none());
    Ok(())
}

async fn an_object_is_needed_while_it_is_written_and_while_it_is_offered(
    stores: Stores,
) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let (_, first) = lease_one(&stores, 1).await;
    let written = object(&export, &first);
    assert!(stores.jobs.is_needed(&written).await?);
    let foreign = ObjectKey { tenant: tenant("globex"), ..written.clone() };
    assert!(!stores.jobs.is_needed(&foreign).await?);
    stores.jobs.rescue(at(99), &[]).await?;
    assert!(!stores.jobs.is_needed(&written).await?);
    let (_, second) = lease_one(&stores, 99).await;
    assert!(!stores.jobs.is_needed(&written).await?);
    let offered = object(&export, &second);
    let done = stores.jobs.finish(&second, completed(&export, &second), at(100)).await?;
    assert!(stores.jobs.is_needed(&offered).await?);
    // What the attempt wrote and did not publish.
    let extra = ObjectKey { file: "1".to_owned(), ..offered.clone() };
    assert!(!stores.jobs.is_needed(&extra).await?);
    let end = done.and_then(|export| export.files_expire_at).expect("it is completed");
    stores.jobs.expire(end, 10).await?;
    assert!(!stores.jobs.is_needed(&offered).await?);
    Ok(())
}

async fn files_expire_in_time_and_records_stay(stores: Stores) -> anyhow::Result<()> {
    let (a, ..) = complete(&stores, "acme").await?;
    let (b, ..) = complete(&stores, "acme").await?;
    let (c, ..) = complete(&stores, "globex").await?;
    let end = a.files_expire_at.expect("it is completed");
    assert!(stores.jobs.expire(end - TimeDelta::milliseconds(1), 10).await?.is_empty());
    let ids = |exports: Vec<Export>| exports.into_iter().map(|e| e.id).collect::<Vec<_>>();
    assert_eq!(ids(stores.jobs.expire(end, 2).await?), [a.id, b.id]);
    assert_eq!(ids(stores.jobs.expire(end, 2).await?), [c.id]);
    assert!(stores.jobs.expire(end, 2).await?.is_empty());
    let stored = stores.jobs.get(&a.tenant, a.id).await?.expect("the record stays");
    assert_eq!((stored.state, stored.updated_at), (State::Expired, end));
    assert_eq!(kinds(&stores, "globex").await, ["submitted", "started", "completed", "expired"]);
    Ok(())
}

async fn records_go_in_time_unless_they_are_active(stores: Stores) -> anyhow::Result<()> {
    let (done, _, file) = complete(&stores, "acme").await?;
    let running = put(&stores, free("acme", 0)).await?;
    lease_one(&stores, 3).await;
    let queued = put(&stores, free("acme", 0)).await?;
    let end = done.record_expires_at;
    assert!(stores.jobs.purge(end - TimeDelta::milliseconds(1), 10).await?.is_empty());
    let purged = stores.jobs.purge(end, 10).await?;
    assert_eq!(purged.iter().map(|e| e.id).collect::<Vec<_>>(), [done.id]);
    // Whoever deletes its files needs to know them.
    assert!(purged[0].manifest.is_some());
    assert_eq!(stores.jobs.get(&done.tenant, done.id).await?, None);
    assert!(stores.jobs.artifact(&done.tenant, file).await?.is_none());
    assert!(stores.jobs.events(&done.tenant, 0, Some(done.id), 10).await?.is_empty());
    for active in [running, queued] {
        assert!(stores.jobs.get(&active.tenant, active.id).await?.is_some());
        assert!(!stores.jobs.events(&active.tenant, 0, Some(active.id), 10).await?.is_empty());
    }
    // Places in the order of events are not used again.
    let last = stores.jobs.events(&tenant("acme"), 0, None, 100).await?.pop();
    put(&stores, free("acme", 0)).await?;
    let next = stores.jobs.events(&tenant("acme"), 0, None, 100).await?.pop();
    assert!(next.map(|e| e.sequence) > last.map(|e| e.sequence));
    Ok(())
}

async fn a_file_of_a_slow_export_is_there_until_its_time(stores: Stores) -> anyhow::Result<()> {
    let mut export = free("acme", 0);
    export.policy.file_kept_secs = 3_600;
    let record = export.record_expires_at;
    let export = put(&stores, export).await?;
    let late = (record - at(0)).num_seconds() - 1;
    let (_, key) = lease_one(&stores, late).await;
    let outcome = completed(&export, &key);
    let file = files(&outcome)[0];
    let done = stores.jobs.finish(&key, outcome, at(late)).await?.expect("it is held");
    let end = at(late + 3_600);
    assert_eq!((done.files_expire_at, done.record_expires_at), (Some(end), end));
    assert!(stores.jobs.purge(end - TimeDelta::milliseconds(1), 10).await?.is_empty());
    let found = stores.jobs.artifact(&tenant("acme"), file).await?.expect("it is offered");
    assert_eq!(found.0, done);
    assert_eq!(stores.jobs.purge(end, 10).await?.len(), 1);
    Ok(())
}

async fn keys_go_in_time(stores: Stores) -> anyhow::Result<()> {
    let day = TimeDelta::hours(24).num_seconds();
    stores.jobs.insert(with_key(free("acme", 0), "k", "body")).await?;
    stores.jobs.purge(at(day - 1), 10).await?;
    let in_time = stores.jobs.insert(with_key(free("acme", day - 1), "k", "body")).await?;
    assert!(matches!(in_time, Inserted::Replayed(_)));
    stores.jobs.purge(at(day), 10).await?;
    let late = stores.jobs.insert(with_key(free("acme", 1), "k", "body")).await?;
    assert!(matches!(late, Inserted::New(_)), "the purge forgot the key");
    Ok(())
}

async fn events_are_told_in_order_to_their_tenant(stores: Stores) -> anyhow::Result<()> {
    let (acme, _, _) = complete(&stores, "acme").await?;
    let (globex, _, _) = complete(&stores, "globex").await?;
    let second = put(&stores, free("acme", 5)).await?;
    let all = stores.jobs.events(&tenant("acme"), 0, None, 100).await?;
    let told: Vec<_> = all.iter().map(|e| (e.export, e.kind.as_str(), e.state, e.at)).collect();
    assert_eq!(
        told,
        [
            (acme.id, "submitted", State::Queued, at(0)),
            (acme.id, "started", State::Running, at(1)),
            (acme.id, "completed", State::Completed, at(2)),
            (second.id, "submitted", State::Queued, at(5)),
        ]
    );
    assert!(all.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    let after = stores.jobs.events(&tenant("acme"), all[1].sequence, None, 1).await?;
    assert_eq!(after, all[2..3]);
    let of_one = stores.jobs.events(&tenant("acme"), 0, Some(second.id), 100).await?;
    assert_eq!(of_one, all[3..]);
    assert!(stores.jobs.events(&tenant("acme"), 0, Some(globex.id), 100).await?.is_empty());
    assert!(stores.jobs.events(&tenant("acme"), u64::MAX, None, 100).await?.is_empty());
    Ok(())
}

async fn events_of_a_deleted_export_go_with_its_record_time(stores: Stores) -> anyhow::Result<()> {
    let (export, ..) = complete(&stores, "acme").await?;
    stores.jobs.remove(&export.tenant, export.id, at(5)).await?;
    stores.jobs.purge(at(6), 10).await?;
    let told = ["submitted", "started", "completed", "removed"];
    assert_eq!(kinds(&stores, "acme").await, told);
    stores.jobs.purge(export.record_expires_at, 10).await?;
    assert!(kinds(&stores, "acme").await.is_empty());
    Ok(())
}
