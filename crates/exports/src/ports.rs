//! What this room needs of the rooms around it. Each trait has a conformance suite that every
//! implementation runs; none of them knows HTTP or a vendor.

use std::ops::Range;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::access::{AccessToken, Credential, CredentialKind, Link, LinkKey, SecretHash};
use crate::export::{Export, Outcome, Progress, State};
use crate::flow::{ByteStream, RowStream};
use crate::format::FormatSheet;
use crate::lease::{Incarnation, LeaseKey};
use crate::manifest::{Artifact, ColumnNote, SnapshotNote};
use crate::notice::Message;
use crate::principal::{TenantId, TenantScope};
use crate::query::{Path, Query};
use crate::session::{Mark, Session};
use crate::spec::FormatChoice;
use crate::{ArtifactId, Error, ErrorKind, ExportId, Result};

/// Where exports are remembered.
///
/// Every method is one short transaction. What a call answered with success is on disk. A change
/// by a worker names its lease and is refused, without an error, when the lease is lost.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Inserts a new export, unless its idempotency key was seen before or a limit is reached.
    ///
    /// # Errors
    /// `LimitExceeded` when `admission` is full (nothing is stored, the key stays free);
    /// `KeyReused` when the key belongs to another request; `Expired` when the export that the key
    /// created was deleted since; `Unavailable` when the store is away.
    async fn insert(&self, new: NewExport) -> Result<Inserted>;

    /// What [`JobStore::insert`] would replay at `now`: the tenant's export that the first request
    /// with this key created, as it is now; `None` when the key is free. Read only: two requests
    /// at once are told apart by the insertion alone.
    ///
    /// # Errors
    /// `KeyReused` and `Expired`, as the insertion.
    async fn replay(
        &self,
        tenant: &TenantId,
        key: &Idempotency,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>>;

    /// The tenant's export of that id; `None` for an unknown one and for another tenant's.
    async fn get(&self, tenant: &TenantId, id: ExportId) -> Result<Option<Export>>;

    /// A page of a tenant's exports, the newest first.
    async fn list(&self, filter: &ListFilter) -> Result<Vec<Export>>;

    /// Loads the tenant's export, lets `change` alter it, and stores it, in one transaction.
    /// When `change` fails nothing is stored and its error is returned.
    async fn change(
        &self,
        tenant: &TenantId,
        id: ExportId,
        change: Change,
    ) -> Result<Option<Export>>;

    /// Forgets the tenant's export, unless it is running. Its files become orphans.
    ///
    /// # Errors
    /// `Conflict` when it is running.
    async fn remove(
        &self,
        tenant: &TenantId,
        id: ExportId,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>>;

    /// The export and artifact of that id; `None` unless published, and for another tenant's.
    async fn artifact(
        &self,
        tenant: &TenantId,
        id: ArtifactId,
    ) -> Result<Option<(Export, Artifact)>>;

    /// Takes leases on queued exports that are due, at most `ask.most`.
    ///
    /// The pick is fair: the tenant that was served longest ago comes first, and of its exports
    /// the oldest. No export is taken over its policy's `running_max` (counted per tenant and
    /// dialect); exports that wait for such a place keep their order. Exports of one session run
    /// one after the other; the others do not wait for them.
    async fn lease(&self, ask: &LeaseAsk) -> Result<Vec<Export>>;

    /// Renews a lease and stores the progress.
    async fn heartbeat(
        &self,
        key: &LeaseKey,
        until: DateTime<Utc>,
        progress: &Progress,
        now: DateTime<Utc>,
    ) -> Result<Beat>;

    /// Ends an attempt. `None` when the lease is lost: then nothing changed. Completing again with
    /// the manifest that is published already answers the export, so that a worker whose first
    /// answer was lost can ask again.
    async fn finish(
        &self,
        key: &LeaseKey,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>>;

    /// Queues again every running export whose lease is over at `now` (see
    /// [`Lease::is_over`](crate::lease::Lease::is_over)), or whose holder is one of `dead`:
    /// processes that are known to have ended. Answers how many.
    async fn rescue(&self, now: DateTime<Utc>, dead: &[Incarnation]) -> Result<u64>;

    /// Marks completed exports whose files' time is over, at most `most`, and answers them.
    async fn expire(&self, now: DateTime<Utc>, most: u32) -> Result<Vec<Export>>;

    /// Forgets exports whose record's time is over and that are not active, at most `most`, and
    /// idempotency keys that are over. Answers the exports.
    async fn purge(&self, now: DateTime<Utc>, most: u32) -> Result<Vec<Export>>;

    /// Whether an object of the artifact store is still needed: a published, unexpired artifact
    /// has this key, or a running attempt of this lease may be writing it.
    async fn is_needed(&self, object: &ObjectKey) -> Result<bool>;

    /// What happened after `after`, in order, at most `most`, for one tenant.
    async fn events(
        &self,
        tenant: &TenantId,
        after: u64,
        export: Option<ExportId>,
        most: u32,
    ) -> Result<Vec<Event>>;

    /// Counts of exports by dialect and state, for metrics.
    async fn counts(&self) -> Result<Vec<StateCount>>;

    /// Bytes of the published files of the tenant's exports in a dialect, those left out that have
    /// expired.
    async fn stored_bytes(&self, tenant: &TenantId, dialect: &str) -> Result<u64>;

    /// When the export was created that has been queued the longest, for metrics; in whole
    /// milliseconds at least.
    async fn oldest_queued(&self) -> Result<Option<DateTime<Utc>>>;

    /// Changes whenever something was stored: whoever waits for work or for news looks again.
    /// A hint only; look now and then anyway.
    fn changes(&self) -> tokio::sync::watch::Receiver<u64>;
}

/// A change to one export, applied inside the store's transaction.
pub type Change = Box<dyn FnOnce(&mut Export) -> Result<()> + Send>;

/// A new export and the conditions of its insertion.
#[derive(Debug, Clone)]
pub struct NewExport {
    /// The export, queued.
    pub export: Export,
    /// The request's idempotency key.
    pub idempotency: Option<Idempotency>,
}

/// An idempotency key bound to its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Tenant, dialect, method and path.
    pub scope: String,
    /// The client's key.
    pub key: String,
    /// Hash of the request's body.
    pub fingerprint: String,
    /// When the key is forgotten.
    pub expires_at: DateTime<Utc>,
}

impl Idempotency {
    /// Checks a repeated request against the fingerprint that the key was first seen with.
    ///
    /// # Errors
    /// `KeyReused` when it is another request.
    pub fn check_repeated(&self, first: &str) -> Result<()> {
        if self.fingerprint == first {
            return Ok(());
        }
        let text = "this idempotency key was used with another request; use a new key";
        Err(Error::new(ErrorKind::KeyReused, text))
    }

    /// The error for a repeated request whose export is gone.
    pub fn export_gone() -> Error {
        let text = "the export that this idempotency key created was deleted; use a new key";
        Error::new(ErrorKind::Expired, text)
    }
}

/// What became of an insertion.
#[derive(Debug, Clone, PartialEq)]
pub enum Inserted {
    /// It is stored.
    New(Export),
    /// The key had been seen with the same request; this is the export it created, as it is now.
    Replayed(Export),
}

/// Which exports to list.
#[derive(Debug, Clone)]
pub struct ListFilter {
    /// Whose.
    pub tenant: TenantId,
    /// Of which dialect; all when absent.
    pub dialect: Option<String>,
    /// In which states; all when empty.
    pub states: Vec<State>,
    /// In the session of this name; in any or none when absent.
    pub session: Option<String>,
    /// Whose label contains this, in any case.
    pub label: Option<String>,
    /// Older than this one (a cursor).
    pub before: Option<ExportId>,
    /// Without those whose record's time is over at this moment; with all when absent.
    pub kept_at: Option<DateTime<Utc>>,
    /// The most exports.
    pub most: u32,
}

/// A worker that asks for work.
#[derive(Debug, Clone)]
pub struct LeaseAsk {
    /// Who asks.
    pub holder: Incarnation,
    /// The most exports.
    pub most: u32,
    /// How long a lease lasts.
    pub ttl: TimeDelta,
    /// The present moment.
    pub now: DateTime<Utc>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Go on.
    Continue,
    /// Stop: its cancellation was asked for.
    Cancel,
    /// Stop and write nothing: the lease is lost.
    Lost,
}

/// Where an artifact's bytes are: `<tenant>/<export>/<lease token>/<file>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey {
    /// Whose.
    pub tenant: TenantId,
    /// Of which export.
    pub lease: LeaseKey,
    /// The last part.
    pub file: String,
}

impl ObjectKey {
    /// The key as one text.
    pub fn path(&self) -> String {
        format!("{}/{}/{}/{}", self.tenant, self.lease.export, self.lease.token, self.file)
    }

    /// Reads a key back; `None` for an object that is not ours.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let tenant = TenantId(parts.next()?.to_owned());
        let export = parts.next()?.parse().ok()?;
        let token = crate::lease::LeaseToken(parts.next()?.to_owned());
        let file = parts.next()?.to_owned();
        let key = Self { tenant, lease: LeaseKey { export, token }, file };
        parts.next().is_none().then_some(key)
    }
}

/// One thing that happened to an export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Place in the order of all events.
    pub sequence: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// To which export.
    pub export: ExportId,
    /// Its state after it.
    pub state: State,
    /// What: `submitted`, `started`, `completed`, `failed`, `retried`, `crashed`, `released`,
    /// `rescued`, `cancel_requested`, `cancelled`, `expired`, `removed`.
    pub kind: String,
}

/// How many exports of a dialect are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCount {
    /// The dialect.
    pub dialect: String,
    /// The state.
    pub state: State,
    /// How many.
    pub count: u64,
}

/// Where credentials, tokens and links are remembered.
#[async_trait]
pub trait AccessStore: Send + Sync {
    /// Adds a credential.
    ///
    /// # Errors
    /// `Conflict` when its public half is taken for that audience and kind.
    async fn add_credential(&self, credential: &Credential) -> Result<()>;

    /// The credential of that audience, kind and public half, live or not.
    async fn credential(
        &self,
        audience: &str,
        kind: CredentialKind,
        public: &str,
    ) -> Result<Option<Credential>>;

    /// All credentials, of one tenant or of all, the oldest first.
    async fn credentials(&self, tenant: Option<&TenantId>) -> Result<Vec<Credential>>;

    /// Revokes every live credential with that public half; answers how many.
    async fn revoke_credential(&self, public: &str, now: DateTime<Utc>) -> Result<u64>;

    /// Gives a live credential another secret in place of the one it has, and ends every token that
    /// was granted for it. `false` when there is no live one.
    async fn replace_secret(
        &self,
        audience: &str,
        kind: CredentialKind,
        public: &str,
        secret: &SecretHash,
        now: DateTime<Utc>,
    ) -> Result<bool>;

    /// Adds an access token.
    async fn add_token(&self, token: &AccessToken) -> Result<()>;

    /// The access token of that hash, live or not.
    async fn token(&self, hash: &str) -> Result<Option<AccessToken>>;

    /// Forgets the access token of that hash, live or not; whether there was one.
    async fn end_token(&self, hash: &str) -> Result<bool>;

    /// The key of standing links; made by the first call.
    async fn link_key(&self) -> Result<LinkKey>;

    /// Adds a link, unless the artifact has `most` live ones.
    ///
    /// # Errors
    /// `LimitExceeded` then; `Conflict` when there is a link with that hash.
    async fn add_link(&self, link: &Link, most: u32) -> Result<()>;

    /// The link of that hash, live or not.
    async fn link(&self, hash: &str) -> Result<Option<Link>>;

    /// The live links of an artifact, the oldest first.
    async fn links(
        &self,
        tenant: &TenantId,
        artifact: ArtifactId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Link>>;

    /// Moves the end of a live link; `None` when there is none.
    async fn renew_link(
        &self,
        tenant: &TenantId,
        hash: &str,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<Link>>;

    /// Revokes a live link; whether there was one.
    async fn revoke_link(&self, tenant: &TenantId, hash: &str, now: DateTime<Utc>) -> Result<bool>;

    /// Forgets tokens and links that ended before `now`. Answers how many.
    async fn purge_access(&self, now: DateTime<Utc>) -> Result<u64>;
}

/// The messages that tell of exports' ends: where they wait until somebody took them.
///
/// The store itself makes them ([`crate::notice::of_end`]), in the transaction that makes an export
/// completed or failed, and drops those that wait in the one in which it stops being that
/// ([`crate::notice::is_told`]). A message is sent at least once: whoever takes one has it alone
/// until the lease of the taking is over; who dies with it does not have it any longer then.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes messages of a kind that wait and are due, those that have been due the longest first.
    /// Each counts as an attempt, and is not due again before the lease is over.
    async fn take(&self, ask: &TakeMessages) -> Result<Vec<Message>>;

    /// A message was taken by whom it is for; what it reports is kept. `false` when it waits no
    /// longer.
    async fn sent(&self, message: &Message, now: DateTime<Utc>) -> Result<bool>;

    /// The attempt that `message` counts last has failed: it is due again at `next`, or given up.
    /// What it reports is kept.
    /// `false`, and nothing changes, when it waits no longer or is in other hands since.
    async fn failed(
        &self,
        message: &Message,
        error: &str,
        next: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<bool>;

    /// The messages of the tenant's export, the oldest first.
    async fn messages(&self, tenant: &TenantId, export: ExportId) -> Result<Vec<Message>>;
}

/// Somebody who sends messages asks for some.
#[derive(Debug, Clone)]
pub struct TakeMessages {
    /// Of which kind: [`crate::notice::MessageKind::name`].
    pub kind: &'static str,
    /// The most messages.
    pub most: u32,
    /// How long they are the asker's alone.
    pub ttl: TimeDelta,
    /// The present moment.
    pub now: DateTime<Utc>,
}

/// What reads the scripts that are to be run when an export has ended.
#[async_trait]
pub trait ScriptCheck: Send + Sync {
    /// Whether the text is a script, without running it.
    ///
    /// # Errors
    /// `Invalid` at `notices.script`, with line and column where they are known; `Unavailable` when
    /// it cannot be read just now.
    async fn check(&self, source: &str) -> Result<()>;
}

/// Where sessions are remembered. A session is made by the insertion of its first export
/// ([`JobStore::insert`], by the rule [`crate::session::enter`]), and may be moved by the completion
/// of one ([`JobStore::finish`], [`crate::session::complete`]), each in the same transaction.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// The session of that name.
    async fn session(
        &self,
        tenant: &TenantId,
        dialect: &str,
        name: &str,
    ) -> Result<Option<Session>>;

    /// All sessions of a tenant and dialect, in the order of their names.
    async fn sessions(&self, tenant: &TenantId, dialect: &str) -> Result<Vec<Session>>;

    /// The client has the rows of the tenant's export: applies [`crate::session::acknowledge`], and
    /// answers the export and its session as they are then; `None` when there is no such export.
    ///
    /// # Errors
    /// `Conflict` when the export cannot move its session.
    async fn acknowledge(
        &self,
        tenant: &TenantId,
        export: ExportId,
        now: DateTime<Utc>,
    ) -> Result<Option<(Export, Session)>>;

    /// Forgets the session; whether there was one. Its exports stay, and move nothing any more.
    async fn remove_session(&self, tenant: &TenantId, dialect: &str, name: &str) -> Result<bool>;
}

/// What finds rows. Only a slot holds one.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Begins to read: all queries opened on the answer see one moment, as far as the sources can
    /// give that, and only the scope's rows.
    async fn begin(&self, scope: &TenantScope, limits: &RunLimits) -> Result<Box<dyn Snapshot>>;
}

/// One moment of the sources, seen by one tenant.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// Which moment, and how firmly.
    fn note(&self) -> SnapshotNote;

    /// Plans a query without running it: the columns of its result.
    ///
    /// # Errors
    /// `Invalid`, `UnknownObject`, `UnknownField` for a query that is wrong; `Unsupported` for
    /// statements, functions and tables that are not offered.
    async fn check(&self, query: &Query) -> Result<Vec<ColumnNote>>;

    /// Plans and starts a query. Dropping the stream stops the work.
    async fn open(&self, query: &Query) -> Result<RowStream>;

    /// Up to where a query reads: the lower bound of one that goes on after it.
    ///
    /// # Errors
    /// `Unsupported` where the rows cannot come in increments; the text says why.
    async fn mark(&self, query: &Query) -> Result<Mark>;

    /// Begins to read the file that a value of a field of the query's object refers to. It comes as
    /// it is when it is opened; files have no snapshot. The stream ends with `Conflict` when the
    /// file changes while it is read.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Conflict` and `Invalid` for this one file, which is not there, may
    /// not be read, has just changed or is no path of a file; the public text is a short reason.
    /// `Unavailable` when the store of the files is away as a whole. `UnknownField` for a field that
    /// is not there, `Unsupported` for one that refers to no files.
    async fn content(&self, query: &Query, field: &Path, reference: &str) -> Result<Content> {
        let _ = (query, field, reference);
        Err(Error::unsupported("the contents of files are not offered here"))
    }
}

/// A file that rows refer to.
pub struct Content {
    /// Length in bytes: the stream has as many, or ends with an error.
    pub bytes: u64,
    /// The bytes.
    pub stream: ByteStream,
}

/// What a run may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimits {
    /// Bytes of memory for the engine's operators; past it they spill.
    pub memory_bytes: u64,
    /// Bytes of spill files.
    pub spill_bytes: u64,
    /// Where spill files go; one folder for this run alone.
    pub spill_dir: PathBuf,
    /// Threads that work for it.
    pub threads: usize,
}

/// What plans and previews queries on behalf of the API process, which never does so itself.
#[async_trait]
pub trait Planner: Send + Sync {
    /// Plans a query; see [`Snapshot::check`].
    async fn check(&self, scope: &TenantScope, query: &Query) -> Result<Vec<ColumnNote>>;

    /// The first rows of a query, as JSON.
    async fn preview(&self, scope: &TenantScope, query: &Query, rows: u64) -> Result<Preview>;
}

/// The first rows of a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// The columns.
    pub columns: Vec<ColumnNote>,
    /// The rows, each a list of values in the order of the columns.
    pub rows: Vec<Vec<serde_json::Value>>,
}

/// What formats there are.
pub trait Formats: Send + Sync {
    /// The sheet of every format.
    fn sheets(&self) -> Vec<FormatSheet>;

    /// The sheet of the format of that id, in any case.
    fn sheet(&self, id: &str) -> Option<FormatSheet> {
        self.sheets().into_iter().find(|sheet| sheet.id.eq_ignore_ascii_case(id))
    }

    /// Checks a choice's own options.
    ///
    /// # Errors
    /// `Invalid`, naming the option.
    fn check(&self, choice: &FormatChoice) -> Result<()>;

    /// Checks that whole files can be encrypted to a public key, now.
    ///
    /// # Errors
    /// `Invalid`, saying what is wrong with the key and which kind to register.
    fn check_encryption_key(&self, key: &str, now: DateTime<Utc>) -> Result<()>;
}

/// Where the bytes of artifacts are.
#[async_trait]
pub trait ArtifactStore: Send + Sync {
    /// Begins an object. Nothing is visible under the key before [`Upload::finish`].
    async fn create(&self, key: &ObjectKey) -> Result<Box<dyn Upload>>;

    /// Reads a range of a published artifact. Each block is compared with its checksum before any
    /// of it is sent; a whole read also compares the digest at its end. What differs ends the
    /// stream with an error.
    ///
    /// # Errors
    /// `Expired` when the object is gone.
    async fn open(&self, artifact: &Artifact, range: Range<u64>) -> Result<ByteStream>;

    /// Length of an object; `None` when there is none.
    async fn size(&self, key: &str) -> Result<Option<u64>>;

    /// Deletes an object; no error when there is none.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Objects (and remains of unfinished ones) last written before `before`, at most `most`, in
    /// the store's own order of keys. `after` is the last key of the page before.
    async fn list(
        &self,
        after: Option<&str>,
        before: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<StoredObject>>;

    /// Bytes still free, where the store can tell.
    async fn free_bytes(&self) -> Result<Option<u64>>;

    /// Whether the store works, tried out: a store that can be written without leaving anything is
    /// written to, another must answer a question.
    ///
    /// # Errors
    /// `Unavailable`, with a text for the operator as its internal one.
    async fn probe(&self) -> Result<()> {
        self.list(None, DateTime::<Utc>::MAX_UTC, 1).await.map(drop)
    }
}

/// An object that is being written.
#[async_trait]
pub trait Upload: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// `Unavailable` with a text that says how much room there is, when the store is full.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Makes the object durable and visible, and reads back its length.
    async fn finish(self: Box<Self>) -> Result<Written>;

    /// Gives up and removes what was written.
    async fn abort(self: Box<Self>) -> Result<()>;
}

/// What an upload wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// CRC-32 of each block of [`crate::manifest::BLOCK_BYTES`].
    pub block_crc32: Vec<u32>,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its key.
    pub key: String,
    /// Length in bytes.
    pub bytes: u64,
    /// When it was last written.
    pub modified_at: DateTime<Utc>,
}
