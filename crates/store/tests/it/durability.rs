//! What only a store on a disk can be asked: to remember, to bear a full disk, to go on.

use std::path::{Path, PathBuf};
use std::process::Command;

use outhaul_exports::ErrorKind;
use outhaul_exports::access::Link;
use outhaul_exports::export::State;
use outhaul_exports::lease::Incarnation;
use outhaul_exports::ports::{Inserted, LeaseAsk};

use crate::opening::sql;
use crate::samples::*;

#[tokio::test]
async fn everything_is_there_after_opening_again() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path()).await;
    let stores = Stores::over(&store);
    let done = put(&stores, free("acme", 0)).await?;
    let (_, key) = lease_one(&stores, 1).await;
    let done = stores.jobs.finish(&key, completed(&done, &key), at(2)).await?.expect("it is held");
    stores.jobs.insert(with_key(free("globex", 0), "k", "body")).await?;
    let (running, _) = lease_one(&stores, 3).await;
    let file = done.manifest.as_ref().expect("it is completed").artifacts[0].id;
    let link = Link {
        hash: "h".to_owned(),
        tenant: tenant("acme"),
        artifact: file,
        created_at: at(0),
        expires_at: at(9),
        revoked_at: None,
    };
    stores.access.add_link(&link, 5).await?;
    let before = (picture(&stores, "acme").await, picture(&stores, "globex").await);
    // Not closed, but dropped, as a process ends.
    drop((stores, store));

    let store = open(folder.path()).await;
    let stores = Stores::over(&store);
    assert_eq!((picture(&stores, "acme").await, picture(&stores, "globex").await), before);
    assert_eq!(stores.access.link("h").await?, Some(link));
    assert!(stores.jobs.artifact(&tenant("acme"), file).await?.is_some());
    let again = stores.jobs.insert(with_key(free("globex", 5), "k", "body")).await?;
    assert_eq!(again, Inserted::Replayed(running));
    // Turns are remembered too: globex was served last.
    put(&stores, free("globex", 6)).await?;
    put(&stores, free("acme", 6)).await?;
    assert_eq!(lease_one(&stores, 7).await.0.tenant, tenant("acme"));
    assert!(store.check().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_closed_store_says_so() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path()).await;
    store.close().await;
    store.close().await;
    let write = store.jobs().insert(new(free("acme", 0))).await;
    assert_eq!(write.expect_err("it is closed").kind(), &ErrorKind::Unavailable);
    let read = store.jobs().list(&all_of("acme")).await;
    assert_eq!(read.expect_err("it is closed").kind(), &ErrorKind::Unavailable);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_leaves_no_half_write() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path()).await;
    let stores = Stores::over(&store);
    for n in 0..200 {
        let jobs = stores.jobs.clone();
        let insert = with_key(limited("acme", "narrow", 1_000, None), &format!("k{n}"), "body");
        let task = tokio::spawn(async move { jobs.insert(insert).await });
        for _ in 0..n % 40 {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
    }
    // The store goes on, and each export has its event and its key, or is not there.
    put(&stores, free("acme", 1)).await?;
    let exports = stores.jobs.list(&all_of("acme")).await?;
    assert_eq!(kinds(&stores, "acme").await.len(), exports.len());
    assert!(store.check().await?.is_empty());
    store.close().await;
    let left: i64 = count(folder.path(), "SELECT count(*) FROM idempotency_keys").await?;
    assert_eq!(usize::try_from(left)?, exports.len() - 1);
    Ok(())
}

#[tokio::test]
async fn an_export_that_cannot_be_read_stops_no_other() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path()).await;
    let stores = Stores::over(&store);
    for n in 0..4 {
        put(&stores, free("acme", n)).await?;
    }
    lease_one(&stores, 5).await;
    sql(&folder.path().join("store.db"), "UPDATE exports SET body = '{' WHERE sequence IN (1, 2)")
        .await?;
    // The second is put aside, the third and fourth run.
    assert_eq!(lease(&stores, 10, 6).await.len(), 2);
    assert!(lease(&stores, 10, 7).await.is_empty());
    // The first, which ran, is not rescued; the other two are.
    assert_eq!(stores.jobs.rescue(at(99), &[]).await?, 2);
    let broken = stores.jobs.list(&all_of("acme")).await;
    assert_eq!(broken.expect_err("it cannot be read").kind(), &ErrorKind::Internal);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_borne_and_forgotten() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::mount(2 * 1024)? else { return Ok(()) };
    let store = open(&disk.path).await;
    let stores = Stores::over(&store);
    let first = put(&stores, free("acme", 0)).await?;
    let mut accepted = vec![first.id];
    let mut rounds = 0;
    // Filled again and again to different levels, it never loses what it accepted.
    for spare in [0, 4, 8, 12, 20, 36, 64] {
        disk.fill(spare)?;
        let refused = loop {
            let export = big(rounds);
            rounds += 1;
            match stores.jobs.insert(new(export.clone())).await {
                Ok(_) => accepted.push(export.id),
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), &ErrorKind::Unavailable, "{refused:?}");
        assert!(refused.public().contains("disk"), "{refused}");
        // Reading goes on.
        assert!(stores.jobs.get(&first.tenant, first.id).await?.is_some());
        assert_eq!(stores.jobs.list(&all_of("acme")).await?.len(), accepted.len());
        // So does nothing that writes, and each says why.
        if spare == 0 {
            let ttl = chrono::TimeDelta::seconds(15);
            let holder = Incarnation::random();
            let ask = LeaseAsk { holder, most: 1, ttl, now: at(1) };
            let leased = stores.jobs.lease(&ask).await;
            assert_eq!(leased.expect_err("it is full").kind(), &ErrorKind::Unavailable);
        }
        disk.empty()?;
        let export = put(&stores, big(rounds)).await?;
        accepted.push(export.id);
    }
    let mut stored: Vec<_> = Vec::new();
    for id in &accepted {
        stored.push(stores.jobs.get(&first.tenant, *id).await?.expect("it was accepted").state);
    }
    assert!(stored.iter().all(|state| *state == State::Queued));
    assert_eq!(stores.jobs.list(&all_of("acme")).await?.len(), accepted.len());
    assert!(store.check().await?.is_empty());
    drop((stores, store));
    let store = open(&disk.path).await;
    assert_eq!(store.jobs().list(&all_of("acme")).await?.len(), accepted.len());
    store.close().await;
    Ok(())
}

/// An export whose body fills a few pages.
fn big(n: i64) -> outhaul_exports::export::Export {
    let mut export = free("acme", n);
    export.spec.description = Some("x".repeat(20_000));
    export
}

async fn count(folder: &Path, query: &'static str) -> anyhow::Result<i64> {
    use sqlx::ConnectOptions;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("store.db"));
    let mut connection = options.connect().await?;
    Ok(sqlx::query_scalar(query).fetch_one(&mut connection).await?)
}

/// A file system of a few KiB in memory; only root may have one.
struct SmallDisk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(kib: u32) -> anyhow::Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("disk");
        std::fs::create_dir(&path)?;
        let size = format!("size={kib}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "outhaul-test"])
            .arg(&path)
            .output();
        if mounted.is_ok_and(|done| done.status.success()) {
            return Ok(Some(Self { path, _folder: folder }));
        }
        println!("skipped: a full disk needs a tmpfs, which this user may not mount");
        Ok(None)
    }

    /// Fills the disk but for so many KiB.
    fn fill(&self, spare_kib: usize) -> anyhow::Result<()> {
        use std::io::Write;
        let mut file = std::fs::File::create(self.path.join("filler"))?;
        let page = [7u8; 4096];
        let mut pages = 0;
        while file.write_all(&page).is_ok() {
            pages += 1;
        }
        let spare = spare_kib / 4;
        file.set_len(4096 * u64::try_from(usize::saturating_sub(pages, spare))?)?;
        Ok(())
    }

    fn empty(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.path.join("filler"))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, for a failed test may still hold the store open.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
