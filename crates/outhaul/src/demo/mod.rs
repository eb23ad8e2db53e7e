//! A demonstration that needs nothing: data, configuration, credentials, everything started.
//!
//! All of it is in one folder. What is there already is kept, so that a second start is quick and
//! has the same credentials: the data when it has the same size, the configuration and the secrets
//! always. `demo.json` is written last, when the server answers.

pub mod data;
mod database;
mod folder;
mod secrets;
mod source;

use std::sync::Arc;

use outhaul_dialects::zoho;
use outhaul_exports::principal::Tenant;

use crate::config::Loaded;
use crate::config::check::Checked;

pub use folder::{Folder, Orgs};
pub use secrets::register;
pub use source::{Kind, Wanted};

/// Where each tenant's views are in Zoho Analytics' API.
///
/// # Errors
/// When the section of that dialect is wrong.
pub fn orgs(loaded: &Loaded, checked: &Checked) -> anyhow::Result<Orgs> {
    let section = loaded.config.dialects.get(zoho::ID).cloned().unwrap_or_default();
    let settings = serde_json::Value::from(section.own);
    let directory = |tenant: &Arc<Tenant>| {
        let found = zoho::directory(settings.clone(), tenant, &checked.catalog)?;
        Ok((tenant.id.0.clone(), found))
    };
    checked.tenants.iter().map(directory).collect()
}
