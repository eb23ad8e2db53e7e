//! Callbacks: HTTP requests that tell of an export's end, and requests of customers' programs.
//!
//! A [`Caller`] sends one request once, and a [`Refusal`] says whether trying again can help; when to
//! send is decided by whoever calls it. [`HttpCaller`] is the one that serves. It is the only way on
//! which this server sends a request to an address that a customer chose, so it goes nowhere but
//! there: the URL is checked again, the host's name is looked up once and every address of it is
//! checked before one of these very addresses is connected to; nothing is redirected, no proxy of
//! the environment is used. Of the answer to a callback little is read and nothing shown; of the
//! answer to an [`Ask`] no more than its bounds.

mod ask;
mod http;
mod names;
mod signature;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use outhaul_exports::MessageId;
use outhaul_exports::notice::RequestBody;
use outhaul_exports::principal::TenantId;
use outhaul_exports::spec::CallbackMethod;

pub use http::{CallSettings, HttpCaller};
pub use signature::SigningSecret;

/// What customers are told of every request that got no answer: one text, so that it tells nothing
/// about networks that they cannot reach themselves.
pub const UNREACHABLE: &str = "the receiver could not be reached";

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The message it is; the same in each attempt.
    pub id: MessageId,
    /// Whose export it tells of.
    pub tenant: TenantId,
    /// When it is sent.
    pub sent_at: DateTime<Utc>,
    /// Its method.
    pub method: CallbackMethod,
    /// Where it goes.
    pub url: String,
    /// Its body.
    pub body: Option<RequestBody>,
}

/// A request of a customer's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Its method.
    pub method: AskMethod,
    /// Where it goes.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Option<String>,
    /// How long it may take, from the look-up of the name to the last byte of the answer.
    pub timeout: Duration,
}

/// The method of an [`Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskMethod {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

/// What was answered to an [`Ask`], whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers in their order, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// A way for callbacks and other requests.
#[async_trait]
pub trait Caller: Send + Sync {
    /// Sends the request. Dropping the answer gives the attempt up; the receiver may have taken it
    /// all the same.
    ///
    /// # Errors
    /// See [`Refusal`].
    async fn call(&self, call: &Call) -> Result<(), Refusal>;

    /// Sends the request and reads the answer, whatever its status; a redirect is an answer, too.
    /// Nothing is signed.
    ///
    /// # Errors
    /// A URL that callbacks may not have, in the words in which it is refused for them; headers and
    /// bodies past [`outhaul_exports::limits`], either way; no whole answer in time; all else as
    /// [`UNREACHABLE`].
    async fn ask(&self, ask: &Ask) -> Result<Answer, Refusal>;
}

/// A request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{public}")]
pub struct Refusal {
    /// Whether trying again is of no use.
    pub is_final: bool,
    /// A sentence for the customer: the answer's status at most.
    pub public: String,
    /// The cause, for the operator. The URL is left out: it may hold a secret.
    pub internal: String,
    /// How long the receiver asks to be left alone.
    pub wait: Option<Duration>,
}

impl Refusal {
    /// It will never be sent as it is; the text is for the customer.
    fn lasting(public: impl Into<String>) -> Self {
        let public = public.into();
        Self { is_final: true, internal: public.clone(), public, wait: None }
    }

    /// There was no answer.
    pub fn unreachable(internal: impl Into<String>) -> Self {
        let internal = internal.into();
        Self { is_final: false, public: UNREACHABLE.to_owned(), internal, wait: None }
    }
}
