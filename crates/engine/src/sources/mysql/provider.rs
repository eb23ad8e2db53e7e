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
use tokio::sync::OnceCell;

use super::config::Config;
use super::connect::Connector;
use super::describe::{self, Reference, Relation};
use super::failure::failure;
use super::session::Session;
use super::table::{MySqlTable, schema_of};
use super::types::{Column, Described};
use crate::sources::{
    Discovered, DiscoveredColumn, DiscoveredReference, DiscoveredTable, LeftOut, Pinned, Source,
    Table,
};

/// An opened `mysql` source.
pub(crate) struct MySqlSource {
    config: Arc<Config>,
    connector: Arc<Connector>,
}

impl MySqlSource {
    pub(crate) fn open(config: &Config) -> Result<Self> {
        let connector = Arc::new(Connector::new(config)?);
        Ok(Self { config: Arc::new(config.clone()), connector })
    }

    fn moment(&self) -> PinnedMySql {
        PinnedMySql {
            config: Arc::clone(&self.config),
            connector: Arc::clone(&self.connector),
            session: OnceCell::new(),
        }
    }

    /// What an object's `table` would say.
    fn table_name(&self, database: &str, table: &str) -> String {
        let own = database == self.connector.database;
        if own { table.to_owned() } else { format!("{database}.{table}") }
    }

    fn reference(&self, reference: &Reference) -> DiscoveredReference {
        DiscoveredReference {
            name: reference.name.clone(),
            columns: reference.columns.clone(),
            table: self.table_name(&reference.database, &reference.table),
            target: reference.target.clone(),
        }
    }
}

impl fmt::Debug for MySqlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MySqlSource({})", self.config.name)
    }
}

#[async_trait]
impl Source for MySqlSource {
    fn guarantee(&self) -> &'static str {
        "all rows of transactional tables (InnoDB) are those of one snapshot of the database, \
         whatever is written to it meanwhile; a table of another engine (MyISAM, Aria, MEMORY and \
         the like) is read as it is when its turn comes"
    }

    async fn pin(&self, _: &BTreeSet<String>) -> Result<Arc<dyn Pinned>> {
        Ok(Arc::new(self.moment()))
    }

    async fn discover(&self) -> Result<Discovered> {
        let whose = format!("source {}", self.config.name);
        let moment = self.moment();
        let session = moment.session(&whose).await?;
        let failed = |cause| failure(&whose, cause);
        let mut wire = session.turns.turn().await;
        let connection = wire.connection().map_err(failed)?;
        let database = session.database.as_str();
        let keys = describe::keys(connection, database).await.map_err(failed)?;
        let references = describe::references(connection, database).await.map_err(failed)?;
        let (mut tables, mut left_out) = (Vec::new(), Vec::new());
        for name in describe::names(connection, database).await.map_err(failed)? {
            let found = describe::relation(connection, session.server, database, &name).await;
            // What went away since the names were read is not missed.
            let Some(relation) = found.map_err(failed)? else { continue };
            if relation.columns.is_empty() {
                let why = unseen(&format!("table {name}"));
                left_out.push(LeftOut { table: name, why });
                continue;
            }
            let references = references.get(&name).into_iter().flatten();
            tables.push(DiscoveredTable {
                key: keys.get(&name).cloned().unwrap_or_default(),
                references: references.map(|reference| self.reference(reference)).collect(),
                ..discovered(&relation)
            });
        }
        Ok(Discovered { tables, left_out })
    }
}

/// What is known of a table without columns.
fn unseen(whose: &str) -> Error {
    Error::unavailable(format!(
        "source_data: {whose}: the database shows no columns of it: a view that names a table or \
         column that is not there, or its user may see none"
    ))
}

fn discovered(relation: &Relation) -> DiscoveredTable {
    let column = |column: &Described| DiscoveredColumn {
        name: column.name.clone(),
        column_type: column.shown.clone(),
        field_type: Column::field_type(column),
        nullable: column.nullable,
        label: column.comment.clone(),
    };
    DiscoveredTable {
        guessed: false,
        label: relation.comment.clone(),
        ..DiscoveredTable::new(
            &relation.name,
            relation.columns.iter().map(column).collect(),
            relation.rows,
        )
    }
}

/// A moment, which begins when the first table is asked for: an export that reads other sources
/// only does not need this one to be there.
struct PinnedMySql {
    config: Arc<Config>,
    connector: Arc<Connector>,
    session: OnceCell<Arc<Session>>,
}

impl fmt::Debug for PinnedMySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedMySql({})", self.config.name)
    }
}

impl PinnedMySql {
    async fn session(&self, whose: &str) -> Result<&Arc<Session>> {
        let begin = async {
            let session = Session::begin(Arc::clone(&self.connector), &self.config).await;
            session.map(Arc::new).map_err(|cause| failure(whose, cause))
        };
        self.session.get_or_try_init(|| begin).await
    }

    /// A table: one that the configured database has goes first, so that a name may hold a point.
    async fn find(&self, session: &Session, object: &Object, whose: &str) -> Result<Relation> {
        let named = object.table.table.as_str();
        let failed = |cause| failure(whose, cause);
        let mut places = vec![(session.database.as_str(), named)];
        places.extend(named.split_once('.'));
        let mut wire = session.turns.turn().await;
        let connection = wire.connection().map_err(failed)?;
        for (database, name) in places {
            let found = describe::relation(connection, session.server, database, name).await;
            match found.map_err(failed)? {
                Some(relation) if relation.columns.is_empty() => return Err(unseen(whose)),
                Some(relation) => return Ok(relation),
                None => {}
            }
        }
        let text = format!("source_missing: {whose}: its source has no table for it");
        Err(Error::unavailable(text)
            .with_internal(format!("table {named} in source {}", self.config.name)))
    }
}

#[async_trait]
impl Pinned for PinnedMySql {
    fn store(&self) -> Option<(ObjectStoreUrl, Arc<dyn ObjectStore>)> {
        None
    }

    async fn table(&self, object: &Object) -> Result<Arc<dyn Table>> {
        let whose = format!("object {}", object.name);
        let session = self.session(&whose).await?;
        let relation = self.find(session, object, &whose).await?;
        let columns = relation.columns.iter();
        let columns: Vec<_> =
            columns.map(|column| Column::of(column, declared(object, &column.name))).collect();
        Ok(Arc::new(MySqlTable {
            source: self.config.name.clone(),
            session: Arc::clone(session),
            object: object.name.clone(),
            schema: schema_of(&columns),
            relation,
            columns,
            decimal_digits: self.config.decimal_digits,
            overlap: TimeDelta::seconds(self.config.overlap_secs.into()),
        }))
    }

    fn snapshot(&self) -> Option<SourceSnapshot> {
        let moment = &self.session.get()?.moment;
        let (source, id, at) = (self.config.name.clone(), moment.id.clone(), moment.at);
        Some(SourceSnapshot { source, id, at })
    }

    /// The database's own clock: that of whoever reads may be another one.
    async fn mark(&self) -> Result<serde_json::Value> {
        let session = self.session(&format!("source {}", self.config.name)).await?;
        let at = session.moment.at.to_rfc3339_opts(SecondsFormat::Micros, true);
        Ok(serde_json::Value::String(at))
    }
}

/// What the fields of a column are declared as, where they agree.
fn declared(object: &Object, column: &str) -> Option<FieldType> {
    let mut types = object.fields.iter().filter(|f| f.column == column).map(|f| f.field_type);
    let first = types.next()?;
    types.all(|other| other == first).then_some(first)
}
