//! The life of exports with real slots: processes that crash, hang, swell and freeze.
//!
//! The binary starts itself again: as a slot (`slot`), as the process of a script (`script`), and as
//! a server to be killed (`server`).

mod archives;
mod artifacts;
mod callbacks;
mod deaths;
mod engine;
mod gauges;
mod house;
mod notices;
mod plan;
mod rig;
mod runs;
mod scripts;
mod stops;
mod store;
mod unzip;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A test and its name.
pub type Case = (&'static str, fn() -> rig::BoxedTest);

/// Names a test after its function.
#[macro_export]
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        pub const CASES: &[$crate::Case] =
            &[$((concat!(module_path!(), "::", stringify!($case)), || Box::pin($case()))),+];
    };
}

/// No test takes longer than this.
const LONGEST: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("script") => return outhaul_scripts::child_main(),
        Some("slot") => return rig::slot_main(&args[1..]),
        Some("server") => return deaths::server_main(&args[1..]),
        _ => {}
    }
    let all = [
        runs::CASES,
        deaths::CASES,
        stops::CASES,
        plan::CASES,
        house::CASES,
        notices::CASES,
        callbacks::CASES,
        archives::CASES,
        scripts::CASES,
    ]
    .concat();
    let flag = |name: &str| args.iter().any(|arg| arg == name);
    if flag("--list") {
        // What cargo-nextest asks for; there are no ignored tests.
        all.iter().filter(|_| !flag("--ignored")).for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| {
        filters.is_empty()
            || filters.iter().any(|f| if flag("--exact") { name == *f } else { name.contains(*f) })
    };
    let mut failed = Vec::new();
    for (name, case) in all.iter().filter(|(name, _)| wanted(name)) {
        let begun = Instant::now();
        let passed = std::panic::catch_unwind(AssertUnwindSafe(|| run(*case))).is_ok();
        let verdict = if passed { "ok" } else { "FAILED" };
        println!("test {name} ... {verdict} ({:.2} s)", begun.elapsed().as_secs_f64());
        if !passed {
            failed.push(*name);
        }
    }
    println!("test result: {} failed {failed:?}", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(case: fn() -> rig::BoxedTest) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(LONGEST, case()).await.expect("the test hangs");
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
}
