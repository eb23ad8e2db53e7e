//! A lease: the right to work on an export, for a time, under a token.
//!
//! Every write that a worker makes about an export names the token; once the lease is lost, the
//! token opens nothing. The key of an artifact names the token too, so that two attempts can never
//! write the same object.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ExportId, limits};

/// Names one lease of one export.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeaseKey {
    /// Which export.
    pub export: ExportId,
    /// Which lease of it.
    pub token: LeaseToken,
}

/// 128 random bits in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseToken(pub String);

impl LeaseToken {
    /// A new token.
    pub fn random() -> Self {
        Self(crate::id::secret(16))
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who holds a lease: one life of one process. A process that starts again is another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub String);

impl Incarnation {
    /// A new one, for a process that starts.
    pub fn random() -> Self {
        Self(crate::id::secret(8))
    }
}

/// A lease as it stands on an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its token.
    pub token: LeaseToken,
    /// Who holds it.
    pub holder: Incarnation,
    /// When it ends unless it is renewed.
    pub until: DateTime<Utc>,
}

impl Lease {
    /// Whether it has ended, or was never renewed since the clock was set back: whoever lives has
    /// done so within the length of a lease, which whoever asks has to wait for.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.until < now || (self.until - now).to_std().is_ok_and(|left| left > limits::LEASE_MAX)
    }
}
