//! The rows of a file are the rows of the source, value for value, as third-party readers see them.

use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::vendor::Zuora;

/// Every object of the demo, in every form, for both tenants.
#[tokio::test(flavor = "multi_thread")]
async fn files_hold_what_the_source_holds() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(5_000)).await?;
    let objects = ["InvoiceItem", "Account", "Subscription", "Payment"];
    for tenant in ["acme", "globex"] {
        let client = Zuora::sign_in(&server, tenant).await?;
        for object in objects {
            for (format, zip) in [("csv", false), ("csv", true), ("html", false), ("Excel", false)]
            {
                let query = format!("select * from {object}");
                let file = folder.path().join("export");
                std::fs::write(&file, client.export(&query, format, zip).await?)?;
                let mut check = script(&python, "compare.py");
                check.arg(folder.path()).args([tenant, object, format]).arg(&file);
                let said = output(check.arg(if zip { "zip" } else { "plain" }))?;
                println!("{tenant} {object} {format} zip={zip}: {}", said.trim());
            }
        }
    }
    Ok(())
}
