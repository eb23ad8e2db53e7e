//! Artifacts in an object store (S3, Google Cloud Storage, Azure), by multipart upload.
//!
//! An upload that is cut off by the death of its process cannot be cleaned up by us: object stores
//! keep its parts, invisible, until a lifecycle rule of the bucket aborts it. Operators are told so
//! in the documentation.

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use object_store::path::Path;
use object_store::{
    MultipartUpload, ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutPayload, WriteMultipart,
};
use outhaul_exports::flow::ByteStream;
use outhaul_exports::manifest::Artifact;
use outhaul_exports::ports::{ArtifactStore, ObjectKey, StoredObject, Upload, Written};
use outhaul_exports::{Error, ErrorKind, Result};
use url::Url;

use crate::damage::Damages;
use crate::digest::Digest;
use crate::verify::{Bytewise, checked_stream};
use crate::{error, key};

/// Bytes of one part of a multipart upload. All parts have this size, which every service accepts.
const PART_BYTES: usize = 16 * 1024 * 1024;

/// Parts of one object that the services allow.
const PARTS_MAX: u64 = 10_000;

/// Parts that are sent at once.
const PARTS_AT_ONCE: usize = 2;

/// Blocks that are fetched by one request.
const SPAN_BLOCKS: u64 = 4;

/// Artifacts below a prefix of an object store.
#[derive(Debug, Clone)]
pub struct ObjectArtifacts {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    damages: Damages,
}

impl ObjectArtifacts {
    /// Artifacts below `prefix` of `store`.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { store, prefix, damages: Damages::default() }
    }

    /// The object store at `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// `Invalid` for a URL or an option that is not understood.
    pub fn connect(url: &Url, options: &[(String, String)]) -> Result<Self> {
        let refused = |text: String| Error::invalid("artifacts.url", text);
        let shown = url.scheme();
        let (scheme, _) = ObjectStoreScheme::parse(url).map_err(|cause| {
            let text = format!("`{shown}` is not a kind of object store, or its URL is incomplete");
            refused(text).with_source(cause)
        })?;
        let known: fn(&str) -> bool = match scheme {
            ObjectStoreScheme::AmazonS3 => |name| AmazonS3ConfigKey::from_str(name).is_ok(),
            ObjectStoreScheme::GoogleCloudStorage => |name| GoogleConfigKey::from_str(name).is_ok(),
            ObjectStoreScheme::MicrosoftAzure => |name| AzureConfigKey::from_str(name).is_ok(),
            _ => return Err(refused(format!("artifacts cannot be written to a `{shown}` URL"))),
        };
        if let Some((name, _)) = options.iter().find(|(name, _)| !known(name)) {
            return Err(refused(format!("`{name}` is not an option of this object store")));
        }
        let pairs = options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (store, prefix) = object_store::parse_url_opts(url, pairs).map_err(|cause| {
            refused(format!("the object store cannot be used: {cause}")).with_source(cause)
        })?;
        Ok(Self::new(Arc::from(store), prefix))
    }

    fn path(&self, key: &str) -> Option<Path> {
        let parts = key::parse(key)?;
        Some(self.prefix.parts().chain(parts.iter().map(|part| (*part).into())).collect())
    }

    async fn head(&self, path: &Path) -> Result<Option<u64>> {
        match self.store.head(path).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(error::away("look at an artifact", cause)),
        }
    }
}

#[async_trait]
impl ArtifactStore for ObjectArtifacts {
    async fn create(&self, key: &ObjectKey) -> Result<Box<dyn Upload>> {
        let key = key::checked(key)?;
        let path = self.path(&key).ok_or_else(|| error::gone(&key))?;
        if self.head(&path).await?.is_some() {
            return Err(error::exists(&key));
        }
        let begun = self.store.put_multipart(&path).await;
        let parts = begun.map_err(|cause| error::away("begin an artifact", cause))?;
        Ok(Box::new(ObjectUpload::new(self.clone(), key, path, parts)))
    }

    async fn open(&self, artifact: &Artifact, range: Range<u64>) -> Result<ByteStream> {
        let path = self.path(&artifact.key).ok_or_else(|| error::gone(&artifact.key))?;
        let Some(stored) = self.head(&path).await? else {
            // Services say the same of a bucket that is away; one that is there can be listed.
            self.probe().await?;
            return Err(error::gone(&artifact.key));
        };
        let object = Arc::new(Remote { store: self.store.clone(), path });
        checked_stream(object, &self.damages, artifact, stored, range, SPAN_BLOCKS).await
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        match self.path(key) {
            Some(path) => self.head(&path).await,
            None => Ok(None),
        }
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let Some(path) = self.path(key) else { return Ok(()) };
        self.damages.forget(key);
        match self.store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(error::away("delete an artifact", cause)),
        }
    }

    async fn list(
        &self,
        after: Option<&str>,
        before: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<StoredObject>> {
        let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
        let mut objects = match after.and_then(|key| self.path(key)) {
            Some(offset) => self.store.list_with_offset(prefix, &offset),
            None => self.store.list(prefix),
        };
        let mut found = Vec::new();
        while found.len() < most {
            let next = objects.try_next().await;
            let Some(meta) = next.map_err(|cause| error::away("list artifacts", cause))? else {
                break;
            };
            let Some(parts) = meta.location.prefix_match(&self.prefix) else { continue };
            let key = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            if meta.last_modified < before && key::parse(&key).is_some() {
                let modified_at = meta.last_modified;
                found.push(StoredObject { key, bytes: meta.size, modified_at });
            }
        }
        Ok(found)
    }

    async fn free_bytes(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    async fn probe(&self) -> Result<()> {
        // One page of one listing, whatever it shows: the name, the credentials and the way to the
        // service are right. A trial object would need the right to delete, and cost money.
        let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
        let first = self.store.list(prefix).try_next().await;
        first.map(drop).map_err(|cause| error::away("try out the object store", cause))
    }
}

struct Remote {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

#[async_trait]
impl Bytewise for Remote {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        match self.store.get_range(&self.path, range).await {
            Ok(bytes) => Ok(bytes),
            Err(object_store::Error::NotFound { .. }) => Err(error::gone(self.path.as_ref())),
            Err(cause) => Err(error::away("read an artifact", cause)),
        }
    }
}

struct ObjectUpload {
    store: ObjectArtifacts,
    key: String,
    path: Path,
    parts: WriteMultipart,
    digest: Digest,
}

impl ObjectUpload {
    fn new(
        store: ObjectArtifacts,
        key: String,
        path: Path,
        parts: Box<dyn MultipartUpload>,
    ) -> Self {
        let parts = WriteMultipart::new_with_chunk_size(parts, PART_BYTES);
        Self { store, key, path, parts, digest: Digest::default() }
    }
}

#[async_trait]
impl Upload for ObjectUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.digest.bytes() + bytes.len() as u64 > PARTS_MAX * PART_BYTES as u64 {
            let text = "the file is larger than the object store takes: divide the export";
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        self.parts
            .wait_for_capacity(PARTS_AT_ONCE)
            .await
            .map_err(|cause| error::away("write an artifact", cause))?;
        let mut digest = std::mem::take(&mut self.digest);
        let hashed = bytes.clone();
        let hashing = tokio::task::spawn_blocking(move || {
            digest.update(&hashed);
            digest
        });
        self.digest = hashing.await.map_err(error::panicked)?;
        self.parts.put(bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Written> {
        let written = self.digest.finish();
        if written.bytes == 0 {
            // A multipart upload without parts is refused by some services.
            let _ = self.parts.abort().await;
            let put = self.store.store.put(&self.path, PutPayload::new()).await;
            put.map_err(|cause| error::away("write an artifact", cause))?;
        } else {
            let ended = self.parts.finish().await;
            ended.map_err(|cause| error::away("end an artifact", cause))?;
        }
        match self.store.head(&self.path).await? {
            Some(stored) if stored == written.bytes => Ok(written),
            stored => {
                let how = format!("{} bytes were written, {stored:?} are there", written.bytes);
                Err(error::damaged(&self.key, &how))
            }
        }
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        let ended = self.parts.abort().await;
        ended.map_err(|cause| error::away("give up an artifact", cause))
    }
}
