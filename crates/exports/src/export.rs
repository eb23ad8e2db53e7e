//! The life of an export: its states, and every way from one to another.
//!
//! ```text
//!            submit                lease                 finish
//!   (client) ------>  Queued  ------------>  Running  ------------>  Completed ----> Expired
//!                      ^  |                  |  |  |                    (files' time is over)
//!                      |  | cancel           |  |  `--- finish ---->  Failed
//!                      |  `--> Cancelled <---'  |                       |
//!                      |          finish        | retry, rescue,        | retry by the client
//!                      `------------------------+ release               |
//!                      `------------------------------------------------'
//! ```
//!
//! Every transition is a function here and nowhere else; a store applies one inside a transaction,
//! so that of two that race, one wins and the other is refused. Cancelling a running export is a
//! request that its worker sees with the next heartbeat.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::after;
use crate::lease::{Incarnation, Lease, LeaseToken};
use crate::limits;
use crate::manifest::{Manifest, Warning};
use crate::password::Password;
use crate::policy::Policy;
use crate::principal::{TenantId, TenantScope};
use crate::spec::ExportSpec;
use crate::{ArtifactId, Error, ExportId, Result};

/// An export as the store remembers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// The dialect it was created through.
    pub dialect: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// The credential that created it.
    pub created_by: String,
    /// Which rows its queries may see.
    pub scope: TenantScope,
    /// What is asked for.
    pub spec: ExportSpec,
    /// What it is held to.
    pub policy: Policy,
    /// What the dialect needs to answer its client later; nobody else reads it.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub echo: serde_json::Value,
    /// Where it stands.
    pub state: State,
    /// Whether its cancellation was asked for.
    #[serde(default)]
    pub cancel_requested: bool,
    /// The lease under which it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// What happened to it so far.
    #[serde(default)]
    pub tally: Tally,
    /// It is not run again before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<DateTime<Utc>>,
    /// How far the running attempt is.
    #[serde(default)]
    pub progress: Progress,
    /// Why it failed, or why its last attempt did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What the reader of its files must know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
    /// Files that were sent to their ends, where that moves its session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<ArtifactId>,
    /// When it moved its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When its first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it reached a final state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// When its files go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_expire_at: Option<DateTime<Utc>>,
    /// When its record goes: never before its files.
    pub record_expires_at: DateTime<Utc>,
}

/// Where an export stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted and waiting for a worker. Entered by submit, retry, rescue and release; left by
    /// lease and cancel.
    Queued,
    /// A worker holds a lease on it. Left by finish, or back to `Queued` when the lease is lost.
    Running,
    /// Its files are published. Left when their time is over.
    Completed,
    /// It ended without files; `failure` says why. Left only by a retry that the client asks for.
    Failed,
    /// It was cancelled. Final.
    Cancelled,
    /// It was completed and its files are gone; the record stays for its own time.
    Expired,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Its name in the store, in the native API and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether it counts against the limit of active exports.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// What happened to an export so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Leases granted.
    pub attempts: u32,
    /// Attempts that ended in an error that may pass.
    pub errors: u32,
    /// Attempts that killed their slot.
    pub crashes: u32,
    /// Leases lost because the process that held them died or fell silent.
    pub rescues: u32,
}

/// How far an attempt is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Rows read from the source.
    pub rows_read: u64,
    /// Rows handed to the encoder.
    pub rows_encoded: u64,
    /// Bytes written, packed.
    pub bytes_written: u64,
    /// Rows expected in all, where the source can tell.
    pub rows_estimated: Option<u64>,
    /// Queries finished.
    pub queries_done: u32,
    /// The part that is being written, where queries are split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Files that rows refer to and whose contents are in the archive.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub files_done: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A word for programs, such as `memory_limit`.
    pub code: String,
    /// A sentence for the customer, without cell values, paths or secrets.
    pub message: String,
}

impl Failure {
    /// A failure whose message is cut to what is kept.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let message: String = message.into().chars().take(limits::FAILURE_CHARS_MAX).collect();
        Self { code: code.into(), message }
    }
}

/// How an attempt ended, as its worker says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All files are written and whole.
    Completed {
        /// The files.
        manifest: Manifest,
        /// What their reader must know.
        warnings: Vec<Warning>,
        /// The last figures.
        progress: Progress,
    },
    /// It cannot succeed.
    Failed(Failure),
    /// It may succeed later.
    Retry(Failure),
    /// The slot died under it.
    Crashed(Failure),
    /// It was stopped because its cancellation was asked for.
    Cancelled,
    /// The worker stops before the work is done; nothing is charged.
    Released,
}

impl Export {
    /// Queued -> Running.
    ///
    /// # Errors
    /// `Conflict` when it is not queued, or is not due yet.
    pub fn start(
        &mut self,
        holder: &Incarnation,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseToken> {
        if self.state != State::Queued || self.not_before.is_some_and(|at| now < at) {
            return Err(Error::conflict("the export is not due"));
        }
        let token = LeaseToken::random();
        self.state = State::Running;
        self.lease = Some(Lease { token: token.clone(), holder: holder.clone(), until: now + ttl });
        self.tally.attempts += 1;
        self.not_before = None;
        self.progress = Progress::default();
        self.started_at.get_or_insert(now);
        self.updated_at = now;
        Ok(token)
    }

    /// Whether `token` holds the lease now.
    pub fn is_held_by(&self, token: &LeaseToken) -> bool {
        self.state == State::Running && self.lease.as_ref().is_some_and(|l| l.token == *token)
    }

    /// Running -> what the outcome says. The caller has checked that the lease is held.
    pub fn finish(&mut self, outcome: Outcome, now: DateTime<Utc>) {
        match outcome {
            // Whoever cancelled it was told that it ends so; its files are nobody's.
            Outcome::Completed { .. } if self.cancel_requested => self.end(State::Cancelled, now),
            Outcome::Completed { manifest, warnings, progress } => {
                let kept = Duration::from_secs(self.policy.file_kept_secs);
                let gone_at = after(now, kept);
                self.files_expire_at = Some(gone_at);
                // The record is what the files are found by.
                self.record_expires_at = self.record_expires_at.max(gone_at);
                self.manifest = Some(manifest);
                self.warnings = warnings;
                self.progress = progress;
                self.failure = None;
                self.end(State::Completed, now);
            }
            Outcome::Cancelled => self.end(State::Cancelled, now),
            Outcome::Failed(failure) => self.fail(failure, now),
            Outcome::Retry(failure) => {
                self.tally.errors += 1;
                if self.tally.errors >= limits::ATTEMPTS_MAX {
                    return self.fail(failure, now);
                }
                let pause = retry_pause(self.tally.errors);
                self.failure = Some(failure);
                self.requeue(Some(after(now, pause)), now);
            }
            Outcome::Crashed(failure) => {
                self.tally.crashes += 1;
                if self.tally.crashes >= limits::CRASHES_MAX {
                    return self.fail(failure, now);
                }
                self.failure = Some(failure);
                self.requeue(None, now);
            }
            Outcome::Released => self.requeue(None, now),
        }
    }

    /// Running -> Queued because the holder is gone; Failed when that happened too often.
    pub fn rescue(&mut self, now: DateTime<Utc>) {
        self.tally.rescues += 1;
        if self.tally.rescues >= limits::RESCUES_MAX {
            let text = "the export's worker vanished too many times";
            return self.fail(Failure::new("worker_lost", text), now);
        }
        self.requeue(None, now);
    }

    /// Queued -> Cancelled; for a running export it records the request.
    ///
    /// # Errors
    /// `Conflict` when it is final already.
    pub fn cancel(&mut self, now: DateTime<Utc>) -> Result<()> {
        match self.state {
            State::Queued => self.end(State::Cancelled, now),
            State::Running => {
                self.cancel_requested = true;
                self.updated_at = now;
            }
            State::Cancelled => {}
            other => {
                return Err(Error::conflict(format!("the export is {} already", other.name())));
            }
        }
        Ok(())
    }

    /// Failed -> Queued, by the client's wish, with a clean tally.
    ///
    /// # Errors
    /// `Conflict` when it has not failed, and when its files were to have a password, which is
    /// forgotten by now.
    pub fn retry(&mut self, now: DateTime<Utc>) -> Result<()> {
        if self.state != State::Failed {
            return Err(Error::conflict(format!(
                "only a failed export can be retried; this one is {}",
                self.state.name()
            )));
        }
        if self.spec.password.is_some() {
            let text =
                "the password of its files was forgotten when it failed: create a new export";
            return Err(Error::conflict(text));
        }
        self.tally = Tally::default();
        self.failure = None;
        self.finished_at = None;
        // Of the run that failed: the wish to retry came after the wish to cancel.
        self.cancel_requested = false;
        self.record_expires_at = self.policy.record_end(now);
        self.requeue(None, now);
        Ok(())
    }

    /// Completed -> Expired, once the files' time is over.
    pub fn expire(&mut self, now: DateTime<Utc>) {
        if self.state == State::Completed && self.files_expire_at.is_some_and(|at| at <= now) {
            self.state = State::Expired;
            self.updated_at = now;
        }
    }

    /// The export as it was answered when it was created: what a repeated request is answered.
    #[must_use]
    pub fn as_created(&self) -> Self {
        Self {
            state: State::Queued,
            cancel_requested: false,
            lease: None,
            tally: Tally::default(),
            not_before: None,
            progress: Progress::default(),
            failure: None,
            warnings: Vec::new(),
            manifest: None,
            sent: Vec::new(),
            acknowledged_at: None,
            updated_at: self.created_at,
            started_at: None,
            finished_at: None,
            files_expire_at: None,
            record_expires_at: self.policy.record_end(self.created_at),
            ..self.clone()
        }
    }

    fn requeue(&mut self, not_before: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        if self.cancel_requested {
            return self.end(State::Cancelled, now);
        }
        self.state = State::Queued;
        self.lease = None;
        self.not_before = not_before;
        self.updated_at = now;
    }

    fn fail(&mut self, failure: Failure, now: DateTime<Utc>) {
        self.failure = Some(failure);
        // Why it failed can be read for as long as its files could have been.
        let kept = after(now, Duration::from_secs(self.policy.file_kept_secs));
        self.record_expires_at = self.record_expires_at.max(kept);
        self.end(State::Failed, now);
    }

    fn end(&mut self, state: State, now: DateTime<Utc>) {
        self.state = state;
        self.lease = None;
        self.not_before = None;
        self.finished_at = Some(now);
        self.updated_at = now;
        // Nothing is written any more.
        if let Some(password) = &mut self.spec.password {
            *password = Password::Forgotten;
        }
    }
}

/// The pause doubles with each error, up to a limit.
fn retry_pause(errors: u32) -> Duration {
    let doubled = limits::RETRY_PAUSE * 2u32.saturating_pow(errors.saturating_sub(1).min(16));
    doubled.min(limits::RETRY_PAUSE_MAX)
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::manifest::SnapshotNote;
    use crate::testing;

    fn running(now: DateTime<Utc>) -> Export {
        let mut export = testing::export("acme", now);
        export.start(&Incarnation::random(), now, TimeDelta::seconds(15)).expect("it is queued");
        export
    }

    #[test]
    fn an_error_that_may_pass_is_repeated_a_few_times_with_growing_pauses() {
        let now = testing::noon();
        let mut export = testing::export("acme", now);
        let mut pauses = Vec::new();
        while export.state == State::Queued {
            let at = export.not_before.unwrap_or(now);
            export.start(&Incarnation::random(), at, TimeDelta::seconds(15)).expect("it is due");
            export.finish(Outcome::Retry(Failure::new("source_away", "it is away")), at);
            pauses.extend(export.not_before.map(|next| (next - at).num_seconds()));
        }
        assert_eq!(pauses, [2, 4, 8, 16]);
        assert_eq!((export.state, export.tally.attempts), (State::Failed, 5));
    }

    #[test]
    fn three_crashes_end_it_and_a_retry_begins_anew() {
        let now = testing::noon();
        let mut export = testing::export("acme", now);
        for _ in 0..3 {
            export
                .start(&Incarnation::random(), now, TimeDelta::seconds(15))
                .expect("it is queued");
            export.finish(Outcome::Crashed(Failure::new("worker_crashed", "it died")), now);
        }
        assert_eq!(export.state, State::Failed);
        export.retry(now).expect("it has failed");
        assert_eq!((export.state, export.tally.crashes), (State::Queued, 0));
    }

    #[test]
    fn a_cancelled_run_never_comes_back() {
        let now = testing::noon();
        for outcome in [
            Outcome::Released,
            Outcome::Retry(Failure::new("x", "y")),
            Outcome::Cancelled,
            whole(now),
        ] {
            let mut export = running(now);
            export.cancel(now).expect("it runs");
            assert_eq!(export.state, State::Running);
            export.finish(outcome, now);
            assert_eq!((export.state, export.manifest), (State::Cancelled, None));
        }
    }

    #[test]
    fn a_record_never_goes_before_the_files() {
        let now = testing::noon();
        let mut export = testing::export("acme", now);
        let created = export.clone();
        let record = export.record_expires_at;
        export.policy.file_kept_secs = 3_600;
        let mut quick = export.clone();
        complete(&mut quick, now);
        assert_eq!(quick.record_expires_at, record, "it lasts long enough");
        // It waited for almost as long as its record is kept.
        let late = record - TimeDelta::seconds(1);
        let mut slow = export;
        complete(&mut slow, late);
        assert_eq!(slow.files_expire_at, Some(late + TimeDelta::seconds(3_600)));
        assert_eq!(Some(slow.record_expires_at), slow.files_expire_at);
        slow.policy = created.policy.clone();
        assert_eq!(slow.as_created(), created, "a repeated request is answered as the first was");
    }

    fn complete(export: &mut Export, now: DateTime<Utc>) {
        export.start(&Incarnation::random(), now, TimeDelta::seconds(15)).expect("it is queued");
        export.finish(whole(now), now);
    }

    fn whole(now: DateTime<Utc>) -> Outcome {
        let snapshot =
            SnapshotNote { taken_at: now, guarantee: "one moment".into(), sources: Vec::new() };
        let manifest = Manifest { snapshot, artifacts: Vec::new(), marks: Vec::new() };
        Outcome::Completed { manifest, warnings: Vec::new(), progress: Progress::default() }
    }

    #[test]
    fn a_retry_is_kept_as_long_as_a_new_export_and_forgets_a_wish_to_cancel() {
        let now = testing::noon();
        let mut export = running(now);
        export.cancel(now).expect("it runs");
        export.finish(Outcome::Failed(Failure::new("x", "y")), now);
        let later = now + TimeDelta::days(80);
        export.retry(later).expect("it has failed");
        assert_eq!(export.record_expires_at, later + TimeDelta::days(90));
        export.start(&Incarnation::random(), later, TimeDelta::seconds(15)).expect("it is queued");
        export.finish(Outcome::Retry(Failure::new("x", "y")), later);
        assert_eq!(export.state, State::Queued, "nobody asked to cancel this run");
    }

    #[test]
    fn a_password_is_kept_until_the_end_and_no_longer() {
        let now = testing::noon();
        let ends: [fn(&mut Export, DateTime<Utc>); 4] = [
            |export, now| export.finish(whole(now), now),
            |export, now| export.finish(Outcome::Failed(Failure::new("x", "y")), now),
            |export, now| export.finish(Outcome::Cancelled, now),
            |export, now| {
                export.finish(Outcome::Released, now);
                export.cancel(now).expect("it is queued");
            },
        ];
        for end in ends {
            let mut export = running(now);
            let password = Password::new("open sesame").expect("it is one");
            export.spec.password = Some(password.clone());
            export.finish(Outcome::Retry(Failure::new("x", "y")), now);
            assert_eq!(export.spec.password.as_ref(), Some(&password), "it may run again");
            export.not_before = None;
            export.start(&Incarnation::random(), now, TimeDelta::seconds(15)).expect("it is due");
            assert!(!format!("{export:?}").contains("sesame"));
            end(&mut export, now);
            assert_eq!(export.spec.password, Some(Password::Forgotten), "{:?}", export.state);
            let kept = serde_json::to_string(&export).expect("it is written");
            assert!(!kept.contains("sesame"), "{kept}");
            assert!(export.retry(now).is_err());
        }
    }

    #[test]
    fn final_states_are_not_cancelled() {
        let now = testing::noon();
        let mut export = running(now);
        export.finish(Outcome::Failed(Failure::new("x", "y")), now);
        assert!(export.cancel(now).is_err());
        assert!(export.start(&Incarnation::random(), now, TimeDelta::seconds(1)).is_err());
    }

    #[test]
    fn as_created_forgets_everything_since() {
        let now = testing::noon();
        let created = testing::export("acme", now);
        let mut export = created.clone();
        export.start(&Incarnation::random(), now, TimeDelta::seconds(15)).expect("it is queued");
        export.finish(Outcome::Failed(Failure::new("x", "y")), now + TimeDelta::seconds(9));
        assert_eq!(export.as_created(), created);
    }
}
