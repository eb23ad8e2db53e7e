//! Parquet files: their footers and the schema that they share.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef, TimeUnit};
use datafusion::common::config::TableParquetOptions;
use datafusion::datasource::physical_plan::parquet::Int96Coercer;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::parquet::transform_schema_to_view;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use futures::{FutureExt, StreamExt, stream};
use object_store::{ObjectMeta, ObjectStoreExt};
use outhaul_exports::{Error, Result};

use super::listing::Found;
use super::pinned::PinnedStore;
use super::provider::PinnedFiles;
use crate::error::source;

/// Files whose footers are read at once.
const FOOTERS_AT_ONCE: usize = 16;

/// INT96 has no unit of its own. Read in nanoseconds it ends in the year 2262 and then wraps; in
/// microseconds it does not.
const INT96_UNIT: TimeUnit = TimeUnit::Microsecond;

/// A row group, as far as it is kept for a whole run: a table may have very many of them.
#[derive(Debug)]
pub(super) struct Group {
    rows: u64,
    tenants: Option<Tenants>,
}

/// Which tenants' rows a group may have, in the order of their bytes.
#[derive(Debug)]
struct Tenants {
    least: Box<[u8]>,
    greatest: Box<[u8]>,
    /// Whether every row has one of them.
    every: bool,
}

impl Group {
    fn of(group: &RowGroupMetaData, tenant_column: Option<&str>, owner: Option<&str>) -> Self {
        let column = tenant_column
            .and_then(|name| group.columns().iter().find(|c| c.column_path().string() == name));
        let told = owner.map(|owner| {
            let owner: Box<[u8]> = owner.as_bytes().into();
            Tenants { least: owner.clone(), greatest: owner, every: true }
        });
        let tenants = told.or_else(|| {
            let column = column?;
            let statistics = column.statistics()?;
            Some(Tenants {
                least: statistics.min_bytes_opt()?.into(),
                greatest: statistics.max_bytes_opt()?.into(),
                every: statistics.null_count_opt() == Some(0),
            })
        });
        Self { rows: u64::try_from(group.num_rows()).unwrap_or(0), tenants }
    }

    /// All its rows.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Its rows of these tenants; `None` where it may have others' rows beside theirs, because
    /// then only reading it tells, and its count is the others' business.
    pub(super) fn rows_of(&self, tenants: &[String]) -> Option<u64> {
        let Tenants { least, greatest, every } = self.tenants.as_ref()?;
        let is = |value: &&String| value.as_bytes() >= &**least && value.as_bytes() <= &**greatest;
        let mut within = tenants.iter().filter(is);
        match (within.next(), within.next()) {
            (None, _) => Some(0),
            // The bounds may be cut; but what lies between two equal ones equals them.
            (Some(_), None) => (*every && least == greatest).then_some(self.rows),
            (Some(_), Some(_)) => None,
        }
    }
}

/// The options with which files are read; the schema of [`PinnedFiles::parquet`] goes with them.
pub(super) fn options() -> TableParquetOptions {
    let mut options = TableParquetOptions::default();
    options.global.coerce_int96 = Some("us".to_owned());
    options
}

impl PinnedFiles {
    /// The schema that the files share, and their row groups. Their footers are kept in a cache of
    /// bounded size only, and are read again by the scan where that is too small.
    pub(super) async fn parquet(
        &self,
        object: &str,
        found: &Found,
        tenant_column: Option<&str>,
    ) -> Result<(SchemaRef, Vec<Group>)> {
        let files = &found.files;
        let owners = tenant_column.and_then(|column| found.partitions.values(column));
        let reads: Vec<_> = files
            .iter()
            .map(|file| footer(Arc::clone(&self.store), Arc::clone(&self.footers), file.clone()))
            .collect();
        let mut footers = stream::iter(reads).buffered(FOOTERS_AT_ONCE);
        let mut first: Option<SchemaRef> = None;
        let mut groups = Vec::new();
        let mut at = 0;
        while let Some(footer) = footers.next().await {
            let owner = owners.as_ref().and_then(|owners| *owners.get(at)?);
            at += 1;
            let footer = footer.map_err(|cause| source(object, cause))?;
            let schema = schema(&footer).map_err(|cause| source(object, cause))?;
            match &first {
                None => {
                    named_once(object, &schema)?;
                    first = Some(Arc::new(schema));
                }
                Some(first) => same_columns(object, first, &schema)?,
            }
            let of = |group: &RowGroupMetaData| Group::of(group, tenant_column, owner);
            groups.extend(footer.row_groups().iter().map(of));
        }
        Ok((first.unwrap_or_else(|| Arc::new(Schema::empty())), groups))
    }
}

fn schema(footer: &ParquetMetaData) -> datafusion::error::Result<Schema> {
    let meta = footer.file_metadata();
    let schema = parquet_to_arrow_schema(meta.schema_descr(), meta.key_value_metadata())?;
    let coerced = Int96Coercer::new(meta.schema_descr(), &schema, &INT96_UNIT).coerce();
    Ok(plain(&transform_schema_to_view(&coerced.unwrap_or(schema))))
}

/// Two columns of one name cannot be told apart by whoever names one.
pub(super) fn named_once(object: &str, schema: &Schema) -> Result<()> {
    let mut names = HashSet::new();
    let Some(twice) = schema.fields().iter().find(|field| !names.insert(field.name())) else {
        return Ok(());
    };
    let text = format!(
        "object {object}: its file has more than one column named {:?}; name each of them \
         differently",
        twice.name()
    );
    Err(Error::invalid(object, text))
}

async fn footer(
    store: Arc<PinnedStore>,
    footers: Arc<FileMetadataCache>,
    file: ObjectMeta,
) -> datafusion::error::Result<Arc<ParquetMetaData>> {
    let metadata = DFParquetMetadata::new(store.as_ref(), &file)
        .with_metadata_size_hint(Some(512 * 1024))
        .with_file_metadata_cache(Some(footers));
    // The reader computes with the length that the file states, whatever that is.
    let read = AssertUnwindSafe(metadata.fetch_metadata()).catch_unwind().await;
    let read = read.unwrap_or_else(|_| {
        let text = "the footer states a length that the file does not have";
        Err(ParquetError::General(text.to_owned()).into())
    });
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
