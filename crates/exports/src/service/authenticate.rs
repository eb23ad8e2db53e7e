//! From what a client shows to a principal.
//!
//! Every failure is the same `Unauthenticated`: whoever guesses learns nothing from it.

use std::time::Duration;

use super::{Exports, password};
use hmac::{Hmac, Mac};
use sha2::Sha256;

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

/// A principal, and the name of the credential that it goes by.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Who.
    pub principal: Principal,
    /// The credential's public half: no secret, but for the hash of one in place of an
    /// [`CredentialKind::ApiKey`].
    pub public: String,
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
        Ok(self.identify(audience, shown).await?.principal)
    }

    /// The same, with the name of the credential.
    ///
    /// # Errors
    /// As [`Exports::authenticate`].
    pub async fn identify(&self, audience: &str, shown: Presented<'_>) -> Result<Identity> {
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
        self.identity(&credential.ok_or_else(Error::unauthenticated)?)
    }

    /// Who goes by a credential, for a dialect that has proved by itself, by a signature say, that
    /// its client may act as them.
    ///
    /// # Errors
    /// As [`Exports::authenticate`].
    pub async fn vouch(
        &self,
        audience: &str,
        kind: CredentialKind,
        public: &str,
    ) -> Result<Identity> {
        let credential = self.live(audience, kind, public).await?;
        self.identity(&credential.ok_or_else(Error::unauthenticated)?)
    }

    /// Grants an access token to whoever [`Exports::identify`] has found by a credential of that kind.
    ///
    /// # Errors
    /// `Unavailable` when the store is away.
    pub async fn open_session(
        &self,
        audience: &str,
        kind: CredentialKind,
        identity: &Identity,
        ttl: Duration,
    ) -> Result<Grant> {
        let principal = identity.principal.clone();
        self.grant(audience, (kind, identity.public.clone()), principal, ttl).await
    }

    /// Ends an access token, live or not. Whoever has it may end it.
    ///
    /// # Errors
    /// `Unavailable` when the store is away.
    pub async fn end_token(&self, token: &str) -> Result<()> {
        self.parts.access.end_token(&sha256_hex(token)).await.map(drop)
    }

    /// A secret that is the same whenever it is asked for, and that nobody can tell without this
    /// server's key: 256 bits in hexadecimal. What `purpose` and `text` are for each secret is known
    /// to who asks alone; none of them holds a NUL.
    ///
    /// # Errors
    /// `Unavailable` when the store is away.
    pub async fn derived_secret(&self, purpose: &str, text: &str) -> Result<String> {
        let key = self.parts.access.link_key().await?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.0)
            .expect("cannot fail because a key may have any length");
        // Standing links are made of ids, which hold no NUL.
        mac.update(format!("{purpose}\0{text}").as_bytes());
        Ok(hex::encode(mac.finalize().into_bytes()))
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
        self.grant(audience, (kind, public.to_owned()), principal, ttl).await
    }

    async fn grant(
        &self,
        audience: &str,
        credential: (CredentialKind, String),
        principal: Principal,
        ttl: Duration,
    ) -> Result<Grant> {
        let token = id::secret(16);
        let stored = AccessToken {
            hash: sha256_hex(&token),
            audience: audience.to_owned(),
            credential,
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

    fn identity(&self, credential: &Credential) -> Result<Identity> {
        let tenant = self.parts.tenants.get(&credential.tenant);
        let tenant = tenant.ok_or_else(Error::unauthenticated)?;
        let principal = Principal {
            tenant: tenant.id.clone(),
            credential: credential.label.clone(),
            role: credential.role,
            scope: TenantScope::of(tenant),
        };
        Ok(Identity { principal, public: credential.public.clone() })
    }
}
