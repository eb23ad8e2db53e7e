//! What only a disk can do: modes, remains of a crash, a volume that is full.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use outhaul_exports::lease::{LeaseKey, LeaseToken};
use outhaul_exports::ports::{ArtifactStore, ObjectKey, Written};
use outhaul_exports::principal::TenantId;
use outhaul_exports::{ErrorKind, ExportId, testing};

use super::LocalArtifacts;
use crate::conformance;

fn key() -> ObjectKey {
    let export = ExportId::new(testing::noon());
    let lease = LeaseKey { export, token: LeaseToken::random() };
    ObjectKey { tenant: TenantId::from("acme"), lease, file: "0000.csv".into() }
}

fn everything_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(everything_below(&path));
        }
        found.push(path);
    }
    found
}

#[tokio::test]
async fn nobody_else_may_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("artifacts");
    let store = LocalArtifacts::open(&root).expect("it opens");
    let mut upload = store.create(&key()).await.expect("it begins");
    upload.write(Bytes::from_static(b"x")).await.expect("it is written");
    upload.finish().await.expect("it ends");
    for path in everything_below(folder.path()) {
        let meta = fs::metadata(&path).expect("it is there");
        let mode = meta.permissions().mode() & 0o777;
        assert_eq!(mode, if meta.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

#[tokio::test]
async fn deleting_takes_the_remains_and_the_empty_folders() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalArtifacts::open(folder.path()).expect("it opens");
    let key = key();
    // What a process leaves that was killed while it wrote.
    let part = key.path().replace("0000.csv", ".part-0000.csv");
    let path = folder.path().join(&part);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(&path, b"half").expect("a file");
    let later = testing::noon() + chrono::TimeDelta::days(36_500);
    let listed = store.list(None, later, 10).await.expect("a list");
    assert_eq!(listed.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), [&part]);
    store.delete(&part).await.expect("it is deleted");
    assert_eq!(everything_below(folder.path()), Vec::<std::path::PathBuf>::new());

    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(&path, b"half").expect("a file");
    store.delete(&key.path()).await.expect("it is deleted");
    assert_eq!(everything_below(folder.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_folder_above_each_that_is_made_is_synced() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("a/b/artifacts");
    let above = [folder.path().join("a/b"), folder.path().join("a"), folder.path().to_owned()];
    assert_eq!(super::folders_above_missing(&root), above);
    LocalArtifacts::open(&root).expect("it opens");
    assert_eq!(super::folders_above_missing(&root), Vec::<std::path::PathBuf>::new());
    assert_eq!(super::folders_above_missing(Path::new("no-such-folder")), [Path::new(".")]);
}

#[tokio::test]
async fn a_folder_is_tried_out_and_left_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("artifacts");
    let store = LocalArtifacts::open(&root).expect("it opens");
    store.probe().await.expect("it works");
    assert!(store.free_bytes().await.expect("it is there").is_some());
    assert_eq!(everything_below(&root), Vec::<std::path::PathBuf>::new());
    // Whoever takes it away under the server's feet is noticed.
    fs::remove_dir(&root).expect("it is empty");
    let probed = store.probe().await.expect_err("it is gone");
    assert_eq!(*probed.kind(), ErrorKind::Unavailable);
    assert_eq!(*store.free_bytes().await.expect_err("gone").kind(), ErrorKind::Unavailable);
    // A file is no folder, and a file system without files takes none.
    fs::write(&root, b"").expect("it is written");
    for bad in [root.as_path(), Path::new("/proc/self")] {
        let error = LocalArtifacts::open(bad).expect_err("it cannot be written");
        assert_eq!(*error.kind(), ErrorKind::Unavailable, "{}", bad.display());
    }
}

#[tokio::test]
async fn files_are_not_gone_because_the_folder_is_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, aside) = (folder.path().join("artifacts"), folder.path().join("aside"));
    let store = LocalArtifacts::open(&root).expect("it opens");
    let written = Written { bytes: 1, sha256: "00".repeat(32), block_crc32: vec![0] };
    let missing = conformance::artifact(&key(), written);
    let kind = async || match store.open(&missing, 0..1).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.kind().clone(),
    };
    assert_eq!(kind().await, ErrorKind::Expired);
    fs::rename(&root, &aside).expect("it is moved");
    assert_eq!(kind().await, ErrorKind::Unavailable);
    // An empty folder in its place, such as the one below a mount, is not it.
    fs::create_dir(&root).expect("another is made");
    assert_eq!(kind().await, ErrorKind::Unavailable);
    assert!(store.probe().await.is_err());
    fs::remove_dir(&root).expect("it is empty");
    fs::rename(&aside, &root).expect("it is moved back");
    assert_eq!(kind().await, ErrorKind::Expired);
    store.probe().await.expect("it works again");
}

/// A volume of its own, unmounted when dropped. `None` where one may not mount.
struct Volume(tempfile::TempDir);

impl Volume {
    fn of_kib(kib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "none"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            _ => None,
        }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_full_volume_is_said_and_heals() {
    for fill_kib in (0..=4_096).step_by(512) {
        let Some(volume) = Volume::of_kib(4_096) else {
            println!("skipped: a tmpfs cannot be mounted here (root is needed)");
            return;
        };
        let filler = volume.0.path().join("filler");
        let _ = fs::write(&filler, vec![0u8; fill_kib * 1024]);
        let store = LocalArtifacts::open(volume.0.path().join("artifacts"));
        let Ok(store) = store else { continue };
        let written = write(&store, 5 * 1024 * 1024).await;
        let error = written.expect_err("five do not fit into four");
        assert_eq!(*error.kind(), ErrorKind::Unavailable);
        let text = error.public();
        assert!(text.starts_with("storage_full: artifact volume has "), "{text}");
        assert!(text.ends_with(" MiB free, needed more"), "{text}");
        let left = everything_below(&volume.0.path().join("artifacts"));
        assert_eq!(left, Vec::<std::path::PathBuf>::new(), "with {fill_kib} KiB taken");
        fs::remove_file(&filler).expect("room is made");
        write(&store, 1024 * 1024).await.expect("it works again");
    }
}

async fn write(store: &LocalArtifacts, bytes: usize) -> outhaul_exports::Result<()> {
    let mut upload = store.create(&key()).await?;
    for _ in 0..bytes / (64 * 1024) {
        if let Err(error) = upload.write(Bytes::from(vec![7u8; 64 * 1024])).await {
            let again = upload.write(Bytes::from_static(b"more")).await;
            assert!(again.is_err(), "what failed once goes on failing");
            upload.abort().await.expect("what failed can be given up");
            return Err(error);
        }
    }
    upload.finish().await.map(drop)
}
