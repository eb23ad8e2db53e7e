//! Method and path to handler, and what stands around every handler.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, map_response};
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::StatusCode;

use super::error::{Problem, render};
use super::{App, catalog, events, exports, files, links, openapi, preview, sessions};
use crate::kit::gzip;
use crate::kit::request_id::{LoggedPath, attach};

/// The router of this dialect.
pub fn router(app: App) -> Router {
    let secret = Router::new()
        .route("/api/v1/links/{token}", get(links::follow))
        .layer(map_response(hide_token));
    let files = Router::new()
        .route("/api/v1/exports/{export}/files/{file}", get(files::download))
        .route("/api/v1/exports/{export}/events", get(events::of_export))
        .route("/api/v1/events", get(events::of_tenant))
        .merge(secret);
    let documents = Router::new()
        .route("/api/v1/openapi.json", get(openapi::serve))
        .route("/api/v1/catalog", get(catalog::list))
        .route("/api/v1/catalog/{object}", get(catalog::show))
        .route("/api/v1/formats", get(catalog::formats))
        .route("/api/v1/preview", post(preview::preview))
        .route("/api/v1/exports", get(exports::list).post(exports::create))
        .route("/api/v1/exports/{export}", get(exports::show).delete(exports::delete))
        .route("/api/v1/exports/{export}/cancel", post(exports::cancel))
        .route("/api/v1/exports/{export}/retry", post(exports::retry))
        .route("/api/v1/exports/{export}/manifest", get(exports::manifest))
        .route("/api/v1/sessions", get(sessions::list))
        .route("/api/v1/sessions/{session}", get(sessions::show).delete(sessions::remove))
        .route("/api/v1/sessions/{session}/acknowledge", post(sessions::acknowledge))
        .route("/api/v1/exports/{export}/files/{file}/links", get(links::list).post(links::create))
        .route("/api/v1/exports/{export}/files/{file}/links/{link}", delete(links::revoke))
        .route("/api/v1/exports/{export}/files/{file}/links/{link}/renew", post(links::renew));
    files
        .merge(documents)
        .fallback(async || Problem::not_found("path"))
        .method_not_allowed_fallback(async || {
            let detail = "this path does not have that method; Allow lists those it has";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        })
        .layer(from_fn(gzip::compress))
        .layer(from_fn(render))
        .layer(from_fn(attach))
        // Bodies are read, and capped, by `kit::body` alone.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

/// The address of a link opens it, so the log must not show it.
async fn hide_token(mut response: Response) -> Response {
    response.extensions_mut().insert(LoggedPath("/api/v1/links/{token}"));
    response
}
