//! Who asks: a bearer token, the access-key pair, or a user with a password.
//!
//! Zuora's clients sign in in three ways (its documentation, "Authentication", and the clients
//! themselves): an OAuth token in `Authorization: Bearer`, the headers `apiAccessKeyId` and
//! `apiSecretAccessKey`, and HTTP Basic, which only AQuA documents. All three are taken on every
//! path. Where `Authorization` stands, it alone counts. Every failure has one answer.

use http::{HeaderMap, HeaderName};
use outhaul_exports::access::{CredentialKind, sha256_hex};
use outhaul_exports::principal::Principal;
use outhaul_exports::service::Presented;
use outhaul_exports::{ErrorKind, Exports};

use super::errors::{Refusal, Trouble};
use super::limits::Windows;
use super::{AUDIENCE, Zuora};
use crate::kit::headers::{Authorization, authorization, single};

const ACCESS_KEY_ID: HeaderName = HeaderName::from_static("apiaccesskeyid");
const SECRET_ACCESS_KEY: HeaderName = HeaderName::from_static("apisecretaccesskey");
/// Bytes of a key or secret; a longer one is none of ours.
const SECRET_BYTES_MAX: usize = 1_024;

/// Checks what the client shows.
///
/// # Errors
/// `Unauthenticated`, with one text for every reason; `TooManyRequests` when too many attempts
/// with that public id failed; `Unavailable`.
pub async fn principal(zuora: &Zuora, headers: &HeaderMap) -> Result<Principal, Refusal> {
    let shown = authorization(headers).map_err(|_| Refusal::unauthenticated())?;
    match shown {
        Some(Authorization::Bearer(token)) => {
            let shown = Presented::Token(token);
            Ok(zuora.exports.authenticate(AUDIENCE, shown).await?)
        }
        Some(Authorization::Basic { user, password }) => {
            pair(zuora, CredentialKind::Password, &user, &password).await
        }
        None => {
            let header = |name| single(headers, &name).map_err(|_| Refusal::unauthenticated());
            match (header(ACCESS_KEY_ID)?, header(SECRET_ACCESS_KEY)?) {
                (Some(id), Some(secret)) => pair(zuora, CredentialKind::KeyPair, id, secret).await,
                _ => Err(Refusal::unauthenticated()),
            }
        }
    }
}

async fn pair(
    zuora: &Zuora,
    kind: CredentialKind,
    public: &str,
    secret: &str,
) -> Result<Principal, Refusal> {
    let attempt = Attempt::begin(&zuora.failures, &zuora.exports, public, secret)?;
    let shown = Presented::Pair { kind, public, secret };
    let found = zuora.exports.authenticate(AUDIENCE, shown).await;
    attempt.end(found.as_ref().err().map(outhaul_exports::Error::kind));
    Ok(found?)
}

/// An attempt to sign in with a public id and a secret. Failures are counted for each id, known
/// or not, and past a number the secret is not even looked at: passwords cannot be tried out.
pub struct Attempt<'a> {
    failures: &'a Windows,
    exports: &'a Exports,
    id: String,
}

impl<'a> Attempt<'a> {
    /// Begins an attempt.
    ///
    /// # Errors
    /// `TooManyRequests` past the number; `Unauthenticated` for an overlong id or secret.
    pub fn begin(
        failures: &'a Windows,
        exports: &'a Exports,
        public: &str,
        secret: &str,
    ) -> Result<Self, Refusal> {
        if public.len().max(secret.len()) > SECRET_BYTES_MAX {
            return Err(Refusal::unauthenticated());
        }
        // Ids are not kept: they may be secrets that were put into the wrong field.
        let id = sha256_hex(public);
        match failures.look(&id, exports.now()) {
            Some(standing) if !standing.allowed => {
                let text = "Too many failed sign-ins with this id; try again later";
                Err(Refusal::new(Trouble::TooManyRequests, text).retry_after(standing.reset))
            }
            _ => Ok(Self { failures, exports, id }),
        }
    }

    /// Ends it: counts a failure.
    pub fn end(self, failure: Option<&ErrorKind>) {
        if failure == Some(&ErrorKind::Unauthenticated) {
            self.failures.take(&self.id, self.exports.now());
        }
    }
}
