//! Method and path to handler, and what stands around every handler.
//!
//! Paths are matched here and not by the router: an org is a part of each, doubled slashes and one at
//! the end say nothing (the signature of a request does not know them either), and whatever goes
//! wrong must be answered with a fault.

use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;

use super::auth::{Asked, Caller};
use super::error::{Fault, Kind};
use super::query::error::shown;
use super::{App, accounts, exports, files, listing};
use crate::kit::request_id::{LoggedPath, attach};
use crate::kit::{gzip, query};

/// Bytes of the longest address. From 65,535 on the library that reads HTTP refuses it, and could
/// not say so in a fault.
const URI_BYTES_MAX: usize = 65_000;
/// Bytes of all headers. The server itself refuses far more, without a fault.
const HEADER_BYTES_MAX: usize = 48 * 1024;
/// The only version.
const VERSION: &str = "v2";

const SERVER_TIME: HeaderName = HeaderName::from_static("medable-server-time");

/// The router of this dialect.
pub fn router(app: App) -> Router {
    Router::new()
        .fallback(answer)
        .layer(from_fn(gzip::compress))
        .layer(from_fn(attach))
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

/// Answers any request.
async fn answer(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let served = AssertUnwindSafe(serve(&app, &parts, body)).catch_unwind().await;
    let mut response = match served {
        Ok(Ok(response)) => response,
        Ok(Err(fault)) => fault.into_response(),
        Err(_) => {
            tracing::error!("the answer to a request panicked");
            Fault::new(Kind::Internal, "an internal error occurred").into_response()
        }
    };
    let now = app.exports.now().timestamp_millis();
    let headers = response.headers_mut();
    headers.insert(SERVER_TIME, HeaderValue::from(now));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // Clients read it from every answer, even from one without a body.
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    headers.entry(header::CONTENT_TYPE).or_insert(json);
    if parts.method == Method::HEAD {
        return without_body(response);
    }
    response
}

/// What a HEAD is answered: the length of what would come, and nothing of it.
fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact().filter(|length| *length > 0) {
        let headers = response.headers_mut();
        headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    *response.body_mut() = Body::empty();
    response
}

async fn serve(app: &App, parts: &Parts, body: Body) -> Result<Response, Fault> {
    check_size(parts)?;
    let path = parts.uri.path();
    let segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8().map(Into::into))
        .collect::<Result<_, _>>()
        .map_err(|_| Fault::new(Kind::InvalidArgument, "The path is not UTF-8").at("path"))?;
    let (org, below) = match segments.as_slice() {
        [org, version, below @ ..] if version == VERSION => (org, below),
        _ => return Err(no_path(path)),
    };
    // An org that nobody has is one that the caller is not of.
    let tenant = app.settings.tenant(org).ok_or_else(|| no_path(path))?;
    let asked = Asked {
        org: org.clone(),
        tenant,
        method: &parts.method,
        command: command(path),
        headers: &parts.headers,
        query: query::pairs(parts.uri.query().unwrap_or_default())?,
        now: app.exports.now(),
    };
    let below: Vec<&str> = below.iter().map(String::as_str).collect();
    dispatch(app, &asked, &below, body).await
}

/// The path below the org and the version as clients sign it: as it was sent, without doubled slashes
/// and without one at its end.
fn command(path: &str) -> String {
    let segments = path.split('/').filter(|segment| !segment.is_empty()).skip(2);
    segments.fold(String::new(), |command, segment| command + "/" + segment)
}

fn check_size(parts: &Parts) -> Result<(), Fault> {
    let length = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if length > URI_BYTES_MAX {
        let reason = format!("The address has more than {URI_BYTES_MAX} bytes");
        return Err(Fault::new(Kind::TooLarge, reason).with_status(StatusCode::URI_TOO_LONG));
    }
    let bytes = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    if bytes.sum::<usize>() > HEADER_BYTES_MAX {
        let reason = format!("The headers have more than {HEADER_BYTES_MAX} bytes");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Fault::new(Kind::TooLarge, reason).with_status(status));
    }
    Ok(())
}

fn no_path(path: &str) -> Fault {
    Fault::new(Kind::NotFound, "There is no such path in this API").at(shown(path))
}

/// Path and method to handler.
async fn dispatch(
    app: &App,
    asked: &Asked<'_>,
    below: &[&str],
    body: Body,
) -> Result<Response, Fault> {
    // A HEAD is answered as a GET.
    let method = if *asked.method == Method::HEAD { &Method::GET } else { asked.method };
    match (method, below) {
        (&Method::GET, ["x_files", token]) => {
            let mut response = files::follow(app, asked, token, asked.method).await;
            if let Ok(response) = &mut response {
                response.extensions_mut().insert(LoggedPath("/{org}/v2/x_files/[redacted]"));
            }
            response
        }
        (&Method::POST, ["accounts", "login"]) => accounts::login(app, asked, body).await,
        (&Method::GET, ["accounts", "status"]) => accounts::status(app, asked).await,
        (_, ["x_files", _] | ["accounts", "status"]) => Err(Fault::method("GET, HEAD")),
        (_, ["accounts", "login"]) => Err(Fault::method("POST")),
        _ => {
            let allowed = allowed(below);
            if let Some(allowed) = allowed
                && !allowed.split(", ").any(|known| known == asked.method.as_str())
            {
                return Err(Fault::method(allowed));
            }
            let caller = Caller::of(app, asked).await?;
            let mut response = known(app, asked, method, below, &caller, body).await;
            if let Ok(response) = &mut response {
                accounts::add_csrf(response, &caller);
            }
            response
        }
    }
}

/// The methods of a path that is known.
fn allowed(below: &[&str]) -> Option<&'static str> {
    match below {
        ["exports"] => Some("GET, HEAD, POST"),
        ["exports", _] => Some("GET, HEAD, PUT, PATCH, DELETE"),
        ["exports", _, _, ..] | ["accounts", "me"] => Some("GET, HEAD"),
        ["accounts", "me", "logout"] => Some("POST"),
        _ => None,
    }
}

/// What is for callers alone. The method is one that the path takes.
async fn known(
    app: &App,
    asked: &Asked<'_>,
    method: &Method,
    below: &[&str],
    caller: &Caller,
    body: Body,
) -> Result<Response, Fault> {
    match (method, below) {
        (&Method::GET, ["exports"]) => listing::page(app, caller, asked).await,
        (_, ["exports"]) => exports::create(app, caller, asked, body).await,
        (&Method::GET, ["exports", id]) => exports::show(app, caller, asked, id).await,
        (&Method::DELETE, ["exports", id]) => exports::delete(app, caller, id).await,
        (_, ["exports", id]) => exports::change(app, caller, asked, id, body).await,
        (_, ["exports", id, path @ ..]) => exports::property(app, caller, asked, id, path).await,
        (_, ["accounts", "me"]) => {
            Ok(super::response::json_answer(StatusCode::OK, &accounts::document(caller)))
        }
        (_, ["accounts", "me", "logout"]) => accounts::logout(app, caller).await,
        (_, [name, ..]) => {
            let catalog = app.exports.catalog(&caller.who)?;
            if app.names.find_plural(catalog, name).is_none() {
                return Err(Fault::bare(Kind::InvalidObject).at(shown(name)));
            }
            let reason =
                "Instances of this object are exported here, and not listed: POST /exports";
            Err(Fault::new(Kind::Unsupported, reason).at(shown(name)))
        }
        (_, []) => Err(no_path(&format!("/{}/v2", asked.org))),
    }
}
