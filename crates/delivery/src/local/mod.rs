//! Artifacts in a folder of a local disk.
//!
//! An object is written into a temporary file next to where it will be, synced, renamed to its
//! name, and the folders above it are synced; only then is it said to be there. `object_store`'s
//! local store syncs nothing, which is why this one is our own. Folders are made with mode 0700 and
//! files with 0600: an artifact is nobody's but the server's.

mod probe;
mod upload;
mod walk;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use outhaul_exports::flow::ByteStream;
use outhaul_exports::manifest::Artifact;
use outhaul_exports::ports::{ArtifactStore, ObjectKey, StoredObject, Upload};
use outhaul_exports::{Error, Result};

use crate::damage::Damages;
use crate::verify::{Bytewise, checked_stream};
use crate::{error, key};

/// Artifacts in a folder.
#[derive(Debug, Clone)]
pub struct LocalArtifacts {
    root: Arc<PathBuf>,
    /// The folder that was opened. While it is held, no other can be taken for it.
    opened: Arc<File>,
    damages: Damages,
}

impl LocalArtifacts {
    /// Opens the folder; makes it when it is missing, and tries it out. A folder without room is
    /// opened all the same: what is in it can be read, and expires.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be made, read or written.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let opened = make_root(&root).and_then(|()| fs::read_dir(&root).map(drop)).and_then(|()| {
            match probe::write(&root) {
                Err(cause) if !error::is_full(&cause) => Err(cause),
                _ => File::open(&root),
            }
        });
        match opened {
            Err(cause) => {
                let text = "the artifact folder cannot be made, read or written";
                let place = root.display().to_string();
                Err(Error::unavailable(text).with_internal(place).with_source(cause))
            }
            Ok(opened) => {
                let (root, opened) = (Arc::new(root), Arc::new(opened));
                Ok(Self { root, opened, damages: Damages::default() })
            }
        }
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        key::parse(key).map(|parts| self.root.join(parts.iter().collect::<PathBuf>()))
    }
}

#[async_trait]
impl ArtifactStore for LocalArtifacts {
    async fn create(&self, key: &ObjectKey) -> Result<Box<dyn Upload>> {
        let key = key::checked(key)?;
        let root = self.root.clone();
        let upload = blocking(move || upload::LocalUpload::begin(&root, &key)).await?;
        Ok(Box::new(upload))
    }

    async fn open(&self, artifact: &Artifact, range: Range<u64>) -> Result<ByteStream> {
        let path = self.path(&artifact.key).ok_or_else(|| error::gone(&artifact.key))?;
        let key = artifact.key.clone();
        let (root, root_opened) = (self.root.clone(), self.opened.clone());
        let (file, stored) = blocking(move || {
            let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
            match opened {
                Ok((length, file)) => Ok((file, length)),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                    // Nothing is gone because the folder is.
                    probe::same(&root, &root_opened)
                        .map_err(|cause| error::away("open an artifact", cause))?;
                    Err(error::gone(&key))
                }
                Err(cause) => Err(error::away("open an artifact", cause)),
            }
        })
        .await?;
        let object = Arc::new(OpenFile { file: Arc::new(file), key: artifact.key.clone() });
        checked_stream(object, &self.damages, artifact, stored, range, 1).await
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        let Some(path) = self.path(key) else { return Ok(None) };
        blocking(move || match fs::metadata(&path) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(error::away("look at an artifact", cause)),
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let Some(path) = self.path(key) else { return Ok(()) };
        self.damages.forget(key);
        let root = self.root.clone();
        blocking(move || {
            remove_file(&path)?;
            remove_file(&part_path(&path))?;
            prune(&root, &path);
            Ok(())
        })
        .await
    }

    async fn list(
        &self,
        after: Option<&str>,
        before: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<StoredObject>> {
        let root = self.root.clone();
        let after = after.map(str::to_owned);
        blocking(move || {
            walk::list(&root, after.as_deref(), before, most)
                .map_err(|cause| error::away("list artifacts", cause))
        })
        .await
    }

    async fn free_bytes(&self) -> Result<Option<u64>> {
        let root = self.root.clone();
        blocking(move || {
            let volume = rustix::fs::statvfs(&*root).map_err(|cause| {
                error::away("look at the artifact volume", io::Error::from(cause))
            })?;
            Ok(unprivileged(&volume))
        })
        .await
    }

    async fn probe(&self) -> Result<()> {
        let (root, opened) = (self.root.clone(), self.opened.clone());
        blocking(move || {
            probe::same(&root, &opened).and_then(|()| probe::write(&root)).map_err(|cause| {
                match error::is_full(&cause) {
                    true => error::full(free_bytes(&root), cause),
                    false => error::away("try out the artifact folder", cause),
                }
            })
        })
        .await
    }
}

struct OpenFile {
    file: Arc<File>,
    key: String,
}

#[async_trait]
impl Bytewise for OpenFile {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let file = self.file.clone();
        let key = self.key.clone();
        blocking(move || {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            match file.read_exact_at(&mut bytes, range.start) {
                Ok(()) => Ok(Bytes::from(bytes)),
                Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
                    Err(error::damaged(&key, "it ends early"))
                }
                Err(cause) => Err(error::away("read an artifact", cause)),
            }
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(error::panicked)?
}

/// Bytes that an unprivileged process may still write below `path`, where that can be found out.
fn free_bytes(path: &Path) -> Option<u64> {
    unprivileged(&rustix::fs::statvfs(path).ok()?)
}

fn unprivileged(volume: &rustix::fs::StatVfs) -> Option<u64> {
    volume.f_bavail.checked_mul(volume.f_frsize)
}

/// Makes the root and makes it last: after a power cut a folder that was made is there only if the
/// one above it was synced.
fn make_root(root: &Path) -> io::Result<()> {
    let changed = folders_above_missing(root);
    make_folders(root)?;
    changed.iter().try_for_each(|folder| File::open(folder)?.sync_all())
}

/// The folders that get a new entry when `path` is made: the parent of each that is missing.
fn folders_above_missing(path: &Path) -> Vec<PathBuf> {
    let missing = path.ancestors().take_while(|folder| !folder.exists());
    let parents = missing.filter_map(Path::parent).map(|parent| match parent.as_os_str() {
        nothing if nothing.is_empty() => PathBuf::from("."),
        _ => parent.to_owned(),
    });
    parents.collect()
}

fn make_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Where the unfinished object of that path is.
fn part_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{}{name}", key::PART_PREFIX))
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(error::away("delete an artifact", cause))
        }
        _ => Ok(()),
    }
}

/// Removes the folders above `path` that are empty, up to the root. One that is not, or that
/// somebody is about to write into, stays.
fn prune(root: &Path, path: &Path) {
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != root) {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests;
