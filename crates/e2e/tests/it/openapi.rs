//! The OpenAPI documents hold: schemathesis, which knows nothing but a document, makes requests
//! from it, valid ones and broken ones, and the server answers each as the document says, and none
//! with a server error. The ids that paths need are real ones, of an export with a file.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use outhaul_e2e::native::Native;
use outhaul_e2e::python::{interpreter, output};
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::vendor::Zuora;
use serde_json::{Value, json};

type Ids = BTreeMap<&'static str, String>;

/// Seconds that one document's requests are made for.
const SECONDS: &str = "45";

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

async fn demo(folder: &Path) -> anyhow::Result<Server> {
    let options = Options::rows(1_000)
        .set("OUTHAUL__DIALECTS__ZUORA_EXPORT__POLICY__ACTIVE_MAX", 0)
        .set("OUTHAUL__DIALECTS__ZUORA_AQUA__POLICY__ACTIVE_MAX", 0)
        .set("OUTHAUL__DIALECTS__ZUORA_AQUA__POLICY__SESSION_ACTIVE_MAX", 0)
        .set("OUTHAUL__DIALECTS__NATIVE__POLICY__ACTIVE_MAX", 0)
        .set("OUTHAUL__DIALECTS__USERPILOT__POLICY__ACTIVE_MAX", 0);
    Server::start(folder, options).await
}

/// Outhaul's own API.
#[tokio::test(flavor = "multi_thread")]
async fn the_native_api_is_what_its_document_says() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let mut server = demo(folder.path()).await?;
    let native = Native::of(&server, "acme")?;
    let mut ids = of_an_export(&native).await?;
    ids.insert("object", "Account".to_owned());
    // What is deleted is not what all others need.
    let spare = of_an_export(&native).await?;
    let bearer = format!("Bearer {}", server.secret("tenants.acme.native.api_key"));
    let cases = schemathesis(&python, &server, "native", &bearer, &ids, &spare)?;
    assert!(cases > 300, "only {cases} cases");
    assert!(server.is_alive());
    println!("schemathesis: {cases} cases passed");
    Ok(())
}

/// The ids of an export with a file that has a link.
async fn of_an_export(native: &Native) -> anyhow::Result<Ids> {
    let body = json!({"queries": [{"object": "Account"}], "format": "csv"});
    let created: Value = native.post("/exports", &body).await?.json().await?;
    let id = text(&created["id"]);
    let export = native.finished(&id, Duration::from_secs(60)).await?;
    let file = text(&export["artifacts"][0]["id"]);
    let links = format!("/exports/{id}/files/{file}/links");
    let link: Value = native.post(&links, &json!({})).await?.json().await?;
    let url = text(&link["url"]);
    let token = url.rsplit('/').next().unwrap_or_default().to_owned();
    Ok(Ids::from([("export", id), ("file", file), ("link", text(&link["id"])), ("token", token)]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Zuora's Object Export.
#[tokio::test(flavor = "multi_thread")]
async fn object_export_is_what_its_document_says() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let mut server = demo(folder.path()).await?;
    let zuora = Zuora::sign_in(&server, "acme").await?;
    let id = zuora.submit("select Id from Account", "csv", false).await?;
    let export = zuora.wait(&id, Duration::from_secs(60)).await?;
    // The same word means an export in some paths and a file in others; here it is the file.
    let ids = Ids::from([("id", text(&export["FileId"])), ("object", "Account".to_owned())]);
    let bearer = format!("Bearer {}", zuora.token());
    let cases = schemathesis(&python, &server, "zuora_export", &bearer, &ids, &ids)?;
    assert!(cases > 300, "only {cases} cases");
    assert!(server.is_alive());
    println!("schemathesis: {cases} cases passed");
    Ok(())
}

/// Zuora's AQuA.
#[tokio::test(flavor = "multi_thread")]
async fn aqua_is_what_its_document_says() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let mut server = demo(folder.path()).await?;
    let zuora = Zuora::sign_in(&server, "acme").await?;
    let body = json!({
        "version": 1.1, "partner": "p", "project": "j",
        "queries": [{"query": "select Id from Account"}],
    });
    let submit = async || -> anyhow::Result<String> {
        let job: Value = zuora.post("/v1/batch-query", &body).await?.json().await?;
        Ok(text(&job["id"]))
    };
    let id = submit().await?;
    let begun = Instant::now();
    let job = loop {
        let job: Value = zuora.get(&format!("/v1/batch-query/jobs/{id}")).await?.json().await?;
        match job["status"].as_str() {
            Some("completed") => break job,
            Some("submitted" | "pending" | "executing") if begun.elapsed().as_secs() < 60 => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            _ => anyhow::bail!("{job}"),
        }
    };
    let ids = Ids::from([
        ("id", id),
        ("file", text(&job["batches"][0]["fileId"])),
        ("partner", "p".to_owned()),
        ("project", "j".to_owned()),
    ]);
    // What is cancelled is not what all others need.
    let to_cancel = Ids::from([("id", submit().await?)]);
    let bearer = format!("Bearer {}", zuora.token());
    let cases = schemathesis(&python, &server, "zuora_aqua", &bearer, &ids, &to_cancel)?;
    assert!(cases > 300, "only {cases} cases");
    assert!(server.is_alive());
    println!("schemathesis: {cases} cases passed");
    Ok(())
}

/// Userpilot's analytics export.
#[tokio::test(flavor = "multi_thread")]
async fn analytics_export_is_what_its_document_says() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let mut server = demo(folder.path()).await?;
    let token = format!("Token {}", server.secret("tenants.acme.userpilot.app_token"));
    let url = format!("{}/api/v1/analytics/exports", server.base_url);
    let started = reqwest::Client::new().post(url).header("Authorization", &token).send().await?;
    let started: Value = started.json().await?;
    let ids = Ids::from([("job_id", text(&started["job_id"])), ("name", "segments".to_owned())]);
    let cases = schemathesis(&python, &server, "userpilot", &token, &ids, &ids)?;
    assert!(cases > 200, "only {cases} cases");
    assert!(server.is_alive());
    println!("schemathesis: {cases} cases passed");
    Ok(())
}

/// Makes requests from a document and answers how many there were.
fn schemathesis(
    python: &Path,
    server: &Server,
    document: &str,
    authorization: &str,
    ids: &Ids,
    to_delete: &Ids,
) -> anyhow::Result<u64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let settings = server.folder().join("schemathesis.toml");
    let lines = |ids: &Ids| -> String {
        ids.iter().map(|(name, id)| format!("\"path.{name}\" = {id:?}\n")).collect()
    };
    let (ids, to_delete) = (lines(ids), lines(to_delete));
    let deletes = "[[operations]]\ninclude-method = \"DELETE\"\n[operations.parameters]\n";
    std::fs::write(&settings, format!("[parameters]\n{ids}\n{deletes}{to_delete}"))?;
    let mut command = Command::new(python.with_file_name("schemathesis"));
    command
        .current_dir(server.folder())
        .arg("--config-file")
        .arg(settings)
        .arg("run")
        .arg(root.join(format!("docs/openapi/{document}.json")))
        .args(["--url", &server.base_url])
        .args(["--header", &format!("Authorization: {authorization}")])
        // Without links in a document there is nothing to walk along.
        .args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS])
        // A stream that never ends.
        .args(["--exclude-path", "/api/v1/events"])
        .args(["--max-time", SECONDS, "--request-timeout", "20"]);
    let printed = output(&mut command)?;
    // "1421 generated, 1421 passed"
    let cases = printed.lines().find_map(|line| line.trim().split_once(" generated, "));
    cases
        .and_then(|(cases, _)| cases.parse().ok())
        .ok_or_else(|| anyhow::anyhow!("schemathesis did not say what it did:\n{printed}"))
}
