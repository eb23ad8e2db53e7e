//! Sessions: made with their first export, moved by an acknowledgement or by an export's end, each
//! in one transaction with it.

use outhaul_exports::export::{Export, Outcome, State};
use outhaul_exports::manifest::{Artifact, Manifest};
use outhaul_exports::ports::ListFilter;
use outhaul_exports::session::{self, Advance, Mark, NOT_MOVED, Session, SessionQuery, SessionRef};
use outhaul_exports::{ArtifactId, ErrorKind, SessionId, limits};

use crate::samples::*;

cases! {
    a_session_is_made_with_its_first_export,
    a_refused_export_makes_no_session,
    an_export_enters_a_session_as_it_is_or_not_at_all,
    an_acknowledgement_moves_the_session_once,
    what_has_not_completed_moves_nothing,
    of_two_exports_from_one_place_one_moves_the_session,
    a_race_of_acknowledgements_moves_once,
    an_export_of_a_removed_session_moves_nothing,
    a_completion_moves_the_session_where_nobody_acknowledges,
    a_completion_that_comes_too_late_warns,
    a_download_moves_the_session_and_an_empty_export_needs_none,
    what_reads_beside_a_series_makes_and_moves_nothing,
    exports_of_one_session_run_one_after_the_other,
    exports_in_sessions_may_have_places_of_their_own,
    the_exports_of_a_session_are_listed,
    sessions_are_their_tenants_and_dialects_alone,
    a_tenant_has_so_many_sessions_and_no_more,
    a_session_remembers_so_many_queries_and_no_more,
}

fn mark(seconds: i64) -> Mark {
    let value = serde_json::json!({ "xmin": seconds.to_string() });
    Mark::new("main", at(seconds), value)
}

fn query(name: &str) -> SessionQuery {
    SessionQuery { name: name.to_owned(), fingerprint: "f".repeat(64) }
}

/// A queued export in a session, as the session is now.
async fn entering(stores: &Stores, tenant: &str, name: &str, advance: Advance) -> Export {
    let mut export = free(tenant, 0);
    let found = stores.sessions.session(&export.tenant, &export.dialect, name).await;
    let found = found.expect("the store answers");
    export.spec.session = Some(SessionRef {
        id: found.as_ref().map_or_else(SessionId::random, |session| session.id),
        name: name.to_owned(),
        generation: found.as_ref().map_or(0, |session| session.generation),
        advance,
        replay_of: None,
        queries: vec![Some(query("Invoice"))],
    });
    export
}

/// The same, inserted.
async fn enter(stores: &Stores, name: &str, advance: Advance) -> anyhow::Result<Export> {
    Ok(put(stores, entering(stores, "acme", name, advance).await).await?)
}

/// Runs the oldest queued export up to a completion that has read up to that second.
async fn complete(stores: &Stores, seconds: i64) -> anyhow::Result<Export> {
    let (export, key) = lease_one(stores, seconds).await;
    let done = stores.jobs.finish(&key, read_to(&export, &key, seconds), at(seconds)).await?;
    Ok(done.expect("it is held"))
}

fn read_to(export: &Export, key: &outhaul_exports::lease::LeaseKey, seconds: i64) -> Outcome {
    let Outcome::Completed { manifest, warnings, progress } = completed(export, key) else {
        unreachable!("it is a completion")
    };
    let count = export.spec.session.as_ref().map_or(0, |session| session.queries.len());
    let manifest = Manifest { marks: vec![Some(mark(seconds)); count], ..manifest };
    Outcome::Completed { manifest, warnings, progress }
}

async fn session(stores: &Stores, name: &str) -> Option<Session> {
    let found = stores.sessions.session(&tenant("acme"), "native", name).await;
    found.expect("the store answers")
}

/// How often the session moved, and up to which second.
async fn place(stores: &Stores, name: &str) -> (u64, Option<Mark>) {
    let session = session(stores, name).await.expect("there is one");
    (session.generation, session.since(&query("Invoice")).cloned())
}

async fn conflict(stores: &Stores, export: &Export, says: &str) {
    let refused = stores.sessions.acknowledge(&export.tenant, export.id, at(99)).await;
    let error = refused.expect_err("it moves nothing");
    assert_eq!(error.kind(), &ErrorKind::Conflict, "{error:?}");
    assert!(error.public().contains(says), "{error}");
}

async fn a_session_is_made_with_its_first_export(stores: Stores) -> anyhow::Result<()> {
    assert_eq!(session(&stores, "nightly").await, None);
    let export = enter(&stores, "nightly", Advance::OnAcknowledge).await?;
    let made = session(&stores, "nightly").await.expect("it was made");
    let at_first = export.spec.session.as_ref().expect("it is in one");
    assert_eq!((made.id, made.generation, made.created_at), (at_first.id, 0, export.created_at));
    assert_eq!((made.queries.len(), made.moved_by, made.moved_at), (0, None, None));
    // Others enter it as it is.
    enter(&stores, "nightly", Advance::OnAcknowledge).await?;
    assert_eq!(stores.sessions.sessions(&tenant("acme"), "native").await?, [made]);
    Ok(())
}

async fn a_refused_export_makes_no_session(stores: Stores) -> anyhow::Result<()> {
    let full = limited("acme", "native", 0, None);
    let entering = entering(&stores, "acme", "nightly", Advance::OnAcknowledge).await;
    let refused = Export { policy: full.policy, ..entering };
    let error = stores.jobs.insert(new(refused)).await.expect_err("there is no place");
    assert_eq!(error.kind(), &ErrorKind::LimitExceeded { limit: 0, active: 0 });
    assert_eq!(session(&stores, "nightly").await, None);
    Ok(())
}

async fn an_export_enters_a_session_as_it_is_or_not_at_all(stores: Stores) -> anyhow::Result<()> {
    // Both looked when there was none.
    let one = entering(&stores, "acme", "nightly", Advance::OnAcknowledge).await;
    let other = entering(&stores, "acme", "nightly", Advance::OnAcknowledge).await;
    put(&stores, one).await?;
    let error = stores.jobs.insert(new(other.clone())).await.expect_err("another made it");
    assert_eq!(error.kind(), &ErrorKind::Conflict);
    assert_eq!(stores.jobs.get(&other.tenant, other.id).await?, None, "nothing was stored");
    // One looked before the session moved.
    let slow = entering(&stores, "acme", "nightly", Advance::OnAcknowledge).await;
    let done = complete(&stores, 5).await?;
    stores.sessions.acknowledge(&done.tenant, done.id, at(6)).await?;
    let error = stores.jobs.insert(new(slow)).await.expect_err("it moved");
    assert_eq!(error.kind(), &ErrorKind::Conflict);
    // One looked before it was removed.
    let late = entering(&stores, "acme", "nightly", Advance::OnAcknowledge).await;
    assert!(stores.sessions.remove_session(&late.tenant, "native", "nightly").await?);
    let error = stores.jobs.insert(new(late)).await.expect_err("it was removed");
    assert_eq!(error.kind(), &ErrorKind::Conflict);
    assert_eq!(session(&stores, "nightly").await, None);
    Ok(())
}

async fn an_acknowledgement_moves_the_session_once(stores: Stores) -> anyhow::Result<()> {
    enter(&stores, "nightly", Advance::OnAcknowledge).await?;
    let done = complete(&stores, 5).await?;
    assert_eq!(done.acknowledged_at, None);
    assert_eq!(place(&stores, "nightly").await, (0, None), "a completion alone moves nothing");
    let mut changes = stores.jobs.changes();
    changes.mark_unchanged();
    let moved = stores.sessions.acknowledge(&done.tenant, done.id, at(6)).await?;
    let (export, session) = moved.expect("it is there");
    assert_eq!(export.acknowledged_at, Some(at(6)));
    assert_eq!((session.generation, session.moved_by), (1, Some(done.id)));
    assert_eq!(session.moved_at, Some(at(6)));
    assert!(changes.has_changed()?);
    assert_eq!(place(&stores, "nightly").await, (1, Some(mark(5))));
    assert_eq!(stores.jobs.get(&done.tenant, done.id).await?, Some(export.clone()));
    // The answer may have been lost.
    let again = stores.sessions.acknowledge(&done.tenant, done.id, at(60)).await?;
    assert_eq!(again, Some((export, session)));
    // Also after the session has gone on, and the files have gone.
    enter(&stores, "nightly", Advance::OnAcknowledge).await?;
    let next = complete(&stores, 70).await?;
    stores.sessions.acknowledge(&next.tenant, next.id, at(71)).await?;
    stores.jobs.expire(at(100_000_000), 10).await?;
    let again = stores.sessions.acknowledge(&done.tenant, done.id, at(80)).await?;
    assert_eq!(again.expect("it is there").1.generation, 2);
    assert_eq!(place(&stores, "nightly").await, (2, Some(mark(70))));
    Ok(())
}

async fn what_has_not_completed_moves_nothing(stores: Stores) -> anyhow::Result<()> {
    let plain = put(&stores, free("acme", 0)).await?;
    conflict(&stores, &plain, "in no session").await;
    let (_, key) = lease_one(&stores, 1).await;
    stores.jobs.finish(&key, failed(), at(1)).await?;

    let queued = enter(&stores, "nightly", Advance::OnAcknowledge).await?;
    conflict(&stores, &queued, "the export is queued").await;
    let (running, key) = lease_one(&stores, 2).await;
    conflict(&stores, &running, "the export is running").await;
    stores.jobs.finish(&key, failed(), at(3)).await?;
    conflict(&stores, &running, "the export is failed").await;
    let cancelled = enter(&stores, "nightly", Advance::OnAcknowledge).await?;
    let cancel = Box::new(|export: &mut Export| export.cancel(at(4)));
    stores.jobs.change(&cancelled.tenant, cancelled.id, cancel).await?;
    conflict(&stores, &cancelled, "the export is cancelled").await;
    assert_eq!(place(&stores, "nightly").await, (0, None));
    // A retry of what failed moves it after all.
    let retry = Box::new(|export: &mut Export| export.retry(at(5)));
    stores.jobs.change(&queued.tenant, queued.id, retry).await?;
    let done = complete(&stores, 6).await?;
    stores.sessions.acknowledge(&done.tenant, done.id, at(7)).await?;
    assert_eq!(place(&stores, "nightly").await, (1, Some(mark(6))));
    assert_eq!(stores.sessions.acknowledge(&tenant("globex"), done.id, at(8)).await?, None);
    assert_eq!(
        stores.sessions.acknowledge(&tenant("acme"), free("acme", 0).id, at(8)).await?,
        None
    );
    Ok(())
}

async fn of_two_exports_from_one_place_one_moves_the_session(stores: Stores) -> anyhow::Result<()> {
    for _ in 0..2 {
        enter(&stores, "nightly", Advance::OnAcknowledge).await?;
    }
    let (one, other) = (complete(&stores, 5).await?, complete(&stores, 9).await?);
    stores.sessions.acknowledge(&one.tenant, one.id, at(10)).await?;
    conflict(&stores, &other, "has moved since the export was created").await;
    assert_eq!(place(&stores, "nightly").await, (1, Some(mark(5))), "no row is passed over");
    let found = stores.jobs.get(&other.tenant, other.id).await?.expect("it is there");
    assert_eq!(found.acknowledged_at, None);
    Ok(())
}

async fn a_race_of_acknowledgements_moves_once(stores: Stores) -> anyhow::Result<()> {
    let mut exports = Vec::new();
    for _ in 0..8 {
        enter(&stores, "nightly", Advance::OnAcknowledge).await?;
    }
    for seconds in 1..=8 {
        exports.push(complete(&stores, seconds).await?);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for export in exports.iter().chain(&exports).cloned() {
        let sessions = stores.sessions.clone();
        tasks.spawn(async move {
            (export.id, sessions.acknowledge(&export.tenant, export.id, at(20)).await.is_ok())
        });
    }
    let mut winners = std::collections::BTreeSet::new();
    while let Some(done) = tasks.join_next().await {
        let (id, moved) = done?;
        winners.extend(moved.then_some(id));
    }
    assert_eq!(winners.len(), 1);
    let session = session(&stores, "nightly").await.expect("there is one");
    assert_eq!((session.generation, session.moved_by), (1, winners.pop_first()));
    Ok(())
}

async fn an_export_of_a_removed_session_moves_nothing(stores: Stores) -> anyhow::Result<()> {
    enter(&stores, "nightly", Advance::OnAcknowledge).await?;
    let done = complete(&stores, 5).await?;
    assert!(stores.sessions.remove_session(&done.tenant, "native", "nightly").await?);
    assert!(!stores.sessions.remove_session(&done.tenant, "native", "nightly").await?);
    conflict(&stores, &done, "was removed").await;
    // Nor does it move another session of the name.
    enter(&stores, "nightly", Advance::OnAcknowledge).await?;
    conflict(&stores, &done, "was removed").await;
    assert_eq!(place(&stores, "nightly").await, (0, None));
    Ok(())
}

async fn a_completion_moves_the_session_where_nobody_acknowledges(
    stores: Stores,
) -> anyhow::Result<()> {
    let export = enter(&stores, "series", Advance::OnCompletion).await?;
    let (_, key) = lease_one(&stores, 1).await;
    stores.jobs.finish(&key, retry(), at(1)).await?;
    assert_eq!(place(&stores, "series").await, (0, None));
    let (running, key) = lease_one(&stores, 100).await;
    let outcome = read_to(&running, &key, 101);
    let done = stores.jobs.finish(&key, outcome.clone(), at(102)).await?.expect("it is held");
    assert_eq!((done.state, done.acknowledged_at), (State::Completed, Some(at(102))));
    assert!(done.warnings.is_empty());
    assert_eq!(place(&stores, "series").await, (1, Some(mark(101))));
    // The worker may not have got the answer.
    let again = stores.jobs.finish(&key, outcome, at(103)).await?;
    assert_eq!(again, Some(done.clone()));
    stores.sessions.acknowledge(&export.tenant, export.id, at(104)).await?;
    assert_eq!(place(&stores, "series").await, (1, Some(mark(101))));
    Ok(())
}

async fn a_completion_that_comes_too_late_warns(stores: Stores) -> anyhow::Result<()> {
    for _ in 0..2 {
        enter(&stores, "series", Advance::OnCompletion).await?;
    }
    assert!(complete(&stores, 5).await?.warnings.is_empty());
    let late = complete(&stores, 9).await?;
    assert_eq!((late.state, late.acknowledged_at), (State::Completed, None));
    let codes: Vec<_> = late.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(codes, [NOT_MOVED]);
    assert_eq!(place(&stores, "series").await, (1, Some(mark(5))));
    Ok(())
}

async fn a_download_moves_the_session_and_an_empty_export_needs_none(
    stores: Stores,
) -> anyhow::Result<()> {
    enter(&stores, "series", Advance::OnDownload).await?;
    let (running, key) = lease_one(&stores, 1).await;
    let Outcome::Completed { mut manifest, warnings, progress } = read_to(&running, &key, 2) else {
        unreachable!("it is a completion")
    };
    let empty = Artifact { id: ArtifactId::random(), rows: 0, ..manifest.artifacts[0].clone() };
    let second = Artifact { id: ArtifactId::random(), ..manifest.artifacts[0].clone() };
    manifest.artifacts.extend([empty, second]);
    let files: Vec<_> = manifest.artifacts.iter().map(|file| file.id).collect();
    let outcome = Outcome::Completed { manifest, warnings, progress };
    let done = stores.jobs.finish(&key, outcome, at(3)).await?.expect("it is held");
    assert_eq!((done.acknowledged_at, place(&stores, "series").await), (None, (0, None)));
    let sent = async |file: ArtifactId| {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let note = move |export: &mut Export| {
            tell.send(session::note_sent(export, file))
                .map_err(|_| outhaul_exports::Error::internal("gone"))
        };
        stores.jobs.change(&done.tenant, done.id, Box::new(note)).await.expect("it is there");
        told.recv().expect("it was asked")
    };
    // One file of the two that have rows, again and again.
    assert_eq!((sent(files[0]).await, sent(files[0]).await), (false, false));
    assert!(sent(files[2]).await, "the empty one is not waited for");
    stores.sessions.acknowledge(&done.tenant, done.id, at(4)).await?;
    assert_eq!(place(&stores, "series").await, (1, Some(mark(2))));
    assert!(!sent(files[2]).await, "it moves once");
    // Nothing to download, nothing to lose.
    enter(&stores, "series", Advance::OnDownload).await?;
    let (running, key) = lease_one(&stores, 10).await;
    let Outcome::Completed { mut manifest, warnings, progress } = read_to(&running, &key, 11)
    else {
        unreachable!("it is a completion")
    };
    manifest.artifacts[0].rows = 0;
    let outcome = Outcome::Completed { manifest, warnings, progress };
    let done = stores.jobs.finish(&key, outcome, at(12)).await?.expect("it is held");
    assert_eq!(done.acknowledged_at, Some(at(12)));
    assert_eq!(place(&stores, "series").await, (2, Some(mark(11))));
    Ok(())
}

async fn what_reads_beside_a_series_makes_and_moves_nothing(stores: Stores) -> anyhow::Result<()> {
    enter(&stores, "series", Advance::Never).await?;
    assert_eq!(complete(&stores, 5).await?.acknowledged_at, None);
    assert_eq!(session(&stores, "series").await, None);
    enter(&stores, "series", Advance::OnCompletion).await?;
    complete(&stores, 6).await?;
    // However the session stands.
    let mut beside = entering(&stores, "acme", "series", Advance::Never).await;
    beside.spec.session.as_mut().expect("it is in one").generation = 77;
    put(&stores, beside).await?;
    assert!(complete(&stores, 7).await?.warnings.is_empty());
    assert_eq!(place(&stores, "series").await, (1, Some(mark(6))));
    Ok(())
}

async fn exports_of_one_session_run_one_after_the_other(stores: Stores) -> anyhow::Result<()> {
    let first = enter(&stores, "one", Advance::OnCompletion).await?;
    let second = enter(&stores, "one", Advance::OnCompletion).await?;
    let other = enter(&stores, "other", Advance::OnCompletion).await?;
    let alone = put(&stores, free("acme", 0)).await?;
    let foreign =
        put(&stores, entering(&stores, "globex", "one", Advance::OnCompletion).await).await?;
    let mut leased = lease(&stores, 10, 1).await;
    let mut ids: Vec<_> = leased.iter().map(|(export, _)| export.id).collect();
    ids.sort();
    let mut expected = vec![first.id, other.id, alone.id, foreign.id];
    expected.sort();
    assert_eq!(ids, expected, "the second of a session waits, and holds up nobody");
    assert!(lease(&stores, 10, 2).await.is_empty());
    let place = leased.iter().position(|(export, _)| export.id == first.id).expect("it runs");
    let (running, key) = leased.swap_remove(place);
    stores.jobs.finish(&key, read_to(&running, &key, 3), at(3)).await?.expect("it is held");
    let next: Vec<_> = lease(&stores, 10, 4).await.iter().map(|(export, _)| export.id).collect();
    assert_eq!(next, [second.id]);
    Ok(())
}

async fn exports_in_sessions_may_have_places_of_their_own(stores: Stores) -> anyhow::Result<()> {
    let of = async |session: Option<&str>| {
        let mut export = match session {
            Some(name) => entering(&stores, "acme", name, Advance::OnCompletion).await,
            None => free("acme", 0),
        };
        (export.policy.active_max, export.policy.session_active_max) = (Some(1), Some(2));
        stores.jobs.insert(new(export)).await.map_err(|error| error.kind().clone())
    };
    for session in [None, Some("a"), Some("b")] {
        assert!(of(session).await.is_ok(), "{session:?}");
    }
    let full = |limit, active| Err(ErrorKind::LimitExceeded { limit, active });
    assert_eq!(of(None).await.map(|_| ()), full(1, 1));
    assert_eq!(of(Some("c")).await.map(|_| ()), full(2, 2));
    let (running, key) = lease_one(&stores, 1).await;
    assert_eq!(running.spec.session, None, "the oldest");
    stores.jobs.finish(&key, completed(&running, &key), at(2)).await?;
    assert_eq!(of(Some("c")).await.map(|_| ()), full(2, 2));
    assert!(of(None).await.is_ok());
    Ok(())
}

async fn the_exports_of_a_session_are_listed(stores: Stores) -> anyhow::Result<()> {
    let mut expected = Vec::new();
    for seconds in [1, 2] {
        enter(&stores, "one", Advance::OnCompletion).await?;
        expected.push(complete(&stores, seconds).await?.id);
    }
    // Ids of one moment have no order but their own.
    expected.sort_by(|a, b| b.cmp(a));
    enter(&stores, "other", Advance::OnCompletion).await?;
    put(&stores, free("acme", 0)).await?;
    let of = async |tenant: &str, name: &str, most: u32| {
        let filter = ListFilter {
            dialect: Some("native".to_owned()),
            states: vec![State::Completed, State::Expired],
            session: Some(name.to_owned()),
            most,
            ..all_of(tenant)
        };
        let found = stores.jobs.list(&filter).await.expect("the store answers");
        found.iter().map(|export| export.id).collect::<Vec<_>>()
    };
    assert_eq!(of("acme", "one", 10).await, expected);
    assert_eq!(of("acme", "one", 1).await, expected[..1], "the newest first");
    for (tenant, name) in [("globex", "one"), ("acme", "other"), ("acme", "on"), ("acme", "ONE")] {
        assert!(of(tenant, name, 10).await.is_empty(), "{tenant} {name}");
    }
    Ok(())
}

async fn sessions_are_their_tenants_and_dialects_alone(stores: Stores) -> anyhow::Result<()> {
    for (tenant, name) in [("acme", "b"), ("globex", "a"), ("acme", "a"), ("acme", "B")] {
        put(&stores, entering(&stores, tenant, name, Advance::OnAcknowledge).await).await?;
    }
    let mut other = entering(&stores, "acme", "a", Advance::OnAcknowledge).await;
    other.dialect = "other".to_owned();
    let at_other = other.spec.session.as_mut().expect("it is in one");
    (at_other.id, at_other.generation) = (SessionId::random(), 0);
    put(&stores, other).await?;
    for (who, dialect, names) in [
        ("acme", "native", &["B", "a", "b"][..]),
        ("globex", "native", &["a"]),
        ("acme", "other", &["a"]),
        ("globex", "other", &[]),
    ] {
        let found = stores.sessions.sessions(&tenant(who), dialect).await?;
        let found: Vec<_> = found.iter().map(|session| session.name.as_str()).collect();
        assert_eq!(found, names, "{who} {dialect}");
    }
    assert_eq!(stores.sessions.session(&tenant("globex"), "native", "b").await?, None);
    assert!(!stores.sessions.remove_session(&tenant("globex"), "native", "b").await?);
    assert!(session(&stores, "b").await.is_some());
    Ok(())
}

async fn a_tenant_has_so_many_sessions_and_no_more(stores: Stores) -> anyhow::Result<()> {
    for at in 0..limits::SESSIONS_MAX {
        enter(&stores, &format!("s{at}"), Advance::OnAcknowledge).await?;
    }
    let more = entering(&stores, "acme", "more", Advance::OnAcknowledge).await;
    let error = stores.jobs.insert(new(more.clone())).await.expect_err("there are too many");
    let (limit, active) = (limits::SESSIONS_MAX, limits::SESSIONS_MAX);
    assert_eq!(error.kind(), &ErrorKind::LimitExceeded { limit, active });
    assert!(stores.jobs.get(&more.tenant, more.id).await?.is_none());
    // Those that are there go on, and other tenants have their own.
    enter(&stores, "s7", Advance::OnAcknowledge).await?;
    put(&stores, entering(&stores, "globex", "more", Advance::OnAcknowledge).await).await?;
    assert!(stores.sessions.remove_session(&tenant("acme"), "native", "s9").await?);
    put(&stores, more).await?;
    Ok(())
}

async fn a_session_remembers_so_many_queries_and_no_more(stores: Stores) -> anyhow::Result<()> {
    let most = limits::SESSION_QUERIES_MAX;
    for (seconds, names) in [(1, 0..most / 2), (2, most / 2..most), (3, most..most + 10)] {
        let mut export = entering(&stores, "acme", "wide", Advance::OnCompletion).await;
        let at = export.spec.session.as_mut().expect("it is in one");
        at.queries = names.map(|n| Some(query(&format!("q{n}")))).collect();
        put(&stores, export).await?;
        complete(&stores, seconds).await?;
    }
    let session = session(&stores, "wide").await.expect("there is one");
    assert_eq!(session.queries.len(), most);
    let oldest = session.queries.values().filter(|query| query.mark == mark(1)).count();
    assert_eq!(oldest, most / 2 - 10, "the oldest are forgotten");
    Ok(())
}
