//! Exports that are stopped: cancelled, drained, cut off, overtaken.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use outhaul_exports::export::State;
use outhaul_exports::lease::{Incarnation, LeaseKey};
use outhaul_exports::ports::{JobStore, LeaseAsk};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::spec::Packing;
use outhaul_exports::testing;

use super::rig::{Gate, Rig, deserted};
use super::store::{Cut, CutStore};

crate::cases![
    a_cancel_takes_effect_within_a_second_in_every_stage,
    a_queued_export_is_cancelled_at_once,
    a_drain_lets_finish_what_can,
    a_drain_gives_back_what_cannot_finish,
    a_zombie_is_refused_and_changes_nothing,
    what_a_dead_worker_left_runs_again_soon,
    whoever_is_cut_off_stops_and_the_others_finish,
];

async fn a_cancel_takes_effect_within_a_second_in_every_stage() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let stages = [
        ("begin=hang", "rows=10"),
        ("begin=block", "rows=10"),
        ("", "rows=10 open=hang"),
        ("", "rows=10 open=block"),
        ("", "rows=9000 at=4000 do=hang"),
        ("", "rows=9000 at=4000 do=block"),
        ("", "rows=endless"),
    ];
    let mut longest = Duration::ZERO;
    for (begin, script) in stages {
        let mut export = rig.export(&[script]);
        let tenant = testing::tenant("acme");
        export.scope =
            TenantScope::of(&outhaul_exports::principal::Tenant { value: begin.into(), ..tenant });
        export.spec.packing = Packing::Gzip;
        let id = rig.submit(export).await;
        // The first report of progress, or of an endless one some rows.
        let moving = |rows| {
            move |export: &outhaul_exports::export::Export| {
                export.lease.is_some() && export.progress.rows_read >= rows
            }
        };
        let rows = if script == "rows=endless" { 100_000 } else { 0 };
        rig.until(id, moving(rows)).await;
        let asked = Instant::now();
        rig.cancel(id).await;
        let export = rig.ended(id).await;
        let took = asked.elapsed();
        longest = longest.max(took);
        assert_eq!(export.state, State::Cancelled, "{begin} {script}");
        assert!(took < Duration::from_secs(1), "{begin} {script} took {took:?}");
    }
    // In the end of an upload.
    let gate = Gate::at(rig.root.with_extension("gate"));
    let id = rig.script("rows=10").await;
    let held = gate.reached().await;
    let asked = Instant::now();
    rig.cancel(id).await;
    assert_eq!(rig.ended(id).await.state, State::Cancelled);
    assert!(asked.elapsed() < Duration::from_secs(1));
    std::fs::remove_file(&gate.0).expect("it is removed");
    drop(held);
    println!("the slowest cancel took {longest:?}");

    let id = rig.script("rows=100").await;
    let export = rig.ended(id).await;
    rig.assert_whole(&export, 100).await;
    worker.drain.begin(Duration::ZERO);
    worker.ended().await;
    let whole: Vec<PathBuf> = rig.files().into_iter().filter(|file| !is_part(file)).collect();
    assert_eq!(whole.len(), 1, "{whole:?}");
}

fn is_part(file: &std::path::Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".part-"))
}

async fn a_queued_export_is_cancelled_at_once() {
    let rig = Rig::new();
    let id = rig.script("rows=10").await;
    rig.cancel(id).await;
    assert_eq!(rig.get(id).await.state, State::Cancelled);
    let worker = rig.work().await;
    let other = rig.script("rows=10").await;
    rig.ended(other).await;
    assert_eq!(rig.get(id).await.state, State::Cancelled);
    drop(worker);
}

async fn a_drain_lets_finish_what_can() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let gate = rig.gate("gate");
    let running = rig.script(&format!("rows=9000 at=4000 do={}", gate.script())).await;
    let held = gate.reached().await;
    worker.drain.begin(Duration::from_secs(60));
    let later = rig.script("rows=10").await;
    drop(held);
    worker.ended().await;
    let export = rig.get(running).await;
    rig.assert_whole(&export, 9_000).await;
    assert_eq!(rig.get(later).await.state, State::Queued);
}

async fn a_drain_gives_back_what_cannot_finish() {
    let rig = Rig::new();
    let mut ids = Vec::new();
    for _ in 0..10 {
        let worker = rig.work().await;
        let gates = [rig.gate("gate-0"), rig.gate("gate-1")];
        for gate in &gates {
            ids.push(rig.script(&format!("rows=5000 at=4000 do={}", gate.script())).await);
        }
        // Those of earlier rounds wait behind gates that are open again.
        let held = [gates[0].reached().await, gates[1].reached().await];
        let begun = Instant::now();
        worker.drain.begin(Duration::ZERO);
        worker.ended().await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        drop(held);
        for id in &ids {
            let export = rig.get(*id).await;
            assert_eq!(export.state, State::Queued);
            let tally = export.tally;
            assert_eq!((tally.errors, tally.crashes, tally.rescues), (0, 0, 0));
        }
        for gate in gates {
            std::fs::remove_file(gate.0).expect("it is removed");
        }
        let parts: Vec<_> = rig.files().into_iter().filter(|file| !is_part(file)).collect();
        assert_eq!(parts, Vec::<PathBuf>::new());
        for id in ids.drain(..) {
            rig.cancel(id).await;
        }
    }
    // What is given back is done by the next.
    let worker = rig.work().await;
    let gate = rig.gate("last");
    let id = rig.script(&format!("rows=5000 at=4000 do={}", gate.script())).await;
    let held = gate.reached().await;
    worker.drain.begin(Duration::ZERO);
    worker.ended().await;
    drop(held);
    let worker = rig.work().await;
    drop(gate.reached().await);
    let export = rig.ended(id).await;
    rig.assert_whole(&export, 5_000).await;
    drop(worker);
}

/// A worker is stopped when the files of five exports are written and it is about to say so; its
/// leases end and another takes over; then it goes on.
async fn a_zombie_is_refused_and_changes_nothing() {
    let mut rig = Rig::new();
    rig.settings.slots = 5;
    let _house = rig.keep_house();
    let cut = Arc::new(CutStore::over(rig.jobs.clone()));
    let zombie = rig.work_on(cut.clone()).await;
    let healthy = Arc::new(CutStore::over(rig.jobs.clone()));
    healthy.leases.store(false, Ordering::Relaxed);
    let worker = rig.work_on(healthy.clone()).await;
    for round in 1..=6 {
        cut.held_up.send_replace(HashSet::new());
        cut.cut.send_replace(Cut::Ends);
        cut.leases.store(true, Ordering::Relaxed);
        let mut ids = Vec::new();
        for rows in [0, 1, 1_000, 2_000, 3_000] {
            ids.push((rows, rig.script(&format!("rows={rows}")).await));
        }
        let mut held_up = cut.held_up.subscribe();
        let keys = held_up.wait_for(|keys| keys.len() == 5).await.expect("they end").clone();
        cut.leases.store(false, Ordering::Relaxed);
        healthy.leases.store(true, Ordering::Relaxed);
        let mut done = Vec::new();
        for (rows, id) in ids {
            let export = rig.ended(id).await;
            rig.assert_whole(&export, rows).await;
            let key = &export.manifest.as_ref().expect("a manifest").artifacts[0].key;
            assert!(keys.iter().all(|zombie| !key.contains(&zombie.token.0)), "{key}");
            done.push((rows, export));
        }
        healthy.leases.store(false, Ordering::Relaxed);

        cut.cut.send_replace(Cut::Nothing);
        rig.until(done[0].1.id, |_| cut.refused.load(Ordering::Relaxed) == round * 5).await;
        zombie_files_gone(&rig, &keys).await;
        for (rows, export) in done {
            assert_eq!(rig.get(export.id).await, export, "nothing changed");
            rig.assert_whole(&export, rows).await;
        }
    }
    println!("{} of 30 zombies were refused", cut.refused.load(Ordering::Relaxed));
    for running in [zombie, worker] {
        running.drain.begin(Duration::ZERO);
        running.ended().await;
    }
}

async fn zombie_files_gone(rig: &Rig, keys: &HashSet<LeaseKey>) {
    let of_zombie = |file: &PathBuf| {
        let file = file.to_string_lossy();
        keys.iter().any(|key| file.contains(&key.token.0))
    };
    while rig.files().iter().any(of_zombie) {
        tokio::task::yield_now().await;
    }
}

/// Six times ten leases whose holder is dead: all are running again before the promised time.
async fn what_a_dead_worker_left_runs_again_soon() {
    let rig = Rig::new();
    let _house = rig.keep_house();
    // The end of the lease, a sweep and a poll at their longest, and the runs themselves.
    let promised = rig.timings.lease + (rig.timings.sweep + rig.timings.poll) * 5 / 4;
    let mut longest = Duration::ZERO;
    let worker_store = Arc::new(CutStore::over(rig.jobs.clone()));
    let worker = rig.work_on(worker_store.clone()).await;
    for _ in 0..6 {
        worker_store.leases.store(false, Ordering::Relaxed);
        for _ in 0..10 {
            rig.script("rows=1").await;
        }
        let ask = LeaseAsk {
            holder: Incarnation::random(),
            most: 10,
            ttl: chrono::TimeDelta::from_std(rig.timings.lease).expect("a short time"),
            now: rig.clock.now(),
        };
        let leased = rig.jobs.lease(&ask).await.expect("the store works");
        let since = Instant::now();
        worker_store.leases.store(true, Ordering::Relaxed);
        assert_eq!(leased.len(), 10);
        for export in leased {
            let again = rig.until(export.id, |export| export.tally.attempts == 2).await;
            assert_eq!(again.tally.rescues, 1);
            longest = longest.max(since.elapsed());
            rig.ended(export.id).await;
        }
    }
    println!("60 exports of dead workers ran again within {longest:?} (promised: {promised:?})");
    // Ten go through two slots one after another; the promise is about a slot that is free.
    assert!(longest < promised + Duration::from_millis(500), "{longest:?}");
    drop(worker);
}

async fn whoever_is_cut_off_stops_and_the_others_finish() {
    let rig = Rig::new();
    let _house = rig.keep_house();
    let cut = Arc::new(CutStore::over(rig.jobs.clone()));
    let lost = rig.work_on(cut.clone()).await;
    let gates = [rig.gate("gate-0"), rig.gate("gate-1")];
    let mut ids = Vec::new();
    for gate in &gates {
        ids.push(rig.script(&format!("rows=5000 at=4000 do={}", gate.script())).await);
    }
    let held = [gates[0].reached().await, gates[1].reached().await];
    gates.iter().for_each(Gate::open);
    let worker = rig.work().await;
    // From now on it is cut off for ever. It stops by itself before its leases can be over.
    let since = Instant::now();
    cut.cut.send_replace(Cut::Everything);
    for pipe in held {
        deserted(pipe).await;
    }
    assert!(since.elapsed() < rig.timings.lease, "{:?}", since.elapsed());
    for n in 0..20 {
        ids.push(rig.script(&format!("rows={}", 5_000 - n)).await);
    }
    for (n, id) in ids.into_iter().enumerate() {
        let export = rig.ended(id).await;
        let rows = if n < 2 { 5_000 } else { 5_002 - n as u64 };
        rig.assert_whole(&export, rows).await;
        assert_eq!(export.tally.crashes, 0);
    }
    assert_eq!(cut.refused.load(Ordering::Relaxed), 0, "it published nothing");
    drop((lost, worker));
}
