#![doc = include_str!("docs.md")]

pub mod auth;
mod catalog;
mod config;
pub mod error;
mod events;
mod exports;
mod fields;
mod files;
mod links;
mod names;
mod openapi;
mod preview;
mod request;
mod response;
mod routes;
mod sessions;
#[cfg(test)]
mod tests;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use outhaul_exports::policy::{Policy, days, hours};
use outhaul_exports::principal::TenantId;
use outhaul_exports::{Exports, Result};

use crate::{Dialect, Setting};

pub use config::NativeConfig;
pub use openapi::document;

/// Where every path of this dialect begins.
pub const PREFIX: &str = "/api/v1";

/// The dialect.
pub struct Native;

impl Dialect for Native {
    fn id(&self) -> &'static str {
        "native"
    }

    fn prefixes(&self) -> &'static [&'static str] {
        &[PREFIX]
    }

    fn policy(&self) -> Policy {
        Policy {
            active_max: Some(100),
            session_active_max: None,
            running_max: None,
            run_secs_max: Some(hours(6)),
            query_secs_max: None,
            file_kept_secs: days(7),
            record_kept_secs: days(90),
            queries_max: 50,
            storage_bytes_max: None,
        }
    }

    fn config_schema(&self) -> schemars::Schema {
        schemars::schema_for!(NativeConfig)
    }

    fn router(&self, setting: Setting) -> Result<Router> {
        let config = NativeConfig::read(setting.config)?;
        let pace =
            Pace { heartbeat: Duration::from_secs(config.heartbeat_secs), pause: EVENT_PAUSE };
        Ok(routes::router(App::new(setting.exports, setting.base_url, config, pace)))
    }
}

/// The least time between two looks for news on one event stream.
const EVENT_PAUSE: Duration = Duration::from_millis(250);

/// The times of an event stream.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Between signs of life.
    heartbeat: Duration,
    /// Between a change and the look for it, so that many changes cost one look.
    pause: Duration,
}

/// What the handlers share.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    exports: Arc<Exports>,
    base_url: String,
    config: NativeConfig,
    pace: Pace,
    /// Open event streams by tenant.
    streams: Mutex<HashMap<TenantId, u32>>,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    fn new(exports: Arc<Exports>, base_url: String, config: NativeConfig, pace: Pace) -> Self {
        let base_url = base_url.trim_end_matches('/').to_owned();
        Self(Arc::new(Shared { exports, base_url, config, pace, streams: Mutex::default() }))
    }
}
