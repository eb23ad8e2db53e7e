//! Files that are read for their owner, at the command line: there is one reader, and the rows are
//! all the reader's own.
//!
//! Nothing of the wall between tenants is taken down for it. Each table gets one column more,
//! which says of every row that it is the owner's, and the scope is the owner's. A server cannot
//! come here: it is given its catalog, and this makes one of its own.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::scalar::ScalarValue;
use object_store::ObjectStore;
use outhaul_exports::catalog::raw::{RawField, RawObject};
use outhaul_exports::catalog::{Catalog, FieldType, Object};
use outhaul_exports::manifest::SourceSnapshot;
use outhaul_exports::principal::{Tenant, TenantId, TenantScope};
use outhaul_exports::session::Mark;
use outhaul_exports::{Error, Result};

use crate::DataFusionEngine;
use crate::barrier::Admission;
use crate::sources::{
    self, Discovered, DiscoveredColumn, DiscoveredTable, LeftOut, Pinned, RemoteTable, ScanAsk,
    Since, Source, SourceConfig, Table,
};

/// The column that every table gets; no file can have one of this name that a catalog could name.
const OWNER: &str = "#owner";
/// What it holds.
const OWN: i8 = 1;

/// A source as its owner sees it.
pub struct OwnSource {
    /// The engine over it.
    pub engine: DataFusionEngine,
    /// An object for each table, named after its file without the ending.
    pub catalog: Arc<Catalog>,
    /// The owner's scope: all rows.
    pub scope: TenantScope,
    /// The tables that cannot be read. Each has an object all the same, and whoever names it is
    /// told why.
    pub left_out: Vec<LeftOut>,
}

impl OwnSource {
    /// Opens a source and makes an object of each of its tables.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be read; `Invalid` when it holds no table, or two of one name.
    pub async fn open(config: &SourceConfig) -> Result<Self> {
        let source = sources::open(config, None)?;
        let Discovered { tables, mut left_out } = source.discover().await?;
        if tables.is_empty() && !left_out.is_empty() {
            return Err(left_out.remove(0).why);
        }
        if tables.is_empty() {
            let text = format!("the source holds no {}", config.contents());
            return Err(Error::invalid("source", text));
        }
        let mut objects: Vec<_> = tables.iter().map(|table| object(config.name(), table)).collect();
        let mut taken: HashSet<_> = objects.iter().map(|o| o.name.to_ascii_lowercase()).collect();
        let unreadable = left_out.iter().map(|out| object(config.name(), &unread(&out.table)));
        objects.extend(unreadable.filter(|o| taken.insert(o.name.to_ascii_lowercase())));
        let catalog = Arc::new(Catalog::check(objects)?);
        let whys = left_out.iter().map(|out| (out.table.clone(), again(&out.why)));
        let source: Arc<dyn Source> = Arc::new(Owned { source, unread: Arc::new(whys.collect()) });
        let engine = DataFusionEngine::over(Arc::clone(&catalog), config.name(), source);
        let scope = TenantScope::of(&Tenant {
            id: TenantId::from("owner"),
            label: "the owner".to_owned(),
            value: OWN.to_string(),
            zone: chrono_tz::Tz::UTC,
            entities: Vec::new(),
            orgs: Vec::new(),
            public_key: None,
        });
        Ok(Self { engine, catalog, scope, left_out })
    }
}

/// The same error once more: errors hold causes, which cannot be copied.
fn again(why: &Error) -> Error {
    let chain = why.chain();
    let internal = chain.strip_prefix(why.public()).unwrap_or(&chain);
    let error = Error::new(why.kind().clone(), why.public());
    match internal.trim_start_matches([':', ' ']) {
        "" => error,
        internal => error.with_internal(internal),
    }
}

/// What stands for a table that cannot be read: a catalog has no object without a field.
fn unread(table: &str) -> DiscoveredTable {
    let column = DiscoveredColumn {
        name: "unreadable".to_owned(),
        column_type: String::new(),
        field_type: FieldType::Text,
        nullable: true,
        label: None,
    };
    DiscoveredTable::new(table, vec![column], None)
}

fn object(source: &str, table: &DiscoveredTable) -> RawObject {
    let stem = table.name.rsplit_once('.').map_or(table.name.as_str(), |(stem, _)| stem);
    let mut taken = HashSet::new();
    let fields: Vec<RawField> = table
        .columns
        .iter()
        .map(|column| {
            let mut name = word(&column.name);
            while !taken.insert(name.to_ascii_lowercase()) {
                name.push('_');
            }
            RawField {
                column: (name != column.name).then(|| column.name.clone()),
                name,
                label: None,
                member: Vec::new(),
                document: None,
                field_type: column.field_type,
                nullable: column.nullable,
                optional: false,
                sensitive: false,
                file: None,
                currency_field: None,
                values: Vec::new(),
            }
        })
        .collect();
    RawObject {
        name: word(stem),
        plural: None,
        label: None,
        source: source.to_owned(),
        table: Some(table.name.clone()),
        elements: None,
        key: fields.first().map(|field| field.name.clone()).into_iter().collect(),
        tenant_column: OWNER.to_owned(),
        created: None,
        updated: None,
        deleted_column: None,
        entity_column: None,
        org_column: None,
        tombstones: None,
        fields,
        relations: Vec::new(),
    }
}

/// A name as a catalog takes it: letters, digits and underscores, beginning with a letter.
fn word(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut word: String = name.chars().map(plain).take(120).collect();
    if !word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        word.insert(0, '_');
    }
    word
}

/// A source with the owner's column.
#[derive(Debug)]
struct Owned {
    source: Arc<dyn Source>,
    /// Why tables cannot be read, by their names.
    unread: Arc<HashMap<String, Error>>,
}

#[async_trait]
impl Source for Owned {
    fn guarantee(&self) -> &'static str {
        self.source.guarantee()
    }

    async fn pin(&self, tables: &BTreeSet<String>) -> Result<Arc<dyn Pinned>> {
        let inner = self.source.pin(tables).await?;
        Ok(Arc::new(OwnedMoment { inner, unread: Arc::clone(&self.unread) }))
    }

    async fn discover(&self) -> Result<Discovered> {
        self.source.discover().await
    }
}

#[derive(Debug)]
struct OwnedMoment {
    inner: Arc<dyn Pinned>,
    unread: Arc<HashMap<String, Error>>,
}

#[async_trait]
impl Pinned for OwnedMoment {
    fn store(&self) -> Option<(ObjectStoreUrl, Arc<dyn ObjectStore>)> {
        self.inner.store()
    }

    fn snapshot(&self) -> Option<SourceSnapshot> {
        self.inner.snapshot()
    }

    async fn mark(&self) -> Result<serde_json::Value> {
        self.inner.mark().await
    }

    async fn table(&self, object: &Object) -> Result<Arc<dyn Table>> {
        if let Some(why) = self.unread.get(&object.table.table) {
            return Err(again(why));
        }
        let inner = self.inner.table(object).await?;
        let mut fields: Vec<_> = inner.schema().fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(OWNER, DataType::Int8, false)));
        Ok(Arc::new(OwnedTable { inner, schema: Arc::new(Schema::new(fields)) }))
    }
}

#[derive(Debug)]
struct OwnedTable {
    inner: Arc<dyn Table>,
    schema: SchemaRef,
}

#[async_trait]
impl Table for OwnedTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn text_scale(&self) -> u8 {
        self.inner.text_scale()
    }

    fn rows(&self) -> Option<u64> {
        self.inner.rows()
    }

    fn rows_at_most(&self, _: &Admission) -> Option<u64> {
        self.inner.rows()
    }

    async fn still_there(&self) -> datafusion::error::Result<()> {
        self.inner.still_there().await
    }

    fn remote(&self) -> Option<RemoteTable<'_>> {
        let remote = self.inner.remote()?;
        Some(RemoteTable { added: Some(self.schema.fields().len() - 1), ..remote })
    }

    fn is_unique(&self, columns: &[&str]) -> bool {
        self.inner.is_unique(columns)
    }

    fn whole(&self, query: &LogicalPlan, batch_rows: usize) -> Option<Arc<dyn ExecutionPlan>> {
        self.inner.whole(query, batch_rows)
    }

    fn since(&self, mark: &Mark) -> Result<Since> {
        self.inner.since(mark)
    }

    fn scan(&self, ask: &ScanAsk) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let owner = self.schema.fields().len() - 1;
        let is_own = |at: &&usize| **at != owner;
        let pruning = ask.pruning.clone().map(|pruning| without(pruning, owner)).transpose()?;
        let inner = ScanAsk {
            columns: ask.columns.iter().filter(is_own).copied().collect(),
            pruning,
            partitions: ask.partitions,
            batch_rows: ask.batch_rows,
            since: ask.since.clone(),
            held: ask.held,
        };
        let scan = self.inner.scan(&inner)?;
        if inner.columns.len() == ask.columns.len() {
            return Ok(scan);
        }
        let mut next = 0;
        let columns = ask.columns.iter().map(|&at| {
            let name = self.schema.field(at).name();
            if at == owner {
                return (literal(), name.clone());
            }
            next += 1;
            (Arc::new(Column::new(name, next - 1)) as Arc<dyn PhysicalExpr>, name.clone())
        });
        let columns: Vec<_> = columns.collect();
        Ok(Arc::new(ProjectionExec::try_new(columns, scan)?))
    }
}

fn literal() -> Arc<dyn PhysicalExpr> {
    Arc::new(Literal::new(ScalarValue::Int8(Some(OWN))))
}

/// The predicate with the owner's column replaced by what it holds: the files do not have it.
fn without(
    predicate: Arc<dyn PhysicalExpr>,
    owner: usize,
) -> datafusion::error::Result<Arc<dyn PhysicalExpr>> {
    let replaced = predicate.transform(|part| {
        let own = part.downcast_ref::<Column>().is_some_and(|column| column.index() == owner);
        Ok(if own { Transformed::yes(literal()) } else { Transformed::no(part) })
    })?;
    Ok(replaced.data)
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use outhaul_exports::ports::{Engine as _, RunLimits};
    use outhaul_exports::query::{Column, Expr, Protection, Query, Select};

    use super::*;

    async fn rows(own: &OwnSource, query: &Query) -> Result<usize> {
        let limits = RunLimits {
            memory_bytes: 64 << 20,
            spill_bytes: 0,
            spill_dir: std::env::temp_dir(),
            threads: 1,
        };
        let moment = own.engine.begin(&own.scope, &limits).await?;
        let batches: Vec<_> = moment.open(query).await?.batches.try_collect().await?;
        Ok(batches.iter().map(|batch| batch.num_rows()).sum())
    }

    #[tokio::test]
    async fn the_owner_sees_every_row_and_no_column_more() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("my orders.csv"), "id,total amount\n1,2.5\n2,\n")
            .expect("it is written");
        let url = folder.path().display().to_string();
        let config = serde_json::json!({ "kind": "files", "name": "own", "url": url });
        let config = serde_json::from_value(config).expect("a source");
        let own = OwnSource::open(&config).await.expect("it opens");
        let object = own.catalog.require("my_orders").expect("named after its file");
        let names: Vec<_> = object.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["id", "total_amount"]);
        let mut select = Select::of("my_orders");
        select.columns = vec![Column {
            label: "total".into(),
            expr: Expr::own("total_amount"),
            protection: Protection::Plain,
        }];
        let count = rows(&own, &Query::Select(Box::new(select))).await;
        assert_eq!(count.expect("it runs"), 2);
    }
}
