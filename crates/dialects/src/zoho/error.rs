//! Requests that are refused: status, code and name.
//!
//! `{"status":"failure","summary":NAME,"data":{"errorCode":...,"errorMessage":...}}` with the status of
//! the error (Zoho Analytics API v2, "Response format"). The code is a number: an SDK compares it as
//! one.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use outhaul_exports::{Error, ErrorKind};
use serde_json::json;

use super::response::json_answer;
use super::sql::SqlError;
use crate::kit::body::BodyError;
use crate::kit::file::FileError;

/// A request that is refused.
#[derive(Debug, Clone)]
pub struct Trouble {
    status: StatusCode,
    code: u16,
    summary: &'static str,
    message: String,
    /// After how many seconds a repetition may succeed.
    retry_after: Option<u64>,
    /// The length of a file of which no byte is in the range that was asked for.
    content_range: Option<HeaderValue>,
}

/// The errors that can happen here: status, code and name (Zoho Analytics API v2, "Error codes").
macro_rules! troubles {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $summary:literal;)*) => {
        impl Trouble {
            $($(#[$doc])*
            pub fn $name(message: impl Into<String>) -> Self {
                Self::new(StatusCode::$status, $code, $summary, message)
            })*
        }
    };
}

troubles! {
    /// Ours.
    internal = INTERNAL_SERVER_ERROR, 7005, "COMMON_INTERNAL_SERVER_ERROR";
    /// There is no such workspace.
    no_workspace = NOT_FOUND, 7103, "META_OBJECT_NOT_PRESENT";
    /// There is no such view.
    no_view = NOT_FOUND, 7104, "META_OBJECT_NOT_PRESENT";
    /// The credential's role does not allow it.
    not_permitted = FORBIDDEN, 7301, "SECURITY_NOT_PERMITTED";
    /// The workspace is not one of the org in the header.
    other_org = BAD_REQUEST, 7387, "WORKSPACE_NOT_BELONGS_TO_ORG";
    /// A filter for a view that is not in the workspace.
    unknown_view_filtered = BAD_REQUEST, 7571, "UNKNOWN_VIEWID_PASSED";
    /// A filter for a view that the statement does not use.
    view_not_involved = BAD_REQUEST, 7836, "GIVEN_TABLE_NOT_INVOLVED_IN_SQL_EXPORT";
    /// A margin.
    margin = BAD_REQUEST, 7801, "MARGIN_VALUE_EXCEEDS";
    /// Too much for one call.
    too_large = BAD_REQUEST, 7830, "EXP_ALL_RECORD_LIMIT";
    /// There is no such format.
    no_format = BAD_REQUEST, 8001, "INVALID_RESP_FORMAT";
    /// Only charts are images.
    no_image = BAD_REQUEST, 8014, "API_IMAGE_RESPONSE_NOT_POSSIBLE";
    /// There is no such column.
    no_column = BAD_REQUEST, 8015, "API_EXPORT_COLUMN_NOT_PRESENT";
    /// CONFIG is empty.
    empty_config = BAD_REQUEST, 8077, "EMPTY_JSON_CONFIGURATION";
    /// A key of CONFIG is empty.
    empty_attribute = BAD_REQUEST, 8078, "EMPTY_JSON_ATTRIBUTE_FOUND";
    /// A key of CONFIG is missing.
    no_attribute = BAD_REQUEST, 8079, "ATTRIBUTE_NOT_PRESENT_IN_JSON_CONFIGURATION";
    /// CONFIG cannot be read.
    bad_config = BAD_REQUEST, 8080, "INVALID_JSON_CONFIGURATION";
    /// The org is not named.
    no_org = BAD_REQUEST, 8083, "ORGID_NOT_PRESENT_IN_THE_HEADER";
    /// The value of a key.
    bad_value = BAD_REQUEST, 8119, "INVALID_VALUE_FOR_ATTRIBUTE";
    /// There is no such job.
    no_job = NOT_FOUND, 8120, "EXPORT_JOB_NOT_FOUND";
    /// The job has not begun.
    not_initiated = BAD_REQUEST, 8121, "EXPORT_JOB_NOT_INITIATED";
    /// The job has not ended.
    not_completed = BAD_REQUEST, 8122, "EXPORT_JOB_NOT_COMPLETED";
    /// The job failed.
    job_failed = BAD_REQUEST, 8123, "EXPORT_JOB_ERROR_OCCURRED";
    /// The job is somebody else's.
    job_denied = FORBIDDEN, 8124, "EXPORT_JOB_ACCESS_DENIED";
    /// The callback's URL is none.
    callback_invalid = BAD_REQUEST, 8125, "CALLBACKURL_NOT_VALID";
    /// The callback's URL leads where none may.
    callback_restricted = BAD_REQUEST, 8127, "CALLBACKURL_RESTRICTED";
    /// Too many jobs at once.
    too_many_jobs = BAD_REQUEST, 8132, "ASYNC_EXPORT_LIMIT_EXCEEDED";
    /// Not in one call.
    not_at_once = BAD_REQUEST, 8133, "SYNC_EXPORT_NOT_ALLOWED";
    /// The password.
    bad_password = BAD_REQUEST, 8188, "EXPORT_INVALID_PASSWORD";
    /// A parameter is missing.
    missing = BAD_REQUEST, 8504, "LESS_THAN_MIN_OCCURANCE";
    /// A parameter is too long.
    too_long = BAD_REQUEST, 8507, "MORE_THAN_MAX_LENGTH";
    /// A parameter, or a value in it, is of another type.
    bad_type = BAD_REQUEST, 8516, "UNABLE_TO_PARSE_DATA_TYPE";
    /// There is no such path or method.
    no_rule = NOT_FOUND, 8525, "URL_RULE_NOT_CONFIGURED";
    /// The list has too many or too few items.
    bad_count = BAD_REQUEST, 8547, "ARRAY_SIZE_OUT_OF_RANGE";
}

impl Trouble {
    fn new(
        status: StatusCode,
        code: u16,
        summary: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            summary,
            message: message.into(),
            retry_after: None,
            content_range: None,
        }
    }

    /// The token is wrong, over or missing: one text for every reason. Clients refresh it on the
    /// status or on the code, so that both are sent.
    pub fn bad_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 8535, "INVALID_OAUTHTOKEN", "Invalid Oauthtoken")
    }

    /// What a query language says, by its own code.
    pub fn in_query(error: &SqlError) -> Self {
        Self::of_query(error.code, error.to_string())
    }

    /// The same, where the engine found it.
    pub fn of_query(code: u16, message: impl Into<String>) -> Self {
        let summary = match code {
            7330 => "UNKNOWN_COLUMN_IN_FILTERCRITERIA",
            7331 => "PARSING_ERROR_IN_FILTERCRITERIA",
            7332 => "UNKNOWN_TABLE_IN_FILTERCRITERIA",
            7333 => "AGGREGATE_FUNCTION_IN_FILTERCRITERIA",
            7401 => "SQL_STATEMENT_NOT_ALLOWED",
            7403 => "SQL_PARSING_ERROR",
            7407 => "UNKNOWN_COLUMN_IN_SELECT",
            7408 => "UNKNOWN_COLUMN_IN_QUERY",
            7409 => "UNKNOWN_TABLE_IN_QUERY",
            7433 => "DUPLICATE_COLUMN_NAMES",
            7543 => "COLUMN_OF_ANOTHER_TABLE",
            7835 => "NO_TABLES_INVOLVED_IN_SQL_EXPORT",
            8015 => "API_EXPORT_COLUMN_NOT_PRESENT",
            _ => "QUERY_NOT_CONVERTIBLE",
        };
        Self::new(StatusCode::BAD_REQUEST, code, summary, message)
    }

    /// The code on the wire.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// With another status than that of its code.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

/// How long a client waits before it repeats a request that may succeed then.
const RETRY_SECS: u64 = 5;

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let text = error.public();
        match error.kind() {
            ErrorKind::Invalid { .. } | ErrorKind::Unsupported => Self::bad_value(text),
            ErrorKind::UnknownObject { .. } => Self::of_query(7409, text),
            ErrorKind::UnknownField { .. } => Self::of_query(7408, text),
            ErrorKind::NotFound | ErrorKind::Expired => Self::no_job(text),
            ErrorKind::Unauthenticated => Self::bad_token(),
            ErrorKind::Forbidden => Self::not_permitted(text),
            ErrorKind::LimitExceeded { .. } => Self::too_many_jobs(
                "Async export limit reached. Kindly retry once after your previously initiated \
                 jobs are completed.",
            ),
            ErrorKind::TooLarge => Self::too_long(text).with_status(StatusCode::PAYLOAD_TOO_LARGE),
            ErrorKind::Conflict | ErrorKind::KeyReused => {
                Self::bad_value(text).with_status(StatusCode::CONFLICT)
            }
            ErrorKind::Unavailable => {
                tracing::warn!(error = error.chain(), "a part of the service is away");
                let away = Self::internal(text).with_status(StatusCode::SERVICE_UNAVAILABLE);
                Self { retry_after: Some(RETRY_SECS), ..away }
            }
            ErrorKind::Internal => {
                tracing::error!(error = error.chain(), "a request failed");
                Self::internal(text)
            }
        }
    }
}

impl From<FileError> for Trouble {
    fn from(error: FileError) -> Self {
        match error {
            FileError::RangeNotSatisfiable { length } => {
                let text = format!("The file has {length} bytes, and none of the range");
                let trouble = Self::bad_value(text).with_status(StatusCode::RANGE_NOT_SATISFIABLE);
                Self { content_range: Some(FileError::content_range(length)), ..trouble }
            }
            FileError::PreconditionFailed => {
                Self::bad_value("The file is not the one that If-Match names")
                    .with_status(StatusCode::PRECONDITION_FAILED)
            }
            FileError::Store(error) => error.into(),
        }
    }
}

impl From<BodyError> for Trouble {
    fn from(error: BodyError) -> Self {
        let text = error.to_string();
        match error {
            BodyError::TooLarge => Self::too_long(text).with_status(StatusCode::PAYLOAD_TOO_LARGE),
            BodyError::UnsupportedCoding => {
                Self::bad_config(text).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            BodyError::BadGzip | BodyError::Broken => Self::bad_config(text),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let body = json!({
            "status": "failure",
            "summary": self.summary,
            "data": { "errorCode": self.code, "errorMessage": self.message },
        });
        let mut response = json_answer(self.status, &body);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(range) = self.content_range {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
        response
    }
}
