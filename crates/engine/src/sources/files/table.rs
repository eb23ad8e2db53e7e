//! The files of one table at one moment, and how they are scanned.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::CsvOptions;
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{
    CsvSource, FileGroup, FileScanConfigBuilder, FileSource as ScanSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;
use object_store::{ObjectStore, ObjectStoreExt};
use outhaul_exports::session::Mark;

use super::avro::{Avro, Header};
use super::config::{Delimiter, FileFormat};
use super::lines::Form;
use super::listing::Found;
use super::ndjson::Ndjson;
use super::parquet::{self, Group};
use super::partitions::FolderColumns;
use super::parts::{File, Origin, PartsExec, Reader};
use crate::barrier::Admission;
use crate::sources::{ScanAsk, Since, Table};

/// The files of a table with their schema.
#[derive(Debug)]
pub(super) struct FileTable {
    pub(super) url: ObjectStoreUrl,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) cache: Arc<FileMetadataCache>,
    pub(super) found: Found,
    /// The columns of the files, and then those of their folders.
    pub(super) schema: SchemaRef,
    pub(super) file_schema: SchemaRef,
    pub(super) folders: FolderColumns,
    /// What becomes of the values of each column, where they are of JSON.
    pub(super) forms: Vec<Form>,
    pub(super) groups: Vec<Group>,
    /// How each file is read, where they are Avro.
    pub(super) headers: Arc<Vec<Header>>,
    pub(super) decimal_digits: u8,
    /// How long before it can be read a row may have changed.
    pub(super) overlap: TimeDelta,
    pub(super) delimiter: Delimiter,
}

impl FileTable {
    /// The reader of a format that comes with the query engine.
    fn reader(&self, ask: &ScanAsk) -> Option<Arc<dyn ScanSource>> {
        let folders = self.folders.fields.clone();
        let schema = TableSchema::builder(Arc::clone(&self.file_schema));
        let schema = schema.with_table_partition_cols(folders).build();
        match self.found.format {
            FileFormat::Parquet => {
                let factory = CachedParquetFileReaderFactory::new(
                    Arc::clone(&self.store),
                    Arc::clone(&self.cache),
                );
                let mut reader = ParquetSource::new(schema)
                    .with_table_parquet_options(parquet::options())
                    .with_enable_page_index(true)
                    .with_pushdown_filters(false)
                    .with_parquet_file_reader_factory(Arc::new(factory));
                if let Some(pruning) = &ask.pruning {
                    reader = reader.with_predicate(Arc::clone(pruning));
                }
                Some(Arc::new(reader))
            }
            FileFormat::Csv => {
                let options = CsvOptions {
                    has_header: Some(true),
                    delimiter: self.delimiter.byte(),
                    newlines_in_values: Some(true),
                    ..CsvOptions::default()
                };
                Some(Arc::new(CsvSource::new(schema).with_csv_options(options)))
            }
            FileFormat::Ndjson | FileFormat::Avro => None,
        }
    }

    /// The scan by a reader of our own.
    fn own_scan(
        &self,
        ask: &ScanAsk,
        kept: &[usize],
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let own = self.file_schema.fields().len();
        let from_files: Vec<usize> = ask.columns.iter().copied().filter(|&at| at < own).collect();
        let schema = Arc::new(self.file_schema.project(&from_files)?);
        let batch_rows = ask.batch_rows;
        let reader: Arc<dyn Reader> = match self.found.format {
            FileFormat::Avro => {
                Arc::new(Avro { headers: Arc::clone(&self.headers), schema, batch_rows })
            }
            _ => Arc::new(Ndjson {
                schema,
                forms: from_files.iter().map(|&at| self.forms[at]).collect(),
                taken: self.found.partitions.names().into(),
                batch_rows,
            }),
        };
        let file = |&at: &usize| {
            let folders = self.folders.of(at);
            Arc::new(File { at, meta: self.found.files[at].clone(), folders })
        };
        let origin = |&at: &usize| match at.checked_sub(own) {
            Some(folder) => Origin::Folder(folder),
            None => Origin::File,
        };
        Ok(Arc::new(PartsExec::new(
            Arc::clone(&self.store),
            reader,
            &kept.iter().map(file).collect::<Vec<_>>(),
            Arc::new(self.schema.project(&ask.columns)?),
            ask.columns.iter().map(origin).collect(),
            ask.partitions,
        )))
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

    fn rows(&self) -> Option<u64> {
        let parquet = self.found.format == FileFormat::Parquet;
        parquet.then(|| self.groups.iter().map(Group::rows).sum())
    }

    fn rows_at_most(&self, tenant: &Admission) -> Option<u64> {
        // Only of text are the bytes in the order of the values.
        let told = self.found.format == FileFormat::Parquet
            && matches!(tenant.data_type, DataType::Utf8View);
        let rows = self.groups.iter().map(|group| group.rows_of(&tenant.values));
        if told { rows.sum() } else { None }
    }

    fn since(&self, mark: &Mark) -> outhaul_exports::Result<Since> {
        Ok(Since::reaching_back(mark, self.overlap))
    }

    async fn still_there(&self) -> datafusion::error::Result<()> {
        for file in &self.found.files {
            self.store.head(&file.location).await?;
        }
        Ok(())
    }

    fn scan(&self, ask: &ScanAsk) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let files = &self.found.files;
        let kept = self.folders.kept(files.len(), ask.pruning.as_ref())?;
        let Some(reader) = self.reader(ask) else { return self.own_scan(ask, &kept) };
        let file = |&at: &usize| {
            let file = PartitionedFile::from(files[at].clone());
            file.with_partition_values(self.folders.of(at))
        };
        let group: FileGroup = kept.iter().filter(|&&at| files[at].size > 0).map(file).collect();
        let config = FileScanConfigBuilder::new(self.url.clone(), reader)
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
