//! Exports that end well.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use outhaul_exports::catalog::FieldType;
use outhaul_exports::export::State;
use outhaul_exports::query::{Column, Expr, Protection, Query, Select};
use outhaul_exports::session::{Advance, SessionQuery, SessionRef};
use outhaul_exports::spec::{FormatChoice, Packing, Split};
use outhaul_exports::{ExportId, SessionId};

use super::rig::Rig;
use super::store::CutStore;

crate::cases![
    an_export_completes,
    several_files_of_every_format,
    rows_have_their_numbers_in_every_part,
    a_long_run_keeps_its_lease,
    many_exports_through_few_slots,
    an_error_that_may_pass_is_tried_again,
    an_error_that_may_not_is_the_end,
    an_answer_that_was_lost_is_asked_for_again,
    sealed_columns_leave_only_sealed,
    a_key_that_encrypts_no_files_leaves_none,
    a_completion_says_up_to_where_it_has_read_and_moves_its_session,
    what_a_spreadsheet_would_change_is_said,
];

async fn an_export_completes() {
    let rig = Rig::new();
    let worker = rig.work().await;
    for rows in [0, 1, 25_000] {
        let id = rig.script(&format!("rows={rows}")).await;
        let export = rig.ended(id).await;
        rig.assert_whole(&export, rows).await;
        let manifest = export.manifest.expect("a manifest");
        assert_eq!(manifest.snapshot.guarantee, "it is made up");
        let artifact = &manifest.artifacts[0];
        assert_eq!((artifact.file_name.as_str(), artifact.text), ("export.csv", true));
        assert_eq!(artifact.columns[1].field_type, FieldType::Text);
        assert_eq!(export.progress.queries_done, 1);
        assert_eq!(export.progress.rows_estimated, Some(rows));
        assert_eq!(export.progress.bytes_written, artifact.bytes);
        assert_eq!(export.tally.attempts, 1);
    }
    worker.drain.begin(Duration::ZERO);
    worker.ended().await;
}

async fn several_files_of_every_format() {
    let rig = Rig::new();
    let worker = rig.work().await;
    for format in ["csv", "html", "xlsx"] {
        for packing in [Packing::None, Packing::Gzip, Packing::Zip] {
            let mut export = rig.export(&["rows=10", "rows=3000"]);
            export.spec.format = FormatChoice::plain(format);
            export.spec.packing = packing;
            let id = rig.submit(export).await;
            let export = rig.ended(id).await;
            assert_eq!(export.state, State::Completed, "{format}: {:?}", export.failure);
            let manifest = export.manifest.expect("a manifest");
            let rows: Vec<u64> = manifest.artifacts.iter().map(|a| a.rows).collect();
            assert_eq!(rows, [10, 3_000], "{format}");
            for artifact in &manifest.artifacts {
                let bytes = rig.bytes(artifact).await;
                let magic: &[u8] = match (packing, format) {
                    (Packing::Gzip, _) => &[0x1f, 0x8b],
                    (Packing::Zip, _) | (_, "xlsx") => b"PK",
                    (_, "csv") => b"id,name\n",
                    _ => b"<!",
                };
                assert!(bytes.starts_with(magic), "{format} {packing:?}");
            }
        }
    }
    drop(worker);
}

/// Numbers go on from part to part, and begin anew with each query.
async fn rows_have_their_numbers_in_every_part() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let mut export = rig.export(&["rows=5000", "rows=3"]);
    export.spec.row_numbers = Some("No.".to_owned());
    export.spec.split = Some(Split::Rows(3_000));
    let export = rig.ended(rig.submit(export).await).await;
    assert_eq!(export.state, State::Completed, "{:?}", export.failure);
    let manifest = export.manifest.expect("a manifest");
    let mut first = 1;
    for (artifact, rows) in manifest.artifacts.iter().zip([3_000, 2_000, 3]) {
        let first_of_query = if artifact.query == 1 { 1 } else { first };
        let text = String::from_utf8(rig.bytes(artifact).await).expect("text");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("No.,id,name"));
        let numbers: Vec<u64> =
            lines.filter_map(|line| line.split(',').next()?.parse().ok()).collect();
        assert_eq!(numbers, (first_of_query..first_of_query + rows).collect::<Vec<_>>());
        assert_eq!((artifact.rows, artifact.columns[0].name.as_str()), (rows, "No."));
        first = first_of_query + rows;
    }
    assert_eq!(manifest.artifacts.len(), 3);
    drop(worker);
}

async fn a_long_run_keeps_its_lease() {
    let rig = Rig::new();
    let _house = rig.keep_house();
    let worker = rig.work().await;
    let gate = rig.gate("gate");
    let id = rig.script(&format!("rows=4000 at=2000 do={}", gate.script())).await;
    let held = gate.reached().await;
    let first = rig.get(id).await.lease.expect("a lease").until;
    // Three leases long.
    let later = first + chrono::TimeDelta::milliseconds(1_800);
    let now = rig.until(id, |export| export.lease.as_ref().is_none_or(|l| l.until > later)).await;
    assert_eq!((now.state, now.tally.rescues), (State::Running, 0));
    assert!(now.progress.rows_read >= 2_000, "{:?}", now.progress);
    drop(held);
    let export = rig.ended(id).await;
    rig.assert_whole(&export, 4_000).await;
    assert_eq!(export.tally.attempts, 1);
    drop(worker);
}

async fn many_exports_through_few_slots() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let mut ids = Vec::new();
    for n in 0..60 {
        ids.push((n, rig.script(&format!("rows={n}")).await));
    }
    for (rows, id) in ids {
        let export = rig.ended(id).await;
        rig.assert_whole(&export, rows).await;
    }
    assert_eq!(rig.files().len(), 60);
    drop(worker);
}

async fn an_error_that_may_pass_is_tried_again() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let id = rig.script("rows=3000 at=2000 do=away").await;
    let export = rig.until(id, |export| export.tally.errors == 1).await;
    assert_eq!(export.state, State::Queued);
    assert!(export.not_before.is_some());
    let failure = export.failure.expect("a failure");
    assert_eq!(
        (failure.code.as_str(), failure.message.as_str()),
        ("unavailable", "the source is away")
    );
    drop(worker);
}

async fn an_error_that_may_not_is_the_end() {
    let rig = Rig::new();
    let worker = rig.work().await;
    for (script, code) in [
        ("rows=3000 at=2000 do=bad", "invalid_query"),
        ("rows=3000 open=bad", "invalid_query"),
        ("rows=3000 open=missing", "source_missing"),
        ("rows=3000 at=2000 do=panic", "engine_failed"),
    ] {
        let id = rig.submit(rig.export(&["rows=5000", script])).await;
        let export = rig.ended(id).await;
        assert_eq!((export.state, export.tally.attempts), (State::Failed, 1), "{script}");
        assert_eq!(export.failure.expect("a failure").code, code, "{script}");
        assert!(export.manifest.is_none());
    }
    worker.drain.begin(Duration::ZERO);
    worker.ended().await;
    // Also the first query's file, which was finished, is gone.
    assert_eq!(rig.files(), Vec::<std::path::PathBuf>::new());
}

async fn an_answer_that_was_lost_is_asked_for_again() {
    let rig = Rig::new();
    let jobs = Arc::new(CutStore::over(rig.jobs.clone()));
    jobs.lose_answers.store(1, Ordering::Relaxed);
    let worker = rig.work_on(jobs.clone()).await;
    let id = rig.script("rows=3000").await;
    let export = rig.ended(id).await;
    worker.drain.begin(Duration::from_secs(10));
    worker.ended().await;
    assert_eq!(jobs.told.load(Ordering::Relaxed), 2, "it was told again");
    // Its files were not taken for those of a lost lease.
    rig.assert_whole(&export, 3_000).await;
    let file = rig.files().pop().expect("a file");
    let mut text = String::new();
    std::fs::File::open(file).expect("it opens").read_to_string(&mut text).expect("text");
    assert_eq!(text.lines().count(), 3_001);
}

async fn a_completion_says_up_to_where_it_has_read_and_moves_its_session() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let mut export = rig.export(&["rows=3000", "rows=10"]);
    let known = |name: &str| SessionQuery { name: name.into(), fingerprint: "f".repeat(64) };
    export.spec.session = Some(SessionRef {
        id: SessionId::random(),
        name: "series".into(),
        generation: 0,
        advance: Advance::OnCompletion,
        replay_of: None,
        queries: vec![Some(known("a")), Some(known("b"))],
    });
    let id = rig.submit(export).await;
    let export = rig.ended(id).await;
    let marks = export.manifest.expect("a manifest").marks;
    assert_eq!(marks.len(), 2);
    assert!(
        marks.iter().flatten().filter(|mark| mark.source == "script").count() == 2,
        "{marks:?}"
    );
    assert!(export.acknowledged_at.is_some(), "the session moved with it");
    let plain = rig.ended(rig.script("rows=10").await).await;
    assert!(plain.manifest.expect("a manifest").marks.is_empty());
    worker.drain.begin(Duration::from_secs(10));
    worker.ended().await;
}

async fn sealed_columns_leave_only_sealed() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let select = |protection| {
        let mut select = Select::of("Anything");
        let column = |label: &str, protection| Column {
            label: label.into(),
            expr: Expr::own(label),
            protection,
        };
        select.columns = vec![column("id", Protection::Plain), column("name", protection)];
        Query::Select(Box::new(select))
    };
    let mut export = rig.export(&["rows=0"]);
    export.spec.queries[0].query = select(Protection::Sealed);
    let without_key = rig.submit(export.clone()).await;
    let failed = rig.ended(without_key).await.failure.expect("a failure");
    assert_eq!(failed.code, "sealing_failed");
    assert!(failed.message.contains("register one"), "{}", failed.message);

    export.id = ExportId::new(rig.clock.now());
    // The recipient of age's own documentation.
    let key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    export.spec.sealing_key = Some(key.into());
    let id = rig.submit(export).await;
    let export = rig.ended(id).await;
    assert_eq!(export.state, State::Completed, "{:?}", export.failure);
    let manifest = export.manifest.expect("a manifest");
    let text = rig.bytes(&manifest.artifacts[0]).await;
    let text = String::from_utf8(text).expect("text");
    assert!(!text.contains("name, "), "{text}");
    for (n, line) in text.lines().skip(1).enumerate() {
        let (id, name) = line.split_once(',').expect("two columns");
        assert_eq!(id, n.to_string());
        // A null stays one; everything else is a message of age in base64.
        match n % 7 {
            0 => assert_eq!(name, ""),
            _ => assert!(name.starts_with("YWdlLWVuY3J5cHRpb24ub3JnL3Yx"), "{name}"),
        }
    }
    drop(worker);
}

/// The key was looked at when the export was created; it may have expired, or be of another kind in
/// an older store.
async fn a_key_that_encrypts_no_files_leaves_none() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let mut export = rig.export(&["rows=10"]);
    export.spec.encryption_key = Some(key.into());
    let id = rig.submit(export).await;
    let export = rig.ended(id).await;
    let failed = export.failure.expect("a failure");
    assert_eq!((failed.code.as_str(), export.tally.attempts), ("encryption_failed", 1));
    assert!(failed.message.contains("register an OpenPGP"), "{}", failed.message);
    assert!(export.manifest.is_none());
    drop(worker);
}

async fn what_a_spreadsheet_would_change_is_said() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let mut export = rig.export(&["rows=1100000"]);
    export.spec.format = FormatChoice::plain("xlsx");
    let id = rig.submit(export).await;
    let export = rig.ended(id).await;
    assert_eq!(export.state, State::Completed, "{:?}", export.failure);
    let [warning] = export.warnings.as_slice() else { panic!("{:?}", export.warnings) };
    assert_eq!((warning.code.as_str(), warning.count), ("further_sheet", 1));
    assert!(warning.message.contains("export.xlsx"), "{}", warning.message);
    drop(worker);
}
