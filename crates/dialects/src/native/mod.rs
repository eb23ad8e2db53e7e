//! Being written.

use axum::Router;
use outhaul_exports::Result;
use outhaul_exports::policy::{Policy, days, hours};

use crate::{Dialect, Setting};

/// The dialect.
pub struct Native;

impl Dialect for Native {
    fn id(&self) -> &'static str {
        "native"
    }

    fn prefixes(&self) -> &'static [&'static str] {
        &[]
    }

    fn policy(&self) -> Policy {
        Policy {
            active_max: Some(50),
            running_max: None,
            run_secs_max: Some(hours(3)),
            file_kept_secs: days(7),
            record_kept_secs: days(90),
            queries_max: 1,
        }
    }

    fn config_schema(&self) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }

    fn router(&self, _setting: Setting) -> Result<Router> {
        Ok(Router::new())
    }
}
