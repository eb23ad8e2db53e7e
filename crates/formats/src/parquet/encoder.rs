//! Rows to the column chunks of a row group. Columns know nothing of one another, so that each is a
//! part of its own for the threads; a part never waits for the rest of its group.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::TypePtr;

use super::dictionary;
use super::file::{ColumnChunks, ParquetFile};
use super::options::ParquetOptions;
use super::schema::{self, ParquetColumn};
use crate::cells;
use crate::error::{Error, Result};
use crate::options::{FormatOptions, ValueOptions};
use crate::report::{WarningKind, Warnings};
use crate::{Assembler, Body, Chunk, Encoder, Piece, Scratch};

/// What made the file, in the form in which readers look for it.
const CREATED_BY: &str = concat!("outhaul version ", env!("CARGO_PKG_VERSION"));

/// Most parts of a row group; more only cost their queueing.
const PARTS_MAX: usize = 64;

/// A page ends at so many bytes before compression, or at so many rows.
const PAGE_BYTES: usize = 1 << 20;
const PAGE_ROWS: usize = 1 << 20;

/// Values between two looks at the size of a page.
const VALUES_PER_LOOK: usize = 4_096;

pub(super) struct ParquetEncoder {
    root: TypePtr,
    properties: WriterPropertiesPtr,
    columns: Vec<ColumnEncoder>,
    values: ValueOptions,
    rows_per_group: usize,
}

/// What encodes one column of the schema.
struct ColumnEncoder {
    column: ParquetColumn,
    with_dictionary: ArrowRowGroupWriterFactory,
    without: ArrowRowGroupWriterFactory,
}

impl ParquetEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &FormatOptions) -> Result<Self> {
        cells::check_types(schema, &options.values)?;
        options.parquet.check(&options.values)?;
        let columns = schema::columns(schema)?;
        let root = schema::root(&columns)?;
        let with = Arc::new(properties(&options.parquet, true));
        let without = Arc::new(properties(&options.parquet, false));
        let columns = columns.into_iter().map(|column| {
            Ok(ColumnEncoder {
                with_dictionary: factory(&column, &with)?,
                without: factory(&column, &without)?,
                column,
            })
        });
        Ok(Self {
            columns: columns.collect::<Result<_>>()?,
            root,
            properties: with,
            values: options.values.clone(),
            rows_per_group: options.parquet.rows_per_group,
        })
    }

    /// The columns of a part.
    fn range(&self, part: usize) -> Range<usize> {
        let (columns, parts) = (self.columns.len(), self.parts());
        part * columns / parts..(part + 1) * columns / parts
    }

    fn encode_columns(
        &self,
        chunk: &Chunk,
        columns: Range<usize>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece> {
        let last = columns.end == self.columns.len();
        let mut warnings = Warnings::default();
        let mut chunks = Vec::new();
        for at in columns {
            let arrays: Vec<_> =
                chunk.batches.iter().map(|batch| batch.column(at).clone()).collect();
            let encoder = &self.columns[at];
            chunks.extend(encoder.encode(&arrays, &self.values, stop)?);
            encoder.warn(&arrays, chunk.first_row, &mut warnings);
        }
        Ok(Piece {
            rows: chunk.rows,
            first_row: chunk.first_row,
            body: Body::Other(Box::new(ColumnChunks { chunks, last })),
            warnings,
        })
    }
}

impl Encoder for ParquetEncoder {
    fn encode(&self, chunk: &Chunk, _: &mut Scratch, stop: &dyn Fn() -> bool) -> Result<Piece> {
        self.encode_columns(chunk, 0..self.columns.len(), stop)
    }

    fn assembler(&self) -> Box<dyn Assembler> {
        Box::new(ParquetFile::new(self.root.clone(), self.properties.clone()))
    }

    fn chunk_rows(&self) -> Option<usize> {
        Some(self.rows_per_group)
    }

    fn parts(&self) -> usize {
        self.columns.len().min(PARTS_MAX)
    }

    fn encode_part(
        &self,
        chunk: &Chunk,
        part: usize,
        _: &mut Scratch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece> {
        self.encode_columns(chunk, self.range(part), stop)
    }

    fn verbatim(&self) -> bool {
        false
    }
}

impl ColumnEncoder {
    fn encode(
        &self,
        arrays: &[ArrayRef],
        values: &ValueOptions,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<ArrowColumnChunk>> {
        let field = self.column.field();
        let failed = |why: ParquetError| Error::Convert {
            column: field.name().clone(),
            source: ArrowError::ExternalError(Box::new(why)),
        };
        // The leaves of a nested column differ too much for one answer.
        let has_dictionary = field.data_type().is_nested()
            || dictionary::is_worthwhile(field.name(), arrays, values)?;
        let factory = if has_dictionary { &self.with_dictionary } else { &self.without };
        let mut writers = factory.create_column_writers(0).map_err(failed)?;
        for array in arrays {
            if stop() {
                return Err(Error::Cancelled);
            }
            let array = self.column.carry.apply(field.name(), array, values)?;
            if !field.is_nullable() && array.null_count() > 0 {
                return Err(Error::Usage("a column that has no nulls was given one"));
            }
            let leaves = compute_leaves(field, &array).map_err(failed)?;
            for (leaf, writer) in leaves.iter().zip(&mut writers) {
                writer.write(leaf).map_err(failed)?;
            }
        }
        writers.into_iter().map(ArrowColumnWriter::close).collect::<Result<_, _>>().map_err(failed)
    }

    /// Tells how many values are texts because the format has no such type.
    fn warn(&self, arrays: &[ArrayRef], first_row: u64, warnings: &mut Warnings) {
        if !self.column.carry.has_text() {
            return;
        }
        let mut row = first_row;
        for array in arrays {
            let nulls = array.logical_nulls();
            for at in 0..array.len() {
                if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at)) {
                    let name = self.column.field().name();
                    warnings.note(WarningKind::TypeAsText, name, row + at as u64);
                }
            }
            row += array.len() as u64;
        }
    }
}

/// Makes the writers of one column. Its pages are the same in whatever file they end up.
fn factory(
    column: &ParquetColumn,
    properties: &WriterPropertiesPtr,
) -> Result<ArrowRowGroupWriterFactory> {
    let file = SerializedFileWriter::new(io::sink(), column.root.clone(), properties.clone());
    let file = file.map_err(|why| Error::Schema { format: "parquet", problem: why.to_string() })?;
    Ok(ArrowRowGroupWriterFactory::new(&file, column.schema.clone()))
}

fn properties(options: &ParquetOptions, dictionary: bool) -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(options.compression.codec())
        .set_dictionary_enabled(dictionary)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(VALUES_PER_LOOK)
        // The least and greatest value of each row group let readers skip it. An index of pages
        // would let them skip a page, and would have to be kept in memory until the end.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .build()
}
