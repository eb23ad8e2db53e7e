//! `POST /oauth/v2/token`: a refresh token becomes an access token.
//!
//! The parameters stand in the query, as one SDK sends them, or in the form, as the others do (Zoho
//! documentation, "Generate access token from refresh token"). A refusal is a 200 with `error`:
//! clients look whether there is an `access_token`.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use outhaul_exports::ErrorKind;
use outhaul_exports::service::Presented;
use serde_json::{Value, json};
use std::time::Duration;

use super::error::Trouble;
use super::response::json_answer;
use super::{AUDIENCE, App, REFRESH_AUDIENCE};
use crate::kit::query::pairs;

/// Bytes of the form.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// The handler.
pub async fn create(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Trouble> {
    let form = axum::body::to_bytes(body, FORM_BYTES_MAX).await.unwrap_or_default();
    let form = std::str::from_utf8(&form).unwrap_or_default();
    let mut given = pairs(query.as_deref().unwrap_or_default()).unwrap_or_default();
    given.extend(pairs(form).unwrap_or_default());
    let field = |name: &str| {
        let found = given.iter().find(|(n, value)| n == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    let answer = match field("grant_type") {
        Some("refresh_token") => {
            let shown = (field("client_id"), field("client_secret"), field("refresh_token"));
            granted(&app, shown).await?
        }
        Some(_) | None => json!({ "error": "unsupported_grant_type" }),
    };
    let mut response = json_answer(StatusCode::OK, &answer);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn granted(
    app: &App,
    (client, secret, refresh): (Option<&str>, Option<&str>, Option<&str>),
) -> Result<Value, Trouble> {
    let (Some(client), Some(secret)) = (client, secret) else {
        return Ok(json!({ "error": "invalid_client" }));
    };
    let Some(refresh) = refresh else { return Ok(json!({ "error": "invalid_code" })) };
    let ttl = Duration::from_secs(app.settings.token_secs.into());
    let behind = app.exports.authenticate(REFRESH_AUDIENCE, Presented::ApiKey(refresh)).await;
    let behind = match behind {
        Ok(behind) => Some(behind),
        Err(error) if *error.kind() == ErrorKind::Unauthenticated => None,
        Err(error) => return Err(error.into()),
    };
    let Some(behind) = behind else { return Ok(json!({ "error": "invalid_code" })) };
    let grant = match app.exports.grant_token(AUDIENCE, client, secret, ttl).await {
        // Both halves are one tenant's.
        Ok(grant) if grant.principal.tenant == behind.tenant => grant,
        Ok(_) => return Ok(json!({ "error": "invalid_code" })),
        Err(error) if *error.kind() == ErrorKind::Unauthenticated => {
            return Ok(json!({ "error": "invalid_client" }));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(json!({
        "access_token": grant.token,
        "api_domain": app.base_url,
        "token_type": "Bearer",
        "expires_in": grant.expires_in,
    }))
}
