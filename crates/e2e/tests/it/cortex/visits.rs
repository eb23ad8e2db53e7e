//! Visits with all that documents can have, in every format, as other programs read them.

use anyhow::Context as _;
use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::{Source, on_every_source};
use serde_json::json;

use super::client::Cortex;

/// A third of them are visits.
const ROWS: u64 = 30_000;
/// Most memory of a slot, in KiB. A development build takes more than a release.
const PEAK_KIB_MAX: u64 = 300_000;
/// A scanned sheet that goes missing.
const MISSING: &str = "scans/sheet-07.svg";

on_every_source!(archives_hold_the_same_documents_in_every_format);

/// The three formats, with files apart and together, hold the same documents and files; a file that is
/// not there is told of.
async fn archives_hold_the_same_documents_in_every_format(source: Source) -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(ROWS).on(source)).await?;
    let scans = server.folder().join("attachments/acme");
    std::fs::remove_file(scans.join(MISSING)).context("the demo has it")?;
    let client = Cortex::sign_in(&server, "acme").await?;
    let made = tempfile::tempdir()?;
    let mut command = script(&python, "cortex_visits.py");
    command.arg(&scans).arg(MISSING);
    for (format, together) in
        [("application/x-ndjson", false), ("application/json", true), ("text/csv", false)]
    {
        let wanted = json!({
            "label": format,
            "objects": "c_visits",
            "format": format,
            "exportFiles": true,
            "zipFiles": together,
            "include": ["c_remarks"],
            "expand": ["c_creator"],
            "where": r#"{"$or":[{"c_vitals.c_pulse":{"$gte":60}},{"c_items.c_amount":{"$gt":5}}]}"#,
        });
        let id = client.create(&wanted).await?;
        let export = client.ended(&id).await?;
        anyhow::ensure!(export["state"] == "ready", "{export}");
        let warnings = export["x_warnings"].to_string();
        anyhow::ensure!(warnings.contains("are missing from the archive"), "{export}");
        let archive = made.path().join(format!("{id}.zip"));
        client.download(&id, &archive).await?;
        command.arg(archive);
    }
    println!("{}", output(&mut command)?.trim());
    let peak = server.slot_peak_kib();
    println!("peak of a slot: {peak} KiB");
    assert!(peak > 0 && peak < PEAK_KIB_MAX, "{peak}");
    Ok(())
}
