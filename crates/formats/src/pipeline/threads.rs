//! What the threads of a pipeline do, and what they share.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use super::budget::Budget;
use super::{Job, PipelineOptions, Progress, Step};
use crate::cells::Buf;
use crate::error::{Error, Result};
use crate::openpgp::Encrypted;
use crate::pack::{EntryName, FileWriter, Level, Packer, Sink};
use crate::report::{EntryReport, Report, Warnings};
use crate::{Assembler, Body, Piece, Scratch};

/// Buffers above this size, in bytes, are given back to the system: one row of huge texts must not
/// be paid for until the end.
const SPARE_BYTES_MAX: usize = 8 << 20;

/// What all threads of one pipeline see.
pub(super) struct Shared {
    level: Level,
    cancel: Arc<AtomicBool>,
    failed: AtomicBool,
    fault: Mutex<Option<Error>>,
    spares: Mutex<Vec<Buf>>,
    spares_max: usize,
    pub(super) budget: Budget,
    pub(super) progress: Progress,
}

impl Shared {
    pub(super) fn new(cancel: Arc<AtomicBool>, threads: usize, level: Level) -> Self {
        Self {
            level,
            cancel,
            failed: AtomicBool::new(false),
            fault: Mutex::new(None),
            spares: Mutex::new(Vec::new()),
            spares_max: threads * 2,
            budget: Budget::default(),
            progress: Progress::default(),
        }
    }

    /// True when the work has to end, for whatever reason.
    pub(super) fn is_stopped(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.cancel.load(Ordering::Relaxed)
    }

    /// Stops all threads. The first fault is the one that is told.
    pub(super) fn fail(&self, fault: Error) {
        let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.failed.swap(true, Ordering::Relaxed) {
            *first = Some(fault);
        }
        drop(first);
        self.budget.wake();
    }

    pub(super) fn take_fault(&self) -> Error {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Told once; whoever asks again learns that the work is over.
        fault.unwrap_or(Error::Cancelled)
    }

    fn spare(&self) -> Buf {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, mut spare: Buf) {
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < self.spares_max && spare.capacity() <= SPARE_BYTES_MAX {
            spare.clear();
            spares.push(spare);
        }
    }
}

/// The jobs that wait, and the one whose parts are being handed out.
pub(super) struct Jobs {
    queue: Receiver<Arc<Job>>,
    open: Option<(Arc<Job>, usize)>,
}

impl Jobs {
    pub(super) fn new(queue: Receiver<Arc<Job>>) -> Self {
        Self { queue, open: None }
    }

    /// The next part of the oldest job; waits for one. Nothing when there will be no more.
    fn next(&mut self) -> Option<(Arc<Job>, usize)> {
        let (job, part) = match self.open.take() {
            Some(open) => open,
            None => (self.queue.recv().ok()?, 0),
        };
        if part + 1 < job.replies.len() {
            self.open = Some((job.clone(), part + 1));
        }
        Some((job, part))
    }
}

/// An encoding thread: takes parts of jobs until there are none.
pub(super) fn encode(shared: &Shared, jobs: &Mutex<Jobs>) {
    let fresh = || Scratch { level: shared.level, ..Scratch::default() };
    let mut scratch = fresh();
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((job, part)) = next else { return };
        if shared.is_stopped() {
            // Its replies are dropped, and the writing thread ends by that.
            continue;
        }
        let done = catch_unwind(AssertUnwindSafe(|| run(shared, &job, part, &mut scratch)));
        let piece = done.unwrap_or_else(|_| {
            // The state behind a panic is not to be trusted.
            scratch = fresh();
            Err(Error::Panicked("encoding"))
        });
        match piece {
            Ok(piece) => {
                // A closed reply means that the writing thread has ended, and told why.
                let _ = job.replies[part].send(Ok(piece));
            }
            Err(fault) => shared.fail(fault),
        }
        if scratch.text.capacity() > SPARE_BYTES_MAX {
            scratch.text = Buf::default();
        }
    }
}

fn run(shared: &Shared, job: &Job, part: usize, scratch: &mut Scratch) -> Result<Piece> {
    let stop = || shared.is_stopped();
    scratch.spare = shared.spare();
    let sealed;
    let chunk = match &job.sealing {
        Some(sealing) => {
            sealed = sealing.apply(&job.chunk, &stop)?;
            &sealed
        }
        None => &job.chunk,
    };
    let mut piece = match job.replies.len() {
        1 => job.encoder.encode(chunk, scratch, &stop)?,
        _ => job.encoder.encode_part(chunk, part, scratch, &stop)?,
    };
    if part > 0 {
        // The rows of a chunk are counted once.
        piece.rows = 0;
    }
    if let (Some(level), Body::Bytes(bytes)) = (job.deflate, &piece.body) {
        let block = scratch.deflater.block(bytes.as_slice(), level, shared.spare())?;
        if let Body::Bytes(bytes) = std::mem::replace(&mut piece.body, Body::Deflated(block)) {
            shared.give_back(bytes);
        }
    }
    Ok(piece)
}

/// Where the writing thread writes.
pub(super) struct Output {
    packer: Packer,
    level: Level,
}

impl Output {
    pub(super) fn new(options: &PipelineOptions, sink: Box<dyn Write + Send>) -> Result<Self> {
        let level = if options.format.compressed() { Level::STORE } else { options.level };
        let sink = match &options.encryption {
            Some(key) => Sink::Encrypted(Encrypted::new(key.clone(), sink)?),
            None => Sink::Plain(sink),
        };
        // What encrypts its files itself is not encrypted a second time.
        let password = options.password.clone().filter(|_| !options.format.takes_password());
        Ok(Self { packer: Packer::new(options.packing, password, sink), level })
    }
}

/// The files that were pushed, in a packing that is still open.
pub(super) struct Written {
    pub(super) packer: Packer,
    pub(super) entries: Vec<EntryReport>,
}

impl Written {
    /// Ends the packing.
    pub(super) fn finish(self, shared: &Shared) -> Result<Report> {
        let Self { packer, entries } = self;
        if shared.is_stopped() {
            return Err(Error::Cancelled);
        }
        let bytes_written = packer.finish()?;
        shared.progress.bytes.store(bytes_written, Ordering::Relaxed);
        Ok(Report {
            rows: entries.iter().map(|entry| entry.rows).sum(),
            bytes_uncompressed: entries.iter().map(|entry| entry.bytes_uncompressed).sum(),
            bytes_written,
            entries,
        })
    }
}

/// The writing thread: puts pieces in order into the sink. No answer means that there is a fault.
pub(super) fn write(shared: &Shared, output: Output, steps: &Receiver<Step>) -> Option<Written> {
    match write_all(shared, output, steps) {
        Ok(written) => Some(written),
        Err(fault) => {
            shared.fail(fault);
            None
        }
    }
}

fn write_all(shared: &Shared, output: Output, steps: &Receiver<Step>) -> Result<Written> {
    let Output { mut packer, level } = output;
    let mut entries = Vec::new();
    while let Ok(step) = steps.recv() {
        let Step::Begin(name, assembler) = step else {
            return Err(Error::Usage("a piece came before its file"));
        };
        entries.push(write_entry(shared, &mut packer, level, name, assembler, steps)?);
    }
    if shared.is_stopped() {
        return Err(Error::Cancelled);
    }
    Ok(Written { packer, entries })
}

fn write_entry(
    shared: &Shared,
    packer: &mut Packer,
    level: Level,
    name: EntryName,
    mut assembler: Box<dyn Assembler>,
    steps: &Receiver<Step>,
) -> Result<EntryReport> {
    let mut warnings = Warnings::default();
    let mut rows = 0;
    let mut file = packer.begin(name.clone(), level)?;
    assembler.start(&mut file)?;
    loop {
        // A closed queue, or a piece that never comes, means that somebody stopped.
        match steps.recv().map_err(|_| Error::Cancelled)? {
            Step::Chunk(pieces, bytes) => {
                for piece in pieces {
                    let piece = piece.recv().map_err(|_| Error::Cancelled)??;
                    if shared.is_stopped() {
                        return Err(Error::Cancelled);
                    }
                    rows += append(shared, &mut file, assembler.as_mut(), piece, &mut warnings)?;
                }
                shared.budget.give_back(bytes);
            }
            Step::End => break,
            Step::Begin(..) => return Err(Error::Usage("a file began inside another")),
        }
    }
    warnings.merge(assembler.finish(&mut file)?);
    Ok(EntryReport {
        name: name.as_str().to_owned(),
        rows,
        bytes_uncompressed: file.finish()?,
        warnings: warnings.into_vec(),
    })
}

fn append(
    shared: &Shared,
    file: &mut FileWriter<'_>,
    assembler: &mut dyn Assembler,
    mut piece: Piece,
    warnings: &mut Warnings,
) -> Result<u64> {
    let rows = piece.rows;
    warnings.merge(std::mem::take(&mut piece.warnings));
    if let Some(spare) = assembler.append(piece, file)? {
        shared.give_back(spare);
    }
    shared.progress.rows.fetch_add(rows, Ordering::Relaxed);
    shared.progress.bytes.store(file.sink_bytes(), Ordering::Relaxed);
    Ok(rows)
}
