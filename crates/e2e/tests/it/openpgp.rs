//! Encrypted files: GnuPG, which shares no code with us, opens what the built program exports, and
//! what comes out is the plain export, byte for byte.

use std::fs;
use std::hash::Hasher as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, ensure};
use outhaul_e2e::native::Native;
use outhaul_e2e::python::output;
use outhaul_e2e::server::{Options, Server, program};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// The recipient of age's own documentation.
const AGE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
const PATIENCE: Duration = Duration::from_secs(300);

/// A customer with a key pair, in a folder of GnuPG's own.
struct Customer {
    home: tempfile::TempDir,
}

impl Customer {
    /// With a new pair of that algorithm, in GnuPG's words.
    fn new(algorithm: &str) -> anyhow::Result<Self> {
        // Short, because the agent's socket is in it.
        let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp")?;
        let customer = Self { home };
        let made = customer
            .gpg()
            .args(["--passphrase", "", "--quick-generate-key", "Exports <exports@example.com>"])
            .args([algorithm, if algorithm == "rsa2048" { "sign,encrypt" } else { "default" }])
            .arg("never")
            .output()
            .context("gpg cannot be started: install it (Debian: apt-get install gnupg)")?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Ok(customer)
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--homedir"]);
        gpg.arg(self.home.path());
        gpg
    }

    /// The public key, as it is registered.
    fn public_key(&self) -> anyhow::Result<PathBuf> {
        let file = self.home.path().join("public.asc");
        fs::write(&file, output(self.gpg().args(["--armor", "--export"]))?)?;
        Ok(file)
    }

    /// What GnuPG says to a message.
    fn decrypt(&self, message: &Path) -> anyhow::Result<Output> {
        Ok(self.gpg().arg("--decrypt").arg(message).output()?)
    }

    fn opened(&self, message: &Path) -> anyhow::Result<Vec<u8>> {
        let output = self.decrypt(message)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", message.display());
        Ok(output.stdout)
    }
}

impl Drop for Customer {
    fn drop(&mut self) {
        // GnuPG left an agent behind, which serves this folder alone.
        Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "all"])
            .status()
            .ok();
    }
}

/// A server whose first tenant, `acme`, has that key, and whose second, `globex`, has one of age.
fn options(rows: u64, key: &Path) -> Options {
    Options::rows(rows)
        .set("OUTHAUL__TENANTS__0__PUBLIC_KEY_FILE", key.display())
        .set("OUTHAUL__TENANTS__1__PUBLIC_KEY", AGE)
        .set("OUTHAUL__WORKER__SLOTS", 1)
}

/// An export and its only file, which lies in `folder` under its name.
struct Exported {
    export: Value,
    file: PathBuf,
}

impl Exported {
    fn artifact(&self) -> &Value {
        &self.export["artifacts"][0]
    }
}

async fn export(client: &Native, body: &Value, folder: &Path) -> anyhow::Result<Exported> {
    let created: Value = client.post("/exports", body).await?.error_for_status()?.json().await?;
    let id = created["id"].as_str().context("an id")?;
    let export = client.finished(id, PATIENCE).await?;
    let artifact = &export["artifacts"][0];
    let path = format!("/exports/{id}/files/{}", artifact["id"].as_str().context("a file")?);
    let answer = client.request(Method::GET, &path).send().await?.error_for_status()?;
    let kind = answer.headers()["content-type"].to_str()?.to_owned();
    assert_eq!(kind.split(';').next(), artifact["media_type"].as_str());
    let file = folder.join(artifact["file_name"].as_str().context("a name")?);
    fs::write(&file, answer.bytes().await?)?;
    Ok(Exported { export, file })
}

#[tokio::test(flavor = "multi_thread")]
async fn gpg_opens_every_format_to_the_plain_export() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (elliptic, rsa) = (Customer::new("future-default")?, Customer::new("rsa2048")?);
    let mut server = Server::start(folder.path(), options(5_000, &elliptic.public_key()?)).await?;
    for customer in [&elliptic, &rsa] {
        server.kill();
        server.restart_with(options(5_000, &customer.public_key()?)).await?;
        let client = Native::of(&server, "acme")?;
        for format in ["csv", "html", "xlsx", "ndjson", "avro", "parquet"] {
            for packing in ["none", "gzip", "zip"] {
                let queries = json!([{"object": "InvoiceItem", "order_by": ["Id"]}]);
                let mut body = json!({"queries": queries, "format": format, "packing": packing});
                let plain = export(&client, &body, folder.path()).await?;
                body["file_encryption"] = json!("openpgp");
                let sealed = export(&client, &body, folder.path()).await?;

                let name = plain.artifact()["file_name"].as_str().context("a name")?;
                assert_eq!(sealed.artifact()["file_name"], format!("{name}.pgp"));
                assert_eq!(sealed.artifact()["media_type"], "application/pgp-encrypted");
                assert_eq!(sealed.artifact()["rows"], plain.artifact()["rows"]);
                assert_eq!(sealed.export["file_encryption"], "openpgp");
                assert_eq!(plain.export.get("file_encryption"), None);
                let opened = customer.opened(&sealed.file)?;
                assert!(opened == fs::read(&plain.file)?, "{format} {packing}");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_opens_a_file_and_nothing_damaged_opens() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (customer, stranger) = (Customer::new("future-default")?, Customer::new("future-default")?);
    let server = Server::start(folder.path(), options(20_000, &customer.public_key()?)).await?;
    let client = Native::of(&server, "acme")?;
    let body = json!({
        "queries": [{"object": "PaymentMethod"}],
        "format": "csv",
        "packing": "gzip",
        "file_encryption": "openpgp",
    });
    let sealed = export(&client, &body, folder.path()).await?;
    let whole = fs::read(&sealed.file)?;
    assert!(stranger.decrypt(&sealed.file)?.stdout.is_empty());
    assert!(!stranger.decrypt(&sealed.file)?.status.success());

    let damaged = folder.path().join("damaged.pgp");
    for kept in [whole.len() / 2, whole.len() - 1] {
        fs::write(&damaged, &whole[..kept])?;
        assert!(!customer.decrypt(&damaged)?.status.success(), "{kept} of {}", whole.len());
    }
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    fs::write(&damaged, changed)?;
    assert!(!customer.decrypt(&damaged)?.status.success());

    // What is sensitive is masked inside, as in every file.
    let mut text = String::new();
    let opened = customer.opened(&sealed.file)?;
    flate2::read::GzDecoder::new(&opened[..]).read_to_string(&mut text)?;
    assert!(text.contains("*****"));

    // A tenant whose key encrypts values alone is told so, and which key it needs.
    let answer = Native::of(&server, "globex")?.post("/exports", &body).await?;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let problem: Value = answer.json().await?;
    assert_eq!(problem["field"], "/file_encryption");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("age recipient") && detail.contains("register"), "{detail}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_encrypts_pulls_and_verifies() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let customer = Customer::new("future-default")?;
    let key = customer.public_key()?;
    let server = Server::start(folder.path(), options(5_000, &key)).await?;
    let demo = folder.path().join("demo.json");
    let (file, manifest) = (folder.path().join("items.csv.zip.pgp"), folder.path().join("m.json"));
    let outhaul = |arguments: &[&str]| {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(folder.path());
        command
    };
    let asked = ["exports", "create", "--object", "Account", "--pack", "zip", "--file-encryption"];
    let id = output(outhaul(&asked).args(["openpgp", "--demo"]).arg(&demo))?;
    let pull = ["exports", "pull", id.trim(), "--manifest"];
    output(outhaul(&pull).arg(&manifest).arg("--output").arg(&file).arg("--demo").arg(&demo))?;
    output(outhaul(&["verify", "--name", "Account.zip.pgp"]).args([&file, &manifest]))?;
    assert!(customer.opened(&file)?.starts_with(b"PK\x03\x04"));

    // A download that broke off goes on where it did.
    let whole = fs::read(&file)?;
    let manifest: Value = serde_json::from_slice(&fs::read(&manifest)?)?;
    let artifact = manifest["artifacts"][0]["id"].as_str().context("a file")?;
    let path = format!("/exports/{}/files/{artifact}", id.trim());
    let rest = Native::of(&server, "acme")?.request(Method::GET, &path);
    let rest = rest.header("Range", format!("bytes={}-", whole.len() / 2)).send().await?;
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    assert!(rest.bytes().await? == whole[whole.len() / 2..]);

    // Without a server.
    fs::write(folder.path().join("numbers.csv"), "n,text\n1,one\n2,two\n")?;
    let run = ["run", "--source", "numbers.csv", "--object", "numbers", "--quiet", "--output"];
    let sealed = folder.path().join("out.csv.pgp");
    output(outhaul(&run).arg(&sealed).arg("--encrypt-to").arg(&key))?;
    assert_eq!(customer.opened(&sealed)?, b"n,text\n1,one\n2,two\n");
    for (content, reason) in [(AGE, "age recipient"), ("hello", "gpg --armor --export")] {
        let wrong = folder.path().join("wrong.asc");
        fs::write(&wrong, content)?;
        let refused =
            outhaul(&run).arg("never.csv.pgp").arg("--encrypt-to").arg(&wrong).output()?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(reason), "{said}");
        assert!(!folder.path().join("never.csv.pgp").exists());
    }
    Ok(())
}

/// How many lines a file has, and a sum over all of them that no order changes.
fn lines(file: &Path) -> anyhow::Result<(u64, u64)> {
    let mut all = (0, 0_u64);
    for line in BufReader::new(fs::File::open(file)?).split(b'\n') {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(&line?);
        all = (all.0 + 1, all.1.wrapping_add(hasher.finish()));
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_rows_are_encrypted_in_bounded_memory() -> anyhow::Result<()> {
    const MORE_KIB_MAX: u64 = 32 * 1024;
    let folder = tempfile::tempdir()?;
    let customer = Customer::new("future-default")?;
    let options = options(200_000, &customer.public_key()?);
    let mut server = Server::start(folder.path(), options).await?;
    let mut peaks = Vec::new();
    let mut files = Vec::new();
    for encryption in ["none", "openpgp"] {
        // Each with a slot that has done nothing else.
        server.kill();
        server.restart().await?;
        let client = Native::of(&server, "acme")?;
        let body = json!({
            "queries": [{"sql": r#"SELECT * FROM "Event""#}],
            "format": "csv",
            "file_encryption": encryption,
        });
        let begun = std::time::Instant::now();
        let done = export(&client, &body, folder.path()).await?;
        let peak = server.slot_peak_kib();
        let artifact = done.artifact();
        println!(
            "{encryption}: {} rows, {} bytes in {:?}, the slot's peak {} MiB",
            artifact["rows"],
            artifact["bytes"],
            begun.elapsed(),
            peak / 1024
        );
        ensure!(artifact["rows"].as_u64() >= Some(1_000_000), "fewer rows than were to be shown");
        ensure!(peak > 0, "there is no slot to look at");
        peaks.push(peak);
        files.push(done.file);
    }
    let opened = folder.path().join("opened.csv");
    output(customer.gpg().arg("--output").arg(&opened).arg("--decrypt").arg(&files[1]))?;
    assert_eq!(lines(&opened)?, lines(&files[0])?);
    assert!(peaks[1] <= peaks[0] + MORE_KIB_MAX, "{peaks:?} KiB");
    Ok(())
}
