//! MariaDB for tests: a server of a test's own, and engines over its tables.

use std::sync::Arc;

use outhaul_exports::Result;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::catalog::{Catalog, FieldType};
use outhaul_exports::ports::{Engine as _, RunLimits, Snapshot};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{Query, Select};
use outhaul_exports::testing::sample;
use outhaul_instances::{MariaDb, Options};
use serde_json::json;
use tempfile::TempDir;

use super::kit::{Answer, collect};
use crate::DataFusionEngine;
use crate::sources::SourceConfig;

pub(super) fn server() -> MariaDb {
    MariaDb::start(Options::default()).expect("a private MariaDB server")
}

/// The source that reads the server's database, with further keys.
pub(super) fn source(server: &MariaDb, more: &serde_json::Value) -> SourceConfig {
    let mut config = json!({ "kind": "mysql", "name": "main", "url": server.url() });
    for (key, value) in more.as_object().expect("an object") {
        config[key] = value.clone();
    }
    serde_json::from_value(config).expect("a source")
}

/// An object over a table with the columns `tenant`, `n` and further ones.
pub(super) fn object(name: &str, table: &str, columns: &[(&str, FieldType)]) -> RawObject {
    let own = [("n", FieldType::Integer)];
    let fields = own.iter().chain(columns).map(|(column, field_type)| {
        json!({ "name": column.to_uppercase(), "column": column, "type": field_type })
    });
    serde_json::from_value(json!({
        "name": name, "source": "main", "table": table, "key": ["N"], "tenant_column": "tenant",
        "fields": fields.collect::<Vec<_>>(),
    }))
    .expect("an object")
}

pub(super) fn engine(source: SourceConfig, objects: Vec<RawObject>) -> DataFusionEngine {
    let catalog = Catalog::check(objects).expect("a catalog");
    DataFusionEngine::new(Arc::new(catalog), vec![source]).expect("an engine")
}

/// Limits in a folder of their own, which goes with them.
pub(super) struct Room {
    dir: TempDir,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { dir: TempDir::new().expect("a temporary folder") }
    }

    pub(super) fn limits(&self) -> RunLimits {
        RunLimits {
            memory_bytes: 256 << 20,
            spill_bytes: 1 << 30,
            spill_dir: self.dir.path().join("spill"),
            threads: 2,
        }
    }

    pub(super) async fn begin(&self, engine: &DataFusionEngine) -> Box<dyn Snapshot> {
        engine.begin(&scope(), &self.limits()).await.expect("a snapshot")
    }

    /// What a query answers in a run of its own.
    pub(super) async fn answer(&self, engine: &DataFusionEngine, query: &Query) -> Result<Answer> {
        let snapshot = engine.begin(&scope(), &self.limits()).await?;
        collect(snapshot.as_ref(), query).await
    }
}

pub(super) fn scope() -> TenantScope {
    TenantScope::of(&sample::tenant("ta"))
}

pub(super) fn query(select: &Select) -> Query {
    Query::Select(Box::new(select.clone()))
}
