//! Sessions: enter one with a new export, look at them, acknowledge, remove.

use super::{Exports, require};
use crate::export::Export;
use crate::principal::{Principal, Role};
use crate::query::{Query, Select};
use crate::session::{self, Advance, Mark, Session, SessionRef};
use crate::spec::ExportSpec;
use crate::{Error, ErrorKind, ExportId, Result};

/// The session that a request wants its export to be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionAsk {
    /// Its name; it is made when there is none.
    pub name: String,
    /// The earlier export that is to be repeated from where it began.
    pub replay: Option<ExportId>,
    /// What moves the session.
    pub advance: Advance,
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
        let queries = session::queries(spec, &who.scope)?;
        let found = self.parts.sessions.session(&who.tenant, dialect, &ask.name).await?;
        let session =
            found.unwrap_or_else(|| Session::new(&who.tenant, dialect, &ask.name, self.now()));
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
        for query in &spec.queries {
            self.check_increments(who, &query.query).await?;
        }
        Ok(())
    }

    /// Whether what changes from now on will be told: asked of a query that begins in full, so that
    /// it is refused now and not by its second export.
    async fn check_increments(&self, who: &Principal, query: &Query) -> Result<()> {
        let Query::Select(select) = query else { return Ok(()) };
        if select.since.is_some() {
            return Ok(());
        }
        let source = self.parts.catalog.require(&select.object)?.table.source.clone();
        let from_now = Mark { source, taken_at: self.now(), value: serde_json::Value::Null };
        let next = Select { since: Some(from_now), ..select.as_ref().clone() };
        let next = Query::Select(Box::new(next));
        self.parts.planner.check(&who.scope, &next).await.map(drop)
    }
}
