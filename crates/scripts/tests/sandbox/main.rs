//! Scripts, most of them hostile, in real processes.
//!
//! The binary starts itself again: as the process of a script (`script`), as one that only claims to
//! be it (`liar`), and as a server that dies (`owner`).

mod cases;
mod host;
mod hostile;
mod lives;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Instant;

/// A test, to be started.
type Test = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// Names tests after their functions.
macro_rules! tests {
    ($($test:path),+ $(,)?) => {
        &[$((stringify!($test), (|| Box::pin($test())) as Test)),+]
    };
}

const TESTS: &[(&str, Test)] = tests![
    cases::behaviour,
    cases::output,
    cases::refused,
    cases::calls,
    hostile::p35_every_script_is_bounded,
    hostile::p35_no_file_is_opened_and_nothing_connected,
    hostile::memory_bombs,
    hostile::random_scripts_are_bounded,
    hostile::a_script_sees_nothing_of_the_one_before,
    lives::a_program_that_is_no_sandbox_is_an_error,
    lives::a_process_that_lies_is_a_crash,
    lives::globals_are_checked,
    lives::a_dropped_run_leaves_no_process,
    lives::a_dead_server_leaves_no_process,
    lives::scripts_run_side_by_side,
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("script") => return outhaul_scripts::child_main(),
        Some("liar") => return lives::lie(&args[1..]),
        Some("owner") => {
            return run(|| Box::pin(lives::own()))
                .map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
        _ => {}
    }
    let flag = |name: &str| args.iter().any(|arg| arg == name);
    if flag("--list") {
        // What cargo-nextest asks for; there are no ignored tests.
        TESTS.iter().filter(|_| !flag("--ignored")).for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| {
        filters.is_empty()
            || filters.iter().any(|f| if flag("--exact") { name == *f } else { name.contains(*f) })
    };
    let mut failed = Vec::new();
    for (name, test) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        let begun = Instant::now();
        let verdict = if run(*test).is_some() { "ok" } else { "FAILED" };
        println!("test {name} ... {verdict} ({:.2} s)", begun.elapsed().as_secs_f64());
        if verdict != "ok" {
            failed.push(*name);
        }
    }
    println!("test result: {} failed {failed:?}", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(test: Test) -> Option<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(test()))).ok()
}
