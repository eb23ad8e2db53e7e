//! The small world of the tests in PostgreSQL, and tables of a test's own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::datatypes::DataType;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::ports::RunLimits;
use outhaul_instances::{Options, Postgres};
use serde_json::json;
use tempfile::TempDir;

use super::kit::{Plan, World, catalog, tables};
use crate::sources::SourceConfig;
use crate::{DataFusionEngine, OwnSource};

/// A server of the test's own.
pub(super) fn server() -> Postgres {
    Postgres::start(Options::default()).expect("a private PostgreSQL server")
}

/// The source that reads a database of it.
pub(super) fn source(server: &Postgres, database: &str) -> SourceConfig {
    let url = server.url_for(server.user(), None, database);
    let config = json!({ "kind": "postgres", "name": "main", "url": url, "connections": 3 });
    serde_json::from_value(config).expect("a source")
}

/// A world whose rows are in a database of that name.
pub(super) fn world(server: &Postgres, database: &str, plan: &Plan<'_>) -> World {
    server.sql(&format!("CREATE DATABASE {database}")).expect("a database");
    for (object, batch) in tables(plan) {
        load(server, database, object, &batch);
    }
    let keys = ["Account", "Contact", "PaymentMethod", "Invoice"].map(|table| {
        format!("ALTER TABLE \"{table}\" ADD PRIMARY KEY (\"Id\"); CREATE INDEX ON \"{table}\" (tenant);")
    });
    server.sql_in(database, &(keys.concat() + "ANALYZE")).expect("keys");
    let engine = engine(server, database, catalog());
    World { dir: folder(), engine }
}

pub(super) fn engine(server: &Postgres, database: &str, catalog: Catalog) -> DataFusionEngine {
    DataFusionEngine::new(Arc::new(catalog), vec![source(server, database)]).expect("an engine")
}

pub(super) fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

pub(super) fn limits(folder: &Path) -> RunLimits {
    RunLimits {
        memory_bytes: 256 << 20,
        spill_bytes: 1 << 30,
        spill_dir: folder.join("spill"),
        threads: 2,
    }
}

/// All tables of the database, for their owner.
pub(super) async fn own(server: &Postgres) -> OwnSource {
    OwnSource::open(&source(server, server.database())).await.expect("its tables")
}

fn load(server: &Postgres, database: &str, table: &str, batch: &RecordBatch) {
    let mut columns = String::new();
    for field in batch.schema().fields() {
        let to = match field.data_type() {
            DataType::Utf8 => "text".to_owned(),
            DataType::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
            DataType::Timestamp(..) => "timestamptz".to_owned(),
            DataType::Date32 => "date".to_owned(),
            DataType::Int64 => "integer".to_owned(),
            DataType::Boolean => "boolean".to_owned(),
            other => panic!("{other} is not in the small world"),
        };
        let comma = if columns.is_empty() { "" } else { ", " };
        write!(columns, "{comma}\"{}\" {to}", field.name()).expect("a text");
    }
    server.sql_in(database, &format!("CREATE TABLE \"{table}\" ({columns})")).expect("a table");
    let mut text = Vec::new();
    WriterBuilder::new().with_header(false).build(&mut text).write(batch).expect("rows");
    let mut psql = server
        .psql()
        .args(["-v", "ON_ERROR_STOP=1", "-q", "-d", database, "-c"])
        .arg(format!("COPY \"{table}\" FROM STDIN (FORMAT csv)"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("psql");
    psql.stdin.take().expect("an input").write_all(&text).expect("rows");
    assert!(psql.wait().expect("an end").success(), "{table} is loaded");
}
