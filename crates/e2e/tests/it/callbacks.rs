//! Callbacks that tell of exports' ends, heard by a foreign server and verified by a foreign library.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use outhaul_e2e::native::Native;
use outhaul_e2e::python::{interpreter, script};
use outhaul_e2e::server::{Options, Server};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than the lease of a message that takes at most a second.
const PAST_LEASE: Duration = Duration::from_secs(120);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server that hears callbacks. Dropping it ends the process.
struct Receiver {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Receiver {
    fn start(python: &Path, folder: &Path, port: u16) -> anyhow::Result<Self> {
        Self::with(python, folder, port, &[])
    }

    /// One with a certificate for that name.
    fn encrypted(python: &Path, folder: &Path, name: &str) -> anyhow::Result<Self> {
        Self::with(python, folder, 0, &[name])
    }

    fn with(python: &Path, folder: &Path, port: u16, name: &[&str]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut child = script(python, "callback_receiver.py")
            .arg(folder)
            .arg(port.to_string())
            .arg(SECRET)
            .args(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().context("it has an output")?;
        BufReader::new(out).read_line(&mut line)?;
        let port = line.trim().parse().context("the receiver does not start")?;
        Ok(Self { child, folder: folder.to_owned(), port })
    }

    /// The requests it heard, in their order.
    fn heard(&self) -> anyhow::Result<Vec<Value>> {
        let path = self.folder.join("requests.jsonl");
        let text = if path.exists() { std::fs::read_to_string(path)? } else { String::new() };
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// With callbacks to this machine, tried again every second, and signed for the first tenant.
fn options() -> Options {
    Options::rows(3_000)
        .set("OUTHAUL__CALLBACKS__HTTP", true)
        .set("OUTHAUL__CALLBACKS__ALLOW", "[\"127.0.0.1\"]")
        .set("OUTHAUL__CALLBACKS__PORTS", "[443, \"1024-65535\"]")
        .set("OUTHAUL__CALLBACKS__RETRY_SECS", 1)
        .set("OUTHAUL__CALLBACKS__TIMEOUT_SECS", 1)
        .set("OUTHAUL__TENANTS__0__CALLBACK_SECRET", "{ env = \"CALLBACK_SECRET\" }")
        .set("CALLBACK_SECRET", SECRET)
}

fn body(url: &str) -> Value {
    let query = json!({"object": "Account", "fields": ["Id"]});
    json!({
        "label": "Accounts", "queries": [query], "format": "csv", "notify": {"callback_url": url},
    })
}

async fn id_of(client: &Native, body: &Value) -> anyhow::Result<String> {
    let made: Value = client.post("/exports", body).await?.error_for_status()?.json().await?;
    Ok(made["id"].as_str().context("it has an id")?.to_owned())
}

/// The export and its message, once that is over.
async fn told(client: &Native, id: &str, patience: Duration) -> anyhow::Result<(Value, Value)> {
    let begun = Instant::now();
    loop {
        let export = client.get(&format!("/exports/{id}")).await?;
        let notice = export["notices"][0].clone();
        if notice["state"].as_str().is_some_and(|state| state != "waiting") {
            return Ok((export, notice));
        }
        anyhow::ensure!(begun.elapsed() < patience, "after {patience:?}: {export}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn of_path<'a>(heard: &'a [Value], part: &str) -> Vec<&'a Value> {
    let is_it = |request: &&Value| request["path"].as_str().is_some_and(|path| path.contains(part));
    heard.iter().filter(is_it).collect()
}

/// What came of it, each attempt to be seen, and nothing of the receiver's own words.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_hears_what_came_of_an_export() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let receiver = Receiver::start(&python, &folder.path().join("receiver"), 0)?;
    let server = Server::start(folder.path(), options()).await?;
    let client = Native::of(&server, "acme")?;
    let url = |word: &str| {
        format!("http://127.0.0.1:{}/{word}/{{export}}?s={{state}}&token=hunter2", receiver.port)
    };
    for (word, state, attempts, error) in [
        ("ok", "sent", 1, None),
        ("busy2", "sent", 3, None),
        ("gone", "given_up", 1, Some("the receiver answered 410")),
    ] {
        let id = id_of(&client, &body(&url(word))).await?;
        let (export, notice) = told(&client, &id, PATIENCE).await?;
        assert_eq!(export["state"], "completed");
        assert_eq!(notice["kind"], "callback");
        assert_eq!((&notice["state"], &notice["attempts"]), (&json!(state), &json!(attempts)));
        assert_eq!(notice["last_error"], json!(error), "{notice}");
        assert_eq!(notice["sent_at"].is_string(), state == "sent", "{notice}");
        let path = format!("/{word}/{id}?s=completed&token=hunter2");
        assert!(notice["to"].as_str().is_some_and(|to| to.ends_with(&path)), "{notice}");

        let heard = receiver.heard()?;
        let requests = of_path(&heard, &id);
        assert_eq!(requests.len(), attempts, "{requests:?}");
        for request in &requests {
            assert_eq!((&request["method"], &request["path"]), (&json!("POST"), &json!(path)));
            assert_eq!(request["verified"], true, "{request}");
            assert_eq!(request["headers"]["webhook-id"], requests[0]["headers"]["webhook-id"]);
            assert_eq!(request["body"], requests[0]["body"]);
            let agent = request["headers"]["user-agent"].as_str().unwrap_or_default();
            assert!(agent.starts_with("Outhaul/"), "{agent}");
        }
        let event: Value = serde_json::from_str(requests[0]["body"].as_str().context("a text")?)?;
        assert_eq!(event["type"], "export.completed");
        let data = &event["data"];
        assert_eq!((&data["id"], &data["label"]), (&json!(id), &json!("Accounts")));
        let file = &export["artifacts"][0];
        assert_eq!((&data["rows"], &data["bytes"]), (&file["rows"], &file["bytes"]));
    }

    // A tenant without a secret, an export that fails, and a redirect that nobody follows.
    let other = Native::of(&server, "globex")?;
    let id = id_of(&other, &body(&url("plain"))).await?;
    assert_eq!(told(&other, &id, PATIENCE).await?.1["state"], "sent");
    let sql = "SELECT CAST(Name AS INTEGER) AS n FROM Account";
    let notify = json!({"callback_url": url("failed")});
    let wrong = json!({"queries": [{"sql": sql}], "format": "csv", "notify": notify});
    let failed = id_of(&client, &wrong).await?;
    let (export, _) = told(&client, &failed, PATIENCE).await?;
    let moved = id_of(&client, &body(&url("moved"))).await?;
    client.finished(&moved, PATIENCE).await?;
    let begun = Instant::now();
    while of_path(&receiver.heard()?, "/moved/").len() < 2 {
        anyhow::ensure!(begun.elapsed() < PATIENCE, "it is not tried again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let heard = receiver.heard()?;
    let plain = of_path(&heard, "/plain/");
    assert!(plain[0]["headers"]["webhook-signature"].is_null(), "{plain:?}");
    assert!(plain[0]["headers"]["webhook-id"].is_string(), "{plain:?}");
    let failure = of_path(&heard, "/failed/");
    let event: Value = serde_json::from_str(failure[0]["body"].as_str().context("a text")?)?;
    assert_eq!((&event["type"], &export["state"]), (&json!("export.failed"), &json!("failed")));
    assert_eq!(event["data"]["reason"]["message"], export["reason"]["message"]);
    assert!(of_path(&heard, "/stolen").is_empty(), "{heard:?}");
    let found = client.get(&format!("/exports/{moved}")).await?;
    assert_eq!(found["state"], "completed", "a callback's failure is not the export's");
    assert_eq!(found["notices"][0]["last_error"], "the receiver answered 302");

    let metrics = reqwest::get(format!("{}/metrics", server.base_url)).await?.text().await?;
    for (result, count) in [("sent", 4), ("given_up", 1)] {
        let line =
            format!("outhaul_notices_total{{kind=\"callback\",result=\"{result}\"}} {count}");
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
    let log = server.log();
    assert!(log.contains("domain=\"127.0.0.1\""), "{log}");
    for secret in ["hunter2", "MfKQ9r8G", "a secret of the receiver"] {
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
    Ok(())
}

/// The receiver is away; then it takes requests and does not answer; the server is killed again and
/// again. Every callback arrives, each under one id, and no export changes.
#[tokio::test(flavor = "multi_thread")]
async fn callbacks_survive_kills_and_a_receiver_that_is_away() -> anyhow::Result<()> {
    const EXPORTS: usize = 12;
    const KILLS: usize = 3;
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut server = Server::start(folder.path(), options()).await?;
    let mut client = Native::of(&server, "acme")?;
    let mut exports = Vec::new();
    for number in 0..EXPORTS {
        let word = if number % 2 == 0 { "hang" } else { "ok" };
        let url = format!("http://127.0.0.1:{port}/{word}/{{export}}");
        exports.push(id_of(&client, &body(&url)).await?);
    }
    let mut ends = Vec::new();
    for id in &exports {
        ends.push(client.finished(id, PATIENCE).await?["finished_at"].clone());
    }
    let begun = Instant::now();
    loop {
        let notice = client.get(&format!("/exports/{}", exports[0])).await?["notices"][0].clone();
        if notice["last_error"] == "the receiver could not be reached" {
            assert_eq!(notice["state"], "waiting");
            break;
        }
        anyhow::ensure!(begun.elapsed() < PATIENCE, "{notice}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.kill();

    let receiver = Receiver::start(&python, &folder.path().join("receiver"), port)?;
    for _ in 0..KILLS {
        let before = receiver.heard()?.len();
        server.restart().await?;
        let begun = Instant::now();
        // What comes next is killed in its midst: the request was heard, and nobody noted so.
        while receiver.heard()?.len() == before && begun.elapsed() < PAST_LEASE {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        server.kill();
    }
    server.restart().await?;
    client.follow(&server);
    for (id, end) in exports.iter().zip(&ends) {
        let (export, notice) = told(&client, id, PAST_LEASE).await?;
        assert_eq!(notice["state"], "sent", "{export}");
        assert_eq!((&export["state"], &export["finished_at"]), (&json!("completed"), end));
    }
    let heard = receiver.heard()?;
    for id in &exports {
        let requests = of_path(&heard, id);
        let ids: BTreeSet<_> =
            requests.iter().filter_map(|r| r["headers"]["webhook-id"].as_str()).collect();
        assert_eq!(ids.len(), 1, "{requests:?}");
        assert!(requests.iter().all(|request| request["verified"] == true), "{requests:?}");
    }
    println!("{EXPORTS} callbacks over {KILLS} kills: {} requests, an id each", heard.len());
    Ok(())
}

/// The certificate must be the host's, and from an authority that is known.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let mut server: Option<Server> = None;
    for (number, (name, knows, taken)) in
        [("127.0.0.1", true, true), ("127.0.0.1", false, false), ("other.example", true, false)]
            .into_iter()
            .enumerate()
    {
        let receiver = folder.path().join(format!("receiver{number}"));
        let receiver = Receiver::encrypted(&python, &receiver, name)?;
        let mut options = options().set("OUTHAUL__CALLBACKS__HTTP", false);
        if knows {
            let file = receiver.folder.join("ca.pem");
            options = options.set("OUTHAUL__CALLBACKS__CA_FILE", file.display());
        }
        match &mut server {
            None => server = Some(Server::start(folder.path(), options).await?),
            Some(server) => {
                server.terminate(PATIENCE).await?;
                server.restart_with(options).await?;
            }
        }
        let server = server.as_ref().context("it runs")?;
        let client = Native::of(server, "acme")?;
        let url = format!("https://127.0.0.1:{}/ok/{{export}}", receiver.port);
        let id = id_of(&client, &body(&url)).await?;
        let begun = Instant::now();
        let notice = loop {
            let notice = client.get(&format!("/exports/{id}")).await?["notices"][0].clone();
            if notice["state"] == "sent" || notice["last_error"].is_string() {
                break notice;
            }
            anyhow::ensure!(begun.elapsed() < PATIENCE, "{notice}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(notice["state"] == "sent", taken, "{name}, {knows}: {notice}");
        assert_eq!(receiver.heard()?.len(), usize::from(taken), "{name}, {knows}");
        if !taken {
            assert_eq!(notice["last_error"], "the receiver could not be reached");
            assert!(server.log().contains("certificate"), "{}", server.log());
        }
    }
    Ok(())
}

/// What a URL may be is said when the export is created.
#[tokio::test(flavor = "multi_thread")]
async fn urls_are_refused_with_a_reason() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path(), Options::rows(3_000)).await?;
    let mut client = Native::of(&server, "acme")?;
    for (url, reason) in [
        ("http://example.com/", "must begin with https://"),
        ("https://localhost/", "own machine"),
        ("https://2130706433/", "127.0.0.1: it is an address of the machine itself"),
        ("https://169.254.169.254/latest/meta-data", "link-local"),
        ("https://[fd00:ec2::254]/", "private network"),
        ("https://example.com:22/", "port 22"),
        ("https://u:p@example.com/", "user name or a password"),
        ("https://{export}.example.com/", "outside of the URL's path and query"),
        ("https://example.com/{job}", "places {export} and {state}"),
    ] {
        let answer = client.post("/exports", &body(url)).await?;
        assert_eq!(answer.status().as_u16(), 400, "{url}");
        let problem: Value = answer.json().await?;
        assert_eq!(problem["field"], "/notify/callback_url", "{problem}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(reason), "{url}: {problem}");
    }
    server.terminate(PATIENCE).await?;
    let off = Options::rows(3_000).set("OUTHAUL__CALLBACKS__ENABLED", false);
    server.restart_with(off).await?;
    client.follow(&server);
    let problem: Value =
        client.post("/exports", &body("https://example.com/")).await?.json().await?;
    let said = (&problem["code"], &problem["field"]);
    assert_eq!(said, (&json!("unsupported"), &json!("/notify/callback_url")), "{problem}");
    Ok(())
}
