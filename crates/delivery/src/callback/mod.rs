//! Callbacks: HTTP requests that tell of an export's end.
//!
//! A [`Caller`] sends one request once, and a [`Refusal`] says whether trying again can help; when to
//! send is decided by whoever calls it. [`HttpCaller`] is the one that serves. It is the only way on
//! which this server sends a request to an address that a customer chose, so it goes nowhere but
//! there: the URL is checked again, the host's name is looked up once and every address of it is
//! checked before one of these very addresses is connected to; nothing is redirected, no proxy of
//! the environment is used, little of the answer is read and nothing of it is shown.

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

/// A way for callbacks.
#[async_trait]
pub trait Caller: Send + Sync {
    /// Sends the request. Dropping the answer gives the attempt up; the receiver may have taken it
    /// all the same.
    ///
    /// # Errors
    /// See [`Refusal`].
    async fn call(&self, call: &Call) -> Result<(), Refusal>;
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
    /// There was no answer.
    pub fn unreachable(internal: impl Into<String>) -> Self {
        let internal = internal.into();
        Self { is_final: false, public: UNREACHABLE.to_owned(), internal, wait: None }
    }
}
