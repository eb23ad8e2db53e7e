//! The project's own tasks: `cargo xtask test`, `cargo xtask tidy`, `cargo xtask bench`.
//!
//! Everything that a test or a benchmark needs is installed or started from here, or named in one
//! sentence when it is missing; nobody has to prepare a machine by hand.

mod bench;
mod node;
mod programs;
mod python;
mod run;
mod test;
mod tidy;

use clap::{Parser, Subcommand};

/// The project's own tasks.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every test: formatting, lints, house rules, all rooms, the whole server, real clients.
    Test(test::Args),
    /// Check the house rules alone: imports between rooms, plug-in folders, licences, versions.
    Tidy,
    /// Compare speed and peak memory with other programs, side by side, in a release build.
    Bench(bench::Args),
}

fn main() -> anyhow::Result<()> {
    std::env::set_current_dir(run::root())?;
    match Cli::parse().task {
        Task::Test(args) => test::run(&args),
        Task::Tidy => tidy::run(),
        Task::Bench(args) => bench::run(&args),
    }
}
