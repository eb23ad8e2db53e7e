//! A job as it is answered.
//!
//! The keys and words are those of Zuora's documentation ("Retrieve an aggregate query job") and of
//! its live answers: `format` in upper case, `version` as a text with one decimal, `message` always
//! there on a query. What has no value is left out.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use outhaul_exports::export::{Export, State};
use outhaul_exports::query::Query;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::config::AquaConfig;
use super::request::{Batch, Job};

/// Characters of a query's message.
const MESSAGE_CHARS_MAX: usize = 2_048;

/// What a job, or one of its queries, is answered in.
pub struct View<'a> {
    /// The zone of times that are not asked for in UTC.
    pub zone: Tz,
    /// The settings.
    pub config: &'a AquaConfig,
}

impl View<'_> {
    /// The answer to a job that was just accepted.
    pub fn submitted(&self, export: &Export) -> Value {
        self.answer(export, "submitted", |_| "pending")
    }

    /// The job as it stands.
    pub fn job(&self, export: &Export) -> Value {
        let failed = self.config.failed_status.word();
        let done = usize::try_from(export.progress.queries_done).unwrap_or(usize::MAX);
        match export.state {
            _ if export.cancel_requested => self.answer(export, "cancelled", |_| "cancelled"),
            // It ran before and waits to be run again.
            State::Queued if export.started_at.is_some() => {
                self.answer(export, "pending", |_| "pending")
            }
            State::Queued => self.answer(export, "submitted", |_| "pending"),
            State::Running => self.answer(export, "executing", |at| match at.cmp(&done) {
                std::cmp::Ordering::Less => "completed",
                std::cmp::Ordering::Equal => "executing",
                std::cmp::Ordering::Greater => "pending",
            }),
            State::Completed | State::Expired => self.answer(export, "completed", |_| "completed"),
            State::Failed => self.answer(export, failed, |_| failed),
            State::Cancelled => self.answer(export, "cancelled", |_| "cancelled"),
        }
    }

    fn answer(
        &self,
        export: &Export,
        status: &str,
        of_batch: impl Fn(usize) -> &'static str,
    ) -> Value {
        let mut body = Map::new();
        body.insert("id".into(), export.id.to_string().into());
        body.insert("status".into(), status.into());
        // What this dialect stored it reads; an echo that is unreadable leaves its fields out.
        let Ok(job) = Job::deserialize(&export.echo) else { return body.into() };
        echo(&job, &mut body);
        if let Some(started) = export.started_at {
            body.insert("startTime".into(), self.time(started, job.date_time_utc).into());
        }
        let batches = job.batches.iter().enumerate();
        let batches = batches.map(|(at, batch)| {
            let mut map = base(batch, of_batch(at), is_full(export, at));
            map.insert("batchId".into(), batch.id.clone().into());
            map.insert("message".into(), message(export, at).into());
            files(export, at, &mut map);
            Value::Object(map)
        });
        body.insert("batches".into(), batches.collect());
        body.into()
    }

    /// `2021-01-18T17:13:48+0000` in UTC where that is asked for, else `2014-09-03 08:20:07` in the
    /// tenant's zone.
    fn time(&self, at: DateTime<Utc>, utc: bool) -> String {
        match utc {
            true => at.format("%Y-%m-%dT%H:%M:%S%z").to_string(),
            false => at.with_timezone(&self.zone).format("%Y-%m-%d %H:%M:%S").to_string(),
        }
    }
}

/// What a refused job repeats of its request.
pub fn refused(job: &Job) -> Map<String, Value> {
    let mut body = Map::new();
    echo(job, &mut body);
    let batches = job.batches.iter().map(|batch| Value::Object(base(batch, "pending", true)));
    body.insert("batches".into(), batches.collect());
    body
}

fn echo(job: &Job, body: &mut Map<String, Value>) {
    let mut set = |key: &str, value: Value| body.insert(key.to_owned(), value);
    set("version", job.version.name().into());
    set("format", job.format.name().into());
    set("encrypted", if job.pgp { "pgp" } else { "none" }.into());
    set("useLastCompletedJobQueries", job.use_last.into());
    set("offset", job.offset.unwrap_or(0).into());
    let texts = [
        ("name", &job.name),
        ("partner", &job.partner),
        ("project", &job.project),
        ("notifyUrl", &job.notify_url),
        ("incrementalTime", &job.incremental_time),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            set(key, text.clone().into());
        }
    }
    if job.live {
        set("sourceData", "LIVE".into());
    }
}

fn base(batch: &Batch, status: &str, full: bool) -> Map<String, Value> {
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| map.insert(key.to_owned(), value);
    if let Some(name) = &batch.name {
        set("name", name.clone().into());
    }
    set("status", status.into());
    set("localizedStatus", status.into());
    set("recordCount", 0.into());
    set("batchType", batch.language.name().into());
    set("apiVersion", batch.shown_api_version().into());
    set("full", full.into());
    set("query", batch.query.clone().into());
    if let Some(list) = &batch.convert_to_currencies {
        set("convertToCurrencies", list.clone().into());
    }
    if let Some(deleted) = &batch.deleted {
        let shown = json!({ "column": deleted.column, "format": deleted.format.name() });
        set("deleted", shown);
    }
    map
}

/// Whether a query gives all of its rows.
fn is_full(export: &Export, at: usize) -> bool {
    match export.spec.queries.get(at).map(|query| &query.query) {
        Some(Query::Select(select)) => !select.is_increment(),
        Some(Query::Sql { .. }) | None => true,
    }
}

/// Why a query stands where it stands: of the one that failed the reason, of the others that they
/// were not delivered. A warning of the run stands on each.
fn message(export: &Export, at: usize) -> String {
    let text = match export.state {
        State::Failed => {
            let reason = export.failure.as_ref().map(|failure| failure.message.as_str());
            let reason = reason.filter(|text| !text.is_empty()).unwrap_or("The job failed.");
            match usize::try_from(export.progress.queries_done).is_ok_and(|done| done == at) {
                true => reason.to_owned(),
                false => format!("Not delivered, because the job failed: {reason}"),
            }
        }
        State::Completed | State::Expired => {
            let warnings: Vec<_> = export.warnings.iter().map(|w| w.message.as_str()).collect();
            warnings.join("; ")
        }
        _ => String::new(),
    };
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

/// The rows and files of a query: one file, or the segments of a full load that is cut.
fn files(export: &Export, at: usize, map: &mut Map<String, Value>) {
    let done = matches!(export.state, State::Completed | State::Expired);
    let Some(manifest) = export.manifest.as_ref().filter(|_| done) else { return };
    let of_query = |query: u32| usize::try_from(query).is_ok_and(|query| query == at);
    let files: Vec<_> = manifest.artifacts.iter().filter(|file| of_query(file.query)).collect();
    map.insert("recordCount".into(), files.iter().map(|file| file.rows).sum::<u64>().into());
    let ids = files.iter().map(|file| file.id.to_string());
    match files.as_slice() {
        [file] if !(export.spec.split.is_some() && is_full(export, at)) => {
            map.insert("fileId".into(), file.id.to_string().into());
        }
        _ => {
            map.insert("segments".into(), ids.collect());
        }
    }
}
