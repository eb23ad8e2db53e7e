//! The id under which a request is found in the log. The listener makes one for every request and
//! puts it into the request's extensions; where nobody did (a router without a listener, as in
//! tests), the dialect makes one. It is never taken from the client.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};

/// The header in which the id is answered.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// A new id.
    pub fn random() -> Self {
        Self(outhaul_exports::id::secret(8))
    }
}

/// Middleware: finds or makes the id, and answers it as `X-Request-Id`.
pub async fn attach(mut request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(|| {
        let id = RequestId::random();
        request.extensions_mut().insert(id.clone());
        id
    });
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// The path of a request as a log may show it, for paths that hold a secret. A dialect puts it
/// into the extensions of its answer; whoever writes the log prefers it to the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedPath(pub &'static str);
