//! A script that speaks AQuA as its users' own scripts do, and GnuPG to open what is encrypted.

use std::path::PathBuf;
use std::process::Command;

use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::{Source, on_every_source};

on_every_source!(a_script_gets_what_it_counts);

async fn a_script_gets_what_it_counts(source: Source) -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let keys = Keys::new()?;
    let options = Options::rows(2_000)
        .on(source)
        .set("OUTHAUL__TENANTS__0__PUBLIC_KEY_FILE", keys.public()?.display());
    let server = Server::start(folder.path(), options).await?;
    let secrets = server.demo["tenants"]["acme"]["zuora"].to_string();
    let mut flow = script(&python, "aqua_flow.py");
    let said = output(flow.arg(&server.base_url).arg(secrets).arg(folder.path()))?;
    println!("AQuA by a script: {}", said.trim());

    let opened = folder.path().join("opened.csv.gz");
    let message = folder.path().join("secret.csv.gz.pgp");
    output(keys.gpg().arg("--output").arg(&opened).arg("--decrypt").arg(message))?;
    let mut rows = String::new();
    let file = std::fs::File::open(opened)?;
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut rows)?;
    assert_eq!(rows, std::fs::read_to_string(folder.path().join("plain.csv"))?);
    Ok(())
}

/// A key pair of GnuPG's.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> anyhow::Result<Self> {
        // Short, because the agent's socket is in it.
        let keys = Self(tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp")?);
        let who = "Nightly <nightly@example.com>";
        let mut making = keys.gpg();
        output(making.args(["--passphrase", "", "--quick-generate-key", who, "future-default"]))?;
        Ok(keys)
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--homedir"]);
        gpg.arg(self.0.path());
        gpg
    }

    fn public(&self) -> anyhow::Result<PathBuf> {
        let file = self.0.path().join("public.asc");
        std::fs::write(&file, output(self.gpg().args(["--armor", "--export"]))?)?;
        Ok(file)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // GnuPG left an agent behind, which serves this folder alone.
        let agents = ["--kill", "all"];
        Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(agents).status().ok();
    }
}
