//! Method and path to handler, and what stands around every handler.
//!
//! Every path is served with and without a slash at its end, and none by a redirect.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::percent_decode_str;

use super::error::Trouble;
use super::{App, at_once, jobs, metadata, tokens, v1};
use crate::kit::gzip;
use crate::kit::request_id::attach;

/// The prefix of all but the token endpoint.
const PREFIX: &str = "/restapi/v2";
/// Bytes of the longest address. From 65,535 on the library that reads HTTP refuses it, and could
/// not say what to do instead.
const URI_BYTES_MAX: usize = 65_000;

/// The router of this dialect.
pub fn router(app: App) -> Router {
    let mut router = Router::new()
        .route("/oauth/v2/token", post(tokens::create))
        .route("/oauth/v2/token/", post(tokens::create))
        .route("/api/{owner}/{*view}", get(v1::export).head(jobs::head).post(v1::export));
    for (path, methods) in paths() {
        router = router
            .route(&format!("{PREFIX}{path}"), methods.clone())
            .route(&format!("{PREFIX}{path}/"), methods);
    }
    router
        .fallback(async || Trouble::no_rule("There is no such path in this API"))
        .method_not_allowed_fallback(async || {
            Trouble::no_rule("This path does not take that method")
                .with_status(StatusCode::METHOD_NOT_ALLOWED)
        })
        .layer(from_fn(gzip::compress))
        .layer(from_fn(guard))
        .layer(from_fn(attach))
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

fn paths() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/orgs", get(metadata::orgs)),
        ("/workspaces", get(metadata::workspaces)),
        ("/workspaces/owned", get(metadata::owned)),
        ("/workspaces/shared", get(metadata::shared)),
        ("/workspaces/{ws}", get(metadata::workspace)),
        ("/workspaces/{ws}/views", get(metadata::views)),
        ("/workspaces/{ws}/views/{view}/metadata", get(metadata::columns_of)),
        ("/workspaces/{ws}/views/{view}/data", get(at_once::view).head(jobs::head)),
        ("/workspaces/{ws}/data", get(at_once::sql).head(jobs::head)),
        ("/workspaces/{ws}/querytables", get(metadata::query_tables)),
        ("/workspaces/{ws}/querytables/{view}", get(metadata::query_table)),
        ("/workspaces/{ws}/folders", get(metadata::folders)),
        ("/views/{view}", get(metadata::view)),
        ("/metadetails", get(metadata::by_names)),
        ("/recentviews", get(metadata::recent_views)),
        ("/dashboards", get(metadata::dashboards)),
        ("/dashboards/owned", get(metadata::some_dashboards)),
        ("/dashboards/shared", get(metadata::some_dashboards)),
        (
            "/bulk/workspaces/{ws}/views/{view}/data",
            get(jobs::of_view).head(jobs::head).post(jobs::import),
        ),
        ("/bulk/workspaces/{ws}/data", get(jobs::of_sql).head(jobs::head).post(jobs::import)),
        // A form for what is too long for an address; a POST on the paths above would be an import.
        ("/bulk/workspaces/{ws}/views/{view}/exportjobs", post(jobs::of_view_by_form)),
        ("/bulk/workspaces/{ws}/exportjobs", post(jobs::of_sql_by_form)),
        ("/bulk/workspaces/{ws}/exportjobs/{job}", get(jobs::show).delete(jobs::cancel)),
        ("/bulk/workspaces/{ws}/exportjobs/{job}/data", get(jobs::download)),
    ]
}

/// Refuses addresses that are too long or no text, and adds what every answer carries.
async fn guard(request: Request, next: Next) -> Response {
    let length = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let mut response = if length > URI_BYTES_MAX {
        Trouble::too_long(format!(
            "The address has more than {URI_BYTES_MAX} bytes: send CONFIG as a form, POST \
             {PREFIX}/bulk/workspaces/{{workspace}}/exportjobs"
        ))
        .with_status(StatusCode::URI_TOO_LONG)
        .into_response()
    } else if percent_decode_str(request.uri().path()).decode_utf8().is_err() {
        Trouble::no_rule("The path is not UTF-8").into_response()
    } else if is_prefetch(&request) {
        Trouble::not_permitted("A GET that creates jobs is not for prefetching").into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a browser only guesses that somebody may want this: some GETs here create jobs.
fn is_prefetch(request: &Request) -> bool {
    ["sec-purpose", "purpose", "x-moz"].iter().any(|name| {
        let value = request.headers().get(*name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.to_ascii_lowercase().contains("prefetch"))
    })
}
