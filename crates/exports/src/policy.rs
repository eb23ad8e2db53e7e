//! The limits of a dialect or a tenant, as a row of numbers. One mechanism serves every dialect.

use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::after;
use crate::{Error, ErrorKind, Result};

/// What an export is held to. It is copied onto the export when it is created, so that a later
/// change of the configuration does not change a promise already made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Exports that may be queued or running at once, per tenant and dialect; none: any number.
    pub active_max: Option<u32>,
    /// Exports in sessions that may be queued or running at once, counted apart from the others;
    /// none: all count together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_active_max: Option<u32>,
    /// Exports that may run at once, per tenant and dialect; none: the workers decide.
    pub running_max: Option<u32>,
    /// Seconds a run may take; none: any time.
    pub run_secs_max: Option<u64>,
    /// Seconds one query of a run may take; none: any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_secs_max: Option<u64>,
    /// Seconds a file is kept after its export completed.
    pub file_kept_secs: u64,
    /// Seconds the record is kept after the export was created, and longer where its files are.
    pub record_kept_secs: u64,
    /// Queries of one export.
    pub queries_max: u32,
    /// Bytes of the stored files of a tenant's exports in a dialect; none: any number. An export
    /// whose files would be more fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_bytes_max: Option<u64>,
}

/// Changes to a policy, for a dialect or a tenant; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// Exports that may be queued or running at once (0: any number).
    pub active_max: Option<u32>,
    /// Exports in sessions that may be queued or running at once, counted apart from the others
    /// (0: all count together).
    pub session_active_max: Option<u32>,
    /// Exports that may run at once (0: the workers decide).
    pub running_max: Option<u32>,
    /// Seconds a run may take (0: any time).
    pub run_secs_max: Option<u64>,
    /// Seconds one query of a run may take (0: any time).
    pub query_secs_max: Option<u64>,
    /// Seconds a file is kept after its export completed.
    pub file_kept_secs: Option<u64>,
    /// Seconds the record is kept after the export was created, and longer where its files are; at
    /// least `file_kept_secs`.
    pub record_kept_secs: Option<u64>,
    /// Queries of one export.
    pub queries_max: Option<u32>,
    /// Bytes that the stored files of a tenant's exports may take, per dialect; an export that needs
    /// more fails (0: any number).
    pub storage_bytes_max: Option<u64>,
}

impl Policy {
    /// The policy with a change laid over it.
    #[must_use]
    pub fn with(mut self, change: &PolicyChange) -> Self {
        let none_if_zero = |n: u32| (n > 0).then_some(n);
        if let Some(n) = change.active_max {
            self.active_max = none_if_zero(n);
        }
        if let Some(n) = change.session_active_max {
            self.session_active_max = none_if_zero(n);
        }
        if let Some(n) = change.query_secs_max {
            self.query_secs_max = (n > 0).then_some(n);
        }
        if let Some(n) = change.running_max {
            self.running_max = none_if_zero(n);
        }
        if let Some(n) = change.run_secs_max {
            self.run_secs_max = (n > 0).then_some(n);
        }
        self.file_kept_secs = change.file_kept_secs.unwrap_or(self.file_kept_secs);
        self.record_kept_secs = change.record_kept_secs.unwrap_or(self.record_kept_secs);
        self.queries_max = change.queries_max.unwrap_or(self.queries_max);
        if let Some(n) = change.storage_bytes_max {
            self.storage_bytes_max = (n > 0).then_some(n);
        }
        self
    }

    /// Which exports count against the limit of one that is, or is not, in a session.
    pub fn place(&self, in_session: bool) -> Place {
        match self.session_active_max {
            None => Place { most: self.active_max, of: None },
            Some(most) if in_session => Place { most: Some(most), of: Some(true) },
            Some(_) => Place { most: self.active_max, of: Some(false) },
        }
    }

    /// When the record of an export goes that is created, or tried again, at that moment.
    pub fn record_end(&self, from: DateTime<Utc>) -> DateTime<Utc> {
        after(from, Duration::from_secs(self.record_kept_secs))
    }

    /// How long one query of a run may take.
    pub fn query_max(&self) -> Option<Duration> {
        self.query_secs_max.map(Duration::from_secs)
    }

    /// How long a run may take.
    pub fn run_max(&self) -> Option<Duration> {
        self.run_secs_max.map(Duration::from_secs)
    }
}

/// The places of a tenant's active exports in a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// How many there are; none: any number.
    pub most: Option<u32>,
    /// Whose: of exports in sessions, or of the others; none: of all.
    pub of: Option<bool>,
}

impl Place {
    /// Admits one more export when `active` of those who share the places are queued or running.
    ///
    /// # Errors
    /// `LimitExceeded` when that is the most there may be.
    pub fn admit(self, active: u32) -> Result<()> {
        match self.most {
            Some(limit) if active >= limit => Err(Error::new(
                ErrorKind::LimitExceeded { limit, active },
                format!(
                    "{active} exports are queued or running, and at most {limit} may be at once; \
                     try again when one of them has ended"
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// Hours in seconds.
pub const fn hours(n: u64) -> u64 {
    n * 3600
}

/// Days in seconds.
pub const fn days(n: u64) -> u64 {
    n * 24 * 3600
}
