//! Parquet files: their footers and the schema that they share.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::parquet::transform_schema_to_view;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::file::metadata::ParquetMetaData;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStoreExt};
use outhaul_exports::{Error, Result};

use super::pinned::PinnedStore;
use super::provider::PinnedFiles;
use crate::error::source;

/// Files whose footers are read at once.
const FOOTERS_AT_ONCE: usize = 16;

impl PinnedFiles {
    pub(super) async fn parquet(
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
