//! Exports of two orgs at once: of each org one runs, in the order of creation, and neither org waits
//! for the other. And what an org may store.

use chrono::{DateTime, Utc};
use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server};
use serde_json::{Value, json};

use super::client::Cortex;

/// Exports of each org.
const EXPORTS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn each_org_exports_one_after_the_other() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options = Options::rows(20_000).set("OUTHAUL__WORKER__SLOTS", 4);
    let server = Server::start(folder.path(), options).await?;
    let orgs = [Cortex::sign_in(&server, "acme").await?, Cortex::sign_in(&server, "globex").await?];
    let mut ids = [Vec::new(), Vec::new()];
    for number in 0..EXPORTS {
        for (org, ids) in orgs.iter().zip(&mut ids) {
            let wanted = json!({ "label": number.to_string(), "objects": "c_visits" });
            ids.push(org.create(&wanted).await?);
        }
    }
    let mut runs = Vec::new();
    for ((org, ids), tenant) in orgs.iter().zip(&ids).zip(["acme", "globex"]) {
        for id in ids {
            let export = org.ended(id).await?;
            anyhow::ensure!(export["state"] == "ready", "{export}");
        }
        let native = Native::of(&server, tenant)?;
        let list = native.get("/exports?dialect=cortex&limit=100").await?;
        let list = list["exports"].as_array().cloned().unwrap_or_default();
        let mut own: Vec<_> = list.iter().map(run).collect::<anyhow::Result<_>>()?;
        own.sort_by_key(|run| run.0);
        assert_eq!(own.len(), EXPORTS, "{tenant}");
        for pair in own.windows(2) {
            assert!(pair[0].2 <= pair[1].1, "{tenant}: two ran at once, or in another order");
        }
        runs.push(own);
    }
    for (one, other) in [(0, 1), (1, 0)] {
        let (first, last) = (&runs[one][0], &runs[other][EXPORTS - 1]);
        assert!(first.2 < last.1, "one org waited for all of the other's exports");
    }
    Ok(())
}

type Run = (DateTime<Utc>, DateTime<Utc>, DateTime<Utc>);

/// When it was created, was started and ended.
fn run(export: &Value) -> anyhow::Result<Run> {
    let at = |name: &str| -> anyhow::Result<DateTime<Utc>> {
        let text = export[name].as_str().unwrap_or_default();
        text.parse().map_err(|error| anyhow::anyhow!("{name} of {export}: {error}"))
    };
    Ok((at("created_at")?, at("started_at")?, at("finished_at")?))
}

/// An export that would pass what its org may store ends in error, with both figures, and leaves
/// nothing; a smaller one has its place all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_org_may_store_is_never_passed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options =
        Options::rows(20_000).set("OUTHAUL__DIALECTS__CORTEX__POLICY__STORAGE_BYTES_MAX", 300_000);
    let server = Server::start(folder.path(), options).await?;
    let org = Cortex::sign_in(&server, "acme").await?;
    let large = json!({ "label": "large", "objects": "c_visits", "exportFiles": true });
    let export = org.ended(&org.create(&large).await?).await?;
    assert_eq!(export["state"], "error");
    let reason = export["x_fault"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("300000") || reason.contains("300,000"), "{export}");
    let small = json!({ "label": "small", "objects": "c_visits", "paths": ["c_reason"] });
    let export = org.ended(&org.create(&small).await?).await?;
    assert_eq!(export["state"], "ready", "{export}");
    let kept = stored(&server.folder().join("artifacts"))?;
    assert!(kept > 0 && kept <= 300_000, "{kept} bytes are stored");
    Ok(())
}

/// Bytes of all files in a folder.
fn stored(folder: &std::path::Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        bytes += if kind.is_dir() { stored(&entry.path())? } else { kind.len() };
    }
    Ok(bytes)
}
