//! The programs that tests and benchmarks need: database servers, of which they start instances of
//! their own, what sets a clock, and what opens encrypted files. They are installed when they are missing and this machine's
//! package manager is ours to use, else named.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::run;

/// A program, and the Debian package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("postgres", "postgresql"),
    ("mariadbd", "mariadb-server"),
    ("faketime", "faketime"),
    ("gpg", "gnupg"),
    ("7z", "p7zip-full"),
    ("unzip", "unzip"),
    ("pdftotext", "poppler-utils"),
    ("qpdf", "qpdf"),
    ("strace", "strace"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("curl", "curl"),
    ("openssl", "openssl"),
];
/// Where programs are besides the path; Debian keeps PostgreSQL's apart by version.
const FOLDERS: &[&str] = &["/usr/sbin", "/usr/bin", "/usr/local/bin"];
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// Makes sure that every one of [`PROGRAMS`] is installed.
///
/// # Errors
/// When one is missing and cannot be installed; the text says which, and how.
pub fn ensure() -> anyhow::Result<()> {
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !is_root() || !run::has("apt-get", &["--version"]) {
        bail!(
            "tests need programs that this machine lacks: install them (on Debian and Ubuntu: \
             `sudo apt-get install {list}`)"
        );
    }
    println!("installing {list}, which tests need (only this once)");
    run::step("list of packages", apt().args(["update", "--quiet=2"]))?;
    let install = ["install", "--quiet=2", "--yes", "--no-install-recommends"];
    run::step("programs that tests need", apt().args(install).args(&packages))?;
    match missing().as_slice() {
        [] => Ok(()),
        still => bail!("apt-get installed {list}, and still there is no program of {still:?}"),
    }
}

/// The packages of the programs that are not there.
fn missing() -> Vec<&'static str> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.extend(FOLDERS.iter().map(PathBuf::from));
    let versions = fs::read_dir(POSTGRES_VERSIONS).into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    let is_there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    let lacking = PROGRAMS.iter().filter(|(program, _)| !is_there(program));
    lacking.map(|(_, package)| *package).collect()
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(Path::new("/proc/self")).is_ok_and(|own| own.uid() == 0)
}
