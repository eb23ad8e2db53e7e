//! Sessions on the wire, and an export's place in one.

use chrono::{DateTime, Utc};
use outhaul_exports::export::Export;
use outhaul_exports::query::Query;
use outhaul_exports::session::Session;
use serde::Serialize;
use utoipa::ToSchema;

use super::PREFIX;

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Its name.
    #[schema(example = "nightly")]
    pub name: String,
    /// How often it moved.
    pub generation: u64,
    /// Its queries, by their names; none before the first acknowledgement.
    pub queries: Vec<SessionQueryView>,
    /// The export that moved it last.
    pub moved_by: Option<String>,
    /// When it moved last.
    pub moved_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Where more is.
    pub links: SessionLinks,
}

/// A query of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionQuery)]
pub struct SessionQueryView {
    /// Its name, or its object's.
    pub name: String,
    /// Up to where its rows have arrived.
    pub watermark: DateTime<Utc>,
}

/// Where more about a session is, as paths.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionLinks {
    /// The session itself.
    #[serde(rename = "self")]
    pub itself: String,
    /// Where an export's arrival is said.
    pub acknowledge: String,
}

/// The tenant's sessions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionList)]
pub struct SessionListView {
    /// By their names.
    pub sessions: Vec<SessionView>,
}

/// An export's place in its session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportSession)]
pub struct ExportSessionView {
    /// The session's name.
    pub name: String,
    /// How often the session had moved when the export was created; only from there it moves it.
    pub generation: u64,
    /// The earlier export that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
    /// From where to where each query reads, in their order.
    pub queries: Vec<IncrementView>,
    /// When it moved its session.
    pub acknowledged_at: Option<DateTime<Utc>>,
}

/// From where to where a query reads.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Increment)]
pub struct IncrementView {
    /// The query's name, or its object's.
    pub name: String,
    /// It has what changed since this moment; null: all rows.
    pub since: Option<DateTime<Utc>>,
    /// The moment up to which it has it, once the export is completed.
    pub watermark: Option<DateTime<Utc>>,
}

impl SessionView {
    /// A session as this API shows it.
    pub fn of(session: &Session) -> Self {
        let itself = format!("{PREFIX}/sessions/{}", session.name);
        let query = |(name, query): (&String, &outhaul_exports::session::QueryMark)| {
            SessionQueryView { name: name.clone(), watermark: query.mark.taken_at }
        };
        Self {
            name: session.name.clone(),
            generation: session.generation,
            queries: session.queries.iter().map(query).collect(),
            moved_by: session.moved_by.map(|export| export.to_string()),
            moved_at: session.moved_at,
            created_at: session.created_at,
            links: SessionLinks { acknowledge: format!("{itself}/acknowledge"), itself },
        }
    }
}

impl ExportSessionView {
    /// The place of an export; none for one that is in no session.
    pub fn of(export: &Export) -> Option<Self> {
        let session = export.spec.session.as_ref()?;
        let marks = export.manifest.as_ref().map_or(&[][..], |manifest| &manifest.marks);
        let queries = session.queries.iter().zip(&export.spec.queries).enumerate();
        // This dialect's own exports know all of their queries.
        let queries = queries.filter_map(|(at, (known, query))| {
            Some(IncrementView {
                name: known.as_ref()?.name.clone(),
                since: match &query.query {
                    Query::Select(select) => select.since.as_ref().map(|mark| mark.taken_at),
                    Query::Sql { .. } => None,
                },
                watermark: marks.get(at).and_then(Option::as_ref).map(|mark| mark.taken_at),
            })
        });
        Some(Self {
            name: session.name.clone(),
            generation: session.generation,
            replay: session.replay_of.map(|export| export.to_string()),
            queries: queries.collect(),
            acknowledged_at: export.acknowledged_at,
        })
    }
}
