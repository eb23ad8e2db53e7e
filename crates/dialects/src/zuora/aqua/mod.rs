#![doc = include_str!("docs.md")]

pub mod config;
pub mod error;
pub mod modes;
pub mod queries;
pub mod request;
pub mod response;
pub mod routes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{Extension, Router};
use outhaul_exports::Result;
use outhaul_exports::limits::QUERIES_MAX;
use outhaul_exports::policy::{Policy, days, hours};
use serde_json::Value;

use self::config::AquaConfig;
use super::{Zuora, door, export, shared_routes};
use crate::{Dialect, Setting};

/// The dialect's id.
pub const ID: &str = "zuora_aqua";

/// The dialect.
pub struct ZuoraAqua;

impl Dialect for ZuoraAqua {
    fn id(&self) -> &'static str {
        ID
    }

    fn prefixes(&self) -> &'static [&'static str] {
        // The last three where the Export API is switched off.
        &["/v1/batch-query", "/apps/api/batch-query", "/v1", "/oauth", "/apps/api"]
    }

    fn policy(&self) -> Policy {
        // Zuora documentation, "AQuA API", limits: 50 stateless and 50 stateful jobs, 50 queries of
        // three hours each, files for 72 hours, jobs for 180 days.
        Policy {
            active_max: Some(50),
            session_active_max: Some(50),
            running_max: None,
            run_secs_max: None,
            query_secs_max: Some(hours(3)),
            file_kept_secs: hours(72),
            record_kept_secs: days(180),
            queries_max: u32::try_from(QUERIES_MAX).unwrap_or(u32::MAX),
            storage_bytes_max: None,
        }
    }

    fn config_schema(&self) -> schemars::Schema {
        schemars::schema_for!(AquaConfig)
    }

    fn router(&self, setting: Setting) -> Result<Router> {
        let config = Arc::new(AquaConfig::read(&setting.config)?);
        let shared = setting.commons.sections.get(export::ID).cloned().unwrap_or(Value::Null);
        let zuora = Zuora::of(&setting, &shared)?;
        let routes = routes::all().merge(shared_routes()).layer(Extension(config));
        Ok(door::build(routes, zuora))
    }
}
