//! What an export's `afterScript` is given (Medable documentation, "Script module"), and what is shown
//! of it.
//!
//! `script.arguments.export` is the export as this API shows it, `script.arguments.err` the fault that
//! ended it, or null. Functions of `script`, and modules, are the sandbox's.

use async_trait::async_trait;
use outhaul_exports::export::Export;
use outhaul_exports::notice::{Message, MessageKind, ScriptView};
use outhaul_exports::{Error, Result};
use serde_json::{Value, json};

use super::auth::account_id;
use super::config::Settings;
use super::ids::ObjectId;
use super::response::{document, echo, failure};

/// Bytes of an export as a document that a script is given whole.
const WHOLE_BYTES_MAX: usize = 900 * 1024;

/// What scripts see.
pub struct View {
    /// The settings, for the codes of orgs.
    pub settings: Settings,
    /// Where clients reach this server.
    pub base_url: String,
}

#[async_trait]
impl ScriptView for View {
    async fn globals(&self, export: &Export, message: &Message) -> Result<Value> {
        let echo = echo(export).ok_or_else(|| Error::internal("an export without its echo"))?;
        let mut shown = document(export, &echo);
        if shown.to_string().len() > WHOLE_BYTES_MAX {
            // What makes it so long is what it was asked for; the rest fits.
            shown["where"] = Value::Null;
        }
        let fault = export.failure.as_ref().map(|_| failure(export).json());
        let code = self.settings.code(&export.tenant);
        let host = self.base_url.split("://").nth(1).unwrap_or_default();
        let name = echo.email.split('@').next().unwrap_or_default();
        Ok(json!({
            "script": {
                "_id": message.id.to_string(),
                "arguments": { "export": shown, "err": fault },
                "label": "afterScript",
                "type": "export",
                "env": { "host": host, "name": code, "url": self.base_url, "version": "v2" },
                "org": {
                    "_id": ObjectId::named("org", &export.tenant.0).to_string(),
                    "code": code,
                },
                "principal": {
                    "_id": account_id(&export.tenant, &echo.email).to_string(),
                    "email": echo.email,
                    "name": name,
                    "roles": ["administrator"],
                },
                "tz": "UTC",
            },
        }))
    }
}

/// What became of an export's script; `None` where it has none, or none that was begun.
pub fn outcome(messages: &[Message]) -> Option<Value> {
    let script = |message: &&Message| matches!(message.kind, MessageKind::Script { .. });
    let message = messages.iter().find(script)?;
    let mut shown = json!({
        "state": message.state.name(),
        "attempts": message.attempts,
    });
    if let Some(error) = &message.last_error {
        shown["reason"] = error.as_str().into();
    }
    if let Some(report) = &message.report {
        let line = |line: &outhaul_exports::notice::ScriptLine| json!({ "level": line.level, "text": line.text });
        shown["result"] = report.result.as_deref().into();
        shown["logs"] = report.logs.iter().map(line).collect();
        shown["callouts"] = report.calls.into();
        shown["millis"] = report.took_ms.into();
    }
    Some(shown)
}
