//! The dialect's own section of the configuration, `[dialects.native]`.

use std::time::Duration;

use outhaul_exports::{Error, Result, limits};
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of the native API.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NativeConfig {
    /// Seconds between the signs of life on an event stream (1 to 300).
    pub heartbeat_secs: u64,
    /// Seconds that a download link lives unless its request says otherwise.
    pub link_ttl_secs: u64,
    /// Event streams that a tenant may hold open at once.
    pub event_streams_max: u32,
}

impl Default for NativeConfig {
    fn default() -> Self {
        let link_ttl_secs = limits::LINK_TTL.as_secs();
        Self { heartbeat_secs: 15, link_ttl_secs, event_streams_max: 100 }
    }
}

impl NativeConfig {
    /// Reads and checks the section.
    ///
    /// # Errors
    /// `Invalid`, naming the setting.
    pub fn read(section: serde_json::Value) -> Result<Self> {
        let section = if section.is_null() { serde_json::json!({}) } else { section };
        let config: Self = serde_json::from_value(section)
            .map_err(|error| Error::invalid("dialects.native", error.to_string()))?;
        let link_max = limits::LINK_TTL_MAX.as_secs();
        let ranges = [
            ("heartbeat_secs", config.heartbeat_secs, 300),
            ("link_ttl_secs", config.link_ttl_secs, link_max),
            ("event_streams_max", config.event_streams_max.into(), 100_000),
        ];
        for (name, value, most) in ranges {
            if !(1..=most).contains(&value) {
                let text = format!("{name} must be 1 to {most}, not {value}");
                return Err(Error::invalid(format!("dialects.native.{name}"), text));
            }
        }
        Ok(config)
    }

    /// How long a download link lives by default.
    pub fn link_ttl(&self) -> Duration {
        Duration::from_secs(self.link_ttl_secs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_checked() {
        assert!(NativeConfig::read(json!(null)).is_ok());
        assert!(NativeConfig::read(json!({"heartbeat_secs": 300})).is_ok());
        let cases = [
            (json!({"heartbeat_secs": 0}), "heartbeat_secs must be 1 to 300, not 0"),
            (json!({"link_ttl_secs": 604_801}), "link_ttl_secs must be 1 to 604800, not 604801"),
            (
                json!({"hartbeat": 1}),
                "unknown field `hartbeat`, expected one of `heartbeat_secs`, `link_ttl_secs`, \
                 `event_streams_max`",
            ),
        ];
        for (section, expected) in cases {
            let error = NativeConfig::read(section).expect_err("it is wrong");
            assert_eq!(error.public(), expected);
        }
    }
}
