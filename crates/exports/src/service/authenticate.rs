//! From what a client shows to a principal.
//!
//! Every failure is the same `Unauthenticated`: whoever guesses learns nothing from it.

use std::time::Duration;

use super::{Exports, password};
use crate::access::{AccessToken, Credential, CredentialKind, sha256_hex};
use crate::clock::after;
use crate::principal::{Principal, TenantScope};
use crate::{Error, Result, id};

/// What a client shows.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// A single secret.
    ApiKey(&'a str),
    /// An access token that was granted before.
    Token(&'a str),
    /// A public id and its secret, of the given kind.
    Pair {
        /// How it is shown.
        kind: CredentialKind,
        /// The public half.
        public: &'a str,
        /// The secret half.
        secret: &'a str,
    },
}

/// A granted access token.
#[derive(Clone)]
pub struct Grant {
    /// The token: shown once.
    pub token: String,
    /// Seconds until it stops.
    pub expires_in: u64,
    /// For whom it was granted.
    pub principal: Principal,
}

impl Exports {
    /// Checks what a client of the dialect `audience` shows.
    ///
    /// # Errors
    /// `Unauthenticated`, for every reason alike; `Unavailable` when the store is away.
    pub async fn authenticate(&self, audience: &str, shown: Presented<'_>) -> Result<Principal> {
        let credential = match shown {
            Presented::ApiKey(secret) => {
                let hash = sha256_hex(secret);
                self.live(audience, CredentialKind::ApiKey, &hash).await?
            }
            Presented::Token(token) => self.behind_token(audience, token).await?,
            Presented::Pair { kind, public, secret } => {
                let credential = self.live(audience, kind, public).await?;
                let hash = credential.as_ref().map(|credential| &credential.secret);
                let matches = match kind {
                    CredentialKind::Password => password::matches(hash.cloned(), secret).await?,
                    _ => hash.is_some_and(|hash| hash.matches(secret)),
                };
                credential.filter(|_| matches)
            }
        };
        self.principal(&credential.ok_or_else(Error::unauthenticated)?)
    }

    /// Exchanges a client id and secret for an access token that is valid for `ttl`.
    ///
    /// # Errors
    /// As [`Exports::authenticate`].
    pub async fn grant_token(
        &self,
        audience: &str,
        public: &str,
        secret: &str,
        ttl: Duration,
    ) -> Result<Grant> {
        let kind = CredentialKind::ClientSecret;
        let shown = Presented::Pair { kind, public, secret };
        let principal = self.authenticate(audience, shown).await?;
        let token = id::secret(16);
        let stored = AccessToken {
            hash: sha256_hex(&token),
            audience: audience.to_owned(),
            credential: (kind, public.to_owned()),
            expires_at: after(self.now(), ttl),
        };
        self.parts.access.add_token(&stored).await?;
        Ok(Grant { token, expires_in: ttl.as_secs(), principal })
    }

    async fn behind_token(&self, audience: &str, token: &str) -> Result<Option<Credential>> {
        let stored = self.parts.access.token(&sha256_hex(token)).await?;
        match stored {
            Some(stored) if stored.audience == audience && self.now() < stored.expires_at => {
                let (kind, public) = &stored.credential;
                self.live(audience, *kind, public).await
            }
            _ => Ok(None),
        }
    }

    async fn live(
        &self,
        audience: &str,
        kind: CredentialKind,
        public: &str,
    ) -> Result<Option<Credential>> {
        let found = self.parts.access.credential(audience, kind, public).await?;
        Ok(found.filter(|credential| credential.is_live(self.now())))
    }

    fn principal(&self, credential: &Credential) -> Result<Principal> {
        let tenant = self.parts.tenants.get(&credential.tenant);
        let tenant = tenant.ok_or_else(Error::unauthenticated)?;
        Ok(Principal {
            tenant: tenant.id.clone(),
            credential: credential.label.clone(),
            role: credential.role,
            scope: TenantScope::of(tenant),
        })
    }
}
