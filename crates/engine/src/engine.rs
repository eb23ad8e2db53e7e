//! The ports `Engine` and `Snapshot`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use object_store::ObjectStore;
use outhaul_exports::catalog::{Catalog, Object};
use outhaul_exports::flow::RowStream;
use outhaul_exports::manifest::{ColumnNote, SnapshotNote, Warning};
use outhaul_exports::ports::{Content, Engine, RunLimits, Snapshot};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{DeletedRows, Path, Query, Select};
use outhaul_exports::session::{Mark, RESTARTED};
use outhaul_exports::{Clock, Error, Result, SystemClock};
use tokio::sync::{OnceCell, oneshot};

use crate::barrier::{TenantBarrierExec, refuse_unguarded};
use crate::content::{self, FilePath};
use crate::elements::{self, ElementsTable};
use crate::error::planning;
use crate::guard::{Guard, View};
use crate::nest::List;
use crate::plan::{self, Joins, ListPlan, Planned, increment};
use crate::session::{Run, Width};
use crate::sources::{self, Pinned, Since, Source, SourceConfig, Table, unknown_source};
use crate::sql;
use crate::stream::Ready;

/// Stack of the thread that plans. Bytes. Deep expressions are walked by recursion, and a stack
/// that overflows takes the whole process with it.
const PLANNING_STACK_BYTES: usize = 64 * 1024 * 1024;

/// The engine: a catalog and its sources.
pub struct DataFusionEngine {
    catalog: Arc<Catalog>,
    sources: Arc<HashMap<String, Arc<dyn Source>>>,
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
            let files = object.fields.iter().filter_map(|field| field.file.as_ref());
            let named = files.map(|file| &file.source).chain([&object.table.source]);
            if let Some(unknown) = named.into_iter().find(|name| !sources.contains_key(*name)) {
                return Err(unknown_source(&object.name, unknown));
            }
        }
        Ok(Self { catalog, sources: Arc::new(sources), clock })
    }

    /// Over one opened source, which every object of the catalog names.
    pub(crate) fn over(catalog: Arc<Catalog>, name: &str, source: Arc<dyn Source>) -> Self {
        let sources = Arc::new(HashMap::from([(name.to_owned(), source)]));
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
    /// How a query would be run: the operators, and what each source is asked for. Not for
    /// customers: it tells names of columns, and whose rows are whose.
    ///
    /// # Errors
    /// As [`Snapshot::check`].
    pub async fn explain(
        &self,
        scope: &TenantScope,
        limits: &RunLimits,
        query: &Query,
    ) -> Result<String> {
        let moment = self.moment(scope, limits).await?;
        let (ready, _) = planned(Arc::new(moment), query.clone()).await?;
        let mut text = String::new();
        explained(&ready.plan, 0, &mut text);
        for list in &ready.lists {
            explained(&list.plan, 0, &mut text);
        }
        Ok(text)
    }

    pub(crate) async fn moment(&self, scope: &TenantScope, limits: &RunLimits) -> Result<Inner> {
        let taken_at = self.clock.now();
        let mut tables: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for object in self.catalog.objects() {
            for object in std::iter::once(object).chain(&object.tombstones) {
                let tables = tables.entry(&object.table.source).or_default();
                tables.insert(object.table.table.clone());
            }
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
            sources: Arc::clone(&self.sources),
            pinned,
            tables: tokio::sync::Mutex::new(HashMap::new()),
            run,
            taken_at,
            guarantee,
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
    sources: Arc<HashMap<String, Arc<dyn Source>>>,
    pinned: HashMap<String, Arc<dyn Pinned>>,
    /// Tables by object, opened when first needed.
    tables: tokio::sync::Mutex<HashMap<String, Opened>>,
    run: Run,
    taken_at: DateTime<Utc>,
    guarantee: String,
}

#[async_trait]
impl Snapshot for Moment {
    fn note(&self) -> SnapshotNote {
        // Those whose rows nobody asked for have no moment.
        let sources = self.0.pinned.values().filter_map(|pinned| pinned.snapshot());
        SnapshotNote {
            taken_at: self.0.taken_at,
            guarantee: self.0.guarantee.clone(),
            sources: sources.collect(),
        }
    }

    async fn check(&self, query: &Query) -> Result<Vec<ColumnNote>> {
        let (ready, _) = planned(Arc::clone(&self.0), query.clone()).await?;
        Ok(ready.columns())
    }

    async fn open(&self, query: &Query) -> Result<RowStream> {
        let (ready, session) = planned(Arc::clone(&self.0), query.clone()).await?;
        ready.start(session.task_ctx())
    }

    async fn mark(&self, query: &Query) -> Result<Mark> {
        match query {
            Query::Select(select) => self.0.mark(select).await,
            Query::Sql { .. } => Err(Error::unsupported("SQL cannot be exported in a session")),
        }
    }

    async fn content(&self, query: &Query, field: &Path, reference: &str) -> Result<Content> {
        let Inner { catalog, scope, sources, .. } = &*self.0;
        let folder = content::folder(catalog, query, field)?;
        let path = FilePath::of(folder, scope, reference)?;
        let source = sources.get(&folder.source);
        let source = source.ok_or_else(|| unknown_source(&field.field, &folder.source))?;
        source.content(&path).await
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
        let (planned, warnings) = match query {
            Query::Select(select) => self.select(select).await?,
            Query::Sql { text } => (self.sql(text).await?, Vec::new()),
        };
        let Planned { plan, labels, json, width, estimated_rows, counted, lists } = planned;
        let session = self.run.session(width);
        let plan = session.optimize(&plan).map_err(planning)?;
        let plan = match pushed(&plan, session.config().batch_size()) {
            Some(plan) => plan,
            None => physical(session.clone(), plan).await.map_err(planning)?,
        };
        refuse_unguarded(&plan).map_err(planning)?;
        let unlabelled = usize::from(counted.is_some()) + usize::from(!lists.is_empty());
        if plan.schema().fields().len() != labels.len() + unlabelled {
            return Err(Error::internal("a plan has other columns than its query"));
        }
        let mut listed = Vec::with_capacity(lists.len());
        for ListPlan { label, plan, names, json } in lists {
            let plan = session.optimize(&plan).map_err(planning)?;
            let plan = physical(session.clone(), plan).await.map_err(planning)?;
            refuse_unguarded(&plan).map_err(planning)?;
            listed.push(List::new(label, plan, &names, &json));
        }
        let mut before = None;
        if let Query::Select(select) = query
            && let Some(logical) = self.deleted(select, &plan.schema()).await?
        {
            let logical = session.optimize(&logical).map_err(planning)?;
            let plan = physical(session.clone(), logical).await.map_err(planning)?;
            refuse_unguarded(&plan).map_err(planning)?;
            before = Some(plan);
        }
        let lists = listed;
        let ready = Ready { plan, labels, json, lists, estimated_rows, counted, before, warnings };
        Ok((ready, session))
    }

    async fn select(&self, select: &Select) -> Result<(Planned, Vec<Warning>)> {
        select.check(&self.catalog)?;
        let object = self.catalog.require(&select.object)?;
        let since = match &select.since {
            Some(mark) => Some(self.since(object, mark).await?),
            None => None,
        };
        let changed = since.map(|since| increment::changed(object, since)).transpose()?;
        let select = &increment::narrowed(select, object, changed.flatten())?;
        let joins = Joins::of(select, &self.catalog)?;
        let mut guards = Vec::new();
        for (object, view) in joins.objects() {
            // The first is the base object; what its relations lead to comes changed or not.
            let since = since.filter(|_| guards.is_empty());
            guards.push(self.guard_since(object, &view, since, select.since.as_ref()).await?);
        }
        let more = match &select.where_sql {
            Some(text) => {
                let session = self.run.session(Width::One);
                Some(sql::condition(text, &guards[0], joins.base_alias(), &session)?)
            }
            None => None,
        };
        let planned = plan::plan(select, &joins, &guards, more)?;
        let restarted = since == Some(Since::All);
        Ok((planned, restarted.then(|| restart(&object.name)).into_iter().collect()))
    }

    /// The rows that were deleted since, for a query that wants them.
    async fn deleted(&self, select: &Select, result: &SchemaRef) -> Result<Option<LogicalPlan>> {
        let object = self.catalog.require(&select.object)?;
        let Some(tombstones) = &object.tombstones else { return Ok(None) };
        if !select.is_increment() || select.deleted_rows() == DeletedRows::Exclude {
            return Ok(None);
        }
        let mark = select.since.as_ref();
        let since = match mark {
            Some(mark) => self.since(tombstones, mark).await?,
            None => Since::All,
        };
        let view = View::Select { joined: BTreeSet::new(), counted: false };
        let guard = self.guard_since(Arc::clone(tombstones), &view, Some(since), mark);
        increment::deleted(select, &guard.await?, since, result).map(Some)
    }

    /// How an object's changes since a mark are read.
    async fn since(&self, object: &Object, mark: &Mark) -> Result<Since> {
        if mark.source != object.table.source {
            return Ok(Since::All);
        }
        Ok(match (self.table(object).await?.since(mark)?, mark.held_from) {
            (Since::At(time), Some(held)) => Since::At(time.min(held)),
            (since, _) => since,
        })
    }

    /// Up to where a query reads its object, if what changed after can be told.
    async fn mark(&self, select: &Select) -> Result<Mark> {
        let object = self.catalog.require(&select.object)?;
        let source = &object.table.source;
        let pinned = self.pinned.get(source);
        let pinned = pinned.ok_or_else(|| unknown_source(&object.name, source))?;
        // A mark may tell of the tables that were opened, and of no others.
        for object in std::iter::once(object).chain(&object.tombstones) {
            self.table(object).await?;
        }
        let (source, taken_at) = (source.clone(), self.taken_at);
        let held_from = select.changed_until;
        let mark = Mark { held_from, ..Mark::new(source, taken_at, pinned.mark().await?) };
        for object in std::iter::once(object).chain(&object.tombstones) {
            increment::changed(object, self.since(object, &mark).await?)?;
        }
        Ok(mark)
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
        self.guard_since(object, view, None, None).await
    }

    /// The same, without what the source itself knows not to have changed.
    async fn guard_since(
        &self,
        object: Arc<Object>,
        view: &View,
        since: Option<Since>,
        mark: Option<&Mark>,
    ) -> Result<Arc<Guard>> {
        let table = self.table(&object).await?;
        let guard = Guard::new(object, table, &self.scope, view)?;
        Ok(Arc::new(match mark.filter(|_| since == Some(Since::Scan)) {
            Some(mark) => guard.with_since(mark.clone())?,
            None => guard,
        }))
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
            let table = source.table(&elements::stored(object)).await?;
            Ok(match &object.elements {
                Some(column) => Arc::new(ElementsTable::over(table, object, column)?),
                None => table,
            })
        };
        cell.get_or_try_init(|| open).await.map(Arc::clone)
    }
}

/// What the reader of an increment must know that begins anew.
fn restart(object: &str) -> Warning {
    Warning {
        code: RESTARTED.to_owned(),
        message: format!(
            "all rows of {object} came, not only those that changed: what the session remembered is \
             of another database, or too old"
        ),
        count: 1,
    }
}

/// Boxed, and made with all that it needs: futures that borrow plans are slow to compile.
type PlanFuture =
    Pin<Box<dyn Future<Output = datafusion::error::Result<Arc<dyn ExecutionPlan>>> + Send>>;

/// Makes an optimized logical plan physical.
fn physical(session: SessionState, plan: LogicalPlan) -> PlanFuture {
    Box::pin(async move {
        let planner = Arc::clone(session.query_planner());
        planner.create_physical_plan(&plan, &session).await
    })
}

/// Writes a plan, an operator a line, with what is behind the walls.
fn explained(plan: &Arc<dyn ExecutionPlan>, depth: usize, text: &mut String) {
    let line = displayable(plan.as_ref()).one_line().to_string();
    *text += &format!("{:width$}{}\n", "", line.trim_end(), width = 2 * depth);
    if let Some(barrier) = plan.downcast_ref::<TenantBarrierExec>() {
        explained(&barrier.exposed(), depth + 1, text);
    }
    for child in plan.children() {
        explained(child, depth + 1, text);
    }
}

/// A plan of a database's own, where all of the query lies in one and it gains by it: it joins,
/// groups, sorts or limits where the rows and the indexes are. All else is as well read at once in
/// several parts.
fn pushed(plan: &LogicalPlan, batch_rows: usize) -> Option<Arc<dyn ExecutionPlan>> {
    let mut gains = false;
    let mut tables = Vec::new();
    let mut open = vec![plan];
    while let Some(node) = open.pop() {
        gains |= matches!(
            node,
            LogicalPlan::Join(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::Limit(_)
        );
        if let LogicalPlan::TableScan(scan) = node {
            tables.push(source_as_provider(&scan.source).ok()?);
        }
        open.extend(node.inputs());
    }
    let guard = tables.first()?.downcast_ref::<Guard>()?;
    let statement = gains.then(|| guard.table().whole(plan, batch_rows))??;
    let table = Arc::clone(guard.table());
    Some(Arc::new(TenantBarrierExec::around(&guard.object().name, table, statement)))
}
