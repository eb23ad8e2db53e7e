//! Opening a store: its file, its lock, its neighbours.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use outhaul_store::{Error, Store};

use crate::samples::*;

fn address(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("store.db").display())
}

async fn refusal(opening: impl Future<Output = Result<Store, Error>>) -> Error {
    match opening.await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn one_server_at_a_time_and_commands_next_to_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = open(folder.path()).await;
    let refused = refusal(outhaul_store::open_exclusive(&address(folder.path()))).await;
    assert!(matches!(refused, Error::InUse { .. }), "{refused:?}");
    assert!(refused.to_string().contains("in use"), "{refused}");

    let command = outhaul_store::open_shared(&address(folder.path())).await?;
    let export = free("acme", 0);
    server.jobs().insert(new(export.clone())).await?;
    assert_eq!(command.jobs().get(&export.tenant, export.id).await?, Some(export));
    // Both write, and neither refuses the other.
    let (a, b) = tokio::join!(storm(&server), storm(&command));
    a?;
    b?;
    assert_eq!(server.jobs().list(&all_of("acme")).await?.len(), 101);
    command.close().await;
    assert!(server.check().await?.is_empty());

    server.close().await;
    drop(server);
    outhaul_store::open_exclusive(&address(folder.path())).await?;
    Ok(())
}

async fn storm(store: &Store) -> outhaul_exports::Result<()> {
    for _ in 0..50 {
        store.jobs().insert(new(free("acme", 1))).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_command_may_come_first() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let deep = folder.path().join("made/for it");
    let command = outhaul_store::open_shared(&address(&deep)).await?;
    command.jobs().insert(new(free("acme", 0))).await?;
    // It does not keep a server from starting.
    let server = open(&deep).await;
    assert_eq!(server.jobs().list(&all_of("acme")).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn the_files_are_their_owners_alone() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    std::fs::write(&path, "")?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
    let store = open(folder.path()).await;
    store.jobs().insert(new(free("acme", 0))).await?;
    let mut seen = Vec::new();
    for file in std::fs::read_dir(folder.path())? {
        let file = file?;
        let mode = file.metadata()?.permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
        seen.push(file.file_name().into_string().expect("our names are plain"));
    }
    seen.sort();
    assert_eq!(seen, ["store.db", "store.db-shm", "store.db-wal", "store.db.lock"]);
    Ok(())
}

#[tokio::test]
async fn what_is_not_a_store_is_refused_and_left_alone() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    std::fs::write(&path, "a letter, and not a database at all; long enough to be looked at")?;
    let before = std::fs::read(&path)?;
    for refused in [
        refusal(outhaul_store::open_exclusive(&address(folder.path()))).await,
        refusal(outhaul_store::open_shared(&address(folder.path()))).await,
    ] {
        assert!(matches!(refused, Error::Foreign { .. }), "{refused:?}");
    }
    assert_eq!(std::fs::read(&path)?, before);

    std::fs::remove_file(&path)?;
    sql(&path, "CREATE TABLE customers (id INTEGER)").await?;
    let refused = refusal(outhaul_store::open_exclusive(&address(folder.path()))).await;
    assert!(matches!(refused, Error::Foreign { .. }), "{refused:?}");
    sql(&path, "SELECT id FROM customers").await?;
    Ok(())
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    open(folder.path()).await.close().await;
    sql(&folder.path().join("store.db"), "PRAGMA user_version = 99").await?;
    let refused = refusal(outhaul_store::open_exclusive(&address(folder.path()))).await;
    assert!(matches!(refused, Error::Newer { found: 99, .. }), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn looking_at_an_older_store_does_not_change_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    open(folder.path()).await.close().await;
    outhaul_store::open_unchanged(&address(folder.path())).await?.close().await;
    sql(&path, "PRAGMA user_version = 0; PRAGMA journal_mode = DELETE").await?;
    let before = std::fs::read(&path)?;
    let refused = refusal(outhaul_store::open_unchanged(&address(folder.path()))).await;
    assert!(matches!(refused, Error::Older { found: 0, .. }), "{refused:?}");
    assert_eq!(std::fs::read(&path)?, before);
    Ok(())
}

#[tokio::test]
async fn a_store_without_tables_waits_for_its_server() -> anyhow::Result<()> {
    // A server has the lock and has made nothing yet.
    let folder = tempfile::tempdir()?;
    let lock = std::fs::File::create(folder.path().join("store.db.lock"))?;
    lock.lock()?;
    let refused = refusal(outhaul_store::open_shared(&address(folder.path()))).await;
    assert!(matches!(refused, Error::Older { found: 0, .. }), "{refused:?}");
    lock.unlock()?;
    outhaul_store::open_shared(&address(folder.path())).await?;
    Ok(())
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_named() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("file"), "")?;
    let below = folder.path().join("file/below");
    let refused = refusal(outhaul_store::open_exclusive(&address(&below))).await;
    assert!(refused.to_string().contains("file/below"), "{refused}");
    Ok(())
}

/// Runs SQL in a file, as somebody else would.
pub async fn sql(path: &Path, text: &'static str) -> anyhow::Result<()> {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await?;
    sqlx::raw_sql(text).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
