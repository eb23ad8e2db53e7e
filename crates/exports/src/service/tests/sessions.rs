//! Exports that enter a session.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::world;
use crate::query::Query;
use crate::service::{SessionAsk, Submission};
use crate::testing::{self, World, noon, principal};
use crate::{ErrorKind, Result};

fn submission(session: &str) -> Submission {
    let spec = testing::export("acme", noon()).spec;
    let session = Some(SessionAsk::named(session));
    Submission { session, ..Submission::of("native", spec, serde_json::Value::Null) }
}

/// Whether an export goes on where another ended.
fn goes_on(export: &crate::export::Export) -> bool {
    let Query::Select(select) = &export.spec.queries[0].query else { panic!("not SQL") };
    select.since.is_some()
}

/// Runs the next export, and moves its session.
async fn arrive(world: &World, who: &crate::principal::Principal) -> Result<()> {
    let running = world.start_next().await.expect("it is queued");
    let done = world.complete(&running, &[("a.csv", "text/csv", b"Id\n")]).await;
    world.exports.acknowledge(who, "native", "nightly", done.id).await.map(drop)
}

#[tokio::test]
async fn what_cannot_come_in_increments_is_refused_when_the_session_begins() -> Result<()> {
    let world = world();
    let who = principal("acme");
    let first = world.exports.submit(&who, submission("nightly")).await?;
    let asked = world.planner.asked();
    let [(_, Query::Select(select))] = asked.as_slice() else { panic!("{asked:?}") };
    let mark = select.since.as_ref().expect("it is asked as its next export will be");
    assert_eq!((mark.source.as_str(), mark.taken_at), ("main", noon()));
    assert!(!goes_on(&first));
    // An export that goes on is of a query that was asked about before.
    arrive(&world, &who).await?;
    world.planner.set_away(true);
    assert!(goes_on(&world.exports.submit(&who, submission("nightly")).await?));
    let error = world.exports.submit(&who, submission("weekly")).await.expect_err("nobody knows");
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert!(world.exports.session(&who, "native", "weekly").await.is_err(), "none was made");
    Ok(())
}

/// Submissions and acknowledgements at once: each export enters the session as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_enter_a_session_that_moves() -> Result<()> {
    let mut policy = testing::export("acme", noon()).policy;
    policy.active_max = None;
    let world = Arc::new(World::new("native", policy, vec![testing::tenant("acme")]));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..48 {
        let world = world.clone();
        tasks.spawn(async move {
            let who = principal("acme");
            let made = world.exports.submit(&who, submission("nightly")).await;
            if let Some(running) = world.start_next().await {
                let done = world.complete(&running, &[("a.csv", "text/csv", b"Id\n")]).await;
                // It may come too late.
                let _ = world.exports.acknowledge(&who, "native", "nightly", done.id).await;
            }
            made
        });
    }
    let mut ids = BTreeSet::new();
    let (mut entered, mut sent_away) = (0, 0);
    while let Some(done) = tasks.join_next().await {
        match done.expect("no task panics") {
            Ok(export) => {
                entered += 1;
                ids.insert(export.spec.session.expect("it is in one").id.to_string());
            }
            Err(error) => {
                assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
                sent_away += 1;
            }
        }
    }
    assert_eq!(ids.len(), 1, "it was made once");
    assert!(entered > 24, "{entered} entered, {sent_away} were sent away");
    assert!(world.exports.session(&principal("acme"), "native", "nightly").await?.generation > 0);
    Ok(())
}

/// Two credentials that see different rows of a tenant do not go on where the other ended.
#[tokio::test]
async fn a_narrower_scope_has_marks_of_its_own() -> Result<()> {
    let world = world();
    let wide = principal("acme");
    let mut narrow = wide.clone();
    narrow.scope = narrow.scope.with_entities(vec!["e".into()]);
    world.exports.submit(&narrow, submission("nightly")).await?;
    arrive(&world, &narrow).await?;
    assert!(!goes_on(&world.exports.submit(&wide, submission("nightly")).await?));
    assert!(goes_on(&world.exports.submit(&narrow, submission("nightly")).await?));
    Ok(())
}
