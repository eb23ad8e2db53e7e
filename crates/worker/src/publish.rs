//! Tells the store how an attempt ended: the one conditional update that makes files reachable.
//!
//! The update names the lease, so that of two workers that believe to hold it, one is refused. An
//! answer that is lost is not an answer: the update is sent again, and the store answers it as it
//! did the first time.

use std::time::Duration;

use outhaul_exports::export::{Export, Outcome, State};
use outhaul_exports::lease::LeaseKey;
use outhaul_exports::{Error, Result};
use tokio::time::{Instant, sleep, timeout};

use crate::runner::Shared;

/// The pause before the update is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The store knows; the export is in this state now.
    Recorded(State),
    /// The lease was lost before the store was told: nothing changed.
    Refused,
    /// The lease was lost, or may have been, before the end.
    Abandoned,
    /// The store did not answer for too long; nobody knows.
    Unknown,
}

impl Ending {
    /// Every ending there is: an attempt leaves its export in one of these states.
    pub(crate) const ALL: &[Self] = &[
        Self::Recorded(State::Completed),
        Self::Recorded(State::Failed),
        Self::Recorded(State::Cancelled),
        Self::Recorded(State::Queued),
        Self::Refused,
        Self::Abandoned,
        Self::Unknown,
    ];

    /// A word for metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Recorded(state) => state.name(),
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it is certain that the attempt's files are nobody's.
    pub(crate) fn leaves_no_files(self) -> bool {
        !matches!(self, Self::Recorded(State::Completed) | Self::Unknown)
    }
}

/// Tells the store.
pub(crate) async fn publish(shared: &Shared, key: &LeaseKey, outcome: Outcome) -> Ending {
    let patience = Instant::now() + shared.timings.finish_patience;
    loop {
        match tell(shared, key, outcome.clone()).await {
            Ok(Some(now)) => {
                count(&outcome, &now);
                return Ending::Recorded(now.state);
            }
            Ok(None) => {
                metrics::counter!("outhaul_finish_refused_total").increment(1);
                tracing::warn!(export_id = %key.export, "the end of an attempt came too late");
                return Ending::Refused;
            }
            Err(error) => warn(key, &error),
        }
        if Instant::now() > patience {
            return Ending::Unknown;
        }
        sleep(AGAIN_AFTER).await;
    }
}

async fn tell(shared: &Shared, key: &LeaseKey, outcome: Outcome) -> Result<Option<Export>> {
    let telling = shared.jobs.finish(key, outcome, shared.clock.now());
    timeout(shared.timings.lease, telling)
        .await
        .unwrap_or_else(|_| Err(Error::unavailable("the store did not answer in time")))
}

fn warn(key: &LeaseKey, error: &Error) {
    metrics::counter!("outhaul_finish_failures_total").increment(1);
    tracing::warn!(
        export_id = %key.export,
        error = error.chain(),
        "the end of an attempt could not be stored"
    );
}

fn count(outcome: &Outcome, export: &Export) {
    if let Outcome::Completed { manifest, .. } = outcome {
        let dialect = export.dialect.clone();
        metrics::counter!("outhaul_exported_rows_total", "dialect" => dialect.clone())
            .increment(manifest.rows());
        metrics::counter!("outhaul_exported_bytes_total", "dialect" => dialect)
            .increment(manifest.bytes());
    }
}
