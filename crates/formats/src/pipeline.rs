//! The road from batches to a packed file, on all cores and with the order of the rows kept.
//!
//! `push` cuts batches into chunks and queues each twice: for whichever encoding thread is free,
//! and, in row order, for the one writing thread, which waits for the chunk's pieces and appends them.
//! Both queues are short, and the chunks between them have a budget of bytes, so that a slow sink
//! holds back the pushes and memory does not grow with the threads. Behind the writing thread, one
//! more encrypts where that is asked for. The first fault stops all threads and is what every later
//! call answers; a panic is a fault like any other. Where rows come from and where bytes go is not
//! known here.

mod archive;
mod budget;
mod chunks;
mod threads;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::error::{Error, Result};
use crate::openpgp::PublicKey;
use crate::pack::{EntryName, Level, Packing, Password};
use crate::report::Report;
use crate::seal::Sealing;
use crate::{Assembler, Chunk, Encoder, Format, FormatOptions, Piece};
pub use archive::OpenArchive;
use chunks::{Chunker, Weighed};
use threads::{Jobs, Shared, Written};

/// Most encoding threads; more than this only wait for the writing thread.
const THREADS_MAX: usize = 64;

/// What is the same for all files of one output.
#[derive(Clone)]
pub struct PipelineOptions {
    /// The format of every file.
    pub format: &'static dyn Format,
    /// Its options.
    pub options: FormatOptions,
    /// What is put around the files.
    pub packing: Packing,
    /// The key to which the packed output is encrypted whole.
    pub encryption: Option<PublicKey>,
    /// What opens the files. A format that takes a password encrypts its files itself, and is given
    /// it in [`FormatOptions::password`]; files of others are encrypted inside a zip archive.
    pub password: Option<Password>,
    /// How hard to compress, where something is compressed.
    pub level: Level,
    /// Encoding threads, at least 1; one more thread writes.
    pub threads: usize,
    /// Raise it from anywhere to stop the work. The sink has to fail by itself when it blocks: a
    /// thread that waits inside a write looks at nothing.
    pub cancel: Arc<AtomicBool>,
}

impl PipelineOptions {
    /// Default options for a format: not packed, one thread per core.
    pub fn new(format: &'static dyn Format) -> Self {
        Self {
            format,
            options: FormatOptions::default(),
            packing: Packing::None,
            encryption: None,
            password: None,
            level: Level::FAST,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            cancel: Arc::default(),
        }
    }
}

/// One file of the output.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name inside an archive; for other packings only the report shows it.
    pub name: EntryName,
    /// Its columns.
    pub schema: SchemaRef,
    /// Columns whose values are encrypted, and for whom.
    pub sealing: Option<Sealing>,
}

/// How far the writing has come; may be read from any thread.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    rows: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Progress {
    /// Data rows given to the sink.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes given to the sink.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Rows of a chunk with sealed columns, at most: each of their values becomes a message of some
/// hundred bytes, and takes its time.
const SEALED_ROWS_MAX: usize = 16_384;

/// Work for the encoding threads: a chunk, whose parts they share.
struct Job {
    chunk: Chunk,
    encoder: Arc<dyn Encoder>,
    sealing: Option<Arc<Sealing>>,
    /// Compress the pieces at this level, because a packing wants it so.
    deflate: Option<Level>,
    /// Where each part's piece goes.
    replies: Vec<SyncSender<Result<Piece>>>,
}

/// Work for the writing thread, in file order.
enum Step {
    Begin(EntryName, Box<dyn Assembler>),
    /// The pieces of a chunk, and what it weighs in the budget.
    Chunk(Vec<Receiver<Result<Piece>>>, usize),
    End,
}

/// The file that batches are pushed into.
struct Open {
    entry: Entry,
    encoder: Arc<dyn Encoder>,
    sealing: Option<Arc<Sealing>>,
    chunker: Chunker,
}

/// A running pipeline. Dropping it without `finish` stops its threads and waits for them.
pub struct Pipeline {
    options: PipelineOptions,
    shared: Arc<Shared>,
    jobs: Option<SyncSender<Arc<Job>>>,
    steps: Option<SyncSender<Step>>,
    encoding: Vec<JoinHandle<()>>,
    writing: Option<JoinHandle<Option<Written>>>,
    open: Option<Open>,
    entries: usize,
}

impl Pipeline {
    /// Starts the threads. Nothing is written before the first entry begins.
    ///
    /// # Errors
    /// `Option` for a thread count of 0, and for a password that neither the format nor the packing
    /// takes; `Sink` when the system gives no thread.
    pub fn new(mut options: PipelineOptions, sink: Box<dyn Write + Send>) -> Result<Self> {
        if options.threads == 0 {
            return Err(Error::Option { option: "threads", problem: "use at least 1".into() });
        }
        if options.password.is_some() {
            check_password(options.format, options.packing)?;
            options.options.password.clone_from(&options.password);
        }
        let threads = options.threads.min(THREADS_MAX);
        let shared = Arc::new(Shared::new(options.cancel.clone(), threads, options.level));
        // One chunk in each thread's hands, one waiting for each, and the writer's own.
        let (jobs, taken) = sync_channel::<Arc<Job>>(threads);
        let (steps, ordered) = sync_channel::<Step>(threads * 2);
        let mut pipeline = Self {
            shared: shared.clone(),
            jobs: Some(jobs),
            steps: Some(steps),
            encoding: Vec::with_capacity(threads),
            writing: None,
            open: None,
            entries: 0,
            options,
        };
        let taken = Arc::new(std::sync::Mutex::new(Jobs::new(taken)));
        for at in 0..threads {
            let (shared, taken) = (shared.clone(), taken.clone());
            let thread = Builder::new()
                .name(format!("encode-{at}"))
                .spawn(move || threads::encode(&shared, &taken))?;
            pipeline.encoding.push(thread);
        }
        let packer = threads::Output::new(&pipeline.options, sink)?;
        let thread = Builder::new()
            .name("write".to_owned())
            .spawn(move || threads::write(&shared, packer, &ordered))?;
        pipeline.writing = Some(thread);
        Ok(pipeline)
    }

    /// How far the writing has come.
    pub fn progress(&self) -> Progress {
        self.shared.progress.clone()
    }

    /// Begins a file; the one before it ends.
    ///
    /// # Errors
    /// What `Format::encoder` says about schema and options; `Usage` for a second file in a
    /// packing that holds one.
    pub fn begin(&mut self, entry: Entry) -> Result<()> {
        self.end_entry()?;
        if self.entries > 0 && !self.options.packing.many() {
            return Err(Error::Usage("only zip can hold more than one file"));
        }
        let schema = match &entry.sealing {
            Some(sealing) => sealing.schema(&entry.schema)?,
            None => entry.schema.clone(),
        };
        let encoder: Arc<dyn Encoder> =
            self.options.format.encoder(&schema, &self.options.options)?.into();
        self.step(Step::Begin(entry.name.clone(), encoder.assembler()))?;
        self.entries += 1;
        let chunk_rows = encoder.chunk_rows().map(|rows| match entry.sealing {
            Some(_) => rows.min(SEALED_ROWS_MAX),
            None => rows,
        });
        self.open = Some(Open {
            sealing: entry.sealing.clone().map(Arc::new),
            chunker: Chunker::new(encoder.section_rows(), chunk_rows),
            encoder,
            entry,
        });
        Ok(())
    }

    /// Takes the next rows of the open file. Waits while the threads are busy.
    ///
    /// # Errors
    /// The first fault of any thread; `Cancelled`; `Usage` when the batch has other columns than
    /// the entry.
    pub fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if self.shared.is_stopped() {
            return Err(self.fault());
        }
        let open = self.open.as_mut().ok_or(Error::Usage("no file is open: begin an entry"))?;
        let (fields, given) = (open.entry.schema.fields(), batch.schema_ref().fields());
        if fields.len() != given.len()
            || fields.iter().zip(given).any(|(field, given)| field.data_type() != given.data_type())
        {
            return Err(Error::Usage("a batch has other columns than its file"));
        }
        let chunks = open.chunker.push(batch);
        chunks.into_iter().try_for_each(|weighed| self.queue(weighed))
    }

    /// Ends the last file and the packing, and waits until everything is in the sink.
    ///
    /// # Errors
    /// The first fault of any thread; `Cancelled`; `Usage` when no file was begun.
    pub fn finish(mut self) -> Result<Report> {
        self.written()?.finish(&self.shared)
    }

    /// Ends the last file of rows and leaves the archive open, for files that are no rows.
    ///
    /// # Errors
    /// As [`Pipeline::finish`]; `Usage` when the packing is not zip.
    pub fn into_archive(mut self) -> Result<OpenArchive> {
        if self.options.packing != Packing::Zip {
            return Err(Error::Usage("only zip can hold files next to the rows"));
        }
        let written = self.written()?;
        Ok(OpenArchive::new(written, self.shared.clone(), self.options.level))
    }

    fn written(&mut self) -> Result<Written> {
        if self.entries == 0 {
            return Err(Error::Usage("nothing to write: begin an entry"));
        }
        self.end_entry()?;
        match self.join() {
            Some(written) => Ok(written),
            None => Err(self.fault()),
        }
    }

    fn end_entry(&mut self) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if let Some(weighed) = open.chunker.rest() {
            self.queue(weighed)?;
        }
        self.open = None;
        self.step(Step::End)
    }

    fn queue(&self, weighed: Weighed) -> Result<()> {
        let open = self.open.as_ref().ok_or(Error::Usage("no file is open"))?;
        let packs = self.options.packing != Packing::None && open.encoder.verbatim();
        // Values are sealed once for the whole chunk.
        let parts = if open.sealing.is_some() { 1 } else { open.encoder.parts() };
        let (replies, pieces) = (0..parts).map(|_| sync_channel(1)).unzip();
        let job = Job {
            chunk: weighed.chunk,
            encoder: open.encoder.clone(),
            sealing: open.sealing.clone(),
            deflate: packs.then_some(self.options.level),
            replies,
        };
        if !self.shared.budget.take(weighed.bytes, || self.shared.is_stopped()) {
            return Err(self.fault());
        }
        // First the place in the order, then the work: the other way round a full order queue
        // would let pieces pile up.
        self.step(Step::Chunk(pieces, weighed.bytes))?;
        let jobs = self.jobs.as_ref().ok_or(Error::Usage("the pipeline is finished"))?;
        jobs.send(Arc::new(job)).map_err(|_| self.fault())
    }

    fn step(&self, step: Step) -> Result<()> {
        let steps = self.steps.as_ref().ok_or(Error::Usage("the pipeline is finished"))?;
        steps.send(step).map_err(|_| self.fault())
    }

    /// The reason why the threads stopped.
    fn fault(&self) -> Error {
        self.shared.take_fault()
    }

    /// Lets the threads run out of work and waits for them.
    fn join(&mut self) -> Option<Written> {
        self.jobs = None;
        self.steps = None;
        for thread in self.encoding.drain(..) {
            if thread.join().is_err() {
                self.shared.fail(Error::Panicked("encoding"));
            }
        }
        match self.writing.take()?.join() {
            Ok(written) => written,
            Err(_) => {
                self.shared.fail(Error::Panicked("writing"));
                None
            }
        }
    }
}

/// Whether the format or the packing takes a password.
///
/// # Errors
/// `Option`, when neither does: nothing may be written in the clear where a password was asked for.
pub fn check_password(format: &dyn Format, packing: Packing) -> Result<()> {
    if format.takes_password() || packing == Packing::Zip {
        return Ok(());
    }
    let id = format.id();
    let problem = format!("{id} files take a password inside a zip archive: pack them as zip");
    Err(Error::Option { option: "password", problem })
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if self.writing.is_some() || !self.encoding.is_empty() {
            self.shared.fail(Error::Cancelled);
            self.join();
        }
    }
}

#[cfg(test)]
mod tests;
