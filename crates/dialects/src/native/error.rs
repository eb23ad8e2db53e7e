//! Errors on the wire: `application/problem+json` (RFC 9457) with a code for programs.
//!
//! A handler answers with a [`Problem`]; the middleware [`render`] writes the body, because only
//! there the request's id is known. Nothing but this file turns an error into a status.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use outhaul_exports::{Error, ErrorKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::kit::body::BodyError;
use crate::kit::file::FileError;
use crate::kit::headers::{HeaderError, MediaError};
use crate::kit::json::JsonError;
use crate::kit::members::MemberError;
use crate::kit::request_id::RequestId;

/// Seconds after which a client should try again when a part of the service is away.
const RETRY_SECS: u64 = 5;
/// Seconds after which a client should try again when its limit is full.
const RETRY_LIMIT_SECS: u64 = 30;

/// An error as its reader sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A URN made of the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:outhaul:problem:unknown_field")]
    pub problem_type: String,
    /// The kind of problem, in a few words that never change.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong in this request, and what to do about it.
    pub detail: String,
    /// A word for programs.
    #[schema(example = "unknown_field")]
    pub code: &'static str,
    /// Which part of the request is wrong: a JSON pointer into the body, or the name of a
    /// parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Line of the body, from 1, where it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column of that line, from 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The limit that is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How many count against the limit now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<u32>,
    /// The place that the refused export would have among those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// The request's id, under which the log has more.
    pub request_id: String,
}

/// What went wrong, before it is written.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    detail: String,
    field: Option<String>,
    place: Option<(usize, usize)>,
    limit: Option<(u32, u32)>,
    position: Option<u32>,
    retry_secs: Option<u64>,
    content_range: Option<u64>,
}

impl Problem {
    /// A problem with that status, code and sentence.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            status,
            code,
            detail: detail.into(),
            field: None,
            place: None,
            limit: None,
            position: None,
            retry_secs: None,
            content_range: None,
        }))
    }

    /// The request is wrong at `field`.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail).at(field)
    }

    /// No credential, or a wrong one.
    pub fn unauthenticated() -> Self {
        Self::from(Error::unauthenticated())
    }

    /// There is no such thing, or not for this client.
    pub fn not_found(what: &str) -> Self {
        Self::from(Error::not_found(what))
    }

    /// Says which part of the request it is about.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Puts the pointer to a part of the body before the pointer inside it.
    #[must_use]
    pub fn under(mut self, pointer: &str) -> Self {
        self.0.field = match self.0.field.take() {
            Some(field) => Some(format!("{pointer}{field}")),
            None => Some(pointer.to_owned()),
        };
        self
    }

    /// Puts this API's name for the part that is wrong in place of the core's.
    #[must_use]
    pub fn rename(mut self, name: impl Fn(&str) -> Option<String>) -> Self {
        self.0.field = self.0.field.and_then(|field| name(&field));
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, secs: u64) -> Self {
        self.0.retry_secs = Some(secs);
        self
    }

    /// Says which place a refused export would have, where a limit refused it.
    #[must_use]
    pub fn with_position(mut self) -> Self {
        self.0.position = self.0.limit.map(|(_, active)| active.saturating_add(1));
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    fn body(&self, request_id: String) -> ProblemBody {
        let inner = &self.0;
        ProblemBody {
            problem_type: format!("urn:outhaul:problem:{}", inner.code),
            title: title(inner.code),
            status: inner.status.as_u16(),
            detail: inner.detail.clone(),
            code: inner.code,
            field: inner.field.clone(),
            line: inner.place.map(|(line, _)| line),
            column: inner.place.map(|(_, column)| column),
            limit: inner.limit.map(|(limit, _)| limit),
            active: inner.limit.map(|(_, active)| active),
            position: inner.position,
            request_id,
        }
    }
}

/// Every code, with its title.
pub const TITLES: &[(&str, &str)] = &[
    ("invalid_request", "The request is wrong"),
    ("invalid_json", "The body is not JSON as we read it"),
    ("unknown_object", "There is no such object"),
    ("unknown_field", "There is no such field"),
    ("unauthenticated", "A valid credential is needed"),
    ("forbidden", "The credential may not do this"),
    ("not_found", "There is no such thing"),
    ("expired", "Its time is over"),
    ("method_not_allowed", "The path has no such method"),
    ("conflict", "The state of the thing does not allow this"),
    ("precondition_failed", "The file is another one"),
    ("too_large", "The request is too large"),
    ("uri_too_long", "The address is too long"),
    ("unsupported_media_type", "The body is in a form that is not read"),
    ("unsupported", "That is not offered"),
    ("range_not_satisfiable", "The range cannot be served"),
    ("idempotency_key_reused", "The idempotency key belongs to another request"),
    ("limit_exceeded", "A limit is reached"),
    ("unavailable", "A part of the service is away"),
    ("internal", "An internal error occurred"),
];

fn title(code: &str) -> &'static str {
    TITLES.iter().find(|(known, _)| *known == code).map_or("Problem", |(_, title)| *title)
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.public().to_owned();
        let new = |status, code| Self::new(status, code, detail.clone());
        match error.kind() {
            ErrorKind::Invalid { field } => {
                new(StatusCode::BAD_REQUEST, "invalid_request").at(field.clone())
            }
            ErrorKind::UnknownObject { .. } => new(StatusCode::BAD_REQUEST, "unknown_object"),
            ErrorKind::UnknownField { .. } => new(StatusCode::BAD_REQUEST, "unknown_field"),
            ErrorKind::NotFound => new(StatusCode::NOT_FOUND, "not_found"),
            ErrorKind::Expired => new(StatusCode::GONE, "expired"),
            ErrorKind::Conflict => new(StatusCode::CONFLICT, "conflict"),
            ErrorKind::KeyReused => new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused")
                .at("Idempotency-Key"),
            ErrorKind::Unauthenticated => new(StatusCode::UNAUTHORIZED, "unauthenticated"),
            ErrorKind::Forbidden => new(StatusCode::FORBIDDEN, "forbidden"),
            ErrorKind::LimitExceeded { limit, active } => {
                let mut problem = new(StatusCode::TOO_MANY_REQUESTS, "limit_exceeded");
                problem.0.limit = Some((*limit, *active));
                problem.retry_after(RETRY_LIMIT_SECS)
            }
            ErrorKind::Unsupported => new(StatusCode::BAD_REQUEST, "unsupported"),
            ErrorKind::TooLarge => new(StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            ErrorKind::Unavailable => {
                tracing::warn!(error = error.chain(), "a part of the service is away");
                new(StatusCode::SERVICE_UNAVAILABLE, "unavailable").retry_after(RETRY_SECS)
            }
            ErrorKind::Internal => {
                tracing::error!(error = error.chain(), "a request failed");
                new(StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let (status, code) = match error {
            BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            BodyError::UnsupportedCoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            BodyError::BadGzip | BodyError::Broken => (StatusCode::BAD_REQUEST, "invalid_request"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "invalid_json", error.to_string());
        problem.0.place = Some((error.line, error.column));
        if error.path.is_empty() { problem } else { problem.at(error.path) }
    }
}

impl From<MemberError> for Problem {
    fn from(error: MemberError) -> Self {
        Self::invalid(error.path.clone(), error.to_string())
    }
}

impl From<MediaError> for Problem {
    fn from(error: MediaError) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "unsupported_media_type", error.to_string()).at("Content-Type")
    }
}

impl From<HeaderError> for Problem {
    fn from(error: HeaderError) -> Self {
        let name = match &error {
            HeaderError::Repeated(name)
            | HeaderError::NotText(name)
            | HeaderError::Malformed(name) => name.to_string(),
        };
        Self::invalid(name, error.to_string())
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        match error {
            FileError::RangeNotSatisfiable { length } => {
                let detail = format!("the range holds none of the file's {length} bytes");
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                let mut problem = Self::new(status, "range_not_satisfiable", detail).at("Range");
                problem.0.content_range = Some(length);
                problem
            }
            FileError::PreconditionFailed => {
                let detail = "the file is not the one that If-Match names";
                Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
                    .at("If-Match")
            }
            FileError::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        if let Some(secs) = self.0.retry_secs {
            headers.insert(header::RETRY_AFTER, secs.into());
        }
        if let Some(length) = self.0.content_range {
            headers.insert(header::CONTENT_RANGE, FileError::content_range(length));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"outhaul\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Bytes of a path with its query string; a whole page of exports could be named in fewer.
const URI_BYTES_MAX: usize = 8 * 1024;

/// Middleware: refuses addresses that are too long, writes the bodies of problems, and adds what
/// every answer carries.
pub async fn render(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let length = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let mut response = if length > URI_BYTES_MAX {
        let detail = format!("the address has more than {URI_BYTES_MAX} bytes");
        Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail).into_response()
    } else {
        next.run(request).await
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let body = problem.body(id.map(|id| id.0).unwrap_or_default());
        // Cannot fail because every member is a text or a number.
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let media = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media);
        response.headers_mut().insert(header::CONTENT_LENGTH, json.len().into());
        *response.body_mut() = json.into();
    }
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
