//! Jobs on the wire (Userpilot's OpenAPI document and its page "Export job status"). Everything is
//! a text, also numbers; what is not known yet is an empty one, because typed clients expect a text.

use chrono::{DateTime, SecondsFormat, Utc};
use outhaul_exports::ExportId;
use outhaul_exports::export::{Export, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::config::Environment;

/// What the dialect finds again on an export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// The days that the job spans: its chunks.
    #[serde(default)]
    pub days: Vec<String>,
}

impl Echo {
    fn of(export: &Export) -> Self {
        // Cannot fail for what this dialect wrote; another version's echo has no days.
        Self::deserialize(&export.echo).unwrap_or_default()
    }
}

/// A job that was started.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobStarted {
    /// The app token of the environment.
    #[schema(example = "NX-RE213S2")]
    pub environment_app_token: String,
    /// The name of the environment.
    #[schema(example = "production")]
    pub environment_name: String,
    /// The job's id.
    #[schema(example = "123e4567-e89b-12d3-a456-426614174000")]
    pub job_id: String,
    /// Where the job is.
    pub links: String,
    /// When it was started.
    #[schema(example = "2026-06-01T12:00:00Z")]
    pub start_time: String,
    /// The job's id again, for scripts that look for it here. Not Userpilot's.
    pub id: String,
    /// `pending`. Not Userpilot's.
    pub status: &'static str,
}

/// A job as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Job {
    /// The app token of the environment.
    pub app_token: String,
    /// The job's id.
    pub job_id: String,
    /// The job's id again. Not Userpilot's.
    pub id: String,
    /// `export`.
    #[serde(rename = "type")]
    pub job_type: &'static str,
    /// `pending`, `processing`, `completed` or `failed`.
    pub status: &'static str,
    /// How much of it is done, in per cent, as digits.
    #[schema(example = "42")]
    pub progress: String,
    /// When it was started.
    pub start_time: String,
    /// When it ended; empty until then.
    pub end_time: String,
    /// The chunks, which are the calendar days, in UTC, that the job spans.
    pub all_chunks: Vec<String>,
    /// The chunks that are written.
    pub completed_chunks: Vec<String>,
    /// The chunk that is being written; empty when none is.
    pub current_chunk: String,
    /// The files of a completed job, one for each chunk that has rows.
    pub presigned_urls: Vec<PresignedUrl>,
    /// Rows written so far. Not Userpilot's.
    pub rows: u64,
    /// Why a failed job failed. Not Userpilot's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView>,
    /// When the links stop and the files go; absent until the job has completed. Not Userpilot's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A finished file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PresignedUrl {
    /// `JOB/CHUNK.FORMAT`, with `.gz` where it is compressed.
    #[schema(example = "123e4567-e89b-12d3-a456-426614174000/2026-01-31.ndjson.gz")]
    pub filename: String,
    /// Where it is downloaded, without any header.
    pub url: String,
    /// Rows in it. Not Userpilot's.
    pub rows: u64,
    /// Its length. Not Userpilot's.
    pub bytes: u64,
    /// SHA-256 of it, in hexadecimal. Not Userpilot's.
    pub sha256: String,
}

/// Why a job failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailureView {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// A job in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobListItem {
    /// The job's id.
    pub job_id: String,
    /// The job's id again. Not Userpilot's.
    pub id: String,
    /// As in the job itself.
    pub status: &'static str,
    /// As in the job itself.
    pub progress: String,
    /// When it was started.
    pub start_time: String,
    /// When it ended; empty until then.
    pub end_time: String,
    /// How long it took, or takes so far: hours, minutes and seconds.
    #[schema(example = "00:01:05")]
    pub elapsed_time: String,
    /// The same in seconds.
    #[schema(example = "65")]
    pub elapsed_time_seconds: String,
}

impl JobStarted {
    /// The answer to a request that was accepted.
    pub fn of(export: &Export, environment: Environment, links: String) -> Self {
        let job_id = job_id(export.id);
        Self {
            environment_app_token: environment.app_token,
            environment_name: environment.name,
            links,
            start_time: moment(Some(export.created_at)),
            id: job_id.clone(),
            status: "pending",
            job_id,
        }
    }
}

impl Job {
    /// The job of an export, with the addresses of its files.
    pub fn of(export: &Export, environment: Environment, files: Vec<PresignedUrl>) -> Self {
        let chunks = Chunks::of(export);
        let job_id = job_id(export.id);
        let failed = export.failure.as_ref().filter(|_| export.state == State::Failed);
        Self {
            app_token: environment.app_token,
            id: job_id.clone(),
            job_id,
            job_type: "export",
            status: status(export.state),
            progress: chunks.percent(export).to_string(),
            start_time: moment(Some(export.created_at)),
            end_time: moment(export.finished_at),
            completed_chunks: chunks.all[..chunks.done].to_vec(),
            current_chunk: chunks.current.unwrap_or_default(),
            all_chunks: chunks.all,
            presigned_urls: files,
            rows: export.progress.rows_encoded,
            failure: match export.state {
                State::Cancelled => Some(FailureView {
                    code: "cancelled".to_owned(),
                    message: "the job was cancelled".to_owned(),
                }),
                _ => failed.map(|failure| FailureView {
                    code: failure.code.clone(),
                    message: failure.message.clone(),
                }),
            },
            expires_at: export.files_expire_at.map(|at| moment(Some(at))),
        }
    }
}

impl JobListItem {
    /// The line of an export.
    pub fn of(export: &Export, now: DateTime<Utc>) -> Self {
        let end = export.finished_at.unwrap_or(now);
        let seconds = (end - export.created_at).num_seconds().max(0);
        let id = job_id(export.id);
        Self {
            job_id: id.clone(),
            id,
            status: status(export.state),
            progress: Chunks::of(export).percent(export).to_string(),
            start_time: moment(Some(export.created_at)),
            end_time: moment(export.finished_at),
            elapsed_time: format!(
                "{:02}:{:02}:{:02}",
                seconds / 3_600,
                seconds / 60 % 60,
                seconds % 60
            ),
            elapsed_time_seconds: seconds.to_string(),
        }
    }
}

/// The chunks of a job, and how far it is among them. Rows come in their order in time, so that
/// every day before the one that is being written is done, whether it has rows or not.
struct Chunks {
    all: Vec<String>,
    done: usize,
    current: Option<String>,
}

impl Chunks {
    fn of(export: &Export) -> Self {
        let all = Echo::of(export).days;
        let current = export.progress.part.clone().filter(|_| export.state == State::Running);
        let done = match export.state {
            State::Completed | State::Expired => all.len(),
            _ => current.as_ref().map_or(0, |now| all.partition_point(|day| day < now)),
        };
        Self { all, done, current }
    }

    fn percent(&self, export: &Export) -> usize {
        match export.state {
            State::Completed | State::Expired => 100,
            // Nothing of it is left.
            State::Failed | State::Cancelled | State::Queued => 0,
            State::Running => self.done * 100 / self.all.len().max(1),
        }
    }
}

fn status(state: State) -> &'static str {
    match state {
        State::Queued => "pending",
        State::Running => "processing",
        State::Completed | State::Expired => "completed",
        State::Failed | State::Cancelled => "failed",
    }
}

fn moment(at: Option<DateTime<Utc>>) -> String {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
}

/// The id as Userpilot writes ids: a UUID.
pub fn job_id(id: ExportId) -> String {
    let text = id.to_string();
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    parts.join("-")
}

/// The export of a job's id, with hyphens or without.
pub fn export_id(job: &str) -> Option<ExportId> {
    let hyphens: Vec<usize> = job.match_indices('-').map(|(at, _)| at).collect();
    let sound = hyphens.is_empty() || hyphens == [8, 13, 18, 23];
    sound.then(|| job.replace('-', "").to_ascii_lowercase().parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids() {
        let id: ExportId = "0123456789abcdef0123456789abcdef".parse().expect("it is an id");
        assert_eq!(job_id(id), "01234567-89ab-cdef-0123-456789abcdef");
        for known in [job_id(id), job_id(id).to_uppercase(), id.to_string()] {
            assert_eq!(export_id(&known), Some(id), "{known}");
        }
        for wrong in ["", "-", "0123", "0-1234567-89ab-cdef-0123-456789abcdef"] {
            assert_eq!(export_id(wrong), None, "{wrong}");
        }
    }
}
