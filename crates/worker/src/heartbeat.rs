//! Keeps a lease while an attempt runs, and says when the attempt must stop.

use std::sync::Arc;
use std::time::Duration;

use outhaul_exports::Clock;
use outhaul_exports::export::{Export, Progress};
use outhaul_exports::lease::LeaseKey;
use outhaul_exports::ports::{Beat, JobStore};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::timings::Timings;

/// The least time between two looks at the export because something changed somewhere.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why an attempt must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Its cancellation was asked for.
    Cancel,
    /// The lease is lost: somebody else may be at it.
    Lost,
    /// The store could not be reached for so long that the lease may be lost soon.
    OutOfReach,
}

/// A lease that is being kept.
pub(crate) struct Keeping<'a> {
    pub(crate) jobs: &'a Arc<dyn JobStore>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) timings: &'a Timings,
    pub(crate) export: &'a Export,
    pub(crate) key: &'a LeaseKey,
    pub(crate) progress: watch::Receiver<Progress>,
    /// When the lease was asked for or last renewed.
    pub(crate) renewed_at: Instant,
}

impl Keeping<'_> {
    /// Renews the lease until the attempt must stop.
    pub(crate) async fn keep(mut self) -> Order {
        let mut changes = self.jobs.changes();
        let mut told = true;
        let mut beat_at = self.renewed_at + self.timings.heartbeat;
        loop {
            let lost_at = self.renewed_at + self.timings.reach();
            let noticed = tokio::select! {
                // Where something changes all the time, the lease is renewed all the same.
                biased;
                () = sleep_until(beat_at.min(lost_at)) => false,
                // Cancelling is seen at once where the store tells of changes.
                changed = changes.changed(), if told => {
                    told = changed.is_ok();
                    told
                }
            };
            if noticed {
                changes.borrow_and_update();
                if let Some(order) = self.look(beat_at).await {
                    return order;
                }
                sleep(LOOK_EVERY.min(self.timings.heartbeat / 4)).await;
                continue;
            }
            if Instant::now() >= lost_at {
                return Order::OutOfReach;
            }
            if let Some(order) = self.beat(lost_at).await {
                return order;
            }
            beat_at = match Instant::now() < self.renewed_at + self.timings.heartbeat {
                true => self.renewed_at + self.timings.heartbeat,
                // It failed: try again sooner.
                false => Instant::now() + self.timings.heartbeat / 4,
            };
        }
    }

    async fn beat(&mut self, lost_at: Instant) -> Option<Order> {
        let asked_at = Instant::now();
        let now = self.clock.now();
        let until = now + self.timings.lease_ttl();
        let progress = self.progress.borrow().clone();
        let beat = self.jobs.heartbeat(self.key, until, &progress, now);
        match timeout_at(lost_at, beat).await {
            Ok(Ok(Beat::Continue)) => {
                self.renewed_at = asked_at;
                None
            }
            Ok(Ok(Beat::Cancel)) => Some(Order::Cancel),
            Ok(Ok(Beat::Lost)) => Some(Order::Lost),
            Ok(Err(error)) => {
                metrics::counter!("outhaul_heartbeat_failures_total").increment(1);
                tracing::warn!(
                    export_id = %self.key.export,
                    error = error.chain(),
                    "a lease could not be renewed"
                );
                None
            }
            Err(_) => Some(Order::OutOfReach),
        }
    }

    /// Whether the cancellation was asked for, as far as can be told before the next beat.
    async fn look(&self, beat_at: Instant) -> Option<Order> {
        let looking = self.jobs.get(&self.export.tenant, self.key.export);
        let found = timeout_at(beat_at, looking).await.ok()?.ok()?;
        found.is_some_and(|export| export.cancel_requested).then_some(Order::Cancel)
    }
}
