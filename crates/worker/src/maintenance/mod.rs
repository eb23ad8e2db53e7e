//! Housekeepers: each has one duty, does it now and then, and may be killed at any moment. What it
//! did not do this time it does the next.

mod counter;
mod expirer;
mod orphans;
mod purger;
mod rescuer;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use outhaul_exports::export::Export;
use outhaul_exports::ports::{AccessStore, ArtifactStore, JobStore};
use outhaul_exports::{Clock, Result};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::timings::{Timings, jittered};

/// Every housekeeper.
pub const ALL: &[Duty] =
    &[rescuer::DUTY, expirer::DUTY, purger::DUTY, orphans::DUTY, counter::DUTY];

/// Exports that are handled in one transaction.
const PAGE: u32 = 100;

/// A duty and when it is due.
pub struct Duty {
    /// Its name, in logs and metrics.
    pub name: &'static str,
    /// How often it is done.
    pub every: fn(&Timings) -> Duration,
    /// Does it once; answers how many things it changed.
    pub run: for<'a> fn(&'a House) -> BoxFuture<'a, Result<u64>>,
}

/// What housekeepers work on.
#[derive(Clone)]
pub struct House {
    /// Where exports are remembered.
    pub jobs: Arc<dyn JobStore>,
    /// Where tokens and links are remembered.
    pub access: Arc<dyn AccessStore>,
    /// Where files are.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How often, and how old.
    pub timings: Timings,
    /// What housekeepers remember from one time to the next; nothing at first.
    pub memory: Arc<Memory>,
}

/// What housekeepers remember from one time to the next.
#[derive(Debug, Default)]
pub struct Memory {
    rescuer: Mutex<rescuer::Watch>,
    /// Dialects that had exports at some time.
    dialects: Mutex<BTreeSet<String>>,
}

impl House {
    /// Does every duty at its times, until `stop`. One that fails or hangs holds up no other.
    pub async fn keep(&self, stop: CancellationToken) {
        stop.run_until_cancelled(join_all(ALL.iter().map(|duty| self.repeat(duty)))).await;
    }

    async fn repeat(&self, duty: &Duty) {
        loop {
            sleep(jittered((duty.every)(&self.timings))).await;
            match (duty.run)(self).await {
                Ok(0) => {}
                Ok(done) => {
                    metrics::counter!("outhaul_housekeeping_total", "duty" => duty.name)
                        .increment(done);
                    tracing::debug!(duty = duty.name, done, "a housekeeper was busy");
                }
                Err(error) => {
                    metrics::counter!("outhaul_housekeeping_failures_total", "duty" => duty.name)
                        .increment(1);
                    tracing::warn!(duty = duty.name, error = error.chain(), "a housekeeper failed");
                }
            }
        }
    }

    /// Deletes the files of exports. One that cannot be deleted is an orphan for later.
    async fn delete_files(&self, exports: &[Export]) {
        let artifacts = exports.iter().filter_map(|export| export.manifest.as_ref());
        for artifact in artifacts.flat_map(|manifest| &manifest.artifacts) {
            if let Err(error) = self.artifacts.delete(&artifact.key).await {
                tracing::warn!(
                    artifact_key = artifact.key,
                    error = error.chain(),
                    "a file could not be deleted"
                );
            }
        }
    }
}
