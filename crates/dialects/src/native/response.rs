//! Answers on the wire. Everything is made from an export as the store remembers it; nothing here
//! decides anything.

mod catalog;
mod session;

use chrono::{DateTime, Utc};
use outhaul_exports::export::{Export, State};
use outhaul_exports::manifest::Artifact;
use outhaul_exports::notice::{Message, MessageState, ScriptLine, ScriptReport};
use outhaul_exports::ports::Event;
use outhaul_exports::query::{Expr, OrderBy, Query};
use outhaul_exports::spec::{Packing, QuerySpec, Split};
use serde::Serialize;
use utoipa::ToSchema;

use super::PREFIX;
pub use catalog::{
    CatalogView, ColumnView, FormatView, FormatsView, ObjectSummary, ObjectView, PreviewView,
};
pub use session::{ExportSessionView, SessionListView, SessionView};

/// An export.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Export)]
pub struct ExportView {
    /// 32 hexadecimal characters.
    pub id: String,
    /// `queued`, `running`, `completed`, `failed`, `cancelled` or `expired`.
    #[schema(example = "completed")]
    pub state: &'static str,
    /// The API through which it was created; `native` is this one.
    pub dialect: String,
    /// The client's name for it.
    pub label: Option<String>,
    /// The client's text about it.
    pub description: Option<String>,
    /// The credential that created it.
    pub created_by: String,
    /// What it asks for.
    pub queries: Vec<QueryView>,
    /// The format's id.
    pub format: String,
    /// `none`, `gzip` or `zip`.
    pub packing: &'static str,
    /// Rows after which a query's rows go on in another file, where they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_rows: Option<u64>,
    /// Whether sensitive values are encrypted to the tenant's key.
    pub encrypted: bool,
    /// How each file is encrypted whole, where it is: `openpgp`, to the tenant's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_encryption: Option<&'static str>,
    /// `true` where the files open with the password that was given when it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_protected: Option<bool>,
    /// Its place in its session, where it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<ExportSessionView>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When its first attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it reached its final state.
    pub finished_at: Option<DateTime<Utc>>,
    /// When its files go; set when it is completed.
    pub files_expire_at: Option<DateTime<Utc>>,
    /// When its record goes.
    pub record_expires_at: DateTime<Utc>,
    /// Whether its cancellation was asked for.
    pub cancel_requested: bool,
    /// Attempts begun.
    pub attempts: u32,
    /// Its place among the tenant's queued exports, from 1, while it is queued. Shown for a single
    /// export, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<u64>,
    /// How far it is.
    pub progress: ProgressView,
    /// Why it failed, or why its last attempt did.
    pub reason: Option<ReasonView>,
    /// What the reader of its files must know.
    pub warnings: Vec<WarningView>,
    /// What it is held to.
    pub policy: PolicyView,
    /// Its files, once it is completed.
    pub artifacts: Vec<ArtifactView>,
    /// The messages that told, or will tell, of its ends, the oldest first, if any. Shown for a
    /// single export, not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<NoticeView>,
    /// Where more is.
    pub links: ExportLinks,
}

/// A message that tells of an export's end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notice)]
pub struct NoticeView {
    /// How it is sent: `mail`, `callback`, or `script` for one that was run.
    #[schema(example = "mail")]
    pub kind: &'static str,
    /// To whom: an address, or a URL; empty for a script.
    pub to: String,
    /// `waiting`, `sent` or `given_up`.
    #[schema(example = "sent")]
    pub state: &'static str,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was not taken the last time.
    pub last_error: Option<String>,
    /// When it was taken.
    pub sent_at: Option<DateTime<Utc>>,
    /// What a script left behind, when it was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<ScriptReportView>,
}

/// What a script left behind, whether it came to its end or not.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScriptReport)]
pub struct ScriptReportView {
    /// What it returned, as JSON text.
    pub result: Option<String>,
    /// What it logged, from the beginning.
    pub logs: Vec<ScriptLineView>,
    /// Whether it logged more than is kept.
    pub logs_cut: bool,
    /// Requests that it sent, and mails.
    pub calls: u32,
    /// Milliseconds from its start to its end.
    pub took_ms: u64,
}

/// A line that a script logged.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScriptLine)]
pub struct ScriptLineView {
    /// `trace`, `debug`, `info`, `warn` or `error`.
    #[schema(example = "info")]
    pub level: String,
    /// The text.
    pub text: String,
}

/// Where more about an export is, as paths.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportLinks {
    /// The export itself.
    #[serde(rename = "self")]
    pub itself: String,
    /// What happens to it, live.
    pub events: String,
    /// Its manifest.
    pub manifest: String,
}

/// A query of an export.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Query)]
pub struct QueryView {
    /// The client's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The object, for a query over one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Headings of the columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Which rows.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// In which order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<OrderView>,
    /// The most rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The statement, for a query in SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
}

/// A key of the order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderView {
    /// By which field.
    pub field: String,
    /// From the greatest to the least.
    pub descending: bool,
}

/// How far an export is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Progress)]
pub struct ProgressView {
    /// Rows written so far.
    pub rows: u64,
    /// Bytes written so far, packed.
    pub bytes: u64,
    /// Rows expected in all, where the source can tell.
    pub rows_estimated: Option<u64>,
    /// Per cent of those, at most 100; below 100 until the export is completed.
    pub percent: Option<u8>,
    /// Queries finished.
    pub queries_done: u32,
    /// Queries in all.
    pub queries: usize,
}

/// Why an export failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reason)]
pub struct ReasonView {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// Something that the reader of a file must know.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Warning)]
pub struct WarningView {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// How many times it happened.
    pub count: u64,
}

/// What an export is held to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Policy)]
pub struct PolicyView {
    /// Exports that may be queued or running at once; null: any number.
    pub active_max: Option<u32>,
    /// Exports that may run at once; null: as many as there is room for.
    pub running_max: Option<u32>,
    /// Seconds a run may take; null: any time.
    pub run_secs_max: Option<u64>,
    /// Seconds a file is kept after the export completed.
    pub file_kept_secs: u64,
    /// Seconds the record is kept after the export was created.
    pub record_kept_secs: u64,
}

/// A finished file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Artifact)]
pub struct ArtifactView {
    /// 32 hexadecimal characters.
    pub id: String,
    /// Which query it answers, counted from 0.
    pub query: u32,
    /// Which part of the query's rows it holds, where they are split over several files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The name under which it is saved.
    pub file_name: String,
    /// Its media type.
    pub media_type: String,
    /// Rows of data, headings not counted.
    pub rows: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// Where it is downloaded, as a path.
    pub href: String,
}

/// A page of exports.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportList)]
pub struct ExportListView {
    /// The newest first.
    pub exports: Vec<ExportView>,
    /// Give this as `cursor` for the next page; null when there is none.
    pub next_cursor: Option<String>,
}

/// What an export produced, with everything needed to prove its files whole.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Manifest)]
pub struct ManifestView {
    /// Of which export.
    pub export: String,
    /// The moment whose data the files show.
    pub snapshot: SnapshotView,
    /// Rows in all files.
    pub rows: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// The files.
    pub artifacts: Vec<ManifestArtifact>,
    /// What their reader must know.
    pub warnings: Vec<WarningView>,
}

/// Which moment the data shows, and how firmly.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Snapshot)]
pub struct SnapshotView {
    /// When it was taken.
    pub taken_at: DateTime<Utc>,
    /// What the source guarantees.
    pub guarantee: String,
    /// What databases call the moment, where any was read that has a name for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceSnapshotView>,
}

/// A moment in the words of a database.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourceSnapshot)]
pub struct SourceSnapshotView {
    /// What it calls the moment.
    pub id: String,
    /// When that was, by its own clock.
    pub at: DateTime<Utc>,
}

/// A file in a manifest.
#[derive(Debug, Serialize, ToSchema)]
pub struct ManifestArtifact {
    /// The file.
    #[serde(flatten)]
    pub artifact: ArtifactView,
    /// Its columns.
    pub columns: Vec<ColumnView>,
}

/// A link that was just made. Its address is shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewLink)]
pub struct NewLinkView {
    /// The link's id, for renewing and revoking; it opens nothing.
    pub id: String,
    /// The address; whoever has it can download the file until it expires.
    pub url: String,
    /// The first moment at which it no longer works.
    pub expires_at: DateTime<Utc>,
}

/// A live link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Link)]
pub struct LinkView {
    /// The link's id.
    pub id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The first moment at which it no longer works.
    pub expires_at: DateTime<Utc>,
}

/// The live links of a file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LinkList)]
pub struct LinkListView {
    /// The oldest first.
    pub links: Vec<LinkView>,
}

/// Something that happened to an export.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// Its place in the order of all events; also the `id` of the event in the stream.
    pub sequence: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// To which export.
    pub export: String,
    /// Its state after it.
    pub state: &'static str,
    /// What happened; also the `event` in the stream.
    pub kind: String,
}

impl ExportView {
    /// An export as this API shows it.
    pub fn of(export: &Export) -> Self {
        let itself = format!("{PREFIX}/exports/{}", export.id);
        Self {
            id: export.id.to_string(),
            state: export.state.name(),
            dialect: export.dialect.clone(),
            label: export.spec.label.clone(),
            description: export.spec.description.clone(),
            created_by: export.created_by.clone(),
            queries: export.spec.queries.iter().map(QueryView::of).collect(),
            format: export.spec.format.id.clone(),
            packing: packing_word(export.spec.packing),
            split_rows: match export.spec.split {
                Some(Split::Rows(rows)) => Some(rows),
                _ => None,
            },
            encrypted: export.spec.sealing_key.is_some(),
            file_encryption: export.spec.encryption_key.as_ref().map(|_| "openpgp"),
            password_protected: export.spec.password.as_ref().map(|_| true),
            session: ExportSessionView::of(export),
            created_at: export.created_at,
            updated_at: export.updated_at,
            started_at: export.started_at,
            finished_at: export.finished_at,
            files_expire_at: export.files_expire_at,
            record_expires_at: export.record_expires_at,
            cancel_requested: export.cancel_requested,
            attempts: export.tally.attempts,
            queue_position: None,
            progress: ProgressView::of(export),
            reason: export.failure.as_ref().map(|failure| ReasonView {
                code: failure.code.clone(),
                message: failure.message.clone(),
            }),
            warnings: warnings(export),
            policy: PolicyView {
                active_max: export.policy.active_max,
                running_max: export.policy.running_max,
                run_secs_max: export.policy.run_secs_max,
                file_kept_secs: export.policy.file_kept_secs,
                record_kept_secs: export.policy.record_kept_secs,
            },
            artifacts: match export.state {
                State::Completed => {
                    artifacts(export).map(|a| ArtifactView::of(export, a)).collect()
                }
                _ => Vec::new(),
            },
            notices: Vec::new(),
            links: ExportLinks {
                events: format!("{itself}/events"),
                manifest: format!("{itself}/manifest"),
                itself,
            },
        }
    }
}

impl NoticeView {
    /// A message as this API shows it.
    pub fn of(message: &Message) -> Self {
        Self {
            kind: message.kind.name(),
            to: message.kind.to().to_owned(),
            state: message.state.name(),
            attempts: message.attempts,
            last_error: message.last_error.clone(),
            sent_at: message.ended_at.filter(|_| message.state == MessageState::Sent),
            report: message.report.as_ref().map(ScriptReportView::of),
        }
    }
}

impl ScriptReportView {
    fn of(report: &ScriptReport) -> Self {
        let line = |line: &ScriptLine| ScriptLineView {
            level: line.level.clone(),
            text: line.text.clone(),
        };
        Self {
            result: report.result.clone(),
            logs: report.logs.iter().map(line).collect(),
            logs_cut: report.logs_cut,
            calls: report.calls,
            took_ms: report.took_ms,
        }
    }
}

fn artifacts(export: &Export) -> impl Iterator<Item = &Artifact> {
    export.manifest.iter().flat_map(|manifest| &manifest.artifacts)
}

fn warnings(export: &Export) -> Vec<WarningView> {
    let view = |warning: &outhaul_exports::manifest::Warning| WarningView {
        code: warning.code.clone(),
        message: warning.message.clone(),
        count: warning.count,
    };
    export.warnings.iter().map(view).collect()
}

fn packing_word(packing: Packing) -> &'static str {
    match packing {
        Packing::None => "none",
        Packing::Gzip => "gzip",
        Packing::Zip => "zip",
    }
}

impl ProgressView {
    /// How far an export is.
    pub fn of(export: &Export) -> Self {
        let progress = &export.progress;
        let done = matches!(export.state, State::Completed | State::Expired);
        let percent = match progress.rows_estimated {
            _ if done => Some(100),
            Some(all) if all > 0 => {
                let percent = u128::from(progress.rows_encoded) * 100 / u128::from(all);
                u8::try_from(percent.min(99)).ok()
            }
            _ => None,
        };
        Self {
            rows: progress.rows_encoded,
            bytes: progress.bytes_written,
            rows_estimated: progress.rows_estimated,
            percent,
            queries_done: progress.queries_done,
            queries: export.spec.queries.len(),
        }
    }
}

impl QueryView {
    fn of(spec: &QuerySpec) -> Self {
        let empty = Self {
            name: spec.name.clone(),
            object: None,
            fields: None,
            filter: None,
            order_by: Vec::new(),
            limit: None,
            sql: None,
        };
        match &spec.query {
            Query::Sql { text } => Self { sql: Some(text.clone()), ..empty },
            Query::Select(select) => Self {
                object: Some(select.object.clone()),
                fields: Some(select.columns.iter().map(|c| c.label.clone()).collect()),
                filter: select.where_sql.clone(),
                order_by: select.order_by.iter().filter_map(OrderView::of).collect(),
                limit: select.limit,
                ..empty
            },
        }
    }
}

impl OrderView {
    /// Other dialects can order by more than fields; that is not shown.
    fn of(order: &OrderBy) -> Option<Self> {
        match &order.expr {
            Expr::Field(path) => {
                Some(Self { field: path.to_string(), descending: order.descending })
            }
            _ => None,
        }
    }
}

impl ArtifactView {
    fn of(export: &Export, artifact: &Artifact) -> Self {
        Self {
            id: artifact.id.to_string(),
            query: artifact.query,
            part: artifact.part.clone(),
            file_name: artifact.file_name.clone(),
            media_type: artifact.media_type.clone(),
            rows: artifact.rows,
            bytes: artifact.bytes,
            sha256: artifact.sha256.clone(),
            href: format!("{PREFIX}/exports/{}/files/{}", export.id, artifact.id),
        }
    }
}

impl ManifestView {
    /// The manifest of an export; none before it is completed.
    pub fn of(export: &Export) -> Option<Self> {
        let manifest = export.manifest.as_ref()?;
        let entry = |artifact: &Artifact| ManifestArtifact {
            artifact: ArtifactView::of(export, artifact),
            columns: artifact.columns.iter().map(ColumnView::of).collect(),
        };
        Some(Self {
            export: export.id.to_string(),
            snapshot: SnapshotView {
                taken_at: manifest.snapshot.taken_at,
                guarantee: manifest.snapshot.guarantee.clone(),
                // The operator's names of sources are not the customer's business.
                sources: manifest
                    .snapshot
                    .sources
                    .iter()
                    .map(|source| SourceSnapshotView { id: source.id.clone(), at: source.at })
                    .collect(),
            },
            rows: manifest.rows(),
            bytes: manifest.bytes(),
            artifacts: manifest.artifacts.iter().map(entry).collect(),
            warnings: warnings(export),
        })
    }
}

impl EventView {
    /// An event.
    pub fn of(event: &Event) -> Self {
        Self {
            sequence: event.sequence,
            at: event.at,
            export: event.export.to_string(),
            state: event.state.name(),
            kind: event.kind.clone(),
        }
    }
}
