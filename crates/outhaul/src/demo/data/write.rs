//! Writes the tables as Parquet, a row group at a time, several tables side by side.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::table::Table;
use super::tables;
use super::world::World;

/// Rows of a row group.
const GROUP_ROWS: usize = 122_880;
/// Rows made at a time.
const BATCH_ROWS: u64 = 8_192;

/// Writes every table of a world with `items` invoice items into `folder`. `progress` is told how
/// many rows of all have been written, and how many there will be.
///
/// # Errors
/// When a file cannot be written.
pub fn write_all(
    folder: &Path,
    items: u64,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> anyhow::Result<()> {
    let world = World::of(items);
    let tables = tables();
    let files = |table| Table::files(table, &world).into_iter().map(move |file| (table, file));
    let mut waiting: Vec<_> = tables.iter().flat_map(files).collect();
    for (_, (name, _)) in &waiting {
        if let Some(below) = folder.join(name).parent() {
            std::fs::create_dir_all(below)
                .with_context(|| format!("cannot make the folder {}", below.display()))?;
        }
    }
    waiting.sort_by_key(|(_, (_, rows))| std::cmp::Reverse(rows.end - rows.start));
    let total = waiting.iter().map(|(_, (_, rows))| rows.end - rows.start).sum();
    let waiting = Mutex::new(VecDeque::from(waiting));
    let done = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let work = || -> anyhow::Result<()> {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((table, (name, rows))) = next else { return Ok(()) };
            let path = folder.join(name);
            write_rows(&path, table, &world, rows, &|rows| {
                progress(done.fetch_add(rows, Ordering::Relaxed) + rows, total);
            })
            .with_context(|| format!("cannot write {}", path.display()))?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().map_err(|_| anyhow!("a thread that writes the data panicked"))?
        })
    })
}

fn write_rows(
    path: &Path,
    table: &Table,
    world: &World,
    rows: Range<u64>,
    written: &dyn Fn(u64),
) -> anyhow::Result<()> {
    let schema = Arc::new(table.schema());
    let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties(table)?))?;
    let mut at = rows.start;
    while at < rows.end {
        let end = (at + BATCH_ROWS).min(rows.end);
        writer.write(&table.batch(world, &schema, at..end)?)?;
        written(end - at);
        at = end;
    }
    let file = writer.into_inner()?.into_inner()?;
    file.sync_all()?;
    Ok(())
}

fn properties(table: &Table) -> anyhow::Result<WriterProperties> {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_created_by("outhaul demo".to_owned())
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    for column in table.random_columns() {
        // A dictionary of values that do not repeat only costs time.
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use outhaul_exports::catalog::{Cardinality, Catalog, FieldType};
    use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

    use super::*;
    use crate::demo::data::{Owner, objects};

    fn digests(folder: &Path) -> BTreeMap<String, String> {
        let mut digests = BTreeMap::new();
        for file in std::fs::read_dir(folder).expect("it is a folder") {
            let path = file.expect("it can be listed").path();
            if path.is_dir() {
                digests.extend(self::digests(&path));
                continue;
            }
            let bytes = std::fs::read(&path).expect("it can be read");
            use sha2::Digest as _;
            let digest = hex::encode(sha2::Sha256::digest(bytes));
            digests.insert(path.to_string_lossy().into_owned(), digest);
        }
        digests
    }

    /// The readers of a table's files, in their order.
    fn readers(folder: &Path, table: &Table, world: &World) -> Vec<ParquetRecordBatchReader> {
        let open = |(name, _)| {
            let file = File::open(folder.join(name)).expect("it is there");
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
            reader.build().expect("it can be read")
        };
        table.files(world).into_iter().map(open).collect()
    }

    #[test]
    fn the_same_size_makes_the_same_bytes() {
        let made = [(); 2].map(|()| {
            let folder = tempfile::tempdir().expect("a folder");
            write_all(folder.path(), 3_000, &|_, _| ()).expect("it is written");
            let digests = digests(folder.path()).into_iter();
            let below = |path: String| path[folder.path().as_os_str().len() + 1..].to_owned();
            digests.map(|(path, digest)| (below(path), digest)).collect::<BTreeMap<_, _>>()
        });
        assert_eq!(made[0].len(), 20);
        assert!(made[0].contains_key("Event/part-000.parquet"), "{made:?}");
        assert_eq!(made[0], made[1]);
    }

    #[test]
    fn every_text_tells_whose_it_is_and_holds_no_line_break() {
        let folder = tempfile::tempdir().expect("a folder");
        write_all(folder.path(), 5_000, &|_, _| ()).expect("it is written");
        let (mut rows, mut nulls, mut empty, mut beyond_ascii) = (0, 0, 0, 0);
        let world = World::of(5_000);
        for table in tables() {
            for batch in readers(folder.path(), &table, &world).into_iter().flatten() {
                let batch = batch.expect("it can be read");
                rows += batch.num_rows();
                let owners = batch.column_by_name("tenant").expect("it is there").clone();
                let owners = owners.as_string::<i32>();
                for column in batch.columns() {
                    let Some(texts) = column.as_string_opt::<i32>() else { continue };
                    for row in 0..texts.len() {
                        if texts.is_null(row) {
                            nulls += 1;
                            continue;
                        }
                        let text = texts.value(row);
                        empty += usize::from(text.is_empty());
                        beyond_ascii += usize::from(!text.is_ascii());
                        assert!(!text.contains(['\n', '\r', '\0']), "{text:?}");
                        let foreign = Owner::ALL.into_iter().find(|o| o.id() != owners.value(row));
                        let foreign = foreign.expect("there are two").id();
                        assert!(!text.to_lowercase().contains(foreign), "{text:?}");
                    }
                }
            }
        }
        assert!(rows > 5_000 && nulls > 100 && empty > 100 && beyond_ascii > 100);
    }

    #[test]
    fn the_catalog_is_sound_and_offers_what_clients_need() {
        let catalog = Catalog::check(objects(true)).expect("a good catalog");
        assert_eq!(catalog.objects().count(), 21);
        for object in catalog.objects() {
            assert!(object.field("tenant").is_none() && object.field("Deleted").is_none());
        }
        for object in catalog.objects().take(12) {
            assert_eq!(object.updated.as_deref(), Some("UpdatedDate"), "{}", object.name);
        }
        let event = catalog.require("Event").expect("it is there");
        let members = event.relation("SegmentMembers").expect("it is there");
        assert_eq!(members.cardinality, Cardinality::ToMany);
        let metadata = event.field("metadata").expect("it is there");
        assert_eq!(metadata.field_type, FieldType::Json);
        let account = catalog.require("Account").expect("it is there");
        for relation in ["BillToContact", "SoldToContact", "ParentAccount", "DefaultPaymentMethod"]
        {
            assert!(account.relation(relation).is_some(), "{relation}");
        }
        let method = catalog.require("PaymentMethod").expect("it is there");
        assert!(method.field("AchAccountNumber").is_some_and(|field| field.sensitive));
    }
}
