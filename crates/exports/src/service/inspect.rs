//! Look at exports.

use super::{Exports, require};
use crate::export::Export;
use crate::notice::Message;
use crate::ports::{Event, ListFilter};
use crate::principal::{Principal, Role};
use crate::{Error, ExportId, Result, limits};

impl Exports {
    /// One export of the principal's tenant, if `dialect` made it (or of any, when absent). From
    /// the second at which its record's time is over it is not there, swept away or not.
    ///
    /// # Errors
    /// `NotFound`, also for another tenant's.
    pub async fn get(
        &self,
        who: &Principal,
        dialect: Option<&str>,
        id: ExportId,
    ) -> Result<Export> {
        require(who, Role::Reader)?;
        let export = self.parts.jobs.get(&who.tenant, id).await?;
        export
            .filter(|export| dialect.is_none_or(|dialect| export.dialect == dialect))
            .filter(|export| export.state.is_active() || self.now() < export.record_expires_at)
            .ok_or_else(|| Error::not_found("export"))
    }

    /// A page of the tenant's exports, the newest first. As in [`Exports::get`], those whose time
    /// is over are not there.
    ///
    /// # Errors
    /// `Unavailable` when the store is away.
    pub async fn list(&self, who: &Principal, mut filter: ListFilter) -> Result<Vec<Export>> {
        require(who, Role::Reader)?;
        filter.tenant = who.tenant.clone();
        filter.kept_at = Some(self.now());
        filter.most = filter.most.clamp(1, limits::PAGE_MAX);
        self.parts.jobs.list(&filter).await
    }

    /// The messages that told, or will tell, of the export's ends, the oldest first.
    ///
    /// # Errors
    /// `Unavailable` when the store is away.
    pub async fn messages(&self, who: &Principal, export: ExportId) -> Result<Vec<Message>> {
        require(who, Role::Reader)?;
        self.parts.outbox.messages(&who.tenant, export).await
    }

    /// What happened to the tenant's exports (or to one) after the event `after`.
    ///
    /// # Errors
    /// `Unavailable` when the store is away.
    pub async fn events(
        &self,
        who: &Principal,
        after: u64,
        export: Option<ExportId>,
    ) -> Result<Vec<Event>> {
        require(who, Role::Reader)?;
        self.parts.jobs.events(&who.tenant, after, export, limits::PAGE_MAX).await
    }
}
