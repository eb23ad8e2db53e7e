//! Packages for Node.js: third-party clients that tests drive.
//!
//! They live below the target folder and are installed again when the list of packages changes. No
//! package's own scripts are run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::run;

/// The folder of the packages, after installing what `folder` lists.
///
/// # Errors
/// When there is no npm, or a package cannot be installed; the text says which.
pub fn packages(folder: &str) -> anyhow::Result<PathBuf> {
    let list = run::root().join(folder);
    let place = run::target().join("node");
    let packages = place.join("node_modules");
    let locked = list.join("package-lock.json");
    let wanted = fs::read_to_string(&locked).with_context(|| format!("{folder} is missing"))?;
    let stamp = place.join("installed.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(packages);
    }
    fs::create_dir_all(&place)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(list.join(name), place.join(name))?;
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    run::step(&format!("packages of {folder}"), install.current_dir(&place))?;
    fs::write(stamp, wanted)?;
    Ok(packages)
}
