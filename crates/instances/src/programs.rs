//! Where the installed programs of the database servers are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Where Debian and its kin keep PostgreSQL's programs, a folder for each major version.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// The folder with the programs of PostgreSQL: of that major version when it is given, else the one
/// on the path, else the newest.
///
/// # Errors
/// When there is none; the error names the package.
pub(crate) fn postgres(version: Option<u32>) -> anyhow::Result<PathBuf> {
    let on_path = path().into_iter().find(|folder| has_postgres(folder));
    let mut folders: Vec<(u32, PathBuf)> = fs::read_dir(POSTGRES_VERSIONS)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| has_postgres(folder))
        .collect();
    folders.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let chosen = match version {
        Some(wanted) => folders
            .into_iter()
            .find(|(found, _)| *found == wanted)
            .map(|(_, folder)| folder)
            .or(on_path),
        None => on_path.or_else(|| folders.into_iter().next().map(|(_, folder)| folder)),
    };
    match (chosen, version) {
        (Some(folder), _) => Ok(folder),
        (None, None) => bail!(
            "PostgreSQL is not installed: neither the path nor {POSTGRES_VERSIONS} has its \
             programs `postgres` and `initdb`; on Debian and Ubuntu, `apt-get install postgresql`"
        ),
        (None, Some(version)) => bail!(
            "the folder holds a server of PostgreSQL {version}, which is not installed; on Debian \
             and Ubuntu, `apt-get install postgresql-{version}`, or remove the folder"
        ),
    }
}

/// Initial programs of a server are useless without the server, and the other way round.
fn has_postgres(folder: &Path) -> bool {
    ["postgres", "initdb", "psql"].iter().all(|name| folder.join(name).is_file())
}

/// The programs of MariaDB.
#[derive(Clone, Debug)]
pub(crate) struct MariaDbPrograms {
    pub server: PathBuf,
    pub install: PathBuf,
    pub client: PathBuf,
}

/// Finds the programs of MariaDB on the path and in the usual folders of programs.
///
/// # Errors
/// When one is missing; the error names the package.
pub(crate) fn mariadb() -> anyhow::Result<MariaDbPrograms> {
    let find = |name: &str| {
        let mut folders = path();
        folders.extend(["/usr/sbin", "/usr/bin", "/usr/local/bin"].map(PathBuf::from));
        folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
    };
    let need = |name: &str, package: &str| {
        find(name).with_context(|| {
            format!(
                "MariaDB is not installed: neither the path nor /usr/sbin nor /usr/bin has its \
                 program `{name}`; on Debian and Ubuntu, `apt-get install {package}`"
            )
        })
    };
    Ok(MariaDbPrograms {
        server: need("mariadbd", "mariadb-server")?,
        install: need("mariadb-install-db", "mariadb-server")?,
        client: need("mariadb", "mariadb-client")?,
    })
}

fn path() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}
