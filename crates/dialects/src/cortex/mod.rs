#![doc = include_str!("docs.md")]

mod accounts;
mod attempts;
mod auth;
mod config;
mod documents;
mod error;
mod exports;
mod files;
mod ids;
mod listing;
pub mod names;
mod own;
pub mod query;
mod request;
mod response;
mod routes;
mod scripts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use outhaul_exports::notice::ScriptView;
use outhaul_exports::policy::{Policy, days};
use outhaul_exports::{Exports, Result};

use self::attempts::Attempts;
use self::auth::Seen;
use self::config::Settings;
use self::names::WireNames;
use self::own::Own;
use crate::{Dialect, Setting};

/// Its id in the configuration and in stored exports.
pub const ID: &str = "cortex";
/// The audience of accounts, which are passwords under e-mail addresses, and of their sessions.
pub const AUDIENCE: &str = "cortex";

/// The dialect.
pub struct Cortex;

impl Dialect for Cortex {
    fn id(&self) -> &'static str {
        ID
    }

    fn prefixes(&self) -> &'static [&'static str] {
        // Medable documentation, "Making requests": the org's code stands first.
        &["/{}/v2"]
    }

    fn policy(&self) -> Policy {
        // Medable documentation, "Export Object": any number waits, one of an org runs, and what it
        // made is there for seven days.
        Policy {
            active_max: None,
            session_active_max: None,
            running_max: Some(1),
            run_secs_max: None,
            query_secs_max: None,
            file_kept_secs: days(7),
            record_kept_secs: days(7),
            queries_max: 1,
            storage_bytes_max: None,
        }
    }

    fn config_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Settings)
    }

    fn script_view(&self, setting: &Setting) -> Result<Option<Arc<dyn ScriptView>>> {
        let settings = Settings::read(setting.config.clone())?;
        let base_url = setting.base_url.trim_end_matches('/').to_owned();
        Ok(Some(Arc::new(scripts::View { settings, base_url })))
    }

    fn router(&self, setting: Setting) -> Result<Router> {
        let settings = Settings::read(setting.config)?;
        let shared = Shared {
            apps: settings.checked_apps()?,
            settings,
            names: WireNames::of(setting.exports.configured_catalog()),
            own: Own::new()?,
            exports: setting.exports,
            base_url: setting.base_url.trim_end_matches('/').to_owned(),
            attempts: Attempts::default(),
            seen: Seen::default(),
        };
        Ok(routes::router(App(Arc::new(shared))))
    }
}

/// What the handlers share.
#[derive(Clone)]
struct App(Arc<Shared>);

/// See [`App`].
struct Shared {
    exports: Arc<Exports>,
    base_url: String,
    settings: Settings,
    /// By key.
    apps: BTreeMap<String, config::App>,
    names: WireNames,
    own: Own,
    attempts: Attempts,
    seen: Seen,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
