//! Who asks: a signature, a bearer token, a session's cookies, or an e-mail address and its password
//! (Medable documentation, "Authentication" and "Making requests").
//!
//! What is looked at first: a signature, then `Authorization`, then cookies. All but bearer tokens
//! come with the key of an app, which says whose org the client is of; a key of another org, and an
//! unknown one, are refused alike.

mod bearer;
pub mod session;
mod signature;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, Method};
use outhaul_exports::ErrorKind;
use outhaul_exports::access::CredentialKind;
use outhaul_exports::principal::{Principal, Role, TenantId};
use outhaul_exports::service::{Identity, Presented};

use super::config;
use super::error::{Fault, Kind};
use super::ids::ObjectId;
use super::{AUDIENCE, App};
use crate::kit::headers::{Authorization, authorization, single};

pub use session::{CSRF_TOKEN, Session};
pub use signature::Seen;

const CLIENT_KEY: HeaderName = HeaderName::from_static("medable-client-key");

/// Bytes of an e-mail address or a password; a longer one is none of ours.
const SECRET_BYTES_MAX: usize = 1_024;

/// A request as far as it says who asks.
pub struct Asked<'r> {
    /// The org of its path.
    pub org: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its method.
    pub method: &'r Method,
    /// Its path below the org and the version, as it is signed.
    pub command: String,
    /// Its headers.
    pub headers: &'r HeaderMap,
    /// Its query string, decoded.
    pub query: Vec<(String, String)>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Whoever asks.
pub struct Caller {
    /// Who.
    pub who: Principal,
    /// The e-mail address of the account.
    pub email: String,
    /// The org, as paths name it.
    pub org: String,
    /// The session, for one that came with cookies.
    pub session: Option<Session>,
}

impl Caller {
    /// Checks what the client shows.
    ///
    /// # Errors
    /// The faults of section "Faults" about who asks; all of them are 403 but for a stale signature.
    pub async fn of(app: &App, asked: &Asked<'_>) -> Result<Self, Fault> {
        let shown = if asked.headers.contains_key(signature::SIGNATURE) {
            let client = client_app(app, asked)?;
            (signature::identify(app, client, asked).await?, None)
        } else {
            let nobody = |_| Fault::bare(Kind::NotLoggedIn);
            match authorization(asked.headers).map_err(nobody)? {
                Some(Authorization::Bearer(token)) => {
                    (bearer::identify(app, token, asked).await?, None)
                }
                Some(Authorization::Basic { user, password }) => {
                    client_app(app, asked)?;
                    (by_password(app, asked, &user, &password).await?, None)
                }
                None => {
                    let cookies = session::cookies(asked.headers);
                    let Some(sid) = cookies.sid else {
                        return Err(Fault::bare(Kind::NotLoggedIn));
                    };
                    let client = client_app(app, asked)?;
                    let shown = session::identify(app, client, sid, cookies.fingerprint, asked);
                    let (identity, session) = shown.await?;
                    (identity, Some(session))
                }
            }
        };
        let (Identity { principal: who, public: email }, session) = shown;
        if who.tenant != asked.tenant {
            return Err(Fault::bare(Kind::AccessDenied));
        }
        Ok(Self { who, email, org: asked.org.clone(), session })
    }

    /// The account's id.
    pub fn id(&self) -> ObjectId {
        account_id(&self.who.tenant, &self.email)
    }

    /// Refuses who is no administrator of the org.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn require_admin(&self) -> Result<(), Fault> {
        if self.who.role >= Role::Admin {
            return Ok(());
        }
        Err(Fault::new(Kind::AccessDenied, "Exports are for administrators of the org"))
    }
}

/// The id of an account.
pub fn account_id(tenant: &TenantId, email: &str) -> ObjectId {
    ObjectId::named("account", &format!("{tenant}\n{email}"))
}

/// The app whose key the request carries, in its header or, where headers are impossible, as an
/// argument (Medable documentation, "File").
///
/// # Errors
/// `AccessDenied` without one, and for another org's, which is answered as an unknown one.
pub fn client_app<'a>(app: &'a App, asked: &Asked<'_>) -> Result<&'a config::App, Fault> {
    let denied = |reason: &str| Fault::new(Kind::AccessDenied, reason).at("Medable-Client-Key");
    let header = single(asked.headers, &CLIENT_KEY);
    let header = header.map_err(|_| denied("The app key stands more than once, or is no text"))?;
    let mut named = asked.query.iter();
    let argument = named.find(|(name, _)| name.eq_ignore_ascii_case(CLIENT_KEY.as_str()));
    let key = header.or(argument.map(|(_, value)| value.as_str())).unwrap_or_default().trim();
    if key.is_empty() {
        return Err(denied("Send the key of an app as Medable-Client-Key"));
    }
    let client = app.apps.get(key).filter(|client| client.tenant == asked.tenant);
    client.ok_or_else(|| denied("The app key is none of this org's"))
}

/// Who has that e-mail address and password.
///
/// # Errors
/// `InvalidCredentials`, whatever of them is wrong; `AccountLocked` after too many wrong ones.
pub async fn by_password(
    app: &App,
    asked: &Asked<'_>,
    email: &str,
    password: &str,
) -> Result<Identity, Fault> {
    let invalid = || Fault::bare(Kind::InvalidCredentials);
    let email = email.trim();
    if email.is_empty() || email.len().max(password.len()) > SECRET_BYTES_MAX {
        return Err(invalid());
    }
    let attempt = app.attempts.begin(&asked.org, email, asked.now)?;
    let pair = Presented::Pair { kind: CredentialKind::Password, public: email, secret: password };
    match app.exports.identify(AUDIENCE, pair).await {
        Ok(identity) if identity.principal.tenant == asked.tenant => {
            attempt.forgive();
            Ok(identity)
        }
        // Another org's account is none here, and its right password is a wrong one.
        Ok(_) => Err(invalid()),
        Err(error) if *error.kind() == ErrorKind::Unauthenticated => Err(invalid()),
        Err(error) => {
            attempt.forgive();
            Err(error.into())
        }
    }
}

/// The account of that e-mail address, for a client that has shown that it may act as it.
async fn account(app: &App, asked: &Asked<'_>, email: &str) -> Result<Option<Identity>, Fault> {
    match app.exports.vouch(AUDIENCE, CredentialKind::Password, email).await {
        Ok(identity) => Ok(Some(identity).filter(|one| one.principal.tenant == asked.tenant)),
        Err(error) if *error.kind() == ErrorKind::Unauthenticated => Ok(None),
        Err(error) => Err(error.into()),
    }
}
