//! The vendor's own SDK, another package's clients, and a script with nothing but an HTTP library:
//! each unmodified, each with the values that the source has.

use std::path::Path;
use std::process::Command;

use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::{Source, on_every_source};

on_every_source!(the_sdk_the_connector_and_a_script_work, every_function_has_its_answer);

/// A script of the tests with what all of them take: where the server is, a tenant's account, and
/// the folder with the rows.
pub fn driver(python: &Path, name: &str, server: &Server, data: &Path) -> Command {
    let mut command = script(python, name);
    driven(&mut command, server, data);
    command
}

/// The same for a script that takes a word of its own first.
pub fn driven(command: &mut Command, server: &Server, data: &Path) {
    let account = &server.demo["tenants"]["acme"]["zoho"];
    command.arg(&server.base_url).arg(account.to_string()).arg(data).arg("acme");
}

async fn the_sdk_the_connector_and_a_script_work(source: Source) -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(3_000).on(source)).await?;
    let data = server.files().await?;
    let out = folder.path().join("out");
    std::fs::create_dir(&out)?;
    for name in ["zoho_sdk.py", "zoho_connector.py"] {
        println!("{name}: {}", output(driver(&python, name, &server, &data).arg(&out))?.trim());
    }
    let said = output(&mut driver(&python, "zoho_requests.py", &server, &data))?;
    println!("zoho_requests.py: {}", said.trim());
    Ok(())
}

/// What the dialect promises of its functions, wherever a query with them runs.
async fn every_function_has_its_answer(source: Source) -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(500).on(source)).await?;
    let list =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialects/src/zoho/sql/cases/functions.toml");
    let mut command = driver(&python, "zoho_functions.py", &server, folder.path());
    println!("{}", output(command.arg(list))?.trim());
    Ok(())
}
