//! callbackUrl: what a receiver hears is the data of the job, without its envelope, once.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use outhaul_e2e::python::{interpreter, script};
use outhaul_e2e::server::{Options, Server};
use serde_json::{Value, json};

use super::client::{PATIENCE, Zoho, accepted, refused};

/// A server that hears callbacks. Dropping it ends the process.
struct Receiver {
    child: Child,
    heard: PathBuf,
    port: u16,
}

impl Receiver {
    fn start(python: &Path, folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut command = script(python, "callback_receiver.py");
        // No callback of this dialect is signed, so that any secret does.
        command.arg(folder).args(["0", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().context("it has an output")?;
        BufReader::new(out).read_line(&mut line)?;
        let port = line.trim().parse().context("the receiver does not start")?;
        Ok(Self { child, heard: folder.join("requests.jsonl"), port })
    }

    /// The requests for that path, once there is one.
    async fn of_path(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(&self.heard).unwrap_or_default();
            // The last line may be half written.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let heard: Vec<Value> =
                whole.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
            let found: Vec<_> = heard.into_iter().filter(|one| one["path"] == path).collect();
            if !found.is_empty() {
                return Ok(found);
            }
            ensure!(begun.elapsed() < PATIENCE, "nobody called {path}: {text}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// With callbacks to this machine.
fn options() -> Options {
    Options::rows(3_000)
        .set("OUTHAUL__CALLBACKS__HTTP", true)
        .set("OUTHAUL__CALLBACKS__ALLOW", "[\"127.0.0.1\"]")
        .set("OUTHAUL__CALLBACKS__PORTS", "[443, \"1024-65535\"]")
        .set("OUTHAUL__CALLBACKS__RETRY_SECS", 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_hears_the_data_of_the_job() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let receiver = Receiver::start(&python, &folder.path().join("receiver"))?;
    let server = Server::start(folder.path(), options()).await?;
    let client = Zoho::sign_in(&server, "acme").await?;
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", receiver.port);

    // Of a view, of a statement, and of one that fails when it runs: more columns than a page holds.
    let columns: Vec<_> =
        (1..=60).map(|n| format!("concat(\"Name\", '{n}') as \"c{n}\"")).collect();
    let wide = format!("select {} from \"Account\"", columns.join(", "));
    for (path, code, keys) in [
        ("/ok/view?a={b}&c=d%20e", "1004", 5),
        ("/ok/sql", "1004", 5),
        ("/ok/failure", "1003", 3),
        // Nobody answers for the receiver's refusal but the receiver.
        ("/gone/view", "1004", 5),
    ] {
        let config = json!({"responseFormat": "csv", "callbackUrl": url(path)});
        let answer = match path {
            "/ok/sql" => client.create_by_sql("select Id from Account", &config).await?,
            "/ok/failure" => {
                let config = json!({"responseFormat": "pdf", "callbackUrl": url(path)});
                client.create_by_sql(&wide, &config).await?
            }
            _ => client.create("Account", &config).await?,
        };
        let id = accepted(answer).await?;
        let job = client.until(&id, &["1003", "1004", "1005"]).await?;
        assert_eq!(job["jobCode"], code, "{job}");
        let heard = receiver.of_path(&path.replace('{', "%7B").replace('}', "%7D")).await?;
        let [request] = heard.as_slice() else { anyhow::bail!("more than one: {heard:?}") };
        assert_eq!(request["method"], "POST");
        let kind = request["headers"]["content-type"].as_str().unwrap_or_default();
        assert!(kind.starts_with("application/json"), "{request}");
        let body: Value = serde_json::from_str(request["body"].as_str().context("a text")?)?;
        let body = body.as_object().context("an object")?;
        assert_eq!(body.len(), keys, "{body:?}");
        for (key, value) in body {
            assert_eq!(value, &job[key], "{key}: {body:?} of {job}");
        }
        assert_eq!(job["reason"].is_string(), code == "1003", "{job}");
        assert!(!request.to_string().contains("Authorization"), "{request}");
    }
    Ok(())
}

/// A wrong URL makes no job, and neither does one that leads into the machine's own network.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_url_makes_no_job() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options = Options::rows(500).set("OUTHAUL__WORKER__ENABLED", false);
    let server = Server::start(folder.path(), options).await?;
    let client = Zoho::sign_in(&server, "acme").await?;
    for (url, code, name) in [
        ("not a url", 8125, "CALLBACKURL_NOT_VALID"),
        ("ftp://example.com/", 8125, "CALLBACKURL_NOT_VALID"),
        ("//example.com/hook", 8125, "CALLBACKURL_NOT_VALID"),
        ("mailto:ada@example.com", 8125, "CALLBACKURL_NOT_VALID"),
        ("https://localhost/", 8127, "CALLBACKURL_RESTRICTED"),
        ("https://127.0.0.1/", 8127, "CALLBACKURL_RESTRICTED"),
        ("https://2130706433/", 8127, "CALLBACKURL_RESTRICTED"),
        ("https://10.0.0.8/hook", 8127, "CALLBACKURL_RESTRICTED"),
        ("https://169.254.169.254/latest/meta-data", 8127, "CALLBACKURL_RESTRICTED"),
        ("https://[::1]/", 8127, "CALLBACKURL_RESTRICTED"),
        ("https://[fd00:ec2::254]/", 8127, "CALLBACKURL_RESTRICTED"),
    ] {
        let config = json!({"callbackUrl": url});
        for answer in [
            client.create("Account", &config).await?,
            client.create_by_sql("select Id from Account", &config).await?,
        ] {
            assert_eq!(refused(answer).await?, (400, code, name.to_owned()), "{url}");
        }
    }
    let long = json!({"callbackUrl": format!("https://example.com/{}", "x".repeat(10_000))});
    assert_eq!(refused(client.create("Account", &long).await?).await?.1, 8507);
    // None of them holds a place: five are free.
    for _ in 0..5 {
        accepted(client.create("Account", &json!({})).await?).await?;
    }
    assert_eq!(refused(client.create("Account", &json!({})).await?).await?.1, 8132);
    Ok(())
}
