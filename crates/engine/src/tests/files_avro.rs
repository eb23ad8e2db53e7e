//! Avro files that another program wrote, and what becomes of them when they are damaged.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use outhaul_exports::catalog::FieldType;
use outhaul_exports::ports::Engine;
use outhaul_exports::query::Query;
use outhaul_exports::{Error, Result};
use proptest::prelude::*;
use tempfile::TempDir;

use super::kit::{Answer, World, collect, select, write_file};
use crate::OwnSource;
use crate::sources::files::FileFormat;
use crate::sources::{Discovered, SourceConfig, survey};

/// What fastavro writes; nothing without a Python that has it.
fn written() -> Option<TempDir> {
    let Some(python) = std::env::var_os("OUTHAUL_TEST_PYTHON") else {
        println!("skipped: needs OUTHAUL_TEST_PYTHON, the path of a Python with fastavro");
        return None;
    };
    let dir = TempDir::new().expect("a temporary folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/files_avro.py");
    let output = Command::new(python).arg(script).arg(dir.path()).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(dir)
}

fn config(folder: &Path) -> SourceConfig {
    let config = serde_json::json!({"kind": "files", "name": "main", "url": folder});
    serde_json::from_value(config).expect("a configuration")
}

async fn sql(folder: &Path, text: &str) -> Result<Answer> {
    let own = OwnSource::open(&config(folder)).await?;
    let spill = TempDir::new().expect("a temporary folder");
    let limits = outhaul_exports::ports::RunLimits {
        memory_bytes: 256 << 20,
        spill_bytes: 1 << 30,
        spill_dir: spill.path().to_owned(),
        threads: 2,
    };
    let snapshot = own.engine.begin(&own.scope, &limits).await?;
    collect(snapshot.as_ref(), &Query::Sql { text: text.to_owned() }).await
}

async fn refused(folder: &Path) -> Error {
    survey(&config(folder)).await.expect("a folder").left_out.remove(0).why
}

#[tokio::test]
async fn every_type_and_codec_of_another_writer_is_read() {
    let Some(dir) = written() else { return };
    let folder = dir.path().join("codecs");
    let Discovered { tables, left_out } = survey(&config(&folder)).await.expect("tables");
    assert!(left_out.is_empty(), "{left_out:?}");
    assert_eq!(tables.len(), 6);
    let types: Vec<_> = tables[0].columns.iter().map(|c| (c.name.as_str(), c.field_type)).collect();
    use FieldType as F;
    assert_eq!(
        types,
        [
            ("id", F::Integer),
            ("b", F::Boolean),
            ("i", F::Integer),
            ("f", F::Float),
            ("d", F::Float),
            ("s", F::Text),
            ("bytes", F::Binary),
            ("dec", F::Decimal),
            ("wide", F::Decimal),
            ("day", F::Date),
            ("millis", F::Timestamp),
            ("micros", F::Timestamp),
            ("local", F::Timestamp),
            ("tmillis", F::Time),
            ("tmicros", F::Time),
            ("u", F::Text),
            ("e", F::Text),
            ("either", F::Text),
            ("list", F::Json),
            ("map", F::Json),
            ("inner", F::Json),
            ("mixed", F::Text),
        ]
    );
    let all = |table: &str| format!("SELECT * FROM \"{table}\" ORDER BY id");
    let plain = sql(&folder, &all("null")).await.expect("rows");
    assert_eq!(plain.rows.len(), 3000);
    for (row, expected) in [
        (
            0,
            "0|true|0|0.5|0.0|text 0 é 😀|00ff|-4.75|-1234567890123456789012345678.0123456789|\
             2026-01-31|2026-01-31T23:59:58.123Z|2026-01-31T23:59:58.123456Z|\
             2026-01-31T23:59:58.123456Z|01:02:03.456|01:02:03.456789|\
             00000000-0000-0000-0000-000000000000|RED|NULL|[NULL, 0]|{k: v0}|{x: 0, y: y}|[0,\"m0\"]",
        ),
        (
            1,
            "1|NULL|NULL|1.5|NULL|NULL|NULL|NULL|-1234567890123456789012345677.0123456789|\
             NULL|2026-02-01T23:59:58.123Z|NULL|\
             2026-02-01T23:59:58.123456Z|01:02:03.456|01:02:03.456789|\
             00000000-0000-0000-0000-000000000001|GREEN|1|[NULL, 1]|{k: v1}|NULL|[1,\"m1\"]",
        ),
        (
            2,
            "2|true|-2|2.5|0.2857142857142857|text 2 é 😀|02ff|-2.75|\
             -1234567890123456789012345676.0123456789|\
             2026-02-02|2026-02-02T23:59:58.123Z|2026-02-02T23:59:58.123456Z|\
             2026-02-02T23:59:58.123456Z|01:02:03.456|01:02:03.456789|\
             00000000-0000-0000-0000-000000000002|RED|\"t2\"|[NULL, 2]|{k: v2}|{x: 2, y: y}|[2,\"m2\"]",
        ),
    ] {
        assert_eq!(plain.rows[row].join("|"), expected);
    }
    for codec in ["deflate", "snappy", "zstandard", "bzip2", "xz"] {
        assert_eq!(sql(&folder, &all(codec)).await.expect("rows"), plain, "{codec}");
    }
    // Each column alone is what it is among the others.
    for (at, (name, _)) in types.iter().enumerate() {
        let alone = sql(&folder, &format!("SELECT \"{name}\" FROM snappy")).await.expect("rows");
        let among: Vec<_> = plain.column(at);
        assert_eq!(alone.column(0), among, "{name}");
    }
    let counted = sql(&folder, "SELECT count(*) AS c FROM xz").await.expect("a row");
    assert_eq!(counted.text(), "c\n3000");
}

#[tokio::test]
async fn files_of_a_table_may_have_other_columns_each() {
    let Some(dir) = written() else { return };
    let answer = sql(&dir.path().join("evolved"), "SELECT a, b, c FROM evolved").await;
    assert_eq!(
        answer.expect("rows").text(),
        "a|b|c\n1|x|NULL\n1099511627776|NULL|0.5\nNULL|NULL|1.5\nNULL|NULL|2.5"
    );
    let only = sql(&dir.path().join("evolved"), "SELECT b FROM evolved WHERE a > 5").await;
    assert_eq!(only.expect("rows").text(), "b\nNULL");
    let error = refused(&dir.path().join("differ")).await;
    let text = error.to_string();
    assert!(text.contains("column a is of the types Int32 and Utf8View in its files"), "{text}");
}

#[tokio::test]
async fn schemas_with_names_are_understood_and_others_refused() {
    let Some(dir) = written() else { return };
    let answer = sql(&dir.path().join("named"), "SELECT * FROM named").await.expect("a row");
    assert_eq!(
        answer.text(),
        "first|second|kind|other|prices|raw\n{l: 1, r: 2}|{l: 3, r: 4}|A|B|[1.500, -2.125]|0001feff"
    );
    let one = sql(&dir.path().join("named"), "SELECT other, second FROM named").await;
    assert_eq!(one.expect("a row").text(), "other|second\nB|{l: 3, r: 4}");
    let none = sql(&dir.path().join("empty"), "SELECT a FROM empty").await.expect("no rows");
    assert!(none.rows.is_empty());
    let error = refused(&dir.path().join("recursive")).await;
    assert!(error.chain().contains("holds itself"), "{}", error.chain());
    let error = sql(&dir.path().join("nothing"), "SELECT a FROM nothing").await.err();
    let chain = error.expect("rows without a byte").chain();
    assert!(chain.contains("rows without a byte"), "{chain}");
}

fn batch(rows: i64) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new((0..rows).collect::<Int64Array>())),
        ("text", Arc::new((0..rows).map(|n| Some(format!("text {n}"))).collect::<StringArray>())),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// Wherever a file is cut, but between two blocks, it is an error.
#[tokio::test]
async fn a_file_that_is_cut_short_is_an_error() {
    let dir = TempDir::new().expect("a temporary folder");
    let path = dir.path().join("t.avro");
    write_file(&path, &batch(3000), FileFormat::Avro);
    let whole = std::fs::read(&path).expect("a file");
    let all = sql(dir.path(), "SELECT n FROM t").await.expect("rows").rows.len();
    assert_eq!(all, 3000);
    let mut fine = Vec::new();
    for length in (0..whole.len()).step_by(whole.len() / 97).chain(whole.len() - 40..whole.len()) {
        std::fs::write(&path, &whole[..length]).expect("it is written");
        match sql(dir.path(), "SELECT n FROM t").await {
            Ok(answer) => fine.push((length, answer.rows.len())),
            Err(error) => {
                let text = error.to_string();
                let told = text.contains("damaged or not in its format")
                    || text.contains("no object or field")
                    || text.contains('t');
                assert!(told, "{length}: {text}");
            }
        }
    }
    assert!(fine.iter().all(|(_, rows)| rows % 1000 == 0), "{fine:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// However a file is damaged, reading it ends, with rows or with an error, and without a panic.
    #[test]
    fn a_damaged_file_is_read_to_an_end(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let dir = TempDir::new().expect("a temporary folder");
        let path = dir.path().join("t.avro");
        write_file(&path, &batch(300), FileFormat::Avro);
        let mut bytes = std::fs::read(&path).expect("a file");
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        std::fs::write(&path, bytes).expect("it is written");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        if let Ok(answer) = runtime.block_on(sql(dir.path(), "SELECT * FROM t")) {
            prop_assert_eq!(answer.rows.len(), 300);
        }
    }
}

#[tokio::test]
async fn other_tenants_rows_stay_behind_the_wall() {
    let Some(dir) = written() else { return };
    let world = World::new();
    let data = world.dir.path().join("data");
    std::fs::remove_file(data.join("Contact.parquet")).expect("it was there");
    let from = dir.path().join("owned/owned.avro");
    std::fs::copy(from, data.join("Contact.avro")).expect("a copy");
    let engine = World::engine(&data, None);
    let world = World { engine, ..world };
    let answer = world.select("tb", &select("Contact", &["Id"])).await.expect("rows");
    assert_eq!(answer.text(), "Id\n2");
}
