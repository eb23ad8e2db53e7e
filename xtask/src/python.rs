//! A Python environment with the third-party readers and clients that tests and benchmarks use.
//!
//! It lives below the target folder and is made again when the list of packages changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::run;

/// The environment's interpreter, after installing what `requirements` lists.
///
/// # Errors
/// When there is no Python 3 with `venv`, or a package cannot be installed; the text says which.
pub fn environment(requirements: &str) -> anyhow::Result<PathBuf> {
    let list = run::root().join(requirements);
    let wanted = fs::read_to_string(&list).with_context(|| format!("{requirements} is missing"))?;
    let name = Path::new(requirements).file_stem().unwrap_or_default();
    let folder = run::target().join("python").join(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if !run::has("python3", &["-m", "venv", "--help"]) {
        anyhow::bail!("python3 with its venv module is missing: install python3 and python3-venv");
    }
    run::step(
        &format!("Python environment for {requirements}"),
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder),
    )?;
    run::step(
        &format!("packages of {requirements}"),
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&list),
    )?;
    fs::write(stamp, wanted)?;
    Ok(python)
}
