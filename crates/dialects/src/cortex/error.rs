//! Faults: what is answered when something is wrong.
//!
//! Clients decide by the body and not by the status: what is no fault is data to them (Medable
//! documentation, "Faults", and its command-line client). So every refusal is one, whatever is wrong.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use outhaul_exports::{Error, ErrorKind};
use serde_json::{Map, Value};

use super::query::{Mistake, QueryError};
use super::response::json_answer;
use crate::kit::body::BodyError;
use crate::kit::file::FileError;
use crate::kit::headers::MediaError;
use crate::kit::json::JsonError;

/// Which fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A name that is no object's.
    InvalidObject,
    /// Properties that are wrong; each is a child.
    Validation,
    /// Child: it is missing.
    Required,
    /// Child: it is none of a list.
    EnumValue,
    /// Child: a text that is too short or too long.
    InvalidString,
    /// Child: it is of another type, or not known.
    InvalidProperty,
    /// An argument that cannot be read.
    InvalidArgument,
    /// A `where` or `sort` that cannot be read.
    Query,
    /// Nobody is there.
    NotLoggedIn,
    /// The session is over.
    SessionExpired,
    /// The session is another device's.
    LoggedInElsewhere,
    /// The session's token against forged requests is missing or another one.
    CsrfMismatch,
    /// Wrong e-mail or password.
    InvalidCredentials,
    /// Too many wrong passwords.
    AccountLocked,
    /// The signature is wrong, or was used.
    InvalidSignature,
    /// The signature is too old, or of the future.
    StaleSignature,
    /// Somebody who may not do it.
    AccessDenied,
    /// There is no such instance.
    NotFoundInstance,
    /// There is no such path.
    NotFound,
    /// The file is not made yet.
    MediaNotReady,
    /// The request is too large.
    TooLarge,
    /// The org's storage is full.
    StorageFull,
    /// Too many requests.
    Throttled,
    /// Try again later.
    TooBusy,
    /// It is there already, or its state does not allow it.
    Exists,
    /// It is over.
    Expired,
    /// Not offered here.
    Unsupported,
    /// It took too long.
    Timeout,
    /// Ours.
    Internal,
}

/// What a kind is on the wire: its code, the finer code, the status, the name and a sentence.
type Row = (&'static str, &'static str, u16, &'static str, &'static str);

impl Kind {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 29] = [
        Self::InvalidObject,
        Self::Validation,
        Self::Required,
        Self::EnumValue,
        Self::InvalidString,
        Self::InvalidProperty,
        Self::InvalidArgument,
        Self::Query,
        Self::NotLoggedIn,
        Self::SessionExpired,
        Self::LoggedInElsewhere,
        Self::CsrfMismatch,
        Self::InvalidCredentials,
        Self::AccountLocked,
        Self::InvalidSignature,
        Self::StaleSignature,
        Self::AccessDenied,
        Self::NotFoundInstance,
        Self::NotFound,
        Self::MediaNotReady,
        Self::TooLarge,
        Self::StorageFull,
        Self::Throttled,
        Self::TooBusy,
        Self::Exists,
        Self::Expired,
        Self::Unsupported,
        Self::Timeout,
        Self::Internal,
    ];

    /// Codes and statuses are the vendor's (Medable documentation, "Faults"; its command-line client
    /// for those about sessions). The status of a child is never sent as one.
    #[rustfmt::skip]
    pub fn row(self) -> Row {
        match self {
            Self::InvalidObject => ("kInvalidObject", "cortex.invalidArgument.object", 400, "fault", "Invalid or unknown object."),
            Self::Validation => ("kValidationError", "cortex.invalidArgument.validation", 400, "validation", "Validation error"),
            Self::Required => ("kRequired", "cortex.validation.required", 400, "validation", "Required property"),
            Self::EnumValue => ("kEnumValue", "cortex.validation.enumValue", 400, "validation", "Value not allowed"),
            Self::InvalidString => ("kInvalidString", "cortex.error.unspecified", 500, "validation", "Invalid string length"),
            Self::InvalidProperty => ("kInvalidArgument", "cortex.invalidArgument.unspecified", 400, "validation", "Invalid property"),
            Self::InvalidArgument => ("kInvalidArgument", "cortex.invalidArgument.unspecified", 400, "fault", "Invalid argument"),
            Self::Query => ("kInvalidArgument", "cortex.invalidArgument.query", 400, "fault", "Invalid query"),
            Self::NotLoggedIn => ("kNotLoggedIn", "cortex.accessDenied.notLoggedIn", 403, "fault", "Not logged in"),
            Self::SessionExpired => ("kSessionExpired", "cortex.accessDenied.sessionExpired", 403, "fault", "The session has expired"),
            Self::LoggedInElsewhere => ("kLoggedInElsewhere", "cortex.accessDenied.loggedInElsewhere", 403, "fault", "Logged in elsewhere"),
            Self::CsrfMismatch => ("kCSRFTokenMismatch", "cortex.accessDenied.csrfTokenMismatch", 403, "fault", "CSRF token mismatch"),
            Self::InvalidCredentials => ("kInvalidCredentials", "cortex.accessDenied.invalidCredentials", 403, "fault", "Invalid credentials"),
            Self::AccountLocked => ("kAccountLocked", "cortex.accessDenied.accountLocked", 403, "fault", "The account is locked"),
            Self::InvalidSignature => ("kInvalidRequestSignature", "cortex.accessDenied.invalidRequestSignature", 403, "fault", "Invalid request signature"),
            Self::StaleSignature => ("kStaleRequestSignature", "cortex.invalidArgument.staleRequestSignature", 400, "fault", "Stale request signature"),
            Self::AccessDenied => ("kAccessDenied", "cortex.accessDenied.unspecified", 403, "fault", "Access denied"),
            Self::NotFoundInstance => ("kNotFound", "cortex.notFound.instance", 404, "fault", "Not found"),
            Self::NotFound => ("kNotFound", "cortex.notFound.unspecified", 404, "fault", "Not found"),
            Self::MediaNotReady => ("kMediaNotReady", "cortex.accepted.mediaNotReady", 202, "fault", "Media not ready"),
            Self::TooLarge => ("kRequestTooLarge", "cortex.tooLarge.unspecified", 413, "fault", "Request too large"),
            Self::StorageFull => ("kRequestTooLarge", "cortex.tooLarge.storage", 413, "fault", "File storage is full"),
            Self::Throttled => ("kThrottled", "cortex.throttled.unspecified", 429, "fault", "Too many requests"),
            Self::TooBusy => ("kTooBusy", "cortex.tooBusy.unspecified", 503, "fault", "Too busy"),
            Self::Exists => ("kExists", "cortex.exists.unspecified", 409, "fault", "Conflict"),
            Self::Expired => ("kExpired", "cortex.expired.unspecified", 410, "fault", "Expired"),
            Self::Unsupported => ("kUnsupportedOperation", "cortex.unsupportedOperation.unspecified", 400, "fault", "Unsupported operation"),
            Self::Timeout => ("kTimeout", "cortex.timeout.unspecified", 408, "fault", "Timed out"),
            Self::Internal => ("kError", "cortex.error.unspecified", 500, "error", "Error"),
        }
    }
}

/// A refusal.
#[derive(Debug)]
pub struct Fault {
    kind: Kind,
    status: StatusCode,
    about: Box<About>,
}

/// What there is to say about a fault beside its kind.
#[derive(Debug, Default)]
struct About {
    reason: Option<String>,
    path: Option<String>,
    resource: Option<String>,
    children: Vec<Fault>,
    retry_after: Option<u64>,
    allow: Option<&'static str>,
    content_range: Option<HeaderValue>,
}

/// Seconds after which a request that was refused for no fault of its own may be sent again.
const RETRY_SECS: u64 = 5;

impl Fault {
    /// A fault of a kind, with nothing more to say.
    pub fn bare(kind: Kind) -> Self {
        let status = StatusCode::from_u16(kind.row().2);
        Self {
            kind,
            status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            about: Box::default(),
        }
    }

    /// A fault of a kind, and why.
    pub fn new(kind: Kind, reason: impl Into<String>) -> Self {
        let mut fault = Self::bare(kind);
        fault.about.reason = Some(reason.into());
        fault
    }

    /// With which status it is sent.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Which it is.
    #[cfg(test)]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it is.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.about.path = Some(path.into());
        self
    }

    /// With another status than its kind's.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With the seconds after which it may go well.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.about.retry_after = Some(seconds);
        self
    }

    /// Properties of `resource` that are wrong.
    pub fn validation(resource: &str, children: Vec<Self>) -> Self {
        let mut fault = Self::bare(Kind::Validation);
        fault.about.resource = Some(resource.to_owned());
        fault.about.children = children;
        fault
    }

    /// There is no such export, or it is somebody else's.
    pub fn no_export(id: &str) -> Self {
        let id: String = id.chars().filter(|c| !c.is_control()).take(40).collect();
        Self::new(Kind::NotFoundInstance, "There is no such export").at(format!("export.{id}"))
    }

    /// A path with another method than those.
    pub fn method(allow: &'static str) -> Self {
        let mut fault = Self::new(Kind::Unsupported, format!("This path takes {allow}"));
        fault.about.allow = Some(allow);
        fault.with_status(StatusCode::METHOD_NOT_ALLOWED)
    }

    /// The fault as JSON.
    pub fn json(&self) -> Value {
        let (code, err_code, _, name, message) = self.kind.row();
        let mut map = Map::new();
        let mut set = |key: &str, value: Value| map.insert(key.to_owned(), value);
        set("object", "fault".into());
        set("name", name.into());
        set("code", code.into());
        set("errCode", err_code.into());
        set("status", self.status.as_u16().into());
        set("message", message.into());
        let About { reason, path, resource, children, .. } = &*self.about;
        for (key, text) in [("reason", reason), ("path", path), ("resource", resource)] {
            if let Some(text) = text {
                set(key, text.as_str().into());
            }
        }
        if !children.is_empty() {
            set("faults", children.iter().map(Self::json).collect());
        }
        Value::Object(map)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = json_answer(self.status, &self.json());
        let headers = response.headers_mut();
        if let Some(seconds) = self.about.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.about.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(range) = self.about.content_range {
            headers.insert(header::CONTENT_RANGE, range);
        }
        response
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let text = error.public();
        match error.kind() {
            ErrorKind::Invalid { field } => Self::validation(
                "export",
                vec![Self::new(Kind::InvalidProperty, text).at(format!("export.{field}"))],
            ),
            ErrorKind::UnknownObject { name } => {
                Self::new(Kind::InvalidObject, text).at(name.as_str())
            }
            ErrorKind::UnknownField { name } => Self::validation(
                "export",
                vec![Self::new(Kind::InvalidProperty, text).at(name.as_str())],
            ),
            ErrorKind::NotFound => Self::new(Kind::NotFoundInstance, text),
            ErrorKind::Expired => Self::new(Kind::Expired, text),
            ErrorKind::Unauthenticated => Self::bare(Kind::NotLoggedIn),
            ErrorKind::Forbidden => Self::new(Kind::AccessDenied, text),
            ErrorKind::LimitExceeded { .. } => {
                Self::new(Kind::Throttled, text).retry_after(RETRY_SECS)
            }
            ErrorKind::TooLarge => Self::new(Kind::TooLarge, text),
            ErrorKind::Unsupported => Self::new(Kind::Unsupported, text),
            ErrorKind::Conflict => Self::new(Kind::Exists, text),
            ErrorKind::KeyReused => Self::new(Kind::Exists, text).at("Idempotency-Key"),
            ErrorKind::Unavailable => {
                tracing::warn!(error = error.chain(), "a part of the service is away");
                Self::new(Kind::TooBusy, text).retry_after(RETRY_SECS)
            }
            ErrorKind::Internal => {
                tracing::error!(error = error.chain(), "a request failed");
                Self::new(Kind::Internal, text)
            }
        }
    }
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        match error.mistake {
            Mistake::Argument => Self::new(Kind::Query, error.reason).at(error.path),
            Mistake::Property => {
                let resource = error.path.split('.').next().unwrap_or_default().to_owned();
                let child = Self::new(Kind::InvalidProperty, error.reason).at(error.path);
                Self::validation(&resource, vec![child])
            }
        }
    }
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        match error {
            FileError::RangeNotSatisfiable { length } => {
                let text = format!("The file has {length} bytes, and none of the range");
                let fault = Self::new(Kind::InvalidArgument, text);
                let mut fault = fault.at("Range").with_status(StatusCode::RANGE_NOT_SATISFIABLE);
                fault.about.content_range = Some(FileError::content_range(length));
                fault
            }
            FileError::PreconditionFailed => {
                Self::new(Kind::InvalidArgument, "The file is not the one that If-Match names")
                    .at("If-Match")
                    .with_status(StatusCode::PRECONDITION_FAILED)
            }
            FileError::Store(error) => error.into(),
        }
    }
}

impl From<BodyError> for Fault {
    fn from(error: BodyError) -> Self {
        let text = error.to_string();
        match error {
            BodyError::TooLarge => Self::new(Kind::TooLarge, text),
            BodyError::UnsupportedCoding => Self::new(Kind::InvalidArgument, text)
                .at("Content-Encoding")
                .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            BodyError::BadGzip | BodyError::Broken => Self::new(Kind::InvalidArgument, text),
        }
    }
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Self {
        Self::new(Kind::InvalidArgument, error.to_string()).at("body")
    }
}

impl From<MediaError> for Fault {
    fn from(error: MediaError) -> Self {
        let status = match error {
            MediaError::Header(_) => StatusCode::BAD_REQUEST,
            MediaError::Type(_) | MediaError::Charset => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        let fault = Self::new(Kind::InvalidArgument, error.to_string());
        fault.at("Content-Type").with_status(status)
    }
}

impl From<crate::kit::query::QueryError> for Fault {
    fn from(error: crate::kit::query::QueryError) -> Self {
        Self::new(Kind::InvalidArgument, error.to_string()).at("query")
    }
}

impl From<crate::kit::headers::HeaderError> for Fault {
    fn from(error: crate::kit::headers::HeaderError) -> Self {
        Self::new(Kind::InvalidArgument, error.to_string())
    }
}
