//! The settings of `[dialects.zuora_export]`, which AQuA shares.
//!
//! The defaults are the figures of Zuora's documentation for production tenants.

use std::collections::BTreeMap;

use outhaul_exports::limits::TOKEN_TTL;
use outhaul_exports::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::limits::Window;
use super::money::RateTable;

/// The settings that Zuora's APIs share.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shared {
    /// Requests of one credential in a minute (0: any number).
    pub requests_per_minute: u64,
    /// Requests of one credential in an hour (0: any number).
    pub requests_per_hour: u64,
    /// Requests of one credential in a day (0: any number).
    pub requests_per_day: u64,
    /// Token requests of one client id in a minute, and failed sign-ins of everybody (0: any
    /// number).
    pub sign_ins_per_minute: u64,
    /// Token requests from one address in a minute (0: any number). Raise it when all clients
    /// come through one proxy.
    pub sign_ins_per_address_and_minute: u64,
    /// Requests of one tenant that may be in hand at once.
    pub concurrency_max: u32,
    /// Seconds an access token is valid. Some clients never ask for a second one, so it should
    /// outlast their longest run.
    pub token_secs: u32,
    /// Bytes of the largest file that is handed out; a larger one is answered with 403, as Zuora
    /// does past 2,047 MB. No limit when absent.
    pub file_bytes_max: Option<u64>,
    /// Rates of exchange, for `ConvertToCurrencies`. Without them it is refused.
    pub rates: Option<Rates>,
}

/// Rates of exchange.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// The currency that the table counts in, such as `USD`.
    pub base: String,
    /// How many units of a currency one unit of the base buys, as an exact decimal in a text:
    /// `EUR = "0.92"`.
    pub table: BTreeMap<String, String>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            requests_per_minute: 50_000,
            requests_per_hour: 2_250_000,
            requests_per_day: 27_000_000,
            sign_ins_per_minute: 2_000,
            sign_ins_per_address_and_minute: 100,
            concurrency_max: 40,
            token_secs: u32::try_from(TOKEN_TTL.as_secs()).unwrap_or(3_600),
            file_bytes_max: None,
            rates: None,
        }
    }
}

impl Shared {
    /// Reads and checks a section.
    ///
    /// # Errors
    /// `Invalid`, saying which setting is wrong.
    pub fn read(section: &serde_json::Value, place: &str) -> Result<Self> {
        let wrong = |text: String| Error::invalid(place, format!("[{place}]: {text}"));
        let config: Self = match section {
            serde_json::Value::Null => Self::default(),
            section => Self::deserialize(section).map_err(|error| wrong(error.to_string()))?,
        };
        if config.concurrency_max == 0 {
            return Err(wrong("concurrency_max must be at least 1".into()));
        }
        if !(60..=7 * 24 * 3_600).contains(&config.token_secs) {
            return Err(wrong("token_secs must be between 60 and 604800 (7 days)".into()));
        }
        config.rate_table().map_err(|text| wrong(format!("rates: {text}")))?;
        Ok(config)
    }

    /// The rates, ready for use.
    ///
    /// # Errors
    /// A sentence that names the currency whose rate is wrong.
    pub fn rate_table(&self) -> Result<Option<RateTable>, String> {
        self.rates.as_ref().map(RateTable::check).transpose()
    }

    /// How often one credential may ask.
    pub fn rate_windows(&self) -> Vec<Window> {
        windows(&[
            (60, self.requests_per_minute),
            (3_600, self.requests_per_hour),
            (24 * 3_600, self.requests_per_day),
        ])
    }

    /// How often one may sign in.
    pub fn sign_in_windows(&self) -> Vec<Window> {
        windows(&[(60, self.sign_ins_per_minute)])
    }

    /// How often one address may ask for a token.
    pub fn address_windows(&self) -> Vec<Window> {
        windows(&[(60, self.sign_ins_per_address_and_minute)])
    }
}

fn windows(all: &[(u32, u64)]) -> Vec<Window> {
    let limited = all.iter().filter(|(_, most)| *most > 0);
    limited.map(|&(secs, most)| Window { secs, most }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Shared;

    #[test]
    fn a_wrong_setting_is_named() {
        let cases = [
            (json!(null), ""),
            (json!({}), ""),
            (json!({"rates": {"base": "USD", "table": {"EUR": "0.92"}}}), ""),
            (json!({"rate": 1}), "unknown field `rate`"),
            (json!({"requests_per_minute": "x"}), "invalid type: string \"x\""),
            (json!({"concurrency_max": 0}), "concurrency_max must be at least 1"),
            (json!({"token_secs": 5}), "token_secs must be between 60"),
            (json!({"rates": {"base": "usd", "table": {}}}), "usd is no currency code"),
            (json!({"rates": {"base": "USD", "table": {"EUR": "0"}}}), "the rate of EUR"),
            (json!({"rates": {"base": "USD", "table": {"EUR": "1e3"}}}), "the rate of EUR"),
        ];
        for (section, expected) in cases {
            match Shared::read(&section, "dialects.zuora_export") {
                Ok(_) => assert_eq!(expected, "", "{section}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(!expected.is_empty() && text.contains(expected), "{section}: {text}");
                }
            }
        }
    }
}
