//! Housekeepers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use outhaul_exports::export::State;
use outhaul_exports::lease::{Incarnation, LeaseKey, LeaseToken};
use outhaul_exports::ports::{ArtifactStore, JobStore, ObjectKey};
use outhaul_exports::principal::TenantId;
use outhaul_exports::testing::TestClock;
use outhaul_exports::{Clock, SystemClock};
use outhaul_worker::maintenance::ALL;

use super::rig::Rig;

crate::cases![
    files_and_records_go_when_their_time_is_over,
    orphans_go_and_nothing_else,
    a_clock_set_forward_robs_no_worker,
];

async fn duty(rig: &Rig, name: &str) -> u64 {
    let duty = ALL.iter().find(|duty| duty.name == name).expect("there is such a duty");
    (duty.run)(&rig.house()).await.expect("it is done")
}

fn at_test_time() -> (Rig, TestClock) {
    let clock = TestClock::at(SystemClock.now());
    let mut rig = Rig::new();
    rig.clock = Arc::new(clock.clone());
    (rig, clock)
}

async fn files_and_records_go_when_their_time_is_over() {
    let (rig, clock) = at_test_time();
    let worker = rig.work().await;
    let id = rig.submit(rig.export(&["rows=10", "rows=20"])).await;
    let export = rig.ended(id).await;
    let (files, record) = (export.files_expire_at.expect("a time"), export.record_expires_at);
    clock.set(files - TimeDelta::seconds(1));
    assert_eq!(duty(&rig, "expirer").await, 0);
    assert_eq!(rig.files().len(), 2);
    clock.set(files);
    assert_eq!(duty(&rig, "expirer").await, 1);
    assert_eq!(rig.files().len(), 0);
    assert_eq!(rig.get(id).await.state, State::Expired);
    clock.set(record - TimeDelta::seconds(1));
    assert_eq!(duty(&rig, "purger").await, 0);
    clock.set(record + TimeDelta::seconds(1));
    assert_eq!(duty(&rig, "purger").await, 1);
    let gone = rig.jobs.get(&TenantId::from("acme"), id).await.expect("the store works");
    assert!(gone.is_none());
    drop(worker);
}

async fn orphans_go_and_nothing_else() {
    let (rig, clock) = at_test_time();
    let worker = rig.work().await;
    let kept = rig.script("rows=10").await;
    rig.ended(kept).await;
    let gate = rig.gate("gate");
    let running = rig.script(&format!("rows=5000 at=4000 do={}", gate.script())).await;
    let held = gate.reached().await;
    // What a refused attempt of a completed export left, whole and half, more than one page of it.
    for n in 0..150 {
        let lease = LeaseKey { export: kept, token: LeaseToken::random() };
        let key = ObjectKey { tenant: TenantId::from("acme"), lease, file: "0000".into() };
        let mut upload = rig.artifacts.create(&key).await.expect("it begins");
        upload.write(bytes::Bytes::from_static(b"left over")).await.expect("it is written");
        upload.finish().await.expect("it ends");
        if n % 2 == 0 {
            let whole = rig.root.join(key.path());
            let part = whole.with_file_name(".part-0000");
            std::fs::rename(whole, part).expect("it is half");
        }
    }
    std::fs::write(rig.root.join("README"), b"somebody else's").expect("a file");
    assert_eq!(rig.files().len(), 153);
    assert_eq!(duty(&rig, "orphans").await, 0, "they are too young");
    clock.advance(TimeDelta::hours(2));
    assert_eq!(duty(&rig, "orphans").await, 150);
    assert_eq!(rig.files().len(), 3);
    drop(held);
    let export = rig.ended(running).await;
    rig.assert_whole(&export, 5_000).await;
    drop(worker);
}

/// A heartbeat is far off, so that only the rescuer can tell that the lease is not over.
async fn a_clock_set_forward_robs_no_worker() {
    let (mut rig, clock) = at_test_time();
    rig.timings.lease = Duration::from_secs(2);
    rig.timings.heartbeat = Duration::from_secs(60);
    let house = rig.house();
    let rescuer = ALL.iter().find(|duty| duty.name == "rescuer").expect("there is such a duty");
    let rescue = || async { (rescuer.run)(&house).await.expect("it is done") };
    let id = rig.leased_by(&Incarnation::random()).await;
    assert_eq!(rescue().await, 0);
    clock.advance(TimeDelta::hours(1));
    assert_eq!(rescue().await, 0, "its worker may live");
    // By the new time it is over for good once a lease's length has passed for everybody.
    let since = Instant::now();
    while rescue().await == 0 {
        assert!(since.elapsed() < Duration::from_secs(60), "it is never rescued");
        tokio::task::yield_now().await;
    }
    assert!(since.elapsed() > Duration::from_millis(1_900), "{:?}", since.elapsed());
    assert_eq!(rig.get(id).await.state, State::Queued);
}
