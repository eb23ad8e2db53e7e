//! Mails that tell of exports' ends, taken by a real mail server and read by a foreign parser.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use outhaul_e2e::native::Native;
use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server, program};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than the lease of a message that takes at most a second.
const PAST_LEASE: Duration = Duration::from_secs(120);

/// A mail server. Dropping it ends the process.
struct MailServer {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl MailServer {
    fn start(python: &Path, folder: &Path, port: u16, how: &[&str]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log"))?;
        let mut child = script(python, "mail_server.py")
            .arg(folder)
            .arg(port.to_string())
            .args(how)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().context("it has an output")?;
        BufReader::new(out).read_line(&mut line)?;
        let port = line.trim().parse().with_context(|| {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            format!("the mail server does not start: {log}")
        })?;
        Ok(Self { child, folder: folder.to_owned(), port })
    }

    /// The mails it took, in their order.
    fn taken(&self) -> Vec<PathBuf> {
        let path = |number: usize| self.folder.join(format!("{number}.eml"));
        (1..).map(path).take_while(|path| path.exists()).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn read(python: &Path, mail: &Path) -> anyhow::Result<Value> {
    let read: Value = serde_json::from_str(&output(script(python, "read_mail.py").arg(mail))?)?;
    anyhow::ensure!(read["type"] == "multipart/alternative", "{read}");
    anyhow::ensure!(read["parts"] == json!(["text/plain", "text/html"]), "{read}");
    anyhow::ensure!(read["defects"] == json!([]) && read["loads"] == json!([]), "{read}");
    anyhow::ensure!(read["headers"]["auto-submitted"] == "auto-generated", "{read}");
    anyhow::ensure!(read["plain_links"] == read["html_links"], "{read}");
    Ok(read)
}

/// With mails through that server, tried again every second.
fn options(mails: u16, tls: &str) -> Options {
    Options::rows(3_000)
        .set("OUTHAUL__MAIL__TRANSPORT", "smtp")
        .set("OUTHAUL__MAIL__FROM", "Exports \u{fc}ber alles <exports@example.com>")
        .set("OUTHAUL__MAIL__HOST", "localhost")
        .set("OUTHAUL__MAIL__PORT", mails)
        .set("OUTHAUL__MAIL__TLS", tls)
        .set("OUTHAUL__MAIL__RETRY_SECS", 1)
}

const LABEL: &str = "Umsatz \u{2013} M\u{e4}rz <b>&\r\nBcc: spy@example.com";

async fn submit(client: &Native, emails: &[&str]) -> anyhow::Result<String> {
    let body = json!({
        "label": LABEL,
        "queries": [{"object": "Account", "fields": ["Id"]}, {"object": "Invoice", "fields": ["Id"]}],
        "format": "csv",
        "notify": {"emails": emails},
    });
    id_of(client, &body).await
}

async fn id_of(client: &Native, body: &Value) -> anyhow::Result<String> {
    let made: Value = client.post("/exports", body).await?.error_for_status()?.json().await?;
    Ok(made["id"].as_str().context("it has an id")?.to_owned())
}

/// The export, once its messages fulfil the wish.
async fn told(
    client: &Native,
    id: &str,
    patience: Duration,
    wish: impl Fn(&[Value]) -> bool,
) -> anyhow::Result<Value> {
    let begun = Instant::now();
    loop {
        let export = client.get(&format!("/exports/{id}")).await?;
        if export["notices"].as_array().is_some_and(|notices| wish(notices)) {
            return Ok(export);
        }
        anyhow::ensure!(begun.elapsed() < patience, "after {patience:?}: {export}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn all_ended(notices: &[Value]) -> bool {
    notices.iter().all(|notice| notice["state"] != "waiting")
}

fn notice<'a>(export: &'a Value, name: &str) -> &'a Value {
    let is_it = |n: &&Value| n["to"].as_str().is_some_and(|to| to.starts_with(name));
    let mut notices = export["notices"].as_array().into_iter().flatten();
    notices.find(is_it).unwrap_or(&Value::Null)
}

/// Follows the links of a mail, as a browser would, and compares rows.
async fn follow(server: &Server, mail: &Value, export: &Value) -> anyhow::Result<()> {
    let artifacts = export["artifacts"].as_array().context("files")?;
    let links = mail["plain_links"].as_array().context("links")?;
    anyhow::ensure!(links.len() == artifacts.len(), "{mail}");
    for (link, artifact) in links.iter().zip(artifacts) {
        let link = link.as_str().context("a text")?;
        // The server may have another port by now.
        let path = link.splitn(4, '/').nth(3).context("a path")?;
        let answer = reqwest::get(format!("{}/{path}", server.base_url)).await?;
        let body = answer.error_for_status()?.text().await?;
        assert_eq!(json!(body.lines().count() - 1), artifact["rows"], "{link}");
        let name = artifact["file_name"].as_str().context("a name")?;
        assert!(mail["plain"].as_str().is_some_and(|text| text.contains(name)), "{mail}");
    }
    Ok(())
}

/// One mail for each address, with links that work; a receiver that is busy is asked again, one that
/// is unknown is given up, and both are to be seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_takes_a_mail_for_each_address() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let mails = MailServer::start(&python, &folder.path().join("box"), 0, &["none"])?;
    let server = Server::start(folder.path(), options(mails.port, "none")).await?;
    let client = Native::of(&server, "acme")?;
    let to = ["ann@example.com", "busy2@example.com", "never@example.com"];
    let id = submit(&client, &to).await?;
    client.finished(&id, PATIENCE).await?;
    let export = told(&client, &id, PATIENCE, all_ended).await?;
    let [ann, busy, never] = ["ann", "busy2", "never"].map(|name| notice(&export, name));
    assert_eq!((&ann["state"], &ann["attempts"]), (&json!("sent"), &json!(1)), "{ann}");
    assert_eq!((&busy["state"], &busy["attempts"]), (&json!("sent"), &json!(3)), "{busy}");
    assert!(ann["sent_at"].is_string() && busy["last_error"].is_null(), "{export}");
    assert_eq!((&never["state"], &never["attempts"]), (&json!("given_up"), &json!(1)), "{never}");
    assert!(never["last_error"].as_str().is_some_and(|text| text.contains("550")), "{never}");

    let taken = mails.taken();
    assert_eq!(taken.len(), 2, "{taken:?}");
    for (path, to) in taken.iter().zip(to) {
        let mail = read(&python, path)?;
        let head = &mail["headers"];
        assert_eq!(head["to"], to);
        assert_eq!(head["from"], "Exports \u{fc}ber alles <exports@example.com>");
        let subject = "Your export Umsatz \u{2013} M\u{e4}rz <b>&  Bcc: spy@example.com is ready";
        assert_eq!(head["subject"], subject);
        assert!(head["bcc"].is_null(), "{head}");
        for part in ["plain", "html"] {
            assert!(mail[part].as_str().is_some_and(|text| text.contains(&id)), "{mail}");
        }
        follow(&server, &mail, &export).await?;
    }

    // Planned without fault, it fails when it is run.
    let sql = "SELECT CAST(Name AS INTEGER) AS n FROM Account";
    let queries = json!([{"sql": sql, "name": "numbers"}]);
    let emails = json!({"emails": ["ann@example.com"]});
    let body = json!({"queries": queries, "format": "csv", "notify": emails});
    let id = id_of(&client, &body).await?;
    let export = told(&client, &id, PATIENCE, |notices| {
        notices.first().is_some_and(|notice| notice["state"] == "sent")
    });
    let export = export.await?;
    assert_eq!(export["state"], "failed");
    let mail = read(&python, &mails.taken()[2])?;
    assert_eq!(mail["headers"]["subject"], "Your export numbers has failed");
    let reason = export["reason"]["message"].as_str().context("a reason")?;
    assert!(mail["plain"].as_str().is_some_and(|text| text.contains(reason)), "{mail} {export}");
    assert_eq!(mail["plain_links"], json!([]));

    let metrics = reqwest::get(format!("{}/metrics", server.base_url)).await?.text().await?;
    for (result, count) in [("sent", 3), ("retried", 2), ("given_up", 1)] {
        let line = format!("outhaul_notices_total{{kind=\"mail\",result=\"{result}\"}} {count}");
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
    let log = server.log();
    assert!(log.contains("domain=\"example.com\""), "{log}");
    for name in to {
        assert!(!log.contains(name), "{name} stands in the log");
    }
    Ok(())
}

/// Encrypted and signed in, both ways; and `doctor` says what is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_and_signed_in() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    for tls in ["starttls", "tls"] {
        let folder = tempfile::tempdir()?;
        let mails = folder.path().join("box");
        let mails = MailServer::start(&python, &mails, 0, &[tls, "outhaul", "open sesame"])?;
        let sound = options(mails.port, tls)
            .set("OUTHAUL__MAIL__CA_FILE", mails.folder.join("ca.pem").display())
            .set("OUTHAUL__MAIL__USERNAME", "outhaul")
            .set("OUTHAUL__MAIL__PASSWORD", "{ env = \"MAIL_PASSWORD\" }")
            .set("MAIL_PASSWORD", "open sesame");
        let server = Server::start(folder.path(), sound.clone()).await?;
        let client = Native::of(&server, "acme")?;
        let id = submit(&client, &["ann@example.com"]).await?;
        let export = told(&client, &id, PATIENCE, |notices| {
            notices.first().is_some_and(|notice| notice["state"] == "sent")
        });
        let export = export.await?;
        follow(&server, &read(&python, &mails.taken()[0])?, &export).await?;

        let (good, said) = doctor(folder.path(), &sound)?;
        assert!(good && said.contains("takes mails"), "{said}");
        let (good, said) = doctor(folder.path(), &sound.clone().set("MAIL_PASSWORD", "sesame"))?;
        assert!(!good && said.contains("does not let this server in"), "{said}");
        assert!(!said.contains("sesame"), "{said}");
        let foreign = options(mails.port, tls);
        let (good, said) = doctor(folder.path(), &foreign)?;
        assert!(!good && said.contains("takes no mails"), "{tls}: {said}");
    }
    Ok(())
}

/// Whether it finds nothing wrong, and what it says.
fn doctor(folder: &Path, options: &Options) -> anyhow::Result<(bool, String)> {
    let found = Command::new(program())
        .args(["doctor", "--config"])
        .arg(folder.join("outhaul.toml"))
        .envs(options.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .output()?;
    let text = [found.stdout, found.stderr].concat();
    Ok((found.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// The mail server is away when the export completes; the server is killed, and started again; then
/// the mail server is back, takes the mail, and the server is killed before it hears so.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_survives_kills_and_a_mail_server_that_is_away() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let options = options(port, "none").set("OUTHAUL__MAIL__TIMEOUT_SECS", 1);
    let mut server = Server::start(folder.path(), options).await?;
    let mut client = Native::of(&server, "acme")?;
    let id = submit(&client, &["hang@example.com"]).await?;
    client.finished(&id, PATIENCE).await?;
    let tried = |notices: &[Value]| notices.iter().all(|notice| notice["last_error"].is_string());
    let export = told(&client, &id, PATIENCE, tried).await?;
    let notice = &export["notices"][0];
    let error = notice["last_error"].as_str().unwrap_or_default();
    assert!(error.contains("cannot be reached") && notice["state"] == "waiting", "{notice}");
    server.kill();

    let mails = MailServer::start(&python, &folder.path().join("box"), port, &["none"])?;
    server.restart().await?;
    let begun = Instant::now();
    while mails.taken().is_empty() {
        anyhow::ensure!(begun.elapsed() < PAST_LEASE, "no mail came after the start");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The mail is taken, and nobody was told so.
    server.kill();
    server.restart().await?;
    client.follow(&server);
    let export = told(&client, &id, PAST_LEASE, all_ended).await?;
    assert_eq!(export["notices"][0]["state"], "sent", "{export}");
    let taken = mails.taken();
    assert!(taken.len() >= 2, "{taken:?}");
    let mut ids = Vec::new();
    for path in &taken {
        let mail = read(&python, path)?;
        follow(&server, &mail, &export).await?;
        ids.push(mail["headers"]["message-id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "a double is known by its id");
    println!("{} mails of one message, all with {}", taken.len(), ids[0]);
    Ok(())
}

/// The demo writes mails into a folder; a server without mail refuses addresses.
#[tokio::test(flavor = "multi_thread")]
async fn mails_are_files_in_a_folder_or_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path(), Options::rows(3_000)).await?;
    let mut client = Native::of(&server, "acme")?;
    let id = submit(&client, &["ann@example.com", "ben@example.com"]).await?;
    let export = told(&client, &id, PATIENCE, |notices| notices.len() == 2 && all_ended(notices));
    let export = export.await?;
    let mut files = Vec::new();
    for file in std::fs::read_dir(folder.path().join("mail"))? {
        let path = file?.path();
        assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        assert_eq!(path.extension().and_then(|end| end.to_str()), Some("eml"), "{path:?}");
        files.push(path);
    }
    assert_eq!(files.len(), 2, "{files:?}");
    if let Some(python) = interpreter() {
        for file in files {
            follow(&server, &read(&python, &file)?, &export).await?;
        }
    }

    server.terminate(PATIENCE).await?;
    let off = Options::rows(3_000).set("OUTHAUL__MAIL__TRANSPORT", "off");
    server.restart_with(off).await?;
    client.follow(&server);
    let query = json!([{"object": "Account", "fields": ["Id"]}]);
    let body = json!({"queries": query, "format": "csv", "notify": {"emails": ["a@x.org"]}});
    let answer = client.post("/exports", &body).await?;
    assert_eq!(answer.status(), 400);
    let problem: Value = answer.json().await?;
    assert_eq!(
        (&problem["code"], &problem["field"]),
        (&json!("unsupported"), &json!("/notify/emails"))
    );
    Ok(())
}
