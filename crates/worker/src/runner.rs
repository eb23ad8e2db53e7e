//! The loop: takes as many leases as there are slots that wait, and has each export attempted.
//!
//! It wakes when the store says that something changed, when a slot becomes free, and now and then
//! anyway, because a hint may be lost.

use std::sync::Arc;
use std::time::Duration;

use outhaul_exports::lease::Incarnation;
use outhaul_exports::ports::{ArtifactStore, JobStore, LeaseAsk};
use outhaul_exports::{Clock, Result};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::attempt::attempt;
use crate::drain::Drain;
use crate::supervisor::SlotPool;
use crate::timings::{Timings, jittered};

/// The least time between two requests for work that found none.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// What a worker stands on.
#[derive(Clone)]
pub struct WorkerParts {
    /// Where exports are remembered.
    pub jobs: Arc<dyn JobStore>,
    /// Where their files are.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What does the work.
    pub slots: Arc<SlotPool>,
}

/// Runs exports until it is drained.
pub struct Worker {
    shared: Arc<Shared>,
    slots: Arc<SlotPool>,
    holder: Incarnation,
}

/// What every attempt needs.
pub(crate) struct Shared {
    pub(crate) jobs: Arc<dyn JobStore>,
    pub(crate) artifacts: Arc<dyn ArtifactStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timings: Timings,
    pub(crate) drain: Drain,
}

/// Queues again, at the start of a process, what those were at that are known to be dead (see
/// [`SlotPool::dead`]). Of anybody else nothing is known: it may be another process that works on
/// the same store, and the end of its lease decides.
///
/// # Errors
/// `Unavailable` when the store is.
pub async fn resume(jobs: &dyn JobStore, clock: &dyn Clock, dead: &[Incarnation]) -> Result<u64> {
    if dead.is_empty() {
        return Ok(0);
    }
    let resumed = jobs.rescue(clock.now(), dead).await?;
    if resumed > 0 {
        tracing::info!(exports = resumed, "exports of a former process are queued again");
    }
    Ok(resumed)
}

impl Worker {
    /// A worker that holds leases as `holder`.
    pub fn new(parts: WorkerParts, timings: Timings, holder: Incarnation, drain: Drain) -> Self {
        let WorkerParts { jobs, artifacts, clock, slots } = parts;
        let shared = Arc::new(Shared { jobs, artifacts, clock, timings, drain });
        Self { shared, slots, holder }
    }

    /// Works until the drain is over and everything in hand is finished or given back.
    pub async fn run(self) {
        let mut attempts = JoinSet::new();
        let mut changes = self.shared.jobs.changes();
        while !self.shared.drain.has_begun() {
            // Before the store is asked, so that what comes in between is not missed.
            changes.borrow_and_update();
            let taken = self.take(&mut attempts).await;
            while let Some(ended) = attempts.try_join_next() {
                log_panic(ended);
            }
            if taken {
                continue;
            }
            sleep(ASK_EVERY).await;
            tokio::select! {
                _ = changes.changed(), if self.slots.free() > 0 => {}
                () = self.slots.runs().changed_to_ready(), if self.slots.free() == 0 => {}
                () = sleep(jittered(self.shared.timings.poll)) => {}
                () = self.shared.drain.begun() => {}
            }
        }
        tracing::info!(attempts = attempts.len(), "the worker drains");
        while let Some(ended) = attempts.join_next().await {
            log_panic(ended);
        }
        self.slots.runs().close();
    }

    /// Leases exports for the slots that wait. Whether there may be more.
    async fn take(&self, attempts: &mut JoinSet<()>) -> bool {
        let mut slots: Vec<_> = std::iter::from_fn(|| self.slots.runs().try_take()).collect();
        if slots.is_empty() {
            return false;
        }
        let wanted = slots.len();
        let ask = LeaseAsk {
            holder: self.holder.clone(),
            most: u32::try_from(wanted).unwrap_or(u32::MAX),
            ttl: self.shared.timings.lease_ttl(),
            now: self.shared.clock.now(),
        };
        let asked_at = Instant::now();
        let leased = self.shared.jobs.lease(&ask).await.unwrap_or_else(|error| {
            tracing::warn!(error = error.chain(), "no exports could be leased");
            Vec::new()
        });
        let got = leased.len();
        for export in leased {
            let Some(slot) = slots.pop() else {
                // The store gave more than was asked for; the lease ends by itself.
                tracing::error!(export_id = %export.id, "an export was leased without a slot");
                continue;
            };
            let shared = self.shared.clone();
            attempts.spawn(async move { attempt(&shared, export, slot, asked_at).await });
        }
        slots.into_iter().for_each(crate::supervisor::Held::give_back);
        got == wanted
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = %error, "an attempt panicked; its lease ends by itself");
    }
}
