//! The ports `Engine` and `Snapshot`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use object_store::ObjectStore;
use outhaul_exports::catalog::{Catalog, Object};
use outhaul_exports::flow::RowStream;
use outhaul_exports::manifest::{ColumnNote, SnapshotNote};
use outhaul_exports::ports::{Engine, RunLimits, Snapshot};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{Query, Select};
use outhaul_exports::{Clock, Error, Result, SystemClock};
use tokio::sync::{OnceCell, oneshot};

use crate::barrier::refuse_unguarded;
use crate::error::planning;
use crate::guard::{Guard, View};
use crate::plan::{self, Joins, Planned};
use crate::session::{Run, Width};
use crate::sources::{self, Pinned, Source, SourceConfig, Table, unknown_source};
use crate::sql;
use crate::stream::Ready;

/// Stack of the thread that plans. Bytes. Deep expressions are walked by recursion, and a stack
/// that overflows takes the whole process with it.
const PLANNING_STACK_BYTES: usize = 64 * 1024 * 1024;

/// The engine: a catalog and its sources.
pub struct DataFusionEngine {
    catalog: Arc<Catalog>,
    sources: HashMap<String, Arc<dyn Source>>,
    clock: Arc<dyn Clock>,
}

impl DataFusionEngine {
    /// Opens the sources. Nothing is read yet.
    ///
    /// # Errors
    /// `Invalid` for a source that is configured wrongly or twice, or that an object names and
    /// nobody configured; `Unavailable` for a local folder that is not there.
    pub fn new(catalog: Arc<Catalog>, sources: Vec<SourceConfig>) -> Result<Self> {
        Self::with_stores(catalog, sources, HashMap::new(), Arc::new(SystemClock))
    }

    /// Opens the sources with stores that stand in for those of their URLs, by source name.
    ///
    /// # Errors
    /// As [`DataFusionEngine::new`].
    pub fn with_stores(
        catalog: Arc<Catalog>,
        configs: Vec<SourceConfig>,
        mut stores: HashMap<String, Arc<dyn ObjectStore>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let mut sources = HashMap::new();
        for config in configs {
            let source = sources::open(&config, stores.remove(config.name()))?;
            if sources.insert(config.name().to_owned(), source).is_some() {
                let name = config.name();
                let text = format!("there are two sources named {name}");
                return Err(Error::invalid(format!("sources.{name}"), text));
            }
        }
        for object in catalog.objects() {
            if !sources.contains_key(&object.table.source) {
                return Err(unknown_source(&object.name, &object.table.source));
            }
        }
        Ok(Self { catalog, sources, clock })
    }

    /// Over one opened source, which every object of the catalog names.
    pub(crate) fn over(catalog: Arc<Catalog>, name: &str, source: Arc<dyn Source>) -> Self {
        let sources = HashMap::from([(name.to_owned(), source)]);
        Self { catalog, sources, clock: Arc::new(SystemClock) }
    }
}

#[async_trait]
impl Engine for DataFusionEngine {
    async fn begin(&self, scope: &TenantScope, limits: &RunLimits) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(Moment(Arc::new(self.moment(scope, limits).await?))))
    }
}

impl DataFusionEngine {
    pub(crate) async fn moment(&self, scope: &TenantScope, limits: &RunLimits) -> Result<Inner> {
        let taken_at = self.clock.now();
        let mut tables: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for object in self.catalog.objects() {
            tables.entry(&object.table.source).or_default().insert(object.table.table.clone());
        }
        let mut pinned = HashMap::new();
        let mut guarantees = BTreeSet::new();
        for (name, tables) in tables {
            let source =
                self.sources.get(name).ok_or_else(|| Error::internal("a source went missing"))?;
            guarantees.insert(source.guarantee());
            pinned.insert(name.to_owned(), source.pin(&tables).await?);
        }
        let run = Run::new(limits, pinned.values().filter_map(|p| p.store()).collect(), taken_at)?;
        let guarantee = guarantees.into_iter().collect::<Vec<_>>().join("; ");
        Ok(Inner {
            catalog: Arc::clone(&self.catalog),
            scope: scope.clone(),
            pinned,
            tables: tokio::sync::Mutex::new(HashMap::new()),
            run,
            note: SnapshotNote { taken_at, guarantee },
        })
    }
}

/// A table that is opened once, by whoever asks first.
type Opened = Arc<OnceCell<Arc<dyn Table>>>;

/// One moment of the sources, seen by one tenant.
struct Moment(Arc<Inner>);

pub(crate) struct Inner {
    catalog: Arc<Catalog>,
    scope: TenantScope,
    pinned: HashMap<String, Arc<dyn Pinned>>,
    /// Tables by object, opened when first needed.
    tables: tokio::sync::Mutex<HashMap<String, Opened>>,
    run: Run,
    note: SnapshotNote,
}

#[async_trait]
impl Snapshot for Moment {
    fn note(&self) -> SnapshotNote {
        self.0.note.clone()
    }

    async fn check(&self, query: &Query) -> Result<Vec<ColumnNote>> {
        let (ready, _) = planned(Arc::clone(&self.0), query.clone()).await?;
        Ok(ready.columns())
    }

    async fn open(&self, query: &Query) -> Result<RowStream> {
        let (ready, session) = planned(Arc::clone(&self.0), query.clone()).await?;
        ready.start(session.task_ctx())
    }
}

/// Plans on a thread with a large stack. Dropping the future ends the planning at its next pause.
async fn planned(inner: Arc<Inner>, query: Query) -> Result<(Ready, SessionState)> {
    let runtime = tokio::runtime::Handle::current();
    let (mut done, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name("plan".to_owned())
        .stack_size(PLANNING_STACK_BYTES)
        .spawn(move || {
            let result = runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = done.closed() => None,
                    result = inner.ready(&query) => Some(result),
                }
            });
            if let Some(result) = result {
                // Nobody waits any more: then nobody needs the plan.
                let _ = done.send(result);
            }
        })
        .map_err(|cause| {
            Error::unavailable("no thread is free to plan the query").with_source(cause)
        })?;
    answer.await.map_err(|_| Error::internal("planning ended without an answer"))?
}

impl Inner {
    /// The plan of a query, checked and ready to run.
    pub(crate) async fn ready(&self, query: &Query) -> Result<(Ready, SessionState)> {
        let planned = match query {
            Query::Select(select) => self.select(select).await?,
            Query::Sql { text } => self.sql(text).await?,
        };
        let Planned { plan, labels, json, width, estimated_rows, counted } = planned;
        let session = self.run.session(width);
        let plan = physical(session.clone(), plan).await.map_err(planning)?;
        refuse_unguarded(&plan).map_err(planning)?;
        if plan.schema().fields().len() != labels.len() + usize::from(counted.is_some()) {
            return Err(Error::internal("a plan has other columns than its query"));
        }
        Ok((Ready { plan, labels, json, estimated_rows, counted }, session))
    }

    async fn select(&self, select: &Select) -> Result<Planned> {
        select.check(&self.catalog)?;
        let joins = Joins::of(select, &self.catalog)?;
        let mut guards = Vec::new();
        for (object, view) in joins.objects() {
            guards.push(self.guard(object, &view).await?);
        }
        let more = match &select.where_sql {
            Some(text) => {
                let session = self.run.session(Width::One);
                Some(sql::condition(text, &guards[0], joins.base_alias(), &session)?)
            }
            None => None,
        };
        plan::plan(select, &joins, &guards, more)
    }

    async fn sql(&self, text: &str) -> Result<Planned> {
        let parsed = sql::parse(text, &self.catalog)?;
        let mut guards = Vec::new();
        for object in parsed.objects() {
            guards.push(self.guard(Arc::clone(object), &View::Sql).await?);
        }
        sql::plan(parsed, &guards, &self.run.session(Width::One))
    }

    /// An object as this run may see it.
    async fn guard(&self, object: Arc<Object>, view: &View) -> Result<Arc<Guard>> {
        let table = self.table(&object).await?;
        Ok(Arc::new(Guard::new(object, table, &self.scope, view)?))
    }

    async fn table(&self, object: &Object) -> Result<Arc<dyn Table>> {
        let cell = {
            let mut tables = self.tables.lock().await;
            Arc::clone(tables.entry(object.name.clone()).or_default())
        };
        let open = async {
            let source = self.pinned.get(&object.table.source);
            let source =
                source.ok_or_else(|| unknown_source(&object.name, &object.table.source))?;
            source.table(object).await
        };
        cell.get_or_try_init(|| open).await.map(Arc::clone)
    }
}

/// Boxed, and made with all that it needs: futures that borrow plans are slow to compile.
type PlanFuture =
    Pin<Box<dyn Future<Output = datafusion::error::Result<Arc<dyn ExecutionPlan>>> + Send>>;

/// Optimizes a logical plan and makes it physical.
fn physical(session: SessionState, plan: LogicalPlan) -> PlanFuture {
    Box::pin(async move { session.create_physical_plan(&plan).await })
}
