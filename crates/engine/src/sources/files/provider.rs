//! The port of the source: fixes a moment of the files, opens tables, lists what there is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{FutureExt, StreamExt, stream};
use object_store::{ObjectMeta, ObjectStore};
use outhaul_exports::catalog::{FieldType, Object};
use outhaul_exports::ports::Content;
use outhaul_exports::{Error, ErrorKind, Result};

use super::config::{Config, Delimiter, FileFormat, Root};
use super::listing::{FILES_MAX, Found, Missing};
use super::pinned::PinnedStore;
use super::table::FileTable;
use crate::content::FilePath;
use crate::sources::{
    Discovered, DiscoveredColumn, DiscoveredTable, LeftOut, Pinned, Source, Table,
};

/// Memory for Parquet footers that are kept between runs. Bytes.
const FOOTERS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Tables whose files are looked for at once.
const TABLES_AT_ONCE: usize = 16;

/// An opened `files` source.
#[derive(Debug)]
pub(crate) struct FileSource {
    pub(super) config: Config,
    pub(super) root: Root,
    url: ObjectStoreUrl,
    /// By path in this source's store, and therefore one for each source.
    footers: Arc<FileMetadataCache>,
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
            store: Arc::new(PinnedStore::new(Arc::clone(&self.root.store), files, self.root.far)),
            footers: Arc::clone(&self.footers),
            decimal_digits: self.config.decimal_digits,
            overlap: TimeDelta::seconds(self.config.overlap_secs.into()),
            delimiter: self.config.delimiter.unwrap_or(Delimiter::COMMA),
            tables,
        }
    }
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
        let finds: Vec<_> = tables
            .iter()
            .map(|table| async move { (table.clone(), self.find(table).await) }.boxed())
            .collect();
        let found = stream::iter(finds).buffer_unordered(TABLES_AT_ONCE).collect().await;
        Ok(Arc::new(self.pinned(found)))
    }

    async fn content(&self, path: &FilePath) -> Result<Content> {
        self.read_content(path).await
    }

    async fn discover(&self) -> Result<Discovered> {
        let mut discovered = Discovered::default();
        for name in self.names().await? {
            let found = self.find(&name).await;
            if matches!(found, Err(Missing::Nothing)) {
                continue;
            }
            let pinned = self.pinned(HashMap::from([(name.clone(), found)]));
            match pinned.discovered(&name).await {
                Ok(table) => discovered.tables.push(table),
                // The others are as good as they were without it.
                Err(why) => discovered.left_out.push(LeftOut { table: name, why }),
            }
        }
        Ok(discovered)
    }
}

/// The files of a run.
#[derive(Debug)]
pub(super) struct PinnedFiles {
    pub(super) source: String,
    pub(super) url: ObjectStoreUrl,
    pub(super) store: Arc<PinnedStore>,
    pub(super) footers: Arc<FileMetadataCache>,
    pub(super) decimal_digits: u8,
    pub(super) overlap: TimeDelta,
    pub(super) delimiter: Delimiter,
    pub(super) tables: HashMap<String, Result<Found, Missing>>,
}

impl PinnedFiles {
    fn found(&self, object: &str, table: &str) -> Result<&Found> {
        let missing = match self.tables.get(table) {
            Some(Ok(found)) => return Ok(found),
            Some(Err(missing)) => missing.clone(),
            None => Missing::Nothing,
        };
        // Customers are told of their objects; what the operator calls a source is for the log.
        let place = format!("table {table} in source {}", self.source);
        Err(match missing {
            Missing::Nothing => Error::unavailable(format!(
                "source_missing: object {object}: its source has no file and no folder for it"
            ))
            .with_internal(place),
            Missing::Mixed => {
                let text = format!("object {object}: its folder holds files of several formats");
                Error::invalid(object, text).with_internal(place)
            }
            Missing::TooMany => {
                let text = format!("object {object}: it is made of more than {FILES_MAX} files");
                Error::new(ErrorKind::TooLarge, text).with_internal(place)
            }
            Missing::Folders(why) => {
                Error::invalid(object, format!("object {object}: {why}")).with_internal(place)
            }
            Missing::Unreadable(why) => {
                let text = format!("object {object}: its files cannot be listed at the moment");
                Error::unavailable(text).with_internal(format!("{place}: {why}"))
            }
        })
    }

    async fn open(&self, object: &str, table: &str, catalog: Option<&Object>) -> Result<FileTable> {
        let tenant_column = catalog.map(|object| object.tenant_column.as_str());
        let found = self.found(object, table)?;
        let mut groups = Vec::new();
        let mut headers = Vec::new();
        let schema = match found.format {
            FileFormat::Parquet => {
                let schema;
                (schema, groups) = self.parquet(object, found, tenant_column).await?;
                schema
            }
            FileFormat::Csv => self.csv(object, &found.files).await?,
            FileFormat::Avro => {
                let schema;
                (schema, headers) = self.avro(object, &found.files).await?;
                schema
            }
            // What is in the rows is told by all of them, or by a catalog.
            FileFormat::Ndjson => Arc::new(Schema::empty()),
        };
        found
            .partitions
            .apart(object, schema.fields().iter().map(|field| field.name().as_str()))?;
        let folders = found.partitions.columns(catalog);
        Ok(FileTable {
            url: self.url.clone(),
            store: Arc::clone(&self.store) as Arc<dyn ObjectStore>,
            cache: Arc::clone(&self.footers),
            found: found.clone(),
            schema: folders.after(&schema),
            file_schema: schema,
            folders,
            forms: Vec::new(),
            groups,
            headers: Arc::new(headers),
            decimal_digits: self.decimal_digits,
            overlap: self.overlap,
            delimiter: self.delimiter,
        })
    }

    async fn discovered(&self, name: &str) -> Result<DiscoveredTable> {
        let table = self.open(name, name, None).await?;
        let mut columns = match table.found.format {
            FileFormat::Csv => self.csv_columns(name, &table).await?,
            FileFormat::Ndjson => self.json_columns(name, &table.found.files).await?,
            FileFormat::Parquet | FileFormat::Avro => {
                let column = |field: &Arc<Field>| DiscoveredColumn {
                    name: field.name().clone(),
                    column_type: field.data_type().to_string(),
                    field_type: FieldType::of(field.data_type()),
                    nullable: field.is_nullable(),
                    label: None,
                };
                table.file_schema.fields().iter().map(column).collect()
            }
        };
        if columns.is_empty() {
            let text = format!("object {name}: its files are empty: there are no columns in them");
            return Err(Error::invalid(name, text));
        }
        let partitions = &table.found.partitions;
        partitions.apart(name, columns.iter().map(|column| column.name.as_str()))?;
        columns.extend(partitions.discovered());
        Ok(DiscoveredTable::new(name, columns, table.rows()))
    }
}

#[async_trait]
impl Pinned for PinnedFiles {
    fn store(&self) -> Option<(ObjectStoreUrl, Arc<dyn ObjectStore>)> {
        Some((self.url.clone(), Arc::clone(&self.store) as Arc<dyn ObjectStore>))
    }

    async fn table(&self, object: &Object) -> Result<Arc<dyn Table>> {
        let mut table = self.open(&object.name, &object.table.table, Some(object)).await?;
        if table.found.format == FileFormat::Ndjson {
            (table.file_schema, table.forms) = self.json(object, &table.found).await?;
            table.schema = table.folders.after(&table.file_schema);
        }
        Ok(Arc::new(table))
    }
}
