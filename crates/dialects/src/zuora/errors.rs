//! What goes wrong, and the families of bodies in which Zuora says so.
//!
//! Handlers answer with a [`Refusal`], which knows what happened but not how it is written: the
//! same wrong credential is one body on `/v1/object` and another on `/v1/describe`. The door
//! writes it, in the family of the path:
//!
//! * A, objects: `{"Success":false,"Errors":[{"Code":"...","Message":"..."}]}`;
//! * B, an object that is not there: `{"records":[],"size":0,"done":true}` with status 404;
//! * C, everything else below `/v1`: `{"success":false,"processId":"...","reasons":[...]}`;
//! * plain `{"message":"..."}` at the token endpoint and for a few texts that are the same
//!   everywhere.
//!
//! (Zuora documentation, "Error handling" and "CRUD: Create an export".)

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use outhaul_exports::{Error, ErrorKind, id};
use serde_json::{Value, json};

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A value is wrong.
    Invalid,
    /// A value that must be there is not.
    Missing,
    /// The body has keys that nobody knows, and the client asked to be told.
    UnrecognisedFields,
    /// The body or a header cannot be read at all.
    Malformed,
    /// No valid credential.
    Unauthenticated,
    /// The credential may not do this.
    Forbidden,
    /// There is no such export or file, or it is another tenant's.
    NotFound,
    /// There is no such path.
    NoSuchPath,
    /// The path has no such method.
    NoSuchMethod,
    /// The state of the export does not allow it, or another request is in the way.
    Conflict,
    /// The idempotency key came with another request.
    KeyReused,
    /// The body is too large.
    TooLarge,
    /// The body's type or coding is not read here.
    MediaType,
    /// Too many exports are active.
    TooManyExports,
    /// Too many requests at once.
    TooManyAtOnce,
    /// Too many requests in a time.
    TooManyRequests,
    /// Try again later.
    Unavailable,
    /// Ours.
    Internal,
}

/// A request that is refused: what happened and a sentence for the client.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What happened.
    pub trouble: Trouble,
    /// A sentence that says what is wrong, where, and what to do.
    pub message: String,
    /// After how many seconds a repetition may succeed.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self { trouble, message: message.into(), retry_after: None }
    }

    /// A wrong value.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Trouble::Invalid, message)
    }

    /// A missing value.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(Trouble::Missing, message)
    }

    /// No valid credential: one text for every reason.
    pub fn unauthenticated() -> Self {
        Self::new(Trouble::Unauthenticated, AUTHENTICATION_ERROR)
    }

    /// With a time after which to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// Its answer in a family.
    pub fn write(&self, family: Family) -> Response {
        let (status, _, _) = self.trouble.words();
        let body = self.body(family);
        let mut response = json_answer(status, &body);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.trouble == Trouble::Unauthenticated {
            let scheme = match family {
                Family::Token => "Basic realm=\"zuora\"",
                Family::Object | Family::Job | Family::Other => "Bearer realm=\"zuora\"",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        if family == Family::Token {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }

    fn body(&self, family: Family) -> Value {
        let (_, word, category) = self.trouble.words();
        match (family, self.trouble) {
            (_, Trouble::UnrecognisedFields)
            | (Family::Token, _)
            | (Family::Object, Trouble::Unauthenticated) => json!({ "message": self.message }),
            (Family::Object, Trouble::NotFound) => {
                json!({ "records": [], "size": 0, "done": true })
            }
            // The idempotency conflicts are those of every path, not of one object.
            (Family::Object, trouble) if trouble != Trouble::KeyReused => {
                json!({ "Success": false, "Errors": [{ "Code": word, "Message": self.message }] })
            }
            _ => {
                let message = match self.trouble {
                    Trouble::Unauthenticated => PLEASE_SIGN_IN,
                    _ => self.message.as_str(),
                };
                let mut body = json!({
                    "success": false,
                    "processId": process_id(),
                    "reasons": [{ "code": category, "message": message }],
                });
                if family == Family::Job {
                    body["code"] = category.into();
                    body["message"] = match self.trouble {
                        Trouble::Malformed => format!("{MALFORMED} ({message})").into(),
                        _ => message.into(),
                    };
                }
                body
            }
        }
    }
}

/// The body of a 401 on objects (Zuora documentation, `ProxyUnauthorizedResponse`).
const AUTHENTICATION_ERROR: &str = "Authentication error";
/// The text that AQuA's answer to a malformed request begins with (seen on the wire).
const MALFORMED: &str = "Oops, request is malformed. Please check your request.";
/// The text of code 90000011.
const PLEASE_SIGN_IN: &str = "this resource is protected, please sign in first";

impl Trouble {
    /// Status, the code of family A, and the code of family C: six digits of a resource (500000
    /// where none is known) and two of a category (Zuora documentation, "Error handling").
    fn words(self) -> (StatusCode, &'static str, u32) {
        match self {
            Self::Invalid => (StatusCode::BAD_REQUEST, "INVALID_VALUE", 50_000_020),
            Self::Missing => (StatusCode::BAD_REQUEST, "MISSING_REQUIRED_VALUE", 50_000_022),
            Self::UnrecognisedFields => (StatusCode::BAD_REQUEST, "INVALID_FIELD", 50_000_021),
            Self::Malformed => (StatusCode::BAD_REQUEST, "INVALID_VALUE", 50_000_090),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "INVALID_SESSION", 90_000_011),
            Self::Forbidden => (StatusCode::FORBIDDEN, "NO_PERMISSION", 50_000_010),
            Self::NotFound => (StatusCode::NOT_FOUND, "INVALID_ID", 50_000_040),
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "INVALID_TYPE", 50_000_040),
            Self::NoSuchMethod => (StatusCode::METHOD_NOT_ALLOWED, "INVALID_TYPE", 50_000_045),
            Self::Conflict => (StatusCode::CONFLICT, "LOCK_COMPETITION", 50_000_050),
            Self::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "INVALID_VALUE", 50_000_030),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_EXCEEDED_LIMIT", 50_000_070),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "INVALID_TYPE", 50_000_090),
            Self::TooManyExports | Self::TooManyAtOnce => {
                (StatusCode::TOO_MANY_REQUESTS, "REQUEST_EXCEEDED_LIMIT", 50_000_070)
            }
            Self::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "REQUEST_EXCEEDED_RATE", 50_000_070)
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "SERVER_UNAVAILABLE", 50_000_061)
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN_ERROR", 50_000_060),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let text = error.public();
        match error.kind() {
            ErrorKind::Invalid { .. } | ErrorKind::Unsupported => Self::invalid(text),
            // Clients look for these two texts (tap-zuora and Estuary's connector).
            ErrorKind::UnknownObject { .. } => Self::invalid(format!("noSuchDataSource: {text}")),
            ErrorKind::UnknownField { .. } => Self::invalid(capitalised(text)),
            ErrorKind::NotFound | ErrorKind::Expired => Self::new(Trouble::NotFound, text),
            ErrorKind::Conflict => Self::new(Trouble::Conflict, text).retry_after(1),
            ErrorKind::KeyReused => Self::new(Trouble::KeyReused, text),
            ErrorKind::Unauthenticated => Self::unauthenticated(),
            ErrorKind::Forbidden => Self::new(Trouble::Forbidden, text),
            ErrorKind::LimitExceeded { limit, active } => {
                let text = format!(
                    "The limit of {limit} concurrent exports per tenant is reached: {active} are \
                     in status Pending or Processing. Create this one when one of them has ended."
                );
                Self::new(Trouble::TooManyExports, text).retry_after(ACTIVE_RETRY_SECS)
            }
            ErrorKind::TooLarge => Self::new(Trouble::TooLarge, text),
            ErrorKind::Unavailable => {
                tracing::warn!(error = error.chain(), "a part of the service is away");
                Self::new(Trouble::Unavailable, text).retry_after(5)
            }
            ErrorKind::Internal => {
                tracing::error!(error = error.chain(), "a request failed");
                Self::new(Trouble::Internal, text)
            }
        }
    }
}

/// With its first letter in upper case: clients compare "There is no field named X".
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// How long a client waits before it asks again for a place among the active exports.
const ACTIVE_RETRY_SECS: u64 = 30;

/// On its way to the door a refusal travels as an extension of an empty answer.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.trouble.words().0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The family in which a path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `/v1/object`: families A and B.
    Object,
    /// AQuA's jobs, as far as they have no codes of their own: family C, with its one reason at the
    /// top as well, where AQuA's clients read it.
    Job,
    /// The token endpoint.
    Token,
    /// Everything else: family C.
    Other,
}

impl Family {
    /// The family of a path.
    pub fn of(path: &str) -> Self {
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if below("/v1/object") || below("/v1/action") {
            Self::Object
        } else if below("/v1/batch-query") || below("/apps/api/batch-query") {
            Self::Job
        } else if below("/oauth") {
            Self::Token
        } else {
            Self::Other
        }
    }
}

/// A JSON answer, with the content type that every known client accepts.
pub fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.headers_mut().insert(NOSNIFF.0, HeaderValue::from_static(NOSNIFF.1));
    response
}

/// Tells browsers to believe the content type.
pub const NOSNIFF: (HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

/// Sixteen characters by which an operator finds the request; it means nothing else.
fn process_id() -> String {
    id::secret(8).to_uppercase()
}
