//! The source `files`, through the engine: formats, folders, what is missing and what changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Decimal128Array, Float64Array, RecordBatch, StringArray};
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use outhaul_exports::catalog::FieldType;
use outhaul_exports::ports::Engine;
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{OrderBy, Query};
use outhaul_exports::testing::sample;
use outhaul_exports::{ErrorKind, SystemClock};

use super::kit::{
    Answer, Plan, TENANTS, World, catalog, collect, field, refused, select, write_file,
};
use crate::DataFusionEngine;
use crate::sources::files::{Config, FileFormat};
use crate::sources::{SourceConfig, discover};

fn config(url: &str, format: Option<FileFormat>) -> Config {
    Config {
        name: "main".into(),
        url: url.to_owned(),
        format,
        delimiter: None,
        decimal_digits: 6,
        overlap_secs: 300,
        options: BTreeMap::new(),
    }
}

const PATHS: [&str; 9] = [
    "Id",
    "Name",
    "Balance",
    "BillCycleDay",
    "AutoPay",
    "CreatedDate",
    "Currency",
    "BillToContact.FirstName",
    "ParentAccount.Balance",
];

#[tokio::test]
async fn every_format_gives_the_same_values() {
    let normal = |answer: Answer| {
        let rows = answer.rows.into_iter().map(|row| {
            row.into_iter()
                .map(|cell| cell.strip_suffix("0000").map(ToOwned::to_owned).unwrap_or(cell))
        });
        rows.map(Iterator::collect::<Vec<_>>).collect::<Vec<_>>()
    };
    let parquet = World::new().select("tb", &select("Account", &PATHS)).await.expect("rows");
    assert_eq!(parquet.rows.len(), 18);
    for format in [FileFormat::Csv, FileFormat::Ndjson, FileFormat::Avro] {
        let world = World::of(&Plan { format, ..Plan::default() });
        let text = world.select("tb", &select("Account", &PATHS)).await.expect("rows");
        assert_eq!(normal(text), normal(parquet.clone()), "{format:?}");
    }
}

#[tokio::test]
async fn a_folder_is_one_table_in_the_order_of_its_names() {
    for format in FileFormat::ALL {
        let world = World::of(&Plan { format, files: 7, ..Plan::default() });
        let answer = world.select("tc", &select("Contact", &["Id"])).await.expect("rows");
        let expected: Vec<String> = (0..20).map(|n| format!("Contact-tc-{n}")).collect();
        assert_eq!(answer.column(0), expected, "{format:?}");
        let answer =
            world.select("tc", &select("Invoice", &["Id", "Account.Id"])).await.expect("rows");
        assert_eq!(answer.rows.len(), 18, "{format:?}");
    }
}

#[tokio::test]
async fn a_file_that_changes_in_the_run_fails_the_attempt() {
    let world = World::of(&Plan { rows: 50, ..Plan::default() });
    let snapshot = world.begin("ta").await;
    let query = Query::Select(Box::new(select("Contact", &["Id"])));
    collect(snapshot.as_ref(), &query).await.expect("rows");
    let other = World::of(&Plan { rows: 60, ..Plan::default() });
    let (from, to) = (other.dir.path(), world.dir.path());
    std::fs::copy(from.join("data/Contact.parquet"), to.join("data/Contact.parquet"))
        .expect("a copy");
    let error = refused(collect(snapshot.as_ref(), &query).await);
    assert!(error.to_string().starts_with("source_changed"), "{}", error.chain());
    assert!(error.is_transient());
    // What is added later is not part of the moment; the next run sees it.
    let answer = collect(world.begin("ta").await.as_ref(), &query).await.expect("rows");
    assert_eq!(answer.rows.len(), 60);
    std::fs::remove_file(to.join("data/Contact.parquet")).expect("it was there");
    let error = refused(collect(snapshot.as_ref(), &query).await);
    assert!(error.to_string().starts_with("source_changed"), "{}", error.chain());
    let error = refused(world.select("ta", &select("Contact", &["Id"])).await);
    assert_eq!(error.kind(), &ErrorKind::Unavailable);
    assert!(error.to_string().contains("object Contact"), "{error}");
    assert!(!error.to_string().contains("/"), "no path is told: {error}");
}

#[tokio::test]
async fn a_text_file_that_is_written_while_it_is_read_fails_the_attempt() {
    for format in [FileFormat::Csv, FileFormat::Ndjson] {
        let world = World::of(&Plan { format, rows: 60_000, ..Plan::default() });
        let path = world.dir.path().join(format!("data/Account.{}", format.extensions()[0]));
        // An hour ago, so that what is written now is seen however coarse the disk's clock is.
        let file = std::fs::File::options().write(true).open(&path).expect("a file");
        let before = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(1);
        file.set_modified(before).expect("it is set");
        let snapshot = world.begin("ta").await;
        let query = Query::Select(Box::new(select("Account", &["Id", "Name"])));
        let mut rows = snapshot.open(&query).await.expect("a stream").batches;
        rows.next().await.expect("there are rows").expect("the file is as it was");
        let mut text = std::fs::read(&path).expect("a file");
        assert!(text.len() > 12 << 20, "{} bytes would be read at once", text.len());
        let half = text.len() / 2;
        text[half..].iter_mut().filter(|byte| **byte == b'2').for_each(|byte| *byte = b'3');
        std::fs::write(&path, text).expect("it is written in its place");
        let error = rows.try_collect::<Vec<_>>().await.expect_err("two versions");
        assert!(error.to_string().starts_with("source_changed"), "{}", error.chain());
    }
}

#[tokio::test]
async fn what_the_catalog_says_and_the_files_have_not_is_named() {
    let world = World::new();
    let text = |of: [&str; 2]| -> ArrayRef { Arc::new(StringArray::from(of.to_vec())) };
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.5, 2.5]));
    let batch = RecordBatch::try_from_iter(vec![
        ("tenant", text(["ta", "tb"])),
        ("Id", text(["1", "2"])),
        ("Balance", numbers),
        ("BillCycleDay", text(["7", "SECRET"])),
        ("CreatedDate", text(["2024-02-30T00:00:00Z", "2024-02-03T04:05:06Z"])),
        ("Deleted", text(["false", "no"])),
    ])
    .expect("columns of one length");
    write_file(&world.dir.path().join("data/Account.parquet"), &batch, FileFormat::Parquet);
    for (tenant, path, says) in [
        ("ta", "Name", Some("object Account: field Name has no column")),
        ("ta", "Balance", Some("object Account: the column of field Balance is of type Float64")),
        ("ta", "BillCycleDay", None),
        (
            "tb",
            "BillCycleDay",
            Some("object Account: field BillCycleDay holds a value that is not a whole number"),
        ),
        ("ta", "CreatedDate", Some("field CreatedDate holds a value that is not a timestamp")),
        ("tb", "CreatedDate", None),
        ("ta", "BillToContact.Id", Some("has no column BillToId, by which it is related")),
    ] {
        let result = world.select(tenant, &select("Account", &["Id", path])).await;
        match says {
            Some(says) => {
                let error = refused(result);
                assert!(error.to_string().contains(says), "{path}: {}", error.chain());
                assert!(!error.to_string().contains("SECRET"), "{error}");
            }
            None => assert_eq!(result.expect(path).rows.len(), 1),
        }
    }
}

#[tokio::test]
async fn a_relation_that_doubles_rows_is_an_error() {
    let world = World::new();
    let path = world.dir.path().join("data/Contact.parquet");
    let folder = world.dir.path().join("data/Contact");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::copy(&path, folder.join("1.parquet")).expect("a copy");
    std::fs::rename(&path, folder.join("2.parquet")).expect("moved");
    let answer = world.select("ta", &select("Invoice", &["Id"])).await.expect("rows");
    assert_eq!(answer.rows.len(), 18);
    let result = world.select("ta", &select("Invoice", &["Id", "BillToContact.Id"])).await;
    let error = refused(result);
    assert!(error.to_string().contains("leads to several"), "{}", error.chain());
    let mut query = select("Invoice", &["Id", "BillToContact.Id"]);
    query.order_by = vec![OrderBy { expr: field("InvoiceNumber"), descending: true }];
    let error = refused(world.select("ta", &query).await);
    assert!(error.to_string().contains("leads to several"), "{}", error.chain());
}

#[tokio::test]
async fn a_customer_is_told_of_the_object_and_the_operator_of_the_source() {
    let mut world = World::new();
    let data = world.dir.path().join("data");
    world.engine = World::engine(&data, None);
    std::fs::remove_file(data.join("Invoice.parquet")).expect("it was there");
    std::fs::create_dir(data.join("Contact")).expect("a folder");
    for name in ["Contact/a.csv", "Contact/b.ndjson"] {
        std::fs::write(data.join(name), "{}").expect("it is written");
    }
    for (object, says) in [("Invoice", "no file and no folder"), ("Contact", "several formats")] {
        let error = refused(world.select("ta", &select(object, &["Id"])).await);
        assert!(error.to_string().contains(says), "{}", error.chain());
        assert!(!error.to_string().contains("main"), "{error}");
        assert!(error.chain().contains(&format!("table {object} in source main")), "{error:?}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_an_error_that_names_its_object() {
    let world = World::new();
    let data = world.dir.path().join("data");
    let whole = std::fs::read(data.join("Contact.parquet")).expect("a file");
    for spoil in ["not parquet at all", ""] {
        std::fs::write(data.join("Contact.parquet"), spoil).expect("written");
        let error = refused(world.select("ta", &select("Contact", &["Id"])).await);
        assert!(error.to_string().contains("object Contact"), "{}", error.chain());
    }
    let mut bytes = whole.clone();
    let middle = bytes.len() / 4;
    for byte in &mut bytes[4..middle] {
        *byte ^= 0x5a;
    }
    std::fs::write(data.join("Contact.parquet"), bytes).expect("written");
    let error =
        refused(world.select("ta", &select("Contact", &["Id", "FirstName", "LastName"])).await);
    assert!(error.to_string().contains("object Contact"), "{}", error.chain());
    let world = World::of(&Plan { format: FileFormat::Csv, ..Plan::default() });
    let path = world.dir.path().join("data/Contact.csv");
    let mut text = std::fs::read_to_string(&path).expect("a file");
    text.push_str("one,cell,too,few\n");
    std::fs::write(&path, text).expect("written");
    let error = refused(world.select("ta", &select("Contact", &["Id"])).await);
    assert!(error.to_string().contains("object Contact"), "{}", error.chain());
}

#[tokio::test]
async fn files_of_a_folder_must_agree() {
    let world = World::of(&Plan { files: 2, ..Plan::default() });
    let folder = world.dir.path().join("data/PaymentMethod");
    let text = |of: [&str; 1]| -> ArrayRef { Arc::new(StringArray::from(of.to_vec())) };
    let batch = RecordBatch::try_from_iter(vec![("tenant", text(["ta"])), ("Id", text(["1"]))])
        .expect("columns of one length");
    write_file(&folder.join("part-999.parquet"), &batch, FileFormat::Parquet);
    let error = refused(world.select("ta", &select("PaymentMethod", &["Id"])).await);
    assert!(error.to_string().contains("column Type is missing"), "{error}");
    std::fs::remove_file(folder.join("part-999.parquet")).expect("it was there");
    std::fs::write(folder.join("_SUCCESS"), "").expect("written");
    std::fs::write(folder.join(".part.crc"), "x").expect("written");
    let answer = world.select("ta", &select("PaymentMethod", &["Id"])).await.expect("rows");
    assert_eq!(answer.rows.len(), 20);
}

#[tokio::test]
async fn an_object_store_is_read_like_a_folder() {
    let local = World::new();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for object in ["Account", "Contact", "PaymentMethod", "Invoice"] {
        let bytes = std::fs::read(local.dir.path().join(format!("data/{object}.parquet")));
        let path = format!("lake/{object}.parquet").into();
        store.put(&path, bytes.expect("a file").into()).await.expect("put");
    }
    let engine = DataFusionEngine::with_stores(
        Arc::new(catalog()),
        vec![SourceConfig::Files(config("s3://bucket/lake", None))],
        HashMap::from([("main".to_owned(), store)]),
        Arc::new(SystemClock),
    )
    .expect("an engine");
    let scope = TenantScope::of(&sample::tenant("tb"));
    let snapshot = engine.begin(&scope, &local.limits()).await.expect("begin");
    assert!(snapshot.note().guarantee.contains("fixed when the run begins"));
    let query = Query::Select(Box::new(select("Account", &PATHS)));
    let far = collect(snapshot.as_ref(), &query).await.expect("rows");
    assert_eq!(far, local.run("tb", &query).await.expect("rows"));
}

#[tokio::test]
async fn a_single_file_is_a_source() {
    let world = World::new();
    let file = world.dir.path().join("data/Contact.parquet");
    let found = discover(&SourceConfig::Files(config(&file.display().to_string(), None)))
        .await
        .expect("a table");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].rows), ("Contact.parquet", Some(60)));
}

#[tokio::test]
async fn tables_are_discovered_with_their_types() {
    for (format, name) in [
        (FileFormat::Parquet, "Invoice.parquet"),
        (FileFormat::Csv, "Invoice.csv"),
        (FileFormat::Ndjson, "Invoice.ndjson"),
        (FileFormat::Avro, "Invoice.avro"),
    ] {
        let world = World::of(&Plan { format, ..Plan::default() });
        let url = format!("file://{}", world.dir.path().join("data").display());
        let found = discover(&SourceConfig::Files(config(&url, None))).await.expect("tables");
        assert_eq!(found.len(), 4, "{format:?}");
        let invoice = found.iter().find(|table| table.name == name).expect("the invoices");
        assert_eq!(invoice.rows, (format == FileFormat::Parquet).then_some(60));
        let types: HashMap<_, _> =
            invoice.columns.iter().map(|c| (c.name.as_str(), c.field_type)).collect();
        assert_eq!(types["Id"], FieldType::Text);
        assert_eq!(types["Amount"], FieldType::Decimal, "{format:?}");
        assert_eq!(types["Deleted"], FieldType::Boolean, "{format:?}");
        if matches!(format, FileFormat::Parquet | FileFormat::Avro) {
            assert_eq!(types["InvoiceDate"], FieldType::Date);
            assert_eq!(types["CreatedDate"], FieldType::Timestamp);
        }
    }
}

#[tokio::test]
async fn rows_are_estimated_from_the_footers() {
    let mut query = select("Contact", &["Id"]);
    let estimate = async |world: &World, query: &outhaul_exports::query::Select| {
        let query = Query::Select(Box::new(query.clone()));
        let snapshot = world.begin("ta").await;
        snapshot.open(&query).await.expect("a stream").estimated_rows
    };
    // Every group has rows of one tenant; two files have none of this one.
    let apart = World::of(&Plan { rows: 100, ..Plan::default() });
    let data = apart.dir.path().join("data");
    std::fs::remove_file(data.join("Contact.parquet")).expect("it was there");
    std::fs::create_dir(data.join("Contact")).expect("a folder");
    for tenant in TENANTS {
        let alone = World::of(&Plan { rows: 100, tenants: &[tenant], ..Plan::default() });
        let from = alone.dir.path().join("data/Contact.parquet");
        std::fs::copy(from, data.join(format!("Contact/{tenant}.parquet"))).expect("a copy");
    }
    // How many rows others have is not told, not even by a sum.
    let mixed = World::of(&Plan { rows: 100, ..Plan::default() });
    assert_eq!(estimate(&apart, &query).await, Some(100));
    assert_eq!(estimate(&mixed, &query).await, None);
    query.limit = Some(7);
    assert_eq!(estimate(&apart, &query).await, Some(7));
    let world = World::of(&Plan { format: FileFormat::Csv, ..Plan::default() });
    let snapshot = world.begin("ta").await;
    let query = Query::Select(Box::new(select("Contact", &["Id"])));
    assert_eq!(snapshot.open(&query).await.expect("a stream").estimated_rows, None);
}

#[tokio::test]
async fn large_decimals_are_added_up_or_refused() {
    let world = World::new();
    let text = |of: [&str; 3]| -> ArrayRef { Arc::new(StringArray::from(of.to_vec())) };
    let most = 10_i128.pow(38) - 1;
    let amounts = Decimal128Array::from(vec![most, 1 - most, most]);
    let amounts: ArrayRef = Arc::new(amounts.with_precision_and_scale(38, 2).expect("it fits"));
    let batch = RecordBatch::try_from_iter(vec![
        ("tenant", text(["ta", "ta", "tb"])),
        ("Id", text(["1", "2", "3"])),
        ("Amount", Arc::clone(&amounts)),
        ("Balance", amounts),
        ("Deleted", text(["", "", ""])),
    ])
    .expect("columns of one length");
    write_file(&world.dir.path().join("data/Invoice.parquet"), &batch, FileFormat::Parquet);
    let answer = world.sql("ta", "SELECT sum(Amount) AS s FROM Invoice").await.expect("a sum");
    assert_eq!(answer.text(), "s\n0.01");
    let error =
        refused(world.sql("tb", "SELECT sum(Amount) + sum(Balance) * 10 AS s FROM Invoice").await);
    assert!(!error.to_string().contains("999"), "{error}");
    let error = refused(
        world.sql("tb", "SELECT sum(a.Amount) AS s FROM Invoice a CROSS JOIN Contact b").await,
    );
    assert!(error.to_string().contains("overflow"), "{error}");
}

#[test]
fn secrets_are_not_printed() {
    let mut config = config("s3://user:hunter2@bucket/x", None);
    config.options.insert("aws_secret_access_key".into(), "hunter2".into());
    assert!(!format!("{config:?}").contains("hunter2"));
    let text = r#"{"kind":"files","name":"main","url":"x","colour":"red"}"#;
    let error = serde_json::from_str::<SourceConfig>(text).expect_err("an unknown key");
    assert!(error.to_string().contains("colour"), "{error}");
}
