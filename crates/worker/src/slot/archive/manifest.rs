//! The manifest of an archive: JSON whose lists may have any length.

use std::fs::File;
use std::io::{BufReader, Read};

use bytes::Bytes;
use outhaul_exports::manifest::SnapshotNote;
use outhaul_exports::{Error, ExportId, Result};
use outhaul_formats::EntryReport;
use serde::Serialize;

use super::list::{List, Room, on_disk, wrong};
use super::{PIECE_BYTES, piece};

/// A file whose content is in the archive.
#[derive(Debug, Serialize)]
pub(super) struct WrittenFile<'a> {
    /// Its entry.
    name: &'a str,
    property: &'a str,
    owner: &'a str,
    /// Those that are in the archive.
    pub(super) bytes: u64,
    /// Of these.
    pub(super) sha256: String,
    /// Whether there should be more: it is listed as missing, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) cut: bool,
}

impl<'a> WrittenFile<'a> {
    pub(super) fn new(name: &'a str, property: &'a str, owner: &'a str) -> Self {
        Self { name, property, owner, bytes: 0, sha256: String::new(), cut: false }
    }
}

/// A file that is not in the archive, or not whole.
#[derive(Debug, Serialize)]
pub(super) struct MissingFile<'a> {
    pub(super) property: &'a str,
    pub(super) owner: &'a str,
    pub(super) reference: &'a str,
    pub(super) reason: &'a str,
}

/// What is in the archive, as far as it is written.
pub(super) struct ManifestLists {
    written: Records,
    missing: Records,
    bytes: u64,
}

/// Members of a JSON array, a line each.
struct Records {
    list: List,
    count: u64,
}

impl Records {
    fn begin(room: &Room) -> Result<Self> {
        Ok(Self { list: List::begin(room)?, count: 0 })
    }

    fn push(&mut self, record: &impl Serialize) -> Result<()> {
        let mut line = Vec::with_capacity(256);
        line.extend_from_slice(if self.count == 0 { b"\n" } else { b",\n" });
        line.append(&mut json(record)?);
        self.count += 1;
        self.list.push(&line)
    }
}

impl ManifestLists {
    pub(super) fn begin(room: &Room) -> Result<Self> {
        let (written, missing) = (Records::begin(room)?, Records::begin(room)?);
        Ok(Self { written, missing, bytes: 0 })
    }

    pub(super) fn add_written(&mut self, file: &WrittenFile<'_>) -> Result<()> {
        self.bytes += file.bytes;
        self.written.push(file)
    }

    pub(super) fn add_missing(&mut self, file: &MissingFile<'_>) -> Result<()> {
        self.missing.push(file)
    }

    /// How many files are missing or cut.
    pub(super) fn missing(&self) -> u64 {
        self.missing.count
    }

    /// The manifest, piece by piece.
    pub(super) fn pieces(
        mut self,
        export: ExportId,
        snapshot: &SnapshotNote,
        data: &EntryReport,
    ) -> Result<Pieces> {
        let data = Data { name: &data.name, rows: data.rows, bytes: data.bytes_uncompressed };
        let mut head = json(&Head { export, snapshot, data })?;
        // The object goes on with the lists.
        head.pop();
        let (count, bytes) = (self.written.count, self.bytes);
        head.extend_from_slice(
            format!(",\n\"files\":{{\"count\":{count},\"bytes\":{bytes},\"list\":[").as_bytes(),
        );
        Ok(Pieces {
            parts: vec![
                Part::Text(b"]}\n"),
                Part::List(self.missing.list.read()?),
                Part::Text(b"]},\n\"missing\":["),
                Part::List(self.written.list.read()?),
            ],
            head: Some(head),
        })
    }
}

#[derive(Serialize)]
struct Head<'a> {
    export: ExportId,
    snapshot: &'a SnapshotNote,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    name: &'a str,
    rows: u64,
    bytes: u64,
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|cause| Error::internal("a manifest cannot be written").with_source(cause))
}

/// A manifest that is being read, its last part first.
pub(super) struct Pieces {
    head: Option<Vec<u8>>,
    parts: Vec<Part>,
}

enum Part {
    Text(&'static [u8]),
    List(BufReader<File>),
}

impl Pieces {
    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(head) = self.head.take() {
            return Ok(piece(head));
        }
        loop {
            let mut list = match self.parts.pop() {
                None => return Ok(None),
                Some(Part::Text(text)) => return Ok(Some(Bytes::from_static(text))),
                Some(Part::List(list)) => list,
            };
            let read = move || {
                let mut bytes = Vec::with_capacity(PIECE_BYTES);
                list.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut bytes).map_err(wrong)?;
                Ok((bytes, list))
            };
            let (bytes, list) = on_disk(read).await?;
            if let Some(bytes) = piece(bytes) {
                self.parts.push(Part::List(list));
                return Ok(Some(bytes));
            }
        }
    }
}
