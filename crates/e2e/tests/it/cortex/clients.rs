//! Clients that nobody here wrote: the vendor's own for Node.js, and curl.

use std::path::Path;
use std::process::Command;

use outhaul_e2e::node::{packages, script};
use outhaul_e2e::python::output;
use outhaul_e2e::server::{Options, Server};

/// What both clients are told of the server and of acme.
fn told(command: &mut Command, server: &Server) {
    command.env("BASE", &server.base_url);
    let names = ["org", "api_key", "api_secret", "email", "password"];
    for (variable, name) in ["ORG", "KEY", "SECRET", "EMAIL", "PASSWORD"].into_iter().zip(names) {
        command.env(variable, server.secret(&format!("tenants.acme.cortex.{name}")));
    }
    command.env("OBJECTS", "c_accounts").env("WHERE", r#"{"c_balance":{"$gte":0}}"#);
}

/// All three formats, by signature and by password.
#[tokio::test]
async fn the_vendors_client_exports() -> anyhow::Result<()> {
    let Some(packages) = packages() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(2_000)).await?;
    for how in ["signature", "password"] {
        let mut command = script(&packages, "mdctl.js");
        command.arg(how);
        told(&mut command, &server);
        let printed = output(&mut command)?;
        println!("{how}: {}", printed.trim());
        assert_eq!(printed.lines().count(), 3, "{printed}");
    }
    Ok(())
}

#[tokio::test]
async fn curl_exports_by_signature_and_with_a_cookie_jar() -> anyhow::Result<()> {
    let (folder, files) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let server = Server::start(folder.path(), Options::rows(2_000)).await?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shell/cortex_curl.sh");
    let mut command = Command::new("sh");
    command.arg(path).env("FOLDER", files.path());
    told(&mut command, &server);
    assert_eq!(output(&mut command)?.trim(), "ok");
    Ok(())
}
