//! A million rows by a statement that joins and groups.

use anyhow::ensure;
use outhaul_e2e::python::{interpreter, output};
use outhaul_e2e::server::{Options, Server};

use super::clients::driver;
use super::formats::ROWS;

/// What a slot may have by default, all in all.
const SLOT_KIB_MAX: u64 = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_million_groups_of_a_join_come_as_csv() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(ROWS)).await?;
    let data = server.files().await?;
    let mut command = driver(&python, "zoho_million.py", &server, &data);
    let said = output(command.arg(folder.path()).arg("1000000"))?;
    let peak = server.slot_peak_kib();
    println!("{}; the slot's peak {} MiB", said.trim(), peak / 1024);
    ensure!(peak > 0, "there is no slot to look at");
    assert!(peak < SLOT_KIB_MAX, "{peak} KiB");
    Ok(())
}
