//! Hostile SQL through the front door: what is no plain SELECT is refused, and what would take all
//! memory or all time takes its own export down, and nothing else.

use std::time::{Duration, Instant};

use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server};
use reqwest::StatusCode;
use serde_json::{Value, json};

const REFUSED: &str = include_str!("../../../engine/src/tests/refused.sql");
const BOMBS: &str = include_str!("../../../engine/src/tests/bombs.sql");

/// Statements of a list: one a line, notes after an arrow, comments with two dashes.
fn statements(list: &str) -> impl Iterator<Item = &str> {
    let lines = list.lines().filter(|line| !line.starts_with("-- ") && !line.trim().is_empty());
    lines.map(|line| line.split(" --> ").next().unwrap_or(line))
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_are_no_plain_query_are_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path(), Options::rows(500)).await?;
    let client = Native::of(&server, "acme")?;
    let mut count = 0;
    for statement in statements(REFUSED) {
        let body = json!({"queries": [{"sql": statement}], "format": "csv"});
        let answer = client.post("/exports", &body).await?;
        let status = answer.status();
        let text = answer.text().await?;
        assert!(status.is_client_error(), "{statement}: {status} {text}");
        assert!(!text.contains("globex") && !text.contains("/data/"), "{statement}: {text}");
        count += 1;
    }
    assert!(server.is_alive() && count >= 80);
    println!("{count} statements refused");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_take_down_their_own_export_alone() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options = Options::rows(20_000)
        .set("OUTHAUL__WORKER__MEMORY", "32 MiB")
        .set("OUTHAUL__WORKER__MEMORY_HARD", "400 MiB")
        .set("OUTHAUL__WORKER__SPILL_BYTES", "200 MiB")
        .set("OUTHAUL__DIALECTS__NATIVE__POLICY__RUN_SECS_MAX", 4);
    let mut server = Server::start(folder.path(), options).await?;
    let client = Native::of(&server, "acme")?;
    client.get("/catalog").await?;
    let before = server.resident_bytes();
    let mut ends = std::collections::BTreeMap::<String, u32>::new();
    for line in BOMBS.lines().filter(|line| !line.starts_with("--")) {
        let Some((_, statement)) = line.split_once('\t') else { continue };
        let begun = Instant::now();
        let end = outcome(&client, statement).await?;
        assert!(begun.elapsed() < Duration::from_secs(60), "{statement}: {:?}", begun.elapsed());
        let clear = [
            "refused",
            "completed",
            "invalid_query",
            "memory_limit",
            "storage_full",
            "run_time_limit",
            // DataFusion itself panics on some joins that are short of memory.
            "engine_failed",
        ];
        assert!(clear.contains(&end.as_str()), "{statement} ends as {end}");
        *ends.entry(end).or_default() += 1;
    }
    println!("{ends:?}");
    assert!(server.is_alive());
    let grown = server.resident_bytes().saturating_sub(before);
    println!("the server grew by {} KiB", grown / 1024);
    assert!(grown < 64 * 1024 * 1024, "{grown}");
    assert_eq!(outcome(&client, "select count(*) from Account").await?, "completed");
    Ok(())
}

/// How an export of that statement ends: `refused`, `completed`, or the code of its failure.
async fn outcome(client: &Native, statement: &str) -> anyhow::Result<String> {
    let body = json!({"queries": [{"sql": statement}], "format": "csv"});
    let answer = client.post("/exports", &body).await?;
    if answer.status() != StatusCode::ACCEPTED {
        assert!(answer.status().is_client_error(), "{statement}: {}", answer.status());
        return Ok("refused".to_owned());
    }
    let made: Value = answer.json().await?;
    let id = made["id"].as_str().unwrap_or_default().to_owned();
    loop {
        let export = client.get(&format!("/exports/{id}")).await?;
        match export["state"].as_str() {
            Some("queued" | "running") => tokio::time::sleep(Duration::from_millis(50)).await,
            Some("failed") => {
                return Ok(export["reason"]["code"].as_str().unwrap_or("none").to_owned());
            }
            other => return Ok(other.unwrap_or("none").to_owned()),
        }
    }
}
