//! Scripts that want time, memory, or out: each with its figures.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use outhaul_scripts::{End, Failure, Limits, Sandbox};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::cases::{self, Case, LATE, LATE_MAX};

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
    let (mut bounded, mut in_time, mut latest, mut largest) = (0, 0, Duration::ZERO, 0);
    for case in &all {
        let (wrong, outcome) = cases::try_case(&sandbox, case).await;
        let late = outcome.took.saturating_sub(cases::limits(case).time);
        latest = latest.max(late);
        largest = largest.max(outcome.peak_memory_bytes.unwrap_or_default());
        bounded += usize::from(late <= LATE_MAX);
        in_time += usize::from(late <= LATE);
        for wrong in wrong {
            let _ = writeln!(report, "{}: {wrong}", case.name);
        }
    }
    let growth = resident().saturating_sub(before);
    println!(
        "bounded {bounded}/{}, {in_time} within {LATE:?} of the limit, the latest {latest:?} after \
         it, largest {:.1} MiB, this process grew by {:.2} MiB",
        all.len(),
        largest as f64 / f64::from(1 << 20),
        growth as f64 / f64::from(1 << 20),
    );
    assert!(report.is_empty(), "\n{report}");
    assert_eq!(bounded, all.len());
    assert!(in_time * 10 >= all.len() * 9, "only {in_time} ended within {LATE:?} of the limit");
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

/// Scripts that random choice makes of pieces of the others: whatever they do, they are bounded, and
/// none of it is a reason for the process to die.
pub async fn random_scripts_are_bounded() {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let seed = number("SEED", rand::rng().random());
    let scripts = number("OUTHAUL_TEST_SCRIPTS", 150);
    println!("SEED={seed} OUTHAUL_TEST_SCRIPTS={scripts}");
    let mut random = StdRng::seed_from_u64(seed);
    let files = ["probes.json", "escapes.json", "memory.json", "output.json", "behaviour.json"];
    let pieces: Vec<String> =
        files.into_iter().flat_map(cases::read).map(|case| case.script.text()).collect();
    let sandbox = cases::sandbox();
    let limits = Limits { time: Duration::from_millis(100), ..Limits::default() };
    let (modules, host) = (crate::host::modules(), crate::host::Answers);
    let mut ends = std::collections::BTreeMap::<&str, u32>::new();
    let mut latest = Duration::ZERO;
    for _ in 0..scripts {
        let source = compose(&mut random, &pieces, 3);
        let ran = sandbox.run(&source, "{}", &modules, &limits, &host).await;
        let outcome = ran.unwrap_or_else(|error| panic!("SEED={seed}: {error}:\n{source}"));
        let word = match &outcome.end {
            End::Finished { .. } => "finished",
            End::Failed(Failure::Crashed { detail }) => {
                panic!("SEED={seed}: {detail}:\n{source}")
            }
            End::Failed(failure) => failure.word(),
        };
        *ends.entry(word).or_default() += 1;
        latest = latest.max(outcome.took.saturating_sub(limits.time));
        assert!(latest <= LATE_MAX, "SEED={seed}: {:?}:\n{source}", outcome.took);
        let most = limits.memory_bytes as u64 + outhaul_scripts::OVERHEAD_BYTES + (16 << 20);
        let held = outcome.peak_memory_bytes.unwrap_or_default();
        assert!(held <= most, "SEED={seed}: {held} bytes:\n{source}");
    }
    println!("{ends:?}, latest {latest:?} after the limit");
}

fn compose(random: &mut StdRng, pieces: &[String], depth: u32) -> String {
    let leaf = pieces.choose(random).cloned().unwrap_or_default();
    if depth == 0 {
        return leaf;
    }
    let mut inner = || compose(random, pieces, depth - 1);
    let (one, other) = (inner(), inner());
    match random.random_range(0..12) {
        0 => format!("try {{ {one} }} catch (e) {{ {other} }}"),
        1 => format!("try {{ {one} }} finally {{ {other} }}"),
        2 => format!("for (let z = 0; z < 3; z++) {{ {one} }}"),
        3 => format!("Promise.resolve().then(() => {{ {one} }}); {{ {other} }}"),
        4 => format!("return (async () => {{ {one}\nawait 0; {other} }})()"),
        5 => format!("const v = (() => {{ {one} }})(); console.log(v); {{ {other} }}"),
        6 => format!("return {{ get a() {{ {one} }}, toJSON() {{ {other} }} }}"),
        7 => format!("throw {{ get message() {{ {one} }}, toString() {{ {other} }} }}"),
        8 => format!("[3, 1, 2].sort(() => {{ {one} }}); {{ {other} }}"),
        9 => format!("'aXbX'.replace(/X/g, () => {{ {one} }}); {{ {other} }}"),
        10 => format!("new Proxy({{}}, {{ get() {{ {one} }}, has() {{ {other} }} }}).x"),
        _ => leaf,
    }
}
