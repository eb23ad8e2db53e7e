//! The dialect's own section of the configuration, `[dialects.cortex]`: orgs, and the apps whose
//! keys their clients send.
//!
//! An app's secret has to be read to check a signature, so it is no hash in the store but a reference
//! in the configuration, as the secrets of sources are.

use std::collections::{BTreeMap, BTreeSet};

use jsonwebtoken::DecodingKey;
use outhaul_exports::principal::TenantId;
use outhaul_exports::{Error, Result, limits};
use schemars::JsonSchema;
use serde::Deserialize;

/// Characters of an app's secret, as the vendor's own client demands them.
const SECRET_CHARS: usize = 64;
/// Characters of an app's key, unless it begins with `c_`.
const KEY_CHARS: usize = 22;
/// The longest key that begins with `c_`.
const KEY_CHARS_MAX: usize = 128;

/// Settings of the dialect.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds after its login until a session ends.
    pub session_secs: u32,
    /// Seconds a download link works.
    pub link_secs: u32,
    /// Seconds by which the time of a signed request may be off, either way; for as long its
    /// signature is remembered.
    pub skew_secs: u32,
    /// Whether members of a new export that are not known are refused, or passed over.
    pub strict_properties: bool,
    /// The orgs, by tenant. The code of a tenant that is not named is its id.
    pub orgs: BTreeMap<String, OrgSection>,
    /// The apps.
    pub apps: Vec<AppSection>,
}

/// A tenant's org.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrgSection {
    /// The first part of its paths; the tenant's id when absent.
    pub code: Option<String>,
}

/// An app: a key that clients send, and what can be proved with it.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppSection {
    /// Whose it is.
    pub tenant: String,
    /// Its public key: 22 letters and digits, or a text that begins with `c_`.
    pub key: String,
    /// The secret that its clients sign with, as a reference: 64 letters and digits. Without it no
    /// request is signed.
    #[serde(default)]
    #[schemars(schema_with = "secret")]
    pub secret: Option<String>,
    /// The account (its e-mail address) that signed requests act as.
    #[serde(default)]
    pub account: Option<String>,
    /// Whether a signed request may name another account of the tenant, in Medable-Client-Account.
    #[serde(default)]
    pub account_override: bool,
    /// Whether requests of a session that change something must carry the session's CSRF token.
    #[serde(default)]
    pub csrf: bool,
    /// The RSA public key, as PEM, that bearer tokens of this app are signed with (RS256). Without it
    /// there are no bearer tokens.
    #[serde(default)]
    #[schemars(schema_with = "text_or_reference")]
    pub bearer_key: Option<String>,
    /// Bearer tokens that count no more, by their `jti`.
    #[serde(default)]
    pub revoked: BTreeSet<String>,
}

fn reference(key: &str) -> serde_json::Value {
    serde_json::json!({
        "type": "object", "properties": { key: { "type": "string" } }, "required": [key],
        "additionalProperties": false,
    })
}

fn secret(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [reference("env"), reference("file"), { "type": "null" }], "default": null,
    })
}

fn text_or_reference(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [{ "type": "string" }, reference("env"), reference("file"), { "type": "null" }],
        "default": null,
    })
}

/// An app that was checked.
pub struct App {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its key.
    pub key: String,
    /// What its clients sign with, and as whom.
    pub signing: Option<Signing>,
    /// Whether a session's changes need a CSRF token.
    pub csrf: bool,
    /// What bearer tokens are checked with.
    pub bearer: Option<DecodingKey>,
    /// Bearer tokens that count no more.
    pub revoked: BTreeSet<String>,
}

/// What signed requests are checked with.
#[derive(Clone)]
pub struct Signing {
    /// The secret.
    pub secret: String,
    /// Whom they act as.
    pub account: String,
    /// Whether they may name somebody else.
    pub account_override: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session_secs: 8 * 3_600,
            link_secs: 900,
            skew_secs: 900,
            strict_properties: false,
            orgs: BTreeMap::new(),
            apps: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads and checks the section.
    ///
    /// # Errors
    /// `Invalid`, naming the setting. No secret stands in the text.
    pub fn read(section: serde_json::Value) -> Result<Self> {
        let section = if section.is_null() { serde_json::json!({}) } else { section };
        let settings: Self = serde_json::from_value(section).map_err(|e| wrong(&e.to_string()))?;
        let within = |name: &str, value: u32, most: u32| match (1..=most).contains(&value) {
            true => Ok(()),
            false => Err(wrong(&format!("{name} must be between 1 and {most}"))),
        };
        within("session_secs", settings.session_secs, 30 * 24 * 3_600)?;
        let link_most = u32::try_from(limits::LINK_TTL_MAX.as_secs()).unwrap_or(u32::MAX);
        within("link_secs", settings.link_secs, link_most)?;
        within("skew_secs", settings.skew_secs, 3_600)?;
        let mut codes = BTreeSet::new();
        for (tenant, org) in &settings.orgs {
            let Some(code) = &org.code else { continue };
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            if code.is_empty() || code.len() > 64 || !code.bytes().all(fits) {
                let text = "has 1 to 64 letters, digits, - and _";
                return Err(wrong(&format!("orgs.{tenant}.code: a code {text}")));
            }
            let taken = crate::ALL.iter().flat_map(|dialect| dialect.prefixes()).any(|prefix| {
                prefix.split('/').nth(1).is_some_and(|first| first.eq_ignore_ascii_case(code))
            });
            if taken {
                let text = "is where another API begins: choose another code";
                return Err(wrong(&format!("orgs.{tenant}.code: /{code} {text}")));
            }
            if !codes.insert(code) {
                return Err(wrong(&format!("two orgs have the code {code}")));
            }
        }
        Ok(settings)
    }

    /// The apps by their keys.
    ///
    /// # Errors
    /// `Invalid` for one that no client could use.
    pub fn checked_apps(&self) -> Result<BTreeMap<String, App>> {
        let mut apps = BTreeMap::new();
        for (at, section) in self.apps.iter().enumerate() {
            let app = section.checked().map_err(|text| wrong(&format!("apps[{at}]: {text}")))?;
            if let Some(twice) = apps.insert(app.key.clone(), app) {
                return Err(wrong(&format!("apps[{at}]: two apps have the key {}", twice.key)));
            }
        }
        Ok(apps)
    }

    /// The code of a tenant's org.
    pub fn code<'a>(&'a self, tenant: &'a TenantId) -> &'a str {
        let named = self.orgs.get(&tenant.0).and_then(|org| org.code.as_deref());
        named.unwrap_or(&tenant.0)
    }

    /// Whose org has that code. Whether there is such a tenant is seen when somebody shows that he is
    /// one of its.
    pub fn tenant(&self, code: &str) -> Option<TenantId> {
        let named = self.orgs.iter().find(|(_, org)| org.code.as_deref() == Some(code));
        if let Some((tenant, _)) = named {
            return Some(TenantId(tenant.clone()));
        }
        let renamed = self.orgs.get(code).is_some_and(|org| org.code.is_some());
        (!renamed).then(|| TenantId(code.to_owned()))
    }
}

impl AppSection {
    fn checked(&self) -> Result<App, String> {
        let alphanumeric = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric());
        let plain = self.key.len() == KEY_CHARS && alphanumeric(&self.key);
        let named = self.key.starts_with("c_")
            && (3..=KEY_CHARS_MAX).contains(&self.key.len())
            && self.key.bytes().all(|b| b.is_ascii_graphic());
        if !plain && !named {
            return Err("key has 22 letters and digits, or begins with c_".to_owned());
        }
        let signing = match (&self.secret, &self.account) {
            (None, _) => None,
            (Some(secret), _) if secret.len() != SECRET_CHARS || !alphanumeric(secret) => {
                return Err(format!("secret has {SECRET_CHARS} letters and digits"));
            }
            (Some(_), None) => {
                return Err("signed requests act as somebody: set account to an e-mail address \
                            that has a password (outhaul keys create --audience cortex)"
                    .to_owned());
            }
            (Some(secret), Some(account)) => Some(Signing {
                secret: secret.clone(),
                account: account.clone(),
                account_override: self.account_override,
            }),
        };
        let bearer = self.bearer_key.as_ref().map(|pem| DecodingKey::from_rsa_pem(pem.as_bytes()));
        let bearer = bearer.transpose().map_err(
            |_| "bearer_key is an RSA public key as PEM, BEGIN PUBLIC KEY or BEGIN RSA PUBLIC KEY",
        )?;
        Ok(App {
            tenant: TenantId(self.tenant.clone()),
            key: self.key.clone(),
            signing,
            csrf: self.csrf,
            bearer,
            revoked: self.revoked.clone(),
        })
    }
}

fn wrong(text: &str) -> Error {
    Error::invalid("dialects.cortex", format!("[dialects.cortex]: {text}"))
}
