#![doc = include_str!("docs.md")]

mod auth;
mod config;
mod error;
mod jobs;
mod links;
mod lookups;
mod model;
mod openapi;
mod range;
mod request;
mod response;
mod routes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use outhaul_exports::policy::{Policy, days};
use outhaul_exports::{Exports, Result};

use self::config::Settings;
use self::model::Model;
use crate::{Dialect, Setting};

pub use openapi::document;

/// The audience of this dialect's keys.
pub const AUDIENCE: &str = "userpilot";
/// Its id in the configuration and in stored exports.
const ID: &str = "userpilot";
/// Where the documented paths begin (Userpilot's OpenAPI document, "Trigger an Export Job").
const PREFIX: &str = "/api/v1/analytics/exports";
/// Where public scripts look when the documented path is not there.
const SHORT_PREFIX: &str = "/v1/analytics/exports";

/// The dialect.
pub struct Userpilot;

impl Dialect for Userpilot {
    fn id(&self) -> &'static str {
        ID
    }

    fn prefixes(&self) -> &'static [&'static str] {
        &["/api/v1/analytics", "/v1/analytics"]
    }

    fn policy(&self) -> Policy {
        Policy {
            active_max: Some(1),
            session_active_max: None,
            running_max: Some(1),
            run_secs_max: None,
            query_secs_max: None,
            file_kept_secs: days(2),
            record_kept_secs: days(3),
            queries_max: 1,
            storage_bytes_max: None,
        }
    }

    fn config_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Settings)
    }

    fn router(&self, setting: Setting) -> Result<Router> {
        let settings = Settings::read(setting.config)?;
        let model = Model::of(setting.exports.configured_catalog(), settings.mapping.as_ref())?;
        let base_url = setting.base_url.trim_end_matches('/').to_owned();
        Ok(routes::router(App(Arc::new(Shared {
            exports: setting.exports,
            base_url,
            settings,
            model,
        }))))
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
    /// What of the catalog is analytics; `None` where nothing is.
    model: Option<Model>,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// What of the catalog is analytics.
    fn model(&self) -> std::result::Result<&Model, error::Trouble> {
        self.model.as_ref().ok_or_else(|| {
            error::Trouble::not_found(
                "this server has no analytics to export; its operator can name the objects in \
                 [dialects.userpilot.mapping]",
            )
        })
    }
}
