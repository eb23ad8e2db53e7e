//! Cancel, retry and delete an export.

use super::submit::check_text;
use super::{Exports, require};
use crate::export::{Export, State};
use crate::ports::Change;
use crate::principal::{Principal, Role};
use crate::{Error, ExportId, Result, limits};

impl Exports {
    /// Cancels an export: at once when it is queued, within a heartbeat when it runs. Cancelling a
    /// cancelled one changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is final already.
    pub async fn cancel(
        &self,
        who: &Principal,
        dialect: Option<&str>,
        id: ExportId,
    ) -> Result<Export> {
        let now = self.now();
        self.change(who, dialect, id, Box::new(move |export| export.cancel(now))).await
    }

    /// Queues a failed export again. It must find a place under its policy as a new one would.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it has not failed.
    pub async fn retry(
        &self,
        who: &Principal,
        dialect: Option<&str>,
        id: ExportId,
    ) -> Result<Export> {
        let now = self.now();
        self.change(who, dialect, id, Box::new(move |export| export.retry(now))).await
    }

    /// Deletes an export and its files. A running one is cancelled first by the client.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is running.
    pub async fn delete(
        &self,
        who: &Principal,
        dialect: Option<&str>,
        id: ExportId,
    ) -> Result<Export> {
        self.get(who, dialect, id).await?;
        require(who, Role::Exporter)?;
        let removed = self.parts.jobs.remove(&who.tenant, id, self.now()).await?;
        let mut removed = removed.ok_or_else(|| Error::not_found("export"))?;
        // The record is gone, so no file can be reached any more; a file that cannot be deleted
        // now is an orphan, and the housekeeper for orphans takes it later.
        for artifact in removed.manifest.iter().flat_map(|manifest| &manifest.artifacts) {
            if let Err(error) = self.parts.artifacts.delete(&artifact.key).await {
                tracing::warn!(
                    key = artifact.key,
                    error = error.chain(),
                    "artifact not deleted yet"
                );
            }
        }
        if removed.state == State::Queued {
            removed.state = State::Cancelled;
        }
        Ok(removed)
    }

    /// Gives an export another label or description, whatever its state; what is `None` stays, and
    /// an empty description is none.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for one that is too long or no text.
    pub async fn relabel(
        &self,
        who: &Principal,
        dialect: Option<&str>,
        id: ExportId,
        label: Option<String>,
        description: Option<String>,
    ) -> Result<Export> {
        check_text("label", label.as_deref(), limits::LABEL_CHARS_MAX)?;
        check_text("description", description.as_deref(), limits::DESCRIPTION_CHARS_MAX)?;
        let now = self.now();
        let relabel = move |export: &mut Export| {
            if label.is_some() {
                export.spec.label = label;
            }
            if let Some(description) = description {
                export.spec.description = Some(description).filter(|text| !text.is_empty());
            }
            export.updated_at = now;
            Ok(())
        };
        self.change(who, dialect, id, Box::new(relabel)).await
    }

    async fn change(
        &self,
        who: &Principal,
        dialect: Option<&str>,
        id: ExportId,
        change: Change,
    ) -> Result<Export> {
        self.get(who, dialect, id).await?;
        require(who, Role::Exporter)?;
        let changed = self.parts.jobs.change(&who.tenant, id, change).await?;
        changed.ok_or_else(|| Error::not_found("export"))
    }
}
