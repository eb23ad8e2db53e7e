//! Sessions: series of exports, each of which has what changed since the one before.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use outhaul_exports::ErrorKind;

use super::App;
use super::auth::{AUDIENCE, Caller};
use super::error::Problem;
use super::exports::json_body;
use super::names::Names;
use super::request::AcknowledgeRequest;
use super::response::{SessionListView, SessionView};

/// List the tenant's sessions, by their names.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions",
    responses((status = 200, description = "All of them", body = SessionListView)))]
pub async fn list(
    caller: Caller,
    State(app): State<App>,
) -> Result<Json<SessionListView>, Problem> {
    let sessions = app.exports.sessions(&caller.who, AUDIENCE).await?;
    Ok(Json(SessionListView { sessions: sessions.iter().map(SessionView::of).collect() }))
}

/// Show a session.
#[utoipa::path(get, path = "/api/v1/sessions/{session}", tag = "sessions",
    params(("session" = String, Path, description = "The session's name")),
    responses((status = 200, description = "The session", body = SessionView)))]
pub async fn show(
    caller: Caller,
    State(app): State<App>,
    names: Names,
) -> Result<Json<SessionView>, Problem> {
    let session = app.exports.session(&caller.who, AUDIENCE, names.text("session")).await?;
    Ok(Json(SessionView::of(&session)))
}

/// Say that an export's rows have arrived: the session goes on after them. Saying it again changes
/// nothing.
#[utoipa::path(post, path = "/api/v1/sessions/{session}/acknowledge", tag = "sessions",
    params(("session" = String, Path, description = "The session's name")),
    request_body = AcknowledgeRequest,
    responses((status = 200, description = "The session as it is now", body = SessionView)))]
pub async fn acknowledge(
    caller: Caller,
    State(app): State<App>,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SessionView>, Problem> {
    let name = names.text("session");
    // Before the body is read: what is not there is not there, whatever was sent.
    app.exports.session(&caller.who, AUDIENCE, name).await?;
    let (_, body) = json_body(&headers, body).await?;
    let export = AcknowledgeRequest::read(body)?;
    let done = app.exports.acknowledge(&caller.who, AUDIENCE, name, export).await;
    let (_, session) = done.map_err(|error| {
        let of_export = matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound);
        let problem = Problem::from(error);
        if of_export { problem.at("/export") } else { problem }
    })?;
    Ok(Json(SessionView::of(&session)))
}

/// Forget a session. Its exports stay; the next export in a session of its name begins in full.
#[utoipa::path(delete, path = "/api/v1/sessions/{session}", tag = "sessions",
    params(("session" = String, Path, description = "The session's name")),
    responses((status = 204, description = "It is forgotten")))]
pub async fn remove(
    caller: Caller,
    State(app): State<App>,
    names: Names,
) -> Result<StatusCode, Problem> {
    app.exports.remove_session(&caller.who, AUDIENCE, names.text("session")).await?;
    Ok(StatusCode::NO_CONTENT)
}
