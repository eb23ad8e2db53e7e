//! Tables in an object store: the built program reads them from an S3 server on this machine, which
//! checks signatures, and what it exports is what it exports of the same files on a disk.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server, program};
use reqwest::Method;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use serde_json::json;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI-hunter2";
/// The variable that holds the secret; the configuration names it alone.
const VARIABLE: &str = "STORE_SECRET";

/// Serves the folders of a folder as buckets.
async fn serve(folder: &Path) -> anyhow::Result<SocketAddr> {
    let files = s3s_fs::FileSystem::new(folder).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let service = service.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let server = auto::Builder::new(TokioExecutor::new());
        while let Ok((socket, _)) = listener.accept().await {
            let connection = server.serve_connection(TokioIo::new(socket), service.clone());
            tokio::spawn(connection.into_owned());
        }
    });
    Ok(address)
}

/// The rows of some objects as CSV.
async fn exported(server: &Server, tenant: &str) -> anyhow::Result<Vec<String>> {
    let client = Native::of(server, tenant)?;
    let mut files = Vec::new();
    for sql in [
        "SELECT * FROM Account ORDER BY Id",
        "SELECT Id, Amount FROM Invoice WHERE Amount > 100 ORDER BY Id",
        "SELECT count(*) AS c FROM InvoiceItem",
    ] {
        let body = json!({"queries": [{"sql": sql}], "format": "csv"});
        let answer = client.post("/exports", &body).await?;
        let created: serde_json::Value = answer.error_for_status()?.json().await?;
        let id = created["id"].as_str().context("an id")?;
        let export = client.finished(id, Duration::from_secs(120)).await?;
        let file = export["artifacts"][0]["id"].as_str().context("a file")?;
        let path = format!("/exports/{id}/files/{file}");
        let answer = client.request(Method::GET, &path).send().await?.error_for_status()?;
        files.push(answer.text().await?);
    }
    Ok(files)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_reads_its_tables_from_a_bucket() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let folder = root.path().join("bucket");
    std::fs::create_dir(&folder)?;
    let mut server = Server::start(&folder, Options::rows(20_000)).await?;
    let mut local = Vec::new();
    for tenant in ["acme", "globex"] {
        local.push(exported(&server, tenant).await?);
    }
    server.kill();
    let store = serve(root.path()).await?;
    let options = |secret: &str| {
        let options = format!(
            "{{ endpoint = \"http://{store}\", allow_http = \"true\", region = \"us-east-1\", \
             access_key_id = \"{KEY}\", secret_access_key = {{ env = \"{VARIABLE}\" }} }}"
        );
        Options::rows(20_000)
            .set("OUTHAUL__SOURCES__0__URL", "s3://bucket/data")
            .set("OUTHAUL__SOURCES__0__OPTIONS", options)
            .set(VARIABLE, secret)
    };
    server.restart_with(options(SECRET)).await?;
    for (tenant, local) in ["acme", "globex"].into_iter().zip(&local) {
        assert_eq!(exported(&server, tenant).await?, *local, "{tenant}");
    }
    server.kill();
    // With a wrong secret nothing is exported, and no secret is told.
    server.restart_with(options("not-the-secret-hunter3")).await?;
    let client = Native::of(&server, "acme")?;
    let body = json!({"queries": [{"sql": "SELECT Id FROM Account"}], "format": "csv"});
    let answer = client.post("/exports", &body).await?;
    let text = answer.text().await?;
    let told = format!("{text}{}", server.log());
    // A question without a body is answered without a reason.
    assert!(told.contains("the object store refuses access with these credentials"), "{told}");
    assert!(!told.contains("hunter3") && !text.contains("credentials"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_run_reads_a_bucket_by_the_environment() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let lake = root.path().join("bucket/lake");
    for (path, text) in [
        ("sales/year=2025/a.csv", "id,amount\n1,1.50\n2,2.25\n"),
        ("sales/year=2026/a.csv", "id,amount\n3,10.00\n"),
    ] {
        let path = lake.join(path);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(path, text)?;
    }
    let store = serve(root.path()).await?;
    let run = |source: &str, secret: &str| {
        let mut command = Command::new(program());
        command
            .current_dir(root.path())
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_REGION", "us-east-1");
        command.env("AWS_SECRET_ACCESS_KEY", secret).env("AWS_ALLOW_HTTP", "true");
        command.env("AWS_ENDPOINT", format!("http://{store}"));
        command.args(["run", "--source", source, "--quiet", "-o", "-"]);
        command.args(["--sql", "SELECT id, amount, year FROM sales ORDER BY id"]);
        tokio::task::spawn_blocking(move || command.output())
    };
    let near = run(&lake.display().to_string(), "").await??;
    let far = run("s3://bucket/lake", SECRET).await??;
    let said = String::from_utf8_lossy(&far.stderr).into_owned();
    assert!(far.status.success(), "{said}");
    assert_eq!(far.stdout, near.stdout, "{said}");
    let text = String::from_utf8(far.stdout)?;
    assert!(text.contains("3,10.000000,2026"), "{text}");
    for (source, secret, says) in [
        ("s3://bucket/lake", "not-the-secret-hunter3", "does not accept the credentials"),
        ("s3://nowhere/lake", SECRET, "no such bucket"),
    ] {
        let refused = run(source, secret).await??;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(says), "{source}: {said}");
        assert!(!said.contains("hunter"), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_is_begun_from_a_bucket() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let lake = root.path().join("bucket/lake");
    let folder = lake.join("sales/tenant=acme/day=2026-01-31");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("a.csv"), "id,amount\n1,1.50\n")?;
    let store = serve(root.path()).await?;
    let mut command = Command::new(program());
    command.current_dir(root.path()).env("AWS_ACCESS_KEY_ID", KEY).env("AWS_REGION", "us-east-1");
    command.env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_ALLOW_HTTP", "true");
    command.env("AWS_ENDPOINT", format!("http://{store}"));
    command.args(["catalog", "init", "s3://bucket/lake"]);
    let made = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = String::from_utf8(made.stdout)?;
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{said}");
    for part in ["table = \"sales\"", "tenant_column = \"tenant\"", "type = \"date\""] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains(SECRET) && !said.contains(SECRET), "{said}");
    Ok(())
}
