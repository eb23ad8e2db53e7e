//! Packings: what is put around files. `none` is one file as it is, `gzip` one file in one gzip
//! member, `zip` one or more files in an archive. Compression happens on the encoding threads; what
//! stands here is the frame, written front to back, with no byte kept longer than its call.

pub(crate) mod deflate;
mod gzip;
mod name;
mod password;
mod records;
mod zip;

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

pub use deflate::{Block, Deflater, Level};
pub use name::EntryName;
pub use password::Password;
pub(crate) use zip::Directory;

use crate::cells::Buf;
use crate::error::{Error, Result};
use crate::openpgp::Encrypted;
use deflate::Sum;

/// What is put around the files of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// One file as it is.
    #[default]
    None,
    /// One file in a gzip stream of one member.
    Gzip,
    /// One or more files in a zip archive.
    Zip,
}

/// Every packing, in the order in which they are listed to people.
pub const ALL: &[Packing] = &[Packing::None, Packing::Gzip, Packing::Zip];

impl Packing {
    /// The packing with this id. Case does not matter.
    ///
    /// # Errors
    /// `UnknownPacking` lists the ids that exist.
    pub fn parse(id: &str) -> Result<Self> {
        ALL.iter().copied().find(|packing| packing.id().eq_ignore_ascii_case(id)).ok_or_else(|| {
            let known: Vec<_> = ALL.iter().map(|packing| packing.id()).collect();
            Error::UnknownPacking { id: id.chars().take(40).collect(), known: known.join(", ") }
        })
    }

    /// The id that customers write.
    pub fn id(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zip => "zip",
        }
    }

    /// Media type of the packed file; `None` leaves the format's own.
    pub fn media_type(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("application/gzip"),
            Self::Zip => Some("application/zip"),
        }
    }

    /// File name of the packed file whose content has this name.
    pub fn file_name(self, content: &str) -> String {
        match self {
            Self::None => content.to_owned(),
            Self::Gzip => format!("{content}.gz"),
            Self::Zip => {
                let stem = content.rsplit_once('.').map_or(content, |(stem, _)| stem);
                format!("{stem}.zip")
            }
        }
    }

    /// True when more than one file fits in.
    pub fn many(self) -> bool {
        self == Self::Zip
    }
}

/// Where the packed bytes go.
pub(crate) enum Sink {
    /// As they are.
    Plain(Box<dyn Write + Send>),
    /// Through encryption.
    Encrypted(Encrypted),
}

/// A sink that knows how many bytes it was given.
pub(crate) struct Counted {
    sink: Sink,
    pub(crate) bytes: u64,
}

impl Counted {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.sink {
            Sink::Plain(sink) => sink.write_all(bytes)?,
            Sink::Encrypted(sink) => sink.write(bytes)?,
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Bytes that have left: what was given, or as many as encryption made of it so far.
    fn bytes_out(&self) -> u64 {
        match &self.sink {
            Sink::Plain(_) => self.bytes,
            Sink::Encrypted(sink) => sink.bytes(),
        }
    }

    /// Answers how many bytes have left.
    fn finish(self) -> Result<u64> {
        match self.sink {
            Sink::Plain(mut sink) => {
                sink.flush()?;
                Ok(self.bytes)
            }
            Sink::Encrypted(sink) => sink.finish(),
        }
    }
}

/// The frame around the files of one output.
pub(crate) struct Packer {
    sink: Counted,
    packing: Packing,
    directory: Directory,
    entries: usize,
    deflater: Deflater,
}

impl Packer {
    /// A frame; the entries of an archive are encrypted when there is a password.
    pub(crate) fn new(packing: Packing, password: Option<Password>, sink: Sink) -> Self {
        Self {
            sink: Counted { sink, bytes: 0 },
            packing,
            directory: Directory::new(password),
            entries: 0,
            deflater: Deflater::default(),
        }
    }

    /// Begins a file.
    pub(crate) fn begin(&mut self, name: EntryName, level: Level) -> Result<FileWriter<'_>> {
        let file = self.open(name, level)?;
        Ok(FileWriter { packer: self, file })
    }

    /// Begins a file whose bytes come in calls of their own.
    pub(crate) fn open(&mut self, name: EntryName, level: Level) -> Result<OpenFile> {
        if self.entries > 0 && !self.packing.many() {
            return Err(Error::Usage("only zip can hold more than one file"));
        }
        self.entries += 1;
        match self.packing {
            Packing::None => {}
            Packing::Gzip => self.sink.write(&gzip::HEADER)?,
            Packing::Zip => {
                let bytes = self.directory.begin(name, self.sink.bytes)?;
                self.sink.write(&bytes)?;
            }
        }
        Ok(OpenFile { level, sum: Sum::default(), spare: Buf::default() })
    }

    /// Writes bytes of the open file.
    pub(crate) fn bytes(&mut self, file: &mut OpenFile, bytes: &[u8]) -> Result<()> {
        if self.packing == Packing::None {
            file.sum.raw_bytes += bytes.len() as u64;
            return self.sink.write(bytes);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let spare = std::mem::take(&mut file.spare);
        let block = self.deflater.block(bytes, file.level, spare)?;
        self.block(file, &block)?;
        file.spare = block.into_buf();
        Ok(())
    }

    fn block(&mut self, file: &mut OpenFile, block: &Block) -> Result<()> {
        if self.packing == Packing::None {
            return Err(Error::Usage("a file that is not packed takes no compressed bytes"));
        }
        file.sum.add(block);
        self.sink.write(self.directory.seal(block.as_slice())?)
    }

    /// Ends the open file. Returns its length before packing.
    pub(crate) fn close(&mut self, file: &OpenFile) -> Result<u64> {
        match self.packing {
            Packing::None => {}
            Packing::Gzip => self.sink.write(&gzip::trailer(&file.sum))?,
            Packing::Zip => {
                let bytes = self.directory.end(&file.sum, self.sink.bytes)?;
                self.sink.write(&bytes)?;
            }
        }
        Ok(file.sum.raw_bytes)
    }

    /// Bytes of the whole output so far, after packing and encryption.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.sink.bytes_out()
    }

    /// Ends the output. Returns its length, encrypted where it is.
    pub(crate) fn finish(self) -> Result<u64> {
        self.finish_into(|| Ok(()))
    }

    /// The same; `handed_on` is called whenever the sink was given some of the end.
    pub(crate) fn finish_into(mut self, mut handed_on: impl FnMut() -> Result<()>) -> Result<u64> {
        if self.packing == Packing::Zip {
            let position = self.sink.bytes;
            self.directory.finish_into(position, |bytes| {
                self.sink.write(bytes)?;
                handed_on()
            })?;
        }
        self.sink.finish()
    }
}

/// What is known of a file that is being written.
pub(crate) struct OpenFile {
    level: Level,
    sum: Sum,
    spare: Buf,
}

/// Writes the content of one file, whatever is packed around it.
pub struct FileWriter<'a> {
    packer: &'a mut Packer,
    file: OpenFile,
}

impl FileWriter<'_> {
    /// Writes bytes of the file.
    ///
    /// # Errors
    /// `Sink` when they were not taken.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.packer.bytes(&mut self.file, bytes)
    }

    /// Writes bytes of the file that are compressed already.
    ///
    /// # Errors
    /// `Usage` when the file is not packed, `Sink` when the bytes were not taken.
    pub fn block(&mut self, block: &Block) -> Result<()> {
        self.packer.block(&mut self.file, block)
    }

    /// Bytes of the file so far, before packing.
    pub fn raw_bytes(&self) -> u64 {
        self.file.sum.raw_bytes
    }

    /// Bytes of the whole output so far, after packing and encryption.
    pub(crate) fn sink_bytes(&self) -> u64 {
        self.packer.bytes_out()
    }

    /// Ends the file. Returns its length before packing.
    pub(crate) fn finish(self) -> Result<u64> {
        self.packer.close(&self.file)
    }
}

impl Write for FileWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
