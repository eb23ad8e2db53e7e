//! Lease, heartbeat, finish, rescue: who works on what.

use chrono::TimeDelta;
use outhaul_exports::export::{Failure, Outcome, Progress, State};
use outhaul_exports::lease::{Incarnation, LeaseKey, LeaseToken};
use outhaul_exports::limits;
use outhaul_exports::ports::Beat;

use crate::samples::*;

cases! {
    the_oldest_comes_first_and_only_when_due,
    many_who_ask_at_once_never_get_the_same,
    tenants_take_turns,
    a_tenant_that_comes_late_is_served_next,
    no_more_run_than_may_and_those_that_wait_keep_their_order,
    no_more_run_than_may_when_many_ask_at_once,
    a_full_lane_holds_up_no_other,
    a_heartbeat_renews_and_tells_of_a_cancellation,
    a_lost_token_changes_nothing,
    each_outcome_leads_where_it_says,
    completing_twice_with_one_manifest_is_completing_once,
    a_worker_that_comes_back_too_late_changes_nothing,
    leases_that_ended_are_rescued,
    leases_of_a_clock_that_was_ahead_are_rescued,
    leases_of_the_dead_are_rescued_at_once,
    a_rescued_export_whose_cancellation_was_asked_for_is_cancelled,
}

async fn the_oldest_comes_first_and_only_when_due(stores: Stores) -> anyhow::Result<()> {
    // The order is that of submission, also within one millisecond.
    let mut order = Vec::new();
    for _ in 0..5 {
        order.push(put(&stores, free("acme", 0)).await?.id);
    }
    let mut later = free("acme", 0);
    later.not_before = Some(at(10));
    let later = put(&stores, later).await?;
    let leased = lease(&stores, 3, 9).await;
    let rest = lease(&stores, 10, 9).await;
    let got: Vec<_> = leased.iter().chain(&rest).map(|(export, _)| export.id).collect();
    assert_eq!(got, order);
    let (export, _) = &leased[0];
    assert_eq!((export.state, export.tally.attempts), (State::Running, 1));
    assert_eq!(export.lease.as_ref().map(|lease| lease.until), Some(at(24)));
    assert_eq!(stores.jobs.get(&export.tenant, export.id).await?.as_ref(), Some(export));
    assert!(lease(&stores, 1, 9).await.is_empty());
    assert_eq!(lease_one(&stores, 10).await.0.id, later.id);
    Ok(())
}

async fn many_who_ask_at_once_never_get_the_same(stores: Stores) -> anyhow::Result<()> {
    for n in 0..100 {
        put(&stores, free(&format!("t{}", n % 7), n)).await?;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let stores = stores.clone();
        tasks.spawn(async move { lease(&stores, 4, 200).await });
    }
    let mut ids = std::collections::HashSet::new();
    let mut tokens = std::collections::HashSet::new();
    let mut count = 0;
    while let Some(leased) = tasks.join_next().await {
        for (export, key) in leased? {
            count += 1;
            ids.insert(export.id);
            tokens.insert(key.token);
        }
    }
    assert_eq!((count, ids.len(), tokens.len()), (100, 100, 100));
    Ok(())
}

async fn tenants_take_turns(stores: Stores) -> anyhow::Result<()> {
    for (tenant, many) in [("a", 3), ("b", 2), ("c", 4)] {
        for _ in 0..many {
            put(&stores, free(tenant, 0)).await?;
        }
    }
    // Within one batch as over several.
    let mut order = String::new();
    for most in [4, 1, 2, 10] {
        for (export, _) in lease(&stores, most, 1).await {
            order.push_str(&export.tenant.0);
        }
    }
    assert_eq!(order, "abcabcacc");
    Ok(())
}

async fn a_tenant_that_comes_late_is_served_next(stores: Stores) -> anyhow::Result<()> {
    for _ in 0..1_000 {
        put(&stores, free("busy", 0)).await?;
    }
    assert_eq!(lease(&stores, 2, 1).await.len(), 2);
    put(&stores, free("quiet", 2)).await?;
    assert_eq!(lease_one(&stores, 3).await.0.tenant, tenant("quiet"));
    assert_eq!(lease_one(&stores, 3).await.0.tenant, tenant("busy"));
    // Also one that was served before, for the busy one was served since.
    put(&stores, free("quiet", 4)).await?;
    assert_eq!(lease_one(&stores, 5).await.0.tenant, tenant("quiet"));
    Ok(())
}

async fn no_more_run_than_may_and_those_that_wait_keep_their_order(
    stores: Stores,
) -> anyhow::Result<()> {
    let mut order = Vec::new();
    for n in 0..4 {
        // The third was created under another policy; it may not overtake for that.
        let most = if n == 2 { None } else { Some(1) };
        order.push(put(&stores, limited("acme", "alone", 99, most)).await?.id);
    }
    let rounds = [&order[..1], &order[1..3], &order[3..]];
    for (round, expected) in (1..).zip(rounds) {
        let leased = lease(&stores, 10, round).await;
        let got: Vec<_> = leased.iter().map(|(export, _)| export.id).collect();
        assert_eq!(got, expected, "round {round}");
        assert!(lease(&stores, 10, round).await.is_empty());
        for (export, key) in leased {
            stores.jobs.finish(&key, completed(&export, &key), at(round)).await?;
        }
    }
    Ok(())
}

async fn no_more_run_than_may_when_many_ask_at_once(stores: Stores) -> anyhow::Result<()> {
    for _ in 0..30 {
        put(&stores, limited("acme", "alone", 99, Some(3))).await?;
    }
    let mut left = 30;
    while left > 0 {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let stores = stores.clone();
            tasks.spawn(async move { lease(&stores, 2, 1).await });
        }
        let leased: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(leased.len(), 3.min(left));
        for (export, key) in leased {
            stores.jobs.finish(&key, completed(&export, &key), at(2)).await?;
            left -= 1;
        }
    }
    Ok(())
}

async fn a_full_lane_holds_up_no_other(stores: Stores) -> anyhow::Result<()> {
    for _ in 0..2 {
        put(&stores, limited("acme", "alone", 99, Some(1))).await?;
    }
    put(&stores, limited("acme", "narrow", 99, None)).await?;
    put(&stores, limited("globex", "alone", 99, Some(1))).await?;
    let leased = lease(&stores, 10, 1).await;
    let got: Vec<_> =
        leased.iter().map(|(e, _)| (e.tenant.0.as_str(), e.dialect.as_str())).collect();
    assert_eq!(got, [("acme", "alone"), ("globex", "alone"), ("acme", "narrow")]);
    Ok(())
}

async fn a_heartbeat_renews_and_tells_of_a_cancellation(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let (_, key) = lease_one(&stores, 1).await;
    let progress = Progress { rows_read: 9, rows_estimated: Some(20), ..Progress::default() };
    assert_eq!(stores.jobs.heartbeat(&key, at(30), &progress, at(5)).await?, Beat::Continue);
    let stored = stores.jobs.get(&export.tenant, export.id).await?.expect("it is there");
    assert_eq!((stored.progress.clone(), stored.updated_at), (progress.clone(), at(5)));
    assert_eq!(stored.lease.as_ref().map(|lease| lease.until), Some(at(30)));
    assert_eq!(stores.jobs.rescue(at(29), &[]).await?, 0);
    let change = Box::new(|e: &mut outhaul_exports::export::Export| e.cancel(at(6)));
    let asked = stores.jobs.change(&export.tenant, export.id, change).await?.expect("it runs");
    // The change kept what the heartbeat had stored.
    assert_eq!(asked.progress, progress);
    assert_eq!(stores.jobs.heartbeat(&key, at(31), &progress, at(7)).await?, Beat::Cancel);
    // A heartbeat is no transition.
    assert_eq!(kinds(&stores, "acme").await, ["submitted", "started", "cancel_requested"]);
    Ok(())
}

async fn a_lost_token_changes_nothing(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let unknown = LeaseKey { export: export.id, token: LeaseToken::random() };
    let before = picture(&stores, "acme").await;
    assert_eq!(
        stores.jobs.heartbeat(&unknown, at(9), &Progress::default(), at(1)).await?,
        Beat::Lost
    );
    assert_eq!(stores.jobs.finish(&unknown, failed(), at(1)).await?, None);
    assert_eq!(picture(&stores, "acme").await, before);

    let (_, key) = lease_one(&stores, 1).await;
    let before = picture(&stores, "acme").await;
    let elsewhere = LeaseKey { export: free("acme", 0).id, token: key.token.clone() };
    for wrong in [&unknown, &elsewhere] {
        let progress = Progress { rows_read: 1, ..Progress::default() };
        assert_eq!(stores.jobs.heartbeat(wrong, at(99), &progress, at(2)).await?, Beat::Lost);
        for outcome in [completed(&export, wrong), failed(), retry(), Outcome::Released] {
            assert_eq!(stores.jobs.finish(wrong, outcome, at(2)).await?, None);
        }
    }
    assert_eq!(picture(&stores, "acme").await, before);
    Ok(())
}

async fn each_outcome_leads_where_it_says(stores: Stores) -> anyhow::Result<()> {
    let crash = || Outcome::Crashed(Failure::new("worker_crashed", "the worker died"));
    let cases = [
        (retry(), State::Queued, "retried"),
        (crash(), State::Queued, "crashed"),
        (Outcome::Released, State::Queued, "released"),
        (crash(), State::Queued, "crashed"),
        (crash(), State::Failed, "failed"),
    ];
    let export = put(&stores, free("acme", 0)).await?;
    let mut told = vec!["submitted"];
    for (round, (outcome, state, kind)) in (1..).zip(cases) {
        let now = round * 1_000;
        let (_, key) = lease_one(&stores, now).await;
        let ended = stores.jobs.finish(&key, outcome, at(now)).await?.expect("it is held");
        assert_eq!(ended.state, state);
        assert_eq!(stores.jobs.get(&export.tenant, export.id).await?, Some(ended.clone()));
        told.extend(["started", kind]);
        if kind == "retried" {
            assert_eq!(ended.not_before, Some(at(now) + TimeDelta::seconds(2)));
            assert!(lease(&stores, 1, now + 1).await.is_empty());
        }
    }
    assert_eq!(kinds(&stores, "acme").await, told);
    Ok(())
}

async fn completing_twice_with_one_manifest_is_completing_once(
    stores: Stores,
) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let (_, key) = lease_one(&stores, 1).await;
    let outcome = completed(&export, &key);
    let first = stores.jobs.finish(&key, outcome.clone(), at(2)).await?;
    assert!(first.is_some());
    let before = picture(&stores, "acme").await;
    assert_eq!(stores.jobs.finish(&key, outcome, at(3)).await?, first);
    // Another manifest is not the published one.
    assert_eq!(stores.jobs.finish(&key, completed(&export, &key), at(3)).await?, None);
    assert_eq!(stores.jobs.finish(&key, failed(), at(3)).await?, None);
    assert_eq!(picture(&stores, "acme").await, before);
    Ok(())
}

async fn a_worker_that_comes_back_too_late_changes_nothing(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let (_, old) = lease_one(&stores, 1).await;
    assert_eq!(stores.jobs.rescue(at(17), &[]).await?, 1);
    // Before another has it, and after.
    assert_eq!(stores.jobs.finish(&old, completed(&export, &old), at(18)).await?, None);
    let (_, new) = lease_one(&stores, 18).await;
    let published = stores.jobs.finish(&new, completed(&export, &new), at(19)).await?;
    let before = picture(&stores, "acme").await;
    assert_eq!(stores.jobs.finish(&old, completed(&export, &old), at(20)).await?, None);
    let beat = stores.jobs.heartbeat(&old, at(99), &Progress::default(), at(20)).await?;
    assert_eq!(beat, Beat::Lost);
    assert_eq!(picture(&stores, "acme").await, before);
    assert!(published.is_some());
    Ok(())
}

async fn leases_that_ended_are_rescued(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let other = put(&stores, free("acme", 0)).await?;
    let (_, _) = lease_one(&stores, 1).await;
    lease_one(&stores, 5).await;
    assert_eq!(stores.jobs.rescue(at(16), &[]).await?, 0);
    assert_eq!(stores.jobs.rescue(at(17), &[]).await?, 1);
    assert_eq!(stores.jobs.rescue(at(17), &[]).await?, 0);
    let rescued = stores.jobs.get(&export.tenant, export.id).await?.expect("it is there");
    assert_eq!((rescued.state, rescued.tally.rescues), (State::Queued, 1));
    assert_eq!((rescued.tally.errors, rescued.tally.crashes, rescued.lease), (0, 0, None));
    let still = stores.jobs.get(&other.tenant, other.id).await?.expect("it is there");
    assert_eq!(still.state, State::Running);
    // It comes before what was created after it.
    put(&stores, free("acme", 17)).await?;
    assert_eq!(lease_one(&stores, 18).await.0.id, export.id);
    Ok(())
}

async fn leases_of_a_clock_that_was_ahead_are_rescued(stores: Stores) -> anyhow::Result<()> {
    let longest = i64::try_from(limits::LEASE_MAX.as_secs())?;
    let export = put(&stores, free("acme", 0)).await?;
    // It ends 15 seconds later.
    lease_one(&stores, 3_600).await;
    assert_eq!(stores.jobs.rescue(at(3_615 - longest), &[]).await?, 0, "it may last as long");
    assert_eq!(stores.jobs.rescue(at(3_614 - longest), &[]).await?, 1);
    let rescued = stores.jobs.get(&export.tenant, export.id).await?.expect("it is there");
    assert_eq!((rescued.state, rescued.tally.rescues), (State::Queued, 1));
    assert_eq!(lease_one(&stores, 20).await.0.id, export.id);
    Ok(())
}

async fn leases_of_the_dead_are_rescued_at_once(stores: Stores) -> anyhow::Result<()> {
    let (dead, alive) = (Incarnation::random(), Incarnation::random());
    put(&stores, free("acme", 0)).await?;
    put(&stores, free("acme", 0)).await?;
    stores.jobs.lease(&ask(&dead, 1, 1)).await?;
    let kept = stores.jobs.lease(&ask(&alive, 1, 1)).await?;
    // Of whom nothing is known, the lease decides: it may be another process that works.
    assert_eq!(stores.jobs.rescue(at(2), &[]).await?, 0);
    assert_eq!(stores.jobs.rescue(at(2), std::slice::from_ref(&dead)).await?, 1);
    let kept = stores.jobs.get(&kept[0].tenant, kept[0].id).await?.expect("it is there");
    assert_eq!(kept.state, State::Running);
    assert_eq!(stores.jobs.rescue(at(2), &[dead, alive]).await?, 1);
    assert_eq!(kinds(&stores, "acme").await[4..], ["rescued", "rescued"]);
    Ok(())
}

async fn a_rescued_export_whose_cancellation_was_asked_for_is_cancelled(
    stores: Stores,
) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    lease_one(&stores, 1).await;
    let change = Box::new(|e: &mut outhaul_exports::export::Export| e.cancel(at(2)));
    stores.jobs.change(&export.tenant, export.id, change).await?;
    assert_eq!(stores.jobs.rescue(at(99), &[]).await?, 1);
    let ended = stores.jobs.get(&export.tenant, export.id).await?.expect("it is there");
    assert_eq!(ended.state, State::Cancelled);
    let told = kinds(&stores, "acme").await;
    assert_eq!(told, ["submitted", "started", "cancel_requested", "cancelled"]);
    Ok(())
}
