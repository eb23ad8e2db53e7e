//! Where rows come from: one folder per kind of source, and one line in [`ALL`].
//!
//! A source knows names, schemas and bytes. It knows nothing of tenants: who may see which row is
//! decided above it, in `guard` and `barrier`, for every source in the same way.

mod database;
pub mod files;
pub mod mysql;
pub mod postgres;
pub mod sqlite;

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use object_store::ObjectStore;
use outhaul_exports::catalog::{FieldType, Object};
use outhaul_exports::manifest::SourceSnapshot;
use outhaul_exports::ports::Content;
use outhaul_exports::session::Mark;
use outhaul_exports::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::barrier::Admission;
use crate::content::FilePath;

/// A kind of source.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// What `kind` says in the configuration.
    pub id: &'static str,
    /// What its readers read, in Markdown.
    pub docs: &'static str,
}

/// Every kind of source.
pub const ALL: &[Kind] = &[files::KIND, mysql::KIND, postgres::KIND, sqlite::KIND];

/// One `[[sources]]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SourceConfig {
    /// Files on a local disk or in an object store.
    Files(files::Config),
    /// Tables of a PostgreSQL database.
    Postgres(postgres::Config),
    /// Tables of a MySQL or MariaDB database.
    #[serde(rename = "mysql")]
    MySql(mysql::Config),
    /// Tables of an SQLite database.
    Sqlite(sqlite::Config),
}

/// How a connection to a database is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Not at all.
    Off,
    /// Encrypted, to whoever answers.
    Unverified,
    /// Encrypted, and the server's certificate is for its name and of a trusted authority.
    Verified,
}

impl SourceConfig {
    /// What it should hold, for whoever looks into one that holds nothing.
    pub fn contents(&self) -> &'static str {
        match self {
            Self::Files(_) => "Parquet, CSV, NDJSON or Avro files",
            _ => "table that its user may read",
        }
    }

    /// What `kind` says.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Files(_) => files::KIND.id,
            Self::Postgres(_) => postgres::KIND.id,
            Self::MySql(_) => mysql::KIND.id,
            Self::Sqlite(_) => sqlite::KIND.id,
        }
    }

    /// The name by which the catalog's objects refer to it.
    pub fn name(&self) -> &str {
        match self {
            Self::Files(config) => &config.name,
            Self::Postgres(config) => &config.name,
            Self::MySql(config) => &config.name,
            Self::Sqlite(config) => &config.name,
        }
    }
}

/// What a source holds.
#[derive(Debug, Default)]
pub struct Discovered {
    /// The tables that can be read.
    pub tables: Vec<DiscoveredTable>,
    /// Those that cannot, which people want to be warned of.
    pub left_out: Vec<LeftOut>,
}

/// A table that cannot be read. The others of its source can.
#[derive(Debug)]
pub struct LeftOut {
    /// What an object's `table` would say.
    pub table: String,
    /// Why. Its public text is a sentence that names the table.
    pub why: Error,
}

/// A table that a source offers, as `catalog init` finds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiscoveredTable {
    /// What an object's `table` must say.
    pub name: String,
    /// Its columns, in the order of the source.
    pub columns: Vec<DiscoveredColumn>,
    /// Its rows, where the source can tell without reading them.
    pub rows: Option<u64>,
    /// Whether the types of its columns were guessed from values, as text files have none.
    #[serde(default)]
    pub guessed: bool,
    /// What its owner says of it, in a sentence.
    #[serde(default)]
    pub label: Option<String>,
    /// The columns that identify a row, where the source knows; else empty.
    #[serde(default)]
    pub key: Vec<String>,
    /// What its rows refer to, where the source knows.
    #[serde(default)]
    pub references: Vec<DiscoveredReference>,
}

impl DiscoveredTable {
    /// A table of files. Only formats that have types of their own also tell their rows.
    pub fn new(name: &str, columns: Vec<DiscoveredColumn>, rows: Option<u64>) -> Self {
        Self {
            name: name.to_owned(),
            columns,
            rows,
            guessed: rows.is_none(),
            label: None,
            key: Vec::new(),
            references: Vec::new(),
        }
    }
}

/// A foreign key of a discovered table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveredReference {
    /// What the source calls it.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that it refers to, as [`DiscoveredTable::name`] would say it.
    pub table: String,
    /// The columns there, in the same order.
    pub target: Vec<String>,
}

/// A column of a discovered table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiscoveredColumn {
    /// Its name.
    pub name: String,
    /// Its Arrow type, as text.
    pub column_type: String,
    /// What a catalog would call it.
    pub field_type: FieldType,
    /// Whether values may be missing.
    pub nullable: bool,
    /// What its owner says of it, in a sentence.
    #[serde(default)]
    pub label: Option<String>,
}

/// Lists the tables of a source and their columns, without those that cannot be read: see
/// [`survey`], which also names these.
///
/// # Errors
/// `Unavailable` when the source cannot be reached; the first reason when there are tables and none
/// of them can be read.
pub async fn discover(config: &SourceConfig) -> Result<Vec<DiscoveredTable>> {
    let mut found = survey(config).await?;
    if found.tables.is_empty() && !found.left_out.is_empty() {
        return Err(found.left_out.remove(0).why);
    }
    Ok(found.tables)
}

/// Lists the tables of a source and their columns, and the tables that cannot be read.
///
/// # Errors
/// `Unavailable` when the source cannot be reached, `Invalid` when it is not what it is said to be.
pub async fn survey(config: &SourceConfig) -> Result<Discovered> {
    open(config, None)?.discover().await
}

/// Opens a source; `store` stands in for the one its URL names.
pub(crate) fn open(
    config: &SourceConfig,
    store: Option<Arc<dyn ObjectStore>>,
) -> Result<Arc<dyn Source>> {
    match config {
        SourceConfig::Files(config) => Ok(Arc::new(files::FileSource::open(config, store)?)),
        SourceConfig::Postgres(config) => Ok(Arc::new(postgres::PostgresSource::open(config)?)),
        SourceConfig::MySql(config) => Ok(Arc::new(mysql::MySqlSource::open(config)?)),
        SourceConfig::Sqlite(config) => Ok(Arc::new(sqlite::SqliteSource::open(config)?)),
    }
}

/// An opened source. It lives as long as the process and keeps what is worth keeping.
#[async_trait]
pub(crate) trait Source: fmt::Debug + Send + Sync {
    /// What a snapshot of it guarantees, in a sentence.
    fn guarantee(&self) -> &'static str;

    /// Fixes one moment of these tables.
    async fn pin(&self, tables: &BTreeSet<String>) -> Result<Arc<dyn Pinned>>;

    /// Begins to read a file of its own, for sources that are made of files; see
    /// [`outhaul_exports::ports::Snapshot::content`].
    async fn content(&self, _path: &FilePath) -> Result<Content> {
        Err(Error::unsupported("the source that a field names for its files has none"))
    }

    /// Lists what there is.
    async fn discover(&self) -> Result<Discovered>;
}

/// One moment of a source.
#[async_trait]
pub(crate) trait Pinned: fmt::Debug + Send + Sync {
    /// The only store that its scans may open, and the name by which they ask for it.
    fn store(&self) -> Option<(ObjectStoreUrl, Arc<dyn ObjectStore>)>;

    /// The table of an object.
    async fn table(&self, object: &Object) -> Result<Arc<dyn Table>>;

    /// What the source calls the moment, where it has a name for it.
    fn snapshot(&self) -> Option<SourceSnapshot> {
        None
    }

    /// The moment as the source reads it back in [`Table::since`]: the opaque part of a mark. A source
    /// that goes by time alone needs none.
    async fn mark(&self) -> Result<serde_json::Value> {
        Ok(serde_json::Value::Null)
    }
}

/// One table at one moment.
#[async_trait]
pub(crate) trait Table: fmt::Debug + Send + Sync {
    /// Its columns as a scan gives them.
    fn schema(&self) -> &SchemaRef;

    /// Whether its values are text that still has to be read as what the catalog says, with so
    /// many digits after the point of a decimal.
    fn text_scale(&self) -> u8;

    /// How many rows there are in all, of whomever, where it can tell.
    fn rows(&self) -> Option<u64> {
        None
    }

    /// How many rows there may be that the predicate admits, where it can tell without counting
    /// rows that it does not admit. Never too few.
    fn rows_at_most(&self, _tenant: &Admission) -> Option<u64> {
        None
    }

    /// Fails when what it is made of is no longer there as it was. Asked after a read failed,
    /// because readers of files make texts of what a store told them; a database tells by itself.
    async fn still_there(&self) -> datafusion::error::Result<()> {
        Ok(())
    }

    /// How to read what changed since a mark that this source made.
    ///
    /// # Errors
    /// `Unsupported` where the source cannot tell; the text says why, and what to do.
    fn since(&self, _mark: &Mark) -> Result<Since> {
        let text = "the source of the rows cannot tell which of them changed since the last time: \
                    export them without a session";
        Err(Error::unsupported(text))
    }

    /// The table for its own source, where that answers whole queries.
    fn remote(&self) -> Option<RemoteTable<'_>> {
        None
    }

    /// Whether no two rows have the same values of these columns. `false` where nobody knows.
    fn is_unique(&self, _columns: &[&str]) -> bool {
        false
    }

    /// A plan of the database's own for a whole query, where this table's database holds all of its
    /// rows and answers it exactly as it would be answered here. Every table of the query is read
    /// through what its guard admits.
    fn whole(&self, _query: &LogicalPlan, _batch_rows: usize) -> Option<Arc<dyn ExecutionPlan>> {
        None
    }

    /// Reads columns.
    fn scan(&self, ask: &ScanAsk) -> datafusion::error::Result<Arc<dyn ExecutionPlan>>;
}

/// A table as its own source knows it.
pub(crate) struct RemoteTable<'a> {
    /// Of the source's own type.
    pub(crate) table: &'a dyn Any,
    /// A column that was added around it and says the same of every row.
    pub(crate) added: Option<usize>,
}

/// What a scan must give.
#[derive(Debug)]
pub(crate) struct ScanAsk {
    /// Which columns, in the order wanted.
    pub(crate) columns: Vec<usize>,
    /// A predicate over the full schema by which whole parts of a file may be left out. Rows that
    /// do not satisfy it may still come.
    pub(crate) pruning: Option<Arc<dyn PhysicalExpr>>,
    /// In how many parts to read at once. One part keeps the order of the source.
    pub(crate) partitions: usize,
    /// Rows of a batch.
    pub(crate) batch_rows: usize,
    /// Only rows that changed since, and maybe others: set where the table answered [`Since::Scan`].
    pub(crate) since: Option<Arc<Mark>>,
    /// Besides these: rows whose time, a value of this column, is this or later, because they were
    /// held back.
    pub(crate) held: Option<(usize, DateTime<Utc>)>,
}

/// How what changed since a mark is read. Each committed change comes at least once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// By the object's `updated`: rows of that time or later, and those without a time.
    At(DateTime<Utc>),
    /// By the scan itself, which is given the mark in [`ScanAsk::since`].
    Scan,
    /// The mark is of another database, or too old: all rows come.
    All,
}

impl Since {
    /// By time: from the mark less the overlap. A mark may hold the time by the source's own clock as
    /// well; the earlier of the two counts, because times of rows are written by either.
    pub(crate) fn reaching_back(mark: &Mark, overlap: TimeDelta) -> Self {
        let own = mark.value.as_str().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        let own = own.map_or(mark.taken_at, |at| at.with_timezone(&Utc));
        let first = own.min(mark.taken_at).checked_sub_signed(overlap);
        first.map_or(Self::All, Self::At)
    }
}

/// A source that an object names and nobody configured.
pub(crate) fn unknown_source(object: &str, name: &str) -> Error {
    Error::invalid(
        format!("catalog.objects.{object}.source"),
        format!("object {object}: there is no source named {name}"),
    )
}
