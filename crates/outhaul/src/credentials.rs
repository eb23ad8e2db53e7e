//! New credentials: made of random secrets, stored as hashes, shown once.

use chrono::{DateTime, Utc};
use outhaul_exports::access::{Credential, CredentialKind, SecretHash, sha256_hex};
use outhaul_exports::id;
use outhaul_exports::principal::{Role, TenantId};

/// The audience of our own API.
pub const NATIVE: &str = "native";

/// A group of dialects that accept the same credentials.
#[derive(Debug, Clone, Copy)]
pub struct Audience {
    /// Its name.
    pub id: &'static str,
    /// The kinds of credentials it knows; the first is the usual one.
    pub kinds: &'static [CredentialKind],
}

/// All audiences.
pub const AUDIENCES: &[Audience] = &[
    Audience { id: NATIVE, kinds: &[CredentialKind::ApiKey] },
    Audience {
        id: outhaul_dialects::zuora::AUDIENCE,
        kinds: &[CredentialKind::ClientSecret, CredentialKind::KeyPair, CredentialKind::Password],
    },
    Audience { id: outhaul_dialects::userpilot::AUDIENCE, kinds: &[CredentialKind::ApiKey] },
    Audience { id: outhaul_dialects::zoho::AUDIENCE, kinds: &[CredentialKind::ClientSecret] },
    // A refresh token: it opens the token endpoint, together with a client id and secret.
    Audience { id: outhaul_dialects::zoho::REFRESH_AUDIENCE, kinds: &[CredentialKind::ApiKey] },
    // Accounts: e-mail addresses and passwords. Apps, which sign for them, are in the configuration.
    Audience { id: outhaul_dialects::cortex::AUDIENCE, kinds: &[CredentialKind::Password] },
];

/// Bytes of a random secret. In hexadecimal it has 40 characters: some clients take at most 42.
const SECRET_BYTES: usize = 20;

/// A credential with its secret, which is shown once.
pub struct Issued {
    /// What is stored.
    pub credential: Credential,
    /// The secret itself.
    pub secret: String,
}

/// For whom a credential is, and how long.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Which API.
    pub audience: String,
    /// How it is shown.
    pub kind: CredentialKind,
    /// For whom.
    pub tenant: TenantId,
    /// What it may do.
    pub role: Role,
    /// Name for people.
    pub label: String,
    /// The user's name, for a password.
    pub user: Option<String>,
    /// When it stops.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes a credential with a new random secret.
pub fn issue(ask: Ask, now: DateTime<Utc>) -> Issued {
    let secret = id::secret(SECRET_BYTES);
    restore(ask, None, secret, now)
}

/// Makes a credential of a secret, and of a public half, that exist already.
pub fn restore(ask: Ask, public: Option<String>, secret: String, now: DateTime<Utc>) -> Issued {
    let hash = hash(ask.kind, &secret);
    let public = public.unwrap_or_else(|| match ask.kind {
        CredentialKind::ApiKey => sha256_hex(&secret),
        CredentialKind::ClientSecret => id::uuid(),
        CredentialKind::KeyPair => id::secret(16),
        CredentialKind::Password => ask.user.clone().unwrap_or_else(|| ask.label.clone()),
    });
    let credential = Credential {
        public,
        kind: ask.kind,
        audience: ask.audience,
        tenant: ask.tenant,
        label: ask.label,
        role: ask.role,
        secret: hash,
        created_at: now,
        expires_at: ask.expires_at,
        revoked_at: None,
    };
    Issued { credential, secret }
}

/// Gives a credential another secret: the chosen one, or a random one.
pub fn renew(credential: Credential, chosen: Option<String>) -> Issued {
    let secret = chosen.unwrap_or_else(|| id::secret(SECRET_BYTES));
    let hash = hash(credential.kind, &secret);
    Issued { credential: Credential { secret: hash, ..credential }, secret }
}

fn hash(kind: CredentialKind, secret: &str) -> SecretHash {
    match kind {
        CredentialKind::Password => SecretHash::of_password(secret),
        _ => SecretHash::of(secret),
    }
}
