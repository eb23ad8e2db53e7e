//! Packings: what is put around files. `none` is one file as it is, `gzip` one file in one gzip
//! member, `zip` one or more files in an archive. Compression happens on the encoding threads; what
//! stands here is the frame, written front to back, with no byte kept longer than its call.

pub(crate) mod deflate;
mod gzip;
mod name;
mod password;
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
        Ok(FileWriter { packer: self, level, sum: Sum::default(), spare: Buf::default() })
    }

    /// Ends the output. Returns its length, encrypted where it is.
    pub(crate) fn finish(mut self) -> Result<u64> {
        if self.packing == Packing::Zip {
            let bytes = self.directory.finish(self.sink.bytes)?;
            self.sink.write(&bytes)?;
        }
        self.sink.finish()
    }
}

/// Writes the content of one file, whatever is packed around it.
pub struct FileWriter<'a> {
    packer: &'a mut Packer,
    level: Level,
    sum: Sum,
    spare: Buf,
}

impl FileWriter<'_> {
    /// Writes bytes of the file.
    ///
    /// # Errors
    /// `Sink` when they were not taken.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if self.packer.packing == Packing::None {
            self.sum.raw_bytes += bytes.len() as u64;
            return self.packer.sink.write(bytes);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let spare = std::mem::take(&mut self.spare);
        let block = self.packer.deflater.block(bytes, self.level, spare)?;
        self.block(&block)?;
        self.spare = block.into_buf();
        Ok(())
    }

    /// Writes bytes of the file that are compressed already.
    ///
    /// # Errors
    /// `Usage` when the file is not packed, `Sink` when the bytes were not taken.
    pub fn block(&mut self, block: &Block) -> Result<()> {
        if self.packer.packing == Packing::None {
            return Err(Error::Usage("a file that is not packed takes no compressed bytes"));
        }
        self.sum.add(block);
        self.packer.sink.write(self.packer.directory.seal(block.as_slice())?)
    }

    /// Bytes of the file so far, before packing.
    pub fn raw_bytes(&self) -> u64 {
        self.sum.raw_bytes
    }

    /// Bytes of the whole output so far, after packing and encryption.
    pub(crate) fn sink_bytes(&self) -> u64 {
        self.packer.sink.bytes_out()
    }

    /// Ends the file. Returns its length before packing.
    pub(crate) fn finish(self) -> Result<u64> {
        match self.packer.packing {
            Packing::None => {}
            Packing::Gzip => self.packer.sink.write(&gzip::trailer(&self.sum))?,
            Packing::Zip => {
                let bytes = self.packer.directory.end(&self.sum, self.packer.sink.bytes)?;
                self.packer.sink.write(&bytes)?;
            }
        }
        Ok(self.sum.raw_bytes)
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
