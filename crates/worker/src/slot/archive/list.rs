//! Lists that wait in the spill folder: written once from front to back, then read once.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use outhaul_exports::{Error, Result};

/// Where lists wait, and how many bytes all of them may take.
#[derive(Debug, Clone)]
pub(in crate::slot) struct Room {
    folder: PathBuf,
    left: Arc<AtomicU64>,
}

impl Room {
    /// Room for so many bytes.
    pub(in crate::slot) fn new(folder: &Path, bytes_max: u64) -> Self {
        Self { folder: folder.to_owned(), left: Arc::new(AtomicU64::new(bytes_max)) }
    }

    /// A file without a name, which goes with its handle.
    pub(in crate::slot) fn file(&self) -> Result<File> {
        tempfile::tempfile_in(&self.folder).map_err(wrong)
    }

    /// Takes room for bytes that are about to be written.
    pub(in crate::slot) fn take(&self, bytes: u64) -> Result<()> {
        let taken = |left: u64| left.checked_sub(bytes);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken);
        taken.map(drop).map_err(|_| {
            let text = "spill_limit: what must wait in files takes more room than an export may \
                        have: ask for fewer rows";
            Error::unavailable(text)
        })
    }
}

/// A list that is being written. Its file has no name, and goes with it.
#[derive(Debug)]
pub(super) struct List {
    file: BufWriter<File>,
    room: Room,
}

impl List {
    pub(super) fn begin(room: &Room) -> Result<Self> {
        Ok(Self { file: BufWriter::new(room.file()?), room: room.clone() })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.room.take(bytes.len() as u64)?;
        self.file.write_all(bytes).map_err(wrong)
    }

    /// The list from its beginning.
    pub(super) fn read(&mut self) -> Result<BufReader<File>> {
        self.file.flush().map_err(wrong)?;
        let mut file = self.file.get_ref().try_clone().map_err(wrong)?;
        file.rewind().map_err(wrong)?;
        Ok(BufReader::with_capacity(64 * 1024, file))
    }
}

/// What a disk says of a list.
pub(super) fn wrong(cause: io::Error) -> Error {
    Error::unavailable("the list of the files cannot be kept at the moment").with_source(cause)
}

/// Does what may wait for the disk on a thread for that.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(Error::internal("a list was lost").with_source(panic)))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn lists_share_their_room_and_leave_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let room = Room::new(folder.path(), 10);
        let (mut one, mut other) =
            (List::begin(&room).expect("a list"), List::begin(&room).expect("a list"));
        one.push(b"12345").expect("there is room");
        other.push(b"1234").expect("there is room");
        let refused = one.push(b"67").expect_err("there is none");
        assert!(refused.public().starts_with("spill_limit: "), "{refused}");
        one.push(b"6").expect("there is room");
        let mut text = String::new();
        one.read().expect("it is read").read_to_string(&mut text).expect("it is read");
        assert_eq!(text, "123456");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
