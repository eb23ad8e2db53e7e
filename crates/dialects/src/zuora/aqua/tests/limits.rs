//! How much there may be at once, and that what is refused leaves nothing behind.

use futures::future::join_all;
use http::StatusCode;
use outhaul_exports::limits::SESSIONS_MAX;
use outhaul_exports::policy::{days, hours};
use outhaul_exports::ports::ListFilter;
use outhaul_exports::testing;
use serde_json::{Value, json};

use super::super::{ID, ZuoraAqua};
use super::jobs::{Client, acme, stateful, with};
use crate::Dialect;
use crate::zuora::tests::server::Server;

const QUERY: &str = "select Id from Account";

async fn count(server: &Server, tenant: &str) -> usize {
    let filter = ListFilter {
        tenant: tenant.into(),
        dialect: Some(ID.to_owned()),
        states: vec![],
        session: None,
        label: None,
        before: None,
        kept_at: None,
        most: 500,
    };
    let who = testing::principal(tenant);
    server.world.exports.list(&who, filter).await.expect("memory is never away").len()
}

/// The n-th job of a kind.
type Kind = fn(usize) -> Value;

fn stateless_job(_: usize) -> Value {
    json!({ "queries": [{ "query": QUERY }] })
}

fn stateful_job(n: usize) -> Value {
    with(stateful(&[QUERY]), json!({ "project": format!("p{n}") }))
}

/// What of that many jobs at once was accepted and refused, by number.
async fn at_once(client: &Client<'_>, most: usize, job: Kind) -> (Vec<usize>, Vec<usize>) {
    let sends = (0..most).map(|n| async move {
        let (key, body) = (format!("key-{n}"), job(n));
        (n, client.post(&[("idempotency-key", &key)], &body).await)
    });
    let (mut good, mut refused) = (Vec::new(), Vec::new());
    for (n, answer) in join_all(sends).await {
        let body = answer.json();
        if answer.status == StatusCode::OK {
            assert!(body["id"].is_string(), "{body}");
            good.push(n);
            continue;
        }
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{body}");
        assert_eq!(answer.header("retry-after"), "30");
        assert_eq!((&body["errorCode"], &body["status"]), (&json!("90028"), &json!("error")));
        assert_eq!(body.get("id"), None);
        assert_eq!(body["batches"][0]["query"], QUERY, "{body}");
        let message = body["message"].as_str().expect("a text");
        assert!(
            message.starts_with("The limit of concurrent AQuA jobs is reached. ("),
            "{message}"
        );
        assert!(message.contains("50"), "{message}");
        refused.push(n);
    }
    (good, refused)
}

#[tokio::test]
async fn fifty_stateless_and_fifty_stateful_jobs_are_active_and_no_more() {
    let kinds: [[Kind; 2]; 2] = [[stateless_job, stateful_job], [stateful_job, stateless_job]];
    for [one, other] in kinds {
        let server = Server::aqua(json!({})).await;
        let client = acme(&server);
        let (good, refused) = at_once(&client, 60, one).await;
        assert_eq!((good.len(), refused.len()), (50, 10));
        assert_eq!(count(&server, "acme").await, 50, "what is refused is not there");
        // Those that run are active, too.
        server.world.start_next().await.expect("many wait");
        assert_eq!(client.post(&[], &one(99)).await.status, StatusCode::TOO_MANY_REQUESTS);
        // A repetition is answered, and the key of a refused job is free.
        let key = format!("key-{}", good[0]);
        let again = client.post(&[("idempotency-key", &key)], &one(good[0])).await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.text());
        client.run(&[1]).await;
        let key = format!("key-{}", refused[0]);
        let freed = client.post(&[("idempotency-key", &key)], &one(refused[0])).await;
        assert_eq!(freed.status, StatusCode::OK, "{}", freed.text());
        assert_eq!(client.post(&[], &one(98)).await.status, StatusCode::TOO_MANY_REQUESTS);
        // The other kind has places of its own, as has another tenant.
        for n in 0..50 {
            client.submit(&other(n)).await;
        }
        assert_eq!(client.post(&[], &other(51)).await.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(count(&server, "acme").await, 101);
        Client { server: &server, tenant: "globex" }.submit(&one(0)).await;
    }
}

#[tokio::test]
async fn a_job_that_does_not_move_its_series_counts_as_stateful() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let beside = json!({ "incrementalTime": "2026-06-01 00:00:00" });
    for n in 0..50 {
        client.submit(&with(stateful_job(n), beside.clone())).await;
    }
    let refused = client.post(&[], &with(stateful_job(50), beside)).await;
    assert_eq!(refused.json()["errorCode"], "90028");
    client.submit(&stateless_job(0)).await;
}

#[tokio::test]
async fn a_cancelled_job_leaves_its_place() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let first = client.submit(&stateless_job(0)).await;
    for n in 1..50 {
        client.submit(&stateless_job(n)).await;
    }
    assert_eq!(client.post(&[], &stateless_job(50)).await.json()["errorCode"], "90028");
    assert_eq!(client.cancel(&first).await["status"], "cancelled");
    client.submit(&stateless_job(50)).await;
}

#[tokio::test]
async fn a_job_has_fifty_queries_and_no_more() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let job = client.submit(&stateful(&[QUERY; 50])).await;
    assert_eq!(job["batches"].as_array().map(Vec::len), Some(50));
    let mut ids: Vec<_> =
        job["batches"].as_array().into_iter().flatten().map(|b| b["batchId"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50, "each query has an id of its own");
    let message = client.refused(&stateful(&[QUERY; 51]), "90004").await;
    assert!(message.contains("51 queries, at most 50"), "{message}");
    assert_eq!(count(&server, "acme").await, 1);
}

#[tokio::test]
async fn a_tenant_has_so_many_sessions_and_no_more() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let most = usize::try_from(SESSIONS_MAX).expect("it is small");
    for n in 0..most {
        let job = client.submit(&stateful_job(n)).await;
        client.cancel(&job).await;
    }
    let message = client.post(&[], &stateful_job(most)).await.json();
    assert_eq!(message["errorCode"], "90028", "{message}");
    client.submit(&stateful_job(0)).await;
    client.submit(&stateless_job(0)).await;
}

#[test]
fn the_policy_is_zuoras() {
    let policy = ZuoraAqua.policy();
    assert_eq!((policy.active_max, policy.session_active_max), (Some(50), Some(50)));
    assert_eq!((policy.queries_max, policy.query_secs_max), (50, Some(hours(3))));
    assert_eq!((policy.file_kept_secs, policy.record_kept_secs), (hours(72), days(180)));
}
