//! Download a file of an export.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method};

use super::App;
use super::auth::Caller;
use super::error::Problem;
use super::names::Names;
use crate::kit::file::{self, Coding};

/// Download a file, or a range of it.
///
/// `Range`, `If-Range`, `If-Match` and `If-None-Match` are understood; the entity tag is the
/// SHA-256 of the bytes.
#[utoipa::path(get, path = "/api/v1/exports/{export}/files/{file}", tag = "files",
    params(
        ("export" = String, Path, description = "The export's id"),
        ("file" = String, Path, description = "The file's id"),
        ("Range" = Option<String>, Header, description = "One range of bytes"),
        ("If-Range" = Option<String>, Header, description = "Only if this is the entity tag")),
    responses(
        (status = 200, description = "The file, as its media type", content_type = "*/*",
            headers(("ETag" = String, description = "SHA-256 of the bytes"),
                ("Repr-Digest" = String, description = "The same, as RFC 9530 writes it"))),
        (status = 206, description = "The range", content_type = "*/*"),
        (status = 304, description = "The client has it")))]
pub async fn download(
    caller: Caller,
    State(app): State<App>,
    names: Names,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (export, id) = names.file()?;
    let found = app.exports.find_file(&caller.who, id).await?;
    if found.export.id != export {
        return Err(Problem::not_found("file"));
    }
    // Packed on the way, a download could not go on after a break.
    Ok(file::answer(&app.exports, &found, &method, &headers, Coding::Identity).await?)
}
