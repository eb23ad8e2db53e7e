//! What may be exported, and how it would look.

use std::sync::Arc;

use super::{Exports, require};
use crate::catalog::Catalog;
use crate::manifest::ColumnNote;
use crate::ports::Preview;
use crate::principal::{Principal, Role};
use crate::query::Query;
use crate::{Error, Result, limits};

impl Exports {
    /// The catalog that the principal may see.
    pub fn catalog(&self, who: &Principal) -> Result<&Arc<Catalog>> {
        require(who, Role::Reader)?;
        Ok(&self.parts.catalog)
    }

    /// The catalog, for those who assemble a dialect; clients get theirs by [`Exports::catalog`].
    pub fn configured_catalog(&self) -> &Arc<Catalog> {
        &self.parts.catalog
    }

    /// The columns of a query's result.
    ///
    /// # Errors
    /// As of [`Exports::submit`] for a wrong query; `Unavailable`.
    pub async fn columns(&self, who: &Principal, query: &Query) -> Result<Vec<ColumnNote>> {
        require(who, Role::Reader)?;
        self.parts.planner.check(&who.scope, query).await
    }

    /// The first rows of a query, without an export.
    ///
    /// # Errors
    /// As for a submission; `Unavailable` when no slot is free in time.
    pub async fn preview(&self, who: &Principal, query: &Query, rows: u64) -> Result<Preview> {
        require(who, Role::Reader)?;
        if !(1..=limits::PREVIEW_ROWS_MAX).contains(&rows) {
            let text = format!("a preview has 1 to {} rows", limits::PREVIEW_ROWS_MAX);
            return Err(Error::invalid("rows", text));
        }
        self.read_rows(who, query, rows).await
    }

    /// The first rows of a query, at most `most` and [`limits::READ_ROWS_MAX`], for the short lists
    /// that some dialects answer.
    ///
    /// # Errors
    /// As for a submission; `TooLarge` when the rows are; `Unavailable` when no slot is free in
    /// time.
    pub async fn read_rows(&self, who: &Principal, query: &Query, most: u64) -> Result<Preview> {
        require(who, Role::Reader)?;
        if let Query::Select(select) = query {
            select.check(&self.parts.catalog)?;
        }
        self.parts.planner.preview(&who.scope, query, most.min(limits::READ_ROWS_MAX)).await
    }
}
