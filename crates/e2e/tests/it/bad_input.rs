//! The dialects' catalogues of bad input, replayed over a raw socket against the whole server: what
//! a router answers in a test, the listener in front of it must not spoil.

use std::net::SocketAddr;
use std::time::Duration;

use outhaul_dialects::kit::bad_input::replay_at;
use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::vendor::Zuora;
use serde_json::{Value, json};

const ZUORA: &str = include_str!("../../../dialects/cases/bad_input/zuora_export.toml");
const AQUA: &str = include_str!("../../../dialects/cases/bad_input/zuora_aqua.toml");
const NATIVE: &str = include_str!("../../../dialects/cases/bad_input/native.toml");
const USERPILOT: &str = include_str!("../../../dialects/cases/bad_input/userpilot.toml");

/// A query whose csv has 15 bytes, as the cases about ranges expect.
const FIFTEEN: &str = "select Id as abcdefghijklmn from Account where Id = 'none'";

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_input_gets_its_answer_from_the_whole_server() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path(), options()).await?;
    let mut zuora = Vec::new();
    for tenant in ["acme", "globex"] {
        let client = Zuora::sign_in(&server, tenant).await?;
        let id = client.submit(FIFTEEN, "csv", false).await?;
        let export = client.wait(&id, Duration::from_secs(60)).await?;
        zuora.push((id, export["FileId"].as_str().unwrap_or_default().to_owned()));
    }
    let mut aqua = Vec::new();
    for (tenant, series) in [("acme", "ours"), ("globex", "theirs")] {
        aqua.push(job_with_file(&Zuora::sign_in(&server, tenant).await?, series).await?);
    }
    let mut native = Vec::new();
    for tenant in ["acme", "globex"] {
        native.push(completed(&Native::of(&server, tenant)?).await?);
    }
    let url = format!("{}/api/v1/analytics/exports", server.base_url);
    let globex = format!("Token {}", server.secret("tenants.globex.userpilot.app_token"));
    let started = reqwest::Client::new().post(url).header("Authorization", globex).send().await?;
    let started: Value = started.error_for_status()?.json().await?;
    let foreign_job = started["job_id"].as_str().unwrap_or_default().to_owned();
    // From here on nothing runs, so that an export waits.
    server.kill();
    server.restart_with(options().set("OUTHAUL__WORKER__ENABLED", false)).await?;
    let address: SocketAddr = server.base_url.trim_start_matches("http://").parse()?;
    let client = Zuora::sign_in(&server, "acme").await?;
    let words = [
        ("token", client.token().to_owned()),
        ("client_id", server.secret("tenants.acme.zuora.client_id")),
        ("export", client.submit("select Id from Account", "csv", false).await?),
        ("file", zuora[0].1.clone()),
        ("foreign_export", zuora[1].0.clone()),
        ("foreign_file", zuora[1].1.clone()),
    ];
    let count = replay_at(address, ZUORA, "zuora_export", &words).await;
    let words = [
        ("token", client.token().to_owned()),
        ("job", submitted(&client, "select Id from Account", "none").await?),
        ("file", aqua[0].1.clone()),
        ("foreign_job", aqua[1].0.clone()),
        ("foreign_file", aqua[1].1.clone()),
    ];
    let count = count + replay_at(address, AQUA, "zuora_aqua", &words).await;
    let words = [
        ("key", server.secret("tenants.acme.native.api_key")),
        ("export", native[0].0.clone()),
        ("file", native[0].1.clone()),
        ("foreign_export", native[1].0.clone()),
        ("foreign_file", native[1].1.clone()),
    ];
    let count = count + replay_at(address, NATIVE, "native", &words).await;
    let words =
        [("key", server.secret("tenants.acme.userpilot.app_token")), ("foreign_job", foreign_job)];
    let count = count + replay_at(address, USERPILOT, "userpilot", &words).await;
    println!("{count} bad inputs, each with its answer");
    assert!(server.is_alive());
    Ok(())
}

fn options() -> Options {
    Options::rows(500)
        .set("OUTHAUL__DIALECTS__ZUORA_EXPORT__POLICY__ACTIVE_MAX", 0)
        .set("OUTHAUL__DIALECTS__ZUORA_AQUA__POLICY__ACTIVE_MAX", 0)
        .set("OUTHAUL__DIALECTS__ZUORA_AQUA__POLICY__SESSION_ACTIVE_MAX", 0)
        .set("OUTHAUL__DIALECTS__NATIVE__POLICY__ACTIVE_MAX", 0)
}

/// Submits an AQuA job of one query in a series.
async fn submitted(client: &Zuora, query: &str, series: &str) -> anyhow::Result<String> {
    let query = json!({"query": query, "type": "zoqlexport"});
    let body = json!({"version": 1.1, "partner": series, "project": series, "queries": [query]});
    let job: Value = client.post("/v1/batch-query", &body).await?.json().await?;
    Ok(job["id"].as_str().ok_or_else(|| anyhow::anyhow!("{job}"))?.to_owned())
}

/// A completed AQuA job and its file of 15 bytes.
async fn job_with_file(client: &Zuora, series: &str) -> anyhow::Result<(String, String)> {
    let id = submitted(client, FIFTEEN, series).await?;
    loop {
        let job: Value = client.get(&format!("/v1/batch-query/jobs/{id}")).await?.json().await?;
        match job["status"].as_str() {
            Some("completed") => {
                let file = job["batches"][0]["fileId"].as_str().unwrap_or_default();
                return Ok((id, file.to_owned()));
            }
            Some("submitted" | "pending" | "executing") => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            _ => anyhow::bail!("{job}"),
        }
    }
}

/// An own export and its file of 15 bytes.
async fn completed(client: &Native) -> anyhow::Result<(String, String)> {
    let query = json!({"sql": "select 1 as abcdefghijkl"});
    let made = client.post("/exports", &json!({"queries": [query], "format": "csv"})).await?;
    let made: Value = made.error_for_status()?.json().await?;
    let id = made["id"].as_str().unwrap_or_default().to_owned();
    loop {
        let export = client.get(&format!("/exports/{id}")).await?;
        match export["state"].as_str() {
            Some("completed") => {
                let file = export["artifacts"][0]["id"].as_str().unwrap_or_default();
                return Ok((id, file.to_owned()));
            }
            Some("queued" | "running") => tokio::time::sleep(Duration::from_millis(20)).await,
            _ => anyhow::bail!("{export}"),
        }
    }
}
