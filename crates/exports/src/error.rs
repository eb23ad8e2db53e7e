//! The one error that crosses the ports: what the caller can do about it, a sentence for the
//! customer, and the cause for the operator.
//!
//! `Display` prints the public sentence only; the internal text and the source are for the log,
//! printed once, where the error is handled ([`Error::chain`]).

use std::fmt;

/// The result of a use case or a port.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong; `field` says where. Send a corrected one.
    Invalid {
        /// The part of the request that is wrong, in the words of the catalog or the spec.
        field: String,
    },
    /// An object that the catalog does not offer was named.
    UnknownObject {
        /// The name as it was given.
        name: String,
    },
    /// A field that the object does not have was named.
    UnknownField {
        /// The name as it was given.
        name: String,
    },
    /// There is no such thing, or it belongs to somebody else.
    NotFound,
    /// The thing is gone: it was there and its time is over.
    Expired,
    /// The state of the thing does not allow this; look at it again.
    Conflict,
    /// The same idempotency key came with another request.
    KeyReused,
    /// No valid credential.
    Unauthenticated,
    /// A valid credential that may not do this.
    Forbidden,
    /// A limit of the policy is reached; `active` is how many count against it.
    LimitExceeded {
        /// The most that may be active at once.
        limit: u32,
        /// How many are active now.
        active: u32,
    },
    /// The thing asked for is not offered here.
    Unsupported,
    /// A size limit: the request is too large.
    TooLarge,
    /// Try again later: a part of the service is away (or full).
    Unavailable,
    /// Ours. The customer can only report it.
    Internal,
}

/// An error with two messages: `public` for the customer, `internal` for the log.
pub struct Error {
    kind: ErrorKind,
    public: String,
    internal: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind with the sentence that the customer reads.
    pub fn new(kind: ErrorKind, public: impl Into<String>) -> Self {
        Self { kind, public: public.into(), internal: None, source: None }
    }

    /// The request is wrong at `field`.
    pub fn invalid(field: impl Into<String>, public: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid { field: field.into() }, public)
    }

    /// There is no such thing (for this caller).
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("there is no such {what}"))
    }

    /// The state of the thing does not allow this.
    pub fn conflict(public: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, public)
    }

    /// No valid credential. One text for every reason, so that nothing can be guessed from it.
    pub fn unauthenticated() -> Self {
        Self::new(ErrorKind::Unauthenticated, "no valid credential was given")
    }

    /// The credential may not do this.
    pub fn forbidden(public: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, public)
    }

    /// Not offered here.
    pub fn unsupported(public: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, public)
    }

    /// A part of the service is away; the caller may try again.
    pub fn unavailable(public: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, public)
    }

    /// Ours; the text goes to the log and the customer reads a fixed sentence.
    pub fn internal(internal: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, "an internal error occurred").with_internal(internal)
    }

    /// Adds a text for the log.
    #[must_use]
    pub fn with_internal(mut self, internal: impl Into<String>) -> Self {
        self.internal = Some(internal.into());
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The sentence for the customer. It never holds a secret, a path or a cell of data.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable)
    }

    /// Everything for the log: the public sentence, the internal text and all causes.
    pub fn chain(&self) -> String {
        let mut text = self.public.clone();
        if let Some(internal) = &self.internal {
            text.push_str(": ");
            text.push_str(internal);
        }
        let mut cause = self.source.as_deref().map(|s| s as &dyn std::error::Error);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.chain())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_prints_the_public_sentence_only() {
        let error = Error::internal("disk 7").with_source(std::io::Error::other("cable"));
        assert_eq!(error.to_string(), "an internal error occurred");
        assert_eq!(error.chain(), "an internal error occurred: disk 7: cable");
    }
}
