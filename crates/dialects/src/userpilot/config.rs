//! The dialect's own section of the configuration, `[dialects.userpilot]`.

use std::collections::BTreeMap;

use outhaul_exports::principal::TenantId;
use outhaul_exports::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Days of the longest range that a setting allows.
const RANGE_DAYS_MAX: u32 = 3_660;

/// Settings of the Userpilot dialect.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Days that are exported when a request says neither `from` nor `to`.
    pub default_days: u32,
    /// The longest range between `from` and `to`, in days (at most 3660).
    pub range_days_max: u32,
    /// Whether csv files are compressed by gzip, as ndjson files always are.
    pub csv_gzip: bool,
    /// What members of a request do that are not known: they are refused, since one of them may
    /// have been meant as a filter, or passed over.
    pub unknown_members: Unknown,
    /// The environments, by tenant. A tenant that is not named has one called `production`.
    pub environments: BTreeMap<String, Environment>,
    /// Which objects of the catalog are what.
    pub mapping: Option<Mapping>,
}

/// What becomes of members that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The request is refused.
    Refuse,
    /// They are passed over.
    Ignore,
}

/// A tenant's environment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Its app token, such as `NX-RE213S2`: a name, no secret.
    pub app_token: String,
    /// Its name (default `production`).
    #[serde(default = "production")]
    pub name: String,
}

/// Which objects of the catalog are what. A name that is left out is the default, where the
/// catalog has it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// The object whose rows are events (default `Event`).
    pub events: Option<String>,
    /// Fields of it, by the attribute of the record that they are; those of the same name need not
    /// be named. `event_type` and `inserted_at` must be there.
    pub fields: BTreeMap<String, String>,
    /// The object whose rows are users (default `User`); its fields are the user properties.
    pub users: Option<String>,
    /// The object whose rows are companies (default `Company`).
    pub companies: Option<String>,
    /// The object whose rows are segments (default `Segment`), with the fields `id`, `title` and,
    /// where they are, `usage`, `category`, `is_hidden`, `is_protected` and `status`.
    pub segments: Option<String>,
    /// The relation of events that leads to the memberships of their user (default
    /// `SegmentMembers`).
    pub segment_members: Option<String>,
    /// The field of a membership that names the segment (default `segment_id`).
    pub segment_field: Option<String>,
    /// The object whose rows are flows, banners and so on (default `Content`), with the fields
    /// `kind`, `id`, `title` and, where they are, `key`, `data_type`, `platform`, `card_type` and
    /// `modules`.
    pub contents: Option<String>,
    /// The object whose rows are properties of events (default `EventProperty`).
    pub event_properties: Option<String>,
}

fn production() -> String {
    "production".to_owned()
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_days: 30,
            range_days_max: 366,
            csv_gzip: false,
            unknown_members: Unknown::Refuse,
            environments: BTreeMap::new(),
            mapping: None,
        }
    }
}

impl Settings {
    /// Reads and checks the section.
    ///
    /// # Errors
    /// `Invalid`, naming the setting.
    pub fn read(section: serde_json::Value) -> Result<Self> {
        let section = if section.is_null() { serde_json::json!({}) } else { section };
        let settings: Self = serde_json::from_value(section)
            .map_err(|error| Error::invalid("dialects.userpilot", error.to_string()))?;
        let days = 1..=settings.range_days_max;
        for (name, value, range) in [
            ("range_days_max", settings.range_days_max, 1..=RANGE_DAYS_MAX),
            ("default_days", settings.default_days, days),
        ] {
            if !range.contains(&value) {
                let (first, last) = range.into_inner();
                let text = format!("{name} must be {first} to {last}, not {value}");
                return Err(Error::invalid(format!("dialects.userpilot.{name}"), text));
            }
        }
        Ok(settings)
    }

    /// A tenant's environment.
    pub fn environment(&self, tenant: &TenantId) -> Environment {
        self.environments.get(&tenant.0).cloned().unwrap_or_else(|| {
            let digest = hex::encode_upper(Sha256::digest(tenant.0.as_bytes()));
            Environment { app_token: format!("NX-{}", &digest[..8]), name: production() }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_checked() {
        let cases = [
            (json!(null), ""),
            (json!({"default_days": 7, "mapping": {"events": "Click"}}), ""),
            (json!({"default_days": 0}), "default_days must be 1 to 366, not 0"),
            (json!({"range_days_max": 4_000}), "range_days_max must be 1 to 3660, not 4000"),
            (json!({"range_days_max": 7}), "default_days must be 1 to 7, not 30"),
            (json!({"mapping": {"event": "Click"}}), "unknown field `event`"),
            (json!({"environments": {"acme": {}}}), "missing field `app_token`"),
        ];
        for (section, expected) in cases {
            match Settings::read(section) {
                Ok(_) => assert_eq!(expected, ""),
                Err(error) => assert!(error.public().contains(expected), "{}", error.public()),
            }
        }
    }

    #[test]
    fn every_tenant_has_an_environment() {
        let section = json!({"environments": {"acme": {"app_token": "NX-1"}}});
        let settings = Settings::read(section).expect("it is sound");
        let acme = settings.environment(&"acme".into());
        assert_eq!((acme.app_token.as_str(), acme.name.as_str()), ("NX-1", "production"));
        let globex = settings.environment(&"globex".into()).app_token;
        assert_eq!(globex.len(), 11);
        assert_ne!(globex, settings.environment(&"initech".into()).app_token);
    }
}
