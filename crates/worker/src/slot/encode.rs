//! Between the engine's stream and the upload: a thread that feeds the pipeline of `formats`, and
//! the sink that hands its bytes back.

use std::io::{self, Write};

use arrow_array::RecordBatch;
use bytes::{Bytes, BytesMut};
use outhaul_formats::pack::EntryName;
use outhaul_formats::pipeline::OpenArchive;
use outhaul_formats::{Entry, EntryReport, Error, Pipeline, PipelineOptions, Report, Result};
use tokio::sync::{mpsc, oneshot};

use super::run::Counters;

/// Bytes that are handed on together.
const CHUNK_BYTES: usize = 512 * 1024;

/// What the reader says to the encoder. The end is said, because a channel that closes may also
/// mean that the reader failed.
pub(super) enum Step {
    Rows(RecordBatch),
    /// Behind the rows: files follow, in the same archive. What the rows came to is told.
    Archive(oneshot::Sender<EntryReport>),
    /// Further files go into an archive inside the archive.
    Inner(EntryName),
    EndInner,
    Begin(EntryName),
    Bytes(Bytes),
    EndFile,
    End,
}

/// Encodes until the end, on the calling thread and the pipeline's own.
pub(super) fn encode(
    options: PipelineOptions,
    entry: Entry,
    counters: &Counters,
    mut steps: mpsc::Receiver<Step>,
    chunks: mpsc::Sender<Bytes>,
) -> Result<Report> {
    let mut pipeline = Pipeline::new(options, Box::new(Sink { chunks, held: BytesMut::new() }))?;
    counters.encoding(pipeline.progress());
    pipeline.begin(entry)?;
    while let Some(step) = steps.blocking_recv() {
        match step {
            Step::Rows(batch) => pipeline.push(batch)?,
            Step::Archive(tell) => {
                let archive = pipeline.into_archive()?;
                let [data] = archive.entries() else {
                    return Err(Error::Usage("an archive has one file of rows"));
                };
                // Whoever does not wait for it has stopped, and the next step does not come.
                let _ = tell.send(data.clone());
                return fill(archive, steps);
            }
            Step::End => return pipeline.finish(),
            _ => return Err(Error::Usage("a file came before the end of the rows")),
        }
    }
    Err(Error::Cancelled)
}

/// Writes the files behind the rows.
fn fill(mut archive: OpenArchive, mut steps: mpsc::Receiver<Step>) -> Result<Report> {
    while let Some(step) = steps.blocking_recv() {
        match step {
            Step::Inner(name) => archive.begin_inner(name)?,
            Step::EndInner => archive.end_inner()?,
            Step::Begin(name) => archive.begin(name)?,
            Step::Bytes(bytes) => archive.bytes(&bytes)?,
            Step::EndFile => drop(archive.end()?),
            Step::End => return archive.finish(),
            Step::Rows(_) | Step::Archive(_) => {
                return Err(Error::Usage("rows came behind files"));
            }
        }
    }
    Err(Error::Cancelled)
}

/// Joins what the pipeline writes into chunks. What is held when it is dropped without a flush is
/// lost, as it should be: the pipeline failed then.
struct Sink {
    chunks: mpsc::Sender<Bytes>,
    held: BytesMut,
}

impl Sink {
    fn send(&mut self) -> io::Result<()> {
        let chunk = self.held.split().freeze();
        let sent = self.chunks.blocking_send(chunk);
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes the bytes"))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.held.is_empty() {
            self.held.reserve(CHUNK_BYTES.max(bytes.len()));
        }
        self.held.extend_from_slice(bytes);
        if self.held.len() >= CHUNK_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() { Ok(()) } else { self.send() }
    }
}
