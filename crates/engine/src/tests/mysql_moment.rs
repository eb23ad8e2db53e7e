//! One moment of MySQL: writers, scans by turns, statements that are stopped, increments.

use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use outhaul_exports::catalog::FieldType;
use outhaul_exports::ports::{Engine as _, RunLimits, Snapshot};
use outhaul_exports::query::{Expr, OrderBy, Query, Select};
use outhaul_instances::MariaDb;
use serde_json::json;

use super::kit::{collect, refused, select};
use super::mysql_kit::{Room, engine, object, query, scope, server, source};
use crate::DataFusionEngine;

/// A statement of several on a connection of its own.
fn running(server: &MariaDb, block: &str) -> Child {
    let mut client = server.client();
    client.args([server.database(), "--delimiter=//", "-e", block]);
    client.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("a client")
}

/// Numbered rows of the tenant, from MariaDB's own sequences.
fn numbers(server: &MariaDb, table: &str, rows: u32) {
    let sql = format!(
        "CREATE TABLE {table} (tenant varchar(9), n int PRIMARY KEY, pad varchar(300)); \
         INSERT INTO {table} SELECT 'ta', seq, repeat('x', 200) FROM seq_1_to_{rows}"
    );
    server.sql(&sql).expect("a table");
}

fn over(server: &MariaDb, more: &serde_json::Value, tables: &[&str]) -> DataFusionEngine {
    let object = |table: &&str| object(&table.to_uppercase(), table, &[("pad", FieldType::Text)]);
    engine(source(server, more), tables.iter().map(object).collect())
}

fn all(object: &str) -> Query {
    query(&select(object, &["N", "PAD"]))
}

async fn count(snapshot: &dyn Snapshot, object: &str) -> usize {
    collect(snapshot, &all(object)).await.expect("rows").rows.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_moves_is_never_seen_twice_or_not_at_all() {
    let server = server();
    for table in ["here", "there"] {
        let sql = format!(
            "CREATE TABLE {table} (tenant varchar(9), n int PRIMARY KEY, amount int); \
             INSERT INTO {table} SELECT 'ta', seq, 100 FROM seq_1_to_800"
        );
        server.sql(&sql).expect("a table");
    }
    let fields = [("amount", FieldType::Integer)];
    let objects = vec![object("Here", "here", &fields), object("There", "there", &fields)];
    let engine = engine(source(&server, &json!({})), objects);
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            running(
                &server,
                &format!(
                    "BEGIN NOT ATOMIC DECLARE i INT DEFAULT 0; \
                     DECLARE CONTINUE HANDLER FOR SQLEXCEPTION ROLLBACK; \
                     WHILE i < 1000000 DO SET i = i + 1; START TRANSACTION; \
                     UPDATE here SET amount = amount - 1 WHERE n = 1 + (i * 8 + {writer}) % 800; \
                     UPDATE there SET amount = amount + 1 WHERE n = 1 + (i * 8 + {writer}) % 800; \
                     COMMIT; END WHILE; END//"
                ),
            )
        })
        .collect();
    let room = Room::new();
    let mut moved = 0;
    for round in 0..100 {
        let snapshot = room.begin(&engine).await;
        let mut sums = Vec::new();
        for object in ["Here", "There"] {
            let rows = collect(snapshot.as_ref(), &query(&select(object, &["AMOUNT"]))).await;
            let rows = rows.expect("rows");
            sums.push(
                rows.column(0).iter().map(|n| n.parse::<i64>().expect("a number")).sum::<i64>(),
            );
        }
        assert_eq!(sums.iter().sum::<i64>(), 160_000, "round {round}: {sums:?}");
        moved += i64::from(sums[0] != 80_000);
        let note = snapshot.note();
        assert_eq!(note.sources.len(), 1, "the manifest names the snapshot: {note:?}");
        assert!(note.guarantee.contains("(InnoDB) are those of one snapshot"), "{note:?}");
    }
    assert!(moved > 80, "the writers wrote meanwhile: {moved}");
    for mut writer in writers {
        writer.kill().expect("it ends");
        writer.wait().expect("it ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_are_read_by_turns_do_not_wait_for_each_other() {
    let server = server();
    numbers(&server, "a", 60_000);
    numbers(&server, "b", 40_000);
    let engine = over(&server, &json!({}), &["a", "b"]);
    let room = Room::new();
    let snapshot = room.begin(&engine).await;
    let mut streams = Vec::new();
    for object in ["A", "B", "A"] {
        streams.push((snapshot.open(&all(object)).await.expect("it starts").batches, 0));
    }
    server.sql("DELETE FROM a; DELETE FROM b WHERE n > 10").expect("others write");
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
    drop(snapshot);
    assert_eq!(count(room.begin(&engine).await.as_ref(), "B").await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_aside_keeps_to_the_limit_of_the_run() {
    let server = server();
    numbers(&server, "a", 60_000);
    numbers(&server, "b", 10);
    let engine = over(&server, &json!({}), &["a", "b"]);
    let room = Room::new();
    let limits = RunLimits { spill_bytes: 1 << 20, ..room.limits() };
    let snapshot = engine.begin(&scope(), &limits).await.expect("begins");
    let mut first = snapshot.open(&all("A")).await.expect("it starts").batches;
    first.try_next().await.expect("rows").expect("a batch");
    assert_eq!(count(snapshot.as_ref(), "B").await, 10);
    let error = first.try_collect::<Vec<_>>().await.expect_err("its rows find no room");
    assert!(error.public().starts_with("storage_full: "), "{}", error.chain());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_wants_any_more_is_stopped_in_the_database() {
    let server = server();
    numbers(&server, "a", 20_000);
    server
        .sql(
            "CREATE VIEW slow AS SELECT 'ta' AS tenant, seq AS n, SLEEP(0.05) AS pad \
             FROM seq_1_to_100000",
        )
        .expect("a view");
    let engine = over(&server, &json!({}), &["a", "slow"]);
    let active = "SELECT count(*) FROM information_schema.processlist \
                  WHERE command IN ('Execute', 'Query') AND info LIKE 'SELECT%slow%' \
                  AND info NOT LIKE '%processlist%'";
    let room = Room::new();
    for sorted in [false, true] {
        let snapshot = room.begin(&engine).await;
        assert_eq!(count(snapshot.as_ref(), "A").await, 20_000);
        let mut slow = select("SLOW", &["N", "PAD"]);
        if sorted {
            slow.order_by = vec![OrderBy { expr: Expr::own("N"), descending: true }];
        }
        let mut batches = snapshot.open(&query(&slow)).await.expect("it starts").batches;
        let first = tokio::spawn(async move { batches.try_next().await.map(drop) });
        until(|| server.sql(active).expect("asked").trim() == "1").await;
        first.abort();
        let asked = Instant::now();
        until(|| server.sql(active).expect("asked").trim() == "0").await;
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        // The snapshot is as it was, and its connection fit for the next query.
        server.sql("INSERT INTO a VALUES ('ta', 1000000, '')").expect("others write");
        assert_eq!(count(snapshot.as_ref(), "A").await, 20_000);
        server.sql("DELETE FROM a WHERE n = 1000000").expect("it is gone again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_beyond_a_limit_are_not_waited_for() {
    let server = server();
    numbers(&server, "a", 200_000);
    let engine = over(&server, &json!({}), &["a"]);
    let room = Room::new();
    let snapshot = room.begin(&engine).await;
    let mut few = select("A", &["N", "PAD"]);
    few.limit = Some(3);
    for _ in 0..20 {
        let answer = collect(snapshot.as_ref(), &query(&few)).await.expect("rows");
        assert_eq!(answer.column(0), ["1", "2", "3"]);
    }
    assert_eq!(count(snapshot.as_ref(), "A").await, 200_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_or_a_connection_that_ends_too_early_fails_the_attempt() {
    let server = server();
    server
        .sql("CREATE VIEW slow AS SELECT 'ta' AS tenant, seq AS n, SLEEP(0.05) AS pad FROM seq_1_to_1000")
        .expect("a view");
    numbers(&server, "a", 200_000);
    let room = Room::new();
    let hurried = over(&server, &json!({ "statement_secs": 1 }), &["slow"]);
    let error = refused(room.answer(&hurried, &all("SLOW")).await);
    assert!(error.public().starts_with("source_timeout: object SLOW"), "{}", error.chain());

    let engine = over(&server, &json!({}), &["a", "slow"]);
    let snapshot = room.begin(&engine).await;
    let mut batches = snapshot.open(&all("A")).await.expect("it starts").batches;
    batches.try_next().await.expect("rows").expect("a batch");
    let kill = "SELECT GROUP_CONCAT(CONCAT('KILL ', id) SEPARATOR ';') \
                FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'outhaul'";
    server.sql(&server.sql(kill).expect("asked")).expect("killed");
    let error = batches.try_collect::<Vec<_>>().await.expect_err("no part for a whole");
    assert!(
        error.public().contains("the database of object A cannot be reached"),
        "{}",
        error.chain()
    );
    // What is left of the moment is no other moment.
    let error = refused(collect(snapshot.as_ref(), &all("A")).await);
    assert!(error.public().contains("cannot be reached"), "{}", error.chain());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_changes_while_an_export_waits_is_told() {
    let server = server();
    numbers(&server, "a", 10);
    let engine = over(&server, &json!({ "lock_secs": 1 }), &["a"]);
    let room = Room::new();
    // A column more shifts none.
    server.sql("ALTER TABLE a ADD COLUMN more int FIRST").expect("a column");
    assert_eq!(room.answer(&engine, &all("A")).await.expect("rows").column(0).len(), 10);
    // Between the plan and its rows.
    let snapshot = room.begin(&engine).await;
    let batches = snapshot.open(&all("A")).await.expect("it starts").batches;
    server.sql("ALTER TABLE a DROP COLUMN pad").expect("no column");
    let error = batches.try_collect::<Vec<_>>().await.expect_err("the column is gone");
    assert!(error.public().starts_with("source_changed: object A"), "{}", error.chain());
    // Before it.
    let error = refused(room.answer(&engine, &all("A")).await);
    assert!(error.public().contains("field PAD has no column in the source any more"), "{error}");
    server.sql("DROP TABLE a").expect("no table");
    let error = refused(room.answer(&engine, &all("A")).await);
    assert!(error.public().starts_with("source_missing: object A"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_increment_holds_what_changed_since_and_reaches_back() {
    let server = Arc::new(server());
    server
        .sql(
            "CREATE TABLE a (tenant varchar(9), n int PRIMARY KEY, at timestamp(6) NULL); \
             INSERT INTO a VALUES ('ta', 1, UTC_TIMESTAMP(6) - INTERVAL 1 HOUR), ('ta', 2, NULL), \
               ('ta', 3, UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE), ('tb', 4, UTC_TIMESTAMP(6))",
        )
        .expect("a table");
    let fields = [("at", FieldType::Timestamp)];
    let mut of_time = object("A", "a", &fields);
    of_time.updated = Some("AT".into());
    let engine = engine(
        source(&server, &json!({ "overlap_secs": 600 })),
        vec![of_time, object("Timeless", "a", &fields)],
    );
    let room = Room::new();
    let full: Select = select("A", &["N"]);
    let snapshot = room.begin(&engine).await;
    assert_eq!(collect(snapshot.as_ref(), &query(&full)).await.expect("rows").rows.len(), 3);
    let mark = snapshot.mark(&query(&full)).await.expect("a mark");
    let timeless = snapshot.mark(&query(&select("Timeless", &["N"]))).await;
    assert!(timeless.expect_err("no time").public().contains("names no such field (updated)"));
    drop(snapshot);
    server.sql("INSERT INTO a VALUES ('ta', 5, UTC_TIMESTAMP(6))").expect("a row");
    let increment = Select { since: Some(mark), ..full };
    let answer = room.answer(&engine, &query(&increment)).await.expect("rows").sorted();
    assert_eq!(answer.column(0), ["2", "3", "5"]);
}

/// Looks again and again, for at most half a minute.
async fn until(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came to be");
        tokio::task::yield_now().await;
    }
}
