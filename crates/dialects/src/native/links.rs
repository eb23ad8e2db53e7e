//! Short links: an address that opens one file for a while, without a credential.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use outhaul_exports::ArtifactId;
use outhaul_exports::access::Link;

use super::auth::Caller;
use super::error::Problem;
use super::names::Names;
use super::request::LinkRequest;
use super::response::{LinkListView, LinkView, NewLinkView};
use super::{App, PREFIX};
use crate::kit::file::{self, Coding};
use crate::kit::headers::expect_json;
use crate::kit::{body, json};

const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");

/// Make a link to a file.
#[utoipa::path(post, path = "/api/v1/exports/{export}/files/{file}/links", tag = "links",
    params(
        ("export" = String, Path, description = "The export's id"),
        ("file" = String, Path, description = "The file's id")),
    request_body(content = Option<LinkRequest>, description = "May be left out"),
    responses((status = 201, description = "The link; its address is shown this once",
        body = NewLinkView)))]
pub async fn create(
    caller: Caller,
    State(app): State<App>,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let file = owned_file(&app, &caller, &names).await?;
    let ttl = ttl(&app, &headers, body).await?;
    let link = app.exports.issue_link(&caller.who, file, ttl).await.map_err(wrong_ttl)?;
    let view = NewLinkView {
        id: link.id,
        url: format!("{}{PREFIX}/links/{}", app.base_url, link.token),
        expires_at: link.expires_at,
    };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// List the live links of a file.
#[utoipa::path(get, path = "/api/v1/exports/{export}/files/{file}/links", tag = "links",
    params(
        ("export" = String, Path, description = "The export's id"),
        ("file" = String, Path, description = "The file's id")),
    responses((status = 200, description = "The links, without their addresses",
        body = LinkListView)))]
pub async fn list(
    caller: Caller,
    State(app): State<App>,
    names: Names,
) -> Result<Json<LinkListView>, Problem> {
    let file = owned_file(&app, &caller, &names).await?;
    let links = app.exports.links(&caller.who, file).await?;
    Ok(Json(LinkListView { links: links.into_iter().map(view).collect() }))
}

/// Move the end of a live link.
#[utoipa::path(post, path = "/api/v1/exports/{export}/files/{file}/links/{link}/renew",
    tag = "links",
    params(
        ("export" = String, Path, description = "The export's id"),
        ("file" = String, Path, description = "The file's id"),
        ("link" = String, Path, description = "The link's id")),
    request_body(content = Option<LinkRequest>, description = "May be left out"),
    responses((status = 200, description = "The link", body = LinkView)))]
pub async fn renew(
    caller: Caller,
    State(app): State<App>,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<LinkView>, Problem> {
    let file = owned_file(&app, &caller, &names).await?;
    let ttl = ttl(&app, &headers, body).await?;
    let renewed = app.exports.renew_link(&caller.who, file, names.text("link"), ttl).await;
    Ok(Json(view(renewed.map_err(wrong_ttl)?)))
}

/// End a live link at once.
#[utoipa::path(delete, path = "/api/v1/exports/{export}/files/{file}/links/{link}", tag = "links",
    params(
        ("export" = String, Path, description = "The export's id"),
        ("file" = String, Path, description = "The file's id"),
        ("link" = String, Path, description = "The link's id")),
    responses((status = 204, description = "It opens nothing any more")))]
pub async fn revoke(
    caller: Caller,
    State(app): State<App>,
    names: Names,
) -> Result<StatusCode, Problem> {
    let file = owned_file(&app, &caller, &names).await?;
    app.exports.revoke_link(&caller.who, file, names.text("link")).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Download the file that a link opens. No credential is needed.
#[utoipa::path(get, path = "/api/v1/links/{token}", tag = "links", security(()),
    params(("token" = String, Path, description = "The secret part of the link's address")),
    responses(
        (status = 200, description = "The file, as its media type", content_type = "*/*"),
        (status = 206, description = "The range", content_type = "*/*"),
        (status = 304, description = "The client has it")))]
pub async fn follow(
    State(app): State<App>,
    names: Names,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = app.exports.follow_link(names.text("token")).await?;
    let mut response =
        file::answer(&app.exports, &found, &method, &headers, Coding::Identity).await?;
    // The address is a secret; no page that opens from the file may learn it.
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// The file of the path, which must be of the export of the path.
async fn owned_file(app: &App, caller: &Caller, names: &Names) -> Result<ArtifactId, Problem> {
    let (export, id) = names.file()?;
    let found = app.exports.find_file(&caller.who, id).await?;
    if found.export.id == export { Ok(id) } else { Err(Problem::not_found("file")) }
}

async fn ttl(app: &App, headers: &HeaderMap, body: Body) -> Result<Duration, Problem> {
    let bytes = body::read(headers, body).await?;
    let request = match bytes.is_empty() {
        true => LinkRequest::default(),
        false => {
            expect_json(headers)?;
            LinkRequest::read(json::parse_object(&bytes)?)?
        }
    };
    Ok(request.ttl_secs.map_or(app.config.link_ttl(), Duration::from_secs))
}

/// The use case calls it by its own name.
fn wrong_ttl(error: outhaul_exports::Error) -> Problem {
    let about_ttl = matches!(
        error.kind(),
        outhaul_exports::ErrorKind::Invalid { field } if field == "ttl"
    );
    let problem = Problem::from(error);
    if about_ttl { problem.at("/ttl_secs") } else { problem }
}

fn view(link: Link) -> LinkView {
    LinkView { id: link.hash, created_at: link.created_at, expires_at: link.expires_at }
}
