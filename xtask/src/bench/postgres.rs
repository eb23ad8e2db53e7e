//! The benchmark's rows in a private PostgreSQL server, loaded once for each scale factor.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use outhaul_instances::{Options, Postgres};

use crate::run;

/// The columns as TPC-H has them, texts of any length.
const TABLE: &str = "CREATE UNLOGGED TABLE lineitem (l_orderkey bigint, l_partkey bigint, \
    l_suppkey bigint, l_linenumber int, l_quantity numeric(15,2), l_extendedprice numeric(15,2), \
    l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag text, l_linestatus text, \
    l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct text, l_shipmode text, \
    l_comment text)";

/// A server whose `lineitem` holds the rows of a Parquet file.
pub fn serve(program: &Path, parquet: &Path, scale: u32) -> anyhow::Result<Postgres> {
    let folder = run::target().join(format!("bench/postgres-sf{scale}"));
    let settings = [("shared_buffers", "1GB"), ("max_wal_size", "4GB")];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let options =
        Options { folder: Some(folder), settings: settings.to_vec(), ..Options::default() };
    let server = Postgres::start(options)?;
    if server.sql("SELECT to_regclass('loaded') IS NULL")?.trim() == "t" {
        load(&server, program, parquet)?;
    }
    // Both see the same pages in memory.
    server.sql("SELECT count(l_comment) FROM lineitem")?;
    Ok(server)
}

fn load(server: &Postgres, program: &Path, parquet: &Path) -> anyhow::Result<()> {
    println!("loading lineitem into PostgreSQL (only this once)");
    let csv = parquet.with_extension("csv");
    let mut export = Command::new(program);
    export.args(["run", "--quiet", "--object", "lineitem", "--format", "csv", "--source"]);
    run::step("lineitem as CSV", export.arg(parquet).arg("--output").arg(&csv))?;
    server.sql("DROP TABLE IF EXISTS lineitem")?;
    server.sql(TABLE)?;
    let mut copy = server.psql();
    copy.args(["-q", "-c", "COPY lineitem FROM STDIN (FORMAT csv, HEADER)"]);
    let status = copy.stdin(File::open(&csv)?).status()?;
    ensure!(status.success(), "psql cannot load lineitem: {status}");
    server.sql("VACUUM (ANALYZE, FREEZE) lineitem")?;
    server.sql("CREATE TABLE loaded (at timestamptz DEFAULT now())")?;
    std::fs::remove_file(csv)?;
    Ok(())
}
