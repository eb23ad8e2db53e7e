//! Create, list, look at, cancel, retry and delete exports.

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use outhaul_exports::export::{Export, State as ExportState};
use outhaul_exports::ports::ListFilter;
use outhaul_exports::query::Query;
use outhaul_exports::service::{RequestKey, Submission};
use outhaul_exports::spec::QuerySpec;
use outhaul_exports::{ErrorKind, ExportId, limits};
use serde_json::{Map, Value};

use super::auth::Caller;
use super::error::Problem;
use super::names::{Names, Parameters};
use super::request::{CreateExport, SessionRequest};
use super::response::{ExportListView, ExportView, ManifestView, NoticeView};
use super::{App, PREFIX};
use crate::kit::headers::{expect_json, idempotency_key};
use crate::kit::{body, json};

/// Exports on a page unless the request says otherwise.
const PAGE: u64 = 50;
/// The most exports on a page.
const PAGE_MAX: u64 = 100;
/// Seconds after which a request whose twin is being answered should come again.
const TWIN_SECS: u64 = 1;

/// Create an export.
#[utoipa::path(post, path = "/api/v1/exports", tag = "exports",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 to 255 printable ASCII characters; a repeated request within 24 hours is \
                       answered as the first")),
    request_body = CreateExport,
    responses((status = 202, description = "Accepted; Location leads to it", body = ExportView,
        headers(("Location" = String, description = "Where the export is")))))]
pub async fn create(
    caller: Caller,
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let (bytes, body) = json_body(&headers, body).await?;
    let idempotency =
        key.map(|key| RequestKey::new(key, "POST /api/v1/exports", &bytes)).transpose()?;
    let mut wanted = CreateExport::read(body)?;
    let session = wanted.session.take().map(SessionRequest::into_ask);
    let spec = wanted.into_spec(&app, &caller.who)?;
    let sole = match spec.queries.as_slice() {
        [QuerySpec { query: Query::Sql { .. }, .. }] => Some("/queries/0/sql"),
        [_] => Some("/queries/0"),
        _ => None,
    };
    let request =
        Submission { session, idempotency, ..Submission::of("native", spec, Value::Null) };
    let export = app.exports.submit(&caller.who, request).await.map_err(|error| {
        // The only conflict of a submission is with a twin that is still being answered.
        let twin = matches!(error.kind(), ErrorKind::Conflict);
        let problem = Problem::from(error).with_position().rename(|part| member(part, sole));
        if twin { problem.at("Idempotency-Key").retry_after(TWIN_SECS) } else { problem }
    })?;
    let location = format!("{PREFIX}/exports/{}", export.id);
    let view = Json(ExportView::of(&export));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], view).into_response())
}

/// The member of the body that the rules of the core mean by a part of a spec. They do not say
/// which query they mean, so that is known only of the sole one.
fn member(part: &str, sole: Option<&str>) -> Option<String> {
    match (part, sole) {
        ("where", Some("/queries/0")) => return Some("/queries/0/where".to_owned()),
        ("where" | "query", Some(sole)) => return Some(sole.to_owned()),
        _ => {}
    }
    match part {
        "where" | "query" | "queries.name" => Some("/queries".to_owned()),
        "Idempotency-Key" => Some(part.to_owned()),
        part => {
            // The format's options and values stand beside it here.
            let part = part.strip_prefix("format.").unwrap_or(part);
            Some(format!("/{}", part.replace('.', "/")))
        }
    }
}

/// List the tenant's exports, the newest first.
#[utoipa::path(get, path = "/api/v1/exports", tag = "exports",
    params(
        ("state" = Option<String>, Query, description = "States, separated by commas"),
        ("dialect" = Option<String>, Query, description = "Only those created through this API"),
        ("label" = Option<String>, Query, description = "Only those whose label contains this"),
        ("limit" = Option<u64>, Query, description = "1 to 100; default 50"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before")),
    responses((status = 200, description = "A page", body = ExportListView)))]
pub async fn list(
    caller: Caller,
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<ExportListView>, Problem> {
    let known = ["state", "dialect", "label", "limit", "cursor"];
    let parameters = Parameters::read(query.as_deref(), &known)?;
    let limit = parameters.count("limit", 1..=PAGE_MAX)?.unwrap_or(PAGE);
    let filter = ListFilter {
        tenant: caller.who.tenant.clone(),
        dialect: dialect(parameters.text("dialect"))?,
        states: states(parameters.text("state"))?,
        session: None,
        label: parameters.text("label").map(str::to_owned),
        before: cursor(parameters.text("cursor"))?,
        kept_at: None,
        // One more than asked for tells whether there is a next page.
        most: u32::try_from(limit + 1).unwrap_or(limits::PAGE_MAX),
    };
    let mut exports = app.exports.list(&caller.who, filter).await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = exports.len() > page;
    exports.truncate(page);
    let next_cursor = exports.last().filter(|_| more).map(|export| export.id.to_string());
    Ok(Json(ExportListView { exports: exports.iter().map(ExportView::of).collect(), next_cursor }))
}

fn states(text: Option<&str>) -> Result<Vec<ExportState>, Problem> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let state = |name: &str| {
        ExportState::from_name(name.trim()).ok_or_else(|| {
            let known = ExportState::ALL.map(ExportState::name).join(", ");
            let detail = format!("{} is not one of: {known}", json::shown(name));
            Problem::invalid("state", detail)
        })
    };
    // No more names than there are states can make a difference.
    text.split(',').take(limits::JSON_DEPTH_MAX).map(state).collect()
}

fn dialect(text: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(text) = text else { return Ok(None) };
    // Also one that is switched off may have made exports.
    let mut known = crate::ALL.iter().map(|dialect| dialect.id());
    if known.any(|id| id == text) {
        return Ok(Some(text.to_owned()));
    }
    let known: Vec<_> = crate::ALL.iter().map(|dialect| dialect.id()).collect();
    let detail = format!("{} is not one of: {}", json::shown(text), known.join(", "));
    Err(Problem::invalid("dialect", detail))
}

fn cursor(text: Option<&str>) -> Result<Option<ExportId>, Problem> {
    let wrong = |_| Problem::invalid("cursor", "the cursor is not one that a page has given");
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

/// Show an export.
#[utoipa::path(get, path = "/api/v1/exports/{export}", tag = "exports",
    params(("export" = String, Path, description = "The export's id")),
    responses((status = 200, description = "The export", body = ExportView)))]
pub async fn show(
    caller: Caller,
    State(app): State<App>,
    names: Names,
) -> Result<Json<ExportView>, Problem> {
    let export = app.exports.get(&caller.who, None, names.export()?).await?;
    let mut view = ExportView::of(&export);
    view.queue_position = queue_position(&app, &caller, &export).await?;
    if !export.spec.notices.is_empty() {
        let messages = app.exports.messages(&caller.who, export.id).await?;
        view.notices = messages.iter().map(NoticeView::of).collect();
    }
    Ok(Json(view))
}

/// Place among the tenant's queued exports; those past a page are not counted.
async fn queue_position(
    app: &App,
    caller: &Caller,
    export: &Export,
) -> Result<Option<u64>, Problem> {
    if export.state != ExportState::Queued {
        return Ok(None);
    }
    let older = ListFilter {
        tenant: caller.who.tenant.clone(),
        dialect: None,
        states: vec![ExportState::Queued],
        session: None,
        label: None,
        before: Some(export.id),
        kept_at: None,
        most: limits::PAGE_MAX,
    };
    Ok(Some(app.exports.list(&caller.who, older).await?.len() as u64 + 1))
}

/// Cancel an export: a queued one at once, a running one within seconds.
#[utoipa::path(post, path = "/api/v1/exports/{export}/cancel", tag = "exports",
    params(("export" = String, Path, description = "The export's id")),
    responses((status = 202, description = "The export, cancelled or about to be",
        body = ExportView)))]
pub async fn cancel(
    caller: Caller,
    State(app): State<App>,
    names: Names,
) -> Result<Response, Problem> {
    let export = app.exports.cancel(&caller.who, None, names.export()?).await?;
    Ok((StatusCode::ACCEPTED, Json(ExportView::of(&export))).into_response())
}

/// Queue a failed export again.
#[utoipa::path(post, path = "/api/v1/exports/{export}/retry", tag = "exports",
    params(("export" = String, Path, description = "The export's id")),
    responses((status = 202, description = "The export, queued", body = ExportView)))]
pub async fn retry(
    caller: Caller,
    State(app): State<App>,
    names: Names,
) -> Result<Response, Problem> {
    let retried = app.exports.retry(&caller.who, None, names.export()?).await;
    let export = retried.map_err(|error| Problem::from(error).with_position())?;
    Ok((StatusCode::ACCEPTED, Json(ExportView::of(&export))).into_response())
}

/// Delete an export and its files. A running one must be cancelled first.
#[utoipa::path(delete, path = "/api/v1/exports/{export}", tag = "exports",
    params(("export" = String, Path, description = "The export's id")),
    responses((status = 204, description = "It is gone")))]
pub async fn delete(
    caller: Caller,
    State(app): State<App>,
    names: Names,
) -> Result<StatusCode, Problem> {
    app.exports.delete(&caller.who, None, names.export()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show the manifest of a completed export.
#[utoipa::path(get, path = "/api/v1/exports/{export}/manifest", tag = "files",
    params(("export" = String, Path, description = "The export's id")),
    responses((status = 200, description = "The manifest", body = ManifestView)))]
pub async fn manifest(
    caller: Caller,
    State(app): State<App>,
    names: Names,
) -> Result<Json<ManifestView>, Problem> {
    let export = app.exports.get(&caller.who, None, names.export()?).await?;
    match ManifestView::of(&export) {
        Some(manifest) => Ok(Json(manifest)),
        None => {
            let state = export.state.name();
            let detail = format!("the export is {state}; only a completed one has a manifest");
            Err(Problem::new(StatusCode::CONFLICT, "conflict", detail))
        }
    }
}

/// The body of a request: its bytes, and the JSON object that they are.
pub async fn json_body(
    headers: &HeaderMap,
    body: Body,
) -> Result<(Bytes, Map<String, Value>), Problem> {
    expect_json(headers)?;
    let bytes = body::read(headers, body).await?;
    let object = json::parse_object(&bytes)?;
    Ok((bytes, object))
}
