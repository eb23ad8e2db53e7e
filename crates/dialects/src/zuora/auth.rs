//! Who asks: a bearer token, the access-key pair, or a user with a password.
//!
//! Zuora's clients sign in in three ways (its documentation, "Authentication", and the clients
//! themselves): an OAuth token in `Authorization: Bearer`, the headers `apiAccessKeyId` and
//! `apiSecretAccessKey`, and HTTP Basic, which only AQuA documents. All three are taken on every
//! path. Where `Authorization` stands, it alone counts. Every failure has one answer.

use http::{HeaderMap, HeaderName};
use outhaul_exports::access::CredentialKind;
use outhaul_exports::principal::Principal;
use outhaul_exports::service::Presented;

use super::errors::Refusal;
use super::{AUDIENCE, Zuora};
use crate::kit::headers::{Authorization, authorization, single};

const ACCESS_KEY_ID: HeaderName = HeaderName::from_static("apiaccesskeyid");
const SECRET_ACCESS_KEY: HeaderName = HeaderName::from_static("apisecretaccesskey");

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
    let attempt = zuora.attempts.begin(&zuora.exports, public, secret).await?;
    let shown = Presented::Pair { kind, public, secret };
    let found = zuora.exports.authenticate(AUDIENCE, shown).await;
    attempt.end(found.as_ref().err().map(outhaul_exports::Error::kind));
    Ok(found?)
}
