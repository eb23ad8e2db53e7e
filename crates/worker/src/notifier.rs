//! Sends the messages that tell of exports' ends, until each was taken or is given up.
//!
//! One lane for each kind of message, so that a kind whose receivers are slow holds up no other, and
//! in a lane a few messages at once, each with a time limit of its own. A lane is woken by the store
//! and looks now and then by itself. A message is taken under a lease that outlasts its sending;
//! whoever dies with one, or cannot tell the store how it went, leaves it to the next, who sends it
//! under the same id.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use outhaul_delivery::mail::{FileLink, Mailer, Refusal, compose, domain_of};
use outhaul_exports::export::{Export, State};
use outhaul_exports::notice::{self, Message, MessageKind};
use outhaul_exports::ports::{AccessStore, JobStore, Outbox, TakeMessages};
use outhaul_exports::service::standing_link;
use outhaul_exports::{Clock, Error, ErrorKind, limits};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::timings::{Timings, jittered};

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

    async fn lane(&self, kind: &'static str, stop: &CancellationToken) {
        let mut in_hand = JoinSet::new();
        let mut changes = self.jobs.changes();
        while !stop.is_cancelled() {
            // Before the store is asked, so that what comes in between is not missed.
            changes.borrow_and_update();
            while let Some(ended) = in_hand.try_join_next() {
                log_panic(ended);
            }
            let free = limits::NOTICES_AT_ONCE - in_hand.len();
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
        let lease = self.timings.notice + LEASE_SLACK;
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
            in_hand.spawn(async move { all.attempt(&message).await });
        }
        // With all places taken, one must become free first.
        is_full && in_hand.len() < limits::NOTICES_AT_ONCE
    }

    /// Sends a message once, and tells the store how that went.
    async fn attempt(&self, message: &Message) {
        let sending = timeout(self.timings.notice + LEASE_SLACK / 3, self.send(message));
        let sent = sending.await.unwrap_or_else(|_| {
            let text = "it took too long";
            Err(Failed::passing(text, text))
        });
        let recorded = match sent {
            Ok(()) => {
                count(message.kind.name(), "sent", 1);
                tracing::info!(
                    message_id = %message.id,
                    export_id = %message.export,
                    kind = message.kind.name(),
                    domain = domain_of(message.kind.to()),
                    attempts = message.attempts,
                    "a message was taken"
                );
                self.outbox.sent(message, self.clock.now()).await
            }
            Err(failed) => self.record(message, &failed).await,
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
        let next = self.timings.notice_retries.next_due(message, now).filter(|_| !failed.is_final);
        count(message.kind.name(), if next.is_some() { "retried" } else { "given_up" }, 1);
        tracing::warn!(
            message_id = %message.id,
            export_id = %message.export,
            kind = message.kind.name(),
            domain = domain_of(message.kind.to()),
            attempts = message.attempts,
            error = failed.internal,
            again_at = next.map(|at| at.to_rfc3339()),
            "a message was not taken"
        );
        self.outbox.failed(message, &failed.public, next, now).await
    }

    async fn send(&self, message: &Message) -> Result<(), Failed> {
        if message.attempts > limits::NOTICE_ATTEMPTS_MAX {
            let text = "it was tried too often";
            return Err(Failed { is_final: true, public: text.into(), internal: text.into() });
        }
        let MessageKind::Mail { file_url, .. } = &message.kind;
        let Some(mailer) = &self.mailer else {
            let internal = "mail.transport is off";
            return Err(Failed::passing("this server sends no mail at present", internal));
        };
        let found = self.jobs.get(&message.tenant, message.export).await?;
        let told = found.filter(|export| notice::is_told(export.state));
        let Some(export) = told else {
            // It was dropped after it had been taken; the store says so, too.
            let text = "the export is not in that state any more";
            return Err(Failed { is_final: true, public: text.into(), internal: text.into() });
        };
        let links = self.links(&export, file_url).await?;
        let mail = compose(&export, message, &links, self.clock.now());
        Ok(mailer.send(&mail).await?)
    }

    /// The links to the export's first files.
    async fn links(&self, export: &Export, file_url: &str) -> Result<Vec<FileLink>, Failed> {
        let artifacts = export.manifest.iter().flat_map(|manifest| &manifest.artifacts);
        let mut links = Vec::new();
        let listed = if export.state == State::Completed { limits::NOTICE_FILES_MAX } else { 0 };
        for artifact in artifacts.take(listed) {
            let link = standing_link(&*self.access, export, artifact.id, self.clock.now()).await?;
            let url = file_address(file_url, &link.token, &artifact.file_name);
            links.push(FileLink { url, expires_at: link.expires_at });
        }
        Ok(links)
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a message's attempt panicked; it is sent again after its lease");
    }
}

/// What is not a letter, a digit or a mark that has no meaning in a URL (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of a file: the pattern with the link's secret and the file's name in their places.
/// Each place is filled once: nothing in a name is read as a place.
fn file_address(pattern: &str, link: &str, file_name: &str) -> String {
    let name = utf8_percent_encode(file_name, RESERVED).to_string();
    pattern.replace("{link}", link).replace("{file}", &name)
}

/// Why a message was not taken.
struct Failed {
    /// Whether trying again is of no use.
    is_final: bool,
    /// For the customer.
    public: String,
    /// For the log.
    internal: String,
}

impl Failed {
    fn passing(public: &str, internal: &str) -> Self {
        Self { is_final: false, public: public.into(), internal: internal.into() }
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        let Refusal { is_final, public, internal } = refusal;
        Self { is_final, public, internal }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        // The files' time ended just now; all else may pass.
        let is_final = *error.kind() == ErrorKind::Expired;
        Self { is_final, public: error.public().to_owned(), internal: error.chain() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_address() {
        let pattern = "https://x.org/a/{link}/{file}?name={file}";
        let address = file_address(pattern, "00ff", "{link} \u{e4}/b.csv");
        let name = "%7Blink%7D%20%C3%A4%2Fb.csv";
        assert_eq!(address, format!("https://x.org/a/00ff/{name}?name={name}"));
    }
}
