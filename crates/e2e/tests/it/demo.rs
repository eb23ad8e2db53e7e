//! `outhaul demo --source postgres` with a database of its own: it outlives the demo, is there for
//! `outhaul serve`, is stopped when that is asked for, and comes back as it was.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server, program};
use outhaul_instances::Postgres;
use serde_json::{Value, json};

/// Runs the program to its end.
fn run(arguments: &[&str], folder: &Path) -> anyhow::Result<Output> {
    let mut command = Command::new(program());
    command.args(arguments).arg(folder);
    Ok(command.stdin(Stdio::null()).output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Stops the database whatever happens.
struct Stopped<'a>(&'a Path);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        Postgres::stop_in(&self.0.join("postgres")).ok();
    }
}

/// Dropping it kills the process.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

async fn rows(client: &Native) -> anyhow::Result<u64> {
    let body = json!({"queries": [{"sql": "select count(*) from InvoiceItem"}], "format": "csv"});
    let made: Value = client.post("/exports", &body).await?.error_for_status()?.json().await?;
    let id = made["id"].as_str().unwrap_or_default();
    let export = client.finished(id, Duration::from_secs(60)).await?;
    let path =
        format!("/exports/{id}/files/{}", export["artifacts"][0]["id"].as_str().unwrap_or(""));
    let file = client.request(reqwest::Method::GET, &path).send().await?.text().await?;
    Ok(file.lines().nth(1).unwrap_or_default().parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_database_outlives_the_demo() -> anyhow::Result<()> {
    let made = tempfile::tempdir()?;
    // Whoever PostgreSQL runs as comes to it.
    std::fs::set_permissions(made.path(), std::fs::Permissions::from_mode(0o755))?;
    let folder = made.path();
    let _stopped = Stopped(folder);
    let mut server = Server::start(folder, Options::rows(500).privately()).await?;
    assert_eq!(server.demo["source"]["kind"], "postgres");
    let url = server.demo["source"]["url"].clone();
    let counted = rows(&Native::of(&server, "acme")?).await?;
    assert!(counted > 200, "{counted}");
    server.kill();
    let database = folder.join("postgres");
    let pid = Postgres::running_in(&database);
    assert!(pid.is_some(), "it is left for others");

    // The folder is that of a demo on a database from now on.
    let refused = run(&["demo", "--port", "0", "--source", "files", "--data"], folder)?;
    assert!(!refused.status.success() && said(&refused).contains("has its rows in a database"));

    serves(folder, &server, counted).await?;
    let stopped = run(&["demo", "--stop", "--data"], folder)?;
    assert!(stopped.status.success(), "{}", said(&stopped));
    assert_eq!(Postgres::running_in(&database), None);
    let twice = run(&["demo", "--stop", "--data"], folder)?;
    assert!(twice.status.success() && said(&twice).contains("does not run"), "{}", said(&twice));
    let doctor = Command::new(program())
        .args(["doctor", "--config"])
        .arg(folder.join("outhaul.toml"))
        .output()?;
    assert!(
        !doctor.status.success() && said(&doctor).contains("cannot be reached"),
        "{}",
        said(&doctor)
    );

    server.restart().await?;
    assert_eq!(server.demo["source"]["url"], url, "the configuration names its port");
    assert_ne!(Postgres::running_in(&database), pid);
    assert_eq!(rows(&Native::of(&server, "acme")?).await?, counted);
    assert_eq!(server.log().matches("making the data").count(), 1, "{}", server.log());
    Ok(())
}

/// `outhaul serve` on the folder has the rows.
async fn serves(folder: &Path, demo: &Server, counted: u64) -> anyhow::Result<()> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let child = Command::new(program())
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--config"])
        .arg(folder.join("outhaul.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _running = Running(child);
    let base_url = format!("http://127.0.0.1:{port}");
    let begun = Instant::now();
    while reqwest::get(format!("{base_url}/healthz")).await.is_err() {
        anyhow::ensure!(begun.elapsed() < Duration::from_secs(60), "it does not serve");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut client = Native::of(demo, "acme")?;
    client.at(&base_url);
    assert_eq!(rows(&client).await?, counted);
    Ok(())
}

#[test]
fn a_database_that_cannot_be_had_is_told() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let url = format!("postgres://me:secret@127.0.0.1:{port}/app");
    let mut demo = Command::new(program());
    demo.args(["demo", "--port", "0", "--url", &url, "--data"]).arg(folder.path());
    let output = demo.output()?;
    let text = said(&output);
    assert!(!output.status.success() && text.contains("cannot connect to the database"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let output = run(&["demo", "--stop", "--data"], folder.path())?;
    assert!(
        !output.status.success() && said(&output).contains("did not start"),
        "{}",
        said(&output)
    );
    Ok(())
}
