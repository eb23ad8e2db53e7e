#![doc = include_str!("docs.md")]

mod at_once;
mod auth;
mod callback;
mod columns;
mod config;
mod error;
mod files;
mod ids;
mod jobs;
mod metadata;
pub mod names;
mod pages;
mod request;
mod response;
mod routes;
pub mod sql;
mod subject;
#[cfg(test)]
mod tests;
mod tokens;
mod v1;
mod views;
mod wanted;

use std::sync::Arc;

use axum::Router;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::policy::{Policy, days, hours};
use outhaul_exports::principal::Tenant;
use outhaul_exports::{Exports, Result};

use self::config::Settings;
use self::names::DisplayNames;
use crate::{Dialect, Setting};

pub use views::Directory;

/// Its id in the configuration and in stored exports.
pub const ID: &str = "zoho";
/// The audience of client ids and of access tokens.
pub const AUDIENCE: &str = "zoho";
/// The audience of refresh tokens: they open nothing but the token endpoint.
pub const REFRESH_AUDIENCE: &str = "zoho_refresh";

/// The dialect.
pub struct Zoho;

impl Dialect for Zoho {
    fn id(&self) -> &'static str {
        ID
    }

    fn prefixes(&self) -> &'static [&'static str] {
        // The last for the one call of the older API; what others have below it is theirs.
        &["/restapi", "/oauth/v2", "/api"]
    }

    fn policy(&self) -> Policy {
        // Zoho Analytics API v2, "Export data": five jobs of an org at once, one hour for the file.
        Policy {
            active_max: Some(5),
            session_active_max: None,
            running_max: None,
            run_secs_max: Some(hours(2)),
            query_secs_max: None,
            file_kept_secs: hours(1),
            record_kept_secs: days(1),
            queries_max: 1,
            storage_bytes_max: None,
        }
    }

    fn config_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Settings)
    }

    fn router(&self, setting: Setting) -> Result<Router> {
        let settings = Settings::read(setting.config)?;
        let names = DisplayNames::of(setting.exports.configured_catalog());
        let base_url = setting.base_url.trim_end_matches('/').to_owned();
        let shared = Shared { exports: setting.exports, base_url, settings, names };
        Ok(routes::router(App(Arc::new(shared))))
    }
}

/// Where a tenant's views are, by the dialect's section of the configuration.
///
/// # Errors
/// `Invalid` when the section is wrong.
pub fn directory(
    section: serde_json::Value,
    tenant: &Tenant,
    catalog: &Catalog,
) -> Result<Directory> {
    Ok(Directory::of(&Settings::read(section)?.org(tenant), catalog))
}

/// What the handlers share.
#[derive(Clone)]
struct App(Arc<Shared>);

/// See [`App`].
struct Shared {
    exports: Arc<Exports>,
    base_url: String,
    settings: Settings,
    names: DisplayNames,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
