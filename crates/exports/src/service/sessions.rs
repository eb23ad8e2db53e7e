//! Sessions: enter one with a new export, look at them, acknowledge, remove.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;

use super::{Exports, require};
use crate::export::Export;
use crate::principal::{Principal, Role, TenantId};
use crate::query::{Query, Select};
use crate::session::{self, Advance, Mark, Session, SessionQuery, SessionRef};
use crate::spec::ExportSpec;
use crate::{ArtifactId, Error, ErrorKind, ExportId, Result};

/// The session that a request wants its export to be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionAsk {
    /// Its name; it is made when there is none.
    pub name: String,
    /// The earlier export that is to be repeated from where it began.
    pub replay: Option<ExportId>,
    /// What moves the session.
    pub advance: Advance,
    /// The export's queries as their dialect tells one from another; by their names and all that
    /// they say when absent. Where the dialect says, a query whose changes cannot be told gives all
    /// of its rows each time, in place of being refused.
    pub queries: Option<Vec<SessionQuery>>,
    /// What the session took longer ago than this counts as never taken; none: all counts.
    pub mark_age_max: Option<TimeDelta>,
}

impl SessionAsk {
    /// To be in the session of that name, from where it is, as the neutral rules have it.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            replay: None,
            advance: Advance::OnAcknowledge,
            queries: None,
            mark_age_max: None,
        }
    }
}

impl Exports {
    /// All sessions of the principal's tenant in that dialect, in the order of their names.
    ///
    /// # Errors
    /// `Unavailable` when the store is away.
    pub async fn sessions(&self, who: &Principal, dialect: &str) -> Result<Vec<Session>> {
        require(who, Role::Reader)?;
        self.parts.sessions.sessions(&who.tenant, dialect).await
    }

    /// A session of the principal's tenant.
    ///
    /// # Errors
    /// `NotFound`, also for another tenant's.
    pub async fn session(&self, who: &Principal, dialect: &str, name: &str) -> Result<Session> {
        require(who, Role::Reader)?;
        let found = self.parts.sessions.session(&who.tenant, dialect, name).await?;
        found.ok_or_else(|| Error::not_found("session"))
    }

    /// The client has the rows of the export: the session goes on from where it read to. Answering
    /// the same export again changes nothing.
    ///
    /// # Errors
    /// `NotFound` for an unknown session or export, and for an export of another session;
    /// `Conflict` when the export has not completed, or the session has moved since it was created.
    pub async fn acknowledge(
        &self,
        who: &Principal,
        dialect: &str,
        name: &str,
        export: ExportId,
    ) -> Result<(Export, Session)> {
        self.session(who, dialect, name).await?;
        let of_session = |export: &Export| {
            export.spec.session.as_ref().is_some_and(|session| session.name == name)
        };
        if !of_session(&self.get(who, Some(dialect), export).await?) {
            return Err(Error::not_found("export in this session"));
        }
        require(who, Role::Exporter)?;
        let done = self.parts.sessions.acknowledge(&who.tenant, export, self.now()).await?;
        done.ok_or_else(|| Error::not_found("export"))
    }

    /// Forgets a session: the next export in one of its name begins in full.
    ///
    /// # Errors
    /// `NotFound`, also for another tenant's.
    pub async fn remove_session(&self, who: &Principal, dialect: &str, name: &str) -> Result<()> {
        self.session(who, dialect, name).await?;
        require(who, Role::Exporter)?;
        match self.parts.sessions.remove_session(&who.tenant, dialect, name).await? {
            true => Ok(()),
            false => Err(Error::not_found("session")),
        }
    }

    /// Puts a checked spec into its session, as the session is now.
    pub(super) async fn enter_session(
        &self,
        who: &Principal,
        dialect: &str,
        ask: &SessionAsk,
        spec: &mut ExportSpec,
    ) -> Result<()> {
        let queries = match (&ask.queries, ask.advance) {
            // What moves nothing goes on nothing either.
            (_, Advance::Never) => vec![None; spec.queries.len()],
            (None, _) => session::queries(spec, &who.scope)?,
            (Some(own), _) => self.those_in_increments(who, spec, own).await?,
        };
        let found = self.parts.sessions.session(&who.tenant, dialect, &ask.name).await?;
        let mut session =
            found.unwrap_or_else(|| Session::new(&who.tenant, dialect, &ask.name, self.now()));
        if let Some(oldest) = ask.mark_age_max.and_then(|age| self.now().checked_sub_signed(age)) {
            session = session.without_older(oldest);
        }
        let replayed = match ask.replay {
            Some(id) => Some(self.get(who, Some(dialect), id).await.map_err(|error| {
                let unknown = *error.kind() == ErrorKind::NotFound;
                if unknown { Error::invalid("session.replay", error.public()) } else { error }
            })?),
            None => None,
        };
        let at = SessionRef {
            id: session.id,
            name: session.name.clone(),
            generation: session.generation,
            advance: ask.advance,
            replay_of: ask.replay,
            queries,
        };
        session::freeze(spec, &session, at, replayed.as_ref())?;
        if ask.queries.is_none() && ask.advance != Advance::Never {
            for query in &spec.queries {
                self.check_increments(who, &query.query).await?;
            }
        }
        Ok(())
    }

    /// A dialect's own list of queries, without those whose changes cannot be told.
    async fn those_in_increments(
        &self,
        who: &Principal,
        spec: &ExportSpec,
        own: &[SessionQuery],
    ) -> Result<Vec<Option<SessionQuery>>> {
        let mut queries = Vec::with_capacity(own.len());
        for (query, known) in spec.queries.iter().zip(own) {
            let comes = match &query.query {
                Query::Select(select) => select.check_incremental().is_ok(),
                Query::Sql { .. } => false,
            };
            let told = match comes {
                true => self.check_increments(who, &query.query).await,
                false => Err(Error::unsupported("all of its rows make the result")),
            };
            match told {
                Ok(()) => queries.push(Some(known.clone())),
                Err(error) if *error.kind() == ErrorKind::Unsupported => queries.push(None),
                Err(error) => return Err(error),
            }
        }
        Ok(queries)
    }

    /// A file of an export was sent to its end: moves the export's session where that does it. The
    /// note alone fails loudly; what stands in the session's way is the next export's to see.
    ///
    /// # Errors
    /// `Unavailable` when the store is away.
    pub async fn note_sent(
        &self,
        tenant: &TenantId,
        export: ExportId,
        artifact: ArtifactId,
    ) -> Result<()> {
        let moves = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&moves);
        let note = move |export: &mut Export| {
            told.store(session::note_sent(export, artifact), Ordering::Relaxed);
            Ok(())
        };
        self.parts.jobs.change(tenant, export, Box::new(note)).await?;
        if !moves.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.parts.sessions.acknowledge(tenant, export, self.now()).await {
            Err(error) if *error.kind() == ErrorKind::Conflict => Ok(()),
            done => done.map(|_| ()),
        }
    }

    /// Whether what changes from now on will be told: asked of a query that begins in full, so that
    /// it is refused now and not by its second export.
    async fn check_increments(&self, who: &Principal, query: &Query) -> Result<()> {
        let Query::Select(select) = query else { return Ok(()) };
        if select.since.is_some() {
            return Ok(());
        }
        let source = self.parts.catalog.require(&select.object)?.table.source.clone();
        let from_now = Mark::new(source, self.now(), serde_json::Value::Null);
        let next = Select { since: Some(from_now), ..select.as_ref().clone() };
        let next = Query::Select(Box::new(next));
        self.parts.planner.check(&who.scope, &next).await.map(drop)
    }
}
