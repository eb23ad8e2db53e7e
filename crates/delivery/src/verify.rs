//! Reads a published artifact and lets nothing out that differs from what was published.
//!
//! Whole blocks are read, also when a range touches only a part of them, and compared with their
//! CRC-32; a read of the whole file is also hashed, and its last span is held back until the
//! SHA-256 is right. The next span is fetched while the last one is being sent, so at most two are
//! in memory for each reader.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use outhaul_exports::flow::ByteStream;
use outhaul_exports::manifest::{Artifact, BLOCK_BYTES};
use outhaul_exports::{Error, Result};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::damage::{Damages, Place};
use crate::error;

/// What holds an object's bytes.
#[async_trait]
pub(crate) trait Bytewise: Send + Sync + 'static {
    /// Exactly these bytes of the object.
    async fn read(&self, range: Range<u64>) -> Result<Bytes>;
}

/// The bytes of `range`, checked. `span_blocks` blocks are fetched at once; `stored` is the length
/// of the object as it lies in the store. What was found damaged before is refused here, if it
/// still is.
pub(crate) async fn checked_stream(
    object: Arc<dyn Bytewise>,
    damages: &Damages,
    artifact: &Artifact,
    stored: u64,
    range: Range<u64>,
    span_blocks: u64,
) -> Result<ByteStream> {
    let length = artifact.bytes;
    if stored != length {
        let how = format!("it has {stored} bytes, published were {length}");
        return Err(damages.found(&artifact.key, Place::Length, &how));
    }
    if artifact.block_crc32.len() as u64 != length.div_ceil(BLOCK_BYTES) {
        return Err(error::damaged(&artifact.key, "its list of checksums is incomplete"));
    }
    if range.start > range.end || range.end > length {
        return Err(Error::internal(format!("range {range:?} of a file of {length} bytes")));
    }
    let whole = (range == (0..length)).then(Whole::default);
    damages.look_again(&*object, artifact).await?;
    if range.is_empty() {
        if let Some(whole) = whole {
            whole.compare(damages, &artifact.key, &artifact.sha256)?;
        }
        return Ok(Box::pin(stream::empty()));
    }
    let reader = Reader {
        object,
        damages: damages.clone(),
        key: artifact.key.clone(),
        crcs: artifact.block_crc32.clone(),
        sha256: artifact.sha256.clone(),
        length,
        next: range.start / BLOCK_BYTES * BLOCK_BYTES,
        range,
        span: span_blocks * BLOCK_BYTES,
        whole,
    };
    let first = reader.fetch();
    Ok(Box::pin(stream::try_unfold(first, next_span)))
}

type Fetched = Result<(Option<Reader>, Bytes)>;

async fn next_span(
    fetch: Option<JoinHandle<Fetched>>,
) -> Result<Option<(Bytes, Option<JoinHandle<Fetched>>)>> {
    let Some(fetch) = fetch else { return Ok(None) };
    let (reader, bytes) = fetch.await.map_err(error::panicked)??;
    Ok(Some((bytes, reader.and_then(Reader::fetch))))
}

struct Reader {
    object: Arc<dyn Bytewise>,
    damages: Damages,
    key: String,
    crcs: Vec<u32>,
    sha256: String,
    length: u64,
    range: Range<u64>,
    /// First byte of the next span; the beginning of a block.
    next: u64,
    span: u64,
    whole: Option<Whole>,
}

#[derive(Default)]
struct Whole(Sha256);

impl Whole {
    fn compare(self, damages: &Damages, key: &str, sha256: &str) -> Result<()> {
        if hex::encode(self.0.finalize()) == sha256 {
            return Ok(());
        }
        Err(damages.found(key, Place::Digest, "its SHA-256 differs"))
    }
}

impl Reader {
    /// Starts to fetch and check the next span.
    fn fetch(self) -> Option<JoinHandle<Fetched>> {
        Some(tokio::spawn(async move {
            let span = self.next..(self.next + self.span).min(self.length);
            let bytes = self.object.read(span.clone()).await?;
            // Hashing a span takes milliseconds, which is too long between two awaits.
            tokio::task::spawn_blocking(move || self.check(&span, &bytes))
                .await
                .map_err(error::panicked)?
        }))
    }

    /// Compares a span and cuts it to the range.
    fn check(mut self, span: &Range<u64>, bytes: &Bytes) -> Fetched {
        if bytes.len() as u64 != span.end - span.start {
            return Err(error::damaged(&self.key, "it ends early"));
        }
        let first = (span.start / BLOCK_BYTES) as usize;
        for (at, block) in bytes.chunks(BLOCK_BYTES as usize).enumerate() {
            if self.crcs.get(first + at) != Some(&crc32fast::hash(block)) {
                let how = format!("the CRC-32 of block {} differs", first + at);
                return Err(self.damages.found(&self.key, Place::Block(first + at), &how));
            }
        }
        let more = span.end < self.range.end;
        if let Some(mut whole) = self.whole.take() {
            whole.0.update(bytes);
            match more {
                true => self.whole = Some(whole),
                false => whole.compare(&self.damages, &self.key, &self.sha256)?,
            }
        }
        let from = self.range.start.saturating_sub(span.start);
        let to = self.range.end.min(span.end) - span.start;
        let wanted = bytes.slice(from as usize..to as usize);
        self.next = span.end;
        Ok((more.then_some(self), wanted))
    }
}
