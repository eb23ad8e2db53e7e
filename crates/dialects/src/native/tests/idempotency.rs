//! One key, one export: however often and however fast the request comes.

use std::collections::HashSet;

use futures::future::join_all;

use super::*;

async fn send(server: &Server, owner: &str, key: &str, label: &str) -> (u16, Value) {
    let body = format!(
        "{{\"label\": \"{label}\", \"queries\": [{{\"object\": \"Contact\"}}], \"format\": \"csv\"}}"
    );
    let request = Request::post("/api/v1/exports")
        .header("Authorization", format!("Bearer {owner}"))
        .header("Idempotency-Key", key)
        .body(Body::from(body))
        .expect("a request");
    let response = server.router.clone().oneshot(request).await.expect("an answer");
    let status = response.status().as_u16();
    assert_eq!(response.headers().contains_key("retry-after"), status == 409);
    (status, serde_json::from_slice(&bytes(response).await).expect("it is JSON"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_keys_sent_sixteen_times_at_once_make_a_hundred_exports() {
    let policy = Policy { active_max: None, ..Native.policy() };
    let server = Server::with(policy, NativeConfig::default(), Duration::from_secs(15)).await;
    let mut made = HashSet::new();
    let mut first = Vec::new();
    for n in 0..100 {
        let key = format!("key-{n}");
        let sends = (0..16).map(|_| send(&server, "acme-exporter", &key, "x"));
        let answers = join_all(sends).await;
        let accepted: Vec<_> = answers.iter().filter(|(status, _)| *status == 202).collect();
        assert!(!accepted.is_empty() && answers.iter().all(|(s, _)| matches!(s, 202 | 409)));
        for (_, answer) in &accepted {
            assert_eq!(answer, &accepted[0].1);
            made.insert(answer["id"].to_string());
        }
        first.push(accepted[0].1.clone());
    }
    assert_eq!(made.len(), 100);
    // Work goes on, and the answer stays what it was.
    let running = server.world.start_next().await.expect("a hundred are due");
    server.world.fail(&running, "source_away", "it was away").await;
    server.world.clock.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    for (n, first) in first.iter().enumerate() {
        let key = format!("key-{n}");
        assert_eq!(send(&server, "acme-exporter", &key, "x").await, (202, first.clone()));
        assert_eq!(send(&server, "acme-admin", &key, "y").await.0, 422);
    }
    let (_, other) = send(&server, "globex-exporter", "key-0", "x").await;
    assert!(!made.contains(&other["id"].to_string()));
    server.world.clock.advance(TimeDelta::seconds(2));
    let (status, new) = send(&server, "acme-exporter", "key-0", "y").await;
    assert_eq!(status, 202);
    assert!(!made.contains(&new["id"].to_string()));
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let server = Server::new().await;
    let post = |body: &'static str| {
        let request = Request::post("/api/v1/exports")
            .header("Authorization", "Bearer acme-exporter")
            .header("Idempotency-Key", "k")
            .body(Body::from(body))
            .expect("a request");
        server.router.clone().oneshot(request)
    };
    let wrong = post(r#"{"queries": [{"object": "Nothing"}], "format": "csv"}"#).await;
    assert_eq!(wrong.expect("an answer").status(), 400);
    let right = post(r#"{"queries": [{"object": "Contact"}], "format": "csv"}"#).await;
    assert_eq!(right.expect("an answer").status(), 202);
}
