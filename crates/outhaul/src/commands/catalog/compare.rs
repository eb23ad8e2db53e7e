//! The catalog against what its sources hold, by the engine's own word: every object is planned as
//! an export of it would be, and what the engine says against that is what is wrong. Nothing is
//! read but names and schemas, so a value that is not what it should be is not found here.

use std::collections::BTreeSet;
use std::sync::Arc;

use outhaul_engine::DataFusionEngine;
use outhaul_engine::sources::SourceConfig;
use outhaul_exports::catalog::{Cardinality, Catalog, Field, Object, Relation};
use outhaul_exports::limits::COLUMNS_MAX;
use outhaul_exports::ports::{Engine as _, RunLimits, Snapshot};
use outhaul_exports::principal::{Tenant, TenantId, TenantScope};
use outhaul_exports::query::{
    Column, DeletedRows, Expr, OrderBy, Path, Protection, Query, RelatedList, Select,
};
use outhaul_exports::{Error, Result};

use crate::commands::run::Spill;
use crate::config::Checked;

/// Memory of the engine while it plans. Bytes.
const MEMORY_BYTES: u64 = 64 << 20;

/// Everything in which the catalog differs from its sources, in sentences.
///
/// # Errors
/// When there is no room for a temporary folder.
pub async fn compare(checked: &Checked, sources: &[SourceConfig]) -> anyhow::Result<Vec<String>> {
    let unreadable = unreadable(sources);
    if !unreadable.is_empty() {
        return Ok(unreadable);
    }
    let spill = Spill::new(None)?;
    let limits = RunLimits {
        memory_bytes: MEMORY_BYTES,
        spill_bytes: 0,
        spill_dir: spill.0.clone(),
        threads: 1,
    };
    let moment = match moment(checked, sources, &limits).await {
        Ok(moment) => moment,
        Err(error) => return Ok(vec![error.chain()]),
    };
    let mut problems = Problems::default();
    for object in checked.catalog.objects() {
        let checking = Checking { moment: moment.as_ref(), catalog: &checked.catalog, object };
        checking.fields(&mut problems).await;
        checking.deleted(&mut problems).await;
        checking.relations(&mut problems).await;
    }
    Ok(problems.list)
}

/// Sources that cannot even be opened. The engine opens all of them or none.
fn unreadable(sources: &[SourceConfig]) -> Vec<String> {
    let opened = sources.iter().map(|source| {
        let nothing = Arc::new(Catalog::default());
        let opened = DataFusionEngine::new(nothing, vec![source.clone()]);
        opened.err().map(|e| format!("source {} cannot be read: {}", source.name(), e.chain()))
    });
    opened.flatten().collect()
}

async fn moment(
    checked: &Checked,
    sources: &[SourceConfig],
    limits: &RunLimits,
) -> Result<Box<dyn Snapshot>> {
    let engine = DataFusionEngine::new(Arc::clone(&checked.catalog), sources.to_vec())?;
    engine.begin(&scope(checked), limits).await
}

/// The scope of the first tenant, narrowed in every way that there is, so that all columns that
/// decide on rows are asked for.
fn scope(checked: &Checked) -> TenantScope {
    if let Some(tenant) = checked.tenants.iter().min_by_key(|tenant| &tenant.id) {
        return TenantScope::of(tenant)
            .with_entities(tenant.entities.clone())
            .with_orgs(tenant.orgs.clone());
    }
    // Before there is a tenant: a value that fits texts and numbers.
    let nobody = Tenant {
        id: TenantId::from("nobody"),
        label: String::new(),
        value: "0".to_owned(),
        zone: chrono_tz::Tz::UTC,
        entities: Vec::new(),
        orgs: Vec::new(),
        public_key: None,
    };
    TenantScope::of(&nobody).with_entities(Vec::new()).with_orgs(Vec::new())
}

/// One object before the engine.
struct Checking<'a> {
    moment: &'a dyn Snapshot,
    catalog: &'a Catalog,
    object: &'a Object,
}

impl Checking<'_> {
    /// All fields at once; where that fails, one by one, so that every mistake is told.
    async fn fields(&self, problems: &mut Problems) {
        for some in self.object.fields.chunks(COLUMNS_MAX) {
            let columns = some.iter().map(|field| column(Vec::new(), field)).collect();
            let Err(all) = self.check(columns).await else { continue };
            let before = problems.list.len();
            for field in some {
                if let Err(error) = self.check(vec![column(Vec::new(), field)]).await {
                    problems.add(self.object, &error, Some(field));
                }
            }
            if problems.list.len() == before {
                problems.add(self.object, &all, None);
            }
        }
    }

    /// The column that marks deleted rows.
    async fn deleted(&self, problems: &mut Problems) {
        let Some(column) = &self.object.deleted_column else { return };
        let label = "deleted".to_owned();
        let mark = Column { label, expr: Expr::IsDeleted, protection: Protection::Plain };
        // What fails every query of the object is told by its fields.
        if let Err(error) = self.check(vec![mark]).await
            && !problems.seen.contains(&error.chain())
        {
            let text = format!("object {}: its deleted_column {column}", self.object.name);
            problems.list.push(format!("{text} cannot be used: {}", error.chain()));
        }
    }

    /// Each relation that an export can follow, to one field of its target.
    async fn relations(&self, problems: &mut Problems) {
        for relation in &self.object.relations {
            let target = self.catalog.object(&relation.target);
            let Some(field) = target.and_then(|target| target.fields.first()) else { continue };
            // Of relations to many rows only those are followed whose rows are part of this one's.
            if relation.cardinality == Cardinality::ToMany {
                if relation.embedded
                    && let Err(error) = self.list(relation, field).await
                {
                    problems.add(self.object, &error, None);
                }
                continue;
            }
            let columns = vec![column(vec![relation.name.clone()], field)];
            if let Err(error) = self.check(columns).await {
                problems.add(self.object, &error, None);
            }
        }
    }

    /// A list of what is embedded, in the order of the key by which it is found.
    async fn list(&self, relation: &Relation, field: &Field) -> Result<()> {
        let Some(key) = self.object.key.first() else { return Ok(()) };
        let mut select = Select::of(self.object.name.clone());
        select.columns = vec![column(Vec::new(), self.object.require_field(key)?)];
        select.order_by = vec![OrderBy { expr: Expr::own(key), descending: false }];
        select.lists = vec![RelatedList {
            label: relation.name.clone(),
            relation: relation.name.clone(),
            columns: vec![column(Vec::new(), field)],
        }];
        self.moment.check(&Query::Select(Box::new(select))).await.map(drop)
    }

    async fn check(&self, columns: Vec<Column>) -> Result<()> {
        let mut select = Select::of(self.object.name.clone());
        select.columns = columns;
        // Rows are left out by a column that is asked for on its own.
        select.deleted = DeletedRows::Include;
        self.moment.check(&Query::Select(Box::new(select))).await.map(drop)
    }
}

fn column(relations: Vec<String>, field: &Field) -> Column {
    Column {
        label: field.name.clone(),
        expr: Expr::Field(Path { relations, field: field.name.clone() }),
        protection: if field.sensitive { Protection::Masked } else { Protection::Plain },
    }
}

/// What is wrong, each once: a table that is not there fails every query of it.
#[derive(Default)]
struct Problems {
    list: Vec<String>,
    seen: BTreeSet<String>,
}

impl Problems {
    fn add(&mut self, object: &Object, error: &Error, field: Option<&Field>) {
        let mut text = error.chain();
        if !error.public().starts_with("object ") {
            text = format!("object {}: {text}", object.name);
        }
        if !self.seen.insert(text.clone()) {
            return;
        }
        self.list.push(match field {
            // The engine speaks to customers, who do not know columns.
            Some(field) if error.public().contains(&format!("field {} ", field.name)) => {
                format!("{text} (column {})", field.column)
            }
            _ => text,
        });
    }
}
