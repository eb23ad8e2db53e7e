//! Envelopes, and an export as its clients see it (Medable documentation, "Handling responses",
//! "Export Object" and "File").
//!
//! Every answer has a content type: the vendor's own client reads it from each. What is ours beside
//! the vendor's properties is called `x_...`.

use axum::body::Body;
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderValue, StatusCode, header};
use outhaul_exports::export::{Export, State};
use outhaul_exports::manifest::Artifact;
use outhaul_exports::principal::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::auth::account_id;
use super::error::{Fault, Kind};

/// What an export keeps to be answered by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Echo {
    /// Its id on the wire.
    pub id: String,
    /// The e-mail address of the account that created it.
    pub email: String,
    /// The plural name of its object.
    pub objects: String,
    /// Its media type.
    pub format: String,
    /// Whether contents of files come too.
    #[serde(default)]
    pub export_files: bool,
    /// Whether they come in an archive of their own.
    #[serde(default)]
    pub zip_files: bool,
    /// What it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_script: Option<String>,
}

/// A JSON answer.
pub fn json_answer(status: StatusCode, body: &Value) -> Response {
    text_answer(status, "application/json; charset=utf-8", body.to_string())
}

/// An answer of text.
pub fn text_answer(status: StatusCode, media: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// The value of a property, or of an action.
pub fn result(data: &Value) -> Response {
    json_answer(StatusCode::OK, &json!({ "object": "result", "data": data }))
}

/// A list that is whole.
pub fn list(data: &Value) -> Response {
    json_answer(StatusCode::OK, &json!({ "object": "list", "data": data, "hasMore": false }))
}

/// What an export is answered by; `None` for one that this dialect did not make.
pub fn echo(export: &Export) -> Option<Echo> {
    serde_json::from_value(export.echo.clone()).ok()
}

/// Whether clients still see it: not when it was deleted, nor when its time is over, swept away or
/// not.
pub fn is_there(export: &Export, now: DateTime<Utc>) -> bool {
    let kept = export.files_expire_at.is_none_or(|end| now < end);
    kept && !export.cancel_requested && word(export.state).is_some()
}

/// The word for a state; `None` for one that clients do not see.
fn word(state: State) -> Option<&'static str> {
    match state {
        State::Queued => Some("pending"),
        State::Running => Some("running"),
        State::Completed => Some("ready"),
        State::Failed => Some("error"),
        State::Cancelled | State::Expired => None,
    }
}

/// A date as the vendor writes it.
pub fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The account that created an export, whole.
pub fn creator(tenant: &TenantId, echo: &Echo) -> Value {
    let id = account_id(tenant, &echo.email).to_string();
    json!({ "_id": id, "object": "account", "email": echo.email })
}

/// An export, whole.
pub fn document(export: &Export, echo: &Echo) -> Value {
    let account = account_id(&export.tenant, &echo.email).to_string();
    let account = json!({
        "_id": account, "object": "account", "path": format!("/accounts/{account}"),
    });
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| map.insert(key.to_owned(), value);
    set("_id", echo.id.as_str().into());
    set("object", "export".into());
    set("created", moment(export.created_at).into());
    set("creator", account.clone());
    set("owner", account);
    set("updated", moment(export.updated_at).into());
    set("label", export.spec.label.as_deref().into());
    if let Some(description) = &export.spec.description {
        set("description", description.as_str().into());
    }
    set("state", word(export.state).into());
    set("format", echo.format.as_str().into());
    set("objects", echo.objects.as_str().into());
    set("exportFiles", echo.export_files.into());
    set("zipFiles", echo.zip_files.into());
    set("paths", echo.paths.clone().into());
    set("include", echo.include.clone().into());
    set("expand", echo.expand.clone().into());
    if let Some(filter) = &echo.filter {
        set("where", filter.as_str().into());
    }
    if let Some(script) = &echo.after_script {
        set("afterScript", script.as_str().into());
    }
    set("dataFile", data_file(export, echo));
    extras(export, &mut set);
    map.into()
}

/// What is ours.
fn extras(export: &Export, set: &mut dyn FnMut(&str, Value) -> Option<Value>) {
    match export.state {
        State::Running => {
            let progress = &export.progress;
            let done = json!({
                "rowsRead": progress.rows_read,
                "rowsEstimated": progress.rows_estimated,
                "bytesWritten": progress.bytes_written,
            });
            set("x_progress", done);
        }
        State::Completed => {
            if let Some(manifest) = &export.manifest {
                set("x_rows", manifest.rows().into());
            }
            if let Some(end) = export.files_expire_at {
                set("x_expires", moment(end).into());
            }
            if !export.warnings.is_empty() {
                let all = export.warnings.iter().map(|warning| warning.message.clone());
                set("x_warnings", all.collect());
            }
        }
        State::Failed => {
            set("x_fault", failure(export).json());
            set("x_expires", moment(export.record_expires_at).into());
        }
        State::Queued | State::Cancelled | State::Expired => {}
    }
}

/// Why an export has no file, as a fault.
pub fn failure(export: &Export) -> Fault {
    let Some(failure) = &export.failure else {
        return Fault::new(Kind::Internal, "The export failed");
    };
    let kind = match failure.code.as_str() {
        "storage_full" => Kind::StorageFull,
        "run_time_limit" | "query_time_limit" => Kind::Timeout,
        _ => Kind::Internal,
    };
    Fault::new(kind, failure.message.as_str()).at("export")
}

/// The one file of a completed export.
pub fn artifact(export: &Export) -> Option<&Artifact> {
    export.manifest.as_ref().and_then(|manifest| manifest.artifacts.first())
}

/// The value of `dataFile`; a file that is not made yet has a lower state than 2.
pub fn data_file(export: &Export, echo: &Echo) -> Value {
    let id = &echo.id;
    let mut file = json!({
        "name": "content",
        "creator": account_id(&export.tenant, &echo.email).to_string(),
        "mime": "application/zip",
        "path": format!("/exports/{id}/dataFile/content"),
        "facets": [],
        "uploads": [],
    });
    match export.state {
        State::Queued => file["state"] = 0.into(),
        State::Running => file["state"] = 1.into(),
        State::Completed => {
            file["state"] = 2.into();
            if let Some(artifact) = artifact(export) {
                file["ETag"] = artifact.sha256.as_str().into();
                file["mime"] = artifact.media_type.as_str().into();
                file["size"] = artifact.bytes.into();
                file["filename"] = artifact.file_name.as_str().into();
            }
        }
        State::Failed => {
            file["state"] = 3.into();
            file["fault"] = failure(export).json();
        }
        State::Cancelled | State::Expired => file["state"] = 4.into(),
    }
    file
}

#[cfg(test)]
mod tests {
    use outhaul_exports::testing::{self, noon};

    use super::*;

    fn echo() -> Echo {
        Echo {
            id: "0".repeat(24),
            email: "jane@acme.example".to_owned(),
            objects: "c_invoices".to_owned(),
            format: "text/csv".to_owned(),
            export_files: false,
            zip_files: false,
            paths: Vec::new(),
            include: Vec::new(),
            expand: Vec::new(),
            filter: None,
            after_script: None,
        }
    }

    #[test]
    fn every_state_has_its_word_and_its_file() {
        let mut export = testing::export("acme", noon());
        let mut seen = Vec::new();
        for state in State::ALL {
            export.state = state;
            let shown = document(&export, &echo());
            let file = shown["dataFile"]["state"].as_u64();
            seen.push((is_there(&export, noon()), shown["state"].clone(), file));
        }
        let expected = [
            (true, json!("pending"), Some(0)),
            (true, json!("running"), Some(1)),
            (true, json!("ready"), Some(2)),
            (true, json!("error"), Some(3)),
            (false, Value::Null, Some(4)),
            (false, Value::Null, Some(4)),
        ];
        assert_eq!(seen, expected);
        export.state = State::Completed;
        export.files_expire_at = Some(noon());
        assert!(!is_there(&export, noon()), "its time is over, swept or not");
        export.files_expire_at = None;
        export.cancel_requested = true;
        assert!(!is_there(&export, noon()), "it was deleted while it ran");
    }
}
