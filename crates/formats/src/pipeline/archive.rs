//! Files that are no rows, behind those that are, in the same archive: each as an entry of it, or
//! all together in an archive inside it.
//!
//! The bytes are compressed on the thread that brings them: they come from one place, one after the
//! other, and what is worth exporting as a file mostly is compressed already.

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::threads::{Shared, Written};
use crate::error::{Error, Result};
use crate::pack::{EntryName, Level, OpenFile, Packer, Packing, Sink};
use crate::report::{EntryReport, Report};

/// An archive whose rows are written. What it was told to do with a password or a key it does with
/// these files too. Dropping it without `finish` leaves the output without an end.
pub struct OpenArchive {
    written: Written,
    shared: Arc<Shared>,
    level: Level,
    inner: Option<Inner>,
    open: Option<OpenFile>,
}

/// The archive inside the archive, which is not compressed again.
struct Inner {
    packer: Packer,
    made: Spout,
    file: OpenFile,
}

impl OpenArchive {
    pub(super) fn new(written: Written, shared: Arc<Shared>, level: Level) -> Self {
        Self { written, shared, level, inner: None, open: None }
    }

    /// What the files of rows came to.
    pub fn entries(&self) -> &[EntryReport] {
        &self.written.entries
    }

    /// Begins an archive inside this one: further files go into it, until it ends.
    ///
    /// # Errors
    /// `Usage` when a file or another archive is open; `EntryName` when there is a file of that name.
    pub fn begin_inner(&mut self, name: EntryName) -> Result<()> {
        self.at_rest()?;
        if self.inner.is_some() {
            return Err(Error::Usage("an archive inside the archive is open already"));
        }
        let file = self.written.packer.open(name, Level::STORE)?;
        let made = Spout::default();
        let sink = Sink::Plain(Box::new(made.clone()));
        self.inner = Some(Inner { packer: Packer::new(Packing::Zip, None, sink), made, file });
        Ok(())
    }

    /// Ends the archive inside.
    ///
    /// # Errors
    /// `Usage` when there is none, or a file is open; `Sink` when its bytes were not taken.
    pub fn end_inner(&mut self) -> Result<()> {
        self.at_rest()?;
        let none = Error::Usage("no archive inside the archive is open");
        let Inner { packer, made, mut file } = self.inner.take().ok_or(none)?;
        packer.finish_into(|| made.pour(&mut self.written.packer, &mut file))?;
        self.written.packer.close(&file)?;
        self.tell();
        Ok(())
    }

    /// Begins a file.
    ///
    /// # Errors
    /// `Usage` when another is open; `EntryName` when there is one of that name, in any case.
    pub fn begin(&mut self, name: EntryName) -> Result<()> {
        self.at_rest()?;
        let level = self.level;
        let open = self.packer().open(name, level)?;
        self.open = Some(open);
        self.pour()
    }

    /// Writes bytes of the open file.
    ///
    /// # Errors
    /// `Usage` when none is open; `Cancelled`; `Sink` when the bytes were not taken.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if self.shared.is_stopped() {
            return Err(Error::Cancelled);
        }
        let mut open = self.open.take().ok_or(Error::Usage("no file is open"))?;
        self.packer().bytes(&mut open, bytes)?;
        self.open = Some(open);
        self.pour()?;
        self.tell();
        Ok(())
    }

    /// Ends the open file. Returns its length before packing.
    ///
    /// # Errors
    /// `Usage` when none is open; `Sink` when its last bytes were not taken.
    pub fn end(&mut self) -> Result<u64> {
        let open = self.open.take().ok_or(Error::Usage("no file is open"))?;
        let bytes = self.packer().close(&open)?;
        self.pour()?;
        self.tell();
        Ok(bytes)
    }

    /// Ends the archive. The report lists the files of rows alone; its bytes are those of all.
    ///
    /// # Errors
    /// `Usage` when something inside is open; `Cancelled`; `Sink`.
    pub fn finish(self) -> Result<Report> {
        self.at_rest()?;
        if self.inner.is_some() {
            return Err(Error::Usage("the archive inside the archive is still open"));
        }
        self.written.finish(&self.shared)
    }

    /// Where files go.
    fn packer(&mut self) -> &mut Packer {
        match &mut self.inner {
            Some(inner) => &mut inner.packer,
            None => &mut self.written.packer,
        }
    }

    /// Hands on what the archive inside has made.
    fn pour(&mut self) -> Result<()> {
        match &mut self.inner {
            Some(inner) => inner.made.pour(&mut self.written.packer, &mut inner.file),
            None => Ok(()),
        }
    }

    fn at_rest(&self) -> Result<()> {
        if self.shared.is_stopped() {
            return Err(Error::Cancelled);
        }
        match self.open {
            Some(_) => Err(Error::Usage("the file before is still open")),
            None => Ok(()),
        }
    }

    /// Says how far the writing has come.
    fn tell(&self) {
        self.shared.progress.bytes.store(self.written.packer.bytes_out(), Ordering::Relaxed);
    }
}

/// Bytes between two archives.
#[derive(Clone, Default)]
struct Spout(Arc<Mutex<Vec<u8>>>);

impl Spout {
    fn pour(&self, packer: &mut Packer, file: &mut OpenFile) -> Result<()> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        packer.bytes(file, &made)?;
        made.clear();
        Ok(())
    }
}

impl Write for Spout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
