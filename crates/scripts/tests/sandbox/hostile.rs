//! Scripts that want time, memory, or out: each with its figures.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use outhaul_scripts::Sandbox;

use crate::cases::{self, Case};

/// More than a script's time that its end may take.
const LATE_MAX: Duration = Duration::from_millis(500);

/// What this process may grow by.
const GROWTH_MAX: u64 = 8 << 20;

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("there is /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has a size");
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    kib * 1024
}

/// Promise: a script cannot hang, crash, fill, read, write, connect or see another tenant; it ends
/// at its limit + 0.5 s.
pub async fn p35_every_script_is_bounded() {
    let sandbox = cases::sandbox();
    let mut report = String::new();
    let all: Vec<Case> =
        ["probes.json", "escapes.json"].into_iter().flat_map(cases::read).collect();
    assert!(all.len() >= 70, "there are {} scripts", all.len());
    // The first fills what this process keeps for all of them.
    cases::try_case(&sandbox, &all[0]).await;
    let before = resident();
    let (mut bounded, mut latest, mut largest) = (0, Duration::ZERO, 0);
    for case in &all {
        let (wrong, outcome) = cases::try_case(&sandbox, case).await;
        let late = outcome.took.saturating_sub(cases::limits(case).time);
        latest = latest.max(late);
        largest = largest.max(outcome.peak_memory_bytes.unwrap_or_default());
        bounded += usize::from(late <= LATE_MAX);
        for wrong in wrong {
            let _ = writeln!(report, "{}: {wrong}", case.name);
        }
    }
    let growth = resident().saturating_sub(before);
    println!(
        "bounded {bounded}/{}, latest {latest:?} after the limit, largest {:.1} MiB, this process \
         grew by {:.2} MiB",
        all.len(),
        largest as f64 / f64::from(1 << 20),
        growth as f64 / f64::from(1 << 20),
    );
    assert!(report.is_empty(), "\n{report}");
    assert_eq!(bounded, all.len());
    assert!(growth <= GROWTH_MAX, "this process grew by {growth} bytes");
}

/// The same scripts, under a tracer of system calls: after the process has sealed itself it does
/// nothing but work, read and write.
pub async fn p35_no_file_is_opened_and_nothing_connected() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: this machine has no strace; the seal is also tested without it");
        return;
    }
    let folder = std::env::temp_dir().join(format!("outhaul-scripts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder is made");
    let own = std::env::current_exe().expect("the test has a file");
    let (mut traced, mut other) = (0, std::collections::BTreeSet::new());
    for (index, case) in
        ["escapes.json", "probes.json"].into_iter().flat_map(cases::read).enumerate()
    {
        let trace: PathBuf = folder.join(index.to_string());
        let arguments = vec![
            "-f".into(),
            "-o".into(),
            trace.clone().into(),
            own.clone().into(),
            "script".into(),
        ];
        let sandbox = Sandbox::new("strace", arguments).expect("a thread starts");
        let limits =
            outhaul_scripts::Limits { time: Duration::from_millis(300), ..cases::limits(&case) };
        let (source, modules) = (case.script.text(), crate::host::modules());
        let host = crate::host::Answers;
        let run = sandbox.run(&source, "{}", &modules, &limits, &host);
        run.await.unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let text = std::fs::read_to_string(&trace).expect("there is a trace");
        let mut calls = text.lines().map(|line| {
            let line = line.split_once(' ').map_or(line, |(_, rest)| rest).trim_start();
            line.split('(').next().unwrap_or_default().to_owned()
        });
        assert!(calls.any(|call| call == "seccomp"), "{}: it did not seal itself", case.name);
        other.extend(
            calls.filter(|call| call.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')),
        );
        traced += 1;
    }
    println!("{traced} scripts traced; after the seal there were: {other:?}");
    let _ = std::fs::remove_dir_all(&folder);
    for forbidden in [
        "open", "openat", "openat2", "connect", "socket", "execve", "clone", "clone3", "fork",
        "vfork", "kill", "tgkill", "unlink",
    ] {
        assert!(!other.contains(forbidden), "a script's process called {forbidden}");
    }
    assert!(other.contains("write"), "the tracer saw nothing");
}

pub async fn memory_bombs() {
    cases::all("memory.json").await;
}

/// What one script does to its built-ins, the next one does not see.
pub async fn a_script_sees_nothing_of_the_one_before() {
    let sandbox = cases::sandbox();
    let pollute = cases::read("pollute.json");
    let [first, second] = &pollute[..] else { panic!("two scripts") };
    for _ in 0..2 {
        for case in [first, second] {
            let (wrong, _) = cases::try_case(&sandbox, case).await;
            assert_eq!(wrong, Vec::<String>::new(), "{}", case.name);
        }
    }
}
