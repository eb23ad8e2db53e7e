//! Scripts of customers' that are run when an export has ended: what they are given, and what is
//! kept of them. This module runs nothing, and knows no language.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Message;
use crate::export::Export;
use crate::{Error, ErrorKind, Result, limits};

/// The error's field for what is wrong with a script.
pub(crate) const FIELD: &str = "notices.script";

/// What a dialect shows to the scripts of its exports.
#[async_trait]
pub trait ScriptView: Send + Sync {
    /// The globals of a script, by name, in the dialect's own words: the export as its API shows it
    /// now, what went wrong with it, who created it. Asked for in each attempt. It must be an
    /// object, of at most [`limits::SCRIPT_GLOBALS_BYTES_MAX`] bytes as JSON.
    ///
    /// # Errors
    /// Those of the stores behind it. The script is tried again later, unless it is `Expired`.
    async fn globals(&self, export: &Export, message: &Message) -> Result<Value>;
}

/// What a script left behind, whether it came to its end or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptReport {
    /// What it returned, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// What it logged.
    pub logs: Vec<ScriptLine>,
    /// Whether it logged more than is kept.
    pub logs_cut: bool,
    /// Calls that it made: requests sent, mails handed over.
    pub calls: u32,
    /// Milliseconds from its start to its end.
    pub took_ms: u64,
}

/// A line that a script logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptLine {
    /// How much it matters: `trace`, `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The text, without control characters.
    pub text: String,
}

/// Checks how long a script is, where scripts are run.
pub(crate) fn check_length(can_run: bool, source: &str) -> Result<()> {
    if !can_run {
        return Err(off());
    }
    let most = limits::SCRIPT_CHARS_MAX;
    if source.chars().nth(most).is_none() {
        return Ok(());
    }
    let count = source.chars().count();
    Err(Error::invalid(FIELD, format!("the script has {count} characters; it may have {most}")))
}

/// The error for a script where none are run.
pub(crate) fn off() -> Error {
    Error::new(ErrorKind::Unsupported, "this server runs no scripts")
}
