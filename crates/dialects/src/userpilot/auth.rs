//! Who asks: `Authorization: Token KEY`, on every path but the links to files (Userpilot's
//! documentation, "Export overview"; its OpenAPI document forgets it on two paths whose pages
//! want it).

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use outhaul_exports::principal::Principal;
use outhaul_exports::service::Presented;

use super::error::Trouble;
use super::{AUDIENCE, App};
use crate::kit::headers::single;

/// The longest header that is read, in bytes.
const HEADER_BYTES_MAX: usize = 4_096;

/// A client with a valid key. As the first argument of a handler it makes sure that nothing of a
/// stranger's request is read further.
pub struct Caller(pub Principal);

impl FromRequestParts<App> for Caller {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Trouble> {
        // Every reason has one answer, so that nothing can be learnt from it.
        let shown = single(&parts.headers, &header::AUTHORIZATION).ok().flatten();
        let key = shown.and_then(token).ok_or_else(Trouble::unauthorized)?;
        Ok(Self(app.exports.authenticate(AUDIENCE, Presented::ApiKey(key)).await?))
    }
}

/// The key of the header's value; the scheme's case does not matter.
fn token(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    let key = key.trim_matches(' ');
    let sound = value.len() <= HEADER_BYTES_MAX
        && scheme.eq_ignore_ascii_case("token")
        && !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_graphic());
    sound.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn the_scheme_is_read_in_any_case_and_nothing_else_is() {
        for good in ["Token k1", "token k1", "TOKEN  k1 "] {
            assert_eq!(token(good), Some("k1"), "{good}");
        }
        for bad in ["", "Token", "Token ", "k1", "Bearer k1", "Token k1 k2", "Token\tk1"] {
            assert_eq!(token(bad), None, "{bad}");
        }
    }
}
