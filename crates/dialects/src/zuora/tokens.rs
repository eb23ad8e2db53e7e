//! `POST /oauth/token`: a client id and secret become an access token.
//!
//! The pair comes in the form (Zuora documentation, "Create an OAuth token") or as HTTP Basic with
//! only the grant type in the form, as oauthlib sends it, or in both if they agree. A bearer token on this call is passed
//! over: generated clients send one. What is wrong with the form is a 400 that says so; a wrong
//! pair is one 401, whichever half is wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use outhaul_exports::access::sha256_hex;
use outhaul_exports::service::Grant;
use outhaul_exports::{Error, id};
use serde_json::json;

use super::errors::{Refusal, Trouble, json_answer};
use super::limits::Standing;
use super::{AUDIENCE, Zuora};
use crate::kit::headers::{Authorization, authorization, single};
use crate::kit::query::pairs;

/// Bytes of the form.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// The handler. Where the client stands with its token requests travels to the door as an
/// extension of the answer.
pub async fn create(State(zuora): State<Arc<Zuora>>, request: Request) -> Response {
    let mut standing = None;
    let mut response = match grant(&zuora, request, &mut standing).await {
        Ok(grant) => answer(&grant),
        Err(refusal) => refusal.into_response(),
    };
    if let Some(standing) = standing {
        response.extensions_mut().insert(standing);
    }
    response
}

async fn grant(
    zuora: &Zuora,
    request: Request,
    standing: &mut Option<Standing>,
) -> Result<Grant, Refusal> {
    let now = zuora.exports.now();
    if let Some(ConnectInfo(address)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        limited(zuora.addresses.take(&address.ip().to_string(), now), standing)?;
    }
    let (parts, body) = request.into_parts();
    let pair = read(&parts.headers, body).await?;
    limited(zuora.sign_ins.take(&sha256_hex(&pair.id), now), standing)?;
    let attempt = zuora.attempts.begin(&zuora.exports, &pair.id, &pair.secret).await?;
    let ttl = Duration::from_secs(zuora.config.token_secs.into());
    let granted = zuora.exports.grant_token(AUDIENCE, &pair.id, &pair.secret, ttl).await;
    attempt.end(granted.as_ref().err().map(Error::kind));
    Ok(granted?)
}

/// Remembers where the client stands, and stops it there.
fn limited(now: Option<Standing>, standing: &mut Option<Standing>) -> Result<(), Refusal> {
    let refused = now.as_ref().filter(|now| !now.allowed).map(|now| now.reset);
    *standing = now.or(standing.take());
    match refused {
        None => Ok(()),
        Some(reset) => {
            let text = "Too many token requests; keep a token until it expires";
            Err(Refusal::new(Trouble::TooManyRequests, text).retry_after(reset))
        }
    }
}

struct Pair {
    id: String,
    secret: String,
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Pair, Refusal> {
    expect_form(headers)?;
    let body = axum::body::to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| {
        let text = format!("The form has more than {FORM_BYTES_MAX} bytes, or ended early");
        Refusal::new(Trouble::TooLarge, text)
    })?;
    let malformed = |text: &str| Refusal::new(Trouble::Malformed, text);
    let text = std::str::from_utf8(&body).map_err(|_| malformed("The form is not UTF-8"))?;
    let pairs = pairs(text).map_err(|error| malformed(&error.to_string()))?;
    let field = |name: &str| {
        let mut values = pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(malformed(&format!("{name} stands more than once"))),
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
        }
    };
    match field("grant_type")? {
        Some("client_credentials") => {}
        Some(_) => return Err(malformed("grant_type must be client_credentials")),
        None => return Err(malformed("grant_type is missing: send client_credentials")),
    }
    let (id, secret) = (field("client_id")?, field("client_secret")?);
    match authorization(headers) {
        Ok(Some(Authorization::Basic { user, password })) => {
            if secret.is_some_and(|secret| secret != password) || id.is_some_and(|id| id != user) {
                let text = "The form and HTTP Basic name different client ids or secrets: send one";
                return Err(malformed(text));
            }
            Ok(Pair { id: user, secret: password })
        }
        _ => match (id, secret) {
            (Some(id), Some(secret)) => Ok(Pair { id: id.into(), secret: secret.into() }),
            (None, _) => Err(malformed("client_id is missing")),
            (_, None) => Err(malformed("client_secret is missing")),
        },
    }
}

fn expect_form(headers: &HeaderMap) -> Result<(), Refusal> {
    let refusal = |text: &str| Err(Refusal::new(Trouble::MediaType, text));
    if single(headers, &header::CONTENT_ENCODING)?
        .is_some_and(|c| !c.eq_ignore_ascii_case("identity"))
    {
        return refusal("The form is not taken compressed");
    }
    let Some(media) = single(headers, &header::CONTENT_TYPE)? else { return Ok(()) };
    let essence = media.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    refusal("Send the form as application/x-www-form-urlencoded")
}

fn answer(grant: &Grant) -> Response {
    let mut scope = format!("tenant.{}", grant.principal.tenant);
    for entity in grant.principal.scope.entities().unwrap_or_default() {
        scope.push_str(&format!(" entity.{entity}"));
    }
    let body = json!({
        "access_token": grant.token,
        "token_type": "bearer",
        "expires_in": grant.expires_in,
        "scope": scope,
        "jti": id::secret(16),
    });
    let mut response = json_answer(StatusCode::OK, &body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
