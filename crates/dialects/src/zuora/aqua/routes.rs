//! Path and method to handler, and the handlers of jobs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use chrono_tz::Tz;
use http::{HeaderMap, StatusCode};
use outhaul_exports::export::Export;
use outhaul_exports::principal::{Principal, Tenant};
use outhaul_exports::query::{Query, Select};
use outhaul_exports::service::{RequestKey, Submission};
use outhaul_exports::spec::{
    CallbackBody, CallbackMethod, DecimalStyle, ExportSpec, FormatChoice, FractionStyle, Notice,
    OffsetStyle, QuerySpec, Split, StateWords, ValueOptions,
};
use outhaul_exports::{Error, ErrorKind, ExportId, callback};

use super::ID;
use super::config::AquaConfig;
use super::error::{Code, JobError, Refused};
use super::modes::{self, Bounds, Series};
use super::queries::{self, Context};
use super::request::Job;
use super::response::{View, refused};
use crate::kit::body;
use crate::kit::headers::idempotency_key;
use crate::zuora::Zuora;
use crate::zuora::errors::{Refusal, Trouble, json_answer};
use crate::zuora::export::routes::expect_json;
use crate::zuora::headers::{meaning, narrow_to_orgs};

/// The paths under which the API is reached.
const ROOTS: [&str; 2] = ["/v1/batch-query", "/apps/api/batch-query"];

/// The routes of this dialect alone.
pub fn all() -> Router<Arc<Zuora>> {
    ROOTS.into_iter().fold(Router::new(), |router, root| {
        router
            .route(root, post(submit))
            .route(&format!("{root}/jobs/{{id}}"), get(read).delete(cancel))
            .route(&format!("{root}/jobs/partner/{{partner}}/project/{{project}}"), get(last))
    })
}

type Config = Extension<Arc<AquaConfig>>;

/// `POST /v1/batch-query`.
async fn submit(
    State(zuora): State<Arc<Zuora>>,
    Extension(config): Config,
    Extension(who): Extension<Principal>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    expect_json(&headers)?;
    let body = body::read(&headers, body).await.map_err(Refusal::from)?;
    let idempotency = request_key(&headers, &body)?;
    let tenant = zuora.exports.tenant(&who)?.clone();
    let job = Job::read(&body)?;
    let accepted = async {
        let who = in_orgs(who, &tenant, &headers)?;
        let desk = Desk { zuora: &zuora, config: &config, who: &who, tenant: &tenant };
        let export = desk.submit(job.clone(), idempotency).await?;
        Ok(desk.view().submitted(&export))
    };
    match accepted.await {
        Ok(body) => Ok(json_answer(StatusCode::OK, &body)),
        Err(Refused::Job(error)) => Ok(error.answer(refused(&job))),
        Err(refused) => Err(refused),
    }
}

/// `GET /v1/batch-query/jobs/{id}`.
async fn read(
    State(zuora): State<Arc<Zuora>>,
    Extension(config): Config,
    Extension(who): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let export = find(&zuora, &who, id, Code::NoSuchJob).await?;
    let zone = zuora.exports.tenant(&who)?.zone;
    let body = View { zone, config: &config }.job(&export);
    Ok(json_answer(StatusCode::OK, &body))
}

/// `DELETE /v1/batch-query/jobs/{id}`: the job ends as cancelled, whatever it has done.
async fn cancel(
    State(zuora): State<Arc<Zuora>>,
    Extension(config): Config,
    Extension(who): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let export = find(&zuora, &who, id, Code::NotCancellable).await?;
    if !export.state.is_active() || export.cancel_requested {
        return Err(JobError::plain(Code::NotCancellable).into());
    }
    let cancelled = zuora.exports.cancel(&who, Some(ID), export.id).await;
    let export = cancelled.map_err(|error| match error.kind() {
        // It ended between the look and the act.
        ErrorKind::Conflict | ErrorKind::NotFound => JobError::plain(Code::NotCancellable).into(),
        _ => Refused::from(error),
    })?;
    let zone = zuora.exports.tenant(&who)?.zone;
    let body = View { zone, config: &config }.job(&export);
    Ok(json_answer(StatusCode::OK, &body))
}

/// `GET /v1/batch-query/jobs/partner/{partner}/project/{project}`: the last completed job.
async fn last(
    State(zuora): State<Arc<Zuora>>,
    Extension(config): Config,
    Extension(who): Extension<Principal>,
    names: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Refused> {
    let Ok(Path((partner, project))) = names else {
        return Err(JobError::plain(Code::NoSuchJob).into());
    };
    let series = Series { partner: &partner, project: &project };
    let found = modes::last_completed(&zuora.exports, &who, series).await?;
    let export = found.ok_or_else(|| {
        JobError::of(Code::NoSuchJob, "no job of this partner and project was completed yet")
    })?;
    let zone = zuora.exports.tenant(&who)?.zone;
    let body = View { zone, config: &config }.job(&export);
    Ok(json_answer(StatusCode::OK, &body))
}

/// The caller's job of that id; unknown, another tenant's and no id at all are one answer.
async fn find(
    zuora: &Zuora,
    who: &Principal,
    id: Result<Path<String>, PathRejection>,
    code: Code,
) -> Result<Export, Refused> {
    let id: Option<ExportId> = id.ok().and_then(|Path(id)| id.parse().ok());
    let Some(id) = id else { return Err(JobError::plain(code).into()) };
    zuora.exports.get(who, Some(ID), id).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => JobError::plain(code).into(),
        _ => Refused::from(error),
    })
}

fn request_key(headers: &HeaderMap, body: &[u8]) -> Result<Option<RequestKey>, Refusal> {
    let Some(key) = idempotency_key(headers)? else { return Ok(None) };
    let asked = [body, &meaning(headers)].concat();
    let place = format!("POST {}", ROOTS[0]);
    Ok(Some(RequestKey::new(key, &place, &asked)?))
}

/// Only the orgs that the request names.
fn in_orgs(mut who: Principal, tenant: &Tenant, headers: &HeaderMap) -> Result<Principal, Refused> {
    match narrow_to_orgs(&mut who, tenant, headers) {
        Ok(()) => Ok(who),
        Err(refusal) if refusal.trouble == Trouble::Forbidden => {
            Err(JobError::of(Code::Unauthorized, refusal.message).into())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// What a job is accepted with.
struct Desk<'a> {
    zuora: &'a Zuora,
    config: &'a AquaConfig,
    who: &'a Principal,
    tenant: &'a Tenant,
}

impl Desk<'_> {
    fn view(&self) -> View<'_> {
        View { zone: self.tenant.zone, config: self.config }
    }

    async fn submit(&self, job: Job, idempotency: Option<RequestKey>) -> Result<Export, Refused> {
        let (exports, who) = (&self.zuora.exports, self.who);
        let now = exports.now();
        if let Some(series) = Series::of(&job) {
            series.admit(self.config)?;
        }
        let bounds = Bounds::of(&job, self.config, now)?;
        let job = modes::with_last_queries(exports, who, job).await?;
        let series = Series::of(&job);
        let context = Context {
            catalog: exports.catalog(who)?,
            tenant: self.tenant,
            now,
            rates: self.zuora.rate_table.as_ref(),
            error_detail: self.config.error_detail,
            deleted_on_every_object: self.config.deleted_on_every_object,
        };
        let mut selects = queries::compiled(&job, series.is_some(), &context)?;
        selects.iter_mut().for_each(|select| bounds.narrow(select));
        let session = series
            .map(|series| modes::ask(&job, series, &selects, &who.scope, self.config))
            .transpose()?;
        let echo = serde_json::to_value(&job)
            .map_err(|error| Error::internal("a job's echo was not written").with_source(error))?;
        let spec = ExportSpec {
            label: job.name.clone(),
            description: None,
            queries: named(&job, selects),
            format: FormatChoice { values: self.values(&job), ..FormatChoice::plain("csv") },
            packing: job.format.packing(),
            row_numbers: None,
            documents: None,
            archive: None,
            split: self.config.segment_rows.filter(|_| session.is_some()).map(Split::FullRows),
            sealing_key: None,
            encryption_key: self.encryption_key(&job)?,
            password: None,
            notices: self.notice(&job)?.into_iter().collect(),
            session: None,
        };
        let submission = Submission { session, idempotency, ..Submission::of(ID, spec, echo) };
        Ok(exports.submit(who, submission).await?)
    }

    /// How AQuA writes values: datetimes to the second with a bare offset, in the tenant's zone or
    /// in UTC (live samples).
    fn values(&self, job: &Job) -> ValueOptions {
        ValueOptions {
            null: job.null_replacement.clone(),
            zone: if job.date_time_utc { Tz::UTC } else { self.tenant.zone },
            offset: OffsetStyle::Plain,
            fraction: FractionStyle::Seconds,
            decimals: DecimalStyle::Trimmed,
        }
    }

    fn encryption_key(&self, job: &Job) -> Result<Option<String>, JobError> {
        if !job.pgp {
            return Ok(None);
        }
        let key = self.zuora.exports.encryption_key(self.who);
        key.map(Some).map_err(|error| JobError::of(Code::Internal, error.public()))
    }

    /// Who is told of the end.
    fn notice(&self, job: &Job) -> Result<Option<Notice>, JobError> {
        const PLACES: [(&str, &str); 2] =
            [("${JOBID}", callback::EXPORT_PLACE), ("${STATUS}", callback::STATE_PLACE)];
        let Some(url) = &job.notify_url else { return Ok(None) };
        let missing = PLACES.iter().find(|(place, _)| !url.contains(place));
        if let Some((place, _)) = missing.filter(|_| self.config.notify_url_needs_placeholders) {
            let why = format!("it lacks the placeholder {place}");
            return Err(JobError::of(Code::NotifyUrl, why));
        }
        let url = template(url, &PLACES);
        let checked = self.zuora.exports.check_callback_url("notifyUrl", &url);
        checked.map_err(|error| JobError::of(Code::NotifyUrl, error.public()))?;
        Ok(Some(Notice::Callback {
            method: CallbackMethod::Get,
            url,
            words: StateWords::new("Completed", "Aborted"),
            body: CallbackBody::None,
        }))
    }
}

/// A URL with other words for its places. What else holds a brace is no place.
fn template(url: &str, places: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(url.len());
    let mut rest = url;
    'text: while let Some(first) = rest.chars().next() {
        for (from, to) in places {
            if let Some(behind) = rest.strip_prefix(from) {
                out.push_str(to);
                rest = behind;
                continue 'text;
            }
        }
        match first {
            '{' => out.push_str("%7B"),
            '}' => out.push_str("%7D"),
            other => out.push(other),
        }
        rest = &rest[first.len_utf8()..];
    }
    out
}

fn named(job: &Job, selects: Vec<Select>) -> Vec<QuerySpec> {
    let queries = job.batches.iter().zip(selects);
    let spec = |(batch, select): (&super::request::Batch, Select)| QuerySpec {
        name: batch.name.clone(),
        query: Query::Select(Box::new(select)),
    };
    queries.map(spec).collect()
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn only_the_placeholders_are_places() {
        let places = [("${JOBID}", "{export}"), ("${STATUS}", "{state}")];
        for (url, expected) in [
            ("https://x/?j=${JOBID}&s=${STATUS}", "https://x/?j={export}&s={state}"),
            ("https://x/{export}", "https://x/%7Bexport%7D"),
            ("https://x/${JOBID}${", "https://x/{export}$%7B"),
            ("https://x/$${JOBID}}é", "https://x/${export}%7Dé"),
        ] {
            assert_eq!(template(url, &places), expected);
        }
    }
}
