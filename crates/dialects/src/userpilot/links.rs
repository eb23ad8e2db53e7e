//! The links to finished files: whoever has one may follow it, without a key, for as long as the
//! file is kept. Scripts and mails depend on that (public sync scripts send no header with them).

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use outhaul_exports::ErrorKind;

use super::error::Trouble;
use super::{App, PREFIX};
use crate::kit::file::{self, Coding};
use crate::kit::request_id::LoggedPath;

const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");

/// The path of a file's link. Clients look at the end of the path to tell what the file is.
pub fn path(token: &str, file_name: &str) -> String {
    format!("{PREFIX}/files/{token}/{file_name}")
}

/// Sends the file behind a link.
pub async fn follow(
    State(app): State<App>,
    names: Result<Path<Vec<(String, String)>>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    // A name that is not UTF-8 opens nothing.
    let names = names.map(|Path(names)| names).unwrap_or_default();
    let token = names.first().map_or("", |(_, token)| token);
    let mut response = match answer(&app, token, &method, &headers).await {
        Ok(response) => response,
        Err(trouble) => trouble.into_response(),
    };
    // The address is a secret: no page that opens from the file, and no log, may learn it.
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response.extensions_mut().insert(LoggedPath("/api/v1/analytics/exports/files/{link}"));
    response
}

async fn answer(
    app: &App,
    token: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Trouble> {
    let found = app.exports.follow_link(token).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Trouble::not_found("there is no such file, or its time is over"),
        _ => error.into(),
    })?;
    Ok(file::answer(&app.exports, &found, method, headers, Coding::Identity).await?)
}
