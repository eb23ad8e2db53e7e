//! One attempt of one export, from the engine's snapshot to the manifest.
//!
//! For each query: the engine's stream -> bounded channel -> encoding threads -> bounded channel
//! -> upload. No stage holds more than a few pieces. A file is made visible only after all rows
//! that were read are known to be in it; the manifest is made only after all files are. While the
//! disk makes one file durable, the next one's rows are on their way already.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use outhaul_exports::export::Progress;
use outhaul_exports::flow::RowStream;
use outhaul_exports::limits::{FILES_MAX, WARNINGS_MAX};
use outhaul_exports::manifest::{Artifact, ColumnNote, Manifest, Warning};
use outhaul_exports::ports::{ObjectKey, RunLimits, Snapshot, Upload, Written};
use outhaul_exports::query::{Protection, Query};
use outhaul_exports::spec::{ExportSpec, Split};
use outhaul_exports::{ArtifactId, Error};
use outhaul_formats::openpgp::PublicKey;
use outhaul_formats::pack::EntryName;
use outhaul_formats::seal::{Recipient, Sealing};
use outhaul_formats::{
    Entry, EntryReport, FormatOptions, Password, PipelineOptions, Report, pipeline,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::archive::{self, Filling, Found, Halt, Room};
use super::documents::documents;
use super::encode::{Step, encode};
use super::failure::Stop;
use super::flat::flat;
use super::naming;
use super::numbers::numbered;
use super::parts::PartReader;
use super::protocol::Run;
use crate::formats;
use crate::storage::Quota;

/// Batches between the engine and the encoders.
const BATCHES_WAITING: usize = 4;

/// Chunks between the encoders and the upload.
const CHUNKS_WAITING: usize = 4;

/// What a run made.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) manifest: Manifest,
    pub(crate) warnings: Vec<Warning>,
}

/// Runs an attempt. When it stops early, its unfinished upload is given up; files that it finished
/// are left for whoever holds the lease.
pub(crate) async fn run(
    run: &Run,
    parts: &Parts,
    limits: &RunLimits,
    counters: &Arc<Counters>,
    cancel: &CancellationToken,
) -> Result<Finished, Stop> {
    let (format, mut options) = formats::chosen(&run.spec.format)?;
    options.spill_dir = Some(limits.spill_dir.clone());
    let encryption = encryption(&run.spec, parts.clock.now())?;
    let password = password(&run.spec)?;
    let limits = &shared(limits, &run.spec);
    let room = Room::new(&limits.spill_dir, limits.spill_bytes);
    let (names, found) = match &run.spec.archive {
        Some(archive) => {
            let name = archive::data_entry(&run.spec, run.lease.export, format.extension());
            (vec![name], Some(Found::none(archive, &room)?))
        }
        None => (naming::entry_names(&run.spec, format.extension()), None),
    };
    let snapshot = unless(cancel, parts.engine.begin(&run.scope, limits)).await?;
    let mut attempt = Attempt {
        run,
        parts,
        options,
        encryption,
        password,
        room,
        found,
        uploaded: AtomicU64::new(0),
        threads: limits.threads,
        counters,
        cancel,
        warnings: vec![],
        publishing: None,
        artifacts: Vec::with_capacity(names.len()),
    };
    // Before any row: what cannot come in increments is refused at once.
    let mut marks = Vec::new();
    let known = run.spec.session.iter().flat_map(|session| &session.queries);
    for (asked, known) in run.spec.queries.iter().zip(known) {
        marks.push(match known {
            Some(_) => Some(unless(cancel, snapshot.mark(&asked.query)).await?),
            None => None,
        });
    }
    let wrote = attempt.write_queries(&*snapshot, names).await;
    // Also after a failure: nothing of this attempt appears when it is over.
    let published = attempt.published().await;
    wrote.and(published)?;
    let manifest = Manifest { snapshot: snapshot.note(), artifacts: attempt.artifacts, marks };
    let read = counters.progress().rows_read;
    same_count("rows read and rows listed", read, manifest.rows())?;
    Ok(Finished { manifest, warnings: attempt.warnings })
}

/// The limits of the engine, and of what waits in files besides: where anything does, both have half
/// of the disk.
fn shared(limits: &RunLimits, spec: &ExportSpec) -> RunLimits {
    let waits = spec.archive.is_some() || spec.documents.is_some();
    let spill_bytes = limits.spill_bytes / if waits { 2 } else { 1 };
    RunLimits { spill_bytes, ..limits.clone() }
}

/// What was read for a file.
#[derive(Debug, Default)]
struct Read {
    rows: u64,
    /// Files that rows refer to and that did not come.
    missing: u64,
}

struct Attempt<'a> {
    run: &'a Run,
    parts: &'a Parts,
    options: FormatOptions,
    /// The key to which each file is encrypted.
    encryption: Option<PublicKey>,
    /// What opens each file.
    password: Option<Password>,
    /// Where what is written behind the rows of an archive waits.
    room: Room,
    /// The files that the rows of an archive refer to.
    found: Option<Found>,
    /// Bytes of all files so far.
    uploaded: AtomicU64,
    threads: usize,
    counters: &'a Arc<Counters>,
    cancel: &'a CancellationToken,
    warnings: Vec<Warning>,
    /// The file that is being made durable.
    publishing: Option<Publishing>,
    /// Files that are.
    artifacts: Vec<Artifact>,
}

/// A file of which all bytes were handed over.
struct Publishing {
    written: JoinHandle<outhaul_exports::Result<Written>>,
    /// How many bytes there were.
    bytes: u64,
    /// All that is known of it but what [`Written`] says.
    artifact: Artifact,
}

impl Attempt<'_> {
    async fn write_queries(
        &mut self,
        snapshot: &dyn Snapshot,
        names: Vec<EntryName>,
    ) -> Result<(), Stop> {
        for (query, name) in names.into_iter().enumerate() {
            self.write_query(snapshot, query, name).await?;
            self.counters.query_done();
        }
        Ok(())
    }

    /// Waits until the file on its way is durable.
    async fn published(&mut self) -> Result<(), Stop> {
        let Some(Publishing { written, bytes, artifact }) = self.publishing.take() else {
            return Ok(());
        };
        let written = written.await.unwrap_or_else(|panic| {
            Err(Error::internal(format!("an upload's end panicked: {panic}")))
        })?;
        same_count("bytes encoded and bytes stored", bytes, written.bytes)?;
        self.counters.file_done();
        self.artifacts.push(Artifact {
            bytes: written.bytes,
            sha256: written.sha256,
            block_crc32: written.block_crc32,
            ..artifact
        });
        Ok(())
    }

    /// Writes one query's file, or the files of its parts.
    async fn write_query(
        &mut self,
        snapshot: &dyn Snapshot,
        query: usize,
        name: EntryName,
    ) -> Result<(), Stop> {
        let spec = &self.run.spec;
        let asked = &spec.queries[query].query;
        let rows = unless(self.cancel, snapshot.open(asked)).await?;
        let rows = match &spec.row_numbers {
            Some(heading) => numbered(rows, heading),
            None => rows,
        };
        // Before anything is made of the rows: the archive names their own columns.
        let rows = match &self.found {
            Some(found) => found.watch(rows),
            None => rows,
        };
        self.counters.query_opened(rows.estimated_rows);
        let rows = self.documents(rows).await?;
        self.warnings.extend(rows.warnings);
        let entry =
            Entry { name: name.clone(), schema: rows.schema, sealing: self.sealing(asked)? };
        let split = spec.split_of(asked).map(|split| match split {
            Split::Day(column) => Split::Day(column + self.columns_in_front()),
            split => split,
        });
        let mut parts = unless(self.cancel, PartReader::of(rows.batches, split)).await?;
        for at in 0.. {
            if self.artifacts.len() + usize::from(self.publishing.is_some()) == FILES_MAX {
                let text = format!("the export would have more than {FILES_MAX} files: divide it");
                return Err(Stop::failed("too_many_files", &text, String::new()));
            }
            let part = parts.name();
            self.counters.part_begun(part.clone());
            let mut entry = entry.clone();
            if let Some(part) = &part {
                entry.name = naming::part_name(&name, part);
            }
            let key = naming::object_key(self.run.scope.tenant(), &self.run.lease, query, at);
            let place = (u32::try_from(query).unwrap_or(u32::MAX), part);
            self.write_file(&key, entry, &mut parts, place, snapshot).await?;
            if !unless(self.cancel, parts.another()).await? {
                break;
            }
        }
        Ok(())
    }

    /// The rows as the documents that they are to be, in a layout that the format can write.
    async fn documents(&self, rows: RowStream) -> Result<RowStream, Stop> {
        let spec = &self.run.spec;
        let Some(wanted) = &spec.documents else { return Ok(rows) };
        let rows = documents(rows, wanted, spec.archive.as_ref())?;
        if outhaul_formats::format(&spec.format.id)?.nests() {
            return Ok(rows);
        }
        unless(self.cancel, flat(rows, &self.room)).await
    }

    /// Writes the file of the part that is next, and leaves it to be published.
    async fn write_file(
        &mut self,
        key: &ObjectKey,
        entry: Entry,
        rows: &mut PartReader,
        (query, part): (u32, Option<String>),
        snapshot: &dyn Snapshot,
    ) -> Result<(), Stop> {
        let spec = &self.run.spec;
        let name = entry.name.clone();
        let schema = match &entry.sealing {
            Some(sealing) => sealing.schema(&entry.schema)?,
            None => entry.schema.clone(),
        };
        let upload = unless(self.cancel, self.parts.artifacts.create(key)).await?;
        let filling = self.filling(query, snapshot);
        let (read, report, upload) = self.stream(rows, entry, upload, filling).await?;

        let listed = match self.whole(read.rows, &report) {
            Ok(entry) => entry,
            Err(stop) => {
                give_up(upload).await;
                return Err(stop);
            }
        };
        self.warn(&listed);
        self.warnings.extend(archive::warning(read.missing));
        let kind = formats::kind(spec)?;
        // At most one file at a time: what waits for the disk does not grow.
        if let Err(stop) = self.published().await {
            give_up(upload).await;
            return Err(stop);
        }
        let artifact = Artifact {
            id: ArtifactId::random(),
            query,
            part,
            key: key.path(),
            file_name: naming::file_name(&name, kind.packing, kind.encrypted),
            media_type: kind.media_type.to_owned(),
            text: kind.text,
            rows: listed.rows,
            bytes: 0,
            sha256: String::new(),
            block_crc32: Vec::new(),
            columns: ColumnNote::of(&schema),
        };
        let written = tokio::spawn(upload.finish());
        self.publishing = Some(Publishing { written, bytes: report.bytes_written, artifact });
        Ok(())
    }

    /// Reads, encodes and uploads at the same time. The upload comes back unfinished.
    async fn stream(
        &self,
        rows: &mut PartReader,
        entry: Entry,
        upload: Box<dyn Upload>,
        filling: Option<Filling<'_>>,
    ) -> Result<(Read, Report, Box<dyn Upload>), Stop> {
        let (to_encoder, steps) = mpsc::channel(BATCHES_WAITING);
        let (to_upload, chunks) = mpsc::channel(CHUNKS_WAITING);
        let stop = Arc::new(AtomicBool::new(false));
        let options = PipelineOptions {
            options: self.options.clone(),
            packing: formats::packing_of(&self.run.spec),
            encryption: self.encryption.clone(),
            password: self.password.clone(),
            threads: self.threads.max(1),
            cancel: stop.clone(),
            ..PipelineOptions::new(outhaul_formats::format(&self.run.spec.format.id)?)
        };
        let counters = self.counters.clone();
        let encoding = tokio::task::spawn_blocking(move || {
            encode(options, entry, &counters, steps, to_upload)
        });
        // Whichever stage ends early closes its channels, and so ends the others.
        let reading = self.read(rows, to_encoder, filling);
        let uploading = async {
            let uploaded = self.upload(chunks, upload).await;
            stop.fetch_or(uploaded.1.is_err(), Ordering::Relaxed);
            uploaded
        };
        let (read, report, (upload, uploaded)) = tokio::join!(reading, encoding, uploading);
        let report = report.unwrap_or(Err(outhaul_formats::Error::Panicked("encoding")));
        match first_fault(self.cancel, read, report, uploaded) {
            Ok((read, report)) => Ok((read, report, upload)),
            Err(stop) => {
                give_up(upload).await;
                Err(stop)
            }
        }
    }

    async fn read(
        &self,
        rows: &mut PartReader,
        encoder: mpsc::Sender<Step>,
        filling: Option<Filling<'_>>,
    ) -> Result<Read, Stop> {
        let mut read = Read::default();
        loop {
            let next = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Stop::Cancelled),
                // The encoder ended: it failed, and says why itself.
                () = encoder.closed() => return Ok(read),
                next = rows.next() => next?,
            };
            let Some(batch) = next else { break };
            read.rows += batch.num_rows() as u64;
            self.counters.rows_read(batch.num_rows() as u64);
            if encoder.send(Step::Rows(batch)).await.is_err() {
                return Ok(read);
            }
        }
        if let Some(filling) = filling {
            let filled = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Stop::Cancelled),
                () = encoder.closed() => return Ok(read),
                filled = filling.fill(&encoder) => filled,
            };
            read.missing = match filled {
                Ok(missing) => missing,
                Err(Halt::EncoderEnded) => return Ok(read),
                Err(Halt::Stop(stop)) => return Err(stop),
            };
        }
        let _ = encoder.send(Step::End).await;
        Ok(read)
    }

    /// What comes behind the rows of a query.
    fn filling<'a>(&'a self, query: u32, snapshot: &'a dyn Snapshot) -> Option<Filling<'a>> {
        let query = self.run.spec.queries.get(usize::try_from(query).ok()?)?;
        Some(Filling {
            archive: self.run.spec.archive.as_ref()?,
            export: self.run.lease.export,
            snapshot,
            query: &query.query,
            found: self.found.as_ref()?,
            room: &self.room,
            counters: self.counters,
        })
    }

    async fn upload(
        &self,
        mut chunks: mpsc::Receiver<Bytes>,
        mut upload: Box<dyn Upload>,
    ) -> (Box<dyn Upload>, Result<(), Stop>) {
        let writing = async {
            while let Some(chunk) = chunks.recv().await {
                self.count_uploaded(chunk.len() as u64)?;
                upload.write(chunk).await?;
            }
            Ok::<(), Stop>(())
        };
        let uploaded = unless(self.cancel, writing).await;
        (upload, uploaded)
    }

    /// Counts bytes that are to be stored; fails when they are more than may be.
    fn count_uploaded(&self, bytes: u64) -> Result<(), Stop> {
        let uploaded = self.uploaded.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match self.run.quota.and_then(|quota: Quota| quota.refusal(uploaded)) {
            Some(failure) => Err(Stop::failed(&failure.code, &failure.message, String::new())),
            None => Ok(()),
        }
    }

    /// Whether what was read is what was encoded, in one file.
    fn whole(&self, read: u64, report: &Report) -> Result<EntryReport, Stop> {
        let [entry] = report.entries.as_slice() else {
            let internal = format!("{} files in one artifact", report.entries.len());
            return Err(Error::internal(internal).into());
        };
        same_count("rows read and rows encoded", read, report.rows)?;
        same_count("rows encoded and rows of the file", report.rows, entry.rows)?;
        Ok(entry.clone())
    }

    fn warn(&mut self, entry: &EntryReport) {
        for warning in &entry.warnings {
            let room = WARNINGS_MAX.saturating_sub(self.warnings.len());
            let code = serde_json::to_value(warning.kind).ok();
            let code = code.and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default();
            let place = match warning.column.as_str() {
                "" => entry.name.clone(),
                column => format!("{}, column \"{column}\"", entry.name),
            };
            let message = format!("{}: {place}", warning.kind.sentence());
            if room > 1 {
                self.warnings.push(Warning { code, message, count: warning.count });
            } else if room == 1 {
                let message = "further warnings were not kept one by one".to_owned();
                let code = "further_warnings".to_owned();
                self.warnings.push(Warning { code, message, count: 1 });
            } else if let Some(last) = self.warnings.last_mut() {
                last.count += 1;
            }
        }
    }

    /// How many columns a file has before those of its query.
    fn columns_in_front(&self) -> usize {
        usize::from(self.run.spec.row_numbers.is_some())
    }

    fn sealing(&self, query: &Query) -> Result<Option<Sealing>, Stop> {
        let in_front = self.columns_in_front();
        let columns: Vec<_> = sealed_columns(query).into_iter().map(|at| at + in_front).collect();
        if columns.is_empty() {
            return Ok(None);
        }
        let key = sealing_key(&self.run.spec)?;
        let recipient = Recipient::parse(key, self.parts.clock.now())?;
        Ok(Some(Sealing::new(columns, recipient, self.options.values.clone())))
    }
}

/// The key to which each file is encrypted, where one is named. It may have expired meanwhile.
fn encryption(spec: &ExportSpec, now: DateTime<Utc>) -> Result<Option<PublicKey>, Stop> {
    let Some(key) = &spec.encryption_key else { return Ok(None) };
    PublicKey::parse(key, now).map(Some).map_err(|error| {
        let text = format!("the files cannot be encrypted to the tenant's key: {error}");
        Stop::failed("encryption_failed", &text, String::new())
    })
}

/// What opens each file, where something is to. Files without the password that was asked for are
/// never written.
fn password(spec: &ExportSpec) -> Result<Option<Password>, Stop> {
    let Some(password) = &spec.password else { return Ok(None) };
    let text = password.reveal().ok_or_else(|| {
        let text = "the password of its files was forgotten already: create a new export";
        Stop::failed("encryption_failed", text, String::new())
    })?;
    Ok(Some(Password::new(text)?))
}

/// Which columns of the result are encrypted.
fn sealed_columns(query: &Query) -> Vec<usize> {
    let Query::Select(select) = query else { return Vec::new() };
    let columns = select.columns.iter().enumerate();
    columns.filter(|(_, c)| c.protection == Protection::Sealed).map(|(at, _)| at).collect()
}

fn sealing_key(spec: &ExportSpec) -> Result<&str, Stop> {
    spec.sealing_key.as_deref().ok_or_else(|| {
        let text = "values are to be encrypted, but the tenant has no public key: register one";
        Stop::failed("sealing_failed", text, String::new())
    })
}

/// What went wrong first, where one stage's end ends the others: what the upload says explains
/// a broken sink, and what the engine says explains missing rows.
fn first_fault(
    cancel: &CancellationToken,
    read: Result<Read, Stop>,
    report: outhaul_formats::Result<Report>,
    uploaded: Result<(), Stop>,
) -> Result<(Read, Report), Stop> {
    if cancel.is_cancelled() {
        return Err(Stop::Cancelled);
    }
    uploaded?;
    let read = read?;
    Ok((read, report?))
}

fn same_count(what: &str, one: u64, other: u64) -> Result<(), Stop> {
    if one == other {
        return Ok(());
    }
    let text = "the file would not have been whole; nothing was published";
    Err(Stop::failed("count_mismatch", text, format!("{what}: {one} and {other}")))
}

async fn give_up(upload: Box<dyn Upload>) {
    if let Err(error) = upload.abort().await {
        tracing::warn!(error = error.chain(), "an upload could not be given up");
    }
}

/// Waits for `work`, but not past the cancellation.
async fn unless<T, E: Into<Stop>>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Stop> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Stop::Cancelled),
        done = work => done.map_err(Into::into),
    }
}

/// How far a run is; read from another thread.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    rows_read: u64,
    /// Of the files that are finished.
    rows_encoded: u64,
    bytes_written: u64,
    /// Of the file that is being written.
    current: Option<pipeline::Progress>,
    estimates: Vec<Option<u64>>,
    queries_done: u32,
    part: Option<String>,
    /// Files behind the rows.
    contents_done: u64,
}

impl Counters {
    pub(crate) fn progress(&self) -> Progress {
        let count = self.lock();
        let (rows, bytes) = count.current.as_ref().map_or((0, 0), |p| (p.rows(), p.bytes()));
        Progress {
            rows_read: count.rows_read,
            rows_encoded: count.rows_encoded + rows,
            bytes_written: count.bytes_written + bytes,
            rows_estimated: count.estimates.iter().copied().sum::<Option<u64>>(),
            queries_done: count.queries_done,
            part: count.part.clone(),
            files_done: count.contents_done,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn query_opened(&self, estimate: Option<u64>) {
        self.lock().estimates.push(estimate);
    }

    fn rows_read(&self, rows: u64) {
        self.lock().rows_read += rows;
    }

    pub(super) fn encoding(&self, progress: pipeline::Progress) {
        self.lock().current = Some(progress);
    }

    fn part_begun(&self, part: Option<String>) {
        self.lock().part = part;
    }

    pub(super) fn content_done(&self) {
        self.lock().contents_done += 1;
    }

    fn file_done(&self) {
        let mut count = self.lock();
        if let Some(done) = count.current.take() {
            count.rows_encoded += done.rows();
            count.bytes_written += done.bytes();
        }
    }

    fn query_done(&self) {
        let mut count = self.lock();
        count.queries_done += 1;
        count.part = None;
    }
}
