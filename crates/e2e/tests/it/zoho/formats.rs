//! Every responseFormat, with what CONFIG says of it, as third-party readers see it.

use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server};

use super::clients::driven;

/// Rows of the largest table, of which the first tenant has three in five.
pub const ROWS: u64 = 175_000;

async fn read_back(rows: u64, words: &[&str], least: &[&str]) -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(rows)).await?;
    let data = server.files().await?;
    for word in words {
        let mut command = script(&python, "zoho_formats.py");
        command.arg(word);
        driven(&mut command, &server, &data);
        println!("{}", output(command.arg(folder.path()).args(least))?.trim());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_of_100_000_rows_reads_back_from_every_format() -> anyhow::Result<()> {
    read_back(ROWS, &["large"], &["100000"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_option_and_password_reads_back() -> anyhow::Result<()> {
    read_back(3_000, &["options", "passwords"], &[]).await
}
