//! Rows of NDJSON files. Every column of them is text; see [`super::lines`].

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringViewBuilder};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;

use super::lines::{Form, Lines, values};
use super::parts::{Part, Reader};

/// Bytes of a batch, about, where its rows are long.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Reads columns of NDJSON files.
#[derive(Debug)]
pub(super) struct Ndjson {
    /// The columns that come from files.
    pub(super) schema: SchemaRef,
    /// What becomes of the values of each column.
    pub(super) forms: Arc<[Form]>,
    /// The keys that no row may have, because folders give them.
    pub(super) taken: Arc<[String]>,
    pub(super) batch_rows: usize,
}

impl Reader for Ndjson {
    fn name(&self) -> &'static str {
        "NdjsonExec"
    }

    fn read(
        &self,
        store: Arc<dyn ObjectStore>,
        part: Part,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let (schema, forms) = (Arc::clone(&self.schema), Arc::clone(&self.forms));
        let (taken, batch_rows) = (Arc::clone(&self.taken), self.batch_rows);
        let batches = async move {
            let lines = Lines::open(store.as_ref(), &part.file.meta, part.start, part.end).await?;
            let names = schema.fields().iter().map(|field| field.name().clone());
            let places = names.chain(taken.iter().cloned()).enumerate();
            let places = places.map(|(at, name)| (name, at)).collect();
            let rows = Rows { lines, places, forms, schema, batch_rows };
            Ok::<_, DataFusionError>(stream::try_unfold(rows, |mut rows| async move {
                Ok(rows.batch().await?.map(|batch| (batch, rows)))
            }))
        };
        stream::once(batches).try_flatten().boxed()
    }
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
            let Some(known) = row.get_mut(place) else {
                return Err(self.lines.wrong(at, "has a key that the file's folders give, too"));
            };
            *known = Some(value);
        }
        for ((value, form), column) in row.into_iter().zip(self.forms.iter()).zip(columns) {
            column.append_option(value.and_then(|value| form.text(value.get())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_plan::ExecutionPlan;
    use object_store::ObjectStoreExt;
    use object_store::chunked::ChunkedStore;
    use object_store::memory::InMemory;

    use super::super::parts::{File, Origin, PartsExec};
    use super::*;

    #[tokio::test]
    async fn every_line_is_read_once_however_files_are_divided() {
        let store = InMemory::new();
        let mut files = Vec::new();
        let mut expected = Vec::new();
        for at in 0..3 {
            let mut text = String::from("\u{feff}");
            for row in 0..9_000 {
                let name = format!("{at}-{row}-{}", "x".repeat(row % 170));
                writeln!(text, r#"{{"a":"{name}","b":{row}}}"#).expect("it is written");
                expected.push(name);
            }
            let path = format!("{at}.ndjson").into();
            store.put(&path, text.trim_end().to_owned().into()).await.expect("it is put");
            let meta = store.head(&path).await.expect("it is there");
            files.push(Arc::new(File { at, meta, folders: Vec::new() }));
        }
        let store: Arc<dyn ObjectStore> = Arc::new(ChunkedStore::new(Arc::new(store), 1000));
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8View, true)]));
        for partitions in [1, 2, 3, 7] {
            let (store, schema) = (Arc::clone(&store), Arc::clone(&schema));
            let reader = Ndjson {
                schema: Arc::clone(&schema),
                forms: [Form::Text].into(),
                taken: [].into(),
                batch_rows: 100,
            };
            let origins = vec![Origin::File];
            let scan = PartsExec::new(store, Arc::new(reader), &files, schema, origins, partitions);
            let parts = scan.properties().partitioning.partition_count();
            assert!(partitions == 1 || parts > 1);
            let mut found = Vec::new();
            for partition in 0..parts {
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
