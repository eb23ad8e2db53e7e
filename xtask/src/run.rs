//! Run a program and say how long it took.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

/// The repository's root.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// The build's target folder.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Cargo, as this task was started with it, in the environment of a shell: build scripts look at
/// what `cargo run` adds to it, and would rebuild half of the dependencies for the difference.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether a program answers `--version`.
pub fn has(program: &str, args: &[&str]) -> bool {
    let probe = Command::new(program).args(args).output();
    probe.is_ok_and(|output| output.status.success())
}

/// Runs a step with its output shown; fails when it does.
pub fn step(title: &str, command: &mut Command) -> anyhow::Result<()> {
    println!("==> {title}");
    let begun = Instant::now();
    let status = command.status().with_context(|| format!("{title}: could not be started"))?;
    if !status.success() {
        bail!("{title}: {status}");
    }
    println!("<== {title}: {:.1} s\n", begun.elapsed().as_secs_f64());
    Ok(())
}
