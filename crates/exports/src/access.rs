//! Credentials, access tokens and download links as they are stored: secrets only as hashes.
//!
//! Random secrets have at least 128 bits and are kept as SHA-256; passwords, which people choose,
//! are kept as argon2id. Both are compared in constant time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::principal::{Role, TenantId};
use crate::{ArtifactId, Error, ErrorKind, Result};

/// How a credential is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A single secret, shown with every request.
    ApiKey,
    /// A public id and a secret, exchanged for a token.
    ClientSecret,
    /// A public id and a secret, shown with every request.
    KeyPair,
    /// A user's name and a password that a person chose.
    Password,
}

/// A stored credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// What it is looked up by, unique for its audience and kind: the public half, or for an
    /// [`CredentialKind::ApiKey`] the hash of the secret.
    pub public: String,
    /// How it is shown.
    pub kind: CredentialKind,
    /// The dialect it is for.
    pub audience: String,
    /// For whom.
    pub tenant: TenantId,
    /// Name for people.
    pub label: String,
    /// What it may do.
    pub role: Role,
    /// Hash of the secret.
    pub secret: SecretHash,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Credential {
    /// Whether it may be used at `now`.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A secret as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretHash {
    /// SHA-256 of a random secret, in hexadecimal.
    Sha256(String),
    /// A password in the PHC string format of argon2id.
    Argon2id(String),
}

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretHash(...)")
    }
}

impl SecretHash {
    /// The hash of a random secret.
    pub fn of(secret: &str) -> Self {
        Self::Sha256(sha256_hex(secret))
    }

    /// The hash of a password.
    pub fn of_password(password: &str) -> Self {
        use argon2::password_hash::{PasswordHasher, SaltString};
        let mut salt = [0u8; 16];
        rand::fill(&mut salt);
        let salt = SaltString::encode_b64(&salt).expect("cannot fail because 16 bytes are a salt");
        let hash = argon2::Argon2::default().hash_password(password.as_bytes(), &salt);
        Self::Argon2id(
            hash.expect("cannot fail because the default parameters are valid").to_string(),
        )
    }

    /// Whether `secret` is the one, in time that does not depend on how much of it is right.
    pub fn matches(&self, secret: &str) -> bool {
        use argon2::password_hash::{PasswordHash, PasswordVerifier};
        match self {
            Self::Sha256(hash) => sha256_hex(secret).as_bytes().ct_eq(hash.as_bytes()).into(),
            Self::Argon2id(hash) => PasswordHash::new(hash).is_ok_and(|hash| {
                argon2::Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok()
            }),
        }
    }
}

/// SHA-256 of a text, in hexadecimal.
pub fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// A stored access token; the token itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// SHA-256 of the token, in hexadecimal.
    pub hash: String,
    /// The dialect it is for.
    pub audience: String,
    /// The credential it stands for: its kind and public half. The token dies with it.
    pub credential: (CredentialKind, String),
    /// When it stops.
    pub expires_at: DateTime<Utc>,
}

/// A stored download link; its token is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// SHA-256 of the token, in hexadecimal; it is also the link's id, since it opens nothing.
    pub hash: String,
    /// Whose artifact.
    pub tenant: TenantId,
    /// Which artifact it opens.
    pub artifact: ArtifactId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The first moment at which it no longer works.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Link {
    /// Admits one more link to an artifact that has `live` ones.
    ///
    /// # Errors
    /// `LimitExceeded` when that is the most there may be.
    pub fn admit(live: u32, most: u32) -> Result<()> {
        if live < most {
            return Ok(());
        }
        let kind = ErrorKind::LimitExceeded { limit: most, active: live };
        let text = format!("the file has {live} live links, and at most {most} may be; revoke one");
        Err(Error::new(kind, text))
    }
}

/// What the secrets of standing links are derived from: 256 random bits, made by the store when
/// it is first asked, and the same ever after.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkKey(pub [u8; 32]);

impl LinkKey {
    /// A new one.
    pub fn random() -> Self {
        let mut key = [0; 32];
        rand::fill(&mut key);
        Self(key)
    }
}

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_matches() {
        for hash in [SecretHash::of("s3cret"), SecretHash::of_password("s3cret")] {
            assert!(hash.matches("s3cret"));
            assert!(!hash.matches("s3creT") && !hash.matches(""));
            assert_eq!(format!("{hash:?}"), "SecretHash(...)");
        }
    }
}
