//! Slots that die, and servers that die over them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use outhaul_exports::export::State;
use outhaul_exports::lease::Incarnation;
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::Query;
use outhaul_exports::spec::Packing;
use outhaul_exports::{ports::Planner, testing};
use outhaul_worker::{SlotPool, SlotSettings, resume};

use super::rig::{Gate, Rig, deserted, settings};

crate::cases![
    three_crashes_are_the_end_and_nobody_else_suffers,
    a_crash_costs_one_attempt,
    memory_is_limited,
    what_hangs_is_killed_at_its_deadline,
    what_freezes_is_killed,
    slots_die_with_their_server,
    a_new_process_goes_on_with_the_work_of_the_dead_alone,
    a_full_volume_fails_the_export_and_heals,
];

async fn three_crashes_are_the_end_and_nobody_else_suffers() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let mut poison = Vec::new();
    let mut good = Vec::new();
    for n in 0..30 {
        if n % 10 == 0 {
            poison.push(rig.script("rows=9000 at=4000 do=abort").await);
        }
        good.push((n * 100, rig.script(&format!("rows={}", n * 100)).await));
    }
    for id in poison {
        let export = rig.ended(id).await;
        assert_eq!(export.state, State::Failed);
        assert_eq!((export.tally.attempts, export.tally.crashes), (3, 3));
        assert_eq!(export.failure.expect("a failure").code, "worker_crashed");
    }
    for (rows, id) in good {
        let export = rig.ended(id).await;
        rig.assert_whole(&export, rows).await;
        assert_eq!(export.tally.attempts, 1);
    }
    drop(worker);
}

async fn a_crash_costs_one_attempt() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let gate = rig.gate("gate");
    let id = rig.script(&format!("rows=9000 at=4000 do={}", gate.script())).await;
    let held = gate.reached().await;
    let [slot] = busy_slots(&rig).try_into().expect("one slot is busy");
    rustix::process::kill_process(slot, rustix::process::Signal::KILL).expect("it is killed");
    rig.until(id, |export| export.tally.crashes == 1).await;
    drop(held);
    drop(gate.reached().await);
    let export = rig.ended(id).await;
    rig.assert_whole(&export, 9_000).await;
    assert_eq!((export.tally.attempts, export.tally.crashes), (2, 1));
    drop(worker);
}

/// Slots of this rig that have an unfinished file open.
fn busy_slots(rig: &Rig) -> Vec<rustix::process::Pid> {
    let writes = |pid: &str| {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let links = open.filter_map(|fd| std::fs::read_link(fd.path()).ok());
        links.into_iter().any(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            file.starts_with(&rig.root) && name.starts_with(".part-")
        })
    };
    let all = std::fs::read_dir("/proc").expect("there is /proc").flatten();
    let pids = all.filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|pid| pid.parse::<i32>().is_ok() && writes(pid))
        .filter_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?))
        .collect()
}

async fn memory_is_limited() {
    let rig = Rig::new();
    let worker = rig.work().await;
    for script in ["rows=9000 at=4000 do=bomb", "rows=9000 open=bomb", "rows=9000 at=4000 do=leap"]
    {
        let id = rig.script(script).await;
        let export = rig.ended(id).await;
        assert_eq!(export.state, State::Failed, "{script}");
        let failure = export.failure.expect("a failure");
        assert_eq!(failure.code, "memory_limit", "{script}: {}", failure.message);
        assert_eq!(export.tally.attempts, 1);
    }
    let id = rig.script("rows=100").await;
    let export = rig.ended(id).await;
    rig.assert_whole(&export, 100).await;
    drop(worker);
}

async fn what_hangs_is_killed_at_its_deadline() {
    let rig = Rig::new();
    let worker = rig.work().await;
    for script in ["rows=9000 at=4000 do=hang", "rows=9000 open=block", "rows=endless"] {
        let mut export = rig.export(&[script]);
        export.policy.run_secs_max = Some(1);
        // Packed, an endless export does not fill the disk of whoever runs the test.
        export.spec.packing = Packing::Gzip;
        let id = rig.submit(export).await;
        let export = rig.ended(id).await;
        let failure = export.failure.expect("a failure");
        assert_eq!((export.state, failure.code.as_str()), (State::Failed, "run_time_limit"));
        assert!(failure.message.contains("1 seconds"), "{}", failure.message);
    }
    drop(worker);
}

async fn what_freezes_is_killed() {
    let mut rig = Rig::new();
    rig.settings.silence_max = Duration::from_secs(1);
    let worker = rig.work().await;
    let id = rig.script("rows=9000 at=4000 do=freeze").await;
    let export = rig.ended(id).await;
    assert_eq!((export.state, export.tally.crashes), (State::Failed, 3));
    assert_eq!(export.failure.expect("a failure").code, "worker_crashed");
    drop(worker);
}

/// This binary as a server that is about to be killed: its slot waits at the gate.
pub fn server_main(args: &[String]) -> ExitCode {
    let (folder, gate) = (PathBuf::from(&args[0]), &args[1]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let settings = settings(&folder, &folder.join("artifacts"));
        let slots = SlotPool::start(settings, &Incarnation::random()).expect("a pool");
        let query = Query::Sql { text: format!("rows=1 check=wait:{gate}") };
        let _ = slots.check(&TenantScope::of(&testing::tenant("acme")), &query).await;
    });
    ExitCode::SUCCESS
}

async fn slots_die_with_their_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = Gate::at(folder.path().join("gate"));
    let mut server = std::process::Command::new(std::env::current_exe().expect("this binary"))
        .arg("server")
        .args([folder.path(), &gate.0])
        .spawn()
        .expect("a server");
    let pipe = gate.reached().await;
    server.kill().expect("it is killed");
    server.wait().expect("it is gone");
    deserted(pipe).await;
    // The next server removes what the dead one's slots left.
    let before = std::fs::read_dir(folder.path().join("spill")).expect("a folder").count();
    assert_eq!(before, 1);
    let settings = settings(folder.path(), &folder.path().join("artifacts"));
    drop(SlotPool::start(settings, &Incarnation::random()).expect("a pool"));
}

async fn a_new_process_goes_on_with_the_work_of_the_dead_alone() {
    let mut rig = Rig::new();
    // One that works has no other slot, so that it cannot take the second export.
    rig.settings.slots = 1;
    let gate = rig.gate("gate");
    let id = rig.script(&format!("rows=2000 at=1000 do={}", gate.script())).await;
    let old = rig.work().await;
    let held = gate.reached().await;
    // One that starts next to it with the same spill folder leaves it alone: it lives.
    let start = || {
        let (settings, own) = (rig.settings.clone(), Incarnation::random());
        SlotPool::start(SlotSettings { slots: 0, ..settings }, &own).expect("a pool")
    };
    let next = start();
    assert_eq!(next.dead(), []);
    assert_eq!(resume(&*rig.jobs, &*rig.clock, next.dead()).await.expect("it resumes"), 0);
    assert_eq!(rig.get(id).await.state, State::Running);
    // What a killed process leaves is a folder whose lock nobody holds.
    let killed = Incarnation::random();
    let folder = rig.settings.spill_dir.join(format!("slots-{}", killed.0));
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("lock"), "").expect("a lock that nobody holds");
    let other = rig.leased_by(&killed).await;
    let next = start();
    assert_eq!(next.dead(), std::slice::from_ref(&killed));
    assert_eq!(resume(&*rig.jobs, &*rig.clock, next.dead()).await.expect("it resumes"), 1);
    // Nobody waited for the lease to end, and nobody else lost one.
    let export = rig.get(other).await;
    assert_eq!((export.state, export.tally.rescues, export.tally.crashes), (State::Queued, 1, 0));
    assert_eq!(rig.get(id).await.tally.attempts, 1);
    assert_eq!(rig.get(id).await.state, State::Running);
    drop(held);
    let export = rig.ended(id).await;
    rig.assert_whole(&export, 2_000).await;
    assert_eq!((export.tally.attempts, export.tally.rescues), (1, 0));
    drop(old);
}

/// A volume of its own, unmounted when dropped. `None` where one may not mount.
struct Volume(tempfile::TempDir);

impl Volume {
    fn of_kib(kib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "none"])
            .arg(folder.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).output();
    }
}

async fn a_full_volume_fails_the_export_and_heals() {
    let Some(volume) = Volume::of_kib(2_048) else {
        println!("skipped: a tmpfs cannot be mounted here (root is needed)");
        return;
    };
    let filler = volume.0.path().join("filler");
    let folder = tempfile::tempdir().expect("a folder");
    let rig = Rig::at(folder, volume.0.path().join("artifacts"));
    let worker = rig.work().await;
    for level in 0..30 {
        std::fs::write(&filler, vec![0; level * 67 * 1_024]).expect("it is filled");
        // About 3.4 MB.
        let id = rig.script("rows=120000").await;
        let export = rig.ended(id).await;
        let failure = export.failure.expect("a failure");
        assert_eq!((export.state, failure.code.as_str()), (State::Failed, "storage_full"));
        assert!(failure.message.starts_with("artifact volume has "), "{}", failure.message);
        assert_eq!(rig.files(), Vec::<PathBuf>::new(), "at level {level}");
        // Room is made, and nothing needs to be started again.
        std::fs::remove_file(&filler).expect("it is emptied");
        let id = rig.script("rows=20000").await;
        let export = rig.ended(id).await;
        rig.assert_whole(&export, 20_000).await;
        for file in rig.files() {
            std::fs::remove_file(file).expect("it is removed");
        }
    }
    drop(worker);
}
