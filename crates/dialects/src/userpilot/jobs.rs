//! Start a job, look at one, list them.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use outhaul_exports::export::{Export, State as ExportState};
use outhaul_exports::ports::ListFilter;
use outhaul_exports::principal::Principal;
use outhaul_exports::query::{Column, Compare, Expr, Literal, Protection, Query, Select};
use outhaul_exports::service::Submission;
use outhaul_exports::spec::{ExportSpec, Packing};
use outhaul_exports::{ErrorKind, ExportId, limits};
use serde_json::Map;

use super::auth::Caller;
use super::error::{Errors, Trouble};
use super::model::Model;
use super::request::{ExportRequest, compare};
use super::response::{Echo, Job, JobListItem, JobStarted, PresignedUrl, export_id, job_id};
use super::{App, ID, PREFIX, links};
use crate::kit::{body, json};

/// Seconds after which a client should look at an unfinished job again.
const LOOK_AGAIN_SECS: u64 = 2;
/// Jobs of one list.
const JOBS_MAX: usize = 1_000;

/// Start an export job.
#[utoipa::path(post, path = "/api/v1/analytics/exports", tag = "exports",
    operation_id = "startExport",
    request_body = ExportRequest,
    responses(
        (status = 201, description = "The job", body = JobStarted),
        (status = 409, description = "Another job is in progress; Retry-After says when to look \
            again", body = Errors)))]
pub async fn start(
    Caller(who): Caller,
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Trouble> {
    let model = app.model()?;
    let bytes = body::read(&headers, body).await?;
    // Every member may be left out, and so may the body.
    let members = if bytes.is_empty() { Map::new() } else { json::parse_object(&bytes)? };
    let request = ExportRequest::read(members, app.settings.unknown_members)?;
    if !request.emails.is_empty() && !app.exports.can_mail() {
        let text = "this server sends no mail: leave emails out, and look at the job instead";
        return Err(Trouble::wrong("emails", text));
    }
    let file_url = format!("{}{}", app.base_url, links::path("{link}", "{file}"));
    let checked = request.check(model, &app.settings, app.exports.now(), file_url)?;
    if let Some(id) = &checked.segment {
        find_segment(&app, model, &who, id.clone()).await?;
    }
    let echo = Echo { days: checked.range.days() };
    let export = submit(&app, &who, checked.spec, &echo).await?;
    let url = job_url(&app, export.id);
    let started = JobStarted::of(&export, app.settings.environment(&who.tenant), url.clone());
    let mut response = (StatusCode::CREATED, Json(started)).into_response();
    if let Ok(url) = HeaderValue::from_str(&url) {
        response.headers_mut().insert(header::LOCATION, url);
    }
    Ok(response)
}

/// Look at a job.
#[utoipa::path(get, path = "/api/v1/analytics/exports/jobs/{job_id}", tag = "exports",
    operation_id = "showJob",
    params(("job_id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "The job; Retry-After says when to look again at an \
        unfinished one", body = Job)))]
pub async fn show(
    Caller(who): Caller,
    State(app): State<App>,
    names: Result<Path<String>, PathRejection>,
) -> Result<Response, Trouble> {
    let unknown = || Trouble::not_found("there is no such export job, or its time is over");
    let id = names.ok().and_then(|Path(job)| export_id(&job)).ok_or_else(unknown)?;
    let found = app.exports.get(&who, Some(ID), id).await;
    let export = found.map_err(|error| match error.kind() {
        ErrorKind::NotFound => unknown(),
        _ => error.into(),
    })?;
    let files = presigned(&app, &who, &export).await?;
    let job = Job::of(&export, app.settings.environment(&who.tenant), files);
    let mut response = Json(job).into_response();
    if export.state.is_active() {
        response.headers_mut().insert(header::RETRY_AFTER, LOOK_AGAIN_SECS.into());
    }
    Ok(response)
}

/// List the jobs of the last three days, the newest first.
#[utoipa::path(get, path = "/api/v1/analytics/exports/jobs/", tag = "exports",
    operation_id = "listJobs",
    responses((status = 200, description = "The jobs", body = Vec<JobListItem>)))]
pub async fn list(
    Caller(who): Caller,
    State(app): State<App>,
) -> Result<Json<Vec<JobListItem>>, Trouble> {
    let now = app.exports.now();
    let mut jobs: Vec<JobListItem> = Vec::new();
    let mut before = None;
    while jobs.len() < JOBS_MAX {
        let page = of_tenant(&app, &who, Vec::new(), before).await?;
        before = page.last().map(|export| export.id);
        jobs.extend(page.iter().map(|export| JobListItem::of(export, now)));
        if page.len() < limits::PAGE_MAX as usize {
            break;
        }
    }
    Ok(Json(jobs))
}

/// Submits, and says which job is in the way when one is.
async fn submit(
    app: &App,
    who: &Principal,
    spec: ExportSpec,
    echo: &Echo,
) -> Result<Export, Trouble> {
    let echo = serde_json::to_value(echo).map_err(|error| {
        outhaul_exports::Error::internal("a job's echo was not written").with_source(error)
    })?;
    let request = Submission::of(ID, spec, echo);
    match app.exports.submit(who, request).await {
        Err(error) if matches!(error.kind(), ErrorKind::LimitExceeded { .. }) => {
            let active = vec![ExportState::Queued, ExportState::Running];
            let running = of_tenant(app, who, active, None).await?;
            Err(Trouble::in_progress(running.first().map(|export| job_id(export.id))))
        }
        submitted => Ok(submitted?),
    }
}

async fn of_tenant(
    app: &App,
    who: &Principal,
    states: Vec<ExportState>,
    before: Option<ExportId>,
) -> Result<Vec<Export>, Trouble> {
    let filter = ListFilter {
        tenant: who.tenant.clone(),
        dialect: Some(ID.to_owned()),
        states,
        session: None,
        label: None,
        before,
        kept_at: None,
        most: limits::PAGE_MAX,
    };
    Ok(app.exports.list(who, filter).await?)
}

/// Refuses a segment that is not there, where segments can be looked up.
async fn find_segment(
    app: &App,
    model: &Model,
    who: &Principal,
    id: Literal,
) -> Result<(), Trouble> {
    let Some(segments) = &model.segments else { return Ok(()) };
    let Some(field) = segments.field("id") else { return Ok(()) };
    let expr = Expr::own(&field.name);
    let select = Select {
        filter: Some(compare(&expr, Compare::Eq, id)),
        columns: vec![Column { label: "id".to_owned(), expr, protection: Protection::Plain }],
        ..Select::of(&segments.name)
    };
    let found = app.exports.preview(who, &Query::Select(Box::new(select)), 1).await?;
    match found.rows.is_empty() {
        true => Err(Trouble::wrong("segment_id", "there is no such segment")),
        false => Ok(()),
    }
}

/// The addresses of a completed job's files.
async fn presigned(
    app: &App,
    who: &Principal,
    export: &Export,
) -> Result<Vec<PresignedUrl>, Trouble> {
    let over = export.files_expire_at.is_none_or(|end| end <= app.exports.now());
    if export.state != ExportState::Completed || over {
        return Ok(Vec::new());
    }
    let job = job_id(export.id);
    let extension = extension(app, &export.spec);
    let mut files = Vec::new();
    for artifact in export.manifest.iter().flat_map(|manifest| &manifest.artifacts) {
        // Without any row there is one file, of no day.
        let chunk = artifact.part.as_deref().unwrap_or("empty");
        let filename = format!("{job}/{chunk}.{extension}");
        let link = app.exports.standing_link(who, export, artifact.id).await?;
        files.push(PresignedUrl {
            url: format!("{}{}", app.base_url, links::path(&link.token, &filename)),
            filename,
            rows: artifact.rows,
            bytes: artifact.bytes,
            sha256: artifact.sha256.clone(),
        });
    }
    Ok(files)
}

fn extension(app: &App, spec: &ExportSpec) -> String {
    let sheet = app.exports.formats().sheet(&spec.format.id);
    let extension = sheet.map_or_else(|| spec.format.id.clone(), |sheet| sheet.extension);
    match spec.packing {
        Packing::Gzip => format!("{extension}.gz"),
        _ => extension,
    }
}

fn job_url(app: &App, id: ExportId) -> String {
    format!("{}{PREFIX}/jobs/{}", app.base_url, job_id(id))
}
