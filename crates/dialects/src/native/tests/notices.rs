//! Who is told of an export's end.

use outhaul_exports::notice::{ScriptLine, ScriptReport};
use outhaul_exports::ports::{JobStore, NewExport};
use outhaul_exports::spec::Notice;

use super::*;

#[tokio::test]
async fn a_hundred_addresses_are_told_and_no_more() {
    let server = Server::new().await;
    let body = |count: usize| {
        let emails: Vec<String> = (0..count).map(|n| format!("n{n}@example.com")).collect();
        let query = serde_json::json!({"object": "Invoice", "fields": ["Id"]});
        let notify = serde_json::json!({"emails": emails});
        serde_json::json!({"queries": [query], "format": "csv", "notify": notify}).to_string()
    };
    let key = "acme-exporter";
    let made = server.json("POST", "/api/v1/exports", key, &body(100), 202).await;
    let problem = server.json("POST", "/api/v1/exports", key, &body(101), 400).await;
    assert_eq!(problem["field"], "/notify/emails");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("at most 100")));

    let running = server.world.start_next().await.expect("it is due");
    server.world.complete(&running, &[("Invoice.csv", "text/csv", b"Id\n1\n")]).await;
    let path = format!("/api/v1/exports/{}", made["id"].as_str().expect("it has an id"));
    let export = server.json("GET", &path, "acme-reader", "", 200).await;
    assert_eq!(export["notices"].as_array().map(Vec::len), Some(100));
    // They are addresses of people: another tenant sees none of them.
    server.json("GET", &path, "globex-admin", "", 404).await;
    let found = server.world.store.messages(&"globex".into(), running.id).await;
    assert!(found.expect("memory is never away").is_empty());
}

#[tokio::test]
async fn a_callback_is_shown_beside_mails() {
    let server = Server::new().await;
    let notify = serde_json::json!({
        "emails": ["ann@example.com"], "callback_url": "https://example.com/{state}?id={export}",
    });
    let query = serde_json::json!({"object": "Invoice", "fields": ["Id"]});
    let body = serde_json::json!({"queries": [query], "format": "csv", "notify": notify});
    let made =
        server.json("POST", "/api/v1/exports", "acme-exporter", &body.to_string(), 202).await;
    let running = server.world.start_next().await.expect("it is due");
    server.world.complete(&running, &[("Invoice.csv", "text/csv", b"Id\n1\n")]).await;
    let id = made["id"].as_str().expect("it has an id");
    let export = server.json("GET", &format!("/api/v1/exports/{id}"), "acme-reader", "", 200).await;
    let shown: Vec<_> = export["notices"].as_array().expect("two").iter().collect();
    assert_eq!((&shown[0]["kind"], &shown[0]["to"]), (&"mail".into(), &"ann@example.com".into()));
    let url = format!("https://example.com/completed?id={id}");
    assert_eq!((&shown[1]["kind"], &shown[1]["to"]), (&"callback".into(), &url.into()));
    assert_eq!((&shown[1]["state"], &shown[1]["attempts"]), (&"waiting".into(), &0.into()));
}

/// One that another API had run, with what it left behind.
#[tokio::test]
async fn a_script_is_shown_with_what_it_left() {
    let server = Server::new().await;
    let world = &server.world;
    let mut export = testing::export("acme", world.clock.now());
    let source = "return 1".to_owned();
    export.spec.notices = vec![Notice::Script { source }];
    let path = format!("/api/v1/exports/{}", export.id);
    let new = NewExport { export, idempotency: None };
    world.store.insert(new).await.expect("memory is never away");
    let running = world.start_next().await.expect("it is due");
    world.fail(&running, "x", "y").await;
    let shown = server.json("GET", &path, "acme-reader", "", 200).await;
    let waiting = serde_json::json!([{
        "kind": "script", "to": "", "state": "waiting", "attempts": 0, "last_error": null,
        "sent_at": null,
    }]);
    assert_eq!(shown["notices"], waiting);

    let ask = TakeMessages {
        kind: MessageKind::SCRIPT,
        most: 1,
        ttl: chrono::TimeDelta::seconds(9),
        now: world.clock.now(),
    };
    let mut message = world.store.take(&ask).await.expect("never away").pop().expect("it is due");
    let line = ScriptLine { level: "warn".into(), text: "odd".into() };
    message.report = Some(ScriptReport {
        result: Some("[1]".into()),
        logs: vec![line],
        logs_cut: true,
        calls: 2,
        took_ms: 34,
    });
    let thrown = "the script threw: no (line 3)";
    world.store.failed(&message, thrown, None, world.clock.now()).await.expect("never away");
    let shown = server.json("GET", &path, "acme-reader", "", 200).await;
    let expected = serde_json::json!([{
        "kind": "script", "to": "", "state": "given_up", "attempts": 1, "last_error": thrown,
        "sent_at": null,
        "report": {
            "result": "[1]", "logs": [{"level": "warn", "text": "odd"}], "logs_cut": true,
            "calls": 2, "took_ms": 34,
        },
    }]);
    assert_eq!(shown["notices"], expected);
}
