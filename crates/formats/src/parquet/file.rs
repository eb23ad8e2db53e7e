//! The file: the magic bytes, the row groups in order, and the footer that says where everything
//! is. The columns arrive encoded; only their places are decided here.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::TypePtr;

use crate::cells::Buf;
use crate::error::{Error, Result};
use crate::pack::FileWriter;
use crate::report::Warnings;
use crate::{Assembler, Body, Piece};

/// Row groups of a file, which are counted in 16 bits with a sign (parquet-format, "parquet.thrift").
const GROUPS_MAX: usize = i16::MAX as usize;

/// Bytes that are given to the sink at once.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// What the encoder makes of a part of a row group.
#[derive(Debug)]
pub(super) struct ColumnChunks {
    /// Encoded columns, in the order of the schema.
    pub(super) chunks: Vec<ArrowColumnChunk>,
    /// The row group has no column behind them.
    pub(super) last: bool,
}

/// The assembler.
pub(super) struct ParquetFile {
    root: TypePtr,
    properties: WriterPropertiesPtr,
    /// There from the start to the end of the file.
    writer: Option<SerializedFileWriter<Outbox>>,
    outbox: Outbox,
    /// Columns of the row group that is not complete yet.
    waiting: Vec<ArrowColumnChunk>,
    groups: usize,
}

impl ParquetFile {
    pub(super) fn new(root: TypePtr, properties: WriterPropertiesPtr) -> Self {
        Self {
            root,
            properties,
            writer: None,
            outbox: Outbox::default(),
            waiting: Vec::new(),
            groups: 0,
        }
    }

    fn row_group(&mut self, file: &mut FileWriter<'_>) -> Result<()> {
        self.groups += 1;
        if self.groups > GROUPS_MAX {
            return Err(Error::Schema {
                format: "parquet",
                problem: format!(
                    "the rows fill more than {GROUPS_MAX} row groups; set a larger \
                     parquet.rows_per_group, or filter the rows"
                ),
            });
        }
        let writer = self.writer.as_mut().ok_or(Error::Usage("the file was not started"))?;
        let mut group = writer.next_row_group().map_err(failed)?;
        for chunk in self.waiting.drain(..) {
            chunk.append_to_row_group(&mut group).map_err(failed)?;
            self.outbox.empty_into(file)?;
        }
        group.close().map_err(failed)?;
        self.outbox.empty_into(file)
    }
}

impl Assembler for ParquetFile {
    fn start(&mut self, file: &mut FileWriter<'_>) -> Result<()> {
        let (root, properties) = (self.root.clone(), self.properties.clone());
        let writer = SerializedFileWriter::new(self.outbox.clone(), root, properties);
        self.writer = Some(writer.map_err(failed)?);
        self.outbox.empty_into(file)
    }

    fn append(&mut self, piece: Piece, file: &mut FileWriter<'_>) -> Result<Option<Buf>> {
        let foreign = || Error::Usage("a Parquet file was given a foreign piece");
        let Body::Other(columns) = piece.body else { return Err(foreign()) };
        let columns = columns.downcast::<ColumnChunks>().map_err(|_| foreign())?;
        self.waiting.extend(columns.chunks);
        if columns.last {
            self.row_group(file)?;
        }
        Ok(None)
    }

    fn finish(&mut self, file: &mut FileWriter<'_>) -> Result<Warnings> {
        let writer = self.writer.take().ok_or(Error::Usage("the file was not started"))?;
        writer.close().map_err(failed)?;
        self.outbox.empty_into(file)?;
        Ok(Warnings::default())
    }
}

/// Faults of the file's own making; the outbox takes everything.
fn failed(why: ParquetError) -> Error {
    Error::Sink(io::Error::other(why))
}

/// Where the library writes to, because it wants to own its sink and the sink of a file is lent
/// for one call at a time. Emptied after each column.
#[derive(Debug, Clone, Default)]
struct Outbox(Arc<Mutex<Vec<u8>>>);

impl Outbox {
    fn empty_into(&self, file: &mut FileWriter<'_>) -> Result<()> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.chunks(WRITE_BYTES_MAX).try_for_each(|part| file.bytes(part))?;
        bytes.clear();
        Ok(())
    }
}

impl Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
