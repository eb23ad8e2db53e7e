//! Method and path to handler, and what stands around every handler.
//!
//! Every path is served with and without a slash at its end, and none by a redirect: a client that
//! follows one would turn its POST into a GET.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::{HeaderValue, header};

use super::error::Trouble;
use super::{App, PREFIX, SHORT_PREFIX, jobs, links, lookups};
use crate::kit::gzip;
use crate::kit::request_id::attach;

/// Bytes of the longest address.
const URI_BYTES_MAX: usize = 8 * 1024;

/// The router of this dialect.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for prefix in [PREFIX, SHORT_PREFIX] {
        for (path, methods) in paths() {
            router = router
                .route(&format!("{prefix}{path}"), methods.clone())
                .route(&format!("{prefix}{path}/"), methods);
        }
        router = router.route(&format!("{prefix}/files/{{link}}/{{*name}}"), get(links::follow));
    }
    router
        .fallback(async || Trouble::not_found("there is no such path"))
        .method_not_allowed_fallback(async || Trouble::method_not_allowed())
        .layer(from_fn(gzip::compress))
        .layer(from_fn(guard))
        .layer(from_fn(attach))
        // Bodies are read, and capped, by `kit::body` alone.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

fn paths() -> [(&'static str, MethodRouter<App>); 5] {
    [
        ("", post(jobs::start)),
        ("/jobs", get(jobs::list)),
        ("/jobs/{job}", get(jobs::show)),
        ("/lookups/{name}", get(lookups::show)),
        // Where older pages have the status of a job.
        ("/{job}", get(jobs::show)),
    ]
}

/// Refuses addresses that are too long, and adds what every answer carries.
async fn guard(request: Request, next: Next) -> Response {
    let length = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let mut response = match length > URI_BYTES_MAX {
        true => Trouble::uri_too_long(URI_BYTES_MAX).into_response(),
        false => next.run(request).await,
    };
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
