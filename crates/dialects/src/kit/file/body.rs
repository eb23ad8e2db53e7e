//! The bytes on their way: exactly as many as were announced, or a broken connection.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{Stream, StreamExt, stream};
use outhaul_exports::ArtifactId;
use outhaul_exports::flow::ByteStream;

/// The bytes of `source`, which must be `length` in all. Too few or too many end the stream with
/// an error before the last one is sent, which makes the server break the connection.
pub(super) fn exact(
    source: ByteStream,
    length: u64,
    artifact: ArtifactId,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::unfold(Some((source, length)), move |state| async move {
        let (mut source, left) = state?;
        let broken = |text: &str| {
            tracing::error!(%artifact, bytes_left = left, reason = text, "download broken off");
            Some((Err(std::io::Error::other("the file cannot be read on")), None))
        };
        match source.next().await {
            Some(Ok(bytes)) if bytes.len() as u64 <= left => {
                let left = left - bytes.len() as u64;
                Some((Ok(bytes), Some((source, left))))
            }
            Some(Ok(_)) => broken("the store sent more than was asked for"),
            Some(Err(error)) => broken(&error.chain()),
            None if left == 0 => None,
            None => broken("the store sent less than was asked for"),
        }
    })
}

/// The bytes of `source` as one gzip stream. An error of the source ends it unfinished.
pub(super) fn packed(
    source: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    stream::unfold(Some((Box::pin(source), encoder)), |state| async move {
        let (mut source, mut encoder) = state?;
        loop {
            match source.next().await {
                Some(Err(error)) => return Some((Err(error), None)),
                None => return Some((encoder.finish().map(Bytes::from), None)),
                Some(Ok(bytes)) => {
                    if let Err(error) = encoder.write_all(&bytes) {
                        return Some((Err(error), None));
                    }
                    let ready = std::mem::take(encoder.get_mut());
                    if !ready.is_empty() {
                        return Some((Ok(ready.into()), Some((source, encoder))));
                    }
                }
            }
        }
    })
}
