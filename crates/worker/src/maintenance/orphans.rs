//! Deletes objects that nobody needs: files of attempts that were killed, refused or given up,
//! remains of unfinished uploads, files of exports that were removed.
//!
//! Only objects of some age are looked at; whether one is needed is asked of the store each time,
//! so that a slow attempt keeps what it writes for as long as it holds its lease.

use chrono::TimeDelta;
use outhaul_exports::ports::ObjectKey;

use super::{Duty, House, PAGE};

pub(super) const DUTY: Duty =
    Duty { name: "orphans", every: |timings| timings.orphans, run: |house| Box::pin(sweep(house)) };

async fn sweep(house: &House) -> outhaul_exports::Result<u64> {
    let age = TimeDelta::from_std(house.timings.orphan_age).unwrap_or(TimeDelta::MAX);
    let before = house.clock.now() - age;
    let mut done = 0;
    let mut after: Option<String> = None;
    loop {
        let page = house.artifacts.list(after.as_deref(), before, PAGE as usize).await?;
        for object in &page {
            // What is not named as ours are is not ours to delete.
            let Some(key) = ObjectKey::parse(&object.key) else { continue };
            if !house.jobs.is_needed(&key).await? {
                house.artifacts.delete(&object.key).await?;
                tracing::info!(
                    artifact_key = object.key,
                    bytes = object.bytes,
                    "an orphan is gone"
                );
                done += 1;
            }
        }
        match page.into_iter().next_back() {
            Some(last) => after = Some(last.key),
            None => return Ok(done),
        }
    }
}
