//! Tells the metrics how many exports there are in each state, how long the oldest has been queued,
//! and how much room is left.

use std::sync::PoisonError;

use outhaul_exports::export::State;

use super::{Duty, House};

pub(super) const DUTY: Duty =
    Duty { name: "counter", every: |timings| timings.counts, run: |house| Box::pin(count(house)) };

async fn count(house: &House) -> outhaul_exports::Result<u64> {
    let counts = house.jobs.counts().await?;
    // A state or a dialect that has become empty is not listed, and must not keep its last count.
    let dialects = {
        let mut seen = house.memory.dialects.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(counts.iter().map(|row| row.dialect.clone()));
        seen.clone()
    };
    for dialect in &dialects {
        for state in State::ALL {
            let here = counts.iter().filter(|row| row.dialect == *dialect && row.state == state);
            let count: u64 = here.map(|row| row.count).sum();
            let labels = [("dialect", dialect.clone()), ("state", state.name().to_owned())];
            metrics::gauge!("outhaul_exports", &labels).set(count as f64);
        }
    }
    let oldest = house.jobs.oldest_queued().await?;
    let age = oldest.and_then(|at| (house.clock.now() - at).to_std().ok()).unwrap_or_default();
    metrics::gauge!("outhaul_oldest_queued_age_seconds").set(age.as_secs_f64());
    if let Some(bytes) = house.artifacts.free_bytes().await? {
        metrics::gauge!("outhaul_artifact_volume_free_bytes").set(bytes as f64);
    }
    Ok(0)
}
