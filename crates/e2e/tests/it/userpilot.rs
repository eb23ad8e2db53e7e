//! The Userpilot dialect through the clients that its users have: scripts, a generated client, and
//! many who start at once.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::{Source, on_every_source};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

on_every_source!(a_script_gets_every_value_in_every_format, a_mail_brings_the_links);

const EXPORTS: &str = "/api/v1/analytics/exports";

fn key(server: &Server, tenant: &str) -> String {
    server.secret(&format!("tenants.{tenant}.userpilot.app_token"))
}

/// Every format, for both tenants, value for value.
async fn a_script_gets_every_value_in_every_format(source: Source) -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(2_000).on(source)).await?;
    let data = server.files().await?;
    for (tenant, format) in
        [("acme", "ndjson"), ("acme", "csv"), ("globex", "avro"), ("acme", "parquet")]
    {
        wait_until_free(&server, tenant).await?;
        let mut command = script(&python, "userpilot_flow.py");
        command.args([&server.base_url, &key(&server, tenant)]);
        command.arg(&data).args([tenant, format]);
        println!("{format}: {}", output(&mut command)?.trim());
    }
    let mut command = script(&python, "userpilot_lookups.py");
    command.args([&server.base_url, &key(&server, "acme")]).arg(&data).arg("acme");
    println!("{}", output(&mut command)?.trim());
    Ok(())
}

/// Whoever is named in `emails` gets the links, and needs no key for them.
async fn a_mail_brings_the_links(source: Source) -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(1_000).on(source)).await?;
    let body = json!({
        "from": "2026-01-05", "to": "2026-01-06", "format": "csv",
        "emails": ["ada@example.com", "bob@example.com"],
    });
    let token = format!("Token {}", key(&server, "acme"));
    let request = Client::new().post(format!("{}{EXPORTS}", server.base_url));
    let started = request.header("Authorization", token).json(&body).send().await?;
    anyhow::ensure!(started.status() == StatusCode::CREATED, "{}", started.text().await?);
    let mut receivers = Vec::new();
    for mail in mails(&server, 2).await? {
        let read: Value =
            serde_json::from_str(&output(script(&python, "read_mail.py").arg(mail))?)?;
        receivers.push(read["headers"]["to"].as_str().unwrap_or_default().to_owned());
        let links = read["plain_links"].as_array().cloned().unwrap_or_default();
        anyhow::ensure!(links.len() == 2, "{read}");
        for link in links {
            let answer = reqwest::get(link.as_str().unwrap_or_default()).await?;
            anyhow::ensure!(answer.status() == StatusCode::OK, "{link}: {}", answer.status());
            let text = answer.text().await?;
            assert!(text.starts_with("app_token,event_type,") && text.lines().count() > 1);
        }
    }
    receivers.sort();
    assert_eq!(receivers, ["ada@example.com", "bob@example.com"]);
    Ok(())
}

/// The mails in the demo's folder, once there are so many.
async fn mails(server: &Server, count: usize) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let begun = Instant::now();
    loop {
        let folder = std::fs::read_dir(server.folder().join("mail"));
        let paths = folder.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let paths: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e == "eml")).collect();
        if paths.len() >= count {
            return Ok(paths);
        }
        anyhow::ensure!(begun.elapsed() < Duration::from_secs(60), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A client that was generated from our own document.
#[tokio::test(flavor = "multi_thread")]
async fn a_generated_client_works() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(2_000)).await?;
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi/userpilot.json");
    let made = server.folder().join("client");
    let mut generate = Command::new(python.with_file_name("openapi-python-client"));
    generate.arg("generate").arg("--path").arg(document).arg("--output-path").arg(&made);
    generate.args(["--meta", "setup", "--fail-on-warning"]);
    // It runs a formatter that stands beside it.
    let beside = python.parent().unwrap_or(Path::new("."));
    let path = std::env::var("PATH").unwrap_or_default();
    generate.env("PATH", format!("{}:{path}", beside.display()));
    output(&mut generate)?;
    let mut command = script(&python, "userpilot_generated.py");
    command.arg(made).args([&server.base_url, &key(&server, "acme")]);
    println!("{}", output(&mut command)?.trim());
    Ok(())
}

/// However many start at once, one job of an app token is in progress, and every other answer
/// says which.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_start_at_once_one_does() -> anyhow::Result<()> {
    const RACERS: usize = 64;
    let folder = tempfile::tempdir()?;
    // Nothing runs, so that the place stays taken.
    let options = Options::rows(1_000).set("OUTHAUL__WORKER__ENABLED", false);
    let server = Server::start(folder.path(), options).await?;
    let client = Client::new();
    let url = format!("{}{EXPORTS}", server.base_url);
    let token = format!("Token {}", key(&server, "acme"));
    let racers = (0..RACERS).map(|_| {
        let request = client.post(&url).header("Authorization", &token).json(&json!({}));
        tokio::spawn(async move {
            let answer = request.send().await?;
            let (status, waits) = (answer.status(), answer.headers().contains_key("retry-after"));
            anyhow::Ok((status, waits, answer.json::<Value>().await?))
        })
    });
    let racers: Vec<_> = racers.collect();
    let (mut started, mut refused) = (Vec::new(), Vec::new());
    for racer in racers {
        match racer.await?? {
            (StatusCode::CREATED, _, job) => started.push(job["job_id"].clone()),
            (StatusCode::CONFLICT, true, errors) => {
                refused.push(errors["errors"][0]["job_id"].clone());
            }
            other => anyhow::bail!("{other:?}"),
        }
    }
    assert_eq!((started.len(), refused.len()), (1, RACERS - 1));
    assert!(refused.iter().all(|job| *job == started[0]), "{started:?} {refused:?}");
    println!("{RACERS} at once: one job, and {} answers that name it", refused.len());
    Ok(())
}

/// Waits until no job of the tenant is in progress.
async fn wait_until_free(server: &Server, tenant: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let url = format!("{}{EXPORTS}/jobs/", server.base_url);
        let token = format!("Token {}", key(server, tenant));
        let jobs = Client::new().get(url).header("Authorization", token).send().await?;
        let jobs: Vec<Value> = jobs.json().await?;
        let busy = |job: &Value| matches!(job["status"].as_str(), Some("pending" | "processing"));
        if !jobs.iter().any(busy) {
            return Ok(());
        }
        anyhow::ensure!(begun.elapsed() < Duration::from_secs(60), "{jobs:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
