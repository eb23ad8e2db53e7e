//! Sessions.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Memory, MemoryStore};
use crate::export::Export;
use crate::ports::SessionStore;
use crate::principal::TenantId;
use crate::session::{self, Session};
use crate::{Error, ExportId, Result};

#[async_trait]
impl SessionStore for MemoryStore {
    async fn session(
        &self,
        tenant: &TenantId,
        dialect: &str,
        name: &str,
    ) -> Result<Option<Session>> {
        let memory = self.reach()?;
        Ok(memory.session_at(tenant, dialect, name).map(|place| memory.sessions[place].clone()))
    }

    async fn sessions(&self, tenant: &TenantId, dialect: &str) -> Result<Vec<Session>> {
        let memory = self.reach()?;
        let own = |s: &&Session| s.tenant == *tenant && s.dialect == dialect;
        let mut found: Vec<_> = memory.sessions.iter().filter(own).cloned().collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    async fn acknowledge(
        &self,
        tenant: &TenantId,
        export: ExportId,
        now: DateTime<Utc>,
    ) -> Result<Option<(Export, Session)>> {
        self.write(|memory| {
            let Some(place) = memory.find(tenant, export) else { return Ok(None) };
            let mut export = memory.exports[place].clone();
            let at = memory.session_of(&export);
            let mut session = at.map(|at| memory.sessions[at].clone());
            memory.changed = session::acknowledge(&mut export, session.as_mut(), now)?;
            // Cannot fail because an export is not acknowledged without its session.
            let (Some(at), Some(session)) = (at, session) else {
                return Err(Error::internal("an export was acknowledged without a session"));
            };
            memory.exports[place] = export.clone();
            memory.sessions[at] = session.clone();
            Ok(Some((export, session)))
        })
    }

    async fn remove_session(&self, tenant: &TenantId, dialect: &str, name: &str) -> Result<bool> {
        self.write(|memory| {
            let place = memory.session_at(tenant, dialect, name);
            if let Some(place) = place {
                memory.sessions.remove(place);
            }
            memory.changed = place.is_some();
            Ok(place.is_some())
        })
    }
}

impl Memory {
    fn session_at(&self, tenant: &TenantId, dialect: &str, name: &str) -> Option<usize> {
        let is = |s: &Session| s.tenant == *tenant && s.dialect == dialect && s.name == name;
        self.sessions.iter().position(is)
    }

    fn session_of(&self, export: &Export) -> Option<usize> {
        let name = &export.spec.session.as_ref()?.name;
        self.session_at(&export.tenant, &export.dialect, name)
    }

    /// What a new export does to its session.
    pub(super) fn enter_session(&mut self, export: &Export) -> Result<()> {
        let found = self.session_of(export).map(|place| &self.sessions[place]);
        let count = self.sessions.iter().filter(|s| s.tenant == export.tenant).count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let fresh = session::enter(export, found, count)?;
        self.sessions.extend(fresh);
        Ok(())
    }

    /// What an export that ended does to its session.
    pub(super) fn complete_session(
        &mut self,
        export: &mut Export,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let place = self.session_of(export);
        let session = place.map(|place| &mut self.sessions[place]);
        session::complete(export, session, now).map(|_| ())
    }
}
