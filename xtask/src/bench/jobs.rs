//! Jobs over the wire: what a server costs beside the same queries by the command line, and how many
//! small jobs of many tenants it takes at once. A Python script is the client.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::run;

/// Rows of the demo's largest table: the first tenant has a million of them.
const ROWS: u64 = 1_690_000;

/// Runs the jobs and answers their table in Markdown.
pub fn run(program: &Path, python: &Path, rounds: usize) -> anyhow::Result<String> {
    let mut command = Command::new(python);
    command.arg(run::root().join("xtask/src/bench/jobs.py")).arg(program);
    command.arg(run::target().join("bench/jobs")).args([ROWS.to_string(), rounds.to_string()]);
    let done = command.stderr(std::process::Stdio::inherit()).output();
    let done = done.context("the client of the jobs cannot be started")?;
    ensure!(done.status.success(), "the client of the jobs: {}", done.status);
    let printed = String::from_utf8(done.stdout).context("the client's table")?;
    let table = printed.find("| case").map(|at| &printed[at..]).context("it printed no table")?;
    Ok(format!("### Jobs over the wire, medians of {rounds} rounds\n\n{table}"))
}
