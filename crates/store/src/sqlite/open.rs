//! The way to a connection: the file, its lock, its settings, its tables.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};

use super::schema;
use crate::Error;

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 5_000 });
/// Connections that read.
const READERS: u32 = 4;
/// How long a call waits for one of them.
const READER_WAIT: Duration = Duration::from_secs(10);
/// Bytes of the write-ahead log that are kept on disk after it was copied.
const LOG_BYTES_KEPT: u32 = 64 * 1024 * 1024;
/// How often, and with what pause, a server asks for the lock: one that was just killed may not be
/// gone yet.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Whether an older store may be changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrade {
    Yes,
    No,
}

/// Takes the lock that makes this process the store's only server.
pub(super) async fn lock_for_server(path: &Path) -> Result<File, Error> {
    for _ in 0..LOCK_TRIES {
        if let Some(lock) = try_lock(path)? {
            return Ok(lock);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(Error::InUse { path: path.to_owned() })
}

/// Takes the lock, unless another process has it. It ends with the process, however that ends.
pub(super) fn try_lock(path: &Path) -> Result<Option<File>, Error> {
    prepare_folder(path)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = private_file(&name).map_err(file_error("open", &name))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(Error::File { doing: "lock", path: name, source }),
    }
}

/// Opens the file (creating it, for its owner alone) and brings its tables up to date.
pub(super) async fn connect(
    path: &Path,
    upgrade: Upgrade,
) -> Result<(SqliteConnectOptions, SqliteConnection), Error> {
    refuse_network(path)?;
    create_private(path)?;
    let options = options(path);
    let database = |source| Error::Database { path: path.to_owned(), source };
    // What the file is must be known before any setting is written to it.
    let mut plain = plain_options(path).connect().await.map_err(|e| not_ours(path, e))?;
    let form = schema::form(&mut plain, path).await.map_err(|e| match e {
        Error::Database { source, .. } => not_ours(path, source),
        other => other,
    })?;
    sqlx::Connection::close(plain).await.map_err(database)?;
    if schema::needs_upgrade(form) && upgrade == Upgrade::No {
        return Err(schema::older(path, form));
    }
    let mut connection = options.connect().await.map_err(database)?;
    schema::upgrade(&mut connection, path, form).await?;
    sync_folder(path)?;
    Ok((options, connection))
}

/// Connections that read; each is made when it is needed.
pub(super) fn readers(options: &SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(READER_WAIT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone().pragma("query_only", "ON"))
}

fn plain_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT)
}

fn options(path: &Path) -> SqliteConnectOptions {
    plain_options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
        .pragma("journal_size_limit", LOG_BYTES_KEPT.to_string())
}

/// A file that is no database at all is not ours either.
fn not_ours(path: &Path, source: sqlx::Error) -> Error {
    const NOT_A_DATABASE: &str = "26";
    match source.as_database_error().and_then(|e| e.code()) {
        Some(code) if code == NOT_A_DATABASE => Error::Foreign { path: path.to_owned() },
        _ => Error::Database { path: path.to_owned(), source },
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Makes the file its owner's alone; SQLite gives its log the same permissions. A file that is
/// there is not opened for it: closing it again would end the locks that this process has on it.
fn create_private(path: &Path) -> Result<(), Error> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::set_permissions(path, Permissions::from_mode(0o600))
                .map_err(file_error("restrict access to", path))
        }
        Err(error) => Err(file_error("create", path)(error)),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn prepare_folder(path: &Path) -> Result<(), Error> {
    let wanted = folder(path);
    make_folders(wanted, &mut sync).map_err(file_error("create the folder", wanted))
}

/// Makes the folders that are missing, from the outermost on, for their owner alone. The name of a
/// folder is written in its parent, so that is what `sync` makes durable: a store that outlives a
/// power cut is of no use in a folder that does not.
fn make_folders(wanted: &Path, sync: &mut impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    if wanted.is_dir() {
        return Ok(());
    }
    let parent = folder(wanted);
    if parent != wanted {
        make_folders(parent, sync)?;
    }
    match DirBuilder::new().mode(0o700).create(wanted) {
        // Another process was faster; whether it synced the name already is not known.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && wanted.is_dir() => {}
        made => made?,
    }
    sync(parent)
}

/// Makes the names of new files durable; SQLite does so for its log alone.
fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = folder(path);
    sync(folder).map_err(file_error("sync the folder", folder))
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Locks on network file systems do not hold, and a write-ahead log there corrupts the store.
#[cfg(target_os = "linux")]
fn refuse_network(path: &Path) -> Result<(), Error> {
    let folder = folder(path);
    let stat = rustix::fs::statfs(folder).map_err(|e| file_error("examine", folder)(e.into()))?;
    // Magic numbers, from the Linux manual page statfs(2).
    let kind = match u32::try_from(stat.f_type).unwrap_or(0) {
        0x6969 => "NFS",
        0x517b => "SMB",
        0xff53_4d42 => "CIFS",
        0xfe53_4d42 => "SMB2",
        _ => return Ok(()),
    };
    Err(Error::Network { path: path.to_owned(), kind })
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_path: &Path) -> Result<(), Error> {
    Ok(())
}

fn file_error<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> Error + 'a {
    move |source| Error::File { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_that_is_made_is_synced_in_its_parent() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let wanted = root.path().join("a/b/c");
        let mut synced = Vec::new();
        let mut make = |wanted: &Path| {
            make_folders(wanted, &mut |parent| {
                // What is synced too early is not durable.
                let made = parent.read_dir()?.count();
                synced.push((parent.to_owned(), made));
                sync(parent)
            })
        };
        make(&wanted).expect("they are made");
        make(&wanted).expect("they are there");
        let [a, b] = ["a", "a/b"].map(|name| root.path().join(name));
        assert_eq!(synced, [(root.path().to_owned(), 1), (a.clone(), 1), (b.clone(), 1)]);
        for made in [a, b, wanted] {
            let mode = std::fs::metadata(made).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        let file = root.path().join("file");
        std::fs::write(&file, "").expect("a file");
        assert!(make_folders(&file.join("x"), &mut sync).is_err());
    }
}
