//! From a request to the dialect that owns its path, and around it what all requests share: an id,
//! a line in the log, a place for panics to end, and the three paths for operators: `/healthz`
//! (the process answers), `/readyz` (it takes work) and `/metrics`.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use outhaul_dialects::kit::request_id::{self, LoggedPath, RequestId};
use outhaul_exports::limits;
use serde_json::json;
use tower::ServiceExt as _;

use super::body::TimedBody;
use super::flights::Flights;
use super::log::{Line, LoggedBody, track};
use super::path::{ANY, collapse, is_below, loggable};
use crate::config::sections::Server;

/// What operators ask.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Whether the server can take work now.
    async fn readiness(&self) -> Readiness;

    /// The metrics in the text format of Prometheus.
    async fn metrics(&self) -> String;
}

/// Whether a server can take work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It can do most; what it cannot.
    ReadyBut(String),
    /// It cannot; why.
    NotReady(String),
}

/// What answers requests.
pub struct App {
    /// Dialects by prefix, the longest first, and those last that any first segment fits.
    routes: Vec<Route>,
    probe: Arc<dyn Probe>,
    flights: Flights,
    serves_metrics: bool,
    logs: bool,
}

/// The paths of a dialect.
#[derive(Clone)]
pub struct Route {
    /// The first segments of its paths.
    pub prefix: &'static str,
    /// Its id.
    pub dialect: &'static str,
    /// What answers.
    pub router: Router,
}

impl App {
    /// Answers with these dialects. `serves_metrics`: whether `/metrics` is here and not on a port
    /// of its own.
    pub fn new(
        mut routes: Vec<Route>,
        probe: Arc<dyn Probe>,
        flights: Flights,
        serves_metrics: bool,
        logs: bool,
    ) -> Self {
        routes.sort_by_key(|route| {
            (route.prefix.contains(ANY), std::cmp::Reverse(route.prefix.len()))
        });
        Self { routes, probe, flights, serves_metrics, logs }
    }

    /// Answers one request.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        limits: &Server,
    ) -> Response<LoggedBody> {
        let flight = self.flights.begin();
        let begun = Instant::now();
        let request_id = RequestId::random();
        let late = Arc::new(AtomicBool::new(false));
        let idle = Duration::from_secs(limits.body_idle_secs);
        let whole = Duration::from_secs(limits.body_secs);
        let mut request =
            request.map(|body| Body::new(TimedBody::new(body, idle, whole, late.clone())));
        if let Some(uri) = collapse(request.uri()) {
            *request.uri_mut() = uri;
        }
        let route = self.routes.iter().find(|route| is_below(request.uri().path(), route.prefix));
        let mut line = Line {
            request: request_id.0.clone(),
            method: request.method().clone(),
            path: loggable(request.uri().path()),
            dialect: route.map_or("none", |route| route.dialect),
            track: track(request.headers()),
            peer,
            status: 0,
            begun,
            wanted: self.logs,
        };
        request.extensions_mut().insert(request_id.clone());
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(self.flights.stopping());
        let answered = AssertUnwindSafe(self.dispatch(route, request)).catch_unwind().await;
        let mut response = answered.unwrap_or_else(|_| {
            metrics::counter!("outhaul_http_panics_total").increment(1);
            tracing::error!(request = line.request, "the answer to a request panicked");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "an internal error occurred")
        });
        if late.load(Ordering::Relaxed) {
            response = plain(StatusCode::REQUEST_TIMEOUT, "the request's body came too slowly");
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Ok(value) = HeaderValue::from_str(&request_id.0) {
            response.headers_mut().insert(request_id::HEADER, value);
        }
        if let Some(LoggedPath(path)) = response.extensions().get() {
            line.path = (*path).to_owned();
        }
        line.status = response.status().as_u16();
        LoggedBody::of(response, line, flight)
    }

    async fn dispatch(&self, route: Option<&Route>, request: Request<Body>) -> Response {
        let length = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
        if length > limits::URI_BYTES_MAX {
            return plain(StatusCode::URI_TOO_LONG, "the address is too long");
        }
        let Some(route) = route else {
            let path = request.uri().path().to_owned();
            return self.operators(request.method().clone(), &path).await;
        };
        match route.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    async fn operators(&self, method: Method, path: &str) -> Response {
        let known =
            matches!(path, "/healthz" | "/readyz") || (path == "/metrics" && self.serves_metrics);
        if !known {
            return plain(StatusCode::NOT_FOUND, "there is nothing at this path");
        }
        if !matches!(method, Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET here");
            response.headers_mut().insert("allow", HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/healthz" => plain_ok("ok"),
            "/readyz" => self.readiness().await,
            _ => metrics_of(&*self.probe).await,
        }
    }

    async fn readiness(&self) -> Response {
        if self.flights.is_draining() {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping");
        }
        match self.probe.readiness().await {
            Readiness::Ready => plain_ok("ready"),
            Readiness::ReadyBut(why) => {
                with_body(StatusCode::OK, &json!({ "status": "ready", "message": why }))
            }
            Readiness::NotReady(why) => plain(StatusCode::SERVICE_UNAVAILABLE, &why),
        }
    }
}

/// The metrics, alone on a port of their own.
pub fn metrics_only(probe: Arc<dyn Probe>) -> Router {
    Router::new()
        .route("/metrics", axum::routing::get(move || async move { metrics_of(&*probe).await }))
}

async fn metrics_of(probe: &dyn Probe) -> Response {
    let text = probe.metrics().await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn plain_ok(word: &str) -> Response {
    with_body(StatusCode::OK, &json!({ "status": word }))
}

/// An answer that no dialect gives, in plain JSON.
fn plain(status: StatusCode, message: &str) -> Response {
    with_body(status, &json!({ "status": status.as_u16(), "message": message }))
}

fn with_body(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}
