//! Writes one object: hashes it, and makes it durable and visible in one step at the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use outhaul_exports::ports::{Upload, Written};
use outhaul_exports::{Error, Result};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{free_bytes, make_folders, part_path, prune};
use crate::digest::Digest;
use crate::error;

/// Writes smaller than this are joined.
const JOINED_BYTES: usize = 256 * 1024;

/// Pieces that wait for the disk.
const QUEUE: usize = 4;

/// An object that is being written by a thread of its own, so that hashing and writing go on while
/// the next piece is made.
pub(super) struct LocalUpload {
    pieces: mpsc::Sender<Step>,
    /// Until it has said how it ended.
    writer: Option<JoinHandle<Result<Option<Written>>>>,
}

enum Step {
    Piece(Bytes),
    Finish,
}

impl LocalUpload {
    /// Makes the temporary file.
    pub(super) fn begin(root: &Path, key: &str) -> Result<Self> {
        let path = root.join(key);
        if path.exists() {
            return Err(error::exists(key));
        }
        let part = part_path(&path);
        let file = create(&part).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => error::exists(key),
            _ => failed(root, "create an artifact", cause),
        })?;
        let (pieces, steps) = mpsc::channel(QUEUE);
        let mut object = Part {
            root: root.to_owned(),
            path,
            part,
            file: Some(file),
            joined: Vec::new(),
            digest: Digest::default(),
        };
        let writer = tokio::task::spawn_blocking(move || object.run(steps));
        Ok(Self { pieces, writer: Some(writer) })
    }

    /// How the writer ended; `None` when it wrote nothing that stays.
    async fn ended(&mut self) -> Result<Option<Written>> {
        match self.writer.take() {
            Some(writer) => writer.await.map_err(error::panicked)?,
            None => Ok(None),
        }
    }

    /// Why the writer ended before it was told to.
    async fn failure(&mut self) -> Error {
        let ended = self.ended().await;
        ended.err().unwrap_or_else(|| Error::internal("an upload went on after it had failed"))
    }
}

#[async_trait]
impl Upload for LocalUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let over = self.writer.as_ref().is_none_or(JoinHandle::is_finished);
        if over || self.pieces.send(Step::Piece(bytes)).await.is_err() {
            return Err(self.failure().await);
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Written> {
        if self.pieces.send(Step::Finish).await.is_err() {
            return Err(self.failure().await);
        }
        let written = self.ended().await?;
        written.ok_or_else(|| Error::internal("an upload ended without its end"))
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let writer = self.writer.take();
        drop(self);
        if let Some(writer) = writer {
            // An error is one of the upload that is given up; the writer has cleaned up itself.
            let _ = writer.await.map_err(error::panicked)?;
        }
        Ok(())
    }
}

/// The temporary file. Dropped before it is published, it is removed.
struct Part {
    root: PathBuf,
    path: PathBuf,
    part: PathBuf,
    file: Option<File>,
    joined: Vec<u8>,
    digest: Digest,
}

impl Part {
    /// Takes pieces until the end; `None` when the upload was given up.
    fn run(&mut self, mut steps: mpsc::Receiver<Step>) -> Result<Option<Written>> {
        while let Some(step) = steps.blocking_recv() {
            match step {
                Step::Piece(bytes) => self
                    .append(&bytes)
                    .map_err(|cause| failed(&self.root, "write an artifact", cause))?,
                Step::Finish => return self.publish().map(Some),
            }
        }
        Ok(None)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        if self.joined.len() + bytes.len() < JOINED_BYTES {
            self.joined.extend_from_slice(bytes);
            return Ok(());
        }
        self.flush()?;
        self.file()?.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let joined = std::mem::take(&mut self.joined);
        self.file()?.write_all(&joined)?;
        self.joined = joined;
        self.joined.clear();
        Ok(())
    }

    fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::Error::other("the upload has ended"))
    }

    /// Makes the object durable, then visible, then its name durable. After a failed sync the
    /// kernel may have dropped the pages, and a second sync would answer that all is well: so the
    /// file is given up, and whoever wants it writes it again.
    fn publish(&mut self) -> Result<Written> {
        let synced = self.flush().and_then(|()| self.file()?.sync_all());
        synced.map_err(|cause| failed(&self.root, "sync an artifact", cause))?;
        self.file = None;
        name(&self.part, &self.path).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => error::exists(&self.path.display().to_string()),
            _ => failed(&self.root, "name an artifact", cause),
        })?;
        let written = std::mem::take(&mut self.digest).finish();
        if let Err(error) = self.settle(&written) {
            // It is under its name, but not for certain after a power cut: it must not stay.
            let _ = fs::remove_file(&self.path);
            return Err(error);
        }
        Ok(written)
    }

    /// Syncs the folders from the object's up to the root, and reads its length back.
    fn settle(&self, written: &Written) -> Result<()> {
        for folder in self.path.ancestors().skip(1) {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|cause| failed(&self.root, "sync an artifact's folder", cause))?;
            if folder == self.root {
                break;
            }
        }
        let found = fs::metadata(&self.path)
            .map_err(|cause| failed(&self.root, "read an artifact back", cause))?;
        if found.len() != written.bytes {
            let how = format!("{} bytes were written, {} are there", written.bytes, found.len());
            return Err(error::damaged(&self.path.display().to_string(), &how));
        }
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After a successful rename there is none; a failure leaves work for the housekeeper.
        let _ = fs::remove_file(&self.part);
        prune(&self.root, &self.part);
    }
}

/// Makes the temporary file and the folders above it. Another upload's end may remove an empty
/// folder in between, so this tries again.
fn create(part: &Path) -> io::Result<File> {
    let folder = part.parent().unwrap_or(Path::new("."));
    let mut tries = 0;
    loop {
        make_folders(folder)?;
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(part) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && tries < 8 => tries += 1,
            result => return result,
        }
    }
}

/// Gives a file its name, unless that is taken.
///
/// # Errors
/// `AlreadyExists` when it is.
pub(super) fn name(part: &Path, path: &Path) -> io::Result<()> {
    name_by(part, path, || renameat_with(CWD, part, CWD, path, RenameFlags::NOREPLACE))
}

/// As [`name`], where `rename` tries it in one step. Some file systems cannot (NFS, some FUSE), and
/// say so in different words: there the file gets a second name and loses the first. Whoever is
/// stopped in between leaves the remains of an upload beside a whole object.
fn name_by(
    part: &Path,
    path: &Path,
    rename: impl FnOnce() -> rustix::io::Result<()>,
) -> io::Result<()> {
    match rename() {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::hard_link(part, path)?;
            fs::remove_file(part)
        }
        named => named.map_err(io::Error::from),
    }
}

fn failed(root: &Path, what: &str, cause: io::Error) -> Error {
    match error::is_full(&cause) {
        true => error::full(free_bytes(root), cause),
        false => error::away(what, cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_where_a_rename_cannot_refuse_to_replace() {
        for errno in [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP] {
            let folder = tempfile::tempdir().expect("a folder");
            let (part, path) = (folder.path().join("part"), folder.path().join("whole"));
            fs::write(&part, b"first").expect("it is written");
            name_by(&part, &path, || Err(errno)).expect("it is named");
            assert!(!part.exists(), "{errno}");
            assert_eq!(fs::read(&path).expect("it is there"), b"first");
            // What has the name keeps it, in both ways.
            fs::write(&part, b"second").expect("it is written");
            for taken in [name_by(&part, &path, || Err(errno)), name(&part, &path)] {
                let kind = taken.map_err(|cause| cause.kind());
                assert_eq!(kind, Err(io::ErrorKind::AlreadyExists), "{errno}");
            }
            assert_eq!(fs::read(&path).expect("it is there"), b"first");
            assert!(part.exists(), "{errno}");
        }
        // Other failures are not tried in another way.
        let nowhere = Path::new("/nonexistent/part");
        let failed = name_by(nowhere, nowhere, || Err(Errno::ROFS)).map_err(|cause| cause.kind());
        assert_eq!(failed, Err(io::ErrorKind::ReadOnlyFilesystem));
    }
}
