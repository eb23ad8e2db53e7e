//! Contents on their way into an archive.
//!
//! A short file is read whole before its entry begins, so that what goes wrong with it leaves no
//! trace but in the manifest. Of a long one what is written stays written.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use outhaul_exports::flow::ByteStream;
use outhaul_exports::ports::{Content, Snapshot};
use outhaul_exports::query::{Path, Query};
use outhaul_exports::{Error, ErrorKind, Result};

/// Bytes of the longest file that is read whole before it is written.
const SMALL_BYTES_MAX: u64 = 1024 * 1024;

/// Where contents come from.
pub(super) struct Contents<'a> {
    pub(super) snapshot: &'a dyn Snapshot,
    pub(super) query: &'a Query,
}

/// What became of a file that was asked for.
pub(super) enum Fetched {
    /// It is whole.
    Small(Bytes),
    /// It is there, and comes.
    Large(Large),
    /// It will not come, for that reason.
    Missing(String),
}

/// A file that comes piece by piece.
pub(super) struct Large {
    stream: ByteStream,
    left: u64,
}

impl Contents<'_> {
    /// Asks for a file.
    ///
    /// # Errors
    /// Whatever is not about this one file alone.
    pub(super) async fn fetch(&self, field: &Path, reference: &str) -> Result<Fetched> {
        let Content { bytes, stream } =
            match self.snapshot.content(self.query, field, reference).await {
                Ok(content) => content,
                Err(error) => return Ok(Fetched::Missing(reason(error)?)),
            };
        let mut large = Large { stream, left: bytes };
        if bytes > SMALL_BYTES_MAX {
            return Ok(Fetched::Large(large));
        }
        let mut whole = BytesMut::new();
        loop {
            match large.next().await? {
                // One piece, as most are, is not copied.
                Ok(Some(piece)) if whole.is_empty() && piece.len() as u64 == bytes => {
                    return Ok(match large.next().await? {
                        Ok(_) => Fetched::Small(piece),
                        Err(reason) => Fetched::Missing(reason),
                    });
                }
                Ok(Some(piece)) => whole.extend_from_slice(&piece),
                Ok(None) => return Ok(Fetched::Small(whole.freeze())),
                Err(reason) => return Ok(Fetched::Missing(reason)),
            }
        }
    }
}

impl Large {
    /// The next bytes, `None` at the end; or why there are no more although there should be.
    ///
    /// # Errors
    /// Whatever is not about this one file alone.
    pub(super) async fn next(&mut self) -> Result<Result<Option<Bytes>, String>> {
        let changed = || "the file changed while it was read".to_owned();
        Ok(match self.stream.next().await.transpose() {
            Err(error) => Err(reason(error)?),
            Ok(Some(bytes)) => match self.left.checked_sub(bytes.len() as u64) {
                Some(left) => {
                    self.left = left;
                    Ok(Some(bytes))
                }
                None => Err(changed()),
            },
            Ok(None) if self.left > 0 => Err(changed()),
            Ok(None) => Ok(None),
        })
    }
}

/// Why a file does not come, if it is that file's own trouble.
fn reason(error: Error) -> Result<String> {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::Forbidden
        | ErrorKind::Conflict
        | ErrorKind::Invalid { .. } => Ok(error.public().to_owned()),
        _ => Err(error),
    }
}
