//! Ends the time of files: the export says so first, then the bytes go.

use super::{Duty, House, PAGE};

pub(super) const DUTY: Duty =
    Duty { name: "expirer", every: |timings| timings.expire, run: |house| Box::pin(expire(house)) };

async fn expire(house: &House) -> outhaul_exports::Result<u64> {
    let mut done = 0;
    loop {
        let expired = house.jobs.expire(house.clock.now(), PAGE).await?;
        house.delete_files(&expired).await;
        done += expired.len() as u64;
        if expired.len() < PAGE as usize {
            return Ok(done);
        }
    }
}
