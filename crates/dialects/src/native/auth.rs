//! Who asks: `Authorization: Bearer KEY`, and nothing else. Cookies, query parameters and other
//! headers are not read.

use axum::extract::FromRequestParts;
use http::request::Parts;
use outhaul_exports::principal::Principal;
use outhaul_exports::service::Presented;

use super::App;
use super::error::Problem;
use crate::kit::headers::{Authorization, authorization};

/// The audience of this dialect's keys.
pub const AUDIENCE: &str = "native";

/// A client with a valid key. As the first argument of a handler it makes sure that nothing of a
/// stranger's request is read further.
pub struct Caller {
    /// Who it is.
    pub who: Principal,
    key: String,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // Every reason has one answer, so that nothing can be learnt from it.
        let Ok(Some(Authorization::Bearer(key))) = authorization(&parts.headers) else {
            return Err(Problem::unauthenticated());
        };
        let who = app.exports.authenticate(AUDIENCE, Presented::ApiKey(key)).await?;
        Ok(Self { who, key: key.to_owned() })
    }
}

impl Caller {
    /// Whether the key still opens the same door: asked now and then by what stays open for long.
    pub async fn is_still_welcome(&self, app: &App) -> bool {
        let again = app.exports.authenticate(AUDIENCE, Presented::ApiKey(&self.key)).await;
        match again {
            Ok(who) => who.tenant == self.who.tenant,
            // A store that is away for a moment is no reason to close a stream.
            Err(error) => error.is_transient(),
        }
    }
}
