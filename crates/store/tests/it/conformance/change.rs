//! Change and remove: cancel, retry, delete, and two of them at once.

use outhaul_exports::export::{Export, Progress, State};
use outhaul_exports::ports::{Beat, Change};
use outhaul_exports::{Error, ErrorKind};

use crate::samples::*;

cases! {
    a_change_is_stored_and_told,
    a_change_that_fails_stores_nothing,
    a_change_is_the_tenants_own,
    changes_at_once_are_none_of_them_lost,
    a_retry_needs_a_place,
    a_retry_is_kept_like_a_new_one_and_is_not_cancelled,
    cancel_and_lease_at_once_end_in_one_story,
    what_runs_is_not_removed,
    what_is_removed_is_gone_and_told,
    waiters_are_told_of_changes_and_of_nothing_else,
}

fn cancel(seconds: i64) -> Change {
    Box::new(move |export| export.cancel(at(seconds)))
}

fn retried(seconds: i64) -> Change {
    Box::new(move |export| export.retry(at(seconds)))
}

async fn a_change_is_stored_and_told(stores: Stores) -> anyhow::Result<()> {
    let queued = put(&stores, free("acme", 0)).await?;
    let cancelled = stores.jobs.change(&queued.tenant, queued.id, cancel(1)).await?;
    let cancelled = cancelled.expect("it is there");
    assert_eq!((cancelled.state, cancelled.finished_at), (State::Cancelled, Some(at(1))));
    assert_eq!(stores.jobs.get(&queued.tenant, queued.id).await?, Some(cancelled));

    let export = put(&stores, free("acme", 2)).await?;
    let (_, key) = lease_one(&stores, 3).await;
    stores.jobs.change(&export.tenant, export.id, cancel(4)).await?;
    stores.jobs.change(&export.tenant, export.id, cancel(5)).await?;
    stores.jobs.finish(&key, outhaul_exports::export::Outcome::Cancelled, at(6)).await?;
    let told = kinds(&stores, "acme").await;
    assert_eq!(
        told,
        ["submitted", "cancelled", "submitted", "started", "cancel_requested", "cancelled"]
    );
    Ok(())
}

async fn a_change_that_fails_stores_nothing(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let before = picture(&stores, "acme").await;
    let change: Change = Box::new(|export| {
        export.state = State::Failed;
        Err(Error::conflict("not now"))
    });
    let refused = stores.jobs.change(&export.tenant, export.id, change).await;
    assert_eq!(refused.expect_err("it failed").kind(), &ErrorKind::Conflict);
    let change: Change = Box::new(|export| {
        export.tenant = tenant("globex");
        Ok(())
    });
    let moved = stores.jobs.change(&export.tenant, export.id, change).await;
    assert_eq!(moved.expect_err("exports do not move").kind(), &ErrorKind::Internal);
    assert_eq!(picture(&stores, "acme").await, before);
    Ok(())
}

async fn a_change_is_the_tenants_own(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let before = picture(&stores, "acme").await;
    let globex = tenant("globex");
    assert_eq!(stores.jobs.change(&globex, export.id, cancel(1)).await?, None);
    assert_eq!(stores.jobs.remove(&globex, export.id, at(1)).await?, None);
    assert!(stores.jobs.events(&globex, 0, Some(export.id), 10).await?.is_empty());
    assert_eq!(picture(&stores, "acme").await, before);
    Ok(())
}

async fn changes_at_once_are_none_of_them_lost(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (jobs, export) = (stores.jobs.clone(), export.clone());
        let count: Change = Box::new(|export: &mut Export| {
            export.progress.rows_read += 1;
            Ok(())
        });
        tasks.spawn(async move { jobs.change(&export.tenant, export.id, count).await });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let stored = stores.jobs.get(&export.tenant, export.id).await?.expect("it is there");
    assert_eq!(stored.progress.rows_read, 64);
    Ok(())
}

async fn a_retry_needs_a_place(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, limited("acme", "narrow", 1, None)).await?;
    let (_, key) = lease_one(&stores, 1).await;
    stores.jobs.finish(&key, failed(), at(2)).await?;
    let other = put(&stores, limited("acme", "narrow", 1, None)).await?;
    let before = picture(&stores, "acme").await;
    let full = stores.jobs.change(&export.tenant, export.id, retried(3)).await;
    let kind = full.expect_err("the place is taken").kind().clone();
    assert_eq!(kind, ErrorKind::LimitExceeded { limit: 1, active: 1 });
    assert_eq!(picture(&stores, "acme").await, before);
    stores.jobs.change(&other.tenant, other.id, cancel(4)).await?;
    let queued = stores.jobs.change(&export.tenant, export.id, retried(5)).await?;
    assert_eq!(queued.map(|export| export.state), Some(State::Queued));
    let (again, _) = lease_one(&stores, 6).await;
    assert_eq!((again.id, again.tally.attempts), (export.id, 1));
    let told = kinds(&stores, "acme").await;
    assert_eq!(
        told,
        ["submitted", "started", "failed", "submitted", "cancelled", "retried", "started"]
    );
    Ok(())
}

async fn a_retry_is_kept_like_a_new_one_and_is_not_cancelled(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let (_, key) = lease_one(&stores, 1).await;
    stores.jobs.change(&export.tenant, export.id, cancel(2)).await?;
    // It failed before its worker learned of the wish.
    stores.jobs.finish(&key, failed(), at(3)).await?;
    let kept = export.record_expires_at - at(0);
    let late = kept.num_seconds() - 1;
    let queued = stores.jobs.change(&export.tenant, export.id, retried(late)).await?;
    let queued = queued.expect("it is there");
    assert!(!queued.cancel_requested);
    assert_eq!(queued.record_expires_at, at(late) + kept);
    let (_, key) = lease_one(&stores, late).await;
    let progress = Progress::default();
    let beat = stores.jobs.heartbeat(&key, at(late + 9), &progress, at(late + 1)).await?;
    assert_eq!(beat, Beat::Continue);
    let ended = stores.jobs.finish(&key, retry(), at(late + 2)).await?.expect("it is held");
    assert_eq!(ended.state, State::Queued);
    Ok(())
}

async fn cancel_and_lease_at_once_end_in_one_story(stores: Stores) -> anyhow::Result<()> {
    for round in 0..20 {
        let export = put(&stores, free("acme", round)).await?;
        let (a, b) =
            tokio::join!(stores.jobs.change(&export.tenant, export.id, cancel(round)), async {
                lease(&stores, 1, round).await
            });
        let cancelled = a?.expect("it is there");
        match b.first() {
            // The lease came first: the worker is told with its next heartbeat.
            Some((_, key)) => {
                assert!(cancelled.cancel_requested && cancelled.state == State::Running);
                let end = stores.jobs.finish(key, retry(), at(round)).await?;
                assert_eq!(end.map(|export| export.state), Some(State::Cancelled));
            }
            None => assert_eq!(cancelled.state, State::Cancelled),
        }
        assert!(lease(&stores, 1, round + 1_000).await.is_empty());
    }
    Ok(())
}

async fn what_runs_is_not_removed(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let (_, key) = lease_one(&stores, 1).await;
    let refused = stores.jobs.remove(&export.tenant, export.id, at(2)).await;
    assert_eq!(refused.expect_err("it runs").kind(), &ErrorKind::Conflict);
    stores.jobs.finish(&key, failed(), at(3)).await?;
    assert!(stores.jobs.remove(&export.tenant, export.id, at(4)).await?.is_some());
    Ok(())
}

async fn what_is_removed_is_gone_and_told(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, limited("acme", "narrow", 1, None)).await?;
    let removed = stores.jobs.remove(&export.tenant, export.id, at(1)).await?;
    assert_eq!(removed, Some(export.clone()));
    assert_eq!(stores.jobs.get(&export.tenant, export.id).await?, None);
    assert_eq!(stores.jobs.remove(&export.tenant, export.id, at(2)).await?, None);
    assert!(lease(&stores, 1, 3).await.is_empty());
    let events = stores.jobs.events(&export.tenant, 0, Some(export.id), 10).await?;
    let last = events.last().expect("it was told");
    assert_eq!((last.kind.as_str(), last.state, last.at), ("removed", State::Cancelled, at(1)));
    put(&stores, limited("acme", "narrow", 1, None)).await?;
    Ok(())
}

async fn waiters_are_told_of_changes_and_of_nothing_else(stores: Stores) -> anyhow::Result<()> {
    let mut changes = stores.jobs.changes();
    let export = put(&stores, limited("acme", "narrow", 1, None)).await?;
    assert!(changes.has_changed()?);
    changes.mark_unchanged();
    assert!(put(&stores, limited("acme", "narrow", 1, None)).await.is_err());
    stores.jobs.get(&export.tenant, export.id).await?;
    let noop: Change = Box::new(|_| Ok(()));
    stores.jobs.change(&export.tenant, export.id, noop).await?;
    stores.jobs.rescue(at(1), &[]).await?;
    stores.jobs.expire(at(1), 10).await?;
    stores.jobs.purge(at(1), 10).await?;
    // A worker that waits for changes and then asks for work must not wake itself by asking.
    assert!(lease(&stores, 0, 1).await.is_empty());
    assert!(!changes.has_changed()?);
    lease_one(&stores, 2).await;
    assert!(changes.has_changed()?);
    changes.mark_unchanged();
    assert!(lease(&stores, 1, 3).await.is_empty());
    assert!(!changes.has_changed()?);
    Ok(())
}
