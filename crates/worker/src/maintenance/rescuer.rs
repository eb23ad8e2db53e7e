//! Queues again what a worker was at that fell silent.

use super::{Duty, House};

pub(super) const DUTY: Duty =
    Duty { name: "rescuer", every: |timings| timings.sweep, run: |house| Box::pin(rescue(house)) };

async fn rescue(house: &House) -> outhaul_exports::Result<u64> {
    let rescued = house.jobs.rescue(house.clock.now(), None).await?;
    if rescued > 0 {
        tracing::warn!(exports = rescued, "exports whose worker fell silent are queued again");
    }
    Ok(rescued)
}
