//! The files of one table at one moment, and how they are scanned.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::{CsvOptions, TableParquetOptions};
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{
    CsvSource, FileGroup, FileScanConfigBuilder, FileSource as ScanSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::ExecutionPlan;
use object_store::{ObjectStore, ObjectStoreExt};

use super::config::FileFormat;
use super::lines::Form;
use super::listing::Found;
use super::ndjson::NdjsonExec;
use crate::barrier::Admission;
use crate::sources::{ScanAsk, Table};

/// The files of a table with their schema.
#[derive(Debug)]
pub(super) struct FileTable {
    pub(super) url: ObjectStoreUrl,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) cache: Arc<FileMetadataCache>,
    pub(super) found: Found,
    pub(super) schema: SchemaRef,
    /// What becomes of the values of each column, where they are of JSON.
    pub(super) forms: Vec<Form>,
    pub(super) footers: Vec<Arc<ParquetMetaData>>,
    pub(super) decimal_digits: u8,
}

impl FileTable {
    pub(super) fn rows(&self) -> Option<u64> {
        (self.found.format == FileFormat::Parquet).then(|| {
            let rows = self.footers.iter().map(|f| f.file_metadata().num_rows());
            rows.map(|rows| u64::try_from(rows).unwrap_or(0)).sum()
        })
    }

    /// The reader of a format that comes with the query engine.
    fn reader(&self, ask: &ScanAsk) -> Option<Arc<dyn ScanSource>> {
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
                Some(Arc::new(reader))
            }
            FileFormat::Csv => {
                let options = CsvOptions {
                    has_header: Some(true),
                    newlines_in_values: Some(true),
                    ..CsvOptions::default()
                };
                Some(Arc::new(CsvSource::new(schema).with_csv_options(options)))
            }
            FileFormat::Ndjson => None,
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
        let Some(reader) = self.reader(ask) else {
            return Ok(Arc::new(NdjsonExec::new(
                Arc::clone(&self.store),
                &self.found.files,
                Arc::new(self.schema.project(&ask.columns)?),
                ask.columns.iter().map(|&at| self.forms[at]).collect(),
                ask.partitions,
                ask.batch_rows,
            )));
        };
        let files = self.found.files.iter().filter(|file| file.size > 0);
        let group: FileGroup = files.cloned().map(PartitionedFile::from).collect();
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
