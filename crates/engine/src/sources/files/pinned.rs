//! A store that shows the files of one moment, and nothing else.
//!
//! Which files there are, how long they are and which version they have is fixed when a run
//! begins. Every read compares what the store says of the file with that: when it opens the file,
//! and again for what it read, because a file can be written while it is read. A difference ends
//! the run, so that no result is made of two moments. Files that were not pinned do not exist here,
//! so a plan cannot read what nobody listed for it.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, Result,
};

use crate::error::Changed;

/// Ranges that are nearer to each other than this are read in one go. Bytes.
const GAP_MAX: u64 = 128 * 1024;

/// Bytes of a local file that are read, and then compared with what was pinned, at once.
const CHUNK_BYTES: u64 = 2 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct PinnedStore {
    inner: Arc<dyn ObjectStore>,
    files: HashMap<Path, ObjectMeta>,
}

impl PinnedStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, files: HashMap<Path, ObjectMeta>) -> Self {
        Self { inner, files }
    }
}

/// Fails when a file is not what was pinned.
fn same(pinned: &ObjectMeta, now: &ObjectMeta) -> Result<()> {
    let same = pinned.size == now.size
        && match (&pinned.e_tag, &now.e_tag) {
            (Some(then), Some(now)) => then == now,
            _ => pinned.last_modified == now.last_modified,
        };
    if same {
        return Ok(());
    }
    Err(Error::Precondition { path: pinned.location.to_string(), source: Box::new(Changed) })
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

    /// What comes from afar is compared once more when all of it has come.
    fn remote(self, bytes: BoxStream<'static, Result<Bytes>>) -> BoxStream<'static, Result<Bytes>> {
        let end = async move { self.unchanged().await.map(|()| Bytes::new()) };
        let bytes = bytes.chain(stream::once(end));
        bytes.try_filter(|bytes| std::future::ready(!bytes.is_empty())).boxed()
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
        let bounded = matches!(options.range, Some(GetRange::Bounded(_)));
        let GetResult { payload, meta, range, attributes } =
            self.inner.get_opts(location, options).await?;
        same(pinned, &meta)?;
        let watch = Watch { store: Arc::clone(&self.inner), pinned: pinned.clone() };
        let payload = match payload {
            GetResultPayload::File(file, _) => {
                GetResultPayload::Stream(watch.local(file, range.clone()))
            }
            // A short range comes in one piece, of one version.
            GetResultPayload::Stream(bytes) if bounded => GetResultPayload::Stream(bytes),
            GetResultPayload::Stream(bytes) => GetResultPayload::Stream(watch.remote(bytes)),
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
