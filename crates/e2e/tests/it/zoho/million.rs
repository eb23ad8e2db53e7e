//! A million rows by a statement that joins and groups.

use std::fs;

use anyhow::ensure;
use outhaul_e2e::python::{interpreter, output};
use outhaul_e2e::server::{Options, Server};

use super::clients::driver;
use super::formats::ROWS;

/// What a slot may have by default, all in all.
const SLOT_KIB_MAX: u64 = 1024 * 1024;

/// Most memory that a slot of the server has had, in KiB.
fn slot_peak_kib(server: &Server) -> u64 {
    let line = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let statuses = processes.filter_map(|own| fs::read_to_string(own.path().join("status")).ok());
    let slots = statuses.filter(|own| line(own, "PPid:") == Some(u64::from(server.process())));
    slots.filter_map(|own| line(&own, "VmHWM:")).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_groups_of_a_join_come_as_csv() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(ROWS)).await?;
    let data = server.files().await?;
    let mut command = driver(&python, "zoho_million.py", &server, &data);
    let said = output(command.arg(folder.path()).arg("1000000"))?;
    let peak = slot_peak_kib(&server);
    println!("{}; the slot's peak {} MiB", said.trim(), peak / 1024);
    ensure!(peak > 0, "there is no slot to look at");
    assert!(peak < SLOT_KIB_MAX, "{peak} KiB");
    Ok(())
}
