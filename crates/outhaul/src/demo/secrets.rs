//! The demo's credentials: random for each folder, the same for each start in it.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{DateTime, Utc};
use outhaul_dialects::{cortex, zoho};
use outhaul_exports::access::CredentialKind;
use outhaul_exports::id;
use outhaul_exports::ports::AccessStore;
use outhaul_exports::principal::{Role, TenantId};
use serde::{Deserialize, Serialize};

use super::data::Owner;
use crate::credentials::{Ask, NATIVE, restore};

/// Everybody's.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    /// By tenant.
    pub tenants: BTreeMap<String, TenantSecrets>,
}

/// One tenant's.
#[derive(Clone, Serialize, Deserialize)]
pub struct TenantSecrets {
    /// For the Zuora APIs.
    pub zuora: ZuoraSecrets,
    /// For our own API.
    pub native: NativeSecrets,
    /// For Userpilot's export API. A folder that an older demo made has none: it is given one.
    #[serde(default = "UserpilotSecrets::random")]
    pub userpilot: UserpilotSecrets,
    /// For Zoho Analytics' API; an older folder has none, too.
    #[serde(default = "ZohoSecrets::random")]
    pub zoho: ZohoSecrets,
    /// For Medable Cortex's API; an older folder has none, too.
    #[serde(default = "CortexSecrets::random")]
    pub cortex: CortexSecrets,
}

/// Three ways to be let in.
#[derive(Clone, Serialize, Deserialize)]
pub struct ZuoraSecrets {
    /// For POST /oauth/token: 36 characters, as its clients demand.
    pub client_id: String,
    /// Its secret: at most 42 characters.
    pub client_secret: String,
    /// For the pair of headers.
    pub api_access_key_id: String,
    /// Its secret.
    pub api_secret_access_key: String,
    /// For HTTP Basic.
    pub username: String,
    /// Its password.
    pub password: String,
}

/// One way to be let in.
#[derive(Clone, Serialize, Deserialize)]
pub struct NativeSecrets {
    /// For `Authorization: Bearer`.
    pub api_key: String,
}

/// One way to be let in.
#[derive(Clone, Serialize, Deserialize)]
pub struct UserpilotSecrets {
    /// For `Authorization: Token`. (What events call their app token is no secret.)
    pub app_token: String,
}

/// What becomes an access token.
#[derive(Clone, Serialize, Deserialize)]
pub struct ZohoSecrets {
    /// For POST /oauth/v2/token.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// What is exchanged.
    pub refresh_token: String,
}

/// An app that signs, and an account that logs in.
#[derive(Clone, Serialize, Deserialize)]
pub struct CortexSecrets {
    /// The first part of paths.
    pub org: String,
    /// The app's key: 22 letters and digits, as the vendor's client demands.
    pub api_key: String,
    /// What its requests are signed with: 64 letters and digits.
    pub api_secret: String,
    /// The account.
    pub email: String,
    /// Its password.
    pub password: String,
}

impl CortexSecrets {
    /// Of nobody yet.
    fn random() -> Self {
        Self {
            org: String::new(),
            api_key: id::secret(11),
            api_secret: id::secret(32),
            email: String::new(),
            password: id::secret(12),
        }
    }

    fn of(self, tenant: &str) -> Self {
        Self { org: tenant.to_owned(), email: format!("admin@{tenant}.example"), ..self }
    }
}

impl ZohoSecrets {
    fn random() -> Self {
        Self { client_id: id::uuid(), client_secret: id::secret(20), refresh_token: id::secret(20) }
    }
}

impl UserpilotSecrets {
    fn random() -> Self {
        Self { app_token: id::secret(20) }
    }
}

impl Secrets {
    /// New ones.
    pub fn random() -> Self {
        let tenants = Owner::ALL.into_iter().map(|owner| {
            let zuora = ZuoraSecrets {
                client_id: id::uuid(),
                client_secret: id::secret(20),
                api_access_key_id: id::secret(16),
                api_secret_access_key: id::secret(20),
                username: format!("demo@{}.example", owner.id()),
                password: id::secret(12),
            };
            let native = NativeSecrets { api_key: id::secret(20) };
            let (userpilot, zoho) = (UserpilotSecrets::random(), ZohoSecrets::random());
            let cortex = CortexSecrets::random();
            (owner.id().to_owned(), TenantSecrets { zuora, native, userpilot, zoho, cortex })
        });
        Self { tenants: tenants.collect() }.completed()
    }

    /// With what is made of the tenants' names, where an older folder has it not.
    #[must_use]
    pub fn completed(mut self) -> Self {
        for (tenant, own) in &mut self.tenants {
            if own.cortex.org.is_empty() {
                own.cortex = own.cortex.clone().of(tenant);
            }
        }
        self
    }
}

/// Stores the credentials that are not there yet.
///
/// # Errors
/// When the store is away.
pub async fn register(
    access: &dyn AccessStore,
    secrets: &Secrets,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let zuora = outhaul_dialects::zuora::AUDIENCE;
    let userpilot = outhaul_dialects::userpilot::AUDIENCE;
    for (tenant, own) in &secrets.tenants {
        let vendor = &own.zuora;
        let wanted = [
            (NATIVE, CredentialKind::ApiKey, None, &own.native.api_key),
            (zuora, CredentialKind::ClientSecret, Some(&vendor.client_id), &vendor.client_secret),
            (
                zuora,
                CredentialKind::KeyPair,
                Some(&vendor.api_access_key_id),
                &vendor.api_secret_access_key,
            ),
            (zuora, CredentialKind::Password, Some(&vendor.username), &vendor.password),
            (userpilot, CredentialKind::ApiKey, None, &own.userpilot.app_token),
            (
                zoho::AUDIENCE,
                CredentialKind::ClientSecret,
                Some(&own.zoho.client_id),
                &own.zoho.client_secret,
            ),
            (zoho::REFRESH_AUDIENCE, CredentialKind::ApiKey, None, &own.zoho.refresh_token),
            (
                cortex::AUDIENCE,
                CredentialKind::Password,
                Some(&own.cortex.email),
                &own.cortex.password,
            ),
        ];
        for (audience, kind, public, secret) in wanted {
            let public = public.cloned();
            let ask = Ask {
                audience: audience.to_owned(),
                kind,
                tenant: TenantId(tenant.clone()),
                role: Role::Admin,
                label: format!("demo {audience} of {tenant}"),
                user: public.clone(),
                expires_at: None,
            };
            let known =
                public.clone().unwrap_or_else(|| outhaul_exports::access::sha256_hex(secret));
            if access.credential(audience, kind, &known).await?.is_none() {
                let issued = restore(ask, public, secret.clone(), now);
                access
                    .add_credential(&issued.credential)
                    .await
                    .context("cannot store the demo's credentials")?;
            }
        }
    }
    Ok(())
}
