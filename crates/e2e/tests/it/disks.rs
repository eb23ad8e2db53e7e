//! Volumes that run full: a clear failure, nothing half, and work again as soon as there is room.
//!
//! The volumes are tmpfs mounts of a given size, which only root can make; otherwise the tests
//! print that they were skipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server};
use serde_json::{Value, json};

/// A tmpfs on a folder; unmounted when dropped.
struct Volume(PathBuf);

impl Volume {
    /// `None`, with the reason printed, where it cannot be mounted.
    fn mount(folder: PathBuf, kib: u32) -> Option<Self> {
        std::fs::create_dir_all(&folder).ok()?;
        let mounted =
            run(&["mount", "-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"], &folder);
        if !mounted {
            println!("skipped: a tmpfs cannot be mounted here (it takes root)");
            return None;
        }
        Some(Self(folder))
    }

    fn resize(&self, kib: u32) {
        assert!(run(&["mount", "-o", &format!("remount,size={kib}k")], &self.0));
    }

    /// Files below it, hidden ones too.
    fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => walk(&entry.path(), found),
                    _ => found.push(entry.path()),
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.0, &mut found);
        found
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        run(&["umount", "-l"], &self.0);
    }
}

fn run(command: &[&str], folder: &Path) -> bool {
    let done = Command::new(command[0]).args(&command[1..]).arg(folder).output();
    done.is_ok_and(|output| output.status.success())
}

/// 30 fill levels of the artifact volume: each export fails with `storage_full`, leaves nothing,
/// and the next one works after room was made, without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_artifact_volume_fails_exports_and_heals() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(volume) = Volume::mount(folder.path().join("artifacts"), 64) else { return Ok(()) };
    let mut server = Server::start(folder.path(), Options::rows(30_000)).await?;
    let client = Native::of(&server, "acme")?;
    for level in 0..30 {
        volume.resize(64 + level * 40);
        let failed = export(&client, "InvoiceItem", "").await?;
        assert_eq!(failed["state"], "failed", "level {level}: {failed}");
        assert!(failed["reason"].to_string().contains("storage_full"), "{failed}");
        assert_eq!(volume.files(), Vec::<PathBuf>::new(), "level {level}");
        assert!(server.is_alive());
    }
    volume.resize(512 * 1024);
    let done = export(&client, "InvoiceItem", "").await?;
    assert_eq!(done["state"], "completed", "{done}");
    Ok(())
}

/// A full spill volume fails the sort that needs it, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_spill_volume_fails_the_export_that_spills() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(volume) = Volume::mount(folder.path().join("spill"), 256) else { return Ok(()) };
    let options = Options::rows(100_000).set("OUTHAUL__WORKER__MEMORY", "16 MiB");
    let mut server = Server::start(folder.path(), options).await?;
    let client = Native::of(&server, "acme")?;
    for level in 0..10 {
        volume.resize(256 + level * 64);
        let failed = export(&client, "InvoiceItem", "Id").await?;
        assert_eq!(failed["state"], "failed", "level {level}: {failed}");
        let reason = failed["reason"].to_string();
        assert!(reason.contains("storage_full") || reason.contains("memory_limit"), "{failed}");
        assert!(server.is_alive());
    }
    volume.resize(512 * 1024);
    let done = export(&client, "InvoiceItem", "Id").await?;
    assert_eq!(done["state"], "completed", "{done}");
    Ok(())
}

async fn export(client: &Native, object: &str, order_by: &str) -> anyhow::Result<Value> {
    let mut query = json!({"object": object});
    if !order_by.is_empty() {
        query["order_by"] = json!([{"field": order_by, "descending": true}]);
    }
    let made = client.post("/exports", &json!({"queries": [query], "format": "csv"})).await?;
    let made: Value = made.error_for_status()?.json().await?;
    let id = made["id"].as_str().unwrap_or_default();
    for _ in 0..2_400 {
        let export = client.get(&format!("/exports/{id}")).await?;
        if !matches!(export["state"].as_str(), Some("queued" | "running")) {
            return Ok(export);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("export {id} is stuck: {}", client.get(&format!("/exports/{id}")).await?)
}
