//! The rows of a file are the rows of the source, value for value, as third-party readers see them.

use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::vendor::Zuora;
use outhaul_e2e::{Source, on_every_source};

on_every_source!(files_hold_what_the_source_holds);

/// Every object of the demo, in every form, for both tenants.
async fn files_hold_what_the_source_holds(source: Source) -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(5_000).on(source)).await?;
    let data = server.files().await?;
    // A database promises no order that was not asked for.
    let order = if source == Source::Files { "as-in-source" } else { "any-order" };
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
                check.arg(&data).args([tenant, object, format]).arg(&file);
                check.args([if zip { "zip" } else { "plain" }, order]);
                let said = output(&mut check)?;
                println!("{tenant} {object} {format} zip={zip}: {}", said.trim());
            }
        }
    }
    Ok(())
}
