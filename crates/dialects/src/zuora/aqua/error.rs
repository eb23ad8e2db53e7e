//! What goes wrong with a job, by AQuA's own codes.
//!
//! Such a refusal is an answer like any other, with status 200: clients look at `errorCode` and
//! `message` in the body (Zuora documentation, "AQuA API error codes"; what clients read). What has
//! no code (a body that is no JSON, a wrong credential) is a [`Refusal`] as on every other path.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use outhaul_exports::{Error, ErrorKind};
use serde_json::{Map, Value};

use crate::zuora::errors::{Refusal, Trouble, json_answer};

/// AQuA's codes, those that can happen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// There is no such job.
    NoSuchJob,
    /// There is no such job that could be cancelled.
    NotCancellable,
    /// More than 50 queries.
    TooManyQueries,
    /// A query is wrong.
    Query,
    /// The caller may not do this.
    Unauthorized,
    /// What is asked for is not set up here.
    Internal,
    /// Deleted rows in stateless mode.
    DeletedStateless,
    /// `notifyUrl` is not acceptable.
    NotifyUrl,
    /// `incrementalTime` is not acceptable.
    IncrementalTime,
    /// There are no queries.
    NoQueries,
    /// An object does not tell of deleted rows.
    DeletedNotAllowed,
    /// The partner is not registered.
    Partner,
    /// DISTINCT without COUNT.
    Distinct,
    /// A currency without a rate.
    Currency,
    /// Too many jobs at once.
    TooManyJobs,
}

/// The text of 90005, byte for byte: clients compare it.
pub const QUERY_TEXT: &str = "There is a syntax error in one of the queries in the AQuA input";

impl Code {
    /// Its number, a text on the wire, and its text without particulars. Those of 90005 and 90017 are
    /// compared by clients, byte for byte.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NoSuchJob => ("90002", "The job ID is invalid."),
            Self::NotCancellable => ("90003", "The job ID is invalid for cancellation."),
            Self::TooManyQueries => ("90004", "There are too many queries in the AQuA input."),
            Self::Query => ("90005", QUERY_TEXT),
            Self::Unauthorized => ("90009", "User is not authorized."),
            Self::Internal => ("90010", "The request cannot be served."),
            Self::DeletedStateless => ("90012", "Stateless AQuA does not support deleted columns."),
            Self::NotifyUrl => ("90014", "The notifyUrl is invalid."),
            Self::IncrementalTime => ("90015", "The incrementalTime is invalid."),
            Self::NoQueries => ("90016", "There are no queries in the AQuA input."),
            Self::DeletedNotAllowed => (
                "90017",
                "Objects included in the queries do not support the querying of deleted records. \
                 Remove Deleted section in the JSON request and retry the request",
            ),
            Self::Partner => ("90019", "The partner ID is not recognized."),
            Self::Distinct => {
                ("90020", "A distinct column is selected without count in one of the queries.")
            }
            Self::Currency => ("90021", "A currency in convertToCurrencies is invalid."),
            Self::TooManyJobs => ("90028", "The limit of concurrent AQuA jobs is reached."),
        }
    }

    /// Its number.
    pub fn number(self) -> &'static str {
        self.words().0
    }
}

/// A job, or a request about one, that is refused with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// Which.
    pub code: Code,
    /// The whole sentence.
    pub message: String,
}

impl JobError {
    /// With the code's own text.
    pub fn plain(code: Code) -> Self {
        Self { code, message: code.words().1.to_owned() }
    }

    /// With what is wrong, and where, behind the code's own text.
    pub fn of(code: Code, why: impl std::fmt::Display) -> Self {
        Self { code, message: format!("{} ({why})", code.words().1) }
    }

    /// The answer, with what else its body holds.
    pub fn answer(&self, mut body: Map<String, Value>) -> Response {
        body.insert("errorCode".into(), self.code.number().into());
        body.insert("message".into(), self.message.clone().into());
        body.insert("status".into(), "error".into());
        let status = match self.code {
            // Zuora told its clients to expect this status, and they wait and try again.
            Code::TooManyJobs => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::OK,
        };
        let mut response = json_answer(status, &body.into());
        if self.code == Code::TooManyJobs {
            let seconds = HeaderValue::from_static("30");
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

/// Why a request about jobs is refused.
#[derive(Debug)]
pub enum Refused {
    /// With a code of AQuA's own.
    Job(JobError),
    /// As on every other path.
    Plain(Refusal),
}

impl Refused {
    /// A request that AQuA calls malformed.
    pub fn malformed(why: impl Into<String>) -> Self {
        Self::Plain(Refusal::new(Trouble::Malformed, why))
    }
}

impl From<JobError> for Refused {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Plain(refusal)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::LimitExceeded { .. } => {
                JobError::of(Code::TooManyJobs, error.public()).into()
            }
            ErrorKind::Invalid { .. }
            | ErrorKind::Unsupported
            | ErrorKind::UnknownField { .. }
            | ErrorKind::UnknownObject { .. } => JobError::of(Code::Query, error.public()).into(),
            _ => Self::Plain(error.into()),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Job(error) => error.answer(Map::new()),
            Self::Plain(refusal) => refusal.into_response(),
        }
    }
}
