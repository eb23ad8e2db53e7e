//! Forgets exports whose record's time is over, with what is left of their files, and tokens and
//! links that ended.

use super::{Duty, House, PAGE};

pub(super) const DUTY: Duty =
    Duty { name: "purger", every: |timings| timings.purge, run: |house| Box::pin(purge(house)) };

async fn purge(house: &House) -> outhaul_exports::Result<u64> {
    let mut done = house.access.purge_access(house.clock.now()).await?;
    loop {
        let purged = house.jobs.purge(house.clock.now(), PAGE).await?;
        house.delete_files(&purged).await;
        done += purged.len() as u64;
        if purged.len() < PAGE as usize {
            return Ok(done);
        }
    }
}
