//! Housekeepers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use outhaul_delivery::LocalArtifacts;
use outhaul_exports::export::State;
use outhaul_exports::lease::{Incarnation, LeaseKey, LeaseToken};
use outhaul_exports::ports::{ArtifactStore, JobStore, ObjectKey};
use outhaul_exports::principal::TenantId;
use outhaul_exports::testing::TestClock;
use outhaul_exports::{Clock, ExportId, SystemClock};
use outhaul_worker::House;
use outhaul_worker::maintenance::ALL;

use super::artifacts::SlowArtifacts;
use super::gauges::Gauges;
use super::rig::Rig;
use super::store::CutStore;

crate::cases![
    files_and_records_go_when_their_time_is_over,
    orphans_go_and_nothing_else,
    what_is_stuck_holds_up_no_sweep,
    a_dialect_that_became_empty_is_counted_as_such,
    a_clock_that_is_set_robs_no_worker_and_saves_no_dead_one,
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

async fn what_is_stuck_holds_up_no_sweep() {
    let (rig, clock) = at_test_time();
    let mut keys = Vec::new();
    for _ in 0..5 {
        let (export, token) = (ExportId::new(clock.now()), LeaseToken::random());
        let lease = LeaseKey { export, token };
        let key = ObjectKey { tenant: TenantId::from("acme"), lease, file: "0000".into() };
        let mut upload = rig.artifacts.create(&key).await.expect("it begins");
        upload.write(bytes::Bytes::from_static(b"left over")).await.expect("it is written");
        upload.finish().await.expect("it ends");
        keys.push(key);
    }
    clock.advance(TimeDelta::hours(2));
    keys.sort_by_key(ObjectKey::path);
    // The first two by their order, so that the others come after them.
    let jobs = Arc::new(CutStore::over(rig.jobs.clone()));
    *jobs.unreadable.lock().expect("nobody panicked") = Some(keys[0].lease.export);
    let inner = LocalArtifacts::open(&rig.root).expect("it opens");
    let stuck = Some(keys[1].path());
    let artifacts = Arc::new(SlowArtifacts { inner, gate: rig.root.with_extension("no"), stuck });
    let house = House { jobs, artifacts, ..rig.house() };
    let sweep = ALL.iter().find(|duty| duty.name == "orphans").expect("there is such a duty");
    assert_eq!((sweep.run)(&house).await.expect("it is done"), 3);
    let left: Vec<_> = keys[..2].iter().map(|key| rig.root.join(key.path())).collect();
    let mut files = rig.files();
    files.sort();
    assert_eq!(files, left, "they are looked at again the next time");
    assert_eq!(duty(&rig, "orphans").await, 2);
}

async fn a_dialect_that_became_empty_is_counted_as_such() {
    let (rig, clock) = at_test_time();
    let id = rig.script("rows=1").await;
    rig.cancel(id).await;
    let gauges = Gauges::default();
    let _installed = metrics::set_default_local_recorder(&gauges);
    let house = rig.house();
    let run = async |name: &str| {
        let duty = ALL.iter().find(|duty| duty.name == name).expect("there is such a duty");
        (duty.run)(&house).await.expect("it is done")
    };
    run("counter").await;
    assert_eq!(gauges.exports("native", "cancelled"), Some(1.0));
    clock.set(rig.get(id).await.record_expires_at);
    assert_eq!(run("purger").await, 1);
    run("counter").await;
    assert_eq!(gauges.exports("native", "cancelled"), Some(0.0));
}

/// A heartbeat is far off, so that only the rescuer can tell that the lease is not over.
async fn a_clock_that_is_set_robs_no_worker_and_saves_no_dead_one() {
    for leap in [TimeDelta::hours(1), TimeDelta::hours(-1)] {
        is_rescued_a_lease_after(leap).await;
    }
}

async fn is_rescued_a_lease_after(leap: TimeDelta) {
    let (mut rig, clock) = at_test_time();
    rig.timings.lease = Duration::from_secs(2);
    rig.timings.heartbeat = Duration::from_secs(60);
    let house = rig.house();
    let rescuer = ALL.iter().find(|duty| duty.name == "rescuer").expect("there is such a duty");
    let rescue = || async { (rescuer.run)(&house).await.expect("it is done") };
    let id = rig.leased_by(&Incarnation::random()).await;
    assert_eq!(rescue().await, 0);
    clock.advance(leap);
    assert_eq!(rescue().await, 0, "its worker may live");
    // By the new time it is over for good once a lease's length has passed for everybody.
    let since = Instant::now();
    while rescue().await == 0 {
        assert!(since.elapsed() < Duration::from_secs(60), "it is never rescued after {leap}");
        tokio::task::yield_now().await;
    }
    assert!(since.elapsed() > Duration::from_millis(1_900), "{:?}", since.elapsed());
    assert_eq!(rig.get(id).await.state, State::Queued);
}
