//! Request headers, read without guessing: a header that may stand once stands once, its value is
//! text, and what decides about access is never taken from the first of two.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, header};

/// Bytes of an `Authorization` header; what is longer is no credential of ours.
pub const AUTHORIZATION_BYTES_MAX: usize = 4 * 1024;

/// What is wrong with a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It stands more than once.
    #[error("the header {0} stands more than once")]
    Repeated(HeaderName),
    /// Its value is not visible ASCII.
    #[error("the header {0} holds characters that are not visible ASCII")]
    NotText(HeaderName),
    /// It is not in a form that is known.
    #[error("the header {0} is malformed")]
    Malformed(HeaderName),
}

/// The value of a header that may stand once at most.
///
/// # Errors
/// `Repeated`, `NotText`.
pub fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, HeaderError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(HeaderError::Repeated(name.clone()));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(HeaderError::NotText(name.clone())),
    }
}

/// What a client shows in `Authorization`.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorization<'a> {
    /// A single secret.
    Bearer(&'a str),
    /// A user and a password.
    Basic {
        /// Everything before the first colon.
        user: String,
        /// Everything after it.
        password: String,
    },
}

impl std::fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(...)",
            Self::Basic { .. } => "Basic(...)",
        })
    }
}

/// Reads `Authorization` (RFC 9110, 11.6.2; RFC 6750; RFC 7617). The scheme's case does not matter.
///
/// # Errors
/// `Repeated`, `NotText`, and `Malformed` for an unknown scheme, a missing or overlong token and
/// credentials that do not decode. A dialect answers all of them as a missing credential.
pub fn authorization(headers: &HeaderMap) -> Result<Option<Authorization<'_>>, HeaderError> {
    let malformed = || HeaderError::Malformed(header::AUTHORIZATION);
    // Clients that fill in templates send an empty one where they mean none.
    let text = single(headers, &header::AUTHORIZATION)?.filter(|text| !text.trim().is_empty());
    let Some(text) = text else { return Ok(None) };
    if text.len() > AUTHORIZATION_BYTES_MAX {
        return Err(malformed());
    }
    let (scheme, token) = text.split_once(' ').ok_or_else(malformed)?;
    let token = token.trim_matches(' ');
    if token.is_empty() || token.bytes().any(|b| !b.is_ascii_graphic()) {
        return Err(malformed());
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(Authorization::Bearer(token)));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(token).map_err(|_| malformed())?;
        let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
        let (user, password) = decoded.split_once(':').ok_or_else(malformed)?;
        return Ok(Some(Authorization::Basic {
            user: user.to_owned(),
            password: password.to_owned(),
        }));
    }
    Err(malformed())
}

/// The name of the idempotency key's header.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The client's idempotency key as it was sent; its length and characters are checked where it is
/// bound to the request.
///
/// # Errors
/// `Repeated`, `NotText`.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, HeaderError> {
    single(headers, &IDEMPOTENCY_KEY)
}

/// Why a content type is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// The media type is another one.
    #[error("the body's media type must be {0}")]
    Type(&'static str),
    /// The character set is another one.
    #[error("the body's character set must be UTF-8")]
    Charset,
    /// It stands more than once, or is not text.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// Accepts a JSON body: no content type, `application/json`, or any `+json` type, in UTF-8.
///
/// # Errors
/// `MediaError`, which is HTTP's 415.
pub fn expect_json(headers: &HeaderMap) -> Result<(), MediaError> {
    let Some(text) = single(headers, &header::CONTENT_TYPE)? else { return Ok(()) };
    let mut parts = text.split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/");
    if !subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json")) {
        return Err(MediaError::Type("application/json"));
    }
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("charset") && !is_utf8(value) {
            return Err(MediaError::Charset);
        }
    }
    Ok(())
}

/// Whether a `charset` parameter names UTF-8, or ASCII, which is a part of it.
pub fn is_utf8(charset: &str) -> bool {
    let charset = charset.trim().trim_matches('"');
    ["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(name: &HeaderName, values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value).expect("a header value"));
        }
        headers
    }

    #[test]
    fn credentials_are_read_or_refused() {
        let basic = |user: &str, password: &str| Authorization::Basic {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        let malformed = Err(HeaderError::Malformed(header::AUTHORIZATION));
        let long = [b"Bearer ".as_slice(), &[b'a'; 64 * 1024]].concat();
        type Read<'a> = Result<Option<Authorization<'a>>, HeaderError>;
        let cases: &[(&[&[u8]], Read)] = &[
            (&[], Ok(None)),
            (&[b"Bearer abc"], Ok(Some(Authorization::Bearer("abc")))),
            (&[b"bEARER  abc "], Ok(Some(Authorization::Bearer("abc")))),
            // joe:a:b
            (&[b"basic am9lOmE6Yg=="], Ok(Some(basic("joe", "a:b")))),
            (&[b"Basic Og=="], Ok(Some(basic("", "")))),
            (&[b""], Ok(None)),
            (&[b" "], Ok(None)),
            (&[b"Bearer"], malformed.clone()),
            (&[b"Bearer "], malformed.clone()),
            (&[b"Bearer a b"], malformed.clone()),
            (&[b"abc"], malformed.clone()),
            (&[b"Digest abc"], malformed.clone()),
            (&[b"Basic %%"], malformed.clone()),
            (&[b"Basic /w=="], malformed.clone()),
            (&[b"Basic am9l"], malformed.clone()),
            (&[&long], malformed.clone()),
            (&[b"Bearer \xc3\xa9"], Err(HeaderError::NotText(header::AUTHORIZATION))),
            (&[b"Bearer a", b"Bearer a"], Err(HeaderError::Repeated(header::AUTHORIZATION))),
        ];
        for (values, expected) in cases {
            let headers = map(&header::AUTHORIZATION, values);
            let name = values.first().map(|v| String::from_utf8_lossy(&v[..v.len().min(40)]));
            assert_eq!(&authorization(&headers), expected, "{name:?}");
        }
        assert_eq!(format!("{:?}", Authorization::Bearer("abc")), "Bearer(...)");
    }

    #[test]
    fn json_comes_in_utf8() {
        let typed = Err(MediaError::Type("application/json"));
        let cases = [
            ("application/json", Ok(())),
            ("APPLICATION/JSON; charset=\"UTF-8\"", Ok(())),
            ("application/problem+json;charset=utf8", Ok(())),
            ("application/json; charset=US-ASCII", Ok(())),
            ("application/json; charset=latin1", Err(MediaError::Charset)),
            ("text/plain", typed.clone()),
            ("multipart/form-data; boundary=x", typed.clone()),
            ("application/x-www-form-urlencoded", typed.clone()),
            ("", typed),
        ];
        for (value, expected) in cases {
            let headers = map(&header::CONTENT_TYPE, &[value.as_bytes()]);
            assert_eq!(expect_json(&headers), expected, "{value}");
        }
        assert_eq!(expect_json(&HeaderMap::new()), Ok(()));
        let two = map(&header::CONTENT_TYPE, &[b"application/json", b"application/json"]);
        assert!(matches!(expect_json(&two), Err(MediaError::Header(_))));
    }
}
