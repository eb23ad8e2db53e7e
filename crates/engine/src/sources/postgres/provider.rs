//! The port of the source: opens a moment when the first table is asked for, tables, and the list of
//! what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectStore;
use outhaul_exports::catalog::{FieldType, Object};
use outhaul_exports::manifest::SourceSnapshot;
use outhaul_exports::{Error, Result};
use tokio::sync::OnceCell;

use super::config::Config;
use super::connect::Connector;
use super::describe::{self, Relation};
use super::mark;
use super::read::failure;
use super::session::{Lost, Session};
use super::table::{PostgresTable, schema_of};
use super::types::{Column, Described};
use crate::sources::{
    Discovered, DiscoveredColumn, DiscoveredReference, DiscoveredTable, LeftOut, Pinned, Source,
    Table,
};

/// An opened `postgres` source.
pub(crate) struct PostgresSource {
    config: Arc<Config>,
    connector: Arc<Connector>,
}

impl PostgresSource {
    pub(crate) fn open(config: &Config) -> Result<Self> {
        let connector = Arc::new(Connector::new(config)?);
        Ok(Self { config: Arc::new(config.clone()), connector })
    }

    fn moment(&self) -> PinnedPostgres {
        PinnedPostgres {
            config: Arc::clone(&self.config),
            connector: Arc::clone(&self.connector),
            session: OnceCell::new(),
            leaves: Mutex::default(),
        }
    }
}

impl fmt::Debug for PostgresSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresSource({})", self.config.name)
    }
}

#[async_trait]
impl Source for PostgresSource {
    fn guarantee(&self) -> &'static str {
        "all rows are those of one snapshot of the database, whatever is written to it meanwhile"
    }

    async fn pin(&self, _: &BTreeSet<String>) -> Result<Arc<dyn Pinned>> {
        Ok(Arc::new(self.moment()))
    }

    async fn discover(&self) -> Result<Discovered> {
        let moment = self.moment();
        let session = moment.session("the catalog").await?;
        let client = session.client();
        let schema = self.config.schema.as_str();
        let failed = |cause| failure("of the catalog", cause);
        let estimates = describe::estimates(client, schema).await.map_err(failed)?;
        let (mut tables, mut left_out) = (Vec::new(), Vec::new());
        for name in describe::names(client, schema).await.map_err(failed)? {
            // What went away since the names were read is not missed.
            let found = describe::relation(client, schema, &name).await.map_err(failed)?;
            let Some(relation) = found else { continue };
            if relation.columns.is_empty() {
                let why = Error::invalid(&name, format!("table {name} has no columns"));
                left_out.push(LeftOut { table: name, why });
                continue;
            }
            let references = describe::references(client, relation.oid).await.map_err(failed)?;
            let references = references.into_iter().map(|reference| DiscoveredReference {
                name: reference.name,
                columns: reference.columns,
                table: self.table_name(&reference.schema, &reference.table),
                target: reference.target,
            });
            let rows = estimates.get(&name).copied();
            tables.push(discovered(&relation, references.collect(), rows));
        }
        Ok(Discovered { tables, left_out })
    }
}

impl PostgresSource {
    /// What an object's `table` would say.
    fn table_name(&self, schema: &str, table: &str) -> String {
        if schema == self.config.schema { table.to_owned() } else { format!("{schema}.{table}") }
    }
}

fn discovered(
    relation: &Relation,
    references: Vec<DiscoveredReference>,
    rows: Option<u64>,
) -> DiscoveredTable {
    let column = |column: &Described| DiscoveredColumn {
        name: column.name.clone(),
        column_type: column.shown.clone(),
        field_type: Column::field_type(column),
        nullable: column.nullable,
        label: column.comment.clone(),
    };
    let key = if relation.has_key { relation.unique.first() } else { None };
    DiscoveredTable {
        name: relation.name.clone(),
        columns: relation.columns.iter().map(column).collect(),
        rows,
        guessed: false,
        label: relation.comment.clone(),
        key: key.cloned().unwrap_or_default(),
        references,
    }
}

/// A moment, which begins when the first table is asked for: an export that reads other sources
/// only does not need this one to be there.
struct PinnedPostgres {
    config: Arc<Config>,
    connector: Arc<Connector>,
    session: OnceCell<Arc<Session>>,
    /// The parts of the tables that were opened, for the mark.
    leaves: Mutex<BTreeMap<String, BTreeSet<u32>>>,
}

impl fmt::Debug for PinnedPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedPostgres({})", self.config.name)
    }
}

impl PinnedPostgres {
    async fn session(&self, object: &str) -> Result<&Arc<Session>> {
        let begin = async {
            let session = Session::begin(Arc::clone(&self.connector), &self.config).await;
            session.map(Arc::new).map_err(|lost| match lost {
                Lost::Database(cause) => failure(object, cause),
                lost @ (Lost::TooOld(_) | Lost::Answer) => Error::unavailable(format!(
                    "source_refused: the database of object {object} cannot be used: {lost}"
                )),
            })
        };
        self.session.get_or_try_init(|| begin).await
    }

    /// Schema and name of a table: one that the configured schema has goes first, so that a name may
    /// hold a point.
    async fn find(&self, session: &Session, object: &Object) -> Result<Relation> {
        let named = object.table.table.as_str();
        let failed = |cause| failure(&object.name, cause);
        let mut places = vec![(self.config.schema.as_str(), named)];
        places.extend(named.split_once('.'));
        for (schema, name) in places {
            let found = describe::relation(session.client(), schema, name).await.map_err(failed)?;
            if let Some(relation) = found {
                return Ok(relation);
            }
        }
        let text =
            format!("source_missing: object {}: its source has no table for it", object.name);
        Err(Error::unavailable(text)
            .with_internal(format!("table {named} in source {}", self.config.name)))
    }
}

#[async_trait]
impl Pinned for PinnedPostgres {
    fn store(&self) -> Option<(ObjectStoreUrl, Arc<dyn ObjectStore>)> {
        None
    }

    async fn table(&self, object: &Object) -> Result<Arc<dyn Table>> {
        let session = self.session(&object.name).await?;
        let relation = self.find(session, object).await?;
        let held = describe::hold(session.client(), &relation).await;
        if !held.map_err(|cause| failure(&object.name, cause))? {
            let text =
                "its table was emptied or rewritten while the export ran; it can be tried again";
            let text = format!("source_changed: object {}: {text}", object.name);
            return Err(Error::unavailable(text));
        }
        let leaves = describe::leaves(session.client(), &relation).await;
        let leaves = leaves.map_err(|cause| failure(&object.name, cause))?;
        let oids = leaves.iter().map(|leaf| leaf.oid).collect();
        let mut known = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(relation.quoted(), oids);
        drop(known);
        let digits = self.config.decimal_digits;
        let columns = relation.columns.iter();
        let columns = columns.map(|c| Column::of(c, declared(object, &c.name), digits));
        let columns: Vec<_> = columns.collect();
        Ok(Arc::new(PostgresTable {
            source: self.config.name.clone(),
            session: Arc::clone(session),
            object: object.name.clone(),
            schema: schema_of(&columns),
            relation,
            leaves,
            columns,
            decimal_digits: digits,
        }))
    }

    fn snapshot(&self) -> Option<SourceSnapshot> {
        let moment = &self.session.get()?.moment;
        let (source, id, at) = (self.config.name.clone(), moment.id.clone(), moment.at);
        Some(SourceSnapshot { source, id, at })
    }

    async fn mark(&self) -> Result<serde_json::Value> {
        let session = self.session("of the session").await?;
        let leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner).clone();
        serde_json::to_value(mark::Value::of(&session.moment, leaves))
            .map_err(|cause| Error::internal("a mark is no JSON").with_source(cause))
    }
}

/// What the fields of a column are declared as, where they agree.
fn declared(object: &Object, column: &str) -> Option<FieldType> {
    let mut types = object.fields.iter().filter(|f| f.column == column).map(|f| f.field_type);
    let first = types.next()?;
    types.all(|other| other == first).then_some(first)
}
