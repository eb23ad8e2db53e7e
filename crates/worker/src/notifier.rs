//! Sends the messages that tell of exports' ends, until each was taken or is given up.
//!
//! One lane for each kind of message, so that a kind whose receivers are slow holds up no other, and
//! in a lane a few messages at once, each with a time limit of its own. A lane is woken by the store
//! and looks now and then by itself. A message is taken under a lease that outlasts its sending;
//! whoever dies with one, or cannot tell the store how it went, leaves it to the next, who sends it
//! under the same id. How a kind is sent has a file of its own: `mail`, `callback`, `script`.

mod callback;
mod mail;
mod receivers;
mod script;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use outhaul_delivery::callback::Caller;
use outhaul_delivery::mail::Mailer;
use outhaul_exports::export::Export;
use outhaul_exports::notice::{self, Message, MessageKind, Retries, ScriptReport};
use outhaul_exports::ports::{AccessStore, JobStore, Outbox, TakeMessages};
use outhaul_exports::{Clock, Error, ErrorKind, limits};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::timings::{Timings, jittered};
pub use receivers::Receivers;
pub use script::{ScriptViews, Scripts};

/// The least time between two looks for messages that found none.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What a lease lasts longer than a message may take: for the store to be told.
const LEASE_SLACK: Duration = Duration::from_secs(15);
/// How long messages in hand may go on when it is told to stop.
const GRACE: Duration = Duration::from_secs(3);

/// What became of an attempt to send a message, as the metrics name it.
const RESULTS: &[&str] = &["sent", "retried", "given_up"];

/// What sends messages.
#[derive(Clone)]
pub struct Notifier {
    /// Where messages wait.
    pub outbox: Arc<dyn Outbox>,
    /// Where exports are remembered.
    pub jobs: Arc<dyn JobStore>,
    /// Where links are remembered.
    pub access: Arc<dyn AccessStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What sends mails; without it mails wait, and are given up in the end.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// What sends callbacks; without it they wait, and are given up in the end.
    pub caller: Option<Arc<dyn Caller>>,
    /// How the receivers of callbacks are.
    pub receivers: Arc<Receivers>,
    /// What runs scripts; without it they wait, and are given up in the end.
    pub scripts: Option<Arc<Scripts>>,
    /// What scripts are shown, by the dialect of their export.
    pub views: Arc<ScriptViews>,
    /// How often, and how long.
    pub timings: Timings,
}

/// Shows the counters of this module at zero.
pub(crate) fn begin_counters() {
    for kind in MessageKind::NAMES {
        for result in RESULTS {
            count(kind, result, 0);
        }
    }
}

fn count(kind: &'static str, result: &'static str, more: u64) {
    let labels = [("kind", kind), ("result", result)];
    metrics::counter!("outhaul_notices_total", &labels).increment(more);
}

impl Notifier {
    /// Sends until `stop`; what is in hand then may end, for a few seconds.
    pub async fn run(self, stop: CancellationToken) {
        let lanes = MessageKind::NAMES.iter().map(|kind| self.lane(kind, &stop));
        futures::future::join_all(lanes).await;
    }

    /// What a kind of message is held to.
    fn lane_of(&self, kind: &str) -> Lane {
        let timings = &self.timings;
        match kind {
            MessageKind::CALLBACK => Lane {
                places: limits::CALLBACKS_AT_ONCE,
                longest: timings.callback,
                retries: timings.callback_retries,
            },
            MessageKind::SCRIPT => Lane {
                places: self.scripts.as_ref().map_or(1, |scripts| scripts.at_once()),
                longest: timings.script,
                retries: timings.script_retries,
            },
            _ => Lane {
                places: limits::NOTICES_AT_ONCE,
                longest: timings.notice,
                retries: timings.notice_retries,
            },
        }
    }

    async fn lane(&self, kind: &'static str, stop: &CancellationToken) {
        let places = self.lane_of(kind).places;
        let mut in_hand = JoinSet::new();
        let mut changes = self.jobs.changes();
        while !stop.is_cancelled() {
            // Before the store is asked, so that what comes in between is not missed.
            changes.borrow_and_update();
            while let Some(ended) = in_hand.try_join_next() {
                log_panic(ended);
            }
            let free = places - in_hand.len();
            if self.take(kind, free, &mut in_hand).await {
                continue;
            }
            let look_again = async {
                sleep(LOOK_EVERY).await;
                tokio::select! {
                    _ = changes.changed(), if free > 0 => {}
                    Some(ended) = in_hand.join_next() => log_panic(ended),
                    () = sleep(jittered(self.timings.notice_poll)), if free > 0 => {}
                }
            };
            stop.run_until_cancelled(look_again).await;
        }
        let ending = async { while in_hand.join_next().await.is_some() {} };
        if timeout(GRACE, ending).await.is_err() {
            tracing::info!(kind, messages = in_hand.len(), "messages are left for the next start");
        }
    }

    /// Takes messages for the free places. Whether there may be more at once.
    async fn take(&self, kind: &'static str, free: usize, in_hand: &mut JoinSet<()>) -> bool {
        if free == 0 {
            return false;
        }
        let lane = self.lane_of(kind);
        let lease = lane.longest + LEASE_SLACK;
        let ask = TakeMessages {
            kind,
            most: u32::try_from(free).unwrap_or(u32::MAX),
            ttl: TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX),
            now: self.clock.now(),
        };
        let taken = self.outbox.take(&ask).await.unwrap_or_else(|error| {
            tracing::warn!(kind, error = error.chain(), "no messages could be taken");
            Vec::new()
        });
        let is_full = taken.len() == free;
        for message in taken {
            let all = self.clone();
            in_hand.spawn(async move { all.attempt(message).await });
        }
        // With all places taken, one must become free first.
        is_full && in_hand.len() < lane.places
    }

    /// Sends a message once, and tells the store how that went.
    async fn attempt(&self, mut message: Message) {
        let longest = self.lane_of(message.kind.name()).longest + LEASE_SLACK / 3;
        let sent = timeout(longest, self.send(&message)).await.unwrap_or_else(|_| {
            let text = "it took too long";
            Err(Failed::passing(text, text))
        });
        let recorded = match sent {
            Ok(report) => {
                message.report = report;
                count(message.kind.name(), "sent", 1);
                tracing::info!(
                    message_id = %message.id,
                    export_id = %message.export,
                    kind = message.kind.name(),
                    domain = message.kind.place(),
                    attempts = message.attempts,
                    "a message was taken"
                );
                self.outbox.sent(&message, self.clock.now()).await
            }
            Err(mut failed) => {
                message.report = failed.report.take().map(|report| *report);
                self.record(&message, &failed).await
            }
        };
        if let Err(error) = recorded {
            tracing::warn!(
                message_id = %message.id,
                error = error.chain(),
                "the end of a message could not be stored; it is sent again when its lease is over"
            );
        }
    }

    async fn record(&self, message: &Message, failed: &Failed) -> outhaul_exports::Result<bool> {
        let now = self.clock.now();
        let retries = self.lane_of(message.kind.name()).retries;
        let next = retries.next_due_after(message, now, failed.wait).filter(|_| !failed.is_final);
        count(message.kind.name(), if next.is_some() { "retried" } else { "given_up" }, 1);
        tracing::warn!(
            message_id = %message.id,
            export_id = %message.export,
            kind = message.kind.name(),
            domain = message.kind.place(),
            attempts = message.attempts,
            error = failed.internal,
            again_at = next.map(|at| at.to_rfc3339()),
            "a message was not taken"
        );
        self.outbox.failed(message, &failed.public, next, now).await
    }

    async fn send(&self, message: &Message) -> Result<Option<ScriptReport>, Failed> {
        if message.attempts > limits::NOTICE_ATTEMPTS_MAX {
            return Err(Failed::lasting("it was tried too often"));
        }
        match &message.kind {
            MessageKind::Mail { file_url, .. } => self.mail(message, file_url).await?,
            MessageKind::Callback { method, url, body } => {
                self.callback(message, *method, url, body.as_ref()).await?;
            }
            MessageKind::Script { source } => return self.script(message, source).await.map(Some),
        }
        Ok(None)
    }

    /// The export that a message tells of, in a state that is told.
    async fn told(&self, message: &Message) -> Result<Export, Failed> {
        let found = self.jobs.get(&message.tenant, message.export).await?;
        // Else it was dropped after it had been taken; the store says so, too.
        let text = "the export is not in that state any more";
        found.filter(|export| notice::is_told(export.state)).ok_or_else(|| Failed::lasting(text))
    }
}

/// What the messages of a kind are held to.
struct Lane {
    /// How many are sent at once.
    places: usize,
    /// How long one may take.
    longest: Duration,
    /// How often one is tried.
    retries: Retries,
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a message's attempt panicked; it is sent again after its lease");
    }
}

/// Why a message was not taken.
struct Failed {
    /// Whether trying again is of no use.
    is_final: bool,
    /// For the customer.
    public: String,
    /// For the log.
    internal: String,
    /// The least pause before it is tried again.
    wait: Duration,
    /// What a script left behind.
    report: Option<Box<ScriptReport>>,
}

impl Failed {
    fn passing(public: &str, internal: &str) -> Self {
        let (public, internal) = (public.into(), internal.into());
        Self { is_final: false, public, internal, wait: Duration::ZERO, report: None }
    }

    fn lasting(text: &str) -> Self {
        Self { is_final: true, ..Self::passing(text, text) }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        // The files' time ended just now; all else may pass.
        let is_final = *error.kind() == ErrorKind::Expired;
        Self { is_final, ..Self::passing(error.public(), &error.chain()) }
    }
}
