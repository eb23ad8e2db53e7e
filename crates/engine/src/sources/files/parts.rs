//! The scan of files by readers of our own: which parts of which files each partition reads, and
//! the values of folders beside those of the files.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
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
use datafusion::scalar::ScalarValue;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore};

/// Parts of files that are read at once are at least so long. Bytes.
const PART_BYTES: u64 = 1024 * 1024;

/// Some bytes of a file.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) file: Arc<File>,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// A file, with the values that its folders give.
#[derive(Debug)]
pub(super) struct File {
    /// Its place among all files of the table.
    pub(super) at: usize,
    pub(super) meta: ObjectMeta,
    pub(super) folders: Vec<ScalarValue>,
}

/// Where a column of the scan comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The next column of the reader.
    File,
    /// A value of the folders.
    Folder(usize),
}

/// Reads rows of one format.
pub(super) trait Reader: fmt::Debug + Send + Sync {
    /// What the scan is called.
    fn name(&self) -> &'static str;

    /// The rows that belong to a part of a file, each to one part only, in their order: batches of
    /// the columns that come from files.
    fn read(
        &self,
        store: Arc<dyn ObjectStore>,
        part: Part,
    ) -> BoxStream<'static, Result<RecordBatch>>;
}

/// See the module.
pub(super) struct PartsExec {
    store: Arc<dyn ObjectStore>,
    reader: Arc<dyn Reader>,
    /// What each partition reads, in order.
    partitions: Vec<Vec<Part>>,
    schema: SchemaRef,
    origins: Arc<[Origin]>,
    properties: Arc<PlanProperties>,
}

impl PartsExec {
    /// Reads files in at most so many partitions; `schema` and `origins` are of the scan's columns.
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        reader: Arc<dyn Reader>,
        files: &[Arc<File>],
        schema: SchemaRef,
        origins: Vec<Origin>,
        partitions: usize,
    ) -> Self {
        let partitions = divided(files, partitions);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (origins, properties) = (origins.into(), Arc::new(properties));
        Self { store, reader, partitions, schema, origins, properties }
    }
}

/// Divides the bytes of all files evenly. One partition has the files in their order.
fn divided(files: &[Arc<File>], partitions: usize) -> Vec<Vec<Part>> {
    let total: u64 = files.iter().map(|file| file.meta.size).sum();
    let most = usize::try_from(total / PART_BYTES).unwrap_or(usize::MAX);
    let share = total.div_ceil(partitions.min(most).max(1) as u64).max(1);
    let mut parts = vec![Vec::new()];
    let mut room = share;
    for file in files {
        let mut start = 0;
        while start < file.meta.size {
            if room == 0 {
                parts.push(Vec::new());
                room = share;
            }
            let end = file.meta.size.min(start + room);
            room -= end - start;
            if let Some(last) = parts.last_mut() {
                last.push(Part { file: Arc::clone(file), start, end });
            }
            start = end;
        }
    }
    parts
}

/// The rows of a reader, with the values of the folders beside them.
fn with_folders(
    batch: &RecordBatch,
    schema: &SchemaRef,
    origins: &[Origin],
    folders: &[ScalarValue],
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let mut own = batch.columns().iter();
    let missing = || DataFusionError::Internal("a reader gave other columns than asked for".into());
    let column = |origin: &Origin| -> Result<ArrayRef> {
        match origin {
            Origin::File => own.next().cloned().ok_or_else(missing),
            Origin::Folder(at) => folders.get(*at).ok_or_else(missing)?.to_array_of_size(rows),
        }
    };
    let columns = origins.iter().map(column).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

impl fmt::Debug for PartsExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} partitions)", self.reader.name(), self.partitions.len())
    }
}

impl DisplayAs for PartsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut files: Vec<_> = self.partitions.iter().flatten().map(|part| part.file.at).collect();
        files.dedup();
        let name = self.reader.name();
        write!(f, "{name}: files={}, columns=[{}]", files.len(), names.join(", "))
    }
}

impl ExecutionPlan for PartsExec {
    fn name(&self) -> &'static str {
        self.reader.name()
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
        Err(DataFusionError::Internal("a scan has no children".into()))
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let parts = self.partitions.get(partition).cloned().unwrap_or_default();
        let (store, reader) = (Arc::clone(&self.store), Arc::clone(&self.reader));
        let (schema, origins) = (Arc::clone(&self.schema), Arc::clone(&self.origins));
        let batches = stream::iter(parts).flat_map(move |part| {
            let (schema, origins) = (Arc::clone(&schema), Arc::clone(&origins));
            let file = Arc::clone(&part.file);
            let batches = reader.read(Arc::clone(&store), part);
            batches.and_then(move |batch| {
                std::future::ready(with_folders(&batch, &schema, &origins, &file.folders))
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}
