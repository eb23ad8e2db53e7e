//! What comes behind the rows in an archive: the contents of the files that they refer to, and the
//! manifest that tells what is in it and what is missing.
//!
//! Files are found as the rows go by and read when all rows are written, in the order in which they
//! were found. Neither they nor what is told of them stays in memory: the lists wait in the spill
//! folder, and of a file no more is read ahead than what makes sure that a short one is whole. A
//! file that is not there never ends the export; it is told in the manifest and in a warning.

mod content;
mod found;
mod list;
mod manifest;
mod name;

use std::collections::VecDeque;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use outhaul_exports::document::Archive;
use outhaul_exports::manifest::Warning;
use outhaul_exports::ports::Snapshot;
use outhaul_exports::query::Query;
use outhaul_exports::{Error, ExportId};
use outhaul_formats::pack::EntryName;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::encode::Step;
use super::failure::Stop;
use super::run::Counters;
use content::{Contents, Fetched, Large};
pub(super) use found::Found;
use found::FoundFile;
pub(super) use list::Room;
use manifest::{ManifestLists, MissingFile, WrittenFile};
pub(super) use name::{data_entry, entry_of};

/// Files that are asked for at once: the answer of a far store takes its time.
const AT_ONCE: usize = 16;

/// The archive inside the archive.
const TOGETHER: &str = "files.zip";
const MANIFEST: &str = "manifest.json";

/// What fills an archive.
pub(super) struct Filling<'a> {
    pub(super) archive: &'a Archive,
    pub(super) export: ExportId,
    pub(super) snapshot: &'a dyn Snapshot,
    pub(super) query: &'a Query,
    pub(super) found: &'a Found,
    pub(super) room: &'a Room,
    pub(super) counters: &'a Counters,
}

/// Why the filling stopped.
pub(super) enum Halt {
    /// The encoder takes no more; it says why itself.
    EncoderEnded,
    /// It failed.
    Stop(Stop),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Stop(error.into())
    }
}

impl Filling<'_> {
    /// Writes everything that comes behind the rows. Answers how many files are missing.
    pub(super) async fn fill(&self, encoder: &mpsc::Sender<Step>) -> Result<u64, Halt> {
        let steps = Steps(encoder);
        let (tell, data) = oneshot::channel();
        steps.send(Step::Archive(tell)).await?;
        let data = data.await.map_err(|_| Halt::EncoderEnded)?;
        let mut lists = ManifestLists::begin(self.room)?;
        if self.archive.together && !self.archive.files.is_empty() {
            steps.send(Step::Inner(entry(TOGETHER)?)).await?;
            self.write_files(&steps, &mut lists).await?;
            steps.send(Step::EndInner).await?;
        } else {
            self.write_files(&steps, &mut lists).await?;
        }
        let missing = lists.missing();
        steps.send(Step::Begin(entry(MANIFEST)?)).await?;
        let mut pieces = lists.pieces(self.export, &self.snapshot.note(), &data)?;
        while let Some(piece) = pieces.next().await? {
            steps.send(Step::Bytes(piece)).await?;
        }
        steps.send(Step::EndFile).await?;
        Ok(missing)
    }

    /// Writes the files, in the order in which rows named them; several are on their way at once.
    async fn write_files(&self, steps: &Steps<'_>, lists: &mut ManifestLists) -> Result<(), Halt> {
        let contents = Contents { snapshot: self.snapshot, query: self.query };
        let mut found = self.found.read()?;
        let mut next: VecDeque<FoundFile> = VecDeque::new();
        let mut asked = FuturesOrdered::new();
        loop {
            while asked.len() < AT_ONCE {
                if next.is_empty() {
                    next = found.next().await?;
                }
                let Some(file) = next.pop_front() else { break };
                let field = self.archive.files.get(file.property).map(|property| &property.field);
                let field = field.ok_or_else(|| Error::internal("a file is of no property"))?;
                let contents = &contents;
                asked.push_back(async move {
                    let fetched = contents.fetch(field, &file.reference).await;
                    (file, fetched)
                });
            }
            let Some((file, fetched)) = asked.next().await else { return Ok(()) };
            self.write_file(steps, lists, file, fetched?).await?;
        }
    }

    async fn write_file(
        &self,
        steps: &Steps<'_>,
        lists: &mut ManifestLists,
        file: FoundFile,
        fetched: Fetched,
    ) -> Result<(), Halt> {
        let property = &self.archive.files[file.property].name;
        let missing = |reason| MissingFile {
            property,
            owner: &file.owner,
            reference: &file.reference,
            reason,
        };
        let mut written = WrittenFile::new(&file.entry, property, &file.owner);
        match fetched {
            Fetched::Missing(reason) => return Ok(lists.add_missing(&missing(&reason))?),
            Fetched::Small(bytes) => {
                written.bytes = bytes.len() as u64;
                written.sha256 = hex(&Sha256::digest(&bytes));
                steps.send(Step::Begin(entry(&file.entry)?)).await?;
                steps.send(Step::Bytes(bytes)).await?;
                steps.send(Step::EndFile).await?;
            }
            Fetched::Large(large) => {
                steps.send(Step::Begin(entry(&file.entry)?)).await?;
                let broken = stream(steps, large, &mut written).await?;
                steps.send(Step::EndFile).await?;
                if let Some(reason) = broken {
                    written.cut = true;
                    lists.add_missing(&missing(&reason))?;
                }
            }
        }
        self.counters.content_done();
        Ok(lists.add_written(&written)?)
    }
}

/// Writes a file as it comes. What broke it off in the middle, if anything did.
async fn stream(
    steps: &Steps<'_>,
    mut large: Large,
    written: &mut WrittenFile<'_>,
) -> Result<Option<String>, Halt> {
    let mut digest = Sha256::new();
    let broken = loop {
        match large.next().await? {
            Ok(Some(bytes)) => {
                digest.update(&bytes);
                written.bytes += bytes.len() as u64;
                steps.send(Step::Bytes(bytes)).await?;
            }
            Ok(None) => break None,
            Err(reason) => break Some(reason),
        }
    };
    written.sha256 = hex(&digest.finalize());
    Ok(broken)
}

/// What the reader of an archive must know from which files are missing.
pub(super) fn warning(missing: u64) -> Option<Warning> {
    (missing > 0).then(|| Warning {
        code: "files_missing".to_owned(),
        message: format!(
            "{missing} files that rows refer to are missing from the archive or not whole in it: \
             {MANIFEST} lists them with the reasons"
        ),
        count: missing,
    })
}

struct Steps<'a>(&'a mpsc::Sender<Step>);

impl Steps<'_> {
    async fn send(&self, step: Step) -> Result<(), Halt> {
        self.0.send(step).await.map_err(|_| Halt::EncoderEnded)
    }
}

fn entry(name: &str) -> Result<EntryName, Halt> {
    EntryName::new(name).map_err(|error| Halt::Stop(error.into()))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of a list that are handed on at once.
const PIECE_BYTES: usize = 256 * 1024;

/// The end of what was read of a list.
fn piece(bytes: Vec<u8>) -> Option<Bytes> {
    (!bytes.is_empty()).then(|| bytes.into())
}
