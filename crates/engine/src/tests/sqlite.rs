//! SQLite as a source: types, moments, scans by turns, and what goes wrong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datafusion::scalar::ScalarValue as V;
use futures::TryStreamExt;
use outhaul_exports::catalog::{Catalog, FieldType};
use outhaul_exports::ports::Snapshot;
use outhaul_exports::query::{Expr, OrderBy, Query, Select};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tempfile::TempDir;

use super::kit::{collect, refused, select};
use super::mysql_kit::{Room, engine, object, query};
use super::predicate_kit::check_predicates;
use crate::sources::{self, SourceConfig, survey};

/// A file of a test's own.
struct File {
    _folder: TempDir,
    path: PathBuf,
    mode: SqliteJournalMode,
}

impl File {
    async fn new(mode: SqliteJournalMode, sql: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = Self { path: folder.path().join("data of 100%.db"), _folder: folder, mode };
        let mut connection = file.writer().await;
        run(&mut connection, sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
        file
    }

    async fn writer(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(&self.path).create_if_missing(true);
        let options = options.journal_mode(self.mode).busy_timeout(Duration::from_secs(20));
        options.connect().await.expect("a file")
    }

    fn source(&self, more: &serde_json::Value) -> SourceConfig {
        source(&self.path, more)
    }
}

fn source(path: &Path, more: &serde_json::Value) -> SourceConfig {
    let mut config = json!({ "kind": "sqlite", "name": "main", "url": path.to_str() });
    for (key, value) in more.as_object().expect("an object") {
        config[key] = value.clone();
    }
    serde_json::from_value(config).expect("a source")
}

async fn run(connection: &mut SqliteConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Numbered rows of the tenant.
fn numbers(table: &str, rows: u32) -> String {
    format!(
        "CREATE TABLE {table} (tenant TEXT, n INTEGER PRIMARY KEY, pad TEXT); \
         WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
         INSERT INTO {table} SELECT 'ta', n, hex(zeroblob(100)) FROM s;"
    )
}

fn all(object: &str) -> Query {
    query(&select(object, &["N"]))
}

async fn count(snapshot: &dyn Snapshot, object: &str) -> usize {
    collect(snapshot, &all(object)).await.expect("rows").rows.len()
}

const WAL: SqliteJournalMode = SqliteJournalMode::Wal;

type Case = (
    &'static str,
    &'static [&'static str],
    FieldType,
    Result<&'static [&'static str], &'static str>,
);

const N: &str = "NULL";

const TYPES: &[Case] = &[
    (
        "INTEGER",
        &["-9223372036854775808", "9223372036854775807", "NULL"],
        FieldType::Integer,
        Ok(&["-9223372036854775808", "9223372036854775807", N]),
    ),
    (
        "INTEGER",
        &["1.5"],
        FieldType::Integer,
        Err("column v holds something else than a whole number"),
    ),
    (
        "INTEGER",
        &["'abc'"],
        FieldType::Integer,
        Err("column v holds something else than a whole number"),
    ),
    ("INTEGER", &["'abc'", "7", "1.5"], FieldType::Text, Ok(&["abc", "7", "1.5"])),
    ("INTEGER", &["x'00'"], FieldType::Text, Err("column v holds bytes that are no text")),
    ("TINYINT", &["'12'"], FieldType::Integer, Ok(&["12"])),
    ("BOOLEAN", &["0", "1", "NULL", "true"], FieldType::Boolean, Ok(&["false", "true", N, "true"])),
    ("BOOLEAN", &["2"], FieldType::Boolean, Err("something else than 0 and 1")),
    ("BOOLEAN", &["2"], FieldType::Integer, Ok(&["2"])),
    (
        "REAL",
        &["0.1", "1e308", "5e-324", "3", "9e999"],
        FieldType::Float,
        Ok(&["0.1", "1e308", "5e-324", "3.0", "inf"]),
    ),
    ("REAL", &["'x'"], FieldType::Float, Err("something else than a floating point number")),
    (
        "DECIMAL(10,2)",
        &["12.3", "-0.05", "7", "NULL", "'1.50'"],
        FieldType::Decimal,
        Ok(&["12.30", "-0.05", "7.00", N, "1.50"]),
    ),
    (
        "DECIMAL(10,2)",
        &["0.1 + 0.2"],
        FieldType::Decimal,
        Err("something else than a decimal of as many digits"),
    ),
    ("DECIMAL(10,2)", &["0.1 + 0.2"], FieldType::Float, Ok(&["0.30000000000000004"])),
    (
        "NUMERIC",
        &["1.5", "9007199254740993"],
        FieldType::Decimal,
        Ok(&["1.500000", "9007199254740993.000000"]),
    ),
    (
        "",
        &["'12345678901234567890123456789012.345678'"],
        FieldType::Decimal,
        Ok(&["12345678901234567890123456789012.345678"]),
    ),
    (
        "DATE",
        &["'0001-01-01'", "'9999-12-31'", "NULL"],
        FieldType::Date,
        Ok(&["0001-01-01", "9999-12-31", N]),
    ),
    ("DATE", &["'2026-02-30'"], FieldType::Date, Err("something else than a date such as")),
    ("DATE", &["1700000000"], FieldType::Date, Err("something else than a date such as")),
    ("DATE", &["1700000000"], FieldType::Integer, Ok(&["1700000000"])),
    (
        "DATETIME",
        &["'2026-01-02 03:04:05.678901'", "'2026-03-29T02:30+02:00'", "'2026-01-01'"],
        FieldType::Timestamp,
        Ok(&["2026-01-02T03:04:05.678901Z", "2026-03-29T00:30:00Z", "2026-01-01T00:00:00Z"]),
    ),
    ("TIMESTAMP", &["1700000000"], FieldType::Timestamp, Err("something else than a time such as")),
    ("TIMESTAMP", &["2460000.5"], FieldType::Float, Ok(&["2460000.5"])),
    ("DATETIME", &["'yesterday'", "5"], FieldType::Text, Ok(&["yesterday", "5"])),
    (
        "TIME",
        &["'00:00'", "'23:59:59.999999'"],
        FieldType::Time,
        Ok(&["00:00:00", "23:59:59.999999"]),
    ),
    ("TIME", &["'24:00:00'"], FieldType::Time, Err("something else than a time of day")),
    (
        "TEXT",
        &["''", "NULL", "'🦀é'", "'a' || char(10, 9) || '\"'", "'a' || char(0) || 'b'"],
        FieldType::Text,
        Ok(&["", N, "🦀é", "a\n\t\"", "a\0b"]),
    ),
    (
        "TEXT",
        &["CAST(x'ff' AS TEXT)"],
        FieldType::Text,
        Err("column v holds text that is not in UTF-8"),
    ),
    ("TEXT", &["'2026-01-02T03:04:05Z'"], FieldType::Timestamp, Ok(&["2026-01-02T03:04:05Z"])),
    ("VARCHAR(2)", &["'longer than that'", "5"], FieldType::Text, Ok(&["longer than that", "5"])),
    ("JSON", &["'{\"b\": 1}'", "NULL"], FieldType::Json, Ok(&["{\"b\": 1}", N])),
    ("BLOB", &["x'00ff10'", "x''", "NULL"], FieldType::Binary, Ok(&["00ff10", "", N])),
    ("BLOB", &["'text'"], FieldType::Binary, Err("something else than bytes")),
    ("", &["5", "'x'", "1.0"], FieldType::Text, Ok(&["5", "x", "1.0"])),
    ("", &["5"], FieldType::Integer, Ok(&["5"])),
    ("INT GENERATED ALWAYS AS (n * 2)", &[], FieldType::Integer, Ok(&["0", "2"])),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_comes_as_it_is_or_says_why_not() {
    let mut sql = String::new();
    for (at, (of, values, ..)) in TYPES.iter().enumerate() {
        sql += &format!("CREATE TABLE t{at} (tenant TEXT, n INTEGER, v {of});");
        for (n, value) in values.iter().enumerate() {
            sql += &format!("INSERT INTO t{at} VALUES ('ta', {n}, {value}), ('tb', {n}, {value});");
        }
        if values.is_empty() {
            sql += &format!("INSERT INTO t{at} (tenant, n) VALUES ('ta', 0), ('ta', 1);");
        }
    }
    let file = File::new(WAL, &sql).await;
    let objects = TYPES.iter().enumerate().map(|(at, (_, _, field_type, _))| {
        object(&format!("T{at}"), &format!("t{at}"), &[("v", *field_type)])
    });
    let engine = engine(file.source(&json!({})), objects.collect());
    let room = Room::new();
    let snapshot = room.begin(&engine).await;
    for (at, (of, values, field_type, expected)) in TYPES.iter().enumerate() {
        let select = select(&format!("T{at}"), &["V", "N"]);
        let answer = collect(snapshot.as_ref(), &query(&select)).await;
        let told = format!("{of} as {}: {values:?}", field_type.name());
        match expected {
            Ok(expected) => {
                let answer = answer.unwrap_or_else(|error| panic!("{told}: {}", error.chain()));
                assert_eq!(answer.column(0), *expected, "{told}");
            }
            Err(text) => {
                let error = refused(answer);
                assert!(error.public().contains(text), "{told}: {}", error.chain());
                assert!(error.public().contains(&format!("object T{at}")), "{told}: {error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_tells_what_it_holds() {
    let file = File::new(
        WAL,
        "CREATE TABLE account (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, doc JSON, seen DATETIME); \
         CREATE TABLE line (a INT, b INT, account REFERENCES account, other INT, PRIMARY KEY (b, a), \
           FOREIGN KEY (other) REFERENCES account (id)) WITHOUT ROWID; \
         CREATE TABLE strict (id INTEGER PRIMARY KEY, any ANY) STRICT; \
         CREATE VIEW sums AS SELECT name, count(*) AS accounts FROM account GROUP BY name; \
         CREATE TABLE gone (x); CREATE VIEW broken AS SELECT x FROM gone; DROP TABLE gone; \
         CREATE TABLE \"odd \"\"name\" (\"a b\" INT)",
    )
    .await;
    let found = survey(&file.source(&json!({}))).await.expect("tables");
    let names: Vec<_> = found.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["account", "line", "odd \"name", "strict", "sums"]);
    assert_eq!(found.left_out[0].table, "broken");
    let account = &found.tables[0];
    let columns: Vec<_> =
        account.columns.iter().map(|c| (c.name.as_str(), c.field_type, c.nullable)).collect();
    assert_eq!(
        columns,
        [
            ("id", FieldType::Integer, false),
            ("name", FieldType::Text, false),
            ("doc", FieldType::Json, true),
            ("seen", FieldType::Timestamp, true),
        ]
    );
    let line = &found.tables[1];
    assert_eq!(line.key, ["b", "a"]);
    assert_eq!(line.references.len(), 2);
    for reference in &line.references {
        assert_eq!(
            (reference.table.as_str(), &reference.target[..]),
            ("account", &["id".to_owned()][..])
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_moves_is_never_seen_twice_or_not_at_all() {
    for mode in [WAL, SqliteJournalMode::Delete] {
        let table = |name: &str| {
            format!(
                "CREATE TABLE {name} (tenant TEXT, n INTEGER PRIMARY KEY, amount INTEGER); \
                 WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 800) \
                 INSERT INTO {name} SELECT 'ta', n, 100 FROM s;"
            )
        };
        let file = Arc::new(File::new(mode, &(table("here") + &table("there"))).await);
        let done = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn({
            let (file, done) = (Arc::clone(&file), Arc::clone(&done));
            async move {
                let mut connection = file.writer().await;
                let mut moves = 0_u32;
                while !done.load(Ordering::Relaxed) {
                    let n = 1 + moves % 800;
                    let sql = format!(
                        "BEGIN IMMEDIATE; UPDATE here SET amount = amount - 1 WHERE n = {n}; \
                         UPDATE there SET amount = amount + 1 WHERE n = {n}; COMMIT"
                    );
                    // Who waits for a reader too long is told so, and tries again.
                    if run(&mut connection, &sql).await.is_err() {
                        run(&mut connection, "ROLLBACK").await.ok();
                    }
                    moves += 1;
                }
            }
        });
        let fields = [("amount", FieldType::Integer)];
        let objects = vec![object("Here", "here", &fields), object("There", "there", &fields)];
        let engine = engine(file.source(&json!({})), objects);
        let room = Room::new();
        let mut seen = BTreeSet::new();
        for round in 0..100 {
            let snapshot = room.begin(&engine).await;
            let mut sums = Vec::new();
            for object in ["Here", "There"] {
                let rows = collect(snapshot.as_ref(), &query(&select(object, &["AMOUNT"]))).await;
                let rows = rows.unwrap_or_else(|error| panic!("{}", error.chain()));
                sums.push(
                    rows.column(0).iter().map(|n| n.parse::<i64>().expect("one")).sum::<i64>(),
                );
                tokio::task::yield_now().await;
            }
            assert_eq!(sums.iter().sum::<i64>(), 160_000, "{mode:?}, round {round}: {sums:?}");
            seen.insert(sums[0]);
        }
        done.store(true, Ordering::Relaxed);
        writer.await.expect("it ends");
        assert!(seen.len() > 5, "{mode:?}: the writer wrote meanwhile: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_are_read_by_turns_do_not_wait_for_each_other() {
    let file = File::new(WAL, &(numbers("a", 60_000) + &numbers("b", 40_000))).await;
    let engine =
        engine(file.source(&json!({})), vec![object("A", "a", &[]), object("B", "b", &[])]);
    let room = Room::new();
    let snapshot = room.begin(&engine).await;
    let mut streams = Vec::new();
    for object in ["A", "B", "A"] {
        streams.push((snapshot.open(&all(object)).await.expect("it starts").batches, 0));
    }
    let mut writer = file.writer().await;
    run(&mut writer, "DELETE FROM a; DELETE FROM b WHERE n > 10").await.expect("others write");
    let mut open = streams.len();
    while open > 0 {
        open = 0;
        for (batches, rows) in &mut streams {
            if let Some(batch) = batches.try_next().await.expect("rows") {
                *rows += batch.num_rows();
                open += 1;
            }
        }
    }
    let counts: Vec<_> = streams.iter().map(|(_, rows)| *rows).collect();
    assert_eq!(counts, [60_000, 40_000, 60_000]);
    assert_eq!(count(snapshot.as_ref(), "B").await, 40_000, "and still the same moment");
    assert_eq!(snapshot.note().sources.len(), 1);
    assert_eq!(count(room.begin(&engine).await.as_ref(), "B").await, 10);
}

/// A view that takes minutes, and shows no row before its end.
const SLOW: &str = "CREATE VIEW slow AS SELECT 'ta' AS tenant, x.n + y.n AS n FROM a x, a y \
                    WHERE x.pad = y.pad || x.n;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_nobody_wants_or_that_takes_too_long_ends() {
    let file = File::new(WAL, &(numbers("a", 100_000) + SLOW)).await;
    let objects = || vec![object("A", "a", &[]), object("Slow", "slow", &[])];
    let room = Room::new();
    let hurried = engine(file.source(&json!({ "statement_secs": 1 })), objects());
    let error = refused(room.answer(&hurried, &all("Slow")).await);
    assert!(error.public().starts_with("source_timeout: object Slow"), "{}", error.chain());

    let engine = engine(file.source(&json!({})), objects());
    let snapshot = room.begin(&engine).await;
    for sorted in [false, true] {
        let mut slow = select("Slow", &["N"]);
        if sorted {
            slow.order_by = vec![OrderBy { expr: Expr::own("N"), descending: true }];
        }
        let mut batches = snapshot.open(&query(&slow)).await.expect("it starts").batches;
        let waited = tokio::time::timeout(Duration::from_millis(200), batches.try_next()).await;
        assert!(waited.is_err(), "it takes longer");
        drop(batches);
        let asked = Instant::now();
        assert_eq!(count(snapshot.as_ref(), "A").await, 100_000, "the moment is as it was");
        assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    }
    let mut few = select("A", &["N"]);
    few.limit = Some(3);
    for _ in 0..20 {
        let answer = collect(snapshot.as_ref(), &query(&few)).await.expect("rows");
        assert_eq!(answer.column(0), ["1", "2", "3"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_told() {
    let file = File::new(SqliteJournalMode::Delete, &numbers("a", 10)).await;
    let folder = TempDir::new().expect("a folder");
    let text = folder.path().join("text.db");
    std::fs::write(
        &text,
        "this is no database, and it is longer than a header of one: ".repeat(40),
    )
    .expect("a file");
    let room = Room::new();
    let read = async |path: &Path, table: &str| {
        let engine =
            engine(source(path, &json!({ "lock_secs": 0 })), vec![object("A", table, &[])]);
        room.answer(&engine, &all("A")).await
    };
    assert_eq!(read(&file.path, "A").await.expect("without regard to case").rows.len(), 10);
    for (path, table, told) in [
        (folder.path().join("none.db").as_path(), "a", "source_missing: object A: the file"),
        (folder.path(), "a", "the file of the database of object A cannot be read"),
        (&text, "a", "source_data: object A: its file is no SQLite database"),
        (&file.path, "b", "source_missing: object A: its source has no table"),
    ] {
        let error = refused(read(path, table).await);
        assert!(error.public().starts_with(told), "{}", error.chain());
        assert!(!error.public().contains("/"), "no path: {error}");
    }
    assert!(!folder.path().join("none.db").exists(), "nothing is made");
    let mut writer = file.writer().await;
    run(&mut writer, "BEGIN EXCLUSIVE").await.expect("a lock");
    let error = refused(read(&file.path, "a").await);
    assert!(error.public().starts_with("source_locked: object A"), "{}", error.chain());
    run(&mut writer, "COMMIT; ALTER TABLE a DROP COLUMN n").await.expect_err("a key stays");
    run(&mut writer, "ALTER TABLE a RENAME COLUMN n TO m").await.expect("another name");
    let error = refused(read(&file.path, "a").await);
    assert!(error.public().contains("field N has no column in the source any more"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_leaves_out_is_nothing_that_was_wanted() {
    let columns = "tenant TEXT, n INTEGER PRIMARY KEY, exact TEXT, nocase TEXT COLLATE NOCASE, \
        trimmed VARCHAR(9) COLLATE RTRIM, flag BOOLEAN, price DECIMAL(12,3), free NUMERIC, day DATE, \
        at DATETIME, clock TIME, real_one REAL, raw BLOB, untyped, doc JSON";
    let rows = [
        "'ta', 1, 'a', 'a', 'a', 1, 1.5, 0.1, '2026-01-01', '2026-01-01 00:00:00', '00:00', 1.5, x'00', 'x', '{}'",
        "'ta', 2, 'A', 'A', 'A', 0, -1.5, 5, '0001-01-01', '2025-12-31T23:30:00-02:00', '01:00', 2, x'', 5, '1'",
        "'tb', 3, 'a ', 'a ', 'a ', 1, 0.1, 9007199254740993, '9999-12-31', '9999-12-31 23:59:59.999999', \
         '02:00', 1e300, NULL, 1.5, 'null'",
        "'tb', 4, '', '', '', NULL, 999999999.999, -0.000001, '1970-01-01', '2026-01-01T01:00+02:00', NULL, \
         NULL, NULL, '5', NULL",
        "'TA', 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
        "'ta', -9223372036854775808, '🦀', 'é', 'É', 0, 100, 1e15, '2024-02-29', '2024-02-29', '23:59', 0, x'61', '', '[]'",
        "'ta', 9223372036854775807, 'o''b', 'Z', 'z', 1, 99.999, 123456789012345, '2000-01-01', '1970-01-01', \
         '12:00', -1, x'ff', 'A', '{}'",
    ];
    for encoding in ["UTF-8", "UTF-16le"] {
        let mut sql = format!("PRAGMA encoding = '{encoding}'; CREATE TABLE t ({columns});");
        for row in rows {
            sql += &format!("INSERT INTO t VALUES ({row});");
        }
        sql +=
            "CREATE INDEX i ON t (at); CREATE INDEX j ON t (price); CREATE INDEX k ON t (nocase);";
        let file = File::new(SqliteJournalMode::Delete, &sql).await;
        let text = |text: &str| V::Utf8View(Some(text.to_owned()));
        let micros = |micros| V::TimestampMicrosecond(Some(micros), Some("UTC".into()));
        let more = [
            text("A"),
            text("a "),
            text("o'b"),
            text("' OR 1=1 --"),
            text("\0"),
            text("5"),
            V::Int64(Some(2)),
            V::Int64(Some(-1)),
            V::Int64(None),
            V::Decimal128(Some(1500), 12, 3),
            V::Decimal128(Some(1499), 12, 3),
            V::Decimal128(Some(100_001), 38, 6),
            V::Decimal128(Some(9_007_199_254_740_992_000_000), 38, 6),
            V::Date32(Some(0)),
            V::Date32(Some(2_932_896)),
            V::Date32(Some(3_000_000)),
            micros(0),
            micros(1_767_225_600_000_000),
            micros(1_767_225_599_999_999),
            micros(253_402_300_799_999_999),
        ];
        let source = sources::open(&file.source(&json!({})), None).expect("a source");
        let catalog = Catalog::check(vec![object("T", "t", &[])]).expect("a catalog");
        let pinned = source.pin(&BTreeSet::new()).await.expect("a moment");
        let table = pinned.table(catalog.require("T").expect("one")).await.expect("a table");
        let pruned = check_predicates(table.as_ref(), &more, 7, 1500).await;
        assert!(pruned > 300, "conditions reach the database: {pruned}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_increment_holds_what_changed_since_and_reaches_back() {
    let at = |minutes: i32| format!("strftime('%Y-%m-%d %H:%M:%f', 'now', '{minutes} minutes')");
    let file = File::new(
        WAL,
        &format!(
            "CREATE TABLE a (tenant TEXT, n INTEGER PRIMARY KEY, at DATETIME); \
             INSERT INTO a VALUES ('ta', 1, {}), ('ta', 2, NULL), ('ta', 3, {}), ('tb', 4, {})",
            at(-60),
            at(-1),
            at(0)
        ),
    )
    .await;
    let mut of_time = object("A", "a", &[("at", FieldType::Timestamp)]);
    of_time.updated = Some("AT".into());
    let engine = engine(file.source(&json!({ "overlap_secs": 600 })), vec![of_time]);
    let room = Room::new();
    let full: Select = select("A", &["N"]);
    let snapshot = room.begin(&engine).await;
    assert_eq!(collect(snapshot.as_ref(), &query(&full)).await.expect("rows").rows.len(), 3);
    let mark = snapshot.mark(&query(&full)).await.expect("a mark");
    drop(snapshot);
    let mut writer = file.writer().await;
    let insert = format!("INSERT INTO a VALUES ('ta', 5, {})", at(0));
    run(&mut writer, &insert).await.expect("a row");
    let increment = Select { since: Some(mark), ..full };
    let answer = room.answer(&engine, &query(&increment)).await.expect("rows").sorted();
    assert_eq!(answer.column(0), ["2", "3", "5"]);
}
