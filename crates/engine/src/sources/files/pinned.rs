//! A store that shows the files of one moment, and nothing else.
//!
//! Which files there are, how long they are and which version they have is fixed when a run
//! begins. Every read compares what the store says of the file with that: when it opens the file,
//! and again for what it read, because a file can be written while it is read. A difference ends
//! the run, so that no result is made of two moments. Files that were not pinned do not exist here,
//! so a plan cannot read what nobody listed for it.
//!
//! What is far away is read in pieces, each by a request of its own that asks for the pinned version
//! only: a request has a time limit, and whoever takes the rows may be slow. The next piece comes
//! while the last one is taken.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, Result,
};
use tokio_util::task::AbortOnDropHandle;

use crate::error::Changed;

/// Ranges that are nearer to each other than this are read in one go. Bytes.
const GAP_MAX: u64 = 128 * 1024;

/// Bytes of a local file that are read, and then compared with what was pinned, at once.
const CHUNK_BYTES: u64 = 2 * 1024 * 1024;

/// Bytes that one request brings from afar.
const PIECE_BYTES: u64 = 4 * 1024 * 1024;
/// Pieces of one stream that are on their way or wait to be taken.
const PIECES_AT_ONCE: usize = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct PinnedStore {
    inner: Arc<dyn ObjectStore>,
    files: HashMap<Path, ObjectMeta>,
    /// Whether the files are another machine's.
    far: bool,
}

impl PinnedStore {
    pub(super) fn new(
        inner: Arc<dyn ObjectStore>,
        files: HashMap<Path, ObjectMeta>,
        far: bool,
    ) -> Self {
        Self { inner, files, far }
    }
}

/// Fails when a file is not what was pinned.
fn same(pinned: &ObjectMeta, now: &ObjectMeta) -> Result<()> {
    let same = pinned.size == now.size
        && match (&pinned.e_tag, &now.e_tag) {
            (Some(then), Some(now)) => bare(then) == bare(now),
            // A list knows fractions of a second that an answer's head does not.
            _ => pinned.last_modified.timestamp() == now.last_modified.timestamp(),
        };
    if same { Ok(()) } else { Err(changed(pinned)) }
}

fn changed(pinned: &ObjectMeta) -> Error {
    Error::Precondition { path: pinned.location.to_string(), source: Box::new(Changed) }
}

/// An entity tag without the quotes that some stores leave out of their lists.
fn bare(tag: &str) -> &str {
    tag.trim_matches('"')
}

/// A file as it was pinned, for as long as it is read.
#[derive(Clone)]
struct Watch {
    store: Arc<dyn ObjectStore>,
    pinned: ObjectMeta,
}

impl Watch {
    async fn unchanged(&self) -> Result<()> {
        same(&self.pinned, &self.store.head(&self.pinned.location).await?)
    }

    /// A local file can be written while it is read: what was read counts only if the file is
    /// afterwards still as it was.
    fn local(self, file: File, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let file = Arc::new(file);
        let chunks = stream::try_unfold((self, file, range.start), move |(watch, file, at)| {
            let length = range.end.saturating_sub(at).min(CHUNK_BYTES);
            async move {
                if length == 0 {
                    return Ok(None);
                }
                let from = Arc::clone(&file);
                let read = tokio::task::spawn_blocking(move || chunk(&from, at, length)).await;
                // If it has changed, that is why it could not be read.
                watch.unchanged().await?;
                let bytes = read.map_err(std::io::Error::from).flatten();
                let bytes = bytes
                    .map_err(|cause| Error::Generic { store: "files", source: Box::new(cause) })?;
                Ok(Some((bytes, (watch, file, at + length))))
            }
        });
        chunks.boxed()
    }

    /// A piece of a far file, of the pinned version.
    async fn piece(self, range: Range<u64>) -> Result<Bytes> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: self.pinned.e_tag.clone(),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&self.pinned.location, options).await;
        let found = found.map_err(|cause| match cause {
            Error::Precondition { .. } | Error::NotModified { .. } => changed(&self.pinned),
            other => other,
        })?;
        same(&self.pinned, &found.meta)?;
        let bytes = found.bytes().await?;
        let wanted = range.end - range.start;
        if bytes.len() as u64 != wanted {
            let source = format!("{} bytes came instead of {wanted}", bytes.len()).into();
            return Err(Error::Generic { store: "files", source });
        }
        Ok(bytes)
    }

    /// Some of a far file, piece by piece.
    fn far(self, range: &Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let end = range.end;
        let starts = stream::iter((range.start..end).step_by(PIECE_BYTES as usize));
        let pieces = starts.map(move |at| {
            let piece = self.clone().piece(at..end.min(at + PIECE_BYTES));
            // A task of its own goes on while nobody takes what it brings, and ends with whoever
            // waits for it.
            let task = AbortOnDropHandle::new(tokio::spawn(piece));
            async move {
                let bytes = task.await.map_err(std::io::Error::from);
                bytes.map_err(|cause| Error::Generic { store: "files", source: cause.into() })?
            }
        });
        pieces.buffered(PIECES_AT_ONCE).boxed()
    }
}

/// Some bytes of a file.
fn chunk(mut file: &File, at: u64, length: u64) -> std::io::Result<Bytes> {
    file.seek(SeekFrom::Start(at))?;
    // Cannot fail because a chunk is smaller than any memory.
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

impl fmt::Display for PinnedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pinned files", self.files.len())
    }
}

fn read_only<T>() -> Result<T> {
    Err(Error::NotSupported { source: "sources are read only".into() })
}

#[async_trait]
impl ObjectStore for PinnedStore {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        read_only()
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        read_only()
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let Some(pinned) = self.files.get(location) else {
            let source = "the file is not part of this run".into();
            return Err(Error::PermissionDenied { path: location.to_string(), source });
        };
        let watch = Watch { store: Arc::clone(&self.inner), pinned: pinned.clone() };
        if self.far && !options.head {
            let range = match &options.range {
                None => 0..pinned.size,
                Some(range) => range
                    .as_range(pinned.size)
                    .map_err(|cause| Error::Generic { store: "files", source: Box::new(cause) })?,
            };
            let payload = GetResultPayload::Stream(watch.far(&range));
            let attributes = Attributes::default();
            return Ok(GetResult { payload, meta: pinned.clone(), range, attributes });
        }
        let GetResult { payload, meta, range, attributes } =
            self.inner.get_opts(location, options).await?;
        same(pinned, &meta)?;
        let payload = match payload {
            GetResultPayload::File(file, _) => {
                GetResultPayload::Stream(watch.local(file, range.clone()))
            }
            bytes @ GetResultPayload::Stream(_) => bytes,
        };
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        object_store::coalesce_ranges(ranges, |range| self.get_range(location, range), GAP_MAX)
            .await
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::once(async { read_only() }).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::empty().boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Ok(ListResult { common_prefixes: Vec::new(), objects: Vec::new() })
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        read_only()
    }
}
