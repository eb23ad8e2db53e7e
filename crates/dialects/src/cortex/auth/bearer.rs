//! Bearer tokens: JWTs that somebody has signed with an app's RSA key (RS256 and nothing else).
//!
//! They are made elsewhere; the configuration has the public half. `iss` is the app's key and
//! `cortex/eml` the account's e-mail address, which the vendor's own client demands; `exp` must be
//! there. Every token that is wrong in itself has one answer, so that nothing can be learnt from it.

use jsonwebtoken::{Algorithm, Validation, dangerous, decode};
use outhaul_exports::service::Identity;
use serde::Deserialize;

use super::{Asked, account, client_app};
use crate::cortex::App;
use crate::cortex::error::{Fault, Kind};

/// Seconds by which the clock of whoever made a token may be off.
const LEEWAY_SECS: f64 = 60.0;

/// What a token says. A member of another type, or one that stands twice, makes it no token.
#[derive(Debug, Deserialize)]
struct Claims {
    /// The key of the app.
    iss: String,
    /// When it ends, in seconds since 1970.
    exp: f64,
    /// When it begins.
    nbf: Option<f64>,
    /// Its name, to be revoked by.
    jti: Option<String>,
    /// Whom it stands for.
    #[serde(rename = "cortex/eml")]
    email: String,
}

/// Whom a token stands for.
pub async fn identify(app: &App, token: &str, asked: &Asked<'_>) -> Result<Identity, Fault> {
    let nobody = || Fault::bare(Kind::NotLoggedIn);
    // Nothing of it is believed: it says by whose key it is to be checked.
    let stated: Claims = dangerous::insecure_decode_claims(token).map_err(|_| nobody())?;
    let client = app.apps.get(&stated.iss).ok_or_else(nobody)?;
    let key = client.bearer.as_ref().ok_or_else(nobody)?;
    let mut validation = Validation::new(Algorithm::RS256);
    // By this server's own clock, below.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims: Claims = decode(token, key, &validation).map_err(|_| nobody())?.claims;
    let now = asked.now.timestamp_millis() as f64 / 1_000.0;
    let over = claims.exp.is_nan() || claims.exp + LEEWAY_SECS <= now;
    let early = claims.nbf.is_some_and(|from| from.is_nan() || now + LEEWAY_SECS < from);
    let revoked = claims.jti.is_some_and(|name| client.revoked.contains(&name));
    if over || early || revoked || claims.iss != client.key {
        return Err(nobody());
    }
    // It is sound, and another org's.
    if client.tenant != asked.tenant {
        return Err(Fault::bare(Kind::AccessDenied));
    }
    // The key need not be sent beside it; one that is must be of this org too.
    if asked.headers.contains_key(super::CLIENT_KEY) && client_app(app, asked)?.key != client.key {
        return Err(Fault::bare(Kind::AccessDenied));
    }
    account(app, asked, &claims.email).await?.ok_or_else(nobody)
}
