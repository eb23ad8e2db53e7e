//! Sessions: two cookies, both needed (Medable's command-line client, which looks for these names and
//! paths).
//!
//! `md.sid` is an access token of the account, stored as its hash. `md.fingerprint` and the token
//! against forged requests are derived from it by the server's own key: nothing more is stored, and
//! neither tells the other.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use outhaul_exports::ErrorKind;
use outhaul_exports::access::CredentialKind;
use outhaul_exports::service::{Identity, Presented};
use subtle::ConstantTimeEq;

use super::Asked;
use crate::cortex::config;
use crate::cortex::error::{Fault, Kind};
use crate::cortex::{AUDIENCE, App};
use crate::kit::headers::single;

/// The cookie with the session's id.
pub const SID: &str = "md.sid";
/// The cookie that goes with it.
pub const FINGERPRINT: &str = "md.fingerprint";
/// The header with the token against forged requests.
pub const CSRF_TOKEN: HeaderName = HeaderName::from_static("medable-csrf-token");

/// What the cookies' secrets are derived for.
const FINGERPRINT_PURPOSE: &str = "session fingerprint";
const CSRF_PURPOSE: &str = "session csrf";

/// Hexadecimal digits of a session's id, and of what is derived from it.
const SID_CHARS: usize = 32;
const DERIVED_CHARS: usize = 64;

/// A session, or one that was just opened.
pub struct Session {
    /// Its id.
    pub sid: String,
    /// The token against forged requests, where the app wants one.
    pub csrf: Option<String>,
}

/// What a client's cookies say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cookies<'h> {
    /// The session.
    pub sid: Option<&'h str>,
    /// What goes with it.
    pub fingerprint: Option<&'h str>,
}

/// Reads the cookies. Some client sends whole `Set-Cookie` lines, attributes and all: what else
/// stands there is passed over.
pub fn cookies(headers: &HeaderMap) -> Cookies<'_> {
    let mut found = Cookies::default();
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    for part in lines.flat_map(|line| line.split([';', ','])) {
        let Some((name, value)) = part.trim().split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        let hex =
            |chars: usize| value.len() == chars && value.bytes().all(|b| b.is_ascii_hexdigit());
        match name.trim() {
            SID if hex(SID_CHARS) => drop(found.sid.get_or_insert(value)),
            FINGERPRINT if hex(DERIVED_CHARS) => drop(found.fingerprint.get_or_insert(value)),
            _ => {}
        }
    }
    found
}

/// Who is behind a session, and the session.
///
/// # Errors
/// `SessionExpired`, `LoggedInElsewhere` without the right fingerprint, `CsrfMismatch`.
pub async fn identify(
    app: &App,
    client: &config::App,
    sid: &str,
    fingerprint: Option<&str>,
    asked: &Asked<'_>,
) -> Result<(Identity, Session), Fault> {
    let identity = match app.exports.identify(AUDIENCE, Presented::Token(sid)).await {
        Ok(identity) => identity,
        Err(error) if *error.kind() == ErrorKind::Unauthenticated => {
            return Err(Fault::bare(Kind::SessionExpired));
        }
        Err(error) => return Err(error.into()),
    };
    let expected = app.exports.derived_secret(FINGERPRINT_PURPOSE, sid).await?;
    if !same(&expected, fingerprint) {
        return Err(Fault::bare(Kind::LoggedInElsewhere));
    }
    let csrf = csrf_token(app, client, sid).await?;
    let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    if let Some(expected) = &csrf
        && changes.contains(asked.method)
    {
        let given = single(asked.headers, &CSRF_TOKEN).ok().flatten().map(str::trim);
        if !same(expected, given) {
            return Err(Fault::bare(Kind::CsrfMismatch));
        }
    }
    Ok((identity, Session { sid: sid.to_owned(), csrf }))
}

/// Opens a session of an account; answers it with its cookies.
pub async fn open(
    app: &App,
    client: &config::App,
    identity: &Identity,
    org: &str,
) -> Result<(Session, [HeaderValue; 2]), Fault> {
    let ttl = Duration::from_secs(app.settings.session_secs.into());
    let kind = CredentialKind::Password;
    let sid = app.exports.open_session(AUDIENCE, kind, identity, ttl).await?.token;
    let fingerprint = app.exports.derived_secret(FINGERPRINT_PURPOSE, &sid).await?;
    let csrf = csrf_token(app, client, &sid).await?;
    let secure = if app.base_url.starts_with("https:") { "; Secure" } else { "" };
    let seconds = ttl.as_secs();
    let cookies = [
        cookie(&format!(
            "{SID}={sid}; Path=/{org}; Max-Age={seconds}; SameSite=Lax; HttpOnly{secure}"
        )),
        cookie(&format!(
            "{FINGERPRINT}={fingerprint}; Path=/; Max-Age={seconds}; SameSite=Lax; \
             HttpOnly{secure}"
        )),
    ];
    Ok((Session { sid, csrf }, cookies))
}

/// Cookies that end those of a session.
pub fn ended(org: &str) -> [HeaderValue; 2] {
    [
        cookie(&format!("{SID}=; Path=/{org}; Max-Age=0; HttpOnly")),
        cookie(&format!("{FINGERPRINT}=; Path=/; Max-Age=0; HttpOnly")),
    ]
}

/// What we write into a cookie is visible ASCII: orgs are parts of paths, the rest is hexadecimal.
fn cookie(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

async fn csrf_token(app: &App, client: &config::App, sid: &str) -> Result<Option<String>, Fault> {
    if !client.csrf {
        return Ok(None);
    }
    Ok(Some(app.exports.derived_secret(CSRF_PURPOSE, sid).await?))
}

/// Whether it is the one, in time that does not depend on how much of it is right.
fn same(expected: &str, given: Option<&str>) -> bool {
    given.is_some_and(|given| bool::from(expected.as_bytes().ct_eq(given.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_among_anything() {
        let (sid, fingerprint) = ("a".repeat(32), "b".repeat(64));
        let both = Cookies { sid: Some(&sid), fingerprint: Some(&fingerprint) };
        let line = |text: &str| text.replace("SID", &sid).replace("FP", &fingerprint);
        for lines in [
            vec!["md.sid=SID; md.fingerprint=FP"],
            vec!["md.sid=SID; Path=/acme; HttpOnly; md.fingerprint=FP; Path=/"],
            vec!["md.sid=SID; Path=/acme; Expires=Sun, 22 Nov 2026 22:00:00 GMT,md.fingerprint=FP"],
            vec!["x=1; md.sid=\"SID\"", "md.fingerprint=FP;;=;"],
            vec!["md.sid=short; md.sid=SID; md.fingerprint=FP; md.sid=other"],
        ] {
            let mut headers = HeaderMap::new();
            for text in &lines {
                headers.append(header::COOKIE, line(text).parse().expect("a header value"));
            }
            assert_eq!(cookies(&headers), both, "{lines:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("md.sid=x; md.fingerprint="));
        assert_eq!(cookies(&headers), Cookies::default());
    }
}
