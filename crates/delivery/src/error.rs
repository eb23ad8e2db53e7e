//! What goes wrong with artifacts, in the words of the ports.

use std::io;

use outhaul_exports::{Error, ErrorKind};

const MIB: u64 = 1024 * 1024;

/// The volume is full. The text begins with a word for programs.
pub(crate) fn full(free_bytes: Option<u64>, cause: io::Error) -> Error {
    let free = free_bytes.map_or_else(|| "too few".to_owned(), |bytes| (bytes / MIB).to_string());
    let text = format!("storage_full: artifact volume has {free} MiB free, needed more");
    Error::unavailable(text).with_source(cause)
}

/// What is stored is not what was published.
pub(crate) fn damaged(key: &str, how: &str) -> Error {
    let text = "the stored file is damaged; create the export again";
    Error::new(ErrorKind::Internal, text).with_internal(format!("artifact {key}: {how}"))
}

/// The object is not there (any more).
pub(crate) fn gone(key: &str) -> Error {
    Error::new(ErrorKind::Expired, "the file is gone").with_internal(format!("artifact {key}"))
}

/// An object of that key exists already. A published object never changes.
pub(crate) fn exists(key: &str) -> Error {
    Error::conflict("the file exists already").with_internal(format!("artifact {key}"))
}

/// The store is away, or broken.
pub(crate) fn away(
    what: &str,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::unavailable("the artifact store is not available").with_internal(what).with_source(cause)
}

/// Whether the cause is a lack of room.
pub(crate) fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// A task that hashes or writes panicked; that is ours.
pub(crate) fn panicked(cause: tokio::task::JoinError) -> Error {
    Error::internal("a task of the artifact store ended early").with_source(cause)
}
