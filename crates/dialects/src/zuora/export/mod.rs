#![doc = include_str!("docs.md")]

pub mod request;
pub mod response;
pub mod routes;
#[cfg(test)]
mod tests;

use axum::Router;
use outhaul_exports::Result;
use outhaul_exports::policy::{Policy, days, hours};

use super::config::Shared;
use super::{Zuora, door, shared_routes};
use crate::{Dialect, Setting};

/// The dialect's id.
pub const ID: &str = "zuora_export";

/// The dialect.
pub struct ZuoraExport;

impl Dialect for ZuoraExport {
    fn id(&self) -> &'static str {
        ID
    }

    fn prefixes(&self) -> &'static [&'static str] {
        // What stands below `/v1` and `/apps/api` and is nobody else's gets this vendor's 404.
        &["/v1", "/oauth", "/apps/api"]
    }

    fn policy(&self) -> Policy {
        Policy {
            active_max: Some(50),
            session_active_max: None,
            running_max: None,
            run_secs_max: Some(hours(3)),
            query_secs_max: None,
            file_kept_secs: days(7),
            record_kept_secs: days(90),
            queries_max: 1,
            storage_bytes_max: None,
        }
    }

    fn config_schema(&self) -> schemars::Schema {
        schemars::schema_for!(Shared)
    }

    fn router(&self, setting: Setting) -> Result<Router> {
        let zuora = Zuora::of(&setting, &setting.config)?;
        Ok(door::build(routes::all().merge(shared_routes()), zuora))
    }
}
