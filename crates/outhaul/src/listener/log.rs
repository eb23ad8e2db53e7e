//! One line for every answered request, when its last byte is sent or given up.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Response};
use http_body::{Body as _, Frame, SizeHint};

use super::flights::Flight;

/// What the line says about the request.
pub struct Line {
    /// Our id of the request.
    pub request: String,
    /// The method.
    pub method: Method,
    /// The path, as it may be logged.
    pub path: String,
    /// Which dialect answered.
    pub dialect: &'static str,
    /// The id that the client gave it for its own log.
    pub track: Option<String>,
    /// Where it came from.
    pub peer: SocketAddr,
    /// The answer's status.
    pub status: u16,
    /// When it began.
    pub begun: Instant,
    /// Whether the line is written.
    pub wanted: bool,
}

/// The id that a client gave a request, in a header whose name ends with `track-id`, if it is one
/// that may be logged: at most 64 visible ASCII characters.
pub fn track(headers: &HeaderMap) -> Option<String> {
    let (_, value) = headers.iter().find(|(name, _)| name.as_str().ends_with("track-id"))?;
    let text = value.to_str().ok()?;
    let plain = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    plain.then(|| text.to_owned())
}

/// An answer's body that writes the line when it ends.
pub struct LoggedBody {
    inner: Body,
    line: Line,
    bytes: u64,
    /// How many there are to be, where the answer's head says so; nobody reads on after them.
    expected: Option<u64>,
    whole: bool,
    _flight: Flight,
}

impl LoggedBody {
    /// The body of an answer to the request of `line`.
    pub fn of(answer: Response<Body>, line: Line, flight: Flight) -> Response<Self> {
        let length = answer.headers().get(CONTENT_LENGTH);
        let expected = length.and_then(|length| length.to_str().ok()?.parse().ok());
        answer.map(|inner| {
            let whole = inner.is_end_stream() || line.method == Method::HEAD;
            Self { inner, line, bytes: 0, expected, whole, _flight: flight }
        })
    }
}

impl http_body::Body for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(next) = &polled {
            match next {
                Some(Ok(frame)) => {
                    self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                    self.whole = self.inner.is_end_stream() || self.expected == Some(self.bytes);
                }
                Some(Err(error)) => tracing::warn!(
                    request = self.line.request,
                    error = error.to_string(),
                    "an answer broke off"
                ),
                None => self.whole = true,
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for LoggedBody {
    fn drop(&mut self) {
        let line = &self.line;
        let seconds = line.begun.elapsed().as_secs_f64();
        let status = line.status.to_string();
        let labels = [("dialect", line.dialect.to_owned()), ("method", method(&line.method))];
        metrics::histogram!("outhaul_http_request_seconds", &labels).record(seconds);
        let [dialect, method] = labels;
        metrics::counter!("outhaul_http_requests_total", &[dialect, method, ("status", status)])
            .increment(1);
        metrics::counter!("outhaul_http_sent_bytes_total").increment(self.bytes);
        if line.wanted {
            tracing::info!(
                target: "outhaul::access",
                request = line.request,
                method = line.method.as_str(),
                path = line.path,
                status = line.status,
                bytes = self.bytes,
                ms = (seconds * 1e4).round() / 10.0,
                whole = self.whole,
                dialect = line.dialect,
                track = line.track,
                peer = %line.peer.ip(),
            );
        }
    }
}

/// A method's name for metrics; a client cannot invent new ones.
fn method(method: &Method) -> String {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if known.contains(method) { method.as_str().to_owned() } else { "other".to_owned() }
}
