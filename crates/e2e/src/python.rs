//! Third-party readers and clients, run by the interpreter that `cargo xtask test` prepares.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter; `None`, with the reason printed, when there is none.
pub fn interpreter() -> Option<PathBuf> {
    let found = std::env::var_os("OUTHAUL_TEST_PYTHON").map(PathBuf::from);
    if found.is_none() {
        println!("skipped: OUTHAUL_TEST_PYTHON is not set; run `cargo xtask test`");
    }
    found
}

/// The program zacc, in an environment of its own; `None`, with the reason printed, when there is none.
pub fn zacc() -> Option<PathBuf> {
    let found = std::env::var_os("OUTHAUL_TEST_ZACC").map(PathBuf::from);
    if found.is_none() {
        println!("skipped: OUTHAUL_TEST_ZACC is not set; run `cargo xtask test`");
    }
    found
}

/// A script of this crate's `tests/python`.
pub fn script(python: &Path, name: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
    let mut command = Command::new(python);
    command.arg(path);
    command
}

/// Runs it and answers what it printed.
///
/// # Errors
/// When it fails, with both of its outputs.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    anyhow::ensure!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    Ok(out)
}
