//! Archives with a password: 7-Zip and pyzipper, which share no code with us, open what the built
//! program writes, with that password and with no other, and find the plain file in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use outhaul_e2e::native::Native;
use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server, program};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Formats that do not encrypt their files themselves.
const FORMATS: &[&str] = &["csv", "html", "json", "ndjson", "xml", "avro", "parquet"];
const PASSWORD: &str = "öffne dich, Sesam 42";
const PATIENCE: Duration = Duration::from_secs(300);

/// Whether 7-Zip opens the archive and finds it whole.
fn is_opened_by_7zip(archive: &Path, password: &str) -> anyhow::Result<bool> {
    let mut command = Command::new("7z");
    command.env("LC_ALL", "C.UTF-8").arg("t").arg(format!("-p{password}")).arg(archive);
    let tested = command.output();
    let tested = tested.context("7z cannot be started: install p7zip-full (Debian)")?;
    Ok(tested.status.success())
}

fn run(folder: &Path, format: &str, rows: &str, archive: bool) -> anyhow::Result<PathBuf> {
    let file = folder.join(if archive { "rows.zip" } else { "rows" });
    let sql = format!("select id, 'text ' || id as t from rows where id < {rows} order by id");
    let mut run = Command::new(program());
    run.args(["run", "--quiet", "--sql", &sql, "--format", format, "--source"]);
    run.arg(folder.join("rows.csv")).arg("--output").arg(&file);
    if archive {
        run.args(["--pack", "zip", "--password-file"]).arg(folder.join("password.txt"));
    }
    output(&mut run)?;
    Ok(file)
}

#[test]
fn other_programs_open_archives_of_every_format() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let ids: String = (0..100_000).map(|id| format!("{id}\n")).collect();
    fs::write(folder.join("rows.csv"), format!("id\n{ids}"))?;
    fs::write(folder.join("password.txt"), format!("{PASSWORD}\r\nanother line\n"))?;
    for format in FORMATS {
        for rows in ["0", "100000"] {
            let plain = run(folder, format, rows, false)?;
            let archive = run(folder, format, rows, true)?;
            assert!(is_opened_by_7zip(&archive, PASSWORD)?, "{format}");
            for wrong in ["x", "öffne dich, Sesam 4", ""] {
                assert!(!is_opened_by_7zip(&archive, wrong)?, "{format} opens with {wrong:?}");
            }
            let Some(python) = interpreter() else { continue };
            let mut check = script(&python, "passwords.py");
            output(check.arg(&archive).arg(PASSWORD).arg(&plain))?;
        }
    }
    // A changed byte is noticed, wherever it is among the encrypted ones.
    let archive = run(folder, "csv", "100000", true)?;
    let whole = fs::read(&archive)?;
    for at in [100, whole.len() / 2, whole.len() - 160] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&archive, changed)?;
        assert!(!is_opened_by_7zip(&archive, PASSWORD)?, "byte {at} of {}", whole.len());
    }
    Ok(())
}

#[test]
fn nothing_is_written_where_nothing_would_be_encrypted() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("rows.csv"), "id\n1\n")?;
    fs::write(folder.path().join("password.txt"), PASSWORD)?;
    for packing in ["none", "gzip"] {
        let file = folder.path().join("out");
        let mut run = Command::new(program());
        run.args(["run", "--object", "rows", "--pack", packing, "--password-file"]);
        run.arg(folder.path().join("password.txt")).arg("--source");
        let ended = run.arg(folder.path().join("rows.csv")).arg("--output").arg(&file).output()?;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains("zip") && !said.contains(PASSWORD), "{said}");
        assert!(!file.exists());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_encrypts_and_forgets_the_password() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path(), Options::rows(2_000)).await?;
    let client = Native::of(&server, "acme")?;
    let queries = json!([{"object": "Account"}, {"object": "Invoice"}]);
    let mut body = json!({"queries": queries, "format": "json", "password": PASSWORD});
    let refused = client.post("/exports", &body).await?;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let problem: Value = refused.json().await?;
    assert_eq!(problem["field"], "/password", "{problem}");

    body["packing"] = json!("zip");
    let created: Value = client.post("/exports", &body).await?.error_for_status()?.json().await?;
    let id = created["id"].as_str().context("an id")?;
    let export = client.finished(id, PATIENCE).await?;
    assert_eq!(export["password_protected"], true);
    for artifact in export["artifacts"].as_array().context("files")? {
        assert_eq!(artifact["media_type"], "application/zip");
        let path = format!("/exports/{id}/files/{}", artifact["id"].as_str().context("a file")?);
        let answer = client.request(Method::GET, &path).send().await?.error_for_status()?;
        let file = folder.path().join("download.zip");
        fs::write(&file, answer.bytes().await?)?;
        assert!(is_opened_by_7zip(&file, PASSWORD)? && !is_opened_by_7zip(&file, "x")?);
    }
    let shown = format!("{problem} {created} {export} {}", server.log());
    assert!(!shown.contains("Sesam"), "{shown}");

    // What a server that was ended leaves on disk does not have it any more.
    server.terminate(Duration::from_secs(30)).await?;
    for file in files(folder.path())? {
        let bytes = fs::read(&file)?;
        let found = bytes.windows(5).any(|five| five == b"Sesam");
        ensure!(!found, "the password is in {}", file.display());
    }
    Ok(())
}

/// Every file below a folder.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => all.extend(files(&entry.path())?),
            false if entry.file_type()?.is_file() => all.push(entry.path()),
            false => {}
        }
    }
    Ok(all)
}
