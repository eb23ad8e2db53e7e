//! Finds the files of a table, reads their schema, and scans them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::config::{CsvOptions, TableParquetOptions};
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::parquet::transform_schema_to_view;
use datafusion::datasource::physical_plan::{
    CsvSource, FileGroup, FileScanConfigBuilder, FileSource as ScanSource, JsonSource,
    ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use outhaul_exports::catalog::{FieldType, Object};
use outhaul_exports::{Error, ErrorKind, Result};

use super::config::{Config, FileFormat, Root};
use super::pinned::PinnedStore;
use crate::barrier::Admission;
use crate::error::source;
use crate::sources::{DiscoveredColumn, DiscoveredTable, Pinned, ScanAsk, Source, Table};

/// Memory for Parquet footers that are kept between runs. Bytes.
const FOOTERS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Files of one table.
const FILES_MAX: usize = 100_000;
/// Files whose footers are read at once.
const FOOTERS_AT_ONCE: usize = 16;
/// Bytes at the beginning of a text file from which its columns are told.
const SAMPLE_BYTES: u64 = 1024 * 1024;
/// Rows of a text file from which its types are guessed.
const SAMPLE_ROWS: usize = 1_000;

/// An opened `files` source.
#[derive(Debug)]
pub(crate) struct FileSource {
    config: Config,
    root: Root,
    url: ObjectStoreUrl,
    /// By path in this source's store, and therefore one for each source.
    footers: Arc<FileMetadataCache>,
}

/// Why a table has no files. Kept until somebody asks for the table.
#[derive(Debug, Clone)]
enum Missing {
    Nothing,
    Mixed,
    TooMany,
    Unreadable(String),
}

/// The files of one table.
#[derive(Debug, Clone)]
struct Found {
    format: FileFormat,
    files: Vec<ObjectMeta>,
}

impl FileSource {
    pub(crate) fn open(config: &Config, store: Option<Arc<dyn ObjectStore>>) -> Result<Self> {
        let root = config.root(store)?;
        // A name that only this process knows: plans ask for stores by it.
        let url = format!("source://{}", hex_name(&config.name));
        let url = ObjectStoreUrl::parse(url)
            .map_err(|cause| Error::internal("a source's name is no url").with_source(cause))?;
        let footers = Arc::new(DefaultCache::new(FOOTERS_BYTES_MAX));
        Ok(Self { config: config.clone(), root, url, footers })
    }

    /// The files of a table: the table's own path, a folder of that name, or the name with an
    /// ending added.
    async fn find(&self, table: &str) -> Result<Found, Missing> {
        let unreadable = |cause: object_store::Error| Missing::Unreadable(cause.to_string());
        if let Some(only) = &self.root.only {
            let stem = only.rsplit_once('.').map_or(only.as_str(), |(stem, _)| stem);
            if table != only && table != stem {
                return Err(Missing::Nothing);
            }
            return self.single(&self.child(only)?).await?.ok_or(Missing::Nothing);
        }
        if table != "." {
            let path = self.child(table)?;
            if let Some(found) = self.single(&path).await? {
                return Ok(found);
            }
        }
        let folder = if table == "." { self.root.folder.clone() } else { self.child(table)? };
        let mut files: Vec<ObjectMeta> = self
            .root
            .store
            .list(Some(&folder))
            .take(FILES_MAX + 1)
            .try_collect()
            .await
            .map_err(unreadable)?;
        files.retain(|file| {
            !hidden(&folder, &file.location) && self.format(&file.location).is_some()
        });
        if files.len() > FILES_MAX {
            return Err(Missing::TooMany);
        }
        files.sort_by(|a, b| a.location.cmp(&b.location));
        if let Some(first) = files.first() {
            let format = self.format(&first.location).ok_or(Missing::Nothing)?;
            if files.iter().any(|file| self.format(&file.location) != Some(format)) {
                return Err(Missing::Mixed);
            }
            return Ok(Found { format, files });
        }
        for format in FileFormat::ALL {
            for ending in format.extensions() {
                let path = self.child(&format!("{table}.{ending}"))?;
                if let Some(found) = self.single(&path).await? {
                    return Ok(found);
                }
            }
        }
        Err(Missing::Nothing)
    }

    async fn single(&self, path: &Path) -> Result<Option<Found>, Missing> {
        let Some(format) = self.format(path) else { return Ok(None) };
        match self.root.store.head(path).await {
            Ok(file) => Ok(Some(Found { format, files: vec![file] })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(Missing::Unreadable(cause.to_string())),
        }
    }

    fn format(&self, path: &Path) -> Option<FileFormat> {
        let told = FileFormat::of(path);
        match self.config.format {
            Some(format) if told.is_none() || told == Some(format) => {
                // A folder of tables has no ending; only a name with one can be a file.
                path.extension().map(|_| format)
            }
            Some(_) => None,
            None => told,
        }
    }

    fn child(&self, table: &str) -> Result<Path, Missing> {
        let below = Path::parse(table).map_err(|c| Missing::Unreadable(c.to_string()))?;
        Ok(Path::from_iter(self.root.folder.parts().chain(below.parts())))
    }

    /// Forgets footers of files that have another version now, where only the version tells.
    fn forget_old_footers(&self, files: &[ObjectMeta]) {
        for file in files {
            if let Some(kept) = self.footers.get(&file.location)
                && kept.meta.e_tag != file.e_tag
            {
                self.footers.remove(&file.location);
            }
        }
    }

    fn pinned(&self, tables: HashMap<String, Result<Found, Missing>>) -> PinnedFiles {
        let mut files = HashMap::new();
        for found in tables.values().flatten() {
            self.forget_old_footers(&found.files);
            files.extend(found.files.iter().map(|file| (file.location.clone(), file.clone())));
        }
        PinnedFiles {
            source: self.config.name.clone(),
            url: self.url.clone(),
            store: Arc::new(PinnedStore::new(Arc::clone(&self.root.store), files)),
            footers: Arc::clone(&self.footers),
            decimal_digits: self.config.decimal_digits,
            tables,
        }
    }

    /// Names of the tables right below the root.
    async fn names(&self) -> Result<BTreeSet<String>> {
        if let Some(only) = &self.root.only {
            return Ok(BTreeSet::from([only.clone()]));
        }
        let folder = &self.root.folder;
        let listed = self.root.store.list_with_delimiter(Some(folder)).await.map_err(|cause| {
            Error::unavailable(format!("source {} cannot be listed", self.config.name))
                .with_source(cause)
        })?;
        let mut names = BTreeSet::new();
        for file in &listed.objects {
            if self.format(&file.location).is_some() {
                names.extend(name_below(folder, &file.location));
            }
        }
        for path in &listed.common_prefixes {
            names.extend(name_below(folder, path));
        }
        Ok(names)
    }
}

fn name_below(folder: &Path, path: &Path) -> Option<String> {
    (!hidden(folder, path)).then(|| path.filename().map(ToOwned::to_owned)).flatten()
}

/// Names that begin with a dot or an underscore mark what is not data.
fn hidden(folder: &Path, path: &Path) -> bool {
    let mut below = path.prefix_match(folder).into_iter().flatten();
    below.any(|part| part.as_ref().starts_with(['.', '_']))
}

fn hex_name(name: &str) -> String {
    name.bytes().fold(String::from("s"), |text, byte| format!("{text}{byte:02x}"))
}

#[async_trait]
impl Source for FileSource {
    fn guarantee(&self) -> &'static str {
        "the list of files, their sizes and versions are fixed when the run begins; \
         a file that changes in the run fails the attempt"
    }

    async fn pin(&self, tables: &BTreeSet<String>) -> Result<Arc<dyn Pinned>> {
        let mut found = HashMap::new();
        for table in tables {
            found.insert(table.clone(), self.find(table).await);
        }
        Ok(Arc::new(self.pinned(found)))
    }

    async fn discover(&self) -> Result<Vec<DiscoveredTable>> {
        let mut tables = Vec::new();
        for name in self.names().await? {
            let found = self.find(&name).await;
            if matches!(found, Err(Missing::Nothing)) {
                continue;
            }
            let pinned = self.pinned(HashMap::from([(name.clone(), found)]));
            tables.push(pinned.discovered(&name).await?);
        }
        Ok(tables)
    }
}

/// The files of a run.
#[derive(Debug)]
struct PinnedFiles {
    source: String,
    url: ObjectStoreUrl,
    store: Arc<PinnedStore>,
    footers: Arc<FileMetadataCache>,
    decimal_digits: u8,
    tables: HashMap<String, Result<Found, Missing>>,
}

impl PinnedFiles {
    fn found(&self, object: &str, table: &str) -> Result<&Found> {
        let missing = match self.tables.get(table) {
            Some(Ok(found)) => return Ok(found),
            Some(Err(missing)) => missing.clone(),
            None => Missing::Nothing,
        };
        let source = &self.source;
        Err(match missing {
            Missing::Nothing => Error::unavailable(format!(
                "object {object}: source {source} has no file and no folder for it"
            )),
            Missing::Mixed => Error::invalid(
                object,
                format!(
                    "object {object}: its folder in source {source} holds files of several formats"
                ),
            ),
            Missing::TooMany => Error::new(
                ErrorKind::TooLarge,
                format!("object {object}: more than {FILES_MAX} files in source {source}"),
            ),
            Missing::Unreadable(text) => {
                Error::unavailable(format!("object {object}: source {source} cannot be read"))
                    .with_internal(text)
            }
        }
        .with_internal(format!("table {table}")))
    }

    async fn open(
        &self,
        object: &str,
        table: &str,
        declared: Option<&Object>,
    ) -> Result<FileTable> {
        let found = self.found(object, table)?;
        let (schema, footers) = match found.format {
            FileFormat::Parquet => self.parquet(object, &found.files).await?,
            FileFormat::Csv => (self.csv(object, &found.files).await?, Vec::new()),
            FileFormat::Ndjson => {
                let guessed = self.json(object, &found.files).await?;
                (Arc::new(declare(&guessed, declared, self.decimal_digits)), Vec::new())
            }
        };
        Ok(FileTable {
            url: self.url.clone(),
            store: Arc::clone(&self.store) as Arc<dyn ObjectStore>,
            cache: Arc::clone(&self.footers),
            found: found.clone(),
            schema,
            footers,
            decimal_digits: self.decimal_digits,
        })
    }

    async fn parquet(
        &self,
        object: &str,
        files: &[ObjectMeta],
    ) -> Result<(SchemaRef, Vec<Arc<ParquetMetaData>>)> {
        let reads: Vec<_> = files
            .iter()
            .map(|file| footer(Arc::clone(&self.store), Arc::clone(&self.footers), file.clone()))
            .collect();
        let footers: Vec<Arc<ParquetMetaData>> = stream::iter(reads)
            .buffered(FOOTERS_AT_ONCE)
            .try_collect()
            .await
            .map_err(|cause| source(object, cause))?;
        let mut first: Option<SchemaRef> = None;
        for footer in &footers {
            let meta = footer.file_metadata();
            let schema = parquet_to_arrow_schema(meta.schema_descr(), meta.key_value_metadata())
                .map_err(|cause| source(object, cause.into()))?;
            let schema = Arc::new(plain(&transform_schema_to_view(&schema)));
            match &first {
                None => first = Some(schema),
                Some(first) => same_columns(object, first, &schema)?,
            }
        }
        Ok((first.unwrap_or_else(|| Arc::new(Schema::empty())), footers))
    }

    /// The headings of a text file. All its values are text at first: a value of another tenant
    /// that cannot be read as what the catalog says must not be able to fail anything here.
    async fn csv(&self, object: &str, files: &[ObjectMeta]) -> Result<SchemaRef> {
        let mut first: Option<SchemaRef> = None;
        for file in files {
            let names = self.csv_guess(object, file, 0).await?;
            let fields = names.fields().iter();
            let schema: SchemaRef = Arc::new(Schema::new(
                fields.map(|f| Field::new(f.name(), DataType::Utf8View, true)).collect::<Vec<_>>(),
            ));
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

    async fn csv_guess(&self, object: &str, file: &ObjectMeta, rows: usize) -> Result<Schema> {
        let sample = self.sample(object, file).await?;
        let format = datafusion::arrow::csv::reader::Format::default().with_header(true);
        let (schema, _) = format
            .infer_schema(sample.as_slice(), Some(rows))
            .map_err(|cause| source(object, cause.into()))?;
        Ok(schema)
    }

    async fn json(&self, object: &str, files: &[ObjectMeta]) -> Result<Schema> {
        let Some(first) = files.first() else { return Ok(Schema::empty()) };
        let sample = self.sample(object, first).await?;
        let (schema, _) = datafusion::arrow::json::reader::infer_json_schema(
            sample.as_slice(),
            Some(SAMPLE_ROWS),
        )
        .map_err(|cause| source(object, cause.into()))?;
        Ok(schema)
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

    async fn discovered(&self, name: &str) -> Result<DiscoveredTable> {
        let table = self.open(name, name, None).await?;
        let mut schema = Schema::clone(&table.schema);
        if table.found.format == FileFormat::Csv
            && let Some(first) = table.found.files.first()
        {
            schema = self.csv_guess(name, first, SAMPLE_ROWS).await?;
        }
        let text = table.found.format != FileFormat::Parquet;
        let columns = schema.fields().iter().map(|field| DiscoveredColumn {
            name: field.name().clone(),
            column_type: field.data_type().to_string(),
            field_type: match FieldType::of(field.data_type()) {
                // Numbers written in digits are exact.
                FieldType::Float if text => FieldType::Decimal,
                other => other,
            },
            nullable: field.is_nullable(),
        });
        let rows = table.rows();
        Ok(DiscoveredTable { name: name.to_owned(), columns: columns.collect(), rows })
    }
}

async fn footer(
    store: Arc<PinnedStore>,
    footers: Arc<FileMetadataCache>,
    file: ObjectMeta,
) -> datafusion::error::Result<Arc<ParquetMetaData>> {
    let read = DFParquetMetadata::new(store.as_ref(), &file)
        .with_metadata_size_hint(Some(512 * 1024))
        .with_file_metadata_cache(Some(footers))
        .fetch_metadata()
        .await;
    if read.is_err() {
        // The reader makes a text of what the store said. Ask the store again.
        store.head(&file.location).await?;
    }
    read
}

/// A schema without what other writers noted in it.
fn plain(schema: &Schema) -> Schema {
    let fields = schema.fields().iter();
    Schema::new(
        fields
            .map(|f| f.as_ref().clone().with_metadata(HashMap::new()).with_nullable(true))
            .collect::<Vec<_>>(),
    )
}

fn same_columns(object: &str, first: &Schema, other: &Schema) -> Result<()> {
    for field in first.fields() {
        let differs = match other.field_with_name(field.name()) {
            Ok(found) if found.data_type() == field.data_type() => continue,
            Ok(_) => "of another type",
            Err(_) => "missing",
        };
        let text = format!(
            "object {object}: column {} is {differs} in one of its files; \
             all files of a folder must have the same columns",
            field.name()
        );
        return Err(Error::invalid(object, text));
    }
    Ok(())
}

/// The types with which lines of JSON are read: what the catalog says where JSON can say it, text
/// where it cannot, and what the first lines show for everything else.
fn declare(guessed: &Schema, declared: Option<&Object>, decimal_digits: u8) -> Schema {
    let mut fields: Vec<Field> = guessed
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 | DataType::Null => Field::new(field.name(), DataType::Utf8View, true),
            other => Field::new(field.name(), other.clone(), true),
        })
        .collect();
    for wanted in declared.into_iter().flat_map(|object| &object.fields) {
        let data_type = match wanted.field_type {
            FieldType::Integer => DataType::Int64,
            FieldType::Decimal => DataType::Decimal128(38, decimal_digits.cast_signed()),
            FieldType::Float => DataType::Float64,
            FieldType::Boolean => DataType::Boolean,
            FieldType::Text | FieldType::Date | FieldType::Timestamp | FieldType::Time => {
                DataType::Utf8View
            }
            FieldType::Binary | FieldType::Json => continue,
        };
        let field = Field::new(&wanted.column, data_type, true);
        match fields.iter_mut().find(|known| *known.name() == wanted.column) {
            Some(known) => *known = field,
            None => fields.push(field),
        }
    }
    Schema::new(fields)
}

#[async_trait]
impl Pinned for PinnedFiles {
    fn store(&self) -> Option<(ObjectStoreUrl, Arc<dyn ObjectStore>)> {
        Some((self.url.clone(), Arc::clone(&self.store) as Arc<dyn ObjectStore>))
    }

    async fn table(&self, object: &Object) -> Result<Arc<dyn Table>> {
        let table = self.open(&object.name, &object.table.table, Some(object)).await?;
        Ok(Arc::new(table))
    }
}

/// The files of a table with their schema.
#[derive(Debug)]
struct FileTable {
    url: ObjectStoreUrl,
    store: Arc<dyn ObjectStore>,
    cache: Arc<FileMetadataCache>,
    found: Found,
    schema: SchemaRef,
    footers: Vec<Arc<ParquetMetaData>>,
    decimal_digits: u8,
}

impl FileTable {
    fn rows(&self) -> Option<u64> {
        (self.found.format == FileFormat::Parquet).then(|| {
            let rows = self.footers.iter().map(|f| f.file_metadata().num_rows());
            rows.map(|rows| u64::try_from(rows).unwrap_or(0)).sum()
        })
    }

    fn reader(&self, ask: &ScanAsk) -> Arc<dyn ScanSource> {
        let schema = Arc::clone(&self.schema);
        match self.found.format {
            FileFormat::Parquet => {
                let factory = CachedParquetFileReaderFactory::new(
                    Arc::clone(&self.store),
                    Arc::clone(&self.cache),
                );
                let mut reader = ParquetSource::new(schema)
                    .with_table_parquet_options(TableParquetOptions::default())
                    .with_enable_page_index(true)
                    .with_pushdown_filters(false)
                    .with_parquet_file_reader_factory(Arc::new(factory));
                if let Some(pruning) = &ask.pruning {
                    reader = reader.with_predicate(Arc::clone(pruning));
                }
                Arc::new(reader)
            }
            FileFormat::Csv => {
                let options = CsvOptions {
                    has_header: Some(true),
                    newlines_in_values: Some(true),
                    ..CsvOptions::default()
                };
                Arc::new(CsvSource::new(schema).with_csv_options(options))
            }
            FileFormat::Ndjson => Arc::new(JsonSource::new(schema)),
        }
    }
}

#[async_trait]
impl Table for FileTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn text_scale(&self) -> u8 {
        self.decimal_digits
    }

    fn rows_at_most(&self, tenant: &Admission) -> Option<u64> {
        self.rows()?;
        let mut rows = 0;
        for group in self.footers.iter().flat_map(|footer| footer.row_groups()) {
            let column = group.columns().iter().find(|c| c.column_path().string() == tenant.name);
            let range = column.and_then(|column| {
                let statistics = column.statistics()?;
                Some((statistics.min_bytes_opt()?, statistics.max_bytes_opt()?))
            });
            // Only of text are the bytes in the order of the values.
            let text = matches!(tenant.data_type, DataType::Utf8View);
            let within = |(least, greatest): (&[u8], &[u8])| {
                tenant.values.iter().any(|v| v.as_bytes() >= least && v.as_bytes() <= greatest)
            };
            if !text || range.is_none_or(within) {
                rows += u64::try_from(group.num_rows()).unwrap_or(0);
            }
        }
        Some(rows)
    }

    async fn still_there(&self) -> datafusion::error::Result<()> {
        for file in &self.found.files {
            self.store.head(&file.location).await?;
        }
        Ok(())
    }

    fn scan(&self, ask: &ScanAsk) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let files = self.found.files.iter().filter(|file| file.size > 0);
        let group: FileGroup = files.cloned().map(PartitionedFile::from).collect();
        let config = FileScanConfigBuilder::new(self.url.clone(), self.reader(ask))
            .with_file_group(group)
            .with_projection_indices(Some(ask.columns.clone()))?
            .with_batch_size(Some(ask.batch_rows))
            .with_preserve_order(ask.partitions == 1)
            .build();
        let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
        if ask.partitions == 1 {
            return Ok(scan);
        }
        let parts = scan.repartitioned(ask.partitions, &ConfigOptions::default())?;
        Ok(parts.unwrap_or(scan))
    }
}
