//! Third-party clients for Node.js, from the packages that `cargo xtask test` installs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the packages; `None`, with the reason printed, when there is none.
pub fn packages() -> Option<PathBuf> {
    let found = std::env::var_os("OUTHAUL_TEST_NODE_PACKAGES").map(PathBuf::from);
    if found.is_none() {
        println!("skipped: OUTHAUL_TEST_NODE_PACKAGES is not set; run `cargo xtask test`");
    }
    found
}

/// A script of this crate's `tests/node` with these packages.
pub fn script(packages: &Path, name: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node").join(name);
    let mut command = Command::new("node");
    command.arg(path).env("NODE_PATH", packages);
    command
}
