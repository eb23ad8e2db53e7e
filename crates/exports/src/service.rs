//! The use cases, shared by every dialect, the console and the command line's server calls.
//!
//! A dialect authenticates with [`Exports::authenticate`], turns its request into an
//! [`crate::spec::ExportSpec`], and calls the methods here with the [`Principal`] it was given.
//! Every method checks the role, and answers another tenant's things exactly as unknown ones.

mod authenticate;
mod describe;
mod download;
mod encryption;
mod inspect;
mod links;
mod password;
mod sessions;
mod steer;
mod submit;
#[cfg(all(test, feature = "testing"))]
mod tests;

pub use authenticate::{Grant, Identity, Presented};
pub use download::{ByteRange, Download};
pub use links::{IssuedLink, standing_link};
pub use sessions::SessionAsk;
pub use submit::{RequestKey, Submission};

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::Clock;
use crate::callback::{self, Rules};
use crate::catalog::Catalog;
use crate::notice;
use crate::policy::{Policy, PolicyChange};
use crate::ports::{
    AccessStore, ArtifactStore, Formats, JobStore, Outbox, Planner, ScriptCheck, SessionStore,
};
use crate::principal::{Principal, Role, Tenant, TenantId};
use crate::{Error, Result};

/// All use cases over one set of ports.
pub struct Exports {
    parts: Parts,
    /// Idempotency keys whose first request is still being answered by this process.
    in_flight: Mutex<std::collections::HashSet<(String, String)>>,
}

/// What the use cases stand on.
#[derive(Clone)]
pub struct Parts {
    /// Where exports are remembered.
    pub jobs: Arc<dyn JobStore>,
    /// Where credentials, tokens and links are remembered.
    pub access: Arc<dyn AccessStore>,
    /// Where messages about exports wait.
    pub outbox: Arc<dyn Outbox>,
    /// Where sessions are remembered.
    pub sessions: Arc<dyn SessionStore>,
    /// Whether mails are sent: only then may somebody ask to be told by mail.
    pub can_mail: bool,
    /// Where callbacks may go; absent where none are sent.
    pub callbacks: Option<Arc<Rules>>,
    /// What reads scripts; absent where none are run.
    pub scripts: Option<Arc<dyn ScriptCheck>>,
    /// Where the bytes are.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// What plans and previews.
    pub planner: Arc<dyn Planner>,
    /// What formats there are.
    pub formats: Arc<dyn Formats>,
    /// What may be exported.
    pub catalog: Arc<Catalog>,
    /// The customers.
    pub tenants: Arc<Tenants>,
    /// What each dialect's exports are held to.
    pub policies: Arc<Policies>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The configured tenants.
#[derive(Debug, Clone, Default)]
pub struct Tenants(HashMap<TenantId, Arc<Tenant>>);

impl Tenants {
    /// From the configuration.
    pub fn new(tenants: impl IntoIterator<Item = Tenant>) -> Self {
        Self(tenants.into_iter().map(|tenant| (tenant.id.clone(), Arc::new(tenant))).collect())
    }

    /// The tenant of that id.
    pub fn get(&self, id: &TenantId) -> Option<&Arc<Tenant>> {
        self.0.get(id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.0.values()
    }
}

/// The policies: a dialect's own, then the changes for the dialect, then those for the tenant.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    /// By dialect.
    pub dialects: HashMap<String, Policy>,
    /// By tenant and dialect.
    pub tenants: HashMap<(TenantId, String), PolicyChange>,
}

impl Policies {
    /// What an export of that tenant and dialect is held to.
    ///
    /// # Errors
    /// `Internal` for a dialect that is not assembled.
    pub fn of(&self, tenant: &TenantId, dialect: &str) -> Result<Policy> {
        let Some(policy) = self.dialects.get(dialect) else {
            return Err(Error::internal(format!("dialect {dialect} has no policy")));
        };
        let change = self.tenants.get(&(tenant.clone(), dialect.to_owned()));
        Ok(change.map_or_else(|| policy.clone(), |change| policy.clone().with(change)))
    }
}

impl Exports {
    /// The use cases over these ports.
    pub fn new(parts: Parts) -> Self {
        Self { parts, in_flight: Mutex::default() }
    }

    /// The time.
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.parts.clock.now()
    }

    /// What formats there are.
    pub fn formats(&self) -> &Arc<dyn Formats> {
        &self.parts.formats
    }

    /// Whether this server sends mail. A dialect refuses addresses for mail where it does not, in
    /// its own words; a submission with some is refused in any case.
    pub fn can_mail(&self) -> bool {
        self.parts.can_mail
    }

    /// Checks the URL of a callback, with `{export}` and `{state}` in it, before anything else of a
    /// request is looked at. A submission with a wrong one is refused in any case.
    ///
    /// # Errors
    /// `Unsupported` where this server sends no callbacks; `Invalid` at `field`, saying what is wrong
    /// with the URL.
    pub fn check_callback_url(&self, field: &str, template: &str) -> Result<()> {
        let rules = self.parts.callbacks.as_deref().ok_or_else(callback::off)?;
        rules.check_template(field, template)
    }

    /// Checks a script that is to be run when an export has ended, before anything else of a request
    /// is looked at. A submission with a wrong one is refused in any case.
    ///
    /// # Errors
    /// `Unsupported` where this server runs no scripts; `Invalid` at `notices.script`, saying what is
    /// wrong with the script, and where; `Unavailable` when it cannot be read just now.
    pub async fn check_script(&self, source: &str) -> Result<()> {
        let scripts = self.parts.scripts.as_deref();
        notice::check_script_length(scripts.is_some(), source)?;
        scripts.ok_or_else(notice::scripts_off)?.check(source).await
    }

    /// Changes whenever something was stored. A hint: look now and then anyway.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.parts.jobs.changes()
    }

    /// The principal's tenant, as it is configured.
    ///
    /// # Errors
    /// `Unauthenticated` when the tenant was taken out of the configuration.
    pub fn tenant(&self, who: &Principal) -> Result<&Arc<Tenant>> {
        self.parts.tenants.get(&who.tenant).ok_or_else(Error::unauthenticated)
    }
}

/// Refuses a principal whose role is below `least`.
fn require(who: &Principal, least: Role) -> Result<()> {
    if who.role >= least {
        return Ok(());
    }
    Err(Error::forbidden("this credential's role does not allow that"))
}
