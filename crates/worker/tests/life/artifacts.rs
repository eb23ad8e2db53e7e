//! A local artifact store whose uploads wait at their end, when they are told to.

use std::ops::Range;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use outhaul_delivery::LocalArtifacts;
use outhaul_exports::flow::ByteStream;
use outhaul_exports::manifest::Artifact;
use outhaul_exports::ports::{ArtifactStore, ObjectKey, StoredObject, Upload, Written};
use outhaul_exports::{Error, Result};

pub struct SlowArtifacts {
    pub inner: LocalArtifacts,
    /// A named pipe at which `finish` waits, while there is one.
    pub gate: PathBuf,
    /// The key of an object that cannot be deleted.
    pub stuck: Option<String>,
}

struct SlowUpload {
    inner: Box<dyn Upload>,
    gate: PathBuf,
}

#[async_trait]
impl ArtifactStore for SlowArtifacts {
    async fn create(&self, key: &ObjectKey) -> Result<Box<dyn Upload>> {
        let inner = self.inner.create(key).await?;
        Ok(Box::new(SlowUpload { inner, gate: self.gate.clone() }))
    }
    async fn open(&self, artifact: &Artifact, range: Range<u64>) -> Result<ByteStream> {
        self.inner.open(artifact, range).await
    }
    async fn size(&self, key: &str) -> Result<Option<u64>> {
        self.inner.size(key).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        if self.stuck.as_deref() == Some(key) {
            return Err(Error::unavailable("the file cannot be deleted"));
        }
        self.inner.delete(key).await
    }
    async fn list(
        &self,
        after: Option<&str>,
        before: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<StoredObject>> {
        self.inner.list(after, before, most).await
    }
    async fn free_bytes(&self) -> Result<Option<u64>> {
        self.inner.free_bytes().await
    }
}

#[async_trait]
impl Upload for SlowUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.inner.write(bytes).await
    }
    async fn finish(self: Box<Self>) -> Result<Written> {
        if self.gate.exists() {
            let gate = self.gate.clone();
            let _ = tokio::task::spawn_blocking(move || std::fs::read(gate)).await;
        }
        self.inner.finish().await
    }
    async fn abort(self: Box<Self>) -> Result<()> {
        self.inner.abort().await
    }
}
