//! One file as it is, for whoever takes its bytes along.
//!
//! On a local disk a file is opened, and then it is made sure that what was opened lies below its
//! folder: whoever may write there could put a link in its place at any moment. From afar it comes
//! piece by piece, of the one version that was found first. Either way a file that changes while it
//! is read ends the stream with an error, so that nothing mixed is taken for whole.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path as DiskPath, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::{StreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use outhaul_exports::flow::ByteStream;
use outhaul_exports::ports::Content;
use outhaul_exports::{Error, ErrorKind, Result};

use super::pinned::PinnedStore;
use super::provider::FileSource;
use super::remote::Said;
use crate::content::FilePath;
use crate::error::Changed;

/// Bytes of a local file that are read at once.
const CHUNK_BYTES: usize = 1024 * 1024;

impl FileSource {
    /// Begins to read a file; see [`outhaul_exports::ports::Snapshot::content`].
    pub(super) async fn read_content(&self, path: &FilePath) -> Result<Content> {
        match &self.root.disk {
            Some(root) => {
                let (root, path) = (root.clone(), path.clone());
                let opened = tokio::task::spawn_blocking(move || open(&root, &path)).await;
                let opened = opened.map_err(|cause| {
                    Error::internal("opening a file panicked").with_source(cause)
                })??;
                Ok(opened.content())
            }
            None => self.far_content(path).await,
        }
    }

    async fn far_content(&self, path: &FilePath) -> Result<Content> {
        let mut at = self.root.folder.clone();
        for part in path.folder.iter().chain(&path.below) {
            let key = format!("{at}/{part}");
            at = Path::parse(key.trim_start_matches('/')).map_err(|_| {
                Error::invalid("reference", "the reference is not the path of a file")
            })?;
        }
        let store = &self.root.store;
        let meta = match store.head(&at).await {
            Ok(meta) => meta,
            Err(cause) if Said::within(&cause).is_some_and(Said::has_code) => {
                return Err(far_error(cause));
            }
            // An answer's head does not say whether it is the bucket that is not there.
            Err(cause) => {
                let asked = store.get_range(&at, 0..1).await;
                return Err(far_error(asked.err().unwrap_or(cause)));
            }
        };
        let bytes = meta.size;
        let pinned = HashMap::from([(at.clone(), meta)]);
        let store = PinnedStore::new(Arc::clone(store), pinned, self.root.far);
        let found = store.get(&at).await.map_err(far_error)?;
        let stream = found.into_stream().map(|bytes| bytes.map_err(far_error)).boxed();
        Ok(Content { bytes, stream })
    }
}

/// What a store says of one file, or of itself.
fn far_error(cause: object_store::Error) -> Error {
    let changed = {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&cause);
        std::iter::from_fn(|| {
            let now = next?;
            next = now.source();
            Some(now)
        })
        .any(|cause| cause.is::<Changed>())
    };
    let of_one_file = Said::within(&cause).is_none_or(Said::is_of_one_file);
    match &cause {
        _ if changed => self::changed(),
        object_store::Error::NotFound { .. } if of_one_file => missing(),
        object_store::Error::PermissionDenied { .. } if of_one_file => forbidden(),
        _ => away().with_source(cause),
    }
}

fn missing() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such file")
}

fn forbidden() -> Error {
    Error::new(ErrorKind::Forbidden, "the file may not be read")
}

fn changed() -> Error {
    Error::new(ErrorKind::Conflict, "the file changed while it was read")
}

fn away() -> Error {
    Error::unavailable("the store of the files cannot be reached at the moment")
}

/// An opened local file.
struct Opened {
    file: File,
    bytes: u64,
    modified: Option<SystemTime>,
}

/// Opens a file that lies below its folder, links followed.
fn open(root: &DiskPath, path: &FilePath) -> Result<Opened> {
    let folder: PathBuf =
        std::iter::once(root).chain(path.folder.iter().map(DiskPath::new)).collect();
    let Ok(folder) = folder.canonicalize() else {
        // Without its root it is the whole store that is not there.
        return Err(match root.is_dir() {
            true => missing(),
            false => away(),
        });
    };
    if !folder.starts_with(root) {
        return Err(forbidden());
    }
    let named = path.below.iter().fold(folder.clone(), |at, part| at.join(part));
    let found = named.canonicalize().map_err(disk_error)?;
    if !found.starts_with(&folder) {
        return Err(forbidden());
    }
    // Before it is opened: the opening of a pipe waits for somebody at its other end.
    if !found.symlink_metadata().map_err(disk_error)?.is_file() {
        return Err(missing());
    }
    let file = File::open(&found).map_err(disk_error)?;
    let meta = file.metadata().map_err(disk_error)?;
    // A link that came in between leads elsewhere than the path whose links were followed.
    let again = found.canonicalize().and_then(|path| Ok((path.symlink_metadata()?, path)));
    let (seen, again) = again.map_err(disk_error)?;
    if again != found || !meta.is_file() || !is_same(&meta, &seen) {
        return Err(changed());
    }
    Ok(Opened { bytes: meta.len(), modified: meta.modified().ok(), file })
}

#[cfg(unix)]
fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    one.len() == other.len() && one.created().ok() == other.created().ok()
}

/// What a disk says of one file, or of the process.
fn disk_error(cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename => missing(),
        io::ErrorKind::PermissionDenied => forbidden(),
        // Links in a circle have no kind of their own.
        _ if cause.raw_os_error() == Some(LINKS_IN_A_CIRCLE) => forbidden(),
        io::ErrorKind::UnexpectedEof => changed(),
        _ if cause.raw_os_error() == Some(BAD_BLOCK) => {
            Error::new(ErrorKind::Forbidden, "the file cannot be read").with_source(cause)
        }
        _ => away().with_source(cause),
    }
}

/// `ELOOP` of Linux.
const LINKS_IN_A_CIRCLE: i32 = 40;

/// `EIO`.
const BAD_BLOCK: i32 = 5;

impl Opened {
    fn content(self) -> Content {
        let bytes = self.bytes;
        let reading = stream::try_unfold((self, 0), |(mut opened, at)| async move {
            // An empty file has changed, too, when it has bytes now.
            if at > 0 && at >= opened.bytes {
                return Ok(None);
            }
            let read = tokio::task::spawn_blocking(move || {
                opened.chunk(at).map(|bytes| (bytes, opened)).map_err(disk_error)
            });
            let read = read
                .await
                .map_err(|cause| Error::internal("reading a file panicked").with_source(cause))?;
            let (bytes, opened) = read?;
            let next = at + bytes.len() as u64;
            Ok((!bytes.is_empty()).then_some((bytes, (opened, next))))
        });
        let stream: ByteStream = reading.boxed();
        Content { bytes, stream }
    }

    /// The next bytes. With the last ones it is looked whether the file is still as it was.
    fn chunk(&mut self, at: u64) -> io::Result<Bytes> {
        let left = self.bytes - at;
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes)?;
        if length as u64 == left {
            let now = self.file.metadata()?;
            if now.len() != self.bytes || now.modified().ok() != self.modified {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(bytes.into())
    }
}
