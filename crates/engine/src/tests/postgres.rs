//! PostgreSQL as a source: types, snapshots, ranges that break off, increments, cancelling.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use outhaul_exports::Result;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::catalog::{Catalog, FieldType};
use outhaul_exports::ports::Engine as _;
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{Expr, Query, Select};
use outhaul_exports::testing::sample;
use outhaul_instances::Postgres;

use super::kit::{Answer, collect, column, refused, select};
use super::postgres_kit::{engine, folder, limits, own, server};

/// A column: its type, values as SQL writes them, and the field's type with the texts expected; or
/// what the error must say.
type Case = (
    &'static str,
    &'static [&'static str],
    FieldType,
    Result<&'static [&'static str], &'static str>,
);

const N: &str = "NULL";

/// Every type, with values at its edges.
const TYPES: &[Case] = &[
    ("boolean", &["true", "false", "NULL"], FieldType::Boolean, Ok(&["true", "false", N])),
    ("smallint", &["-32768", "32767"], FieldType::Integer, Ok(&["-32768", "32767"])),
    (
        "integer",
        &["-2147483648", "2147483647", "NULL"],
        FieldType::Integer,
        Ok(&["-2147483648", "2147483647", N]),
    ),
    (
        "bigint",
        &["-9223372036854775808", "9223372036854775807"],
        FieldType::Integer,
        Ok(&["-9223372036854775808", "9223372036854775807"]),
    ),
    ("oid", &["4294967295"], FieldType::Integer, Ok(&["4294967295"])),
    (
        "real",
        &["'NaN'", "'Infinity'", "'-Infinity'", "1.5", "-0"],
        FieldType::Float,
        Ok(&["NaN", "inf", "-inf", "1.5", "0.0"]),
    ),
    (
        "double precision",
        &["'NaN'", "1e308", "5e-324", "0.1"],
        FieldType::Float,
        Ok(&["NaN", "1e308", "5e-324", "0.1"]),
    ),
    (
        "numeric(38,0)",
        &["99999999999999999999999999999999999999", "-1", "0"],
        FieldType::Decimal,
        Ok(&["99999999999999999999999999999999999999", "-1", "0"]),
    ),
    (
        "numeric(38,38)",
        &["0.00000000000000000000000000000000000001"],
        FieldType::Decimal,
        Ok(&["0.00000000000000000000000000000000000001"]),
    ),
    (
        "numeric(38,10)",
        &["-9999999999999999999999999999.9999999999"],
        FieldType::Decimal,
        Ok(&["-9999999999999999999999999999.9999999999"]),
    ),
    (
        "numeric(18,2)",
        &["-12345678901234.56", "0.01", "NULL"],
        FieldType::Decimal,
        Ok(&["-12345678901234.56", "0.01", N]),
    ),
    (
        "numeric(50,10)",
        &["1234567890123456789012345678.0123456789"],
        FieldType::Decimal,
        Ok(&["1234567890123456789012345678.0123456789"]),
    ),
    (
        "numeric(50,10)",
        &["1234567890123456789012345678901234567890.0123456789"],
        FieldType::Decimal,
        Err("not a decimal"),
    ),
    (
        "numeric(50,10)",
        &["1234567890123456789012345678901234567890.0123456789"],
        FieldType::Text,
        Ok(&["1234567890123456789012345678901234567890.0123456789"]),
    ),
    (
        "numeric",
        &["1.5", "-0.000001", "123456789012345678901234567890"],
        FieldType::Decimal,
        Ok(&["1.500000", "-0.000001", "123456789012345678901234567890.000000"]),
    ),
    (
        "numeric",
        &["0.0000001"],
        FieldType::Decimal,
        Err("more digits after the point than `decimal_digits`"),
    ),
    ("numeric", &["'NaN'"], FieldType::Decimal, Err("column v holds NaN")),
    ("numeric", &["'Infinity'"], FieldType::Decimal, Err("column v holds infinity")),
    (
        "numeric",
        &["'NaN'", "'-Infinity'", "0.0000001"],
        FieldType::Text,
        Ok(&["NaN", "-Infinity", "0.0000001"]),
    ),
    (
        "date",
        &["'0001-01-01'", "'9999-12-31'", "NULL"],
        FieldType::Date,
        Ok(&["0001-01-01", "9999-12-31", N]),
    ),
    ("date", &["'infinity'"], FieldType::Date, Err("the date infinity")),
    (
        "date",
        &["'infinity'", "'0044-03-15 BC'"],
        FieldType::Text,
        Ok(&["infinity", "0044-03-15 BC"]),
    ),
    (
        "timestamptz",
        &["'0001-01-01 00:00:00Z'", "'9999-12-31 23:59:59.999999Z'", "'2026-03-29 02:30:00+02'"],
        FieldType::Timestamp,
        Ok(&["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-03-29T00:30:00Z"]),
    ),
    ("timestamptz", &["'-infinity'"], FieldType::Timestamp, Err("the moment infinity")),
    (
        "timestamptz",
        &["'-infinity'", "'2026-01-01 00:00+01'"],
        FieldType::Text,
        Ok(&["-infinity", "2025-12-31 23:00:00+00"]),
    ),
    (
        "timestamp(3)",
        &["'2026-01-02 03:04:05.678'"],
        FieldType::Timestamp,
        Ok(&["2026-01-02T03:04:05.678Z"]),
    ),
    (
        "time",
        &["'00:00'", "'23:59:59.999999'"],
        FieldType::Time,
        Ok(&["00:00:00", "23:59:59.999999"]),
    ),
    ("time", &["'24:00'"], FieldType::Time, Err("the time 24:00:00")),
    ("time", &["'24:00'"], FieldType::Text, Ok(&["24:00:00"])),
    ("timetz", &["'12:00+02'"], FieldType::Text, Ok(&["12:00:00+02"])),
    (
        "interval",
        &["'1 year 2 mons 3 days 04:05:06.789'", "'-1 day'"],
        FieldType::Text,
        Ok(&["P1Y2M3DT4H5M6.789S", "P-1D"]),
    ),
    (
        "text",
        &["''", "NULL", "'🦀é'", "E'a\\nb\\t\"'"],
        FieldType::Text,
        Ok(&["", N, "🦀é", "a\nb\t\""]),
    ),
    ("varchar(5)", &["'a b  '"], FieldType::Text, Ok(&["a b  "])),
    ("char(5)", &["'ab'", "''"], FieldType::Text, Ok(&["ab", ""])),
    ("\"char\"", &["'x'"], FieldType::Text, Ok(&["x"])),
    ("name", &["'pg_class'"], FieldType::Text, Ok(&["pg_class"])),
    ("bytea", &["'\\x00ff10'", "''"], FieldType::Binary, Ok(&["00ff10", ""])),
    (
        "uuid",
        &["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"],
        FieldType::Text,
        Ok(&["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ),
    ("json", &["'{\"b\": 1, \"a\":  2}'"], FieldType::Json, Ok(&["{\"b\": 1, \"a\":  2}"])),
    (
        "jsonb",
        &["'{\"b\": 1, \"a\":  2}'", "'null'", "NULL"],
        FieldType::Json,
        Ok(&["{\"a\": 2, \"b\": 1}", "null", N]),
    ),
    ("xml", &["'<a>é</a>'"], FieldType::Text, Ok(&["<a>é</a>"])),
    ("mood", &["'sad'", "'happy'"], FieldType::Text, Ok(&["sad", "happy"])),
    ("mood[]", &["'{sad,NULL}'"], FieldType::Json, Ok(&["[\"sad\",null]"])),
    (
        "integer[]",
        &["'{1,2,NULL}'", "'{{1,2},{3,4}}'", "'{}'"],
        FieldType::Json,
        Ok(&["[1,2,null]", "[[1,2],[3,4]]", "[]"]),
    ),
    ("numeric[]", &["'{0.10,NaN}'"], FieldType::Json, Ok(&["[0.10,\"NaN\"]"])),
    ("integer[]", &["'{1,2}'"], FieldType::Text, Ok(&["{1,2}"])),
    ("pair", &["ROW(1,'x')::pair"], FieldType::Json, Ok(&["{\"a\":1,\"b\":\"x\"}"])),
    ("inet", &["'::1'", "'10.0.0.0/8'"], FieldType::Text, Ok(&["::1/128", "10.0.0.0/8"])),
    ("cidr", &["'10.0.0.0/8'"], FieldType::Text, Ok(&["10.0.0.0/8"])),
    ("macaddr", &["'08:00:2b:01:02:03'"], FieldType::Text, Ok(&["08:00:2b:01:02:03"])),
    ("int4range", &["'[1,5)'", "'empty'"], FieldType::Text, Ok(&["[1,5)", "empty"])),
    ("int4multirange", &["'{[1,5),[7,9)}'"], FieldType::Text, Ok(&["{[1,5),[7,9)}"])),
    ("bit(4)", &["B'1010'"], FieldType::Text, Ok(&["1010"])),
    ("money", &["12.34"], FieldType::Text, Ok(&["$12.34"])),
    ("point", &["'(1,2.5)'"], FieldType::Text, Ok(&["(1,2.5)"])),
    ("tsvector", &["'a b'"], FieldType::Text, Ok(&["'a' 'b'"])),
    ("pg_lsn", &["'0/16B3748'"], FieldType::Text, Ok(&["0/16B3748"])),
    ("positive", &["7"], FieldType::Integer, Ok(&["7"])),
    ("price", &["7.5"], FieldType::Decimal, Ok(&["7.50"])),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_comes_as_it_is_or_says_why_not() {
    let server = server();
    let mut sql =
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b text); \
        CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE DOMAIN price AS numeric(10,2);"
            .to_owned();
    for (at, (of, values, ..)) in TYPES.iter().enumerate() {
        sql += &format!("CREATE TABLE t{at} (tenant text, n int, v {of});");
        for (n, value) in values.iter().enumerate() {
            sql += &format!("INSERT INTO t{at} VALUES ('ta', {n}, {value}), ('tb', {n}, {value});");
        }
    }
    server.sql(&sql).expect("tables");
    let objects =
        TYPES.iter().enumerate().map(|(at, (_, _, field_type, _))| object(at, *field_type));
    let catalog = Catalog::check(objects.collect()).expect("a catalog");
    let engine = engine(&server, server.database(), catalog);
    let folder = folder();
    for (at, (of, values, field_type, expected)) in TYPES.iter().enumerate() {
        let snapshot = engine.begin(&scope("ta"), &limits(folder.path())).await.expect("begins");
        let mut select = select(&format!("T{at}"), &["V", "N"]);
        let answer = collect(snapshot.as_ref(), &query(&select)).await;
        let told = format!("{of} as {}: {values:?}", field_type.name());
        let Ok(expected) = expected else {
            let error = refused(answer);
            assert!(error.public().contains(expected.expect_err("a text")), "{told}: {error}");
            assert!(error.public().contains(&format!("T{at}")), "{told}: {error}");
            continue;
        };
        let mut rows = answer.unwrap_or_else(|error| panic!("{told}: {}", error.chain())).rows;
        rows.sort_by_key(|row| row[1].parse::<i64>().expect("a number"));
        let shown: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(shown, *expected, "{told}");
        // Sorted and cut by the database, where it can.
        select.order_by =
            vec![outhaul_exports::query::OrderBy { expr: Expr::own("N"), descending: false }];
        select.limit = Some(100);
        let pushed = collect(snapshot.as_ref(), &query(&select)).await.expect("the same");
        assert_eq!(pushed.column(0), *expected, "{told}, as a whole query");
    }
}

fn object(at: usize, field_type: FieldType) -> RawObject {
    serde_json::from_value(serde_json::json!({
        "name": format!("T{at}"), "source": "main", "table": format!("t{at}"), "key": ["N"],
        "tenant_column": "tenant",
        "fields": [
            { "name": "N", "column": "n", "type": "integer" },
            { "name": "V", "column": "v", "type": format!("{field_type:?}").to_lowercase() },
        ],
    }))
    .expect("an object")
}

fn scope(tenant: &str) -> TenantScope {
    TenantScope::of(&sample::tenant(tenant))
}

fn query(select: &Select) -> Query {
    Query::Select(Box::new(select.clone()))
}

/// All values of a column of a table, for its owner.
async fn values(server: &Postgres, table: &str, field: &str) -> Result<Vec<String>> {
    let own = own(server).await;
    let folder = folder();
    let snapshot = own.engine.begin(&own.scope, &limits(folder.path())).await?;
    let mut select = Select::of(table);
    select.columns = vec![column(field, Expr::own(field))];
    let answer: Answer = collect(snapshot.as_ref(), &query(&select)).await?;
    Ok(answer.column(0).into_iter().map(ToOwned::to_owned).collect())
}

/// A table of so many rows over many ranges of blocks.
fn long_table(server: &Postgres, rows: u32) {
    let sql = format!(
        "CREATE TABLE long (id int PRIMARY KEY, pad text); \
         INSERT INTO long SELECT n, repeat('x', 200) FROM generate_series(1, {rows}) n; ANALYZE long"
    );
    server.sql(&sql).expect("a table");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_come_in_the_order_of_the_table() {
    let server = server();
    long_table(&server, 60_000);
    let ids = values(&server, "long", "id").await.expect("rows");
    let expected: Vec<_> = (1..=60_000).map(|n| n.to_string()).collect();
    assert_eq!(ids, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_off_costs_nothing_but_time() {
    let server = server();
    long_table(&server, 150_000);
    let own = own(&server).await;
    let folder = folder();
    let mut rng = 7_u64;
    for round in 0..50 {
        let snapshot = own.engine.begin(&own.scope, &limits(folder.path())).await.expect("begins");
        let rows = snapshot.open(&query(&all_of("long"))).await.expect("it starts");
        let mut batches = rows.batches;
        let mut count = 0;
        rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let cut_at = usize::try_from(rng >> 33).expect("small") % 140_000;
        let mut cut = false;
        let mut ids = Vec::new();
        while let Some(batch) = batches.try_next().await.unwrap_or_else(|e| panic!("{}", e.chain()))
        {
            count += batch.num_rows();
            ids.push(batch);
            if !cut && count >= cut_at {
                cut = true;
                // Every connection that reads; the one that holds the snapshot is not among them.
                server
                    .sql(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                          WHERE application_name = 'outhaul' AND query LIKE 'COPY%'",
                    )
                    .expect("they are ended");
            }
        }
        let seen: std::collections::BTreeSet<i64> = ids.iter().flat_map(whole_numbers).collect();
        assert_eq!((count, seen.len()), (150_000, 150_000), "round {round}, cut after {cut_at}");
    }
}

fn whole_numbers(batch: &arrow_array::RecordBatch) -> Vec<i64> {
    use arrow_array::cast::AsArray;

    let column = batch.column(0).as_primitive::<arrow_array::types::Int64Type>();
    column.values().to_vec()
}

fn all_of(table: &str) -> Select {
    let mut select = Select::of(table);
    select.columns = vec![column("id", Expr::own("id")), column("pad", Expr::own("pad"))];
    select
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_lost_fails_the_attempt() {
    let server = server();
    long_table(&server, 150_000);
    let own = own(&server).await;
    let folder = folder();
    let snapshot = own.engine.begin(&own.scope, &limits(folder.path())).await.expect("begins");
    let rows = snapshot.open(&query(&all_of("long"))).await.expect("it starts");
    let mut batches = rows.batches;
    batches.try_next().await.expect("a batch");
    let all =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'outhaul'";
    server.sql(all).expect("they are ended");
    let error = batches.try_collect::<Vec<_>>().await.expect_err("no joined extract");
    assert!(error.public().contains("source_lost: object long"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_moves_is_never_seen_twice_or_not_at_all() {
    let server = Arc::new(server());
    server
        .sql("CREATE TABLE here (id int PRIMARY KEY, amount int); CREATE TABLE there (id int PRIMARY KEY, amount int); \
              INSERT INTO here SELECT n, 100 FROM generate_series(1, 800) n; \
              INSERT INTO there SELECT n, 100 FROM generate_series(1, 800) n")
        .expect("tables");
    let own = own(&server).await;
    let folder = folder();
    let mut writers = Vec::new();
    for writer in 0..8_i32 {
        let sql = format!(
            "DO $$ BEGIN FOR i IN 1..1000000 LOOP \
             UPDATE here SET amount = amount - 1 WHERE id = 1 + (i * 8 + {writer}) % 800; \
             UPDATE there SET amount = amount + 1 WHERE id = 1 + (i * 8 + {writer}) % 800; \
             COMMIT; END LOOP; END $$"
        );
        let psql =
            server.psql().args(["-q", "-c", &sql]).stderr(std::process::Stdio::null()).spawn();
        writers.push(psql.expect("a writer"));
    }
    let mut moved = 0;
    for round in 0..100 {
        let snapshot = own.engine.begin(&own.scope, &limits(folder.path())).await.expect("begins");
        let mut sums = Vec::new();
        for table in ["here", "there"] {
            let mut select = Select::of(table);
            select.columns = vec![column("amount", Expr::own("amount"))];
            let rows = collect(snapshot.as_ref(), &query(&select)).await.expect("rows");
            sums.push(
                rows.column(0).iter().map(|n| n.parse::<i64>().expect("a number")).sum::<i64>(),
            );
        }
        assert_eq!(sums.iter().sum::<i64>(), 160_000, "round {round}: {sums:?}");
        moved += i64::from(sums[0] != 80_000);
        let note = snapshot.note();
        assert_eq!(note.sources.len(), 1, "the manifest names the snapshot: {note:?}");
    }
    assert!(moved > 90, "the writers wrote meanwhile: {moved}");
    for mut writer in writers {
        writer.kill().expect("it ends");
        writer.wait().expect("it ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_wants_any_more_is_stopped_in_the_database() {
    let server = server();
    server
        .sql("CREATE VIEW slow AS SELECT n AS id, pg_sleep(0.05)::text AS pad FROM generate_series(1, 100000) n")
        .expect("a view");
    let own = own(&server).await;
    let folder = folder();
    let running =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'";
    for sorted in [false, true] {
        let snapshot = own.engine.begin(&own.scope, &limits(folder.path())).await.expect("begins");
        let mut select = all_of("slow");
        if sorted {
            select.order_by =
                vec![outhaul_exports::query::OrderBy { expr: Expr::own("id"), descending: true }];
        }
        let rows = snapshot.open(&query(&select)).await.expect("it starts");
        let mut batches = rows.batches;
        let first = tokio::spawn(async move { batches.try_next().await.map(drop) });
        until(|| server.sql(running).expect("asked").trim() == "1").await;
        first.abort();
        let asked = Instant::now();
        until(|| server.sql(running).expect("asked").trim() == "0").await;
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
}

/// Looks again and again, for at most half a minute.
async fn until(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came to be");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_was_emptied_meanwhile_is_not_taken_for_empty() {
    let server = server();
    server
        .sql(
            "CREATE TABLE first (id int, pad text); CREATE TABLE second (id int, pad text); \
              INSERT INTO second VALUES (1, 'a')",
        )
        .expect("tables");
    let own = own(&server).await;
    let folder = folder();
    for change in ["TRUNCATE second", "ALTER TABLE second ALTER id TYPE bigint"] {
        let snapshot = own.engine.begin(&own.scope, &limits(folder.path())).await.expect("begins");
        snapshot.check(&query(&all_of("first"))).await.expect("the moment is taken");
        server.sql(change).expect("it changes");
        let error = refused(collect(snapshot.as_ref(), &query(&all_of("second"))).await);
        assert!(error.public().starts_with("source_changed: object second"), "{change}: {error}");
    }
    // What was asked for once waits for the export.
    let snapshot = own.engine.begin(&own.scope, &limits(folder.path())).await.expect("begins");
    snapshot.check(&query(&all_of("first"))).await.expect("the moment is taken");
    let refused = server.sql("SET lock_timeout = '200ms'; TRUNCATE first");
    assert!(refused.is_err(), "the export holds it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_without_columns_disturbs_no_other() {
    let server = server();
    server
        .sql("CREATE TABLE nothing (); CREATE TABLE things (id int); INSERT INTO things VALUES (7)")
        .expect("tables");
    let own = own(&server).await;
    let left_out: Vec<_> = own.left_out.iter().map(|out| out.why.public().to_owned()).collect();
    assert_eq!(left_out, ["table nothing has no columns"]);
    assert_eq!(values(&server, "things", "id").await.expect("rows"), ["7"]);
}

/// Columns that come, go and change places between the catalog and the export.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_known_by_their_names() {
    let server = server();
    server
        .sql("CREATE TABLE t0 (tenant text, n int, v text); INSERT INTO t0 VALUES ('ta', 1, 'x')")
        .expect("a table");
    let catalog = Catalog::check(vec![object(0, FieldType::Text)]).expect("a catalog");
    let engine = engine(&server, server.database(), catalog);
    let folder = folder();
    let ask = query(&select("T0", &["V", "N"]));
    for (change, expected) in [
        ("ALTER TABLE t0 ADD extra int DEFAULT 7", Ok("V|N\nx|1")),
        ("ALTER TABLE t0 DROP n; ALTER TABLE t0 ADD n int DEFAULT 5", Ok("V|N\nx|5")),
        ("ALTER TABLE t0 ALTER v TYPE varchar(9)", Ok("V|N\nx|5")),
        (
            "ALTER TABLE t0 ALTER n DROP DEFAULT, ALTER n TYPE date USING '2026-01-01'",
            Err("field N is of type Date32 in the source"),
        ),
        ("ALTER TABLE t0 DROP n", Err("field N has no column in the source any more")),
        ("DROP TABLE t0", Err("source_missing: object T0")),
    ] {
        server.sql(change).expect("it changes");
        let snapshot = engine.begin(&scope("ta"), &limits(folder.path())).await.expect("begins");
        let answer = collect(snapshot.as_ref(), &ask).await;
        match expected {
            Ok(text) => assert_eq!(answer.expect("rows").text(), text, "{change}"),
            Err(text) => {
                let error = refused(answer);
                assert!(error.public().contains(text), "{change}: {error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_says_is_told_in_plain_words() {
    let server = server();
    server
        .sql("CREATE TABLE hidden (id int, pad text); CREATE ROLE guest LOGIN; CREATE TABLE open (id int, pad text); GRANT SELECT ON open TO guest; \
              CREATE VIEW slow AS SELECT n AS id, pg_sleep(1)::text AS pad FROM generate_series(1, 9) n")
        .expect("tables");
    let port = server.port();
    let of = |user: &str, port: u16, database: &str, more: serde_json::Value| {
        let url = format!("postgres://{user}@127.0.0.1:{port}/{database}");
        let mut config = serde_json::json!({ "kind": "postgres", "name": "main", "url": url });
        for (key, value) in more.as_object().expect("an object") {
            config[key] = value.clone();
        }
        config
    };
    let none = serde_json::json!({});
    let user = server.user();
    let database = server.database();
    for (config, table, told) in [
        (
            of("guest", port, database, none.clone()),
            "hidden",
            "source_refused: object T0: the database does not let",
        ),
        (
            of("nobody", port, database, none.clone()),
            "open",
            "source_refused: object T0: the database refuses",
        ),
        (
            of(user, port, "nowhere", none.clone()),
            "open",
            "source_refused: object T0: the database refuses",
        ),
        (of(user, 1, database, none), "open", "the database of object T0 cannot be reached"),
        (
            of(user, port, database, serde_json::json!({ "statement_secs": 1 })),
            "slow",
            "source_timeout: object T0",
        ),
        (
            of(user, port, database, serde_json::json!({ "tls": "verified" })),
            "open",
            "the database of object T0 cannot be reached",
        ),
    ] {
        let said = config.to_string();
        let mut raw: RawObject = object(0, FieldType::Text);
        raw.table = Some(table.to_owned());
        raw.tenant_column = "pad".to_owned();
        raw.fields.truncate(1);
        raw.fields[0].column = Some("id".to_owned());
        let catalog = Arc::new(Catalog::check(vec![raw]).expect("a catalog"));
        let config = serde_json::from_value(config).expect("a source");
        let engine = crate::DataFusionEngine::new(catalog, vec![config]).expect("an engine");
        let folder = folder();
        let snapshot = engine.begin(&scope("ta"), &limits(folder.path())).await.expect("begins");
        let error = refused(collect(snapshot.as_ref(), &query(&select("T0", &["N"]))).await);
        assert!(error.public().starts_with(told), "{said}: {}", error.chain());
        assert!(!error.public().contains("127.0.0.1"), "{said}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_as_safe_as_is_asked_for() {
    let options = outhaul_instances::Options {
        tls: outhaul_instances::Tls::Required,
        access: outhaul_instances::Access::Password("let me in".into()),
        ..outhaul_instances::Options::default()
    };
    let server = Postgres::start(options).expect("a server with TLS");
    server
        .sql("CREATE TABLE t (id int, pad text); INSERT INTO t VALUES (1, 'a')")
        .expect("a table");
    let own_ca = server.ca().expect("a certificate").display().to_string();
    let url =
        format!("postgres://{}@localhost:{}/{}", server.user(), server.port(), server.database());
    for (tls, ca, password, opens) in [
        ("verified", Some(own_ca.as_str()), "let me in", true),
        ("unverified", None, "let me in", true),
        ("verified", None, "let me in", false),
        ("off", None, "let me in", false),
        ("verified", Some(own_ca.as_str()), "guess", false),
    ] {
        let mut config = serde_json::json!({ "kind": "postgres", "name": "main", "url": url, "tls": tls, "password": password });
        if let Some(ca) = ca {
            config["ca_file"] = ca.into();
        }
        let config = serde_json::from_value(config).expect("a source");
        let own = crate::OwnSource::open(&config).await;
        assert_eq!(
            own.is_ok(),
            opens,
            "{tls} {ca:?} {password}: {:?}",
            own.err().map(|e| e.chain())
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_must_go_on_ends_the_attempt_and_the_next_one_is_whole() {
    let server = server();
    long_table(&server, 150_000);
    let settings = [("max_standby_streaming_delay", "100ms"), ("hot_standby_feedback", "off")];
    let standby = server.replica(&settings).expect("a standby");
    standby.catch_up(&server).expect("it has all rows");
    let own = own(&standby).await;
    let folder = folder();
    let snapshot = own.engine.begin(&own.scope, &limits(folder.path())).await.expect("begins");
    let mut batches = snapshot.open(&query(&all_of("long"))).await.expect("it starts").batches;
    let mut count = batches.try_next().await.expect("rows").map_or(0, |batch| batch.num_rows());
    server.sql("DELETE FROM long WHERE id % 2 = 0").expect("deleted");
    server.sql("VACUUM long").expect("the old rows go");
    let error = loop {
        match batches.try_next().await {
            Ok(Some(batch)) => count += batch.num_rows(),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
        // The standby replays while nothing is taken.
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    match error {
        None => assert_eq!(count, 150_000, "the snapshot was whole"),
        Some(error) => {
            let words = ["source_conflict", "source_lost", "cannot be reached"];
            assert!(words.iter().any(|word| error.public().contains(word)), "{}", error.chain());
        }
    }
    standby.catch_up(&server).expect("it has all changes");
    let again = values(&standby, "long", "id").await.expect("rows");
    assert_eq!(again.len(), 75_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_room_is_read_on_fewer_connections() {
    let server = server();
    long_table(&server, 60_000);
    server
        .sql("CREATE ROLE few LOGIN CONNECTION LIMIT 2; GRANT SELECT ON long TO few")
        .expect("a role");
    let url = server.url_for("few", None, server.database());
    let config =
        serde_json::json!({ "kind": "postgres", "name": "main", "url": url, "connections": 8 });
    let config = serde_json::from_value(config).expect("a source");
    let own = crate::OwnSource::open(&config).await.expect("its tables");
    let folder = folder();
    let snapshot = own.engine.begin(&own.scope, &limits(folder.path())).await.expect("begins");
    let rows = collect(snapshot.as_ref(), &query(&all_of("long"))).await.expect("rows").rows;
    assert_eq!(rows.len(), 60_000);
}
