//! The node of a plan that streams what statements of a database answer.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;
use futures::stream::BoxStream;

/// Batches of a statement's answer.
pub(crate) type BatchStream = BoxStream<'static, Result<RecordBatch>>;

/// What begins to read. Called once for each execution of the plan; nothing may be asked of the
/// database before the stream is polled.
type Open = Arc<dyn Fn(&Arc<TaskContext>) -> BatchStream + Send + Sync>;

/// See the module. Its rows come in one partition.
pub(crate) struct StatementExec {
    /// The source, for those who read plans.
    source: String,
    /// The statement, for those who read plans.
    statement: String,
    schema: SchemaRef,
    open: Open,
    properties: Arc<PlanProperties>,
}

impl StatementExec {
    /// Reads by `open`, which answers batches of this schema.
    pub(crate) fn new(
        source: &str,
        statement: String,
        schema: SchemaRef,
        open: impl Fn() -> BatchStream + Send + Sync + 'static,
    ) -> Self {
        Self::with_context(source, statement, schema, move |_| open())
    }

    /// The same, for what needs to know within which limits it runs.
    pub(crate) fn with_context(
        source: &str,
        statement: String,
        schema: SchemaRef,
        open: impl Fn(&Arc<TaskContext>) -> BatchStream + Send + Sync + 'static,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let properties = Arc::new(properties);
        Self { source: source.to_owned(), statement, schema, open: Arc::new(open), properties }
    }
}

/// A stream that is made when it is first polled.
pub(crate) fn lazy<F>(open: F) -> BatchStream
where
    F: Future<Output = Result<BatchStream>> + Send + 'static,
{
    let opened = async move {
        match open.await {
            Ok(batches) => batches,
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        }
    };
    futures::stream::once(opened).flatten().boxed()
}

impl fmt::Debug for StatementExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatementExec({})", self.source)
    }
}

impl DisplayAs for StatementExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatementExec: source={}, statement=[{}]", self.source, self.statement)
    }
}

impl ExecutionPlan for StatementExec {
    fn name(&self) -> &'static str {
        "StatementExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            return Ok(self);
        }
        Err(DataFusionError::Internal("a statement has no children".into()))
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = (self.open)(&context);
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }
}
