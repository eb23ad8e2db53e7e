//! The files that rows refer to, as they are found: each once, however many rows name it.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::DataType;
use futures::StreamExt;
use outhaul_exports::document::{Archive, FileProperty};
use outhaul_exports::flow::RowStream;
use outhaul_exports::{Error, ErrorKind, Result, limits};
use serde::{Deserialize, Serialize};

use super::list::{List, Room, on_disk, wrong};
use super::name;
use crate::slot::documents::EntryOf;

/// Files that are read from the list at once.
const READ_AT_ONCE: usize = 256;

/// Bytes of a reference or an owner that are kept: a reference that is longer is no path of a file,
/// and the list need not grow with it.
const KEPT_BYTES_MAX: usize = 2_048;

/// A file that a row refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FoundFile {
    /// Its place among the properties.
    pub(super) property: usize,
    pub(super) owner: String,
    pub(super) reference: String,
    /// What its entry is called.
    pub(super) entry: String,
}

/// Files in the order in which rows named them.
#[derive(Debug, Clone)]
pub(in crate::slot) struct Found(Arc<Mutex<Growing>>);

#[derive(Debug)]
struct Growing {
    files: Vec<FileProperty>,
    entry: EntryOf,
    /// The beginnings of the digests of those that are in the list.
    seen: HashSet<u128>,
    list: List,
}

impl Found {
    /// None yet.
    ///
    /// # Errors
    /// `Unavailable` when no list can be kept.
    pub(in crate::slot) fn none(archive: &Archive, room: &Room) -> Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Growing {
            files: archive.files.clone(),
            entry: name::entry_of(archive),
            seen: HashSet::new(),
            list: List::begin(room)?,
        }))))
    }

    /// The same rows; what they refer to is in the list when they have gone by.
    pub(in crate::slot) fn watch(&self, rows: RowStream) -> RowStream {
        let found = self.clone();
        let batches = rows.batches.map(move |batch| {
            let batch = batch?;
            found.lock().note(&batch)?;
            Ok(batch)
        });
        RowStream { batches: Box::pin(batches), ..rows }
    }

    /// The list.
    pub(super) fn read(&self) -> Result<FoundReader> {
        Ok(FoundReader(Some(self.lock().list.read()?)))
    }

    fn lock(&self) -> MutexGuard<'_, Growing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Growing {
    fn note(&mut self, batch: &RecordBatch) -> Result<()> {
        for (property, file) in self.files.iter().enumerate() {
            let (owners, references) = (texts(batch, file.owner)?, texts(batch, file.reference)?);
            for (row, reference) in references.iter().enumerate() {
                let Some(reference) = reference else { continue };
                let owner = if owners.is_null(row) { "" } else { owners.value(row) };
                let digest = name::digest(&file.name, owner, reference);
                let [beginning, _] = digest.as_chunks::<16>().0 else { continue };
                if !self.seen.insert(u128::from_le_bytes(*beginning)) {
                    continue;
                }
                if self.seen.len() > limits::ARCHIVE_FILES_MAX {
                    let most = limits::ARCHIVE_FILES_MAX;
                    let text =
                        format!("the rows refer to more than {most} files: divide the export");
                    return Err(Error::new(ErrorKind::TooLarge, text));
                }
                let found = FoundFile {
                    property,
                    owner: kept(owner),
                    reference: kept(reference),
                    entry: (self.entry)(file, owner, reference),
                };
                let mut line = serde_json::to_vec(&found).map_err(|cause| {
                    Error::internal("a file cannot be listed").with_source(cause)
                })?;
                line.push(b'\n');
                self.list.push(&line)?;
            }
        }
        Ok(())
    }
}

/// A column's values as texts.
fn texts(batch: &RecordBatch, at: usize) -> Result<StringArray> {
    let column: Option<&ArrayRef> = batch.columns().get(at);
    let column = column.ok_or_else(|| Error::internal("an archive names a column too many"))?;
    let texts = cast(column, &DataType::Utf8)
        .map_err(|cause| Error::internal("what refers to files is no text").with_source(cause))?;
    Ok(StringArray::from(texts.to_data()))
}

fn kept(text: &str) -> String {
    let ends = text.char_indices().map(|(at, letter)| at + letter.len_utf8());
    let end = match text.len() <= KEPT_BYTES_MAX {
        true => text.len(),
        false => ends.take_while(|end| *end <= KEPT_BYTES_MAX).last().unwrap_or_default(),
    };
    text[..end].to_owned()
}

/// The list, from its beginning.
pub(super) struct FoundReader(Option<BufReader<File>>);

impl FoundReader {
    /// Some more files; none at the end.
    pub(super) async fn next(&mut self) -> Result<VecDeque<FoundFile>> {
        let Some(mut list) = self.0.take() else { return Ok(VecDeque::new()) };
        let read = move || {
            let mut files = VecDeque::new();
            let mut line = String::new();
            while files.len() < READ_AT_ONCE && list.read_line(&mut line).map_err(wrong)? > 0 {
                let file = serde_json::from_str(&line);
                files.push_back(file.map_err(|cause| wrong(cause.into()))?);
                line.clear();
            }
            Ok((files, list))
        };
        let (files, list) = on_disk(read).await?;
        self.0 = Some(list).filter(|_| !files.is_empty());
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;
    use futures::{TryStreamExt, stream};
    use outhaul_exports::query::Path;

    use super::*;

    fn property(name: &str, reference: usize) -> FileProperty {
        FileProperty { field: Path::own(name), reference, owner: 0, name: name.into() }
    }

    #[tokio::test]
    async fn each_file_is_found_once_and_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let room = Room::new(folder.path(), 1 << 20);
        let archive = Archive { files: vec![property("a", 1), property("b", 2)], together: true };
        let found = Found::none(&archive, &room).expect("a list");
        let long = "x".repeat(100_000);
        let batch = || {
            let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(1), Some(2), None]));
            let a: ArrayRef =
                Arc::new(StringArray::from(vec![Some("p"), Some("p"), None, Some("")]));
            let b: ArrayRef =
                Arc::new(StringArray::from(vec![None, Some("p"), Some(&*long), None]));
            RecordBatch::try_from_iter([("id", ids), ("a", a), ("b", b)]).expect("a batch")
        };
        let rows = RowStream {
            schema: batch().schema(),
            estimated_rows: None,
            warnings: Vec::new(),
            batches: Box::pin(stream::iter([Ok(batch()), Ok(batch())])),
        };
        let batches: Vec<_> = found.watch(rows).batches.try_collect().await.expect("rows");
        assert_eq!(batches, [batch(), batch()]);
        let mut list = found.read().expect("a list");
        let mut files = Vec::new();
        loop {
            let some = list.next().await.expect("files");
            if some.is_empty() {
                break;
            }
            files.extend(
                some.into_iter()
                    .map(|file| (file.property, file.owner, file.reference.len(), file.entry)),
            );
        }
        let entry = |at: usize| files[at].3.as_str();
        assert_eq!((entry(0), entry(2)), ("a/1-p", "b/1-p"));
        let seen: Vec<_> = files.iter().map(|f| (f.0, f.1.as_str(), f.2)).collect();
        assert_eq!(seen, [(0, "1", 1), (0, "", 0), (1, "1", 1), (1, "2", KEPT_BYTES_MAX)]);
    }

    #[tokio::test]
    async fn columns_that_are_not_there_are_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let room = Room::new(folder.path(), 1 << 20);
        let archive = Archive { files: vec![property("a", 7)], together: false };
        let found = Found::none(&archive, &room).expect("a list");
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let batch = RecordBatch::try_from_iter([("id", ids)]).expect("a batch");
        let noted = found.lock().note(&batch);
        assert!(noted.is_err());
    }
}
