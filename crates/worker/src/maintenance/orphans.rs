//! Deletes objects that nobody needs: files of attempts that were killed, refused or given up,
//! remains of unfinished uploads, files of exports that were removed.
//!
//! Only objects of some age are looked at; whether one is needed is asked of the store each time,
//! so that a slow attempt keeps what it writes for as long as it holds its lease. One object that
//! cannot be judged or deleted is left for the next sweep and holds up no other.

use chrono::TimeDelta;
use outhaul_exports::ports::{ObjectKey, StoredObject};
use outhaul_exports::{Error, Result};

use super::{Duty, House, PAGE};

pub(super) const DUTY: Duty =
    Duty { name: "orphans", every: |timings| timings.orphans, run: |house| Box::pin(sweep(house)) };

async fn sweep(house: &House) -> Result<u64> {
    let age = TimeDelta::from_std(house.timings.orphan_age).unwrap_or(TimeDelta::MAX);
    let before = house.clock.now() - age;
    let mut done = 0;
    let mut after: Option<String> = None;
    loop {
        let page = house.artifacts.list(after.as_deref(), before, PAGE as usize).await?;
        for object in &page {
            // What is not named as ours are is not ours to delete.
            let Some(key) = ObjectKey::parse(&object.key) else { continue };
            match house.jobs.is_needed(&key).await {
                Ok(true) => {}
                Ok(false) => done += u64::from(delete(house, object).await),
                // The store would be asked in vain about the rest, too.
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => leave(object, &error),
            }
        }
        match page.into_iter().next_back() {
            Some(last) => after = Some(last.key),
            None => return Ok(done),
        }
    }
}

/// Whether it could be deleted.
async fn delete(house: &House, object: &StoredObject) -> bool {
    let deleted = house.artifacts.delete(&object.key).await;
    match &deleted {
        Ok(()) => {
            tracing::info!(artifact_key = object.key, bytes = object.bytes, "an orphan is gone");
        }
        Err(error) => leave(object, error),
    }
    deleted.is_ok()
}

fn leave(object: &StoredObject, error: &Error) {
    metrics::counter!("outhaul_housekeeping_failures_total", "duty" => DUTY.name).increment(1);
    tracing::warn!(
        artifact_key = object.key,
        error = error.chain(),
        "an object is left for the next sweep"
    );
}
