//! Who asks: an access token in `Authorization: Zoho-oauthtoken TOKEN`, and the org in
//! `ZANALYTICS-ORGID`.
//!
//! The scheme's word is this vendor's own; `Bearer` is taken too. The org is the token's tenant in
//! any case: the header only says that the client knows whom it asks (Zoho Analytics API v2,
//! "Request conventions").

use http::{HeaderMap, HeaderName, header};
use outhaul_exports::principal::Principal;
use outhaul_exports::service::Presented;

use super::config::Org;
use super::error::Trouble;
use super::{AUDIENCE, App};
use crate::kit::headers::{AUTHORIZATION_BYTES_MAX, single};

const ORG_ID: HeaderName = HeaderName::from_static("zanalytics-orgid");

/// Who asks, with the org.
pub struct Caller {
    /// Who.
    pub who: Principal,
    /// The tenant under this vendor's names.
    pub org: Org,
}

/// Whether a call names the org.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrgHeader {
    /// It must.
    Needed,
    /// It may.
    Passed,
}

impl Caller {
    /// Checks what the client shows.
    ///
    /// # Errors
    /// 8535 for a token that is not live, for every reason alike; 8083 without the org; 7387 for
    /// another one.
    pub async fn of(app: &App, headers: &HeaderMap, org: OrgHeader) -> Result<Self, Trouble> {
        let token = token(headers).ok_or_else(Trouble::bad_token)?;
        let who = app.exports.authenticate(AUDIENCE, Presented::Token(token)).await?;
        let caller = Self { org: app.settings.org(app.exports.tenant(&who)?), who };
        let named = single(headers, &ORG_ID).map_err(|error| Trouble::no_org(error.to_string()))?;
        match named.map(str::trim).filter(|named| !named.is_empty()) {
            None if org == OrgHeader::Needed => {
                Err(Trouble::no_org("Organization id is not present in the request header."))
            }
            Some(named) if named != caller.org.id.to_string() => {
                let text =
                    "The organization in the header ZANALYTICS-ORGID is not that of the token";
                Err(Trouble::other_org(text))
            }
            _ => Ok(caller),
        }
    }

    /// Checks that a workspace is the org's one.
    ///
    /// # Errors
    /// 7103.
    pub fn workspace(&self, id: &str) -> Result<(), Trouble> {
        match id == self.org.workspace.to_string() {
            true => Ok(()),
            false => Err(Trouble::no_workspace(
                "Workspace not found! Please check whether the workspace exists.",
            )),
        }
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let text = single(headers, &header::AUTHORIZATION).ok()??;
    let (scheme, token) = text.trim().split_once(' ')?;
    let known = ["zoho-oauthtoken", "bearer"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
    let token = token.trim();
    let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    (known && plain && text.len() <= AUTHORIZATION_BYTES_MAX).then_some(token)
}
