//! How rows become files: one folder per format, the packings, and the pipeline that runs them on
//! all cores with the order of the rows kept.
//!
//! This room is synchronous. It is given `RecordBatch`es by calls and writes to a
//! `std::io::Write`; it does not know where rows come from, where bytes go, who asked, or what a
//! task or a future is. The rules by which a value becomes text stand once, in `cells`.
//!
//! A format has two halves. The **parallel half** (`Encoder`) turns a chunk of rows into a
//! `Piece`: it is pure and runs on many threads. The **serial half** (`Assembler`) is given the
//! pieces in row order and makes the file of them. A new format is a folder with both, and one
//! line in `ALL`.

pub mod avro;
pub mod cells;
pub mod csv;
pub mod error;
pub mod html;
pub mod json;
pub mod ndjson;
pub mod openpgp;
pub mod options;
pub mod pack;
pub mod parquet;
pub mod pdf;
pub mod pipeline;
pub mod report;
pub mod seal;
pub mod xlsx;
pub mod xml;

#[cfg(test)]
mod conformance;

use std::any::Any;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

pub use cells::Buf;
pub use error::{Error, Result};
pub use options::FormatOptions;
pub use pack::{Packing, Password};
pub use pipeline::{Entry, Pipeline, PipelineOptions};
pub use report::{EntryReport, Report, Warning, WarningKind, Warnings};

/// Every format, in the order in which they are listed to people.
pub const ALL: &[&dyn Format] = &[
    &csv::Csv,
    &html::Html,
    &xlsx::Xlsx,
    &pdf::Pdf,
    &json::Json,
    &ndjson::Ndjson,
    &xml::Xml,
    &avro::Avro,
    &parquet::Parquet,
];

/// The format with this id. Case does not matter.
///
/// # Errors
/// `UnknownFormat` lists the ids that exist.
pub fn format(id: &str) -> Result<&'static dyn Format> {
    ALL.iter().copied().find(|format| format.id().eq_ignore_ascii_case(id)).ok_or_else(|| {
        let known: Vec<_> = ALL.iter().map(|format| format.id()).collect();
        Error::UnknownFormat { id: id.chars().take(40).collect(), known: known.join(", ") }
    })
}

/// A file format.
pub trait Format: Send + Sync {
    /// The id that customers write, in lower case.
    fn id(&self) -> &'static str;

    /// Media type of an unpacked file.
    fn media_type(&self) -> &'static str;

    /// File name extension without the dot.
    fn extension(&self) -> &'static str;

    /// What a customer reads about the format, in Markdown.
    fn docs(&self) -> &'static str;

    /// True when the files are compressed already; a packing then stores them as they are.
    fn compressed(&self) -> bool {
        false
    }

    /// True when its rows can hold objects and arrays as such; others show them as JSON in a cell.
    fn nests(&self) -> bool {
        false
    }

    /// True when the format encrypts its files itself with [`FormatOptions::password`]; files of
    /// other formats take a password inside a zip archive only.
    fn takes_password(&self) -> bool {
        false
    }

    /// Checks the schema and the options and prepares one file.
    ///
    /// # Errors
    /// `Option`, `Schema`, `ColumnType` or `Zone` when no file can come of them; nothing has been
    /// written then.
    fn encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Box<dyn Encoder>>;
}

/// Rows that are encoded together. All rows belong to one section of the file.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
    /// Number of rows in all batches.
    pub rows: u64,
    /// Place of the first row in the file, from 0.
    pub first_row: u64,
}

/// What the parallel half made of a chunk.
#[derive(Debug)]
pub struct Piece {
    /// Number of rows.
    pub rows: u64,
    /// Place of the first row in the file, from 0.
    pub first_row: u64,
    /// The encoded rows.
    pub body: Body,
    /// Values that differ from their source.
    pub warnings: Warnings,
}

/// The encoded rows of a piece.
#[derive(Debug)]
pub enum Body {
    /// Bytes as they stand in the file.
    Bytes(Buf),
    /// Bytes as they stand in the file, compressed.
    Deflated(pack::Block),
    /// Whatever the format's assembler needs (a Parquet row group's column chunks, say).
    Other(Box<dyn Any + Send>),
}

/// What a thread keeps between chunks.
#[derive(Debug, Default)]
pub struct Scratch {
    /// How hard to compress, for formats whose files are compressed by themselves.
    pub level: pack::Level,
    /// Compressor state.
    pub deflater: pack::Deflater,
    /// A buffer for text that does not leave the thread.
    pub text: Buf,
    /// An empty buffer to hand on in the piece; recycled by the pipeline.
    pub spare: Buf,
}

/// The parallel half of a format: pure, shared by all encoding threads.
pub trait Encoder: Send + Sync {
    /// Encodes one chunk.
    ///
    /// # Errors
    /// `Value` when a value breaks a limit that the options do not let pass; `Schema` when the file
    /// cannot hold so many rows; `Cancelled` when `stop` answers true.
    fn encode(
        &self,
        chunk: &Chunk,
        scratch: &mut Scratch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece>;

    /// The serial half for one file.
    fn assembler(&self) -> Box<dyn Assembler>;

    /// Rows after which a new section of the file begins; a chunk never crosses that border.
    fn section_rows(&self) -> Option<u64> {
        None
    }

    /// Rows of a chunk, for formats that write many rows as one unit: every chunk but the last has
    /// so many, unless their values are large. Others get chunks of a size that is worth its
    /// queueing, whatever the batches were.
    fn chunk_rows(&self) -> Option<usize> {
        None
    }

    /// Into how many parts a chunk is divided that threads encode apart from one another.
    fn parts(&self) -> usize {
        1
    }

    /// Encodes one part of a chunk, by its number from 0. The assembler is given the parts of a
    /// chunk in order.
    ///
    /// # Errors
    /// What `encode` says.
    fn encode_part(
        &self,
        chunk: &Chunk,
        part: usize,
        scratch: &mut Scratch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece> {
        match part {
            0 => self.encode(chunk, scratch, stop),
            _ => Err(Error::Usage("a chunk of one part was asked for another")),
        }
    }

    /// True when pieces are the file's own bytes, so that a packing may compress them on the
    /// encoding threads before they are put in order.
    fn verbatim(&self) -> bool {
        true
    }
}

/// The serial half of a format: makes the file from pieces in row order.
pub trait Assembler: Send {
    /// Writes what stands before the first row.
    ///
    /// # Errors
    /// `Sink` when the file cannot be written.
    fn start(&mut self, file: &mut pack::FileWriter<'_>) -> Result<()>;

    /// Writes the next piece and gives back its buffer, when it had one, to be used again.
    ///
    /// # Errors
    /// `Sink` when the file cannot be written.
    fn append(&mut self, piece: Piece, file: &mut pack::FileWriter<'_>) -> Result<Option<Buf>>;

    /// Writes what stands after the last row.
    ///
    /// # Errors
    /// `Sink` when the file cannot be written.
    fn finish(&mut self, file: &mut pack::FileWriter<'_>) -> Result<Warnings>;
}

/// Assembler of formats whose file is a head, the pieces as they are, and a tail.
pub(crate) struct Verbatim<T> {
    pub(crate) head: Vec<u8>,
    pub(crate) tail: T,
}

impl<T: AsRef<[u8]> + Send> Assembler for Verbatim<T> {
    fn start(&mut self, file: &mut pack::FileWriter<'_>) -> Result<()> {
        file.bytes(&self.head)
    }

    fn append(&mut self, piece: Piece, file: &mut pack::FileWriter<'_>) -> Result<Option<Buf>> {
        match piece.body {
            Body::Bytes(bytes) => {
                file.bytes(bytes.as_slice())?;
                Ok(Some(bytes))
            }
            Body::Deflated(block) => {
                file.block(&block)?;
                Ok(Some(block.into_buf()))
            }
            Body::Other(_) => Err(Error::Usage("a verbatim format was given a foreign piece")),
        }
    }

    fn finish(&mut self, file: &mut pack::FileWriter<'_>) -> Result<Warnings> {
        file.bytes(self.tail.as_ref())?;
        Ok(Warnings::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_found_whatever_the_case() {
        assert_eq!(format("CSV").unwrap().id(), "csv");
        assert_eq!(format("Xlsx").unwrap().extension(), "xlsx");
        let error = format("xls").err().unwrap().to_string();
        assert_eq!(
            error,
            "unknown format \"xls\": use one of csv, html, xlsx, pdf, json, ndjson, xml, avro, parquet"
        );
    }

    #[test]
    fn every_format_describes_itself() {
        for format in ALL {
            assert_eq!(format.id(), format.id().to_lowercase());
            assert!(format.media_type().contains('/'));
            assert!(format.docs().starts_with("# "), "{} has a docs page", format.id());
        }
    }
}
