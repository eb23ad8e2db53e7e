//! Clients that nobody here wrote, unmodified, against the built server.

use std::path::Path;
use std::process::Command;

use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::vendor::Zuora;
use outhaul_e2e::{Source, on_every_source};

on_every_source!(tap_zuora_discovers_and_syncs_every_object);

/// tap-zuora in REST mode discovers every object and syncs all of them, with the right counts.
async fn tap_zuora_discovers_and_syncs_every_object(source: Source) -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(3_000).on(source)).await?;
    let config = folder.path().join("tap.json");
    let secret = |name: &str| server.secret(&format!("tenants.acme.zuora.{name}"));
    let settings = serde_json::json!({
        "api_type": "REST",
        "username": secret("api_access_key_id"),
        "password": secret("api_secret_access_key"),
        "sandbox": "true",
        "european": "true",
        "start_date": "2021-07-01T00:00:00Z",
    });
    std::fs::write(&config, settings.to_string())?;
    let catalog = folder.path().join("catalog.json");
    let discovered = tap(&python, &server, &config, &["--discover"])?;
    std::fs::write(&catalog, &discovered)?;
    let selected = output(script(&python, "select_all.py").arg(&catalog))?;
    std::fs::write(&catalog, selected)?;
    let synced = tap(&python, &server, &config, &["--catalog", &catalog.display().to_string()])?;

    let mut records = std::collections::BTreeMap::<String, u64>::new();
    for line in synced.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        if message["type"] == "RECORD" {
            *records
                .entry(message["stream"].as_str().unwrap_or_default().to_owned())
                .or_default() += 1;
        }
    }
    let client = Zuora::sign_in(&server, "acme").await?;
    let objects = described(&client).await?;
    assert!(objects.len() >= 19, "{objects:?}");
    for object in &objects {
        // Not every object has an Id. No text of the demo has a line break.
        let csv = client.export(&format!("select * from {object}"), "csv", false).await?;
        let rows = csv.iter().filter(|byte| **byte == b'\n').count() as u64 - 1;
        assert_eq!(records.get(object), Some(&rows), "{object}: {records:?}");
    }
    println!("tap-zuora: {} objects, {} records", objects.len(), records.values().sum::<u64>());
    Ok(())
}

fn tap(
    python: &Path,
    server: &Server,
    config: &Path,
    arguments: &[&str],
) -> anyhow::Result<String> {
    let mut command: Command = script(python, "run_tap.py");
    command.env("ZUORA_BASE", &server.base_url).arg("--config").arg(config).args(arguments);
    output(&mut command)
}

/// The names that `GET /v1/describe` lists.
async fn described(client: &Zuora) -> anyhow::Result<Vec<String>> {
    let xml = client.get("/v1/describe").await?.error_for_status()?.text().await?;
    let names = xml.split("<name>").skip(1).filter_map(|rest| rest.split("</name>").next());
    Ok(names.map(str::to_owned).collect())
}
