//! The POST that tells the end of a job: the data of the job's answer, without its envelope (Zoho
//! Analytics API v2, "Export data", `callbackUrl`).

use outhaul_exports::ErrorKind;
use outhaul_exports::callback::EXPIRY_PLACE;
use outhaul_exports::spec::{CallbackBody, CallbackMethod, Notice, StateWords};
use serde_json::json;

use super::App;
use super::error::Trouble;
use super::ids::JobNumber;

const KEY: &str = "callbackUrl";

/// Who is told when a job ends.
///
/// # Errors
/// 8125 for what is no URL, 8127 for one to which nothing is sent.
pub fn notice(app: &App, url: &str, number: JobNumber, download: &str) -> Result<Notice, Trouble> {
    let id = number.to_string();
    // Braces would be read as places.
    let url = url.replace('{', "%7B").replace('}', "%7D");
    app.exports.check_callback_url(KEY, &url).map_err(|error| refused(&url, &error))?;
    let completed = json!({
        "jobId": id, "jobCode": "1004", "jobStatus": "JOB COMPLETED",
        "downloadUrl": download, "expiryTime": EXPIRY_PLACE,
    });
    let failed = json!({ "jobId": id, "jobCode": "1003", "jobStatus": "ERROR OCCURRED" });
    Ok(Notice::Callback {
        method: CallbackMethod::Post,
        url,
        words: StateWords::new("1004", "1003"),
        body: CallbackBody::Own { completed: completed.to_string(), failed: failed.to_string() },
    })
}

/// Whether the URL is none at all, or one that this server does not call.
fn refused(url: &str, error: &outhaul_exports::Error) -> Trouble {
    let text = format!("{KEY}: {}", error.public());
    let is_url = url.parse::<http::Uri>().is_ok_and(|url| {
        url.host().is_some() && matches!(url.scheme_str(), Some("http" | "https"))
    });
    match is_url || *error.kind() == ErrorKind::Unsupported {
        true => Trouble::callback_restricted(text),
        false => Trouble::callback_invalid(text),
    }
}
