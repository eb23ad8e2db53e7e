//! Increments of PostgreSQL while others write: nothing that was committed is ever passed over.
//!
//! Writers keep their transactions open for seconds, write in subtransactions, roll back, and delete;
//! some stamp rows with clocks that are wrong. After each increment, everything that was ever
//! delivered must make up exactly what the table holds in the snapshot of that increment. A series
//! that goes by the time in the rows is judged by the same rule, and must fail it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use outhaul_exports::catalog::Catalog;
use outhaul_exports::ports::{Engine, Snapshot};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{Compare, Condition, DeletedRows, Expr, Literal, Query, Select};
use outhaul_exports::session::Mark;
use outhaul_exports::testing::sample;
use outhaul_instances::Postgres;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

use super::kit::{collect, column, field, select};
use super::postgres_kit::{engine, folder, limits, server};
use crate::DataFusionEngine;

const WRITERS: i64 = 8;
const ROWS: i64 = 2_000;

const TABLES: &str = "
    CREATE TABLE thing (id bigint, version int NOT NULL, changed_at timestamptz NOT NULL,
        tenant text NOT NULL, PRIMARY KEY (id, tenant)) PARTITION BY LIST (tenant);
    CREATE TABLE thing_a PARTITION OF thing FOR VALUES IN ('ta');
    CREATE TABLE thing_rest PARTITION OF thing DEFAULT;
    CREATE TABLE thing_gone (id bigint, tenant text, at timestamptz DEFAULT clock_timestamp());
    CREATE FUNCTION bury() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO thing_gone (id, tenant) VALUES (OLD.id, OLD.tenant); RETURN OLD; END $$;
    CREATE TRIGGER bury BEFORE DELETE ON thing FOR EACH ROW EXECUTE FUNCTION bury();
    INSERT INTO thing SELECT n, 1, now(), CASE n % 5 WHEN 0 THEN 'tb' ELSE 'ta' END
        FROM generate_series(1, 2000) n";

fn catalog() -> Catalog {
    let object = serde_json::json!({
        "name": "Thing", "source": "main", "table": "thing", "key": ["Id"],
        "tenant_column": "tenant", "updated": "Changed",
        "tombstones": { "table": "thing_gone", "deleted_at": "at", "columns": { "Id": "id" } },
        "fields": [
            { "name": "Id", "column": "id", "type": "integer" },
            { "name": "Version", "column": "version", "type": "integer" },
            { "name": "Changed", "column": "changed_at", "type": "timestamp" },
        ],
    });
    Catalog::check(vec![serde_json::from_value(object).expect("an object")]).expect("a catalog")
}

/// The rows that a client has put together, by their ids.
type Rows = BTreeMap<i64, i64>;

struct Series {
    engine: DataFusionEngine,
    spill: tempfile::TempDir,
    mark: Option<Mark>,
    rows: Rows,
    /// Rows that came again without having changed.
    repeated: u64,
    /// The same by the time in the rows, with what it missed.
    naive: (Option<String>, Rows),
    missed: u64,
}

impl Series {
    fn over(server: &Postgres) -> Self {
        Self {
            engine: engine(server, server.database(), catalog()),
            spill: folder(),
            mark: None,
            rows: Rows::new(),
            repeated: 0,
            naive: (None, Rows::new()),
            missed: 0,
        }
    }

    /// Takes an increment, and compares what is known then with what is there.
    async fn step(&mut self, round: usize) {
        let scope = TenantScope::of(&sample::tenant("ta"));
        let limits = limits(self.spill.path());
        let moment = self.engine.begin(&scope, &limits).await.expect("begins");
        let mut increment = select("Thing", &["Id", "Version"]);
        increment.columns.push(column("deleted", Expr::IsDeleted));
        increment.deleted = DeletedRows::Include;
        increment.since = self.mark.take();
        for row in rows(moment.as_ref(), &increment).await {
            let id = row[0].parse().expect("an id");
            let known = match row[2].as_str() {
                "true" => self.rows.remove(&id),
                _ => self.rows.insert(id, row[1].parse().expect("a version")),
            };
            self.repeated += u64::from(known.is_some_and(|v| v.to_string() == row[1]));
        }
        let query = Query::Select(Box::new(increment));
        self.mark = Some(moment.mark(&query).await.expect("a mark"));
        let there = select("Thing", &["Id", "Version", "Changed"]);
        let there = rows(moment.as_ref(), &there).await;
        let whole: Rows = there.iter().map(|row| (number(&row[0]), number(&row[1]))).collect();
        assert_eq!(self.rows, whole, "increment {round} has missed something");
        self.naive_step(moment.as_ref(), &there).await;
        let judged = |(id, version): (&i64, &i64)| whole.get(id).is_some_and(|v| v > version);
        self.missed += self.naive.1.iter().filter(|row| judged(*row)).count() as u64;
    }

    async fn naive_step(&mut self, moment: &dyn Snapshot, there: &[Vec<String>]) {
        let mut naive = select("Thing", &["Id", "Version"]);
        if let Some(last) = &self.naive.0 {
            let last = chrono::DateTime::parse_from_rfc3339(last).expect("a moment");
            naive.filter = Some(Condition::Compare {
                left: field("Changed"),
                op: Compare::Gt,
                right: Expr::Literal(Literal::Timestamp(last.to_utc())),
            });
        }
        for row in rows(moment, &naive).await {
            self.naive.1.insert(number(&row[0]), number(&row[1]));
        }
        self.naive.0 = there.iter().map(|row| row[2].clone()).max();
    }
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}

async fn rows(moment: &dyn Snapshot, select: &Select) -> Vec<Vec<String>> {
    let answer = collect(moment, &Query::Select(Box::new(select.clone()))).await;
    answer.unwrap_or_else(|error| panic!("{}", error.chain())).rows
}

/// Writes rows of its own (those with its number behind the last multiple of [`WRITERS`]) until it
/// is told to stop, in transactions of up to so many milliseconds.
fn writer(server: &Postgres, own: i64, longest: u64, stop: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let (url, stop) = (server.url(), Arc::clone(stop));
    let mut random = StdRng::seed_from_u64(own.cast_unsigned());
    tokio::spawn(async move {
        let (mut client, connection) =
            tokio_postgres::connect(&url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        let mut committed = 0;
        let mut fresh = ROWS + own;
        while !stop.load(Ordering::Relaxed) {
            let mut transaction = client.transaction().await.expect("it begins");
            for _ in 0..random.random_range(1..6) {
                let id = random.random_range(0..ROWS / WRITERS) * WRITERS + own;
                // A clock that is a minute slow, now and then.
                let update = "UPDATE thing SET version = version + 1, changed_at = now() - $2::text::interval WHERE id = $1";
                let slow = if random.random_range(0..10) == 0 { "1 min" } else { "0" };
                match random.random_range(0..10) {
                    0 => {
                        transaction
                            .execute("DELETE FROM thing WHERE id = $1", &[&id])
                            .await
                            .expect("deleted");
                    }
                    1 => {
                        fresh += WRITERS;
                        let insert = "INSERT INTO thing VALUES ($1, 1, now(), 'ta')";
                        transaction.execute(insert, &[&fresh]).await.expect("inserted");
                    }
                    2 => {
                        // What was deleted comes back, often in the same increment.
                        let insert = "INSERT INTO thing VALUES ($1, 1000, now(), 'ta') ON CONFLICT DO NOTHING";
                        transaction.execute(insert, &[&id]).await.expect("inserted");
                    }
                    3 | 4 => {
                        let inner = transaction.savepoint("s").await.expect("a savepoint");
                        inner.execute(update, &[&id, &slow]).await.expect("updated");
                        match random.random() {
                            true => inner.commit().await.expect("released"),
                            false => inner.rollback().await.expect("rolled back"),
                        }
                    }
                    _ => drop(transaction.execute(update, &[&id, &slow]).await.expect("updated")),
                }
            }
            let pause = random.random_range(0..=longest);
            let sleep = format!("SELECT pg_sleep({}.{:03})", pause / 1000, pause % 1000);
            transaction.batch_execute(&sleep).await.expect("it waits");
            if random.random_range(0..8) == 0 {
                transaction.rollback().await.expect("rolled back");
            } else {
                transaction.commit().await.expect("committed");
                committed += 1;
            }
        }
        committed
    })
}

/// A series of increments while others write. `OUTHAUL_INCREMENTS` makes it longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_increment_passes_over_what_was_committed() {
    let more = std::env::var("OUTHAUL_INCREMENTS").ok().and_then(|n| n.parse().ok());
    let increments = more.unwrap_or(200);
    let server = server();
    server.sql(TABLES).expect("tables");
    let mut series = Series::over(&server);
    let stop = Arc::new(AtomicBool::new(false));
    // Most are quick; some are as long as the whole series takes.
    let longest = [20, 20, 100, 100, 500, 1_000, 2_000, 5_000];
    let writers: Vec<_> = (0..WRITERS)
        .zip(longest)
        .map(|(own, longest)| writer(&server, own, longest, &stop))
        .collect();
    for round in 0..increments {
        series.step(round).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut committed = 0;
    for writer in writers {
        committed += writer.await.expect("a writer");
    }
    series.step(increments).await;
    assert!(committed > 100, "the writers wrote meanwhile: {committed} transactions");
    assert!(series.missed > 0, "a series by the time in the rows would have missed something");
    println!(
        "{increments} increments, {committed} transactions: none missed, {} rows came again; \
         by time alone {} rows were out of date",
        series.repeated, series.missed
    );
}

/// Rows whose changes no number of a transaction tells, and how each of them comes all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_moves_as_a_whole_is_read_as_a_whole() {
    let server = server();
    server.sql(TABLES).expect("tables");
    let mut series = Series::over(&server);
    series.step(0).await;
    for (round, sql) in [
        // Rows that are older than the mark, attached as a partition.
        "CREATE TABLE old (LIKE thing INCLUDING ALL); INSERT INTO old SELECT n, 1, '2020-01-01', 'tc' FROM generate_series(90000, 90010) n; \
         DELETE FROM thing WHERE tenant = 'tc'; ALTER TABLE thing ATTACH PARTITION old FOR VALUES IN ('tc')",
        // Taken out, filled behind its back, and put in again.
        "ALTER TABLE thing DETACH PARTITION thing_a; UPDATE thing_a SET version = version + 1 WHERE id < 50; \
         ALTER TABLE thing ATTACH PARTITION thing_a FOR VALUES IN ('ta')",
        // Rewritten without a change, and frozen.
        "VACUUM (FULL, FREEZE) thing_a",
        // Another table under its name, with rows that are older than the mark.
        "CREATE TABLE copied (LIKE thing_a INCLUDING ALL); INSERT INTO copied SELECT * FROM thing_a; UPDATE copied SET version = 7 WHERE id < 20",
        "ALTER TABLE thing DETACH PARTITION thing_a; ALTER TABLE thing ATTACH PARTITION copied FOR VALUES IN ('ta')",
        // A trigger that does not run, and a time that nobody sets.
        "SET session_replication_role = replica; UPDATE thing SET version = version + 1, changed_at = '1999-01-01' WHERE id < 9",
        "TRUNCATE thing_rest",
    ]
    .into_iter()
    .enumerate()
    {
        for statement in sql.split("; ") {
            server.sql(statement).unwrap_or_else(|error| panic!("{statement}: {error:#}"));
        }
        series.step(round + 1).await;
    }
}

/// What was held back by its time comes with the next increment, and nothing else that did not
/// change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_back_comes_next() {
    let server = server();
    server.sql(TABLES).expect("tables");
    server
        .sql(
            "UPDATE thing SET changed_at = '2026-01-01' WHERE id <= 1000; \
              UPDATE thing SET changed_at = '2026-03-01' WHERE id > 1000",
        )
        .expect("times");
    let engine = engine(&server, server.database(), catalog());
    let spill = folder();
    let mut mark = None;
    let step = async |mark: &mut Option<Mark>, until: Option<&str>| {
        let scope = TenantScope::of(&sample::tenant("ta"));
        let moment = engine.begin(&scope, &limits(spill.path())).await.expect("begins");
        let mut query = select("Thing", &["Id"]);
        query.since = mark.take();
        query.changed_until = until.map(|until| until.parse().expect("a moment"));
        let rows = rows(moment.as_ref(), &query).await;
        *mark = Some(moment.mark(&Query::Select(Box::new(query))).await.expect("a mark"));
        rows.into_iter().map(|row| number(&row[0])).collect::<BTreeSet<_>>()
    };
    let all = (1..=2_000).filter(|id| id % 5 != 0);
    let (old, young): (BTreeSet<_>, BTreeSet<_>) = all.partition(|id| *id <= 1_000);
    assert_eq!(step(&mut mark, Some("2026-02-01T00:00:00Z")).await, old);
    server
        .sql("UPDATE thing SET version = 2, changed_at = '2026-01-02' WHERE id = 7")
        .expect("sql");
    let seven = BTreeSet::from([7]);
    let changed: BTreeSet<_> = &young | &seven;
    assert_eq!(step(&mut mark, Some("2026-04-01T00:00:00Z")).await, changed);
    assert_eq!(step(&mut mark, None).await, BTreeSet::new());
    assert_eq!(step(&mut mark, None).await, BTreeSet::new());
}

/// A mark that means nothing any more begins the series anew, with a warning, in place of an
/// increment that may be wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_of_another_cluster_begins_anew() {
    let (one, other) = (server(), server());
    for server in [&one, &other] {
        server.sql(TABLES).expect("tables");
    }
    let mut series = Series::over(&one);
    series.step(0).await;
    let mark = series.mark.take();
    let mut moved = Series { mark, ..Series::over(&other) };
    moved.step(1).await;
    assert_eq!(moved.rows.len(), 1_600, "all of the tenant's rows");
}
