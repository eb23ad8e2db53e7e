//! Archives: rows, the files that they refer to, and the manifest; and how much may be stored.

use std::collections::HashMap;
use std::time::Duration;

use outhaul_exports::document::{Archive, FileProperty};
use outhaul_exports::export::{Export, State};
use outhaul_exports::query::Path;
use outhaul_exports::spec::FormatChoice;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::engine::csv;
use super::rig::{MIB, Rig};
use super::unzip::unzip;

crate::cases![
    an_archive_holds_rows_files_and_what_is_missing,
    an_archive_of_any_format_has_its_rows_and_a_manifest,
    a_store_of_files_that_is_away_is_tried_again,
    a_cancel_inside_a_file_leaves_nothing,
    what_may_not_be_stored_is_refused_while_it_is_written,
    what_was_stored_meanwhile_counts,
];

fn archived(rig: &Rig, script: &str, together: bool) -> Export {
    let mut export = rig.export(&[script]);
    let photo = FileProperty {
        field: Path::own("photo"),
        reference: 1,
        owner: 0,
        name: "photo".to_owned(),
    };
    export.spec.archive = Some(Archive { files: vec![photo], together });
    export
}

async fn entries(rig: &Rig, export: &Export) -> Vec<(String, Vec<u8>)> {
    assert_eq!(export.state, State::Completed, "{:?}", export.failure);
    let [artifact] = export.manifest.as_ref().expect("a manifest").artifacts.as_slice() else {
        panic!("one file")
    };
    assert_eq!((artifact.media_type.as_str(), artifact.text), ("application/zip", false));
    assert_eq!(artifact.file_name, format!("export-{}.zip", export.id));
    assert_eq!(export.progress.bytes_written, artifact.bytes);
    unzip(&rig.bytes(artifact).await)
}

async fn an_archive_holds_rows_files_and_what_is_missing() {
    let rig = Rig::new();
    let worker = rig.work().await;
    for together in [false, true] {
        let script = "rows=21 files=5:gone,6:refused,8:long,9:cut,10:short";
        let id = rig.submit(archived(&rig, script, together)).await;
        let export = rig.ended(id).await;
        let entries = entries(&rig, &export).await;
        let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
        let data = format!("export-{id}.csv");
        assert_eq!((names[0], names[names.len() - 1]), (data.as_str(), "manifest.json"));
        assert!(entries[0].1 == csv(21).into_bytes(), "the rows differ");
        let (files, prefix) = match together {
            true => {
                assert_eq!(names, [&*data, "files.zip", "manifest.json"]);
                (unzip(&entries[1].1), "photo/")
            }
            false => (entries[1..entries.len() - 1].to_vec(), "files/photo/"),
        };
        // Rows 0, 7 and 14 refer to nothing.
        let owners = files.iter().map(|(name, _)| {
            let name = name.strip_prefix(prefix).expect("the property's folder");
            name.split('-').next().expect("an owner").parse::<u64>().expect("an id")
        });
        let there = (1..21).filter(|n| n % 7 > 0 && ![5, 6, 10].contains(n));
        assert_eq!(owners.collect::<Vec<_>>(), there.collect::<Vec<_>>());
        let by_name: HashMap<_, _> = files.iter().map(|(name, bytes)| (&**name, bytes)).collect();

        let manifest: Value = serde_json::from_slice(&entries[entries.len() - 1].1).expect("JSON");
        assert_eq!(manifest["export"], json!(id.to_string()));
        assert_eq!(manifest["snapshot"]["guarantee"], json!("it is made up"));
        let bytes = csv(21).len();
        assert_eq!(manifest["data"], json!({ "name": data, "rows": 21, "bytes": bytes }));
        let list = manifest["files"]["list"].as_array().expect("a list");
        assert_eq!(manifest["files"]["count"], json!(files.len()));
        let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(manifest["files"]["bytes"], json!(total));
        assert_eq!(list.len(), files.len());
        for file in list {
            let bytes = by_name[file["name"].as_str().expect("a name")];
            let digest: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!((&file["bytes"], &file["sha256"]), (&json!(bytes.len()), &json!(digest)));
            let owner = file["owner"].as_str().expect("an owner");
            let expected = match owner {
                "8" => vec![b'x'; 3 << 20],
                "9" => vec![b'x'; 1 << 20],
                _ => format!("name, \"{owner}\"").into_bytes(),
            };
            assert!(*bytes == expected, "file of row {owner} differs");
            assert_eq!(file.get("cut"), (owner == "9").then_some(&json!(true)));
            assert_eq!(file["property"], json!("photo"));
        }
        let missing = |owner: u64, reason: &str| {
            let reference = format!("name, \"{owner}\"");
            json!({
                "property": "photo", "owner": owner.to_string(), "reference": reference,
                "reason": reason,
            })
        };
        let expected = json!([
            missing(5, "there is no such file"),
            missing(6, "it is no path"),
            missing(9, "the file changed"),
            missing(10, "the file changed while it was read"),
        ]);
        assert_eq!(manifest["missing"], expected);
        let warned: Vec<_> = export.warnings.iter().map(|w| (w.code.as_str(), w.count)).collect();
        assert_eq!(warned, [("files_missing", 4)]);
        assert_eq!(export.progress.files_done, files.len() as u64);
    }
    drop(worker);
}

async fn an_archive_of_any_format_has_its_rows_and_a_manifest() {
    let rig = Rig::new();
    let worker = rig.work().await;
    for (format, extension) in [("json", "json"), ("ndjson", "ndjson"), ("xlsx", "xlsx")] {
        for files in [true, false] {
            let mut export = archived(&rig, "rows=3000", true);
            export.spec.format = FormatChoice::plain(format);
            if !files {
                export.spec.archive = Some(Archive::default());
            }
            let id = rig.submit(export).await;
            let entries = entries(&rig, &rig.ended(id).await).await;
            let names: Vec<_> = entries.iter().map(|(name, _)| name.clone()).collect();
            let data = format!("export-{id}.{extension}");
            let expected = match files {
                true => vec![data, "files.zip".into(), "manifest.json".into()],
                false => vec![data, "manifest.json".into()],
            };
            assert_eq!(names, expected);
            let manifest: Value =
                serde_json::from_slice(&entries[names.len() - 1].1).expect("JSON");
            let count = if files { (0..3_000).filter(|n| n % 7 > 0).count() } else { 0 };
            assert_eq!(manifest["files"]["count"], json!(count));
            assert_eq!(manifest["data"]["rows"], json!(3_000));
            assert_eq!(manifest["missing"], json!([]));
        }
    }
    drop(worker);
}

async fn a_store_of_files_that_is_away_is_tried_again() {
    let rig = Rig::new();
    let worker = rig.work().await;
    for script in ["rows=9 files=3:away", "rows=9 files=4:off"] {
        let id = rig.submit(archived(&rig, script, false)).await;
        let export = rig.until(id, |export| export.tally.errors > 0).await;
        assert_eq!(export.state, State::Queued);
        assert_eq!(export.failure.as_ref().map(|f| f.code.as_str()), Some("unavailable"));
        assert_eq!(rig.files().len(), 0);
        rig.cancel(id).await;
    }
    drop(worker);
}

async fn a_cancel_inside_a_file_leaves_nothing() {
    let rig = Rig::new();
    let worker = rig.work().await;
    for (at, together) in [false, true].into_iter().enumerate() {
        let gate = rig.gate(&format!("gate-{at}"));
        let script = format!("rows=9 files=3:{}", gate.script());
        let id = rig.submit(archived(&rig, &script, together)).await;
        let held = gate.reached().await;
        rig.cancel(id).await;
        let export = rig.ended(id).await;
        assert_eq!(export.state, State::Cancelled);
        drop(held);
        assert_eq!(rig.files().len(), 0);
    }
    drop(worker);
}

async fn what_may_not_be_stored_is_refused_while_it_is_written() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let limited = |export: Export, most: u64| {
        let mut export = export;
        export.policy.storage_bytes_max = Some(most);
        export
    };
    // Rows that never end would never be refused if it were looked at the end alone.
    for export in [rig.export(&["rows=endless"]), archived(&rig, "rows=endless", false)] {
        let export = rig.ended(rig.submit(limited(export, MIB)).await).await;
        assert_eq!(export.state, State::Failed);
        let failure = export.failure.expect("a reason");
        assert_eq!(failure.code, "storage_full");
        assert!(failure.message.contains(&format!("no more than {MIB} may be")), "{failure:?}");
        assert_eq!((export.tally.errors, rig.files().len()), (0, 0));
    }
    let bytes = csv(2_000).len() as u64;
    // As many bytes again fit exactly, and not one less.
    for (most, state) in [
        (bytes - 1, State::Failed),
        (bytes, State::Completed),
        (2 * bytes - 1, State::Failed),
        (2 * bytes, State::Completed),
    ] {
        let export = limited(rig.export(&["rows=2000"]), most);
        let ended = rig.ended(rig.submit(export).await).await;
        assert_eq!(ended.state, state, "{:?}", ended.failure);
    }
    assert_eq!(rig.files().len(), 2);
    drop(worker);
}

async fn what_was_stored_meanwhile_counts() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let bytes = csv(2_000).len() as u64;
    let mut running = Vec::new();
    for name in ["first", "second"] {
        let gate = rig.gate(name);
        let mut export = rig.export(&[&format!("rows=2000 at=1000 do={}", gate.script())]);
        export.policy.storage_bytes_max = Some(bytes * 3 / 2);
        let id = rig.submit(export).await;
        running.push((id, gate.reached().await));
    }
    let mut states = Vec::new();
    for (id, held) in running {
        drop(held);
        states.push(rig.ended(id).await.state);
    }
    assert_eq!(states, [State::Completed, State::Failed]);
    // What was refused at the end is removed when everybody knows of it.
    worker.drain.begin(Duration::ZERO);
    worker.ended().await;
    assert_eq!(rig.files().len(), 1);
}
