//! SIGTERM: nothing is lost, nothing is charged, and the process ends in time.

use std::time::{Duration, Instant};

use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_loses_and_charges_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path(), Options::rows(60_000)).await?;
    let mut client = Native::of(&server, "acme")?;
    let mut ids = Vec::new();
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let body = json!({"queries": [{"object": "InvoiceItem"}], "format": "xlsx"});
        let made = client.post("/exports", &body).await?.error_for_status()?;
        let made: serde_json::Value = made.json().await?;
        ids.push(made["id"].as_str().unwrap_or_default().to_owned());
        let begun = Instant::now();
        server.terminate(Duration::from_secs(31)).await?;
        longest = longest.max(begun.elapsed());
        server.restart().await?;
        client.follow(&server);
    }
    for id in &ids {
        let export = loop {
            let export = client.get(&format!("/exports/{id}")).await?;
            if !matches!(export["state"].as_str(), Some("queued" | "running")) {
                break export;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(export["state"], "completed", "{export}");
        let events = client.request(Method::GET, &format!("/exports/{id}/events")).send().await?;
        let events = events.text().await?;
        for charged in ["rescued", "crashed", "retried"] {
            assert!(!events.contains(charged), "{events}");
        }
    }
    println!("{} orderly stops, the longest took {longest:?}", ids.len());
    Ok(())
}
