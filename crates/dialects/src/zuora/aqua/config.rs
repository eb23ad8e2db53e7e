//! The settings of `[dialects.zuora_aqua]`. What AQuA shares with the Export API (tokens, limits of
//! requests, rates of exchange) stands in the section of that.

use chrono_tz::Tz;
use outhaul_exports::limits::SPLIT_ROWS_MIN;
use outhaul_exports::session::Advance;
use outhaul_exports::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ID;

/// Seconds that a stateful job may stay behind the present (Zuora documentation, `offset`).
pub const OFFSET_SECS_MAX: u32 = 3_600;

/// See the module.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AquaConfig {
    /// The partners that may run stateful jobs, exactly as they are written; any when empty.
    pub partners: Vec<String>,
    /// Whether the text of error 90005 goes on with the reason and the query, as Zuora's does today.
    /// Some clients (tap-zuora) only know the text without.
    pub error_detail: bool,
    /// The zone of an `incrementalTime` that names none: `America/Los_Angeles` for clients of Zuora's
    /// data centers in the US, `UTC` for those in Europe.
    pub incremental_time_zone: Zone,
    /// Seconds that stateful jobs stay behind the present where they do not say it themselves.
    pub offset_secs: u32,
    /// Rows after which the file of a full load in stateful mode is cut into segments; no segments
    /// when absent. Zuora cuts at 500000.
    pub segment_rows: Option<u64>,
    /// Whether every object may be asked for deleted rows: one that does not tell of them has none
    /// then. Some clients (tap-zuora) ask it of all objects and stop at the first refusal.
    pub deleted_on_every_object: bool,
    /// The status of a job whose run failed, and of its queries.
    pub failed_status: FailedStatus,
    /// What moves a stateful session.
    pub session_moves: SessionMoves,
    /// Whether a `notifyUrl` must hold both `${JOBID}` and `${STATUS}`.
    pub notify_url_needs_placeholders: bool,
}

/// A time zone by its IANA name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Zone(#[schemars(with = "String")] pub Tz);

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse().map(Self).map_err(|_| format!("{name} is not the IANA name of a time zone"))
    }
}

/// A word for a failed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailedStatus {
    /// Zuora's own.
    Aborted,
    /// What some clients (tap-zuora, simple-zuora-client) wait for, though Zuora never sends it.
    Failed,
}

impl FailedStatus {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Failed => "failed",
        }
    }
}

/// What moves a stateful session to where a job has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionMoves {
    /// The download of all files that have rows: what nobody fetched comes again.
    Download,
    /// The job's completion, as with Zuora.
    Completion,
}

impl Default for AquaConfig {
    fn default() -> Self {
        Self {
            partners: Vec::new(),
            error_detail: true,
            incremental_time_zone: Zone(Tz::UTC),
            offset_secs: 0,
            segment_rows: None,
            deleted_on_every_object: false,
            failed_status: FailedStatus::Aborted,
            session_moves: SessionMoves::Download,
            notify_url_needs_placeholders: true,
        }
    }
}

impl AquaConfig {
    /// Reads and checks a section.
    ///
    /// # Errors
    /// `Invalid`, saying which setting is wrong.
    pub fn read(section: &serde_json::Value) -> Result<Self> {
        let place = format!("dialects.{ID}");
        let wrong = |text: String| Error::invalid(place.as_str(), format!("[{place}]: {text}"));
        let config: Self = match section {
            serde_json::Value::Null => Self::default(),
            section => Self::deserialize(section).map_err(|error| wrong(error.to_string()))?,
        };
        if config.offset_secs > OFFSET_SECS_MAX {
            return Err(wrong(format!("offset_secs is at most {OFFSET_SECS_MAX}")));
        }
        if config.segment_rows.is_some_and(|rows| rows < SPLIT_ROWS_MIN) {
            return Err(wrong(format!("segment_rows is at least {SPLIT_ROWS_MIN}")));
        }
        Ok(config)
    }

    /// What moves a session, in neutral words.
    pub fn advance(&self) -> Advance {
        match self.session_moves {
            SessionMoves::Download => Advance::OnDownload,
            SessionMoves::Completion => Advance::OnCompletion,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wrong_setting_is_named() {
        let cases = [
            (json!(null), ""),
            (json!({}), ""),
            (json!({"incremental_time_zone": "America/Los_Angeles", "segment_rows": 500_000}), ""),
            (json!({"failed_status": "failed", "session_moves": "completion"}), ""),
            (json!({"partner": []}), "unknown field `partner`"),
            (json!({"incremental_time_zone": "Pacific"}), "Pacific is not the IANA name"),
            (json!({"offset_secs": 3_601}), "offset_secs is at most 3600"),
            (json!({"segment_rows": 99}), "segment_rows is at least 100"),
            (json!({"failed_status": "error"}), "unknown variant `error`"),
        ];
        for (section, says) in cases {
            match AquaConfig::read(&section) {
                Ok(_) => assert_eq!(says, "", "{section}"),
                Err(error) => {
                    assert!(
                        !says.is_empty() && error.public().contains(says),
                        "{section}: {error}"
                    );
                }
            }
        }
    }
}
