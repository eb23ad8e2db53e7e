//! Sessions: a series of exports, each of which reads what changed since the one before.
//!
//! A session remembers for each query up to where its client has taken the rows: a [`Mark`], which
//! a source made and only that source reads. A new export in the session freezes these marks as
//! lower bounds ([`crate::query::Select::since`]) and writes new ones into its manifest; they become
//! the session's when the export is acknowledged. What failed, was cancelled or was never fetched
//! moves nothing, so that its rows come again with the next export: each committed change comes at
//! least once.
//!
//! The rules are functions here; a store applies each inside one transaction, so that of two that
//! race one wins and the other is refused.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::export::{Export, State};
use crate::id::SessionId;
use crate::manifest::Warning;
use crate::principal::{TenantId, TenantScope};
use crate::query::{Query, Select};
use crate::spec::{ExportSpec, QuerySpec};
use crate::{ArtifactId, Error, ErrorKind, ExportId, Result, limits};

/// A moment of a source, as the source itself says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The name of the source, whose alone the value is.
    pub source: String,
    /// When it was made, by the clock of whoever read.
    pub taken_at: DateTime<Utc>,
    /// What the source needs to find everything that changed since. Opaque to everybody else.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub value: serde_json::Value,
    /// Rows that changed at this time or later (by the object's `updated`) were held back, and come
    /// with whatever goes on from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_from: Option<DateTime<Utc>>,
}

impl Mark {
    /// A moment of a source, with nothing held back.
    pub fn new(
        source: impl Into<String>,
        taken_at: DateTime<Utc>,
        value: serde_json::Value,
    ) -> Self {
        Self { source: source.into(), taken_at, value, held_from: None }
    }
}

/// A session as the store remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Tells it from an earlier one of the same name that was removed.
    pub id: SessionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The dialect through which it is used.
    pub dialect: String,
    /// Its name, one of a kind for tenant and dialect.
    pub name: String,
    /// How often it moved. An export moves it only from where it was when the export was created.
    pub generation: u64,
    /// Up to where each query's rows were taken, by the query's name.
    #[serde(default)]
    pub queries: BTreeMap<String, QueryMark>,
    /// The export that moved it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_by: Option<ExportId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it moved last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_at: Option<DateTime<Utc>>,
}

/// Up to where the rows of one query were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryMark {
    /// Of the query, see [`fingerprint`]: another query of that name starts in full.
    pub fingerprint: String,
    /// Up to where.
    pub mark: Mark,
}

/// An export's place in its session, fixed when the export was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRef {
    /// Which session.
    pub id: SessionId,
    /// Its name.
    pub name: String,
    /// Where it was.
    pub generation: u64,
    /// What moves it.
    pub advance: Advance,
    /// The earlier export whose lower bounds this one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<ExportId>,
    /// The export's queries as the session knows them, in their order; nothing for one that gives
    /// all of its rows each time.
    pub queries: Vec<Option<SessionQuery>>,
}

/// A query as its session knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionQuery {
    /// Its name, or its object's.
    pub name: String,
    /// See [`fingerprint`].
    pub fingerprint: String,
}

/// What moves a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advance {
    /// Its client, who says that the rows have arrived.
    #[default]
    OnAcknowledge,
    /// The export itself, in the transaction that completes it.
    OnCompletion,
    /// Whoever downloads: it moves when the last of the export's files that have rows was sent to
    /// its end, and with the completion where there are no rows.
    OnDownload,
    /// Nothing: the export reads beside the series.
    Never,
}

/// Word of the warning that an export began anew although its session had a mark.
pub const RESTARTED: &str = "session_restarted";

/// Word of the warning that a completed export has not moved its session.
pub const NOT_MOVED: &str = "session_not_moved";

impl Session {
    /// A session that nobody has used yet.
    pub fn new(tenant: &TenantId, dialect: &str, name: &str, now: DateTime<Utc>) -> Self {
        Self {
            id: SessionId::random(),
            tenant: tenant.clone(),
            dialect: dialect.to_owned(),
            name: name.to_owned(),
            generation: 0,
            queries: BTreeMap::new(),
            moved_by: None,
            created_at: now,
            moved_at: None,
        }
    }

    /// Up to where the rows of that query were taken; `None` when it starts in full.
    pub fn since(&self, query: &SessionQuery) -> Option<&Mark> {
        let known = self.queries.get(&query.name)?;
        (known.fingerprint == query.fingerprint).then_some(&known.mark)
    }

    /// The session as if it had never taken what it took before `oldest`.
    #[must_use]
    pub fn without_older(mut self, oldest: DateTime<Utc>) -> Self {
        self.queries.retain(|_, query| query.mark.taken_at >= oldest);
        self
    }

    /// Takes over the marks of a completed export.
    fn move_by(&mut self, export: &Export, at: &SessionRef, now: DateTime<Utc>) -> Result<()> {
        let marks = export.manifest.as_ref().map_or(&[][..], |manifest| &manifest.marks);
        if marks.len() != at.queries.len() {
            return Err(Error::internal("the manifest of an export in a session lacks its marks"));
        }
        for (query, mark) in at.queries.iter().zip(marks) {
            let (Some(query), Some(mark)) = (query, mark) else { continue };
            let fingerprint = query.fingerprint.clone();
            let mark = QueryMark { fingerprint, mark: mark.clone() };
            self.queries.insert(query.name.clone(), mark);
        }
        while self.queries.len() > limits::SESSION_QUERIES_MAX {
            // Whoever asks the forgotten query again gets all of its rows: nothing is lost.
            let oldest = self.queries.iter().min_by_key(|(_, query)| query.mark.taken_at);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else { break };
            self.queries.remove(&name);
        }
        self.generation += 1;
        self.moved_by = Some(export.id);
        self.moved_at = Some(now);
        Ok(())
    }
}

/// Checks a session's name.
///
/// # Errors
/// `Invalid` unless it has 1 to 100 letters, digits, `.`, `_` and `-`, and begins with a letter or
/// digit: so that it can stand in a path as it is.
pub fn check_name(name: &str) -> Result<()> {
    let good = name.len() <= limits::SESSION_NAME_CHARS_MAX
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if good {
        return Ok(());
    }
    let most = limits::SESSION_NAME_CHARS_MAX;
    let text = format!(
        "a session's name is a letter or digit, then letters, digits, '.', '_' and '-', at most \
         {most} in all"
    );
    Err(Error::invalid("session", text))
}

/// What tells a query from another: the same columns, conditions and scope of the same object. Two
/// credentials that see different rows of a tenant do not share a mark.
///
/// # Errors
/// `Internal` when the query cannot be written down.
pub fn fingerprint(select: &Select, scope: &TenantScope) -> Result<String> {
    fingerprint_of(&Select { since: None, ..select.clone() }, scope)
}

/// The same, of a query in a dialect's own words: what tells it from another there.
///
/// # Errors
/// `Internal` when it cannot be written down.
pub fn fingerprint_of(query: &impl Serialize, scope: &TenantScope) -> Result<String> {
    let text = serde_json::to_vec(&(query, scope))
        .map_err(|e| Error::internal("a query cannot be written down").with_source(e))?;
    Ok(hex::encode(Sha256::digest(text)))
}

/// The queries of an export as a session knows them.
///
/// # Errors
/// `Unsupported` for SQL; `Invalid` for a query whose rows cannot come in increments, and for two
/// queries of one name.
pub fn queries(spec: &ExportSpec, scope: &TenantScope) -> Result<Vec<Option<SessionQuery>>> {
    let mut queries: Vec<SessionQuery> = Vec::with_capacity(spec.queries.len());
    for (at, query) in spec.queries.iter().enumerate() {
        let query = of_query(query, at, scope)?;
        if queries.iter().any(|other| other.name == query.name) {
            let text = format!(
                "two queries are called {}: in a session each needs a name of its own, by which \
                 it goes on with the next export",
                query.name
            );
            return Err(Error::invalid(format!("queries.{at}.name"), text));
        }
        queries.push(query);
    }
    Ok(queries.into_iter().map(Some).collect())
}

fn of_query(query: &QuerySpec, at: usize, scope: &TenantScope) -> Result<SessionQuery> {
    let Query::Select(select) = &query.query else {
        let text = "SQL cannot be exported in a session: what changed since the last time is known \
                    of an object's rows, not of a statement's; query the object instead";
        return Err(Error::unsupported(text).with_internal(format!("queries.{at}")));
    };
    select.check_incremental().map_err(|error| match error.kind() {
        ErrorKind::Invalid { field } => {
            Error::invalid(format!("queries.{at}.{field}"), error.public())
        }
        _ => error,
    })?;
    let name = query.name.clone().unwrap_or_else(|| select.object.clone());
    Ok(SessionQuery { name, fingerprint: fingerprint(select, scope)? })
}

/// Fixes where each query of an export begins: where its session is, or where the export began that
/// is replayed.
///
/// # Errors
/// `Invalid` when the replayed export was in another session or asked something else.
pub fn freeze(
    spec: &mut ExportSpec,
    session: &Session,
    at: SessionRef,
    replayed: Option<&Export>,
) -> Result<()> {
    for (query, known) in spec.queries.iter_mut().zip(&at.queries) {
        let Some(known) = known else { continue };
        let since = match replayed {
            Some(earlier) => replayed_since(earlier, session, known)?,
            None => session.since(known).cloned(),
        };
        if let Query::Select(select) = &mut query.query {
            select.since = since;
        }
    }
    spec.session = Some(at);
    Ok(())
}

fn replayed_since(
    earlier: &Export,
    session: &Session,
    query: &SessionQuery,
) -> Result<Option<Mark>> {
    let place = earlier.spec.session.as_ref().filter(|place| place.id == session.id);
    let Some(place) = place else {
        let text = format!(
            "export {} was not made in session {}: replay one that was",
            earlier.id, session.name
        );
        return Err(Error::invalid("session.replay", text));
    };
    let same = place.queries.iter().position(|other| other.as_ref() == Some(query));
    match same.and_then(|at| earlier.spec.queries.get(at)).map(|query| &query.query) {
        Some(Query::Select(select)) => Ok(select.since.clone()),
        _ => {
            let text = format!(
                "export {} did not ask query {} as it is asked now: replay the same query, or \
                 leave replay out to get all of its rows",
                earlier.id, query.name
            );
            Err(Error::invalid("session.replay", text))
        }
    }
}

/// What the store does with a new export's session, `found` being the one of its name now: answers
/// the session that is to be made, or nothing when it is there as the export knows it. `count` is
/// how many sessions the tenant has.
///
/// # Errors
/// `Conflict` when the session is not as the export knows it, `LimitExceeded` when the tenant has
/// as many as it may.
pub fn enter(export: &Export, found: Option<&Session>, count: u32) -> Result<Option<Session>> {
    let Some(at) = &export.spec.session else { return Ok(None) };
    if at.advance == Advance::Never {
        return Ok(None);
    }
    match found {
        Some(session) if session.id == at.id && session.generation == at.generation => Ok(None),
        None if at.generation == 0 => {
            if count >= limits::SESSIONS_MAX {
                let (limit, active) = (limits::SESSIONS_MAX, count);
                let text = format!(
                    "there are {count} sessions, and no more than {limit} may be: remove some"
                );
                return Err(Error::new(ErrorKind::LimitExceeded { limit, active }, text));
            }
            let fresh = Session::new(&export.tenant, &export.dialect, &at.name, export.created_at);
            Ok(Some(Session { id: at.id, ..fresh }))
        }
        _ => Err(Error::conflict(format!(
            "session {} moved while the export was created: try again",
            at.name
        ))),
    }
}

/// The client has the export's rows: moves the session to where the export read to, and notes on
/// the export that it did. `false` when that happened before.
///
/// # Errors
/// `Conflict` when the export cannot move the session; the text says what to do.
pub fn acknowledge(
    export: &mut Export,
    session: Option<&mut Session>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let Some(at) = export.spec.session.clone() else {
        return Err(Error::conflict("the export is in no session: there is nothing to move"));
    };
    let session = session.filter(|session| session.id == at.id).ok_or_else(|| {
        Error::conflict(format!(
            "session {} was removed since the export was created; create a new export in a session \
             of that name, which begins in full",
            at.name
        ))
    })?;
    if export.acknowledged_at.is_some() {
        return Ok(false);
    }
    if !matches!(export.state, State::Completed | State::Expired) {
        return Err(Error::conflict(format!(
            "the export is {}: only a completed one is acknowledged; its rows come with the next \
             export of the session",
            export.state.name()
        )));
    }
    if session.generation != at.generation {
        return Err(Error::conflict(format!(
            "session {} has moved since the export was created: this export does not move it any \
             more; go on with a new export, which begins where the session is now",
            at.name
        )));
    }
    session.move_by(export, &at, now)?;
    export.acknowledged_at = Some(now);
    Ok(true)
}

/// Whether the download of its files moves the export's session.
pub fn waits_for_downloads(export: &Export) -> bool {
    let waits = export.spec.session.as_ref().is_some_and(|at| at.advance == Advance::OnDownload);
    waits && export.acknowledged_at.is_none()
}

/// Notes that a file was sent to its end. Whether its export may move its session by that: when no
/// further file with rows has to be sent.
pub fn note_sent(export: &mut Export, artifact: ArtifactId) -> bool {
    if !waits_for_downloads(export) {
        return false;
    }
    if !export.sent.contains(&artifact) {
        export.sent.push(artifact);
    }
    all_sent(export)
}

/// Whether every file with rows was sent to its end.
fn all_sent(export: &Export) -> bool {
    let files = export.manifest.iter().flat_map(|manifest| &manifest.artifacts);
    files.filter(|file| file.rows > 0).all(|file| export.sent.contains(&file.id))
}

/// What the completion of an export does to its session where no client acknowledges. Whether the
/// session moved.
///
/// # Errors
/// `Internal` when the manifest lacks its marks.
pub fn complete(
    export: &mut Export,
    session: Option<&mut Session>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let moves = match export.spec.session.as_ref().map(|at| at.advance) {
        Some(Advance::OnCompletion) => true,
        Some(Advance::OnDownload) => all_sent(export),
        Some(Advance::OnAcknowledge | Advance::Never) | None => false,
    };
    if !moves || export.state != State::Completed {
        return Ok(false);
    }
    match acknowledge(export, session, now) {
        Err(error) if *error.kind() == ErrorKind::Conflict => {
            export.warnings.push(Warning {
                code: NOT_MOVED.to_owned(),
                message: "the session moved or was removed while the export ran, so its rows come \
                          again with a later one"
                    .to_owned(),
                count: 1,
            });
            Ok(false)
        }
        done => done,
    }
}
