//! Text files: the headings of CSV, the keys of NDJSON, and what types their values look like.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use futures::TryStreamExt;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use outhaul_exports::catalog::{FieldType, Object};
use outhaul_exports::{Error, ErrorKind, Result};

use super::guess::Guess;
use super::lines::{Form, Lines, is_blank, values};
use super::listing::Found;
use super::parquet::named_once;
use super::provider::PinnedFiles;
use super::table::FileTable;
use crate::error::source;
use crate::sources::{DiscoveredColumn, ScanAsk, Table as _};

/// Bytes at the beginning of a text file from which its headings or first keys are told.
const SAMPLE_BYTES: u64 = 1024 * 1024;
/// Columns of a table that no catalog describes.
const COLUMNS_MAX: usize = 10_000;
/// Rows of a batch while types are guessed.
const BATCH_ROWS: usize = 8192;

impl PinnedFiles {
    /// The headings of a text file. All its values are text at first: a value of another tenant
    /// that cannot be read as what the catalog says must not be able to fail anything here.
    pub(super) async fn csv(&self, object: &str, files: &[ObjectMeta]) -> Result<SchemaRef> {
        let mut first: Option<SchemaRef> = None;
        for file in files {
            let schema = self.csv_headings(object, file).await?;
            match &first {
                None => first = Some(schema),
                Some(first) if *first == schema => {}
                Some(_) => {
                    let text = format!("object {object}: its csv files differ in their headings");
                    return Err(Error::invalid(object, text));
                }
            }
        }
        Ok(first.unwrap_or_else(|| Arc::new(Schema::empty())))
    }

    async fn csv_headings(&self, object: &str, file: &ObjectMeta) -> Result<SchemaRef> {
        let sample = self.sample(object, file).await?;
        let format = datafusion::arrow::csv::reader::Format::default()
            .with_header(true)
            .with_delimiter(self.delimiter.byte());
        let (schema, _) = format
            .infer_schema(sample.as_slice(), Some(0))
            .map_err(|cause| source(object, cause.into()))?;
        let fields = schema.fields().iter();
        let text = |f: &Arc<Field>| Field::new(f.name(), DataType::Utf8View, true);
        let schema = Schema::new(fields.map(text).collect::<Vec<_>>());
        named_once(object, &schema)?;
        Ok(Arc::new(schema))
    }

    /// The columns of a CSV table with the types that all of its values have.
    pub(super) async fn csv_columns(
        &self,
        object: &str,
        table: &FileTable,
    ) -> Result<Vec<DiscoveredColumn>> {
        let names: Vec<_> = table.file_schema.fields().iter().map(|f| f.name().clone()).collect();
        let mut guesses = vec![Guess::default(); names.len()];
        let ask = ScanAsk {
            columns: (0..names.len()).collect(),
            pruning: None,
            partitions: 1,
            batch_rows: BATCH_ROWS,
            since: None,
            held: None,
        };
        let read = async {
            let context = TaskContext::default();
            let store = Arc::clone(&self.store) as Arc<dyn ObjectStore>;
            context.runtime_env().register_object_store(self.url.as_ref(), store);
            let mut batches = table.scan(&ask)?.execute(0, Arc::new(context))?;
            while let Some(batch) = batches.try_next().await? {
                for (column, guess) in batch.columns().iter().zip(&mut guesses) {
                    for value in column.as_string_view().iter().flatten() {
                        guess.csv(value, self.decimal_digits);
                    }
                }
            }
            Ok(())
        };
        read.await.map_err(|cause| source(object, cause))?;
        Ok(names.into_iter().zip(guesses).map(|found| self.column(found)).collect())
    }

    fn column(&self, (name, guess): (String, Guess)) -> DiscoveredColumn {
        DiscoveredColumn {
            name,
            column_type: guess.data_type(self.decimal_digits).to_string(),
            field_type: guess.field_type(),
            nullable: true,
            label: None,
        }
    }

    /// The keys of all rows with the types of their values.
    pub(super) async fn json_columns(
        &self,
        object: &str,
        files: &[ObjectMeta],
    ) -> Result<Vec<DiscoveredColumn>> {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut found: Vec<(String, Guess)> = Vec::new();
        for file in files {
            let open = Lines::open(self.store.as_ref(), file, 0, file.size).await;
            let mut lines = open.map_err(|cause| source(object, cause))?;
            while let Some((at, line)) = lines.next().await.map_err(|c| source(object, c))? {
                let known = |key: &str| {
                    let known = places.get(key).copied();
                    Some(known.unwrap_or_else(|| {
                        found.push((key.to_owned(), Guess::default()));
                        places.insert(key.to_owned(), found.len() - 1);
                        found.len() - 1
                    }))
                };
                let row = values(&line, known).map_err(|place| {
                    let what = format!("is not one JSON object, at its byte {place}");
                    source(object, lines.wrong(at, &what))
                })?;
                for (at, value) in row {
                    found[at].1.json(value.get(), self.decimal_digits);
                }
                if found.len() > COLUMNS_MAX {
                    return Err(Error::new(
                        ErrorKind::TooLarge,
                        format!(
                            "object {object}: its rows have more than {COLUMNS_MAX} different \
                             keys; declare those that are wanted in a catalog"
                        ),
                    ));
                }
            }
        }
        Ok(found.into_iter().map(|found| self.column(found)).collect())
    }

    /// The columns of an NDJSON table that a catalog describes, and what becomes of their values.
    /// What the catalog names is looked for in every row. Beside it there are the keys of the
    /// first rows: other objects may be related to this one by them.
    pub(super) async fn json(
        &self,
        object: &Object,
        found: &Found,
    ) -> Result<(SchemaRef, Vec<Form>)> {
        let (name, files) = (&object.name, &found.files);
        let mut sampled = Vec::new();
        let mut known = HashSet::new();
        let mut rows = 0;
        if let Some(first) = files.iter().find(|file| file.size > 0) {
            let sample = self.sample(name, first).await?;
            for line in sample.split(|&byte| byte == b'\n').filter(|line| !is_blank(line)) {
                rows += 1;
                let key = |key: &str| {
                    if sampled.len() < COLUMNS_MAX && !known.contains(key) {
                        known.insert(key.to_owned());
                        sampled.push(key.to_owned());
                    }
                    None
                };
                // A line that is wrong is told where all lines are read.
                let _ = values(line, key);
            }
        }
        found.partitions.apart(name, sampled.iter().map(String::as_str))?;
        let declared = object.fields.iter().map(|field| &field.column);
        // Rows without it are of no tenant; a table without it is a mistake, which is told.
        let owner = (rows == 0).then_some(&object.tenant_column);
        let marks = [&object.deleted_column, &object.entity_column, &object.org_column];
        let marks = owner.into_iter().chain(marks.into_iter().flatten());
        let keys = object.relations.iter().flat_map(|r| r.columns.iter().map(|(here, _)| here));
        let mut seen = HashSet::new();
        let columns = declared.chain(marks).chain(keys).chain(&sampled);
        let folders = found.partitions.names();
        let columns = columns.filter(|column| seen.insert(*column) && !folders.contains(column));
        let columns: Vec<&String> = columns.collect();
        let form = |column: &&String| {
            let mut of = object.fields.iter().filter(|f| f.column == **column).peekable();
            let nested = of.peek().is_some() && of.all(|f| f.field_type == FieldType::Json);
            if nested { Form::Written } else { Form::Text }
        };
        let forms = columns.iter().map(form).collect();
        let field = |column: &String| Field::new(column, DataType::Utf8View, true);
        Ok((Arc::new(Schema::new(columns.into_iter().map(field).collect::<Vec<_>>())), forms))
    }

    /// Whole lines from the beginning of a file.
    async fn sample(&self, object: &str, file: &ObjectMeta) -> Result<Vec<u8>> {
        if file.size == 0 {
            return Ok(Vec::new());
        }
        let range = Some(GetRange::Bounded(0..file.size.min(SAMPLE_BYTES)));
        let options = GetOptions { range, ..GetOptions::default() };
        let read = async { self.store.get_opts(&file.location, options).await?.bytes().await };
        let bytes = read.await.map_err(|cause| source(object, DataFusionError::from(cause)))?;
        let mut bytes = bytes.to_vec();
        if file.size > SAMPLE_BYTES
            && let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n')
        {
            bytes.truncate(end + 1);
        }
        Ok(bytes)
    }
}
