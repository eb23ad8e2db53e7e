//! The wall between tenants, as a node of the physical plan.
//!
//! DataFusion merges and reorders filters: a tenant's predicate in a view, in the logical plan or
//! even inside a table's own scan ends up beside the customer's, which may then see foreign rows
//! first and tell of them through an error. So the predicate is applied below a node that has no
//! children as far as any optimizer can see. Nothing can be moved through it, because for the
//! optimizer there is nothing behind it.
//!
//! A barrier cannot be built without a predicate, and [`refuse_unguarded`] refuses every plan in
//! which rows come from anywhere else.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, InListExpr, Literal};
use datafusion::physical_expr::{
    EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    SendableRecordBatchStream,
};
use datafusion::scalar::ScalarValue;
use futures::{StreamExt, TryStreamExt};

use crate::error::Fault;
use crate::sources::Table;

/// Which rows may pass: a column and the values it may hold.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    /// Index of the column in the scan's full schema.
    pub(crate) column: usize,
    /// Its name in the scan's full schema.
    pub(crate) name: String,
    /// Its type there.
    pub(crate) data_type: DataType,
    /// What it may hold.
    pub(crate) values: Vec<String>,
}

impl Admission {
    /// The predicate over a schema in which the column stands at `index`.
    pub(crate) fn predicate(&self, index: usize) -> Result<Arc<dyn PhysicalExpr>> {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&self.name, index));
        let mut literals = self.literals()?;
        if literals.len() == 1 {
            let value = Arc::new(Literal::new(literals.remove(0)));
            return Ok(Arc::new(BinaryExpr::new(column, Operator::Eq, value)));
        }
        if literals.is_empty() {
            return Ok(Arc::new(Literal::new(ScalarValue::Boolean(Some(false)))));
        }
        let list: Vec<Arc<dyn PhysicalExpr>> =
            literals.into_iter().map(|value| Arc::new(Literal::new(value)) as _).collect();
        let fields = (0..=index).map(|at| {
            let name = if at == index { self.name.clone() } else { format!("_{at}") };
            Field::new(name, self.data_type.clone(), true)
        });
        let schema = Schema::new(fields.collect::<Vec<_>>());
        Ok(Arc::new(InListExpr::try_new(column, list, false, &schema)?))
    }

    /// The values in the column's own type, so that nothing is converted row by row.
    pub(crate) fn literals(&self) -> Result<Vec<ScalarValue>> {
        self.values.iter().map(|value| literal(value, &self.data_type)).collect()
    }
}

fn literal(value: &str, data_type: &DataType) -> Result<ScalarValue> {
    if let DataType::Dictionary(key, inner) = data_type {
        let inner = literal(value, inner)?;
        return Ok(ScalarValue::Dictionary(key.clone(), Box::new(inner)));
    }
    ScalarValue::try_from_string(value.to_owned(), data_type)
}

/// What a barrier is made of, beside the scan. Columns are given by their place in the scan's
/// output.
pub(crate) struct Wall<'a> {
    /// The object, for messages.
    pub(crate) object: &'a str,
    /// What the scan reads.
    pub(crate) table: Arc<dyn Table>,
    /// The tenant's predicate: the first of all.
    pub(crate) tenant: (&'a Admission, usize),
    /// Further ones, all of which must hold too.
    pub(crate) narrower: Vec<(&'a Admission, usize)>,
    /// The columns that go on.
    pub(crate) keep: Vec<usize>,
    /// Whether to count the rows that pass.
    pub(crate) counted: bool,
    /// Rows of a batch.
    pub(crate) batch_rows: usize,
    /// About how many rows pass, where the order of a plan's joins may go by it.
    pub(crate) about: Option<u64>,
}

/// Name of the column that counts the rows that passed, where it is asked for.
pub(crate) const ROW: &str = "#row";

/// Rows of one object that one tenant may see.
pub(crate) struct TenantBarrierExec {
    object: String,
    table: Arc<dyn Table>,
    inner: Arc<dyn ExecutionPlan>,
    /// Whether the rows are counted in a last column. It tells the optimizer of an order that it
    /// can keep, and has to keep where the plan asks for it.
    counted: bool,
    /// About how many rows there are, for the optimizer.
    about: Option<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl TenantBarrierExec {
    /// Puts the wall over a scan.
    pub(crate) fn over(scan: Arc<dyn ExecutionPlan>, wall: Wall<'_>) -> Result<Self> {
        let Wall { object, table, tenant, narrower, keep, counted, batch_rows, about } = wall;
        let mut predicate = tenant.0.predicate(tenant.1)?;
        for (admission, index) in narrower {
            let right = admission.predicate(index)?;
            predicate = Arc::new(BinaryExpr::new(predicate, Operator::And, right));
        }
        let filter = FilterExecBuilder::new(predicate, scan)
            .apply_projection(Some(keep))?
            .with_batch_size(batch_rows)
            .build()?;
        let inner: Arc<dyn ExecutionPlan> = Arc::new(filter);
        let parts = inner.output_partitioning().partition_count();
        if counted && parts != 1 {
            return Err(DataFusionError::Internal(
                "rows of several parts cannot be counted".into(),
            ));
        }
        let mut fields: Vec<_> = inner.schema().fields().iter().cloned().collect();
        if counted {
            fields.push(Arc::new(Field::new(ROW, DataType::UInt64, false)));
        }
        let schema = Arc::new(Schema::new(fields));
        let mut order = EquivalenceProperties::new(Arc::clone(&schema));
        if counted {
            let row = Arc::new(Column::new(ROW, schema.fields().len() - 1));
            order.add_ordering([PhysicalSortExpr::new_default(row)]);
        }
        let properties = PlanProperties::new(
            order,
            Partitioning::UnknownPartitioning(parts),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let properties = Arc::new(properties);
        let about = about.and_then(|rows| usize::try_from(rows).ok());
        Ok(Self { object: object.to_owned(), table, inner, counted, about, schema, properties })
    }

    /// A statement of a database that holds its own wall: it reads every object's rows through what
    /// the object's guard admits, before anything else is done with them.
    pub(crate) fn around(
        object: &str,
        table: Arc<dyn Table>,
        statement: Arc<dyn ExecutionPlan>,
    ) -> Self {
        let schema = statement.schema();
        let properties = Arc::clone(statement.properties());
        let object = object.to_owned();
        Self { object, table, inner: statement, counted: false, about: None, schema, properties }
    }

    /// What is behind the wall, for those who may see it: tests, and the owner of all rows.
    pub(crate) fn exposed(&self) -> Arc<dyn ExecutionPlan> {
        Arc::clone(&self.inner)
    }

    /// What is behind the wall, as text for tests.
    #[cfg(test)]
    pub(crate) fn behind(&self) -> String {
        datafusion::physical_plan::displayable(self.inner.as_ref()).indent(false).to_string()
    }
}

impl fmt::Debug for TenantBarrierExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantBarrierExec({})", self.object)
    }
}

impl DisplayAs for TenantBarrierExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.schema.fields().iter().map(|field| field.name().clone()).collect();
        write!(f, "TenantBarrierExec: object={}, columns=[{}]", self.object, names.join(", "))
    }
}

impl ExecutionPlan for TenantBarrierExec {
    fn name(&self) -> &'static str {
        "TenantBarrierExec"
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
        Err(DataFusionError::Internal("a barrier has no children".into()))
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let all = Statistics::new_unknown(&self.schema);
        let about = self.about.filter(|_| args.partition().is_none());
        Ok(Arc::new(match about {
            // Never as a number of rows that somebody may be told: only to compare.
            Some(rows) => all.with_num_rows(Precision::Inexact(rows)),
            None => all,
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.inner.execute(partition, context)?;
        let (object, table) = (self.object.clone(), Arc::clone(&self.table));
        let rows = rows.or_else(move |cause| of_source(object.clone(), Arc::clone(&table), cause));
        let counted = self.counted.then(|| Arc::clone(&self.schema));
        let mut next = 0_u64;
        let rows = rows.map(move |batch| {
            let batch = batch?;
            let Some(schema) = &counted else { return Ok(batch) };
            let first = next;
            next += batch.num_rows() as u64;
            let mut columns = batch.columns().to_vec();
            columns.push(Arc::new(UInt64Array::from_iter_values(first..next)));
            Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }
}

/// Says which object's files an error comes from, and whether they are still those of the run.
async fn of_source(
    object: String,
    table: Arc<dyn Table>,
    cause: DataFusionError,
) -> Result<RecordBatch> {
    if matches!(cause.find_root(), DataFusionError::ResourcesExhausted(_)) {
        return Err(cause);
    }
    let cause = table.still_there().await.err().unwrap_or(cause);
    Err(Fault::Source { object, cause: Box::new(cause) }.carried())
}

/// Refuses a plan in which rows come from anything but a barrier (or from nothing at all).
pub(crate) fn refuse_unguarded(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    let mut open = vec![plan];
    while let Some(node) = open.pop() {
        let children = node.children();
        let guarded = node.downcast_ref::<TenantBarrierExec>().is_some();
        if children.is_empty() && !guarded && !rowless(node.name()) {
            return Err(DataFusionError::Internal(format!(
                "a plan reads rows with {} and no barrier",
                node.name()
            )));
        }
        open.extend(children);
    }
    Ok(())
}

/// Leaves that read nothing: no rows, one row without columns, or the constants of a VALUES list.
fn rowless(name: &str) -> bool {
    matches!(name, "EmptyExec" | "PlaceholderRowExec")
}
