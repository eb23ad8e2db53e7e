//! The port of the source: opens a moment when the first table is asked for, tables, and the list of
//! what there is.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{SecondsFormat, TimeDelta};
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectStore;
use outhaul_exports::catalog::{FieldType, Object};
use outhaul_exports::manifest::SourceSnapshot;
use outhaul_exports::{Error, Result};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::OnceCell;

use super::config::Config;
use super::describe;
use super::failure::failure;
use super::session::Session;
use super::table::{SqliteTable, schema_of};
use super::types::{Column, Described};
use crate::sources::{
    Discovered, DiscoveredColumn, DiscoveredReference, DiscoveredTable, LeftOut, Pinned, Source,
    Table,
};

/// An opened `sqlite` source.
pub(crate) struct SqliteSource {
    config: Arc<Config>,
    target: SqliteConnectOptions,
}

impl SqliteSource {
    pub(crate) fn open(config: &Config) -> Result<Self> {
        Ok(Self { target: config.target()?, config: Arc::new(config.clone()) })
    }

    fn moment(&self) -> PinnedSqlite {
        let (config, target) = (Arc::clone(&self.config), self.target.clone());
        PinnedSqlite { config, target, session: OnceCell::new() }
    }

    /// `None` for a table that went away meanwhile.
    async fn discovered(
        &self,
        connection: &mut SqliteConnection,
        name: &str,
    ) -> Result<Option<DiscoveredTable>, sqlx::Error> {
        let Some(relation) = describe::relation(connection, name).await? else { return Ok(None) };
        let column = |column: &Described| DiscoveredColumn {
            name: column.name.clone(),
            column_type: column.declared.clone(),
            field_type: Column::field_type(column, self.config.decimal_digits),
            nullable: column.nullable && !relation.key.contains(&column.name),
            label: None,
        };
        let references = describe::references(connection, name).await?.into_iter();
        let references = references.map(|reference| DiscoveredReference {
            name: reference.columns.join("_"),
            columns: reference.columns,
            table: reference.table,
            target: reference.target,
        });
        let columns = relation.columns.iter().map(column).collect();
        Ok(Some(DiscoveredTable {
            guessed: false,
            key: relation.key.clone(),
            references: references.collect(),
            ..DiscoveredTable::new(&relation.name, columns, None)
        }))
    }
}

impl fmt::Debug for SqliteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteSource({})", self.config.name)
    }
}

#[async_trait]
impl Source for SqliteSource {
    fn guarantee(&self) -> &'static str {
        "all rows are those of one read transaction of the database, whatever is written to it \
         meanwhile"
    }

    async fn pin(&self, _: &BTreeSet<String>) -> Result<Arc<dyn Pinned>> {
        Ok(Arc::new(self.moment()))
    }

    async fn discover(&self) -> Result<Discovered> {
        let whose = format!("source {}", self.config.name);
        let moment = self.moment();
        let session = moment.session(&whose).await?;
        let mut wire = session.turns.turn().await;
        let connection = wire.begin();
        let names = describe::names(connection).await.map_err(|cause| failure(&whose, cause))?;
        let mut found = Discovered::default();
        for table in names {
            match self.discovered(connection, &table).await {
                Ok(discovered) => found.tables.extend(discovered),
                // Such as a view of a table that is not there.
                Err(cause) => {
                    let why = failure(&format!("table {table}"), cause);
                    found.left_out.push(LeftOut { table, why });
                }
            }
        }
        Ok(found)
    }
}

/// A moment, which begins when the first table is asked for: an export that reads other sources
/// only does not need this one to be there.
struct PinnedSqlite {
    config: Arc<Config>,
    target: SqliteConnectOptions,
    session: OnceCell<Arc<Session>>,
}

impl fmt::Debug for PinnedSqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedSqlite({})", self.config.name)
    }
}

impl PinnedSqlite {
    async fn session(&self, whose: &str) -> Result<&Arc<Session>> {
        let begin = async {
            let session = Session::begin(&self.target, &self.config).await;
            session.map(Arc::new).map_err(|cause| failure(whose, cause))
        };
        self.session.get_or_try_init(|| begin).await
    }
}

#[async_trait]
impl Pinned for PinnedSqlite {
    fn store(&self) -> Option<(ObjectStoreUrl, Arc<dyn ObjectStore>)> {
        None
    }

    async fn table(&self, object: &Object) -> Result<Arc<dyn Table>> {
        let whose = format!("object {}", object.name);
        let session = self.session(&whose).await?;
        let named = object.table.table.as_str();
        let mut wire = session.turns.turn().await;
        let found = describe::relation(wire.begin(), named).await;
        drop(wire);
        let relation = found.map_err(|cause| failure(&whose, cause))?.ok_or_else(|| {
            let text = format!("source_missing: {whose}: its source has no table for it");
            Error::unavailable(text)
                .with_internal(format!("table {named} in source {}", self.config.name))
        })?;
        let digits = self.config.decimal_digits;
        let columns = relation.columns.iter();
        let columns = columns.map(|c| Column::of(c, declared(object, &c.name), digits));
        let columns: Vec<_> = columns.collect();
        Ok(Arc::new(SqliteTable {
            source: self.config.name.clone(),
            session: Arc::clone(session),
            object: object.name.clone(),
            table: relation.name,
            schema: schema_of(&columns),
            columns,
            decimal_digits: digits,
            overlap: TimeDelta::seconds(self.config.overlap_secs.into()),
        }))
    }

    fn snapshot(&self) -> Option<SourceSnapshot> {
        let session = self.session.get()?;
        let (source, id, at) = (self.config.name.clone(), session.id.clone(), session.at);
        Some(SourceSnapshot { source, id, at })
    }

    /// The database's own clock: that of whoever reads may be another one.
    async fn mark(&self) -> Result<serde_json::Value> {
        let session = self.session(&format!("source {}", self.config.name)).await?;
        let at = session.at.to_rfc3339_opts(SecondsFormat::Micros, true);
        Ok(serde_json::Value::String(at))
    }
}

/// What the fields of a column are declared as, where they agree.
fn declared(object: &Object, column: &str) -> Option<FieldType> {
    let mut types = object.fields.iter().filter(|f| f.column == column).map(|f| f.field_type);
    let first = types.next()?;
    types.all(|other| other == first).then_some(first)
}
