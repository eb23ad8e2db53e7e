//! The envelope of every answer but a file, and a job in it.
//!
//! `{"status":"success","summary":...,"data":...}` with 200 (Zoho Analytics API v2, "Response format").
//! The texts of a job are compared by clients, letter by letter, and the code is a text (Zoho Analytics API v2,
//! "Get export job details"). The reason of a failure, the progress and the rows are ours: readers
//! pass over keys that they do not know.

use axum::body::Body;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header};
use outhaul_exports::export::{Export, State};
use serde_json::{Map, Value, json};

use super::ids::JobNumber;

/// A JSON answer.
pub fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json;charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// An answer to a request that succeeded.
pub fn success(summary: &str, data: &Value) -> Response {
    let body = json!({ "status": "success", "summary": summary, "data": data });
    json_answer(StatusCode::OK, &body)
}

/// The code and the text of a state; of a job that is not there for none.
fn status(state: Option<State>) -> (&'static str, &'static str) {
    match state {
        Some(State::Queued) => ("1001", "JOB NOT INITIATED"),
        Some(State::Running) => ("1002", "JOB IN PROGRESS"),
        Some(State::Failed | State::Cancelled) => ("1003", "ERROR OCCURRED"),
        Some(State::Completed) => ("1004", "JOB COMPLETED"),
        Some(State::Expired) | None => ("1005", "JOB NOT FOUND"),
    }
}

/// The data of an answer about a job. One whose file's time is over is not there any more, swept
/// away or not.
pub fn job(number: JobNumber, export: Option<&Export>, url: &str, now: DateTime<Utc>) -> Value {
    let is_over = |export: &&Export| export.files_expire_at.is_some_and(|end| end <= now);
    let export = export.filter(|export| !is_over(export));
    let (code, text) = status(export.map(|export| export.state));
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| map.insert(key.to_owned(), value);
    set("jobId", number.to_string().into());
    set("jobCode", code.into());
    set("jobStatus", text.into());
    let Some(export) = export else { return map.into() };
    match export.state {
        State::Completed => {
            set("downloadUrl", url.into());
            if let Some(at) = export.files_expire_at {
                set("expiryTime", at.timestamp_millis().to_string().into());
            }
            if let Some(manifest) = &export.manifest {
                set("rows", manifest.rows().into());
                set("bytes", manifest.bytes().into());
            }
            if !export.warnings.is_empty() {
                let all = export.warnings.iter().map(|warning| warning.message.clone());
                set("warnings", all.collect());
            }
        }
        State::Running => {
            let progress = &export.progress;
            let done = json!({
                "rowsRead": progress.rows_read,
                "rowsEstimated": progress.rows_estimated,
                "bytesWritten": progress.bytes_written,
            });
            set("progress", done);
        }
        State::Failed => {
            let reason = export.failure.as_ref().map(|failure| failure.message.clone());
            set("reason", reason.unwrap_or_else(|| "The job failed.".to_owned()).into());
        }
        State::Cancelled => drop(set("reason", "The job was cancelled.".into())),
        State::Queued | State::Expired => {}
    }
    map.into()
}

#[cfg(test)]
mod tests {
    use outhaul_exports::testing;

    use super::*;

    #[test]
    fn every_state_has_its_code() {
        let number = JobNumber::draw(testing::noon());
        let mut export = testing::export("acme", testing::noon());
        let mut codes = Vec::new();
        for state in State::ALL {
            export.state = state;
            let answer = job(number, Some(&export), "https://x/data", testing::noon());
            assert_eq!(answer["jobId"], number.to_string());
            assert_eq!(answer["downloadUrl"].is_string(), state == State::Completed);
            codes.push(answer["jobCode"].as_str().unwrap_or_default().to_owned());
        }
        assert_eq!(codes, ["1001", "1002", "1004", "1003", "1003", "1005"]);
        assert_eq!(job(number, None, "", testing::noon())["jobStatus"], "JOB NOT FOUND");
        export.state = State::Completed;
        export.files_expire_at = Some(testing::noon());
        for (millis, code) in [(-1, "1004"), (0, "1005")] {
            let now = testing::noon() + chrono::TimeDelta::milliseconds(millis);
            assert_eq!(job(number, Some(&export), "", now)["jobCode"], code);
        }
    }
}
