//! Processes that end and start again: an orderly stop loses and charges nothing, and of several
//! processes on one store none takes the work of another that lives.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server, program};
use reqwest::Method;
use serde_json::{Value, json};

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

const LEASE_SECS: u64 = 60;

/// An `outhaul worker` on the store of a demo. Dropping it kills the process.
struct Worker(Child);

impl Worker {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join("worker.log");
        let log = std::fs::File::options().create(true).append(true).open(log)?;
        let child = Command::new(program())
            .args(["worker", "--config"])
            .arg(folder.join("outhaul.toml"))
            .env("OUTHAUL__WORKER__SLOTS", "1")
            // Longer than anything here takes.
            .env("OUTHAUL__WORKER__LEASE_SECS", LEASE_SECS.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Self(child))
    }

    /// SIGSTOP or SIGCONT: while it is stopped, what it runs cannot end.
    fn signal(&self, name: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").args([name, &self.0.id().to_string()]).status()?;
        anyhow::ensure!(sent.success(), "{name} was not sent");
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

async fn until(client: &Native, id: &str, wish: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let begun = Instant::now();
    loop {
        let export = client.get(&format!("/exports/{id}")).await?;
        if wish(&export) {
            return Ok(export);
        }
        anyhow::ensure!(begun.elapsed() < Duration::from_secs(60), "it never came to it: {export}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn events(client: &Native, id: &str) -> anyhow::Result<String> {
    let path = format!("/exports/{id}/events");
    Ok(client.request(Method::GET, &path).send().await?.text().await?)
}

/// The API restarts, killed, while the worker of another process runs an export, and a second
/// worker starts: the export completes in its first attempt. Then its worker is killed: the next
/// one goes on at once, long before the lease would end.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_api_leaves_a_separate_worker_alone() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options = Options::rows(60_000).set("OUTHAUL__WORKER__ENABLED", false);
    let mut server = Server::start(folder.path(), options).await?;
    let mut client = Native::of(&server, "acme")?;
    let worker = Worker::start(folder.path())?;
    let submit = async |client: &Native| {
        let body = json!({"queries": [{"object": "InvoiceItem"}], "format": "xlsx"});
        let made: Value = client.post("/exports", &body).await?.error_for_status()?.json().await?;
        anyhow::Ok(made["id"].as_str().unwrap_or_default().to_owned())
    };
    let id = submit(&client).await?;
    until(&client, &id, |export| export["state"] == "running").await?;
    worker.signal("-STOP")?;
    server.kill();
    server.restart().await?;
    client.follow(&server);
    assert_eq!(client.get(&format!("/exports/{id}")).await?["state"], "running");
    let second = Worker::start(folder.path())?;
    let other = submit(&client).await?;
    until(&client, &other, |export| export["state"] == "completed").await?;
    drop(second);
    assert_eq!(client.get(&format!("/exports/{id}")).await?["state"], "running");
    worker.signal("-CONT")?;
    let export = client.finished(&id, Duration::from_secs(60)).await?;
    let told = events(&client, &id).await?;
    assert_eq!(told.matches("event: started").count(), 1, "{export} {told}");
    assert!(!told.contains("rescued"), "{told}");

    let id = submit(&client).await?;
    until(&client, &id, |export| export["state"] == "running").await?;
    drop(worker);
    let killed_at = Instant::now();
    let _next = Worker::start(folder.path())?;
    until(&client, &id, |export| export["state"] == "completed").await?;
    let took = killed_at.elapsed();
    assert!(events(&client, &id).await?.contains("rescued"));
    println!("the export of a killed worker was done {took:?} after its death");
    assert!(took < Duration::from_secs(LEASE_SECS / 2), "its lease was waited for: {took:?}");
    Ok(())
}
