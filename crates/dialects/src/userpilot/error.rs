//! Errors on the wire: `{"errors": [{"details", "error", "error_code", "message"}]}` everywhere
//! (Userpilot's OpenAPI document). It documents 401, 404 and 409; a value that is wrong is a 422
//! in the same shape here, and what every HTTP server may answer has its own status.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use outhaul_exports::{Error, ErrorKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::kit::body::BodyError;
use crate::kit::file::FileError;
use crate::kit::json::JsonError;
use crate::kit::members::MemberError;

/// Seconds after which a client should try again when a part of the service is away, or when its
/// one place is taken.
const RETRY_SECS: u64 = 5;

/// The body of an error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Errors {
    /// One error, in a list.
    pub errors: Vec<ErrorItem>,
}

/// An error as its reader sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorItem {
    /// More about it: what to do, or the job that is in the way.
    pub details: String,
    /// A short label.
    #[schema(example = "Conflict")]
    pub error: String,
    /// A word for programs.
    #[schema(example = "export_in_progress")]
    pub error_code: String,
    /// A sentence for people.
    pub message: String,
    /// Which member of the request is wrong. Not Userpilot's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The job that is in the way. Not Userpilot's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
}

/// What went wrong.
#[derive(Debug)]
pub struct Trouble {
    status: StatusCode,
    item: Box<ErrorItem>,
    retry_secs: Option<u64>,
    content_range: Option<HeaderValue>,
}

impl Trouble {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let item = ErrorItem {
            details: String::new(),
            error: status.canonical_reason().unwrap_or("Error").to_owned(),
            error_code: code.to_owned(),
            message: message.into(),
            field: None,
            job_id: None,
        };
        Self { status, item: Box::new(item), retry_secs: None, content_range: None }
    }

    /// No key, or a wrong one, or one that may not do this.
    pub fn unauthorized() -> Self {
        let text = "send a valid API key as `Authorization: Token <API_KEY>`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "the API key is missing or not valid")
            .with_details(text)
    }

    /// There is no such thing, or not for this client.
    pub fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The path has no such method; `Allow` lists those it has.
    pub fn method_not_allowed() -> Self {
        let text = "this path does not have that method; Allow lists those it has";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
    }

    /// A member of the request is JSON and cannot be meant so.
    pub fn wrong(field: &str, message: impl Into<String>) -> Self {
        let mut trouble =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable_entity", message)
                .with_details(format!("the member {field} of the request is wrong"));
        trouble.item.field = Some(field.to_owned());
        trouble
    }

    /// Another job is running; nobody knows which any more when it ended just now.
    pub fn in_progress(job: Option<String>) -> Self {
        let text =
            "an export job of this app token is in progress; start another when it has ended";
        let mut trouble = Self::new(StatusCode::CONFLICT, "export_in_progress", text);
        if let Some(job) = job {
            trouble.item.details = format!("job_id: {job}");
            trouble.item.job_id = Some(job);
        }
        trouble.retry_secs = Some(RETRY_SECS);
        trouble
    }

    /// The address is longer than any that this API has.
    pub fn uri_too_long(most: usize) -> Self {
        let text = format!("the address has more than {most} bytes");
        Self::new(StatusCode::URI_TOO_LONG, "uri_too_long", text)
    }

    fn with_details(mut self, details: impl Into<String>) -> Self {
        self.item.details = details.into();
        self
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let Self { status, item, retry_secs, content_range } = self;
        let mut response = (status, Json(Errors { errors: vec![*item] })).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Token realm=\"outhaul\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(secs) = retry_secs {
            headers.insert(header::RETRY_AFTER, secs.into());
        }
        if let Some(range) = content_range {
            headers.insert(header::CONTENT_RANGE, range);
        }
        response
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let message = error.public().to_owned();
        match error.kind() {
            ErrorKind::Invalid { field } => Self::wrong(field, message),
            ErrorKind::UnknownObject { name } | ErrorKind::UnknownField { name } => {
                Self::wrong(name, message)
            }
            ErrorKind::Unsupported => Self::wrong("request", message),
            ErrorKind::NotFound | ErrorKind::Expired => Self::not_found(&message),
            ErrorKind::Unauthenticated => Self::unauthorized(),
            // The document has no 403: "invalid API key or insufficient permissions".
            ErrorKind::Forbidden => Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message),
            ErrorKind::LimitExceeded { .. } => Self::in_progress(None),
            ErrorKind::Conflict | ErrorKind::KeyReused => {
                Self::new(StatusCode::CONFLICT, "conflict", message)
            }
            ErrorKind::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message),
            ErrorKind::Unavailable => {
                tracing::warn!(error = error.chain(), "a part of the service is away");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let mut trouble = Self::new(status, "unavailable", message);
                trouble.retry_secs = Some(RETRY_SECS);
                trouble
            }
            ErrorKind::Internal => {
                tracing::error!(error = error.chain(), "a request failed");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self::new(status, "internal_error", message)
            }
        }
    }
}

impl From<BodyError> for Trouble {
    fn from(error: BodyError) -> Self {
        let (status, code) = match error {
            BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            BodyError::UnsupportedCoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            BodyError::BadGzip | BodyError::Broken => (StatusCode::BAD_REQUEST, "bad_request"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<JsonError> for Trouble {
    fn from(error: JsonError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", error.to_string())
            .with_details("the body must be one JSON object")
    }
}

impl From<MemberError> for Trouble {
    fn from(error: MemberError) -> Self {
        Self::wrong(error.path.trim_start_matches('/'), error.to_string())
    }
}

impl From<FileError> for Trouble {
    fn from(error: FileError) -> Self {
        match error {
            FileError::RangeNotSatisfiable { length } => {
                let text = format!("the file has {length} bytes, and none of the range");
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                let mut trouble = Self::new(status, "range_not_satisfiable", text);
                trouble.content_range = Some(FileError::content_range(length));
                trouble
            }
            FileError::PreconditionFailed => {
                let text = "the file is not the one that If-Match names";
                Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", text)
            }
            FileError::Store(error) => error.into(),
        }
    }
}
