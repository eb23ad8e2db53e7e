//! Who asks, for whom, and what they may do.

use std::fmt;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// Names a tenant in the configuration and in every stored row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub String);

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for TenantId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// A customer: whose rows they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Name for people.
    pub label: String,
    /// What the tenant column of its rows holds.
    pub value: String,
    /// Its own zone, for calendar dates without one.
    pub zone: Tz,
    /// Its entities (values of the entity column); empty where there is only one.
    pub entities: Vec<String>,
    /// Its organisations (values of the org column).
    pub orgs: Vec<String>,
    /// Its public key for sealed values and encrypted files: an age recipient (for values alone) or
    /// an OpenPGP public key block.
    pub public_key: Option<String>,
}

/// Which rows a query may see. The engine cannot be opened without one.
///
/// There is no scope for "all tenants": a scope is made from a tenant alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TenantScope {
    tenant: TenantId,
    value: String,
    entities: Option<Vec<String>>,
    orgs: Option<Vec<String>>,
}

impl TenantScope {
    /// All rows of one tenant.
    pub fn of(tenant: &Tenant) -> Self {
        Self { tenant: tenant.id.clone(), value: tenant.value.clone(), entities: None, orgs: None }
    }

    /// Only rows of these entities of the tenant.
    #[must_use]
    pub fn with_entities(mut self, entities: Vec<String>) -> Self {
        self.entities = Some(entities);
        self
    }

    /// Only rows of these organisations of the tenant.
    #[must_use]
    pub fn with_orgs(mut self, orgs: Vec<String>) -> Self {
        self.orgs = Some(orgs);
        self
    }

    /// Whose rows.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What the tenant column must hold.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What the entity column may hold, where the scope is narrowed.
    pub fn entities(&self) -> Option<&[String]> {
        self.entities.as_deref()
    }

    /// What the org column may hold, where the scope is narrowed.
    pub fn orgs(&self) -> Option<&[String]> {
        self.orgs.as_deref()
    }
}

/// What a credential may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// See the tenant's exports and the catalog, download files, make and renew links to them.
    Reader,
    /// Also create exports; cancel, retry and delete those of the tenant, whoever created them;
    /// revoke links.
    Exporter,
    /// No more than an exporter: nothing asks for it. It tells people's keys from programs'.
    Admin,
}

/// Who asks, after the credential was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Principal {
    /// For whom.
    pub tenant: TenantId,
    /// Which credential, as shown in lists and logs; not a secret.
    pub credential: String,
    /// What it may do.
    pub role: Role,
    /// Which rows it may see.
    pub scope: TenantScope,
}
