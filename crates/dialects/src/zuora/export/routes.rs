//! Path and method to handler, and the handlers of exports themselves.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::{HeaderMap, StatusCode, header};
use outhaul_exports::export::Export;
use outhaul_exports::principal::Principal;
use outhaul_exports::service::{RequestKey, Submission};
use outhaul_exports::{ErrorKind, ExportId};
use serde_json::json;

use super::ID;
use super::request::{self, Context, Flags};
use super::response::{Fields, record};
use crate::kit::body::{self, BodyError};
use crate::kit::headers::{idempotency_key, is_utf8, single};
use crate::kit::query::pairs;
use crate::zuora::Zuora;
use crate::zuora::errors::{Refusal, Trouble, json_answer};
use crate::zuora::headers::{literal_zone, meaning};

/// The path of exports.
const EXPORTS: &str = "/v1/object/export";

/// The routes of this dialect alone.
pub fn all() -> Router<Arc<Zuora>> {
    Router::new()
        .route(EXPORTS, post(create))
        .route("/v1/object/export/{id}", get(read).delete(remove))
}

/// `POST /v1/object/export`.
async fn create(
    State(zuora): State<Arc<Zuora>>,
    Extension(who): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let flags = Flags::read(query.as_deref())?;
    expect_json(&headers)?;
    let body = body::read(&headers, body).await?;
    let key = idempotency_key(&headers)?.map(|key| {
        let asked = [body.as_ref(), &meaning(&headers)].concat();
        RequestKey::new(key, &format!("POST {EXPORTS}"), &asked)
    });
    let idempotency = key.transpose()?;
    let tenant = zuora.exports.tenant(&who)?.clone();
    let context = Context {
        catalog: zuora.exports.catalog(&who)?,
        literal_zone: literal_zone(&headers, &tenant)?,
        tenant: &tenant,
        now: zuora.exports.now(),
        rates: zuora.rate_table.as_ref(),
    };
    let wanted = request::Wanted::read(&body, flags)?;
    let (spec, echo) = wanted.into_spec(&context)?;
    let submission = Submission { idempotency, ..Submission::of(ID, spec, echo) };
    let export = zuora.exports.submit(&who, submission).await?;
    let body = json!({ "Success": true, "Id": export.id.to_string() });
    Ok(json_answer(StatusCode::OK, &body))
}

/// `GET /v1/object/export/{id}`.
async fn read(
    State(zuora): State<Arc<Zuora>>,
    Extension(who): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let export = zuora.exports.get(&who, Some(ID), export_id(id)?).await?;
    let fields = Fields::read(query.as_deref())?;
    let zone = zuora.exports.tenant(&who)?.zone;
    Ok(json_answer(StatusCode::OK, &fields.only(record(&export, zone))))
}

/// `DELETE /v1/object/export/{id}`, our own: cancels an active export, forgets a final one.
async fn remove(
    State(zuora): State<Arc<Zuora>>,
    Extension(who): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let id = export_id(id)?;
    end(&zuora, &who, id).await?;
    Ok(json_answer(StatusCode::OK, &json!({ "success": true, "id": id.to_string() })))
}

/// Between the look and the act the export may become final, or be queued again by its worker; the
/// act is then refused, and one more look decides.
async fn end(zuora: &Zuora, who: &Principal, id: ExportId) -> outhaul_exports::Result<Export> {
    let mut looks = 2;
    loop {
        looks -= 1;
        let export = zuora.exports.get(who, Some(ID), id).await?;
        let ended = match export.state.is_active() {
            true => zuora.exports.cancel(who, Some(ID), id).await,
            false => zuora.exports.delete(who, Some(ID), id).await,
        };
        match ended {
            Err(error) if looks > 0 && *error.kind() == ErrorKind::Conflict => {}
            ended => return ended,
        }
    }
}

fn export_id(id: Result<Path<String>, PathRejection>) -> Result<ExportId, Refusal> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    id.ok_or_else(|| Refusal::new(Trouble::NotFound, "there is no such export"))
}

/// Clients send JSON under many names, curl under that of a form; what is surely something else,
/// or in another character set, is refused.
pub(in crate::zuora) fn expect_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(media) = single(headers, &header::CONTENT_TYPE)? else { return Ok(()) };
    let mut parts = media.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let refused = |text: &str| Err(Refusal::new(Trouble::MediaType, text));
    if essence.starts_with("multipart/") || essence.contains("xml") {
        return refused("Send the body as application/json");
    }
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("charset") && !is_utf8(value) {
            return refused("Send the body in UTF-8");
        }
    }
    Ok(())
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let trouble = match error {
            BodyError::TooLarge => Trouble::TooLarge,
            BodyError::UnsupportedCoding => Trouble::MediaType,
            BodyError::BadGzip | BodyError::Broken => Trouble::Malformed,
        };
        Self::new(trouble, error.to_string())
    }
}

/// The values of one parameter of the path, in order.
///
/// # Errors
/// `Malformed` for a query string that cannot be decoded.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Result<Vec<String>, Refusal> {
    let pairs = pairs(query.unwrap_or_default())
        .map_err(|error| Refusal::new(Trouble::Malformed, error.to_string()))?;
    Ok(pairs.into_iter().filter(|(n, _)| n == name).map(|(_, value)| value).collect())
}
