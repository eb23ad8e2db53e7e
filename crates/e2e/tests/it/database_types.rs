//! The type matrix of databases: a column of every type with its edge values, in every format, read
//! back value for value by readers that we did not write, and compared with what the database's own
//! client says. Values that have no place in their column's type are exported as texts, where a
//! catalog declares them to be, and fail an export where none does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use outhaul_e2e::native::Native;
use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server, program};
use outhaul_instances::{MariaDb, Options as Instance, Postgres};
use reqwest::Method;
use serde_json::{Value, json};

use super::matrix::{BARE, Form, check};

const FORMS: &[Form] = &[
    Form::of("csv"),
    Form { option: Some(("quoting", &["all"])), packings: BARE, ..Form::of("csv") },
    Form::of("html"),
    Form::of("xlsx"),
    Form::of("ndjson"),
    Form {
        check: "ndjson-text",
        option: Some(("numbers", &["text"])),
        packings: BARE,
        ..Form::of("ndjson")
    },
    Form::of("avro"),
    Form {
        check: "avro-polars",
        option: Some(("codec", &["deflate"])),
        packings: BARE,
        ..Form::of("avro")
    },
    Form::of("parquet"),
];

/// PostgreSQL's own types that a table can have, but those that no column of the table has. The
/// types that a text cannot be read as are for the system's tables alone.
const FORGOTTEN: &str = r"
select string_agg(typname, ' ') from pg_type own
where typnamespace = 'pg_catalog'::regnamespace and typtype in ('b', 'r', 'm')
  and (typcategory <> 'A' or typname in ('int2vector', 'oidvector'))
  and typname not in ('gtsvector', 'pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list',
    'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary')
  and not exists (select from pg_attribute
    where attrelid = 'types'::regclass and atttypid = own.oid)";

/// A database with the tables of the matrix.
struct Database<'a> {
    python: PathBuf,
    /// What the script calls it, and a configuration.
    kind: &'static str,
    source_kind: &'static str,
    url: String,
    /// What its own client prints for a statement.
    client: &'a dyn Fn(&str) -> anyhow::Result<String>,
    folder: tempfile::TempDir,
}

impl Database<'_> {
    fn script(&self, what: &[&str]) -> Command {
        let mut command = script(&self.python, "database_types.py");
        command.args(what);
        command
    }

    /// A folder with what the database says of a table.
    fn expected(&self, table: &str) -> anyhow::Result<PathBuf> {
        let said = match self.kind {
            "sqlite" => PathBuf::from(&self.url),
            _ => {
                let asked = output(&mut self.script(&["ask", self.kind, table]))?;
                let said = self.folder.path().join("said.txt");
                std::fs::write(&said, (self.client)(&asked)?)?;
                said
            }
        };
        let folder = self.folder.path().join(table);
        let mut expect = self.script(&["expect", self.kind, table]);
        let rows = output(expect.arg(&said).arg(&folder))?;
        println!("{}, {table}: {}", self.kind, rows.trim());
        Ok(folder)
    }

    fn every_type(&self) -> anyhow::Result<()> {
        let expected = self.expected("types")?;
        for form in FORMS {
            form.every_way(|key, value, packing| {
                let file = self.folder.path().join("export");
                let mut run = form.run(self.url.as_ref(), key, value, packing, &file);
                output(run.args(["--order-by", "id"]))?;
                let said = check(&self.python, &expected, &file, form.check, packing)?;
                println!("{} {} {key}={value} {packing}: {said}", self.kind, form.format);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Each column of `refused` holds a value that its type has no place for.
    fn every_refusal(&self) -> anyhow::Result<()> {
        let cases = output(&mut self.script(&["refused", self.kind]))?;
        let file = self.folder.path().join("refused.csv");
        for case in cases.lines() {
            let (column, told) = case.split_once('\t').context("a column and a text")?;
            let mut run = Command::new(program());
            run.args(["run", "--source", &self.url, "--object", "refused"]);
            let done = run.args(["--fields", column, "--output"]).arg(&file).output()?;
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(!done.status.success(), "{} {column} was exported", self.kind);
            assert!(said.contains(told), "{} {column}: {told:?} is not in {said}", self.kind);
            assert!(said.contains(column) && said.contains("refused"), "{column}: {said}");
            assert!(!file.exists(), "{} {column} left a file", self.kind);
        }
        println!("{}: {} values refused", self.kind, cases.lines().count());
        Ok(())
    }

    /// A server whose catalog declares the fields of `texts` to be texts.
    async fn every_text(&self) -> anyhow::Result<()> {
        let expected = self.expected("texts")?;
        let home = self.folder.path().join("server");
        std::fs::create_dir(&home)?;
        let mut server = Server::start(&home, Options::rows(100)).await?;
        server.kill();
        let catalog = home.join("texts.toml");
        std::fs::write(&catalog, output(&mut self.script(&["catalog", self.kind]))?)?;
        let source = format!(
            "[{{ kind = \"{}\", name = \"given\", url = '{}' }}]",
            self.source_kind, self.url
        );
        let options = Options::rows(100)
            .set("OUTHAUL__SOURCES", source)
            .set("OUTHAUL__CATALOG__FILE", catalog.display());
        server.restart_with(options).await?;
        let client = Native::of(&server, "acme")?;
        for form in FORMS {
            if form.option.is_some() {
                continue;
            }
            for packing in form.packings {
                let file = self.folder.path().join("export");
                download(&client, form.format, packing, &file).await?;
                let said = check(&self.python, &expected, &file, form.check, packing)?;
                println!("{} texts {} {packing}: {said}", self.kind, form.format);
            }
        }
        Ok(())
    }

    async fn prove(&self) -> anyhow::Result<()> {
        self.every_type()?;
        self.every_refusal()?;
        self.every_text().await
    }
}

async fn download(client: &Native, format: &str, packing: &str, to: &Path) -> anyhow::Result<()> {
    let queries = json!([{"sql": "SELECT * FROM texts ORDER BY id"}]);
    let body = json!({"queries": queries, "format": format, "packing": packing});
    let answer = client.post("/exports", &body).await?;
    let (status, created): (_, Value) = (answer.status(), answer.json().await?);
    let id = created["id"].as_str().with_context(|| format!("{status}: {created}"))?;
    let export = client.finished(id, Duration::from_secs(120)).await?;
    let file = export["artifacts"][0]["id"].as_str().context("a file")?;
    let path = format!("/exports/{id}/files/{file}");
    let answer = client.request(Method::GET, &path).send().await?.error_for_status()?;
    std::fs::write(to, answer.bytes().await?)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_postgres_reads_back_from_every_format() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let server = Postgres::start(Instance::default())?;
    let client = |text: &str| server.sql(text);
    let database = Database {
        python,
        kind: "postgres",
        source_kind: "postgres",
        url: server.url(),
        client: &client,
        folder: tempfile::tempdir()?,
    };
    client(&output(&mut database.script(&["tables", "postgres"]))?)?;
    assert_eq!(client(FORGOTTEN)?, "", "types without a column");
    // What whoever owns the database may have set, and no export depends on.
    client(
        "alter database outhaul set timezone = 'Asia/Kolkata'; \
         alter database outhaul set datestyle = 'SQL, DMY'; \
         alter database outhaul set intervalstyle = 'postgres_verbose'; \
         alter database outhaul set bytea_output = 'escape'; \
         alter database outhaul set extra_float_digits = 0",
    )?;
    database.prove().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_mariadb_reads_back_from_every_format() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let server = MariaDb::start(Instance::default())?;
    let client = |text: &str| server.sql(text);
    let database = Database {
        python,
        kind: "mariadb",
        source_kind: "mysql",
        url: server.url(),
        client: &client,
        folder: tempfile::tempdir()?,
    };
    client(&output(&mut database.script(&["tables", "mariadb"]))?)?;
    client("set global time_zone = '+05:30'")?;
    database.prove().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_sqlite_reads_back_from_every_format() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let url = folder.path().join("data of 100%.db").display().to_string();
    let client = |_: &str| anyhow::bail!("a file has no client");
    let database =
        Database { python, kind: "sqlite", source_kind: "sqlite", url, client: &client, folder };
    output(&mut database.script(&["sqlite", &database.url]))?;
    database.prove().await
}
