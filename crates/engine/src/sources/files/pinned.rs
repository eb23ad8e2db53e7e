//! A store that shows the files of one moment, and nothing else.
//!
//! Which files there are, how long they are and which version they have is fixed when a run
//! begins. Every read compares what the store says of the file it just opened with that; a
//! difference ends the run, so that no result is made of two moments. Files that were not pinned
//! do not exist here, so a plan cannot read what nobody listed for it.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::error::Changed;

/// Ranges that are nearer to each other than this are read in one go. Bytes.
const GAP_MAX: u64 = 128 * 1024;

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

    fn same(&self, pinned: &ObjectMeta, now: &ObjectMeta) -> Result<()> {
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
        let result = self.inner.get_opts(location, options).await?;
        self.same(pinned, &result.meta)?;
        Ok(result)
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
