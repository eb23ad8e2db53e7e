//! Stateless and stateful: what a session makes of a job.
//!
//! A job of version 1.1 or 1.2 that names a partner and a project belongs to a series: its first job
//! gives all rows, each later one what was created or changed since, query by query. The neutral
//! sessions keep the marks; here is what is AQuA's own: how a series is called, which query goes on
//! which mark, `offset`, `incrementalTime`, and the queries of the last job. (Zuora documentation,
//! "Stateless and stateful modes".)

use chrono::{DateTime, TimeDelta, Utc};
use outhaul_exports::access::sha256_hex;
use outhaul_exports::export::{Export, State};
use outhaul_exports::limits::SESSION_NAME_CHARS_MAX;
use outhaul_exports::ports::ListFilter;
use outhaul_exports::principal::{Principal, TenantScope};
use outhaul_exports::query::Select;
use outhaul_exports::service::SessionAsk;
use outhaul_exports::session::{Advance, SessionQuery, fingerprint_of};
use outhaul_exports::{Exports, Result};
use serde::Deserialize;

use super::ID;
use super::config::AquaConfig;
use super::error::{Code, JobError, Refused};
use super::request::{Job, Version, too_many};
use crate::zuora::zoql::literal::{self, Moment};

/// After so many days without a job a series begins anew.
const MARK_DAYS_MAX: i64 = 180;
/// Hexadecimal digits of the hash in a session's name.
const HASH_DIGITS: usize = 12;

/// The partner and project of a stateful job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series<'a> {
    /// Who.
    pub partner: &'a str,
    /// For what.
    pub project: &'a str,
}

impl<'a> Series<'a> {
    /// Of a job; none for a stateless one.
    pub fn of(job: &'a Job) -> Option<Self> {
        let (partner, project) = (job.partner.as_deref()?, job.project.as_deref()?);
        (job.version >= Version::V1_1).then_some(Self { partner, project })
    }

    /// Refuses a partner that is not registered.
    ///
    /// # Errors
    /// 90019.
    pub fn admit(self, config: &AquaConfig) -> Result<(), JobError> {
        let known = config.partners.is_empty() || config.partners.iter().any(|p| p == self.partner);
        match known && !self.partner.chars().any(char::is_control) {
            true => Ok(()),
            false => Err(JobError::plain(Code::Partner)),
        }
    }

    /// The name of its session: what a person recognises of both, and a hash of exactly both.
    pub fn session_name(self) -> String {
        let hash = sha256_hex(&format!("{}\0{}", self.partner, self.project));
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let both = self.partner.chars().chain(['.']).chain(self.project.chars());
        let most = SESSION_NAME_CHARS_MAX - HASH_DIGITS - 2;
        let both: String = both.map(|c| if c == '.' { c } else { plain(c) }).take(most).collect();
        format!("s{}.{}", both.replace('.', "_"), &hash[..HASH_DIGITS])
    }
}

/// Where a job's queries begin and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// What `incrementalTime` says.
    pub from: Option<DateTime<Utc>>,
    /// What `offset` says.
    pub until: Option<DateTime<Utc>>,
}

impl Bounds {
    /// Of a job.
    ///
    /// # Errors
    /// 90015.
    pub fn of(job: &Job, config: &AquaConfig, now: DateTime<Utc>) -> Result<Self, JobError> {
        let stateful = Series::of(job).is_some();
        let from = match &job.incremental_time {
            None => None,
            Some(_) if !stateful => {
                let why = "it belongs to stateful jobs: send version 1.1, partner and project, or \
                           put the time into the where clause";
                return Err(JobError::of(Code::IncrementalTime, why));
            }
            Some(text) => Some(moment(text, now, config)?),
        };
        let seconds = job.offset.unwrap_or(config.offset_secs);
        let behind = (stateful && seconds > 0).then(|| TimeDelta::seconds(seconds.into()));
        Ok(Self { from, until: behind.map(|behind| now - behind) })
    }

    /// Puts them on a query.
    pub fn narrow(&self, select: &mut Select) {
        (select.changed_from, select.changed_until) = (self.from, self.until);
    }
}

/// `2015-01-21 10:30:01`, also with a T, and with a zone.
fn moment(text: &str, now: DateTime<Utc>, config: &AquaConfig) -> Result<DateTime<Utc>, JobError> {
    let wrong = |why: String| JobError::of(Code::IncrementalTime, why);
    let trimmed = text.trim();
    if !trimmed.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(wrong("write YYYY-MM-DD hh:mm:ss".to_owned()));
    }
    let iso = match trimmed.split_once(' ') {
        Some((day, time)) if time.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{day}T{time}")
        }
        _ => trimmed.to_owned(),
    };
    match literal::read(&iso, now, config.incremental_time_zone.0).map_err(wrong)? {
        Moment::Instant(at) => Ok(at),
        Moment::Day { from, .. } => Ok(from),
    }
}

/// Adds the queries of the series' last completed job, where the job asks for them: all of them when
/// it has none of its own, else those whose names it does not use itself.
///
/// # Errors
/// 90016 when there are no queries at all, 90004 for too many.
pub async fn with_last_queries(
    exports: &Exports,
    who: &Principal,
    mut job: Job,
) -> Result<Job, Refused> {
    let series = Series::of(&job);
    if job.batches.is_empty() || job.use_last {
        let last = match series {
            Some(series) => last_completed(exports, who, series).await?,
            None => None,
        };
        let earlier = last.and_then(|export| Job::deserialize(&export.echo).ok());
        let mut batches = earlier.map(|job| job.batches).unwrap_or_default();
        batches
            .retain(|old| job.batches.iter().all(|new| new.name.is_none() || new.name != old.name));
        for batch in &mut batches {
            batch.id = outhaul_exports::id::secret(16);
        }
        batches.append(&mut job.batches);
        job.batches = batches;
    }
    if job.batches.is_empty() {
        return Err(JobError::plain(Code::NoQueries).into());
    }
    too_many(job.batches.len())?;
    Ok(job)
}

/// The last job of a series that was completed.
///
/// # Errors
/// `Unavailable` when the store is away.
pub async fn last_completed(
    exports: &Exports,
    who: &Principal,
    series: Series<'_>,
) -> Result<Option<Export>> {
    let filter = ListFilter {
        tenant: who.tenant.clone(),
        dialect: Some(ID.to_owned()),
        states: vec![State::Completed, State::Expired],
        session: Some(series.session_name()),
        label: None,
        before: None,
        kept_at: None,
        most: 1,
    };
    Ok(exports.list(who, filter).await?.into_iter().next())
}

/// How a job enters its session.
///
/// # Errors
/// `Internal` when a query cannot be written down.
pub fn ask(
    job: &Job,
    series: Series<'_>,
    selects: &[Select],
    scope: &TenantScope,
    config: &AquaConfig,
) -> Result<SessionAsk> {
    let mut queries: Vec<SessionQuery> = Vec::with_capacity(selects.len());
    for (batch, select) in job.batches.iter().zip(selects) {
        let base = batch.name.as_deref().unwrap_or(&select.object);
        let taken = |name: &str| queries.iter().any(|query| query.name == name);
        let mut name = base.to_owned();
        let mut count = 1;
        while taken(&name) {
            count += 1;
            name = format!("{base} ({count})");
        }
        // A query goes on while its text and the column of deleted rows stay as they are.
        let fingerprint = fingerprint_of(&(&batch.query, &batch.deleted), scope)?;
        queries.push(SessionQuery { name, fingerprint });
    }
    Ok(SessionAsk {
        // Rows from a given time on are read beside the series.
        advance: match job.incremental_time {
            Some(_) => Advance::Never,
            None => config.advance(),
        },
        queries: Some(queries),
        mark_age_max: Some(TimeDelta::days(MARK_DAYS_MAX)),
        ..SessionAsk::named(series.session_name())
    })
}
