//! The scan of NDJSON files. Every column of it is text; see [`super::lines`].

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringViewBuilder};
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
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore};

use super::lines::{Form, Lines, values};

/// Bytes of a batch, about, where its rows are long.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Parts of files that are read at once are at least so long. Bytes.
const PART_BYTES: u64 = 1024 * 1024;

/// Some bytes of a file.
#[derive(Debug, Clone)]
struct Part {
    file: ObjectMeta,
    start: u64,
    end: u64,
}

/// See the module.
pub(super) struct NdjsonExec {
    store: Arc<dyn ObjectStore>,
    /// What each partition reads, in order.
    partitions: Vec<Vec<Part>>,
    schema: SchemaRef,
    /// What becomes of the values of each column.
    forms: Arc<[Form]>,
    batch_rows: usize,
    properties: Arc<PlanProperties>,
}

impl NdjsonExec {
    /// Reads columns of files, in at most so many partitions.
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        files: &[ObjectMeta],
        schema: SchemaRef,
        forms: Vec<Form>,
        partitions: usize,
        batch_rows: usize,
    ) -> Self {
        let partitions = divided(files, partitions);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (forms, properties) = (forms.into(), Arc::new(properties));
        Self { store, partitions, schema, forms, batch_rows, properties }
    }
}

/// Divides the bytes of all files evenly. One partition has the files in their order.
fn divided(files: &[ObjectMeta], partitions: usize) -> Vec<Vec<Part>> {
    let total: u64 = files.iter().map(|file| file.size).sum();
    let most = usize::try_from(total / PART_BYTES).unwrap_or(usize::MAX);
    let share = total.div_ceil(partitions.min(most).max(1) as u64).max(1);
    let mut parts = vec![Vec::new()];
    let mut room = share;
    for file in files {
        let mut start = 0;
        while start < file.size {
            if room == 0 {
                parts.push(Vec::new());
                room = share;
            }
            let end = file.size.min(start + room);
            room -= end - start;
            if let Some(last) = parts.last_mut() {
                last.push(Part { file: file.clone(), start, end });
            }
            start = end;
        }
    }
    parts
}

/// Rows on their way into a batch.
struct Rows {
    lines: Lines,
    places: HashMap<String, usize>,
    forms: Arc<[Form]>,
    schema: SchemaRef,
    batch_rows: usize,
}

impl Rows {
    /// The next batch; `None` at the end.
    async fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut columns: Vec<_> = self.forms.iter().map(|_| StringViewBuilder::new()).collect();
        let (mut rows, mut bytes) = (0, 0);
        while rows < self.batch_rows && bytes < BATCH_BYTES {
            let Some((at, line)) = self.lines.next().await? else { break };
            self.row(at, &line, &mut columns)?;
            rows += 1;
            bytes += line.len();
        }
        if rows == 0 {
            return Ok(None);
        }
        let columns = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        Ok(Some(RecordBatch::try_new_with_options(schema, columns.collect(), &options)?))
    }

    fn row(&self, at: u64, line: &Bytes, columns: &mut [StringViewBuilder]) -> Result<()> {
        let found = values(line, |key| self.places.get(key).copied()).map_err(|place| {
            self.lines.wrong(at, &format!("is not one JSON object, at its byte {place}"))
        })?;
        let mut row = vec![None; columns.len()];
        for (place, value) in found {
            row[place] = Some(value);
        }
        for ((value, form), column) in row.into_iter().zip(self.forms.iter()).zip(columns) {
            column.append_option(value.and_then(|value| form.text(value.get())));
        }
        Ok(())
    }
}

impl fmt::Debug for NdjsonExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NdjsonExec({} partitions)", self.partitions.len())
    }
}

impl DisplayAs for NdjsonExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.schema.fields().iter().map(|field| field.name().clone()).collect();
        write!(f, "NdjsonExec: columns=[{}]", names.join(", "))
    }
}

impl ExecutionPlan for NdjsonExec {
    fn name(&self) -> &'static str {
        "NdjsonExec"
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
        let (store, schema) = (Arc::clone(&self.store), Arc::clone(&self.schema));
        let (forms, batch_rows) = (Arc::clone(&self.forms), self.batch_rows);
        let batches = stream::iter(parts).then(move |part| {
            let (store, schema) = (Arc::clone(&store), Arc::clone(&schema));
            let forms = Arc::clone(&forms);
            async move {
                let lines = Lines::open(store.as_ref(), &part.file, part.start, part.end).await?;
                let names = schema.fields().iter().map(|field| field.name().clone());
                let places = names.enumerate().map(|(at, name)| (name, at)).collect();
                let rows = Rows { lines, places, forms, schema, batch_rows };
                Ok::<_, DataFusionError>(stream::try_unfold(rows, |mut rows| async move {
                    Ok(rows.batch().await?.map(|batch| (batch, rows)))
                }))
            }
        });
        let batches = batches.try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use object_store::ObjectStoreExt;
    use object_store::chunked::ChunkedStore;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn every_line_is_read_once_however_files_are_divided() {
        let store = InMemory::new();
        let mut files = Vec::new();
        let mut expected = Vec::new();
        for file in 0..3 {
            let mut text = String::from("\u{feff}");
            for row in 0..9_000 {
                let name = format!("{file}-{row}-{}", "x".repeat(row % 170));
                writeln!(text, r#"{{"a":"{name}","b":{row}}}"#).expect("it is written");
                expected.push(name);
            }
            let path = format!("{file}.ndjson").into();
            store.put(&path, text.trim_end().to_owned().into()).await.expect("it is put");
            files.push(store.head(&path).await.expect("it is there"));
        }
        let store: Arc<dyn ObjectStore> = Arc::new(ChunkedStore::new(Arc::new(store), 1000));
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8View, true)]));
        for partitions in [1, 2, 3, 7] {
            let (store, schema) = (Arc::clone(&store), Arc::clone(&schema));
            let scan = NdjsonExec::new(store, &files, schema, vec![Form::Text], partitions, 100);
            assert!(partitions == 1 || scan.partitions.len() > 1);
            let mut found = Vec::new();
            for partition in 0..scan.partitions.len() {
                let rows = scan.execute(partition, Arc::default()).expect("it starts");
                let batches: Vec<_> = rows.try_collect().await.expect("rows");
                for batch in &batches {
                    let column = batch.column(0).as_string_view();
                    found.extend(column.iter().flatten().map(ToOwned::to_owned));
                }
            }
            assert!(found == expected, "{partitions}: {} rows", found.len());
        }
    }
}
