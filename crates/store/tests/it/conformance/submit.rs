//! Insert: admission, idempotency keys.

use chrono::TimeDelta;
use outhaul_exports::ErrorKind;
use outhaul_exports::ports::{Inserted, NewExport};

use crate::samples::*;

cases! {
    what_is_stored_is_found_by_its_tenant_alone,
    the_limit_is_exact_when_many_submit_at_once,
    each_tenant_and_dialect_has_places_of_its_own,
    what_runs_holds_its_place_and_what_ended_does_not,
    a_repeated_request_is_answered_with_the_first_export,
    a_key_is_looked_up_as_the_insertion_would,
    a_key_race_makes_one_export,
    a_key_belongs_to_one_request_of_one_tenant_for_its_time,
    a_repeated_request_needs_no_place,
    a_refused_request_leaves_its_key_free,
    a_key_whose_export_was_deleted_makes_no_second_one,
    an_id_is_taken_once,
}

async fn what_is_stored_is_found_by_its_tenant_alone(stores: Stores) -> anyhow::Result<()> {
    let mut export = free("acme", 0);
    export.spec.label = Some("Rechnungen für ☃".to_owned());
    export.echo = serde_json::json!({ "b": [1, null], "a": "x" });
    let inserted = stores.jobs.insert(new(export.clone())).await?;
    assert_eq!(inserted, Inserted::New(export.clone()));
    assert_eq!(stores.jobs.get(&tenant("acme"), export.id).await?, Some(export.clone()));
    assert_eq!(stores.jobs.get(&tenant("globex"), export.id).await?, None);
    assert_eq!(stores.jobs.get(&tenant("acme"), free("acme", 0).id).await?, None);
    assert_eq!(kinds(&stores, "acme").await, ["submitted"]);
    Ok(())
}

/// Submits so many exports at once and answers how many were accepted; every refusal must name the
/// limit and a full count.
async fn storm(stores: &Stores, many: usize, limit: u32) -> anyhow::Result<usize> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..many {
        let jobs = stores.jobs.clone();
        tasks.spawn(async move { jobs.insert(new(limited("acme", "narrow", limit, None))).await });
    }
    let mut accepted = 0;
    while let Some(done) = tasks.join_next().await {
        match done? {
            Ok(_) => accepted += 1,
            Err(error) => {
                assert_eq!(error.kind(), &ErrorKind::LimitExceeded { limit, active: limit });
            }
        }
    }
    Ok(accepted)
}

async fn the_limit_is_exact_when_many_submit_at_once(stores: Stores) -> anyhow::Result<()> {
    let limit = 5;
    assert_eq!(storm(&stores, 64, limit).await?, 5);
    for round in 1..=9 {
        // Some end, by different ways, and exactly their places are free.
        let mut ended = 0;
        for (export, key) in lease(&stores, 2, round).await {
            stores.jobs.finish(&key, completed(&export, &key), at(round)).await?;
            ended += 1;
        }
        let queued = stores.jobs.list(&all_of("acme")).await?;
        if let Some(waiting) = queued.iter().find(|e| e.state.name() == "queued") {
            let now = at(round);
            let cancel = Box::new(move |e: &mut outhaul_exports::export::Export| e.cancel(now));
            stores.jobs.change(&waiting.tenant, waiting.id, cancel).await?;
            ended += 1;
        }
        assert_eq!(storm(&stores, 64, limit).await?, ended, "round {round}");
    }
    Ok(())
}

async fn each_tenant_and_dialect_has_places_of_its_own(stores: Stores) -> anyhow::Result<()> {
    put(&stores, limited("acme", "narrow", 1, None)).await?;
    assert!(put(&stores, limited("acme", "narrow", 1, None)).await.is_err());
    put(&stores, limited("acme", "alone", 1, None)).await?;
    put(&stores, limited("globex", "narrow", 1, None)).await?;
    // The policy of the one that comes decides, and none means any number.
    put(&stores, limited("acme", "narrow", 2, None)).await?;
    let mut unlimited = limited("acme", "narrow", 0, None);
    unlimited.policy.active_max = None;
    put(&stores, unlimited).await?;
    Ok(())
}

async fn what_runs_holds_its_place_and_what_ended_does_not(stores: Stores) -> anyhow::Result<()> {
    put(&stores, limited("acme", "narrow", 1, None)).await?;
    let (_, key) = lease_one(&stores, 1).await;
    assert!(put(&stores, limited("acme", "narrow", 1, None)).await.is_err());
    stores.jobs.finish(&key, failed(), at(2)).await?;
    put(&stores, limited("acme", "narrow", 1, None)).await?;
    Ok(())
}

async fn a_repeated_request_is_answered_with_the_first_export(
    stores: Stores,
) -> anyhow::Result<()> {
    let first = free("acme", 0);
    stores.jobs.insert(with_key(first.clone(), "k", "body")).await?;
    let (running, _) = lease_one(&stores, 1).await;
    let again = stores.jobs.insert(with_key(free("acme", 2), "k", "body")).await?;
    // As it is now; what the client reads is made from it.
    assert_eq!(again, Inserted::Replayed(running.clone()));
    assert_eq!(running.as_created(), first);
    assert_eq!(stores.jobs.list(&all_of("acme")).await?.len(), 1);
    assert_eq!(kinds(&stores, "acme").await, ["submitted", "started"]);
    Ok(())
}

async fn a_key_is_looked_up_as_the_insertion_would(stores: Stores) -> anyhow::Result<()> {
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let first = free("acme", 0);
    let key = |fingerprint| with_key(free("acme", 0), "k", fingerprint).idempotency.expect("a key");
    assert_eq!(stores.jobs.replay(&acme, &key("body"), at(0)).await?, None);
    stores.jobs.insert(with_key(first.clone(), "k", "body")).await?;
    let before = picture(&stores, "acme").await;
    assert_eq!(stores.jobs.replay(&acme, &key("body"), at(1)).await?, Some(first.clone()));
    assert_eq!(stores.jobs.replay(&globex, &key("body"), at(1)).await?, None);
    let other = stores.jobs.replay(&acme, &key("other body"), at(1)).await;
    assert_eq!(*other.expect_err("another request").kind(), ErrorKind::KeyReused);
    let day = TimeDelta::hours(24).num_seconds();
    assert!(stores.jobs.replay(&acme, &key("body"), at(day - 1)).await?.is_some());
    assert_eq!(stores.jobs.replay(&acme, &key("body"), at(day)).await?, None);
    assert_eq!(picture(&stores, "acme").await, before, "looking changes nothing");
    stores.jobs.remove(&acme, first.id, at(2)).await?;
    let gone = stores.jobs.replay(&acme, &key("body"), at(3)).await;
    assert_eq!(*gone.expect_err("it was deleted").kind(), ErrorKind::Expired);
    Ok(())
}

async fn a_key_race_makes_one_export(stores: Stores) -> anyhow::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for key in 0..20 {
        for _ in 0..16 {
            let jobs = stores.jobs.clone();
            let request = with_key(free("acme", 0), &format!("k{key}"), "body");
            tasks.spawn(async move { (key, jobs.insert(request).await) });
        }
    }
    let mut made = std::collections::HashMap::new();
    let mut fresh = 0;
    while let Some(done) = tasks.join_next().await {
        let (key, inserted) = done?;
        let (export, is_new) = match inserted? {
            Inserted::New(export) => (export, true),
            Inserted::Replayed(export) => (export, false),
        };
        fresh += usize::from(is_new);
        assert_eq!(*made.entry(key).or_insert(export.id), export.id);
    }
    assert_eq!((fresh, made.len()), (20, 20));
    assert_eq!(stores.jobs.list(&all_of("acme")).await?.len(), 20);
    Ok(())
}

async fn a_key_belongs_to_one_request_of_one_tenant_for_its_time(
    stores: Stores,
) -> anyhow::Result<()> {
    stores.jobs.insert(with_key(free("acme", 0), "k", "body")).await?;
    let other = stores.jobs.insert(with_key(free("acme", 1), "k", "other body")).await;
    assert_eq!(other.expect_err("another request").kind(), &ErrorKind::KeyReused);
    let is_new = |inserted: &Inserted| matches!(inserted, Inserted::New(_));
    let foreign = stores.jobs.insert(with_key(free("globex", 1), "k", "body")).await?;
    assert!(is_new(&foreign));
    let mut elsewhere = with_key(free("acme", 1), "k", "other body");
    elsewhere.idempotency.as_mut().expect("it has one").scope = "POST /others".to_owned();
    assert!(is_new(&stores.jobs.insert(elsewhere).await?));
    let day = TimeDelta::hours(24).num_seconds();
    let in_time = stores.jobs.insert(with_key(free("acme", day - 1), "k", "body")).await?;
    assert!(!is_new(&in_time));
    let late = stores.jobs.insert(with_key(free("acme", day), "k", "other body")).await?;
    assert!(is_new(&late));
    // And the key belongs to that one now.
    let again = stores.jobs.insert(with_key(free("acme", day + 1), "k", "other body")).await?;
    assert!(!is_new(&again));
    Ok(())
}

async fn a_repeated_request_needs_no_place(stores: Stores) -> anyhow::Result<()> {
    let first = limited("acme", "narrow", 1, None);
    stores.jobs.insert(with_key(first.clone(), "k", "body")).await?;
    let again = with_key(limited("acme", "narrow", 1, None), "k", "body");
    assert_eq!(stores.jobs.insert(again).await?, Inserted::Replayed(first));
    Ok(())
}

async fn a_refused_request_leaves_its_key_free(stores: Stores) -> anyhow::Result<()> {
    let first = put(&stores, limited("acme", "narrow", 1, None)).await?;
    let before = picture(&stores, "acme").await;
    let refused = stores.jobs.insert(with_key(limited("acme", "narrow", 1, None), "k", "a")).await;
    let kind = refused.expect_err("it is full").kind().clone();
    assert_eq!(kind, ErrorKind::LimitExceeded { limit: 1, active: 1 });
    assert_eq!(picture(&stores, "acme").await, before);
    stores.jobs.remove(&first.tenant, first.id, at(1)).await?;
    let other = stores.jobs.insert(with_key(limited("acme", "narrow", 1, None), "k", "b")).await?;
    assert!(matches!(other, Inserted::New(_)));
    Ok(())
}

async fn a_key_whose_export_was_deleted_makes_no_second_one(stores: Stores) -> anyhow::Result<()> {
    let first = free("acme", 0);
    stores.jobs.insert(with_key(first.clone(), "k", "body")).await?;
    stores.jobs.remove(&first.tenant, first.id, at(1)).await?;
    let again = stores.jobs.insert(with_key(free("acme", 2), "k", "body")).await;
    assert_eq!(again.expect_err("it is gone").kind(), &ErrorKind::Expired);
    let other = stores.jobs.insert(with_key(free("acme", 2), "k", "other")).await;
    assert_eq!(other.expect_err("another request").kind(), &ErrorKind::KeyReused);
    assert!(stores.jobs.list(&all_of("acme")).await?.is_empty());
    Ok(())
}

async fn an_id_is_taken_once(stores: Stores) -> anyhow::Result<()> {
    let export = put(&stores, free("acme", 0)).await?;
    let mut other = free("globex", 0);
    other.id = export.id;
    let refused = stores.jobs.insert(NewExport { ..with_key(other, "k", "body") }).await;
    assert_eq!(refused.expect_err("the id is taken").kind(), &ErrorKind::Internal);
    assert!(stores.jobs.list(&all_of("globex")).await?.is_empty());
    assert!(kinds(&stores, "globex").await.is_empty());
    let free_key = stores.jobs.insert(with_key(free("globex", 0), "k", "other")).await?;
    assert!(matches!(free_key, Inserted::New(_)));
    Ok(())
}
